//! Workspaces: a team's namespaces, with quota and defaults.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    cluster::ClusterState,
    ids::{ClusterId, TeamId, WorkspaceId},
    operation::ChangedField,
    page::PageQuery,
    timestamp::Timestamp,
};

/// How a workspace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "workspace_state", rename_all = "snake_case"))]
pub enum WorkspaceState {
    /// Being made or changed.
    Preparing,
    /// Everything of it is in the cluster.
    Ready,
    /// It could not be made: the message says why.
    Failed,
    /// On its way out.
    Deleting,
}

/// A team's namespace on one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Workspace {
    pub id: WorkspaceId,
    /// The name of its namespace.
    pub name: String,
    pub team: TeamId,
    pub team_name: String,
    pub cluster: ClusterId,
    pub cluster_name: String,
    /// How Slipway and its cluster stand: changes wait while it is not connected.
    pub cluster_state: ClusterState,
    /// Since when nothing is changed on its cluster, until an admin has decided; absent while it may be.
    pub cluster_read_only_since: Option<Timestamp>,
    /// When its cluster's replicas were last seen.
    pub cluster_seen_at: Option<Timestamp>,
    pub region: String,
    /// Whether the cluster enforces the network policies of its workspaces; null until that is known.
    pub network_policies_enforced: Option<bool>,
    pub state: WorkspaceState,
    /// Why it is as it is; of a ready one, why Slipway could not look at it.
    pub state_message: Option<String>,
    /// What others set or took away in the cluster of what Slipway made for it.
    pub others: Vec<ChangedField>,
    /// Whether the namespace was there before Slipway.
    pub adopted: bool,
    pub quota: Quota,
    /// What its deployments ask for.
    pub used: Quota,
    pub deployments: i64,
    pub synced_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Rises with every change; the `ETag`.
    pub version: i64,
}

/// Who reaches what listens in a workspace, besides Slipway: its network policies are worth what the cluster makes of them.
#[must_use]
pub fn reached_by(network_policies_enforced: Option<bool>, team: &str) -> String {
    match network_policies_enforced {
        Some(true) => format!("pods of {team}"),
        Some(false) => "every pod of the cluster, which does not enforce network policies".into(),
        None => format!("pods of {team}, if the cluster enforces network policies"),
    }
}

/// A cluster that answers says so about once a minute; what was seen longer ago may be over.
pub const FRESH: Duration = Duration::from_secs(120);

/// What is the matter with a workspace's cluster, with the moment of which what is shown is where that is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterTrouble {
    /// EKS has no such cluster any more.
    Gone { seen: Option<Timestamp> },
    /// Its API server does not answer.
    Unreachable { seen: Option<Timestamp> },
    /// It does not let Slipway in.
    NeedsAccess { seen: Option<Timestamp> },
    /// Nothing is changed on it until an admin has decided. Slipway still looks, so what is shown is fresh.
    ReadOnly { since: Timestamp },
    /// Attached a moment ago: nothing is known yet.
    Connecting,
    /// It was reached, but it has not said anything for longer than [`FRESH`].
    Silent { seen: Timestamp },
}

impl ClusterTrouble {
    /// Since when, as far as that is known.
    #[must_use]
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Self::Gone { seen } | Self::Unreachable { seen } | Self::NeedsAccess { seen } => seen,
            Self::ReadOnly { since: at } | Self::Silent { seen: at } => Some(at),
            Self::Connecting => None,
        }
    }
}

impl Workspace {
    /// Whether somebody should look at it: it could not be made, could not be looked at, or others changed what was made for it. The list's SQL says the same.
    #[must_use]
    pub fn needs_a_look(&self) -> bool {
        match self.state {
            WorkspaceState::Failed => true,
            WorkspaceState::Ready => self.state_message.is_some() || !self.others.is_empty(),
            WorkspaceState::Preparing | WorkspaceState::Deleting => false,
        }
    }

    /// What is the matter with its cluster; nothing while changes get there and what is shown is fresh.
    #[must_use]
    pub fn trouble(&self, now: Timestamp) -> Option<ClusterTrouble> {
        let seen = self.cluster_seen_at;
        match (self.cluster_state, self.cluster_read_only_since) {
            (ClusterState::Gone, _) => Some(ClusterTrouble::Gone { seen }),
            (ClusterState::Unreachable, _) => Some(ClusterTrouble::Unreachable { seen }),
            (ClusterState::NeedsAccess, _) => Some(ClusterTrouble::NeedsAccess { seen }),
            (ClusterState::Connecting, _) => Some(ClusterTrouble::Connecting),
            (ClusterState::Connected, Some(since)) => Some(ClusterTrouble::ReadOnly { since }),
            (ClusterState::Connected, None) => seen.filter(|seen| now.since(*seen) > FRESH).map(|seen| ClusterTrouble::Silent { seen }),
        }
    }
}

