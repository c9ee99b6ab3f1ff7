use k8s_openapi::api::{apps::v1::Deployment, core::v1::ResourceQuota};

use super::*;

fn iris(entries: Value) -> Deployment {
    Deployment { metadata: serde_json::from_value(json!({ "name": "iris", "managedFields": entries })).unwrap(), ..Deployment::default() }
}

fn slipway() -> Value {
    json!({"manager": "slipway", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
        "k:{\"name\":\"model\"}": {".": {}, "f:name": {}, "f:env": {"k:{\"name\":\"LEVEL\"}": {".": {}, "f:name": {}, "f:value": {}}}}
    }}}}}})
}

fn told(foreign: &[Foreign]) -> Vec<(&str, &str)> {
    foreign.iter().map(|one| (one.owned.field.as_str(), one.owned.manager.as_deref().unwrap())).collect()
}

#[test]
fn what_others_changed_or_added_is_told_as_kubernetes_tells_it() {
    let by_hand = json!({"manager": "kubectl-set", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {
        "f:metadata": {"f:annotations": {"f:note": {}}},
        "f:spec": {"f:paused": {}, "f:replicas": {}, "f:template": {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"model\"}": {
            "f:image": {}, "f:name": {}, "f:env": {"k:{\"name\":\"EVIL\"}": {".": {}, "f:name": {}, "f:value": {}}}
        }}}}}
    }});
    let status =
        json!({"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "apps/v1", "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}});
    let scaler = json!({"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
    let hold = json!({"manager": "slipway-hold", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": {"f:paused": {}}}});
    let found = foreign(&iris(json!([slipway(), by_hand, status, scaler])));
    let owner = "\"kubectl-set\" using apps/v1";
    assert_eq!(
        told(&found),
        [(".spec.paused", owner), (".spec.template.spec.containers[name=\"model\"].env[name=\"EVIL\"]", owner), (".spec.template.spec.containers[name=\"model\"].image", owner)]
    );
    assert!(foreign(&iris(json!([slipway(), hold]))).is_empty() && foreign(&Deployment::default()).is_empty());

    let ours = json!({"spec": {"template": {"spec": {"containers": [{"name": "model", "image": "a@sha256:b", "env": [{"name": "LEVEL", "value": "1"}]}]}}}});
    assert_eq!(found.iter().map(|one| one.is_set_by(&ours)).collect::<Vec<_>>(), [false, false, true]);
    let patch = removal_of(&iris(json!([slipway()])).metadata, &found, &ours).unwrap();
    assert_eq!(patch, json!({"spec": {"paused": null, "template": {"spec": {"containers": [{"name": "model", "env": [{"name": "EVIL", "$patch": "delete"}]}]}}}}));
    assert_eq!(removal_of(&iris(json!([slipway()])).metadata, &found[2..], &ours), None, "what is wanted is overwritten");
}

#[test]
fn whoever_sets_what_slipway_sets_changes_nothing() {
    let same = json!({"manager": "argocd", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {
        "k:{\"name\":\"model\"}": {".": {}, "f:env": {"k:{\"name\":\"LEVEL\"}": {".": {}, "f:value": {}}}}
    }}}}}});
    assert!(foreign(&iris(json!([slipway(), same]))).is_empty());
    let service = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:selector": {"f:canary": {}}, "f:ports": {"k:{\"port\":9,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}}});
    let found = foreign(&iris(json!([service])));
    assert_eq!(told(&found).iter().map(|(field, _)| *field).collect::<Vec<_>>(), [".spec.ports[port=9,protocol=\"TCP\"]", ".spec.selector.canary"]);
    let patch = removal_of(&iris(json!([])).metadata, &found, &json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "iris"}}})).unwrap();
    assert_eq!(patch, json!({"spec": {"ports": [{"port": 9, "protocol": "TCP", "$patch": "delete"}], "selector": {"canary": null}}}));
}

#[test]
fn what_others_nested_goes_whole_and_in_one_patch() {
    let by_hand = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {
        "f:affinity": {".": {}, "f:nodeAffinity": {".": {}, "f:requiredDuringSchedulingIgnoredDuringExecution": {}, "f:preferredDuringSchedulingIgnoredDuringExecution": {}}},
        "f:containers": {"k:{\"name\":\"model\"}": {
            "f:lifecycle": {".": {}, "f:preStop": {".": {}, "f:exec": {".": {}, "f:command": {}}}},
            "f:env": {"k:{\"name\":\"EVIL\"}": {".": {}, "f:name": {}, "f:value": {}}}
        }}
    }}}}});
    let there = iris(json!([slipway(), by_hand]));
    let ours = json!({"spec": {"template": {"spec": {"containers": [{"name": "model", "image": "a@sha256:b", "env": [{"name": "LEVEL", "value": "1"}]}]}}}});
    assert_eq!(
        removal_of(&there.metadata, &foreign(&there), &ours).unwrap(),
        json!({"spec": {"template": {"spec": {"affinity": null, "containers": [{"name": "model", "env": [{"name": "EVIL", "$patch": "delete"}], "lifecycle": null}]}}}})
    );
}

