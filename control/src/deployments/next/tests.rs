use proptest::prelude::*;

use super::*;

fn desired() -> Desired {
    Desired {
        intent: Intent::Run,
        generation: 3,
        revision: 3,
        template_revision: 3,
        replicas: 2,
        applied: 3,
        operation: Carried::ByAnOperation,
        came_up: false,
        metadata: Metadata::Settled,
        place: Place::Ready,
    }
}

fn seen(replicas: i32, updated: i32, ready: i32) -> Option<Seen> {
    Some(Seen {
        generation: 3,
        ours: true,
        observed_by_controller: true,
        asked: Some(2),
        replicas,
        updated,
        ready,
        available: ready,
        stalled: None,
        paused: false,
        others: Vec::new(),
    })
}

fn pods(of: &[(i32, bool)]) -> Vec<SeenPod> {
    of.iter().map(|(revision, ready)| SeenPod { revision: *revision, ready: *ready, terminating: false }).collect()
}

fn whole() -> Observed {
    Observed { deployment: seen(2, 2, 2), pods: pods(&[(3, true), (3, true)]), others: Vec::new() }
}

const DONE: Progress = Progress { wanted: 2, ready: 2, earlier: 0, serving: 2 };

#[test]
fn what_is_not_applied_is_applied_only_by_its_operation() {
    let fresh = Desired { applied: 2, ..desired() };
    assert_eq!(next(&fresh, &Observed::default()), Step::Apply);
    assert_eq!(next(&Desired { operation: Carried::No, ..fresh.clone() }, &whole()), Step::Rest { state: DeploymentState::Failed, ready: 2 });
    let crashed_before_the_record = Observed { deployment: seen(2, 1, 0), pods: vec![], others: Vec::new() };
    assert_eq!(next(&fresh, &crashed_before_the_record), Step::Apply, "applying twice is the same as once");
}

#[test]
fn a_rollout_is_looked_at_until_it_is_whole() {
    let observed = Observed { deployment: seen(3, 1, 2), pods: pods(&[(2, true), (2, true), (3, false)]), others: Vec::new() };
    assert_eq!(next(&desired(), &observed), Step::Look(Progress { wanted: 2, ready: 0, earlier: 2, serving: 2 }));
    let retiring = Observed { deployment: seen(3, 2, 3), pods: pods(&[(2, true), (3, true), (3, true)]), others: Vec::new() };
    assert_eq!(next(&desired(), &retiring), Step::Look(Progress { wanted: 2, ready: 2, earlier: 1, serving: 3 }));
    assert_eq!(next(&desired(), &whole()), Step::Finish(DONE));
    assert_eq!(next(&Desired { metadata: Metadata::Wanted, ..desired() }, &whole()), Step::Ask(DONE));
}

#[test]
fn what_the_watch_has_not_seen_yet_is_not_taken_for_done() {
    let mut late = whole();
    late.deployment.as_mut().unwrap().generation = 2;
    assert_eq!(next(&desired(), &late), Step::Look(DONE));
    let mut unseen = whole();
    unseen.deployment.as_mut().unwrap().observed_by_controller = false;
    assert_eq!(next(&desired(), &unseen), Step::Look(DONE));
}

#[test]
fn a_terminating_pod_does_not_count() {
    let mut observed = whole();
    observed.pods.push(SeenPod { revision: 2, ready: true, terminating: true });
    assert_eq!(next(&desired(), &observed), Step::Finish(DONE));
}

#[test]
fn what_is_missing_is_healed_once_it_was_there() {
    for operation in [Carried::ByAnOperation, Carried::No] {
        assert_eq!(next(&Desired { operation, ..desired() }, &Observed::default()), Step::Heal);
    }
    assert_eq!(next(&Desired { operation: Carried::No, applied: 0, ..desired() }, &Observed::default()), Step::Rest { state: DeploymentState::Failed, ready: 0 });
}

#[test]
fn how_it_stands_when_nothing_is_under_way() {
    let over = Desired { operation: Carried::No, came_up: true, ..desired() };
    assert_eq!(next(&over, &whole()), Step::Rest { state: DeploymentState::Live, ready: 2 });
    let short = Observed { deployment: seen(2, 2, 1), pods: pods(&[(3, true), (3, false)]), others: Vec::new() };
    assert_eq!(next(&over, &short), Step::Rest { state: DeploymentState::Degraded, ready: 1 });
    let failed = Desired { came_up: false, ..over };
    assert_eq!(next(&failed, &short), Step::Rest { state: DeploymentState::Failed, ready: 1 });
    assert_eq!(next(&failed, &whole()), Step::Rest { state: DeploymentState::Live, ready: 2 }, "what comes up late is live");
}