/// The most that all pods of a workspace may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Quota {
    /// Thousandths of a CPU.
    pub cpu_millis: i64,
    /// MiB.
    pub memory_mib: i64,
    #[serde(default)]
    pub gpus: i64,
    pub pods: i64,
}

/// Thousandths of a CPU as people read them: `0.5`.
#[must_use]
pub fn cpus(millis: i64) -> String {
    (millis as f64 / 1000.0).to_string()
}

/// `512 MiB`, `1.5 GiB`
#[must_use]
pub fn memory(mib: i64) -> String {
    if mib.abs() >= 1024 { format!("{} GiB", (mib as f64 / 102.4).round() / 10.0) } else { format!("{mib} MiB") }
}

fn many(count: i64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// One thing that a quota counts: how much of it, in what words.
struct Counted {
    allowed: i64,
    used: i64,
    words: fn(i64) -> String,
    /// ` of memory`, where the unit does not tell.
    of: &'static str,
}

impl Quota {
    fn counted(&self, used: &Self) -> [Counted; 4] {
        [
            Counted { allowed: self.cpu_millis, used: used.cpu_millis, words: |millis| format!("{} CPU", cpus(millis)), of: "" },
            Counted { allowed: self.memory_mib, used: used.memory_mib, words: memory, of: " of memory" },
            Counted { allowed: self.gpus, used: used.gpus, words: |count| many(count, "GPU"), of: "" },
            Counted { allowed: self.pods, used: used.pods, words: |count| many(count, "replica"), of: "" },
        ]
    }

    /// How much of each is free when this much is used, the same words everywhere: `1.5 of 4 CPU`. In the order CPU, memory, GPUs, replicas.
    #[must_use]
    pub fn free(&self, used: &Self) -> [String; 4] {
        self.counted(used).map(|counted| counted.free())
    }

    /// What something that needs this much lacks, a sentence for each: `It needs 2 CPU; 1.5 of 4 CPU are free in this workspace.`
    #[must_use]
    pub fn lacks(&self, used: &Self, needs: &Self) -> Vec<String> {
        let lack = |(counted, needed): (Counted, Counted)| {
            (counted.used + needed.used > counted.allowed)
                .then(|| format!("It needs {}{}; {} are free in this workspace.", (counted.words)(needed.used), counted.of, counted.free()))
        };
        self.counted(used).into_iter().zip(self.counted(needs)).filter_map(lack).collect()
    }
}

impl Counted {
    fn free(&self) -> String {
        format!("{} of {}", self.number((self.allowed - self.used).max(0)), (self.words)(self.allowed))
    }

    /// Without its unit where that is the one of the whole, which follows.
    fn number(&self, count: i64) -> String {
        let (words, whole) = ((self.words)(count), (self.words)(self.allowed));
        let unit = whole.split_once(' ').map_or("", |(_, unit)| unit);
        let (number, own) = words.split_once(' ').unwrap_or((&words, ""));
        if own.trim_end_matches('s') == unit.trim_end_matches('s') || count == 0 { number.to_owned() } else { words.clone() }
    }
}

/// The list of workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct WorkspaceQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only workspaces of this team, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Only workspaces on this cluster, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// `true`: only workspaces that somebody should look at, which could not be made or looked at, or of which others changed something. `false`: only those that need none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "look")]
    pub needs_a_look: Option<bool>,
}

/// Beside a flattened part serde hands on the values of a query as the texts they are.
fn look<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(None),
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(D::Error::custom("needs_a_look has to be true or false")),
    }
}

/// Makes a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewWorkspace {
    /// The name of its namespace.
    pub name: String,
    /// The team, by its id or name.
    pub team: String,
    /// The cluster, by its id or name.
    pub cluster: String,
    pub quota: Quota,
    /// Whether a namespace that exists already may be taken over.
    #[serde(default)]
    pub adopt: Adopt,
}

/// Whether an existing namespace may be taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub enum Adopt {
    #[default]
    Never,
    /// What is in it stays; Slipway adds its quota, policies and bindings.
    Existing,
}