#[test]
fn what_bounds_a_workspace_counts_and_nothing_beside_it() {
    let of = |fields: Value| {
        let entry = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsV1": fields});
        foreign(&iris(json!([entry]))).into_iter().map(|one| one.owned.field).collect::<Vec<_>>()
    };
    let labels = json!({"f:metadata": {"f:labels": {".": {}, "f:mine": {}, "f:pod-security.kubernetes.io/enforce": {}, "f:pod-security.kubernetes.io/warn": {}}}, "f:spec": {"f:finalizers": {}}});
    assert_eq!(of(labels), [".metadata.labels.pod-security.kubernetes.io/enforce"]);
    assert_eq!(of(json!({"f:subjects": {}, "f:roleRef": {}})), [".roleRef", ".subjects"]);
    let account = json!({"f:metadata": {"f:annotations": {".": {}, "f:eks.amazonaws.com/role-arn": {}, "f:note": {}}}, "f:automountServiceAccountToken": {}, "f:imagePullSecrets": {".": {}, "k:{\"name\":\"theirs\"}": {}}});
    assert_eq!(of(account), [".automountServiceAccountToken", ".imagePullSecrets[name=\"theirs\"]", ".metadata.annotations.eks.amazonaws.com/role-arn"]);
    assert_eq!(of(json!({"f:spec": {"f:hard": {"f:pods": {}, "f:requests.cpu": {}}}})), [".spec.hard.pods", ".spec.hard.requests.cpu"]);
}

#[test]
fn what_fields_say_is_told_unless_it_is_given_to_pods() {
    let hard = |manager: &str, fields: Value| json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:hard": fields}}});
    let entries = json!([hard("slipway", json!({"f:requests.cpu": {}})), hard("slipway-hold", json!({"f:gone": {}})), hard("kubectl-edit", json!({"f:pods": {}}))]);
    let quota: ResourceQuota =
        serde_json::from_value(json!({"metadata": {"name": "slipway", "managedFields": entries}, "spec": {"hard": {"pods": "9999", "requests.cpu": "4"}}})).unwrap();
    let Held { own, others } = held(&quota);
    assert_eq!(own, BTreeMap::from([(".spec.hard.requests.cpu".to_owned(), Some("4".to_owned()))]), "what holds a rollout is no field of the object's");
    let theirs = others.iter().map(|field| (field.whole(), field.what(), field.found.as_deref())).collect::<Vec<_>>();
    assert_eq!(theirs, [(".spec.hard.pods of ResourceQuota slipway".to_owned(), "set by \"kubectl-edit\"".to_owned(), Some("9999"))]);

    let container = json!({"name": "model", "image": "a@sha256:b", "env": [{"name": "LEVEL", "value": "hush"}, {"name": "a.resources.image", "value": "hush"}], "resources": {"limits": {"cpu": "1"}}});
    let mut object = iris(json!([]));
    object.spec = serde_json::from_value(json!({"selector": {}, "template": {"spec": {"containers": [container]}}})).unwrap();
    let whole = serde_json::to_value(&object).unwrap();
    let path = |last: &[Step]| {
        let model = Step::Item(json!({"name": "model"}).as_object().unwrap().clone());
        let to = ["spec", "template", "spec", "containers"].map(|name| Step::Field(name.into()));
        to.into_iter().chain([model]).chain(last.iter().cloned()).collect::<Vec<_>>()
    };
    let field = |name: &str| Step::Field(name.into());
    let variable = |name: &str| Step::Item(json!({ "name": name }).as_object().unwrap().clone());
    let (level, dotted) = (variable("LEVEL"), variable("a.resources.image"));
    assert_eq!(value(&path(&[field("image")]), &whole).as_deref(), Some("a@sha256:b"));
    assert_eq!(value(&path(&[field("resources"), field("limits"), field("cpu")]), &whole).as_deref(), Some("1"));
    for secret in [
        path(&[field("env"), level.clone(), field("value")]),
        path(&[field("env"), level]),
        path(&[field("env"), dotted]),
        path(&[]),
        vec![field("spec"), field("template")],
        vec![field("spec")],
    ] {
        assert!(at(&secret, &whole).is_some() && value(&secret, &whole).is_none(), "{secret:?}");
    }
}

#[test]
fn nonsense_is_nobodys() {
    for fields in [json!(null), json!([1]), json!("x"), json!({"f:spec": 1}), json!({"f:spec": {"k:{": {}, "i:0": {}, "x": {}}}), json!({"f:spec": {"f:a\0b": {}}})] {
        let entry = json!({"manager": "x\0y", "operation": "Update", "fieldsV1": fields});
        for owned in held(&iris(json!([entry]))).others {
            assert!(!owned.field.contains('\0') && !owned.manager.as_deref().unwrap().contains('\0'), "{owned:?}");
        }
    }
    let many: Map<String, Value> = (0..2 * MOST).map(|n| (format!("f:{n}"), json!({}))).collect();
    assert_eq!(foreign(&iris(json!([{"manager": "x", "fieldsV1": {"f:spec": many}}]))).len(), MOST);
}
