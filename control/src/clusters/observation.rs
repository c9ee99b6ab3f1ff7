//! The SQL of looking at clusters: what the reconciler reads and, fenced by its claim, writes.

use std::time::Duration;

use domain::{
    audit::ActorKind,
    cluster::{ClusterCheck, ClusterState},
    ids::{ClusterId, OperationId},
    operation::StepState,
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    next::{Eks, Observed},
    probe::Probe,
};
use crate::{
    Result,
    access::{WORKER, kubernetes_name},
    aws::AccountAccess,
    live,
    reconcile::{self, Claim, Scope},
};

/// What the reconciler needs to know.
pub(super) struct Looked {
    pub id: ClusterId,
    pub name: String,
    pub region: String,
    pub eks_name: String,
    pub arn: String,
    pub generation: i64,
    pub state: ClusterState,
    pub role_arn: Option<String>,
    pub external_id: String,
    pub principal: Option<String>,
    pub borrowed: bool,
    /// The cluster is ahead of the database: nothing is changed there.
    pub read_only: bool,
    pub setup: Option<Running>,
}

/// The setup that runs.
pub(super) struct Running {
    pub id: OperationId,
    pub actor_kind: ActorKind,
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
    pub generation: i64,
    /// For how long it ran without waiting for an admin's decision.
    pub age: Duration,
    pub applied: bool,
    pub refused: Option<String>,
}

impl Looked {
    /// How to get into the account, in the name of whoever the step is taken for.
    pub fn access(&self) -> AccountAccess {
        let on_behalf_of = self.setup.as_ref().map_or_else(|| WORKER.to_owned(), |setup| kubernetes_name(setup.actor_kind, setup.actor_id));
        AccountAccess { role_arn: self.role_arn.clone(), external_id: self.external_id.clone(), on_behalf_of }
    }
}

