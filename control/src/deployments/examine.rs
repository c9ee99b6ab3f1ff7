//! Gathers what a diagnosis needs, from the cluster itself: conditions, container states, events, last words.

use std::time::Duration;

use domain::{Timestamp, access::TeamRole};
use futures::future::try_join_all;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ContainerStatus, Event, Pod},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{Api, ResourceExt as _, api::ListParams};
use tokio::time::Instant;

use super::{
    diagnosis::{Evidence, Exit, Happening, Replica},
    observe,
    subject::Subject,
};
use crate::{
    Control, access,
    k8s::{self, apply, labels, logs, text},
};

/// What is asked about single replicas may take this long in all: a step ends before its claim does, and a slow cluster gets a
/// verdict, too.
const BUDGET: Duration = Duration::from_secs(12);
/// So many replicas tell enough.
const EXAMINED: usize = 3;
/// The most of a log, and of anything else that is said, that is kept, in bytes.
const LAST_WORDS: usize = 2048;

/// What there is to judge by.
pub(super) async fn evidence(control: &Control, subject: &Subject) -> k8s::Result<Evidence> {
    let own = control.k8s.own(control, subject.cluster).await?;
    let namespace = &subject.blueprint.namespace;
    let deployments: Api<Deployment> = Api::namespaced(own.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(own.clone(), namespace);
    let events: Api<Event> = Api::namespaced(own, namespace);
    let (deployment, all) = tokio::try_join!(apply::find(&deployments, &subject.blueprint.name), observe::list_pods(&pods, subject))?;
    let conditions = deployment.and_then(|deployment| deployment.status).and_then(|status| status.conditions).unwrap_or_default();
    let condition = |kind: &str, status: &str| conditions.iter().find(|condition| condition.type_ == kind && condition.status == status);
    let wanted: Vec<&Pod> = all.iter().filter(|pod| observe::revision(pod) == subject.desired.template_revision && pod.metadata.deletion_timestamp.is_none()).collect();

    let now = control.k8s.now(subject.cluster);
    let mut unready: Vec<&&Pod> = wanted.iter().filter(|pod| !observe::is_ready(pod)).collect();
    // The one that has been there longest knows most.
    unready.sort_by_key(|pod| pod.creation_timestamp());
    let until = Instant::now() + BUDGET;
    let examined = unready.into_iter().take(EXAMINED).map(|pod| detail(control, subject, &events, replica(pod, now), until));
    let replicas = try_join_all(examined).await?;
    Ok(Evidence {
        size: subject.blueprint.size,
        port: subject.blueprint.port,
        health_path: subject.blueprint.health_path.clone(),
        image: subject.blueprint.image.clone(),
        workspace: namespace.clone(),
        startup_seconds: i64::from(subject.blueprint.startup_seconds()),
        patience_seconds: i64::from(subject.blueprint.patience_seconds()),
        not_created: condition("ReplicaFailure", "True").and_then(|condition| condition.message.clone()).map(clean),
        deadline_exceeded: condition("Progressing", "False").is_some_and(|condition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded")),
        pods: replicas,
    })
}

/// Adds what its events and its log say of a replica, as far as that comes in time.
async fn detail(control: &Control, subject: &Subject, events: &Api<Event>, mut replica: Replica, until: Instant) -> k8s::Result<Replica> {
    let log = async { if replica.last_words.is_none() { read_log(control, subject, &replica).await } else { Ok(None) } };
    let (events, words) = tokio::try_join!(in_time(until, happenings(events, &replica.name)), in_time(until, log))?;
    replica.events = events.unwrap_or_default();
    replica.last_words = replica.last_words.or(words.flatten());
    Ok(replica)
}

/// Nothing where the cluster is slow or away: the verdict is then made of what there is.
async fn in_time<T>(until: Instant, call: impl Future<Output = k8s::Result<T>>) -> k8s::Result<Option<T>> {
    match tokio::time::timeout_at(until, call).await {
        Ok(Ok(said)) => Ok(Some(said)),
        Ok(Err(error)) if error.is_passing() => {
            tracing::debug!(%error, "a replica is judged without something that was asked about it");
            Ok(None)
        }
        Ok(Err(error)) => Err(error),
        Err(_) => {
            tracing::debug!("a replica is judged without something that did not come in time");
            Ok(None)
        }
    }
}

/// What a pod's own status says, at this moment by the cluster's clock.
fn replica(pod: &Pod, now: Timestamp) -> Replica {
    let status = pod.status.clone().unwrap_or_default();
    let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    let unschedulable =
        scheduled.filter(|condition| condition.status == "False").map(|condition| clean(condition.message.clone().or_else(|| condition.reason.clone()).unwrap_or_default()));
    let taken = scheduled.filter(|condition| condition.status == "True").and_then(|condition| condition.last_transition_time.clone());
    let container = status.container_statuses.iter().flatten().find(|container| container.name == labels::MODEL_CONTAINER);
    let mut replica = Replica {
        name: pod.name_any(),
        age: taken.or_else(|| pod.creation_timestamp()).map_or(0, |since| seconds(&since, now)),
        ready: observe::is_ready(pod),
        unschedulable,
        ..Replica::default()
    };
    if let Some(container) = container {
        read_container(&mut replica, container, now);
    }
    replica
}

fn read_container(replica: &mut Replica, container: &ContainerStatus, now: Timestamp) {
    let (current, before) = (container.state.clone().unwrap_or_default(), container.last_state.clone().unwrap_or_default());
    replica.waiting = current.waiting.map(|waiting| (clean(waiting.reason.unwrap_or_default()), clean(waiting.message.unwrap_or_default())));
    replica.running = current.running.map(|running| running.started_at.as_ref().map_or(0, |since| seconds(since, now)));
    let ended_now = current.terminated.is_some();
    let waits_after_an_end = replica.waiting.is_some() && before.terminated.is_some();
    // A restart is counted when the container starts again; the end that it follows counts already.
    replica.exits = container.restart_count + i32::from(ended_now || waits_after_an_end);
    if let Some(end) = current.terminated.or(before.terminated) {
        replica.last_words = end.message.and_then(|words| logs::end(&words, LAST_WORDS));
        replica.exit = Some(Exit { reason: clean(end.reason.unwrap_or_else(|| "Error".into())), code: end.exit_code });
    }
}

async fn happenings(events: &Api<Event>, pod: &str) -> k8s::Result<Vec<Happening>> {
    let params = ListParams::default().fields(&format!("involvedObject.kind=Pod,involvedObject.name={pod}")).limit(100);
    let mut events = events.list(&params).await?.items;
    events.sort_by_key(|event| event.last_timestamp.clone().map(|time| time.0).or_else(|| event.event_time.clone().map(|time| time.0)));
    Ok(events.into_iter().map(|event| Happening { reason: clean(event.reason.unwrap_or_default()), message: clean(event.message.unwrap_or_default()) }).collect())
}

/// The end of the log. Whoever may see the deployment may see it, so it is read as the team's viewer.
async fn read_log(control: &Control, subject: &Subject, replica: &Replica) -> k8s::Result<Option<String>> {
    let run = match (replica.running, &replica.exit) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => logs::Container::Before,
        (Some(_), None) | (None, Some(_)) => logs::Container::Now,
    };
    let client = control.k8s.as_team(control, subject.cluster, subject.team, TeamRole::Viewer, access::WORKER).await?;
    let pods: Api<Pod> = Api::namespaced(client, &subject.blueprint.namespace);
    match logs::last_words(&pods, &replica.name, labels::MODEL_CONTAINER, run, LAST_WORDS).await {
        Ok(words) => Ok(words),
        // The node may be gone together with its logs: the verdict does not hang on them.
        Err(error) => {
            tracing::debug!(pod = replica.name, %error, "the last words could not be read");
            Ok(None)
        }
    }
}

/// What is said ends up in a failure, which the database has to take.
fn clean(said: String) -> String {
    text::clean(said, LAST_WORDS)
}

fn seconds(since: &Time, now: Timestamp) -> i64 {
    (now.0.unix_timestamp() - since.0.as_second()).max(0)
}

#[cfg(test)]
mod tests;
