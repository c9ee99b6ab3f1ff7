//! What is the matter with the cluster that something runs on, as far as a team has to know it.

use std::time::Duration;

use control::{clock, clusters};
use domain::{Timestamp, cluster::ClusterState, state::Tone, workspace::Workspace};
use leptos::prelude::*;

use super::{
    notice::Notice,
    when::{Ago, exact},
};

/// A cluster that answers says so about once a minute; what was seen longer ago may be over.
const FRESH: Duration = Duration::from_secs(120);

/// What is the matter, since when, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    tone: Tone,
    /// `lab cannot be reached`
    pub title: String,
    since: Option<Timestamp>,
    follows: String,
}

/// What is the matter with a workspace's cluster; nothing while changes get there and what is shown is fresh.
#[must_use]
pub fn trouble(workspace: &Workspace) -> Option<Trouble> {
    let (cluster, seen) = (&workspace.cluster_name, workspace.cluster_seen_at);
    let silent = seen.is_some_and(|at| clock::now().since(at) > FRESH);
    let (tone, what, since, follows) = match workspace.cluster_state {
        ClusterState::Gone => (Tone::Bad, "is gone", seen, "EKS has no such cluster any more: nothing runs there, and nothing can be changed.".to_owned()),
        ClusterState::Unreachable => (Tone::Bad, "cannot be reached", seen, "What runs there goes on; changes wait until it answers again.".to_owned()),
        ClusterState::NeedsAccess => {
            (Tone::Bad, "does not let Slipway in", seen, "What runs there goes on; changes wait until a platform admin has let Slipway in again.".to_owned())
        }
        // Slipway still looks, so what is shown is fresh.
        ClusterState::Connected if workspace.cluster_read_only_since.is_some() => {
            (Tone::Bad, "is read-only", workspace.cluster_read_only_since, format!("{} What runs there goes on; changes wait.", clusters::why_read_only(cluster)))
        }
        ClusterState::Connecting => (Tone::Busy, "is being connected", None, "Changes begin as soon as it answers.".to_owned()),
        ClusterState::Connected if silent => (Tone::Warn, "does not answer", seen, "What runs there goes on; changes wait until it answers again.".to_owned()),
        ClusterState::Connected => return None,
    };
    Some(Trouble { tone, title: format!("{cluster} {what}"), since, follows })
}

impl Trouble {
    /// In one sentence or two, for where a notice has no room.
    #[must_use]
    pub fn words(&self) -> String {
        let since = self.since.map_or_else(String::new, |at| format!(" since {}", exact(at)));
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
    trouble(&workspace).map(|Trouble { tone, title, since, follows }| {
        let since = match (since, workspace.cluster_read_only_since) {
            (Some(at), Some(read_only)) if at == read_only => view! { <p>"Since "{exact(at)}" ("<Ago at/>"). "{follows}</p> }.into_any(),
            (Some(at), _) => view! { <p>"Since "{exact(at)}" ("<Ago at/>"): what is shown here is as of then. "{follows}</p> }.into_any(),
            (None, _) => view! { <p>"Nothing of it was seen yet. "{follows}</p> }.into_any(),
        };
        let cluster = platform.then(|| view! { <p><a href=format!("/clusters/{}", workspace.cluster)>{format!("Open {}", workspace.cluster_name)}</a></p> });
        view! { <Notice tone title>{since}{cluster}</Notice> }
    })
}

#[cfg(test)]
mod tests {
    use domain::{
        ids::{ClusterId, TeamId, WorkspaceId},
        workspace::{Quota, WorkspaceState},
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
            state: WorkspaceState::Ready,
            state_message: None,
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
    }
}
