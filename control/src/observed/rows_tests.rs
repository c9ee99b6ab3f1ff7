use proptest::prelude::*;
use serde_json::json;

use super::*;

const ID: &str = "0197f000-0000-7000-8000-000000000001";

fn a_pod(status: serde_json::Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "iris-1", "namespace": "forecasting", "uid": "u-1", "creationTimestamp": "2026-01-02T03:04:05Z",
                     "labels": {"app.kubernetes.io/managed-by": "slipway", "slipway.dev/deployment": ID, "slipway.dev/revision": "3"}},
        "spec": {"nodeName": "ip-10-0-1-1.ec2.internal", "containers": []},
        "status": status,
    }))
    .unwrap()
}

#[test]
fn a_crash_is_told_with_its_last_words() {
    let row = pod(&a_pod(json!({
        "phase": "Running",
        "containerStatuses": [{"name": "model", "image": "", "imageID": "", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such file: model.onnx\n", "finishedAt": "2026-01-02T03:05:00Z"}}}]
    })))
    .unwrap();
    assert_eq!((row.reason.as_deref(), row.restarts, row.revision, row.ready), (Some("CrashLoopBackOff"), 2, 3, false));
    let exit = row.last_exit.unwrap();
    assert_eq!((exit.reason.as_str(), exit.exit_code, exit.last_words.as_deref()), ("Error", 1, Some("no such file: model.onnx")));
}

#[test]
fn a_replica_that_is_replaced_is_no_alarm() {
    let mut replaced = a_pod(json!({
        "phase": "Succeeded",
        "containerStatuses": [{"name": "model", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": {"terminated": {"exitCode": 0, "reason": "Completed", "message": "bye", "finishedAt": "2026-01-02T03:05:00Z"}}}]
    }));
    let by_itself = pod(&replaced).unwrap();
    assert_eq!((by_itself.terminating, by_itself.reason.as_deref(), by_itself.last_exit.is_some()), (false, Some("Completed"), true));
    replaced.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-02T03:05:30Z")).unwrap());
    let told_to = pod(&replaced).unwrap();
    assert_eq!((told_to.terminating, told_to.reason.as_deref(), told_to.message, told_to.last_exit), (true, Some("Terminating"), None, None));
}

#[test]
fn a_pod_without_a_place_says_why() {
    let row = pod(&a_pod(json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}]
    })))
    .unwrap();
    assert_eq!(row.reason.as_deref(), Some("Unschedulable"));
    assert_eq!(row.message.as_deref(), Some("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."));
}

#[test]
fn a_pod_that_starts_has_no_trouble_yet() {
    let row = pod(&a_pod(json!({
        "phase": "Pending",
        "containerStatuses": [{"name": "model", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}]
    })))
    .unwrap();
    assert_eq!((row.reason, row.message, row.last_exit), (None, None, None));
}

#[test]
fn what_does_not_say_whose_it_is_is_left_out() {
    let mut foreign = a_pod(json!({}));
    foreign.metadata.labels.as_mut().unwrap().insert(labels::DEPLOYMENT.into(), "not an id".into());
    assert_eq!(pod(&foreign), None);
}

#[test]
fn text_that_the_database_would_refuse_is_mended_and_cut() {
    let row = pod(&a_pod(json!({"reason": "Evicted", "message": format!("\u{0}{}", "ä".repeat(5000))}))).unwrap();
    let message = row.message.unwrap();
    assert!(message.starts_with('\u{FFFD}') && message.ends_with('…') && message.len() <= MAX_WORDS + 3);
}

#[test]
fn a_node_is_read_whole() {
    let object: Node = serde_json::from_value(json!({
        "metadata": {"name": "n1", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"topology.kubernetes.io/zone": "eu-west-1a", "node.kubernetes.io/instance-type": "g5.xlarge"}},
        "spec": {"unschedulable": true},
        "status": {"allocatable": {"cpu": "3920m", "memory": "15147236Ki", "pods": "58", "nvidia.com/gpu": "1"},
                   "conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}],
                   "nodeInfo": {"kubeletVersion": "v1.35.4", "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": ""}}
    }))
    .unwrap();
    let row = node(&object);
    assert_eq!((row.cpu_millis, row.memory_mib, row.gpus, row.pods), (3920, 14792, 1, 58));
    assert_eq!((row.ready, row.schedulable, row.message.as_deref()), (false, false, Some("The node stopped reporting.")));
}

#[test]
fn a_stalled_rollout_says_why_and_a_stale_status_is_known_as_such() {
    let object: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "iris", "namespace": "forecasting", "uid": "u", "resourceVersion": "7", "generation": 4, "labels": {"slipway.dev/deployment": ID},
                     "annotations": {"slipway.dev/generation": "9", "slipway.dev/revision": "2", "slipway.dev/installation": "here"}},
        "spec": {"paused": true, "replicas": 4, "selector": {}, "template": {}},
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 1,
                   "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet has timed out progressing."}]}
    }))
    .unwrap();
    let row = deployment(&object).unwrap();
    assert_eq!((row.slipway_generation, row.revision, row.observed_by_controller, row.paused), (9, 2, false, true));
    assert_eq!((row.asked_replicas, row.replicas), (Some(4), 2), "what was asked for is not what is there");
    assert_eq!(row.stalled.as_deref(), Some("ReplicaSet has timed out progressing."));
}

#[test]
fn quantities_are_read_as_kubernetes_writes_them() {
    for (text, by, value) in [("4", 1000, 4000), ("1500m", 1000, 1500), ("0.5", 1000, 500), ("16Gi", 1, 17_179_869_184), ("1e3", 1, 1000), ("100n", 1000, 0), ("12e-1", 10, 12)] {
        assert_eq!(scaled(text, by), Some(value), "{text}");
    }
    assert_eq!(scaled("lots", 1), None);
}

proptest! {
    #[test]
    fn no_quantity_breaks_the_reading(text in "[0-9.+-]{0,40}[a-zA-Z0-9-]{0,6}") {
        let _ = scaled(&text, 1000);
    }
}
