use proptest::prelude::*;

use super::*;

fn evidence(pods: Vec<Replica>) -> Evidence {
    Evidence {
        size: Size::Small,
        port: 8080,
        health_path: "/v2/health/ready".into(),
        image: format!("127.0.0.1:4566/forecasting/iris@sha256:{}", "ab".repeat(32)),
        workspace: "forecasting".into(),
        startup_seconds: 120,
        patience_seconds: 720,
        not_created: None,
        deadline_exceeded: false,
        pods,
    }
}

fn pod() -> Replica {
    Replica { name: "iris-7c9f-4xk2p".into(), age: 30, ..Replica::default() }
}

fn event(reason: &str, message: &str) -> Happening {
    Happening { reason: reason.into(), message: message.into() }
}

fn exit(reason: &str, code: i32) -> Option<Exit> {
    Some(Exit { reason: reason.into(), code })
}

fn fatal(evidence: &Evidence) -> Failure {
    match diagnose(evidence) {
        Verdict::Fatal(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn passing(evidence: &Evidence) -> String {
    match diagnose(evidence) {
        Verdict::Passing(words) => words,
        other => panic!("expected something that may pass, got {other:?}"),
    }
}

#[test]
fn out_of_memory_names_the_limit_and_the_next_size() {
    let once = Replica { exit: exit("OOMKilled", 137), exits: 1, ..pod() };
    assert_eq!(passing(&evidence(vec![once.clone()])), "A replica ran out of memory; Kubernetes starts it once more.");
    let failure = fatal(&evidence(vec![Replica { exits: 3, last_words: Some("loading /models/iris.onnx (611 MiB)".into()), ..once }]));
    assert_eq!(failure.code, "out_of_memory");
    assert_eq!(failure.cause, "The model ran out of memory, also after a restart. Each replica may use 512 MiB.");
    assert_eq!(failure.next, "Retry with size medium (2 CPU · 4 GiB).");
    assert_eq!(failure.remedy, Some(Remedy::size(Size::Medium)));
    assert_eq!(failure.raw.unwrap(), "pod iris-7c9f-4xk2p container model: terminated OOMKilled, exit code 137\nlast log: loading /models/iris.onnx (611 MiB)");
}

#[test]
fn the_largest_size_has_no_larger_one() {
    let failure = fatal(&Evidence { size: Size::Gpu, ..evidence(vec![Replica { exit: exit("OOMKilled", 137), exits: 2, ..pod() }]) });
    assert!(failure.next.starts_with("There is no larger size"), "{}", failure.next);
}

#[test]
fn a_crash_carries_its_last_words() {
    let crashed = Replica { exit: exit("Error", 1), exits: 2, last_words: Some("starting\nmodel.onnx: no such file\n\n".into()), ..pod() };
    let failure = fatal(&evidence(vec![crashed.clone()]));
    assert_eq!((failure.code.as_str(), failure.cause.as_str()), ("crashed", "The model stopped, also after a restart (exit code 1). Its last words: model.onnx: no such file"));
    assert_eq!(passing(&evidence(vec![Replica { exits: 1, ..crashed.clone() }])), "A replica stopped (exit code 1); Kubernetes starts it once more.");
    let later = fatal(&evidence(vec![Replica { exits: 9, ..crashed.clone() }]));
    assert_eq!(later.cause, failure.cause, "what is said stays true while Kubernetes goes on starting it");
    assert_eq!(fatal(&evidence(vec![Replica { exit: exit("Completed", 0), ..crashed }])).code, "exited");
}

#[test]
fn images_that_are_gone_denied_or_late() {
    let waiting =
        |message: &str, age| Replica { waiting: Some(("ImagePullBackOff".into(), "Back-off pulling image".into())), events: vec![event("Failed", message)], age, ..pod() };
    let gone = r#"Failed to pull image "127.0.0.1:4566/forecasting/iris@sha256:abab": rpc error: code = NotFound desc = failed to resolve: not found"#;
    let failure = fatal(&evidence(vec![waiting(gone, 2)]));
    assert_eq!((failure.code.as_str(), failure.cause.as_str()), ("image_not_found", "The image forecasting/iris@sha256:abababab… is not in its registry any more."));
    let denied = "Failed to pull image: failed to authorize: unexpected status: 403 Forbidden";
    assert_eq!(fatal(&evidence(vec![waiting(denied, 2)])).code, "image_denied");
    let late = "Failed to pull image: dial tcp 10.0.0.1:443: i/o timeout";
    assert!(passing(&evidence(vec![waiting(late, 20)])).contains("tries again"));
    assert_eq!(fatal(&evidence(vec![waiting(late, 200)])).code, "image_pull_failed");
}

#[test]
fn a_startup_probe_that_got_nothing_says_which_kind_of_nothing() {
    let killed = |answer: &str| Replica {
        exit: exit("Error", 137),
        exits: 1,
        events: vec![event("Unhealthy", answer), event("Killing", "Container model failed startup probe, will be restarted")],
        ..pod()
    };
    let refused = r#"Startup probe failed: Get "http://10.0.0.2:8080/v2/health/ready": dial tcp 10.0.0.2:8080: connect: connection refused"#;
    let failure = fatal(&evidence(vec![killed(refused)]));
    assert_eq!(
        (failure.code.as_str(), failure.cause.as_str()),
        ("wrong_port", "Nothing listens on port 8080: the startup probe asked for /v2/health/ready there and found no server within 120 seconds.")
    );
    let elsewhere = Replica { last_words: Some("2026-11-24T10:00:00.5Z INFO listening on 0.0.0.0:9090\nready after 0.0 s".into()), ..killed(refused) };
    let failure = fatal(&evidence(vec![elsewhere]));
    assert!(failure.cause.ends_with("Its log says that it listens on port 9090."), "{}", failure.cause);
    assert_eq!(failure.next, "Register a release with port 9090 and deploy it.");
    assert_eq!(failure.remedy, Some(Remedy::port(9090)));
    let same = Replica { last_words: Some("listening on :8080".into()), ..killed(refused) };
    assert!(fatal(&evidence(vec![same])).next.starts_with("If the model listens on another port"));
    assert_eq!(fatal(&evidence(vec![killed("Startup probe failed: HTTP probe failed with statuscode: 404")])).code, "wrong_health_path");
    assert_eq!(fatal(&evidence(vec![killed("Startup probe failed: HTTP probe failed with statuscode: 503")])).code, "never_ready");
    let busy = Replica {
        last_words: Some("reading weights\n2026-11-24T10:00:00.5Z warming the cache up\n\n".into()),
        ..killed("Startup probe failed: HTTP probe failed with statuscode: 503")
    };
    assert!(fatal(&evidence(vec![busy.clone()])).cause.ends_with("The last line of its log: warming the cache up"));
    let stopped = Replica { last_words: Some("WARN not ready: the self-test got [0]\nINFO told to stop\nINFO stopped\n".into()), ..busy };
    assert!(fatal(&evidence(vec![stopped])).cause.ends_with("The last line of its log: WARN not ready: the self-test got [0]"));
}

#[test]
fn a_slow_start_is_not_a_failure() {
    assert_eq!(passing(&evidence(vec![Replica { running: Some(25), ..pod() }])), "The model loads, 25 s of at most 120 s.");
    let refused = event("Unhealthy", "Startup probe failed: dial tcp: connect: connection refused");
    assert_eq!(
        passing(&evidence(vec![Replica { running: Some(25), events: vec![refused], ..pod() }])),
        "The model starts: nothing answers on port 8080 yet, 25 s of at most 120 s."
    );
}

#[test]
fn what_does_not_fit_says_what_is_short() {
    let message = "0/3 nodes are available: 3 Insufficient cpu, 1 Insufficient memory. preemption: 0/3 nodes are available";
    let waits = |age| Replica { unschedulable: Some(message.into()), age, ..pod() };
    for age in [5, 61, 600] {
        assert_eq!(
            passing(&evidence(vec![waits(age)])),
            "A replica waits for a node: the nodes have not enough CPU and memory free. One may be added or become free; this is waited for up to 12 minutes."
        );
    }
    let failure = fatal(&Evidence { deadline_exceeded: true, ..evidence(vec![waits(720)]) });
    assert_eq!(failure.code, "does_not_fit");
    assert_eq!(failure.cause, "A replica of size small (0.5 CPU · 512 MiB) finds no node: the nodes have not enough CPU and memory free.");
}

#[test]
fn refusals_of_the_replica_set() {
    let with = |message: &str| Evidence { not_created: Some(message.into()), ..evidence(vec![]) };
    assert_eq!(fatal(&with(r#"pods "iris-1" is forbidden: exceeded quota: slipway, requested: pods=1, used: pods=4, limited: pods=4"#)).code, "quota_exceeded");
    assert_eq!(fatal(&with(r#"pods "iris-1" is forbidden: violates PodSecurity "restricted:latest""#)).code, "pod_security");
    assert_eq!(fatal(&with("admission webhook said no")).code, "not_created");
}

#[test]
fn an_image_that_wants_root_is_told_so() {
    let waiting = Some(("CreateContainerConfigError".into(), "container has runAsNonRoot and image will run as root".into()));
    assert_eq!(fatal(&evidence(vec![Replica { waiting, ..pod() }])).code, "runs_as_root");
}

#[test]
fn ready_replicas_are_not_judged() {
    assert_eq!(diagnose(&evidence(vec![Replica { ready: true, exit: exit("Error", 1), exits: 5, running: Some(9), ..pod() }])), Verdict::Nothing);
}

#[test]
fn a_passed_deadline_is_fatal_even_without_a_cause() {
    assert_eq!(fatal(&Evidence { deadline_exceeded: true, ..evidence(vec![pod()]) }).code, "never_ready");
    assert_eq!(fatal(&Evidence { deadline_exceeded: true, ..evidence(vec![]) }).code, "never_ready");
}

fn replicas() -> impl Strategy<Value = Replica> {
    let text = || "[ -~]{0,40}";
    let reason = prop_oneof![Just("OOMKilled".to_owned()), Just("Error".to_owned()), Just("Completed".to_owned()), Just("StartError".to_owned()), text().prop_map(String::from)];
    let waiting = proptest::option::of((
        prop_oneof![Just("ImagePullBackOff".to_owned()), Just("CrashLoopBackOff".to_owned()), Just("ContainerCreating".to_owned()), text().prop_map(String::from)],
        text(),
    ));
    let events = proptest::collection::vec((text(), text()).prop_map(|(reason, message)| Happening { reason, message }), 0..4);
    (
        0..1000i64,
        any::<bool>(),
        proptest::option::of(text()),
        waiting,
        proptest::option::of(0..500i64),
        proptest::option::of((reason, 0..256i32)),
        0..6i32,
        events,
        proptest::option::of(text()),
    )
        .prop_map(|(age, ready, unschedulable, waiting, running, exit, exits, events, last_words)| Replica {
            name: "pod".into(),
            age,
            ready,
            unschedulable,
            waiting,
            running,
            exit: exit.map(|(reason, code)| Exit { reason, code }),
            exits,
            events,
            last_words,
        })
}

proptest! {
    #[test]
    fn every_failure_has_a_code_a_cause_and_a_next_action(pods in proptest::collection::vec(replicas(), 0..4), deadline: bool) {
        let all_ready = pods.iter().all(|pod| pod.ready);
        match diagnose(&Evidence { deadline_exceeded: deadline, ..evidence(pods) }) {
            Verdict::Fatal(failure) => {
                prop_assert!(!failure.code.is_empty() && failure.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
                prop_assert_ne!(short(&failure.code), "did not come up", "{} has no short form", failure.code);
                prop_assert!(failure.cause.contains('.') && failure.next.ends_with('.'));
                prop_assert!(failure.raw.is_some());
            }
            Verdict::Passing(words) => prop_assert!(words.ends_with('.') && !all_ready && !deadline),
            Verdict::Nothing => prop_assert!(!deadline),
        }
    }
}