/// Changes a workspace. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct WorkspaceChange {
    #[serde(default)]
    pub quota: Option<Quota>,
    /// Whether a namespace that exists already may be taken over. One that was taken over stays so.
    #[serde(default)]
    pub adopt: Option<Adopt>,
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp(datetime!(2026-11-24 12:00 UTC));

    fn on_a_cluster(cluster_state: ClusterState, cluster_seen_at: Option<Timestamp>, cluster_read_only_since: Option<Timestamp>) -> Workspace {
        Workspace {
            id: WorkspaceId(Uuid::nil()),
            name: "forecasting".into(),
            team: TeamId(Uuid::nil()),
            team_name: "forecasting".into(),
            cluster: ClusterId(Uuid::nil()),
            cluster_name: "lab".into(),
            cluster_state,
            cluster_read_only_since,
            cluster_seen_at,
            region: "us-east-1".into(),
            network_policies_enforced: None,
            state: WorkspaceState::Ready,
            state_message: None,
            others: Vec::new(),
            adopted: false,
            quota: QUOTA,
            used: Quota::default(),
            deployments: 0,
            synced_at: None,
            created_at: NOW,
            version: 1,
        }
    }

    #[test]
    fn a_connected_cluster_is_in_trouble_once_it_has_been_silent_for_too_long() {
        let seen = |before: Duration| Timestamp(NOW.0 - before);
        let trouble = |at| on_a_cluster(ClusterState::Connected, at, None).trouble(NOW);
        assert_eq!(trouble(None), None, "nothing was to be seen yet");
        assert_eq!(trouble(Some(seen(FRESH))), None);
        let silent = seen(FRESH + Duration::from_secs(1));
        assert_eq!(trouble(Some(silent)), Some(ClusterTrouble::Silent { seen: silent }));
        assert_eq!(ClusterTrouble::Silent { seen: silent }.since(), Some(silent));
    }

    #[test]
    fn what_keeps_slipway_out_outweighs_what_holds_changes_back() {
        let (seen, since) = (Some(Timestamp(NOW.0 - FRESH * 9)), Timestamp(NOW.0 - FRESH));
        for (state, trouble) in [
            (ClusterState::Gone, ClusterTrouble::Gone { seen }),
            (ClusterState::Unreachable, ClusterTrouble::Unreachable { seen }),
            (ClusterState::NeedsAccess, ClusterTrouble::NeedsAccess { seen }),
            (ClusterState::Connecting, ClusterTrouble::Connecting),
            // Read-only first: how silent it is matters only to what is shown.
            (ClusterState::Connected, ClusterTrouble::ReadOnly { since }),
        ] {
            assert_eq!(on_a_cluster(state, seen, Some(since)).trouble(NOW), Some(trouble), "{state:?}");
        }
        assert_eq!(ClusterTrouble::Gone { seen }.since(), seen);
        assert_eq!(ClusterTrouble::ReadOnly { since }.since(), Some(since));
        assert_eq!(ClusterTrouble::Connecting.since(), None);
    }

    const QUOTA: Quota = Quota { cpu_millis: 4000, memory_mib: 16_384, gpus: 0, pods: 20 };

    #[test]
    fn what_is_needed_is_set_against_what_is_free() {
        let used = Quota { cpu_millis: 2500, memory_mib: 15_872, gpus: 0, pods: 19 };
        let needs = Quota { cpu_millis: 2000, memory_mib: 4096, gpus: 1, pods: 1 };
        let said = [
            "It needs 2 CPU; 1.5 of 4 CPU are free in this workspace.",
            "It needs 4 GiB of memory; 512 MiB of 16 GiB are free in this workspace.",
            "It needs 1 GPU; 0 of 0 GPUs are free in this workspace.",
        ];
        assert_eq!(QUOTA.lacks(&used, &needs), said);
        assert_eq!(QUOTA.lacks(&used, &Quota { cpu_millis: 1500, memory_mib: 512, gpus: 0, pods: 1 }), [""; 0]);
    }

    #[test]
    fn more_used_than_allowed_leaves_nothing_free() {
        let over = Quota { cpu_millis: 5000, memory_mib: 16_384, gpus: 0, pods: 19 };
        assert_eq!(QUOTA.free(&over), ["0 of 4 CPU", "0 of 16 GiB", "0 of 0 GPUs", "1 of 20 replicas"]);
    }
}
