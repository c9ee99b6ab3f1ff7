//! Who may do what. This table is the only place that decides; pages hide what it refuses and operations refuse what it refuses.

use serde::{Deserialize, Serialize};

use crate::ids::TeamId;

/// A user's role in a team. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "team_role", rename_all = "snake_case"))]
pub enum TeamRole {
    Viewer,
    Deployer,
    Owner,
}

impl TeamRole {
    /// Every role, weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Deployer, Self::Owner];

    /// As it is written in requests, service account names and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::Owner => "owner",
        }
    }
}

/// A user's role on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "platform_role", rename_all = "snake_case"))]
pub enum PlatformRole {
    /// Reads everything, changes nothing.
    Auditor,
    /// Runs accounts, clusters, workspaces, teams and users.
    Admin,
}

impl PlatformRole {
    /// As it is written in requests and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

/// What can be done with a team and what it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TeamAction {
    /// See models, deployments, logs and costs.
    See,
    /// Register releases, deploy, change, roll back.
    Deploy,
    /// Send a request to a model: data goes in and comes out, so an admin has no right to it by office.
    Predict,
    /// Delete models and deployments.
    Delete,
    /// Members and settings.
    Manage,
    /// Tokens of the team.
    ManageTokens,
}

/// What can be done with the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlatformAction {
    /// See accounts, clusters, users, every team and every audit event.
    See,
    /// Create and delete teams, name their first owner; accounts, clusters, workspaces, mappings, users.
    Manage,
}

/// The answer of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// The caller sees the thing but may not do this.
    Forbidden,
    /// The caller may not even know that it exists.
    Hidden,
}

/// What an actor holds at this moment, as far as one team is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    pub platform: Option<PlatformRole>,
    pub team: Option<TeamRole>,
}

impl Rights {
    /// May this be done with the team's things?
    #[must_use]
    pub fn on_team(self, action: TeamAction) -> Decision {
        let needed = match action {
            TeamAction::See => TeamRole::Viewer,
            TeamAction::Deploy | TeamAction::Predict => TeamRole::Deployer,
            TeamAction::Delete | TeamAction::Manage | TeamAction::ManageTokens => TeamRole::Owner,
        };
        let by_office = match action {
            TeamAction::See => self.platform.is_some(),
            TeamAction::Manage => self.platform == Some(PlatformRole::Admin),
            TeamAction::Deploy | TeamAction::Predict | TeamAction::Delete | TeamAction::ManageTokens => false,
        };
        if by_office || self.team.is_some_and(|role| role >= needed) {
            Decision::Allowed
        } else if self.platform.is_some() || self.team.is_some() {
            Decision::Forbidden
        } else {
            Decision::Hidden
        }
    }

    /// May this be done with the platform?
    #[must_use]
    pub fn on_platform(self, action: PlatformAction) -> Decision {
        match (self.platform, action) {
            (Some(PlatformRole::Admin), _) | (Some(PlatformRole::Auditor), PlatformAction::See) => Decision::Allowed,
            (Some(PlatformRole::Auditor), PlatformAction::Manage) => Decision::Forbidden,
            (None, _) => Decision::Hidden,
        }
    }

    /// These rights, cut down to what a token may carry.
    #[must_use]
    pub fn limited_to(self, limit: Option<Limit>, team: Option<TeamId>) -> Self {
        match limit {
            None => self,
            Some(limit) => Self { platform: None, team: self.team.filter(|_| team == Some(limit.team)).map(|role| role.min(limit.role)) },
        }
    }
}

/// A token's limit: one role at most, in one team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub team: TeamId,
    pub role: TeamRole,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [TeamAction; 6] = [TeamAction::See, TeamAction::Deploy, TeamAction::Predict, TeamAction::Delete, TeamAction::Manage, TeamAction::ManageTokens];

    fn allowed(rights: Rights) -> Vec<bool> {
        ACTIONS.iter().map(|action| rights.on_team(*action) == Decision::Allowed).collect()
    }

    #[test]
    fn the_table_is_the_one_in_the_threat_model() {
        let member = |role| Rights { team: Some(role), platform: None };
        let office = |role| Rights { team: None, platform: Some(role) };
        //                                                            see   deploy predict delete manage tokens
        assert_eq!(allowed(member(TeamRole::Viewer)), [true, false, false, false, false, false]);
        assert_eq!(allowed(member(TeamRole::Deployer)), [true, true, true, false, false, false]);
        assert_eq!(allowed(member(TeamRole::Owner)), [true; 6]);
        assert_eq!(allowed(office(PlatformRole::Admin)), [true, false, false, false, true, false]);
        assert_eq!(allowed(office(PlatformRole::Auditor)), [true, false, false, false, false, false]);
        assert_eq!(allowed(Rights::default()), [false; 6]);
    }

    #[test]
    fn what_a_stranger_asks_for_is_hidden() {
        for action in ACTIONS {
            assert_eq!(Rights::default().on_team(action), Decision::Hidden);
        }
        assert_eq!(Rights::default().on_platform(PlatformAction::See), Decision::Hidden);
    }

    #[test]
    fn a_limited_token_never_carries_more_than_its_maker_has() {
        let team = TeamId(uuid::Uuid::from_u128(1));
        let other = TeamId(uuid::Uuid::from_u128(2));
        let owner = Rights { platform: Some(PlatformRole::Admin), team: Some(TeamRole::Owner) };
        let limit = Some(Limit { team, role: TeamRole::Deployer });
        assert_eq!(owner.limited_to(limit, Some(team)), Rights { platform: None, team: Some(TeamRole::Deployer) });
        assert_eq!(owner.limited_to(limit, Some(other)), Rights::default());
        let viewer = Rights { platform: None, team: Some(TeamRole::Viewer) };
        assert_eq!(viewer.limited_to(limit, Some(team)).team, Some(TeamRole::Viewer));
    }
}