/// Reads a cluster with the setup that runs for it; none when it was detached. `apply_step` is the setup's step that applies the manifest.
pub(super) async fn look(conn: &mut PgConnection, id: ClusterId, apply_step: i32) -> Result<Option<Looked>> {
    let Some(row) = sqlx::query!(
        r#"select c.name, c.region, c.eks_name, c.arn, c.generation, c.state as "state: ClusterState", a.role_arn, a.external_id, c.principal_arn,
                  c.admin_policy_borrowed_at is not null as "borrowed!", c.read_only_since is not null as "read_only!"
           from clusters c join accounts a on a.id = c.account_id where c.id = $1"#,
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?
    else {
        return Ok(None);
    };
    let setup = sqlx::query!(
        r#"select o.id as "id: OperationId", o.actor_kind as "actor_kind: ActorKind", o.actor_id, o.actor_name, o.generation,
                  extract(epoch from coalesce(c.read_only_since, now()) - greatest(o.created_at, c.writable_since))::float8 as "age!", s.state as "state: StepState", s.detail
           from operations o join operation_steps s on s.operation_id = o.id and s.number = $2 join clusters c on c.id = o.object_id
           where o.object_id = $1 and o.state = 'running'"#,
        id.0,
        apply_step
    )
    .fetch_optional(conn)
    .await?
    .map(|setup| Running {
        id: setup.id,
        actor_kind: setup.actor_kind,
        actor_id: setup.actor_id,
        actor_name: setup.actor_name,
        generation: setup.generation,
        age: Duration::from_secs_f64(setup.age.max(0.0)),
        applied: setup.state == StepState::Done,
        refused: (setup.state == StepState::Failed).then(|| setup.detail.unwrap_or_default()),
    });
    Ok(Some(Looked {
        id,
        name: row.name,
        region: row.region,
        eks_name: row.eks_name,
        arn: row.arn,
        generation: row.generation,
        state: row.state,
        role_arn: row.role_arn,
        external_id: row.external_id,
        principal: row.principal_arn,
        borrowed: row.borrowed,
        read_only: row.read_only,
        setup,
    }))
}

/// Slipway's principal in the cluster's account, and whether it may set up its own access.
pub(super) struct Principal {
    pub arn: String,
    pub may_set_up: Option<bool>,
}

/// Writes what EKS says before the cluster is connected to: the connection is made from it.
pub(super) async fn write_description(conn: &mut PgConnection, claim: &Claim, eks: &Eks) -> Result<bool> {
    let Eks::Described(described) = eks else { return Ok(true) };
    if !reconcile::holds(conn, claim).await? {
        return Ok(false);
    }
    sqlx::query!(
        "update clusters set eks_status = $2, authentication_mode = $3, endpoint = $4, certificate_authority = $5, kubernetes_version = coalesce(kubernetes_version, $6) where id = $1",
        claim.object_id,
        described.status,
        described.authentication_mode,
        described.endpoint,
        described.certificate_authority,
        described.version
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// Writes what was seen and how the cluster stands; tells those who watch when that changed. False when the claim was lost.
pub(super) async fn write(conn: &mut PgConnection, claim: &Claim, observed: &Observed, principal: Option<&Principal>) -> Result<bool> {
    if !reconcile::holds(conn, claim).await? {
        return Ok(false);
    }
    let (state, message, raw) = super::next::state(observed);
    let reached = match &observed.probe {
        Probe::Reached(reached) => Some(reached),
        Probe::NoEndpoint | Probe::Unknown { .. } | Probe::Unreachable { .. } => None,
    };
    let before = sqlx::query!(
        r#"select state as "state: ClusterState", state_message, kubernetes_version, access as "access: Json<Vec<ClusterCheck>>", enforces_network_policies, eks_status
           from clusters where id = $1"#,
        claim.object_id
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(before) = before else { return Ok(false) };
    sqlx::query!(
        "update clusters
         set state = $2, state_message = $3, state_raw = $4, kubernetes_version = coalesce($5, kubernetes_version), access = coalesce($6, access),
             enforces_network_policies = coalesce($7, enforces_network_policies), principal_arn = coalesce($8, principal_arn), may_set_up = coalesce($9, may_set_up),
             synced_at = case when $10 then now() else synced_at end,
             admin_policy_borrowed_at = case when $11 then null else admin_policy_borrowed_at end
         where id = $1",
        claim.object_id,
        state as ClusterState,
        message,
        raw,
        reached.map(|reached| reached.version.as_str()),
        reached.map(|reached| serde_json::to_value(&reached.checks)).transpose()?,
        reached.and_then(|reached| reached.enforces_network_policies),
        principal.map(|principal| principal.arn.as_str()),
        principal.and_then(|principal| principal.may_set_up),
        reached.is_some(),
        observed.eks == Eks::Absent
    )
    .execute(&mut *conn)
    .await?;
    let after = (state, &message, reached.map(|reached| (&reached.version, &reached.checks, reached.enforces_network_policies)));
    let same = before.state == after.0
        && before.state_message == *after.1
        && after.2.is_none_or(|(version, checks, enforces)| {
            before.kubernetes_version.as_ref() == Some(version) && before.access.0 == *checks && (enforces.is_none() || before.enforces_network_policies == enforces)
        });
    if !same {
        live::changed(conn, claim.object_id).await?;
    }
    if state == ClusterState::Connected && before.state != ClusterState::Connected {
        // What waited for this cluster need not wait for its backoff to end.
        reconcile::poke_scope(conn, Scope::Cluster(claim.object_id)).await?;
    }
    Ok(true)
}

/// Whether something may be changed in the cluster now: the claim is held, and the cluster is not ahead of the database.
pub(super) async fn may_write(conn: &mut PgConnection, claim: &Claim) -> Result<bool> {
    let held = reconcile::holds(conn, claim).await?;
    let writable = sqlx::query_scalar!(r#"select read_only_since is null as "writable!" from clusters where id = $1"#, claim.object_id).fetch_optional(conn).await?;
    Ok(held && writable == Some(true))
}

/// Notes that the cluster-admin policy has to be given back, before it is borrowed. False when it must not be.
pub(super) async fn note_borrowed(conn: &mut PgConnection, claim: &Claim) -> Result<bool> {
    if !may_write(conn, claim).await? {
        return Ok(false);
    }
    sqlx::query!("update clusters set admin_policy_borrowed_at = coalesce(admin_policy_borrowed_at, now()) where id = $1", claim.object_id).execute(conn).await?;
    Ok(true)
}

/// Notes it whoever holds the claim: a worker that lost its claim while it borrowed must not leave the policy unnoticed.
pub(super) async fn note_borrowed_late(conn: &mut PgConnection, id: ClusterId, generation: i64) -> Result<()> {
    sqlx::query!("update clusters set admin_policy_borrowed_at = coalesce(admin_policy_borrowed_at, now()) where id = $1", id.0).execute(&mut *conn).await?;
    reconcile::mark(conn, id.0, domain::operation::ObjectKind::Cluster, Scope::Cluster(id.0), generation).await
}

/// Notes that the policy was seen gone. False when the claim was lost.
pub(super) async fn note_given_back(conn: &mut PgConnection, claim: &Claim) -> Result<bool> {
    if !reconcile::holds(conn, claim).await? {
        return Ok(false);
    }
    sqlx::query!("update clusters set admin_policy_borrowed_at = null where id = $1", claim.object_id).execute(conn).await?;
    Ok(true)
}