#[test]
fn what_is_held_is_paused_and_counted() {
    let held = Desired { intent: Intent::Hold, ..desired() };
    let mut short = Observed { deployment: seen(2, 2, 1), pods: pods(&[(3, true), (3, false)]), others: Vec::new() };
    assert_eq!(next(&held, &short), Step::Pause { ready: 1 });
    let away = Desired { place: Place::NotYet("The cluster does not answer.".into()), ..held.clone() };
    assert_eq!(next(&away, &short), Step::Rest { state: DeploymentState::Held, ready: 1 });
    short.deployment.as_mut().unwrap().paused = true;
    assert_eq!(next(&held, &short), Step::Rest { state: DeploymentState::Held, ready: 1 });
    short.deployment = Some(Seen { ours: false, paused: false, ..short.deployment.unwrap() });
    assert_eq!(next(&held, &short), Step::Rest { state: DeploymentState::Held, ready: 1 }, "another's is left alone");
    assert_eq!(next(&held, &Observed::default()), Step::Rest { state: DeploymentState::Held, ready: 0 }, "nor is it healed");
}

#[test]
fn a_place_that_is_not_ready() {
    let waiting = Place::NotYet("The cluster does not answer.".into());
    let fresh = Desired { applied: 0, place: waiting.clone(), ..desired() };
    assert_eq!(next(&fresh, &Observed::default()), Step::Wait("The cluster does not answer.".into()));
    assert_eq!(next(&Desired { operation: Carried::No, ..fresh }, &Observed::default()), Step::Leave, "an unreachable cluster changes no state");
    for dead in [Dead::WorkspaceFailed, Dead::ClusterGone] {
        assert_eq!(next(&Desired { place: Place::Never(dead), ..desired() }, &whole()), Step::GiveUp(dead));
    }
}

#[test]
fn deleting() {
    let gone = |place| Desired { intent: Intent::Delete, place, ..desired() };
    assert_eq!(next(&gone(Place::Ready), &whole()), Step::Delete);
    assert_eq!(next(&gone(Place::Never(Dead::WorkspaceFailed)), &whole()), Step::Delete);
    assert_eq!(next(&gone(Place::Never(Dead::ClusterGone)), &Observed::default()), Step::Forget);
    assert_eq!(next(&gone(Place::NotYet("later".into())), &whole()), Step::Wait("later".into()));
    for place in [Place::Ready, Place::Never(Dead::WorkspaceFailed), Place::Never(Dead::ClusterGone), Place::NotYet("later".into())] {
        let stopped = Desired { operation: Carried::No, ..gone(place) };
        assert_eq!(next(&stopped, &whole()), Step::Leave, "what was stopped does not go on by itself");
    }
}

#[test]
fn a_cluster_ahead_of_the_database_is_left_alone() {
    let mut ahead = whole();
    ahead.deployment.as_mut().unwrap().generation = 9;
    for intent in [Intent::Run, Intent::Hold, Intent::Delete] {
        assert_eq!(next(&Desired { intent, ..desired() }, &ahead), Step::Older { there: 9 });
    }
    ahead.deployment.as_mut().unwrap().ours = false;
    assert_ne!(next(&desired(), &ahead), Step::Older { there: 9 }, "another installation's numbers mean nothing here");
}

fn places() -> impl Strategy<Value = Place> {
    prop_oneof![Just(Place::Ready), Just(Place::NotYet("why".into())), Just(Place::Never(Dead::WorkspaceFailed)), Just(Place::Never(Dead::ClusterGone))]
}

prop_compose! {
    fn anything()(
        intent in prop_oneof![Just(Intent::Run), Just(Intent::Hold), Just(Intent::Delete)],
        generation in 1..6i64,
        applied in 0..6i64,
        template_revision in 1..4i32,
        replicas in 1..4i32,
        carried: bool,
        came_up: bool,
        wanted: bool,
        place in places(),
        there in proptest::option::of((1..6i64, any::<bool>(), any::<bool>(), any::<bool>(), 0..5i32, 0..5i32, 0..5i32)),
        pods in proptest::collection::vec((1..4i32, any::<bool>(), any::<bool>()), 0..6),
    ) -> (Desired, Observed) {
        let desired = Desired {
            intent,
            generation,
            revision: 3,
            template_revision,
            replicas,
            applied: applied.min(generation),
            operation: if carried { Carried::ByAnOperation } else { Carried::No },
            came_up,
            metadata: if wanted { Metadata::Wanted } else { Metadata::Settled },
            place,
        };
        let deployment = there.map(|(generation, ours, observed_by_controller, paused, replicas, updated, ready)| Seen { generation, ours, observed_by_controller, asked: None, replicas, updated, ready, available: ready, stalled: None, paused, others: Vec::new() });
        let pods = pods.into_iter().map(|(revision, ready, terminating)| SeenPod { revision, ready, terminating }).collect();
        (desired, Observed { deployment, pods, others: Vec::new() })
    }
}

