//! Writes a deployment's objects into its cluster, or takes them away, as the team.

use domain::{
    access::TeamRole,
    operation::{ChangedField, Failure, Remedy},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube::{Api, Client, Resource as _};

use super::{observe, store, subject::Subject};
use crate::{
    Control,
    inventory::{
        Entry,
        cluster::{Found, Put, Refused, When},
    },
    k8s::{apply, fields},
    reconcile::Halt,
    work::points,
};

/// What a deployment is going to have.
pub(super) fn entries(subject: &Subject) -> Vec<Entry> {
    let blueprint = &subject.blueprint;
    blueprint.objects().names().into_iter().map(|(kind, name)| Entry::new(kind, &blueprint.namespace, &name)).collect()
}

/// Applies the objects as the team's deployer: the Deployment last, since its pods need the others, and only if it is still wanted then.
/// What was written is in `put`, whatever becomes of the rest.
pub(super) async fn apply(control: &Control, subject: &Subject, when: When<'_>, put: &mut Vec<Put>) -> Result<(), Halt> {
    let client = control.k8s.as_team(control, subject.cluster, subject.team, TeamRole::Deployer, &subject.person()).await?;
    let namespace = &subject.blueprint.namespace;
    let (owner, objects) = (subject.owner(), subject.blueprint.objects());
    let (accounts, services, budgets): (Api<ServiceAccount>, Api<Service>, Api<PodDisruptionBudget>) =
        (Api::namespaced(client.clone(), namespace), Api::namespaced(client.clone(), namespace), Api::namespaced(client.clone(), namespace));
    let deployments: Api<Deployment> = Api::namespaced(client, namespace);
    let (account, service, budget) =
        tokio::join!(owner.put(&accounts, objects.service_account, when), owner.put(&services, objects.service, when), owner.put(&budgets, objects.disruption_budget, when));
    let mut refused = None;
    for outcome in [account, service, budget] {
        match outcome {
            Ok(written) => put.push(written),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    if let Some(refused) = refused {
        return Err(refused.into());
    }
    points::reached("deployment.half_applied").await;
    if !store::is_still_wanted(&mut *control.pool.acquire().await?, subject).await? {
        return Err(Halt::Lost);
    }
    put.push(owner.put(&deployments, objects.deployment, when).await?);
    if when != When::Missing {
        set_paused(&deployments, subject, Rollout::GoesOn).await?;
    }
    Ok(())
}

/// Has Kubernetes go no further with what it rolls out, until something is applied again.
pub(super) async fn pause(control: &Control, subject: &Subject) -> Result<(), Halt> {
    let client = control.k8s.as_team(control, subject.cluster, subject.team, TeamRole::Deployer, &subject.person()).await?;
    if !store::is_still_wanted(&mut *control.pool.acquire().await?, subject).await? {
        return Err(Halt::Lost);
    }
    set_paused(&Api::namespaced(client, &subject.blueprint.namespace), subject, Rollout::Paused).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rollout {
    GoesOn,
    Paused,
}

/// The pause is a field manager's of its own, so that it is taken away by setting nothing. One that somebody else made stays theirs, and is a failure to go on.
async fn set_paused(deployments: &Api<Deployment>, subject: &Subject, rollout: Rollout) -> Result<(), Halt> {
    let pauses = rollout == Rollout::Paused;
    match subject.owner().look(deployments, &subject.blueprint.name).await? {
        Found::Ours(there) if observe::is_paused(&there) != pauses => {
            let there = apply::apply_pause(deployments, &there, pauses).await?;
            // Nothing that is applied comes up as long as it is paused.
            if observe::is_paused(&there) && !pauses { Err(Halt::Failed(paused_by_others(&there))) } else { Ok(()) }
        }
        Found::Ahead(there) => Err(Halt::Ahead(there)),
        Found::Ours(_) | Found::Nothing | Found::Going | Found::Foreign => Ok(()),
    }
}

fn paused_by_others(there: &Deployment) -> Failure {
    let pause: Vec<ChangedField> = fields::set_by_others(there).into_iter().filter(|owned| owned.field == ".spec.paused").collect();
    let who = pause.first().and_then(|owned| owned.manager.clone()).unwrap_or_else(|| "somebody".to_owned());
    Failure {
        code: "changed_by_others".into(),
        cause: format!("Its rollout is paused in the cluster by {who}: what was applied does not come up."),
        next: "Take this over, which lets the rollout go on, or have whoever paused it resume it (kubectl rollout resume), and deploy again.".into(),
        raw: None,
        remedy: Some(Remedy::take_over(pause)),
    }
}

/// How much of a deployment is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub objects: usize,
    pub pods: usize,
}

/// Deletes what is written down, as the team's owner, and counts what is left. The Deployment goes first.
pub(super) async fn remove(control: &Control, subject: &Subject, inventory: &[Entry]) -> Result<Left, Refused> {
    let own = control.k8s.own(control, subject.cluster).await?;
    let team = control.k8s.as_team(control, subject.cluster, subject.team, TeamRole::Owner, &subject.person()).await?;
    let mut objects = 0;
    for kind in [Deployment::kind(&()), PodDisruptionBudget::kind(&()), Service::kind(&()), ServiceAccount::kind(&())] {
        for entry in inventory.iter().filter(|entry| entry.kind == kind) {
            let there = match kind.as_ref() {
                "Deployment" => remove_one::<Deployment>(&own, &team, subject, entry).await?,
                "PodDisruptionBudget" => remove_one::<PodDisruptionBudget>(&own, &team, subject, entry).await?,
                "Service" => remove_one::<Service>(&own, &team, subject, entry).await?,
                _ => remove_one::<ServiceAccount>(&own, &team, subject, entry).await?,
            };
            objects += usize::from(there);
        }
        points::reached("deployment.half_deleted").await;
    }
    let pods: Api<Pod> = Api::namespaced(own, &subject.blueprint.namespace);
    Ok(Left { objects, pods: observe::list_pods(&pods, subject).await?.len() })
}

async fn remove_one<K>(own: &Client, team: &Client, subject: &Subject, entry: &Entry) -> Result<bool, Refused>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + serde::de::DeserializeOwned + Clone + std::fmt::Debug,
{
    let (read, write): (Api<K>, Api<K>) = (Api::namespaced(own.clone(), &entry.namespace), Api::namespaced(team.clone(), &entry.namespace));
    subject.owner().remove(&read, &write, &entry.name).await
}
