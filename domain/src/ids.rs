//! Ids, one type per kind, so that a deployment's id can never be passed where a cluster's is meant.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
        #[cfg_attr(feature = "native", sqlx(transparent))]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by the time it was made.
            #[cfg(feature = "native")]
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A person.
    UserId,
    /// A group that owns things.
    TeamId,
    /// An API token.
    TokenId,
    /// A signed-in browser.
    SessionId,
    /// A one-time link: first admin, invitation or password reset.
    LinkId,
    /// An AWS account.
    AccountId,
    /// An EKS cluster.
    ClusterId,
    /// A team's namespace on one cluster.
    WorkspaceId,
    /// A named model of a team.
    ModelId,
    /// An immutable version of a model.
    ReleaseId,
    /// A running model in a workspace.
    DeploymentId,
    /// A change that is not instant.
    OperationId,
    /// An audit event.
    EventId,
}
