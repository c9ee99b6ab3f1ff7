//! What is the matter with the cluster that something runs on, as far as a team has to know it.

use control::{clock, clusters};
use domain::{
    state::Tone,
    workspace::{ClusterTrouble as What, Workspace},
};
use leptos::prelude::*;

use super::{
    notice::Notice,
    when::{Ago, exact},
};

/// What is the matter and what follows, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    what: What,
    /// `lab cannot be reached`
    pub title: String,
    follows: String,
}

/// What is the matter with a workspace's cluster; nothing while changes get there and what is shown is fresh.
#[must_use]
pub fn trouble(workspace: &Workspace) -> Option<Trouble> {
    let cluster = &workspace.cluster_name;
    let what = workspace.trouble(clock::now())?;
    let (is, follows) = match what {
        What::Gone { .. } => ("is gone", "EKS has no such cluster any more: nothing runs there, and nothing can be changed.".to_owned()),
        What::Unreachable { .. } => ("cannot be reached", "What runs there goes on; changes wait until it answers again.".to_owned()),
        What::NeedsAccess { .. } => ("does not let Slipway in", "What runs there goes on; changes wait until a platform admin has let Slipway in again.".to_owned()),
        What::ReadOnly { .. } => ("is read-only", format!("{} What runs there goes on; changes wait.", clusters::why_read_only(cluster))),
        What::Connecting => ("is being connected", "Changes begin as soon as it answers.".to_owned()),
        What::Silent { .. } => ("does not answer", "What runs there goes on; changes wait until it answers again.".to_owned()),
    };
    Some(Trouble { what, title: format!("{cluster} {is}"), follows })
}

fn tone(what: What) -> Tone {
    match what {
        What::Gone { .. } | What::Unreachable { .. } | What::NeedsAccess { .. } | What::ReadOnly { .. } => Tone::Bad,
        What::Connecting => Tone::Busy,
        What::Silent { .. } => Tone::Warn,
    }
}

impl Trouble {
    /// In one sentence or two, for where a notice has no room.
    #[must_use]
    pub fn words(&self) -> String {
        let since = self.what.since().map_or_else(String::new, |at| format!(" since {}", exact(at)));
        format!("{}{since}. {}", self.title, self.follows)
    }
}

/// Says what is the matter with the workspace's cluster, if anything is.
#[component]
pub fn ClusterTrouble(
    workspace: Workspace,
    /// Whether the reader may see the cluster's page.
    platform: bool,
) -> impl IntoView {
    trouble(&workspace).map(|Trouble { what, title, follows }| {
        let as_of = if matches!(what, What::ReadOnly { .. }) { ". " } else { ": what is shown here is as of then. " };
        let since = match what.since() {
            Some(at) => view! { <p>"Since "{exact(at)}" ("<Ago at/>")"{as_of}{follows}</p> }.into_any(),
            None => view! { <p>"Nothing of it was seen yet. "{follows}</p> }.into_any(),
        };
        let cluster = platform.then(|| view! { <p><a href=format!("/clusters/{}", workspace.cluster)>{format!("Open {}", workspace.cluster_name)}</a></p> });
        view! { <Notice tone=tone(what) title>{since}{cluster}</Notice> }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{
        Timestamp,
        cluster::ClusterState,
        ids::{ClusterId, TeamId, WorkspaceId},
        workspace::{FRESH, Quota, WorkspaceState},
    };
    use uuid::Uuid;

    use super::*;
    use crate::page::draw_part;

    fn workspace(cluster_state: ClusterState, seen: Duration) -> Workspace {
        Workspace {
            id: WorkspaceId(Uuid::nil()),
            name: "forecasting".into(),
            team: TeamId(Uuid::nil()),
            team_name: "forecasting".into(),
            cluster: ClusterId(Uuid::nil()),
            cluster_name: "lab".into(),
            cluster_state,
            cluster_read_only_since: None,
            cluster_seen_at: Some(Timestamp(clock::now().0 - seen)),
            region: "us-east-1".into(),
            network_policies_enforced: None,
            state: WorkspaceState::Ready,
            state_message: None,
            others: Vec::new(),
            adopted: false,
            quota: Quota::default(),
            used: Quota::default(),
            deployments: 0,
            synced_at: None,
            created_at: clock::now(),
            version: 1,
        }
    }

    #[test]
    fn what_was_seen_long_ago_is_said_to_be_old() {
        assert_eq!(trouble(&workspace(ClusterState::Connected, FRESH / 2)), None);
        let silent = draw_part(|| view! { <ClusterTrouble workspace=workspace(ClusterState::Connected, FRESH * 2) platform=false/> });
        assert!(silent.contains("lab does not answer") && silent.contains("what is shown here is as of then") && !silent.contains("href"), "{silent}");
    }

    #[test]
    fn whatever_keeps_changes_from_a_cluster_is_said() {
        for (state, title) in [
            (ClusterState::Unreachable, "lab cannot be reached"),
            (ClusterState::NeedsAccess, "lab does not let Slipway in"),
            (ClusterState::Gone, "lab is gone"),
            (ClusterState::Connecting, "lab is being connected"),
        ] {
            let said = draw_part(move || view! { <ClusterTrouble workspace=workspace(state, FRESH / 2) platform=true/> });
            assert!(said.contains(title) && said.contains("href=\"/clusters/"), "{said}");
        }
        let mut held = workspace(ClusterState::Connected, FRESH / 2);
        held.cluster_read_only_since = Some(clock::now());
        assert!(trouble(&held).unwrap().words().contains("until a platform admin has decided"));
        let said = draw_part(move || view! { <ClusterTrouble workspace=held platform=false/> });
        assert!(said.contains("Since ") && !said.contains("as of then"), "what is shown is fresh: {said}");
    }
}
