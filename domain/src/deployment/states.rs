//! How deployments stand, several at once.

use serde::{Deserialize, Serialize};

use super::DeploymentState;

/// One state or several, as a query names them: `degraded,failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct States(Vec<DeploymentState>);

impl States {
    /// Those of all states that are so.
    #[must_use]
    pub fn that(are_so: fn(DeploymentState) -> bool) -> Self {
        Self(DeploymentState::ALL.into_iter().filter(|state| are_so(*state)).collect())
    }

    #[must_use]
    pub fn as_slice(&self) -> &[DeploymentState] {
        &self.0
    }
}

impl From<DeploymentState> for States {
    fn from(state: DeploymentState) -> Self {
        Self(vec![state])
    }
}

impl TryFrom<String> for States {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let state = |word: &str| DeploymentState::ALL.into_iter().find(|state| state.as_str() == word);
        let known = || DeploymentState::ALL.map(DeploymentState::as_str).join(", ");
        text.split(',').map(state).collect::<Option<_>>().map(Self).ok_or_else(|| format!("a deployment's state is one of: {}", known()))
    }
}

impl From<States> for String {
    fn from(states: States) -> Self {
        states.0.into_iter().map(DeploymentState::as_str).collect::<Vec<_>>().join(",")
    }
}

/// How many deployments stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct DeploymentCounts {
    pub pending: i64,
    pub rolling_out: i64,
    pub live: i64,
    pub degraded: i64,
    pub failed: i64,
    pub held: i64,
    pub deleting: i64,
}

impl DeploymentCounts {
    /// How many stand so.
    #[must_use]
    pub fn of(&self, state: DeploymentState) -> i64 {
        match state {
            DeploymentState::Pending => self.pending,
            DeploymentState::RollingOut => self.rolling_out,
            DeploymentState::Live => self.live,
            DeploymentState::Degraded => self.degraded,
            DeploymentState::Failed => self.failed,
            DeploymentState::Held => self.held,
            DeploymentState::Deleting => self.deleting,
        }
    }

    /// How many stand in one of these ways.
    #[must_use]
    pub fn among(&self, states: &States) -> i64 {
        states.as_slice().iter().map(|state| self.of(*state)).sum()
    }
}
