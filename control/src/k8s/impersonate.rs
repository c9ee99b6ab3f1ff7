//! Acting as a team.
//!
//! Slipway applies what teams want under impersonation of one service account per team and role,
//! `system:serviceaccount:slipway-access:<team id>-<role>`, and names the person in the extra `slipway-user`. So Kubernetes' own RBAC
//! decides what a team may do, even if Slipway itself erred, and the audit log of the cluster says for whom it was done.
//!
//! Why service accounts: RBAC grants `impersonate` on users, groups and extras by exact names only, without prefixes. Granting it
//! on users or groups at all would let Slipway become `system:masters`. Service accounts are namespaced, so a Role in the namespace
//! `slipway-access` grants exactly the accounts in there, those of teams made later included, and nobody else. Impersonating a
//! service account also brings its groups (`system:serviceaccounts`, …) without any right to impersonate groups. The accounts
//! have no token and nothing runs as them. The extra is a resource of its own (`userextras/slipway-user`), granted for any value:
//! it carries a name and grants nothing.

use domain::{access::TeamRole, ids::TeamId};
use http::{HeaderName, HeaderValue, Request};
use kube::client::{Body, ClientBuilder};
use tower::util::MapRequestLayer;

use super::{
    client::Connection,
    error::{Error, Result},
    labels::ACCESS_NAMESPACE,
};

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const PERSON: HeaderName = HeaderName::from_static("impersonate-extra-slipway-user");

/// The name of the service account that a team acts through in a role; it lives in [`ACCESS_NAMESPACE`].
#[must_use]
pub fn service_account(team: TeamId, role: TeamRole) -> String {
    format!("{team}-{}", role.as_str())
}

/// The ClusterRole that is bound to that service account in the team's workspaces.
#[must_use]
pub fn cluster_role(role: TeamRole) -> &'static str {
    match role {
        TeamRole::Viewer => "slipway-viewer",
        TeamRole::Deployer => "slipway-deployer",
        TeamRole::Owner => "slipway-owner",
    }
}

/// A client that acts as the team, for `person`.
///
/// # Errors
/// A fault when `person` does not fit a header.
pub(super) fn as_team(connection: Connection, team: TeamId, role: TeamRole, person: &str) -> Result<kube::Client> {
    let user = HeaderValue::from_str(&format!("system:serviceaccount:{ACCESS_NAMESPACE}:{}", service_account(team, role))).map_err(Error::fault)?;
    let person = HeaderValue::from_str(person).map_err(Error::fault)?;
    let layer = MapRequestLayer::new(move |mut request: Request<Body>| {
        // `insert` replaces: nothing that came with the request can add a second identity.
        request.headers_mut().insert(USER, user.clone());
        request.headers_mut().insert(PERSON, person.clone());
        request
    });
    Ok(ClientBuilder::new(connection, "default").with_layer(&layer).build())
}
