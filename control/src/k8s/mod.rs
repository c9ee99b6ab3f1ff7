//! Kubernetes: kube-rs types in, domain types out. Nothing here knows a resource of the portal.

pub mod apply;
pub mod client;
pub mod error;
pub mod fields;
pub mod forward;
pub mod impersonate;
pub mod labels;
mod lines;
pub mod logs;
mod store;
pub mod text;
pub mod token;
pub mod watch;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::{
    Timestamp,
    access::TeamRole,
    cluster::ClusterConnection,
    ids::{ClusterId, TeamId},
};

use crate::{Control, access::WORKER, aws::AccountAccess, clock};
use client::Connection;
pub use error::{Error, Kind, Result};
use token::Tokens;

/// Where an API server is and how to know that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `https://…`
    pub server: String,
    /// PEM.
    pub certificate_authority: String,
    /// The name its certificate has to carry, when it is not the address.
    pub tls_server_name: Option<String>,
    /// How to get the credentials that the cluster knows.
    pub access: AccountAccess,
    pub region: String,
    /// The name in EKS; signed into every token.
    pub eks_name: String,
}

/// Hands out clients for clusters. Connections and tokens are shared by all clients of a cluster.
#[derive(Default)]
pub struct Clients {
    held: Mutex<HashMap<ClusterId, (Target, Connection)>>,
}

impl Clients {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A client that acts as Slipway's own principal.
    ///
    /// # Errors
    /// `NotFound` when there is no such cluster here, `Unreachable` when nothing is known of its API server yet; a fault.
    pub async fn own(&self, control: &Control, cluster: ClusterId) -> Result<kube::Client> {
        Ok(kube::Client::new(self.connection(control, cluster).await?, "default"))
    }

    /// A client that acts as the team in a role; `person` is [`crate::Actor::kubernetes_name`] of whoever it is done for.
    ///
    /// # Errors
    /// Those of [`Clients::own`].
    pub async fn as_team(&self, control: &Control, cluster: ClusterId, team: TeamId, role: TeamRole, person: &str) -> Result<kube::Client> {
        impersonate::as_team(self.connection(control, cluster).await?, team, role, person)
    }

    /// A client for a target that is not stored (yet).
    ///
    /// # Errors
    /// A fault when the target cannot be used.
    pub fn for_target(control: &Control, target: &Target) -> Result<kube::Client> {
        Ok(kube::Client::new(connect(control, target)?, "default"))
    }

    async fn connection(&self, control: &Control, cluster: ClusterId) -> Result<Connection> {
        let target = stored(control, cluster).await?.ok_or_else(|| Error::new(Kind::Unreachable, "nothing is known of the cluster's API server yet"))?;
        if let Some((known, connection)) = self.lock().get(&cluster)
            && *known == target
        {
            return Ok(connection.clone());
        }
        let connection = connect(control, &target)?;
        self.lock().insert(cluster, (target, connection.clone()));
        Ok(connection)
    }

    /// Now, by the clock of the cluster's API server as its last answer said; by this machine's before any.
    #[must_use]
    pub fn now(&self, cluster: ClusterId) -> Timestamp {
        self.lock().get(&cluster).map_or_else(clock::now, |(_, connection)| connection.now())
    }

    /// Closes what is held of a cluster that was detached.
    pub fn forget(&self, cluster: ClusterId) {
        self.lock().remove(&cluster);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ClusterId, (Target, Connection)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(control: &Control, target: &Target) -> Result<Connection> {
    let config = control.aws.config(&target.access, &target.region);
    Connection::new(target, Tokens::new(config, &target.region, &target.eks_name))
}

/// Where an API server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub server: String,
    pub certificate_authority: String,
    pub tls_server_name: Option<String>,
}

/// The one way into a cluster, for whoever connects, watches or asks whether anybody could: what an admin set goes before what
/// DescribeCluster said last. None while the two do not say enough.
#[must_use]
pub fn way(endpoint: Option<String>, certificate_authority: Option<String>, instead: ClusterConnection) -> Option<Way> {
    let (server, certificate_authority) = instead.server.or(endpoint).zip(instead.certificate_authority.or(certificate_authority))?;
    Some(Way { server, certificate_authority, tls_server_name: instead.tls_server_name })
}

/// The cluster's target, as it is stored; none while nothing is known of its API server.
async fn stored(control: &Control, cluster: ClusterId) -> Result<Option<Target>> {
    let row = store::connection(&control.pool, cluster).await.map_err(Error::fault)?;
    let instead = row.ok_or_else(|| Error::new(Kind::NotFound, "there is no such cluster"))?;
    // A proxy, or anything else it may hold one day, is refused until it is understood here.
    target(control, cluster, serde_json::from_value(instead).map_err(Error::fault)?).await
}

/// The cluster's target with this override of what DescribeCluster said last; none while nothing is known of its API server.
///
/// # Errors
/// `NotFound` when there is no such cluster here; a fault.
pub async fn target(control: &Control, cluster: ClusterId, instead: ClusterConnection) -> Result<Option<Target>> {
    let row = store::known(&control.pool, cluster).await.map_err(Error::fault)?.ok_or_else(|| Error::new(Kind::NotFound, "there is no such cluster"))?;
    let access = AccountAccess { role_arn: row.role_arn, external_id: row.external_id, on_behalf_of: WORKER.into() };
    Ok(way(row.endpoint, row.certificate_authority, instead).map(|way| Target {
        server: way.server,
        certificate_authority: way.certificate_authority,
        tls_server_name: way.tls_server_name,
        access,
        region: row.region,
        eks_name: row.eks_name,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_admin_set_goes_before_what_eks_says_and_both_together_have_to_say_enough() {
        let text = |text: &str| Some(text.to_owned());
        let server = ClusterConnection { server: text("https://around.example"), ..ClusterConnection::default() };
        let whole = ClusterConnection { certificate_authority: text("their pem"), tls_server_name: text("lab.example"), ..server.clone() };
        let found = |way: Option<Way>| way.map(|way| (way.server, way.certificate_authority, way.tls_server_name));
        let said = || (text("https://eks.example"), text("pem"));
        assert_eq!(found(way(said().0, said().1, ClusterConnection::default())), Some(("https://eks.example".into(), "pem".into(), None)));
        assert_eq!(found(way(said().0, said().1, server.clone())), Some(("https://around.example".into(), "pem".into(), None)));
        assert_eq!(found(way(None, None, whole)), Some(("https://around.example".into(), "their pem".into(), text("lab.example"))));
        for (endpoint, authority, instead) in [(None, None, server), (said().0, None, ClusterConnection::default()), (None, said().1, ClusterConnection::default())] {
            assert_eq!(way(endpoint, authority, instead), None);
        }
    }
}