proptest! {
    #[test]
    fn nothing_is_ever_written_without_reason((desired, observed) in anything()) {
        let step = next(&desired, &observed);
        let ahead = observed.deployment.as_ref().is_some_and(|seen| seen.ours && seen.generation > desired.generation);
        match step {
            Step::Apply => prop_assert!(desired.intent == Intent::Run && desired.operation == Carried::ByAnOperation && desired.place == Place::Ready && !ahead),
            Step::Heal => prop_assert!(desired.intent == Intent::Run && desired.applied == desired.generation && observed.deployment.is_none() && desired.place == Place::Ready),
            Step::Delete => prop_assert!(desired.intent == Intent::Delete && desired.operation == Carried::ByAnOperation && !ahead),
            Step::Forget => prop_assert!(desired.intent == Intent::Delete && desired.operation == Carried::ByAnOperation && desired.place == Place::Never(Dead::ClusterGone)),
            _ => {}
        }
        if desired.intent == Intent::Hold && !ahead {
            let goes_on = desired.place == Place::Ready && observed.deployment.as_ref().is_some_and(|seen| seen.ours && !seen.paused);
            let held = if goes_on { matches!(step, Step::Pause { .. }) } else { matches!(step, Step::Rest { state: DeploymentState::Held, .. }) };
            prop_assert!(held, "only paused and counted: {:?}", step);
        }
    }

    #[test]
    fn success_means_every_replica_of_nothing_but_this_revision((desired, observed) in anything()) {
        if let Step::Finish(progress) | Step::Ask(progress) = next(&desired, &observed) {
            let seen = observed.deployment.unwrap();
            prop_assert!(seen.generation == desired.generation && seen.ready >= desired.replicas && progress.earlier == 0);
            prop_assert_eq!(desired.operation, Carried::ByAnOperation);
        }
    }

    #[test]
    fn a_reachable_rollout_always_ends_by_itself((desired, _) in anything()) {
        // Doing what is said, in a cluster that does its part, comes to an end.
        let mut desired = Desired { intent: Intent::Run, operation: Carried::ByAnOperation, place: Place::Ready, ..desired };
        let mut observed = Observed::default();
        for _ in 0..6 {
            match next(&desired, &observed) {
                Step::Apply | Step::Heal => {
                    desired.applied = desired.generation;
                    observed.deployment = Some(Seen { generation: desired.generation, ours: true, observed_by_controller: true, asked: None, replicas: desired.replicas, updated: desired.replicas, ready: 0, available: 0, stalled: None, paused: false, others: Vec::new() });
                }
                Step::Look(_) => {
                    let seen = observed.deployment.as_mut().unwrap();
                    (seen.ready, seen.available) = (desired.replicas, desired.replicas);
                    observed.pods = (0..desired.replicas).map(|_| SeenPod { revision: desired.template_revision, ready: true, terminating: false }).collect();
                }
                Step::Ask(_) => desired.metadata = Metadata::Settled,
                Step::Finish(progress) => {
                    prop_assert_eq!(progress.ready, desired.replicas);
                    return Ok(());
                }
                other => prop_assert!(false, "unexpected {:?}", other),
            }
        }
        prop_assert!(false, "it did not end");
    }
}

#[test]
fn what_others_set_is_no_live_deployment_whoever_answers() {
    let owned = ChangedField::set_by("kubectl", ".spec.selector.canary", "Service", "iris");
    let live = Desired { operation: Carried::No, came_up: true, ..desired() };
    assert_eq!(next(&live, &whole()), Step::Rest { state: DeploymentState::Live, ready: 2 });
    let of_another = Observed { others: vec![owned.clone()], ..whole() };
    let mut of_its_own = whole();
    of_its_own.deployment.as_mut().unwrap().others = vec![owned];
    let mut scaled = whole();
    scaled.deployment.as_mut().unwrap().asked = Some(3);
    for observed in [of_another, of_its_own, scaled] {
        assert_eq!(next(&live, &observed), Step::Rest { state: DeploymentState::Degraded, ready: 2 });
        assert_eq!(next(&Desired { metadata: Metadata::Settled, ..desired() }, &observed), Step::Finish(DONE), "a rollout came to what was asked");
    }
}
