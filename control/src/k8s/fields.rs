//! Whose an object's fields are, as its `managedFields` say.

use std::collections::BTreeSet;

use domain::operation::OwnedField;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value, json};

use super::{
    apply::{FIELD_MANAGER, PAUSE_MANAGER},
    text::clean,
};

/// More than so many are not told one by one.
const MOST: usize = 20;
/// Labels and annotations that say what pods may: the level that a namespace holds them to, and the AWS role that a service account gives them.
const GRANTING: [&str; 3] =
    [".metadata.labels.pod-security.kubernetes.io/enforce", ".metadata.labels.pod-security.kubernetes.io/enforce-version", ".metadata.annotations.eks.amazonaws.com/role-arn"];
/// The most of a name that is kept, in bytes.
const MAX_NAME: usize = 512;

/// A field of an object that somebody else set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    path: Vec<Step>,
    pub owned: OwnedField,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    /// The item of a list with these values.
    Item(Map<String, Value>),
}

/// What others set of what an object does, and Slipway does not hold any more or never set: its spec, a binding's role and subjects, a namespace's pod-security
/// level, what a service account gives to pods. Left out are the number of replicas, which whoever scales sets, and the template's annotations, where a restart by hand writes its time.
#[must_use]
pub fn foreign(meta: &ObjectMeta) -> Vec<Foreign> {
    let entries = || meta.managed_fields.iter().flatten().filter(|entry| entry.subresource.as_deref() != Some("status"));
    let ours: BTreeSet<String> = entries().filter(|entry| is_ours(entry)).flat_map(leaves).map(|path| written(&path)).collect();
    let mut all = Vec::new();
    for entry in entries().filter(|entry| !is_ours(entry)) {
        let owner = owner(entry);
        let theirs: Vec<Vec<Step>> = leaves(entry).into_iter().filter(|path| counts(path) && !ours.contains(&written(path))).collect();
        // Of an item that they added, what is in it goes without saying.
        let added: Vec<&Vec<Step>> = theirs.iter().filter(|path| matches!(path.last(), Some(Step::Item(_)))).collect();
        for path in &theirs {
            if !added.iter().any(|item| path.len() > item.len() && path.starts_with(item)) {
                all.push(Foreign { owned: OwnedField { field: clean(written(path), MAX_NAME), manager: clean(owner.clone(), MAX_NAME) }, path: path.clone() });
            }
        }
    }
    all.truncate(MOST);
    all
}

/// The same, as it is told.
#[must_use]
pub fn set_by_others(meta: &ObjectMeta) -> Vec<OwnedField> {
    foreign(meta).into_iter().map(|one| one.owned).collect()
}

impl Foreign {
    /// Whether an object, as JSON, sets this field.
    #[must_use]
    pub fn is_set_by(&self, object: &Value) -> bool {
        is_set(&self.path, object)
    }

    /// What goes with it: the widest of its surroundings that nobody but others has a hand in. A leaf alone would leave a shell that Kubernetes does not accept.
    fn cut(&self, ours: &[Vec<Step>], wanted: &Value) -> &[Step] {
        let theirs = |part: &&[Step]| !ours.iter().any(|path| path.starts_with(part)) && !is_set(part, wanted);
        (1..=self.path.len()).map(|length| &self.path[..length]).find(theirs).unwrap_or(&self.path)
    }
}

/// One strategic merge patch that takes away what others added to an object; none when there is nothing of it. What `wanted` sets itself is left out: it is
/// overwritten.
#[must_use]
pub fn removal_of(meta: &ObjectMeta, added: &[Foreign], wanted: &Value) -> Option<Value> {
    let ours: Vec<Vec<Step>> = meta.managed_fields.iter().flatten().filter(|entry| is_ours(entry)).flat_map(leaves).collect();
    let mut cuts: Vec<&[Step]> = added.iter().filter(|field| !field.is_set_by(wanted)).map(|field| field.cut(&ours, wanted)).collect();
    cuts.dedup();
    cuts.into_iter().map(removal).reduce(|mut all, one| {
        merge(&mut all, one);
        all
    })
}

/// Two patches as one: of a list, what is of the same item comes together.
fn merge(into: &mut Value, other: Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (name, value) in other {
                match into.get_mut(&name) {
                    Some(there) => merge(there, value),
                    None => {
                        into.insert(name, value);
                    }
                }
            }
        }
        (Value::Array(into), Value::Array(other)) => {
            for item in other {
                match into.iter_mut().find(|there| is_same_item(there, &item)) {
                    Some(there) => merge(there, item),
                    None => into.push(item),
                }
            }
        }
        (into, other) => *into = other,
    }
}

fn is_same_item(one: &Value, other: &Value) -> bool {
    let key = |item: &Value| {
        item.as_object()
            .map(|fields| fields.iter().filter(|(_, value)| value.is_string() || value.is_number()).map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
    };
    key(one) == key(other)
}

fn is_set(path: &[Step], object: &Value) -> bool {
    let mut at = object;
    for step in path {
        let next = match step {
            Step::Field(name) => at.get(name),
            // What an object leaves out has its default.
            Step::Item(key) => at.as_array().and_then(|items| items.iter().find(|item| key.iter().all(|(name, value)| item.get(name).is_none_or(|there| there == value)))),
        };
        match next {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}

fn removal(path: &[Step]) -> Value {
    match path {
        [Step::Field(name)] => json!({ name: null }),
        [Step::Field(name), rest @ ..] => match rest.first() {
            Some(Step::Item(_)) => json!({ name: [removal(rest)] }),
            _ => json!({ name: removal(rest) }),
        },
        [Step::Item(key)] => with(key, json!({"$patch": "delete"})),
        [Step::Item(key), rest @ ..] => with(key, removal(rest)),
        [] => json!({}),
    }
}

fn with(key: &Map<String, Value>, other: Value) -> Value {
    let mut all = key.clone();
    if let Value::Object(other) = other {
        all.extend(other);
    }
    Value::Object(all)
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    matches!(entry.manager.as_deref(), Some(FIELD_MANAGER | PAUSE_MANAGER))
}

/// As Kubernetes names managers in conflicts.
fn owner(entry: &ManagedFieldsEntry) -> String {
    let mut text = format!("{:?}", entry.manager.as_deref().unwrap_or_default());
    if let Some(subresource) = entry.subresource.as_deref().filter(|name| !name.is_empty()) {
        text.push_str(&format!(" with subresource {subresource:?}"));
    }
    if entry.operation.as_deref() == Some("Update") {
        text.push_str(&format!(" using {}", entry.api_version.as_deref().unwrap_or_default()));
    }
    text
}

fn counts(path: &[Step]) -> bool {
    let Some(Step::Field(first)) = path.first() else { return false };
    let text = written(path);
    match first.as_str() {
        "spec" => !matches!(text.as_str(), ".spec.replicas" | ".spec.finalizers") && !text.starts_with(".spec.template.metadata.annotations"),
        "subjects" | "roleRef" | "automountServiceAccountToken" | "imagePullSecrets" => true,
        "metadata" => GRANTING.contains(&text.as_str()),
        _ => false,
    }
}

/// As Kubernetes writes paths in conflicts: `.spec.template.spec.containers[name="model"].image`.
fn written(path: &[Step]) -> String {
    path.iter()
        .map(|step| match step {
            Step::Field(name) => format!(".{name}"),
            Step::Item(key) => format!("[{}]", key.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")),
        })
        .collect()
}

fn leaves(entry: &ManagedFieldsEntry) -> Vec<Vec<Step>> {
    let mut all = Vec::new();
    if let Some(fields) = &entry.fields_v1 {
        walk(&fields.0, &mut Vec::new(), &mut all);
    }
    all
}

/// Nesting is bounded by how deep JSON is read at all.
fn walk(at: &Value, path: &mut Vec<Step>, all: &mut Vec<Vec<Step>>) {
    let Some(fields) = at.as_object() else { return };
    let own = fields.is_empty() || fields.keys().all(|name| name == "." || name.starts_with("v:"));
    if !path.is_empty() && (own || (fields.contains_key(".") && matches!(path.last(), Some(Step::Item(_))))) {
        all.push(path.clone());
    }
    for (name, inner) in fields {
        let step = match (name.strip_prefix("f:"), name.strip_prefix("k:").map(serde_json::from_str)) {
            (Some(name), _) => Step::Field(name.to_owned()),
            (None, Some(Ok(Value::Object(key)))) => Step::Item(key),
            _ => continue,
        };
        path.push(step);
        walk(inner, path, all);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(entries: Value) -> ObjectMeta {
        serde_json::from_value(json!({ "name": "iris", "managedFields": entries })).unwrap()
    }

    fn slipway() -> Value {
        json!({"manager": "slipway", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"model\"}": {".": {}, "f:name": {}, "f:env": {"k:{\"name\":\"LEVEL\"}": {".": {}, "f:name": {}, "f:value": {}}}}
        }}}}}})
    }

    fn told(foreign: &[Foreign]) -> Vec<(&str, &str)> {
        foreign.iter().map(|one| (one.owned.field.as_str(), one.owned.manager.as_str())).collect()
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
        let found = foreign(&meta(json!([slipway(), by_hand, status, scaler])));
        let owner = "\"kubectl-set\" using apps/v1";
        assert_eq!(
            told(&found),
            [
                (".spec.paused", owner),
                (".spec.template.spec.containers[name=\"model\"].env[name=\"EVIL\"]", owner),
                (".spec.template.spec.containers[name=\"model\"].image", owner)
            ]
        );
        assert!(foreign(&meta(json!([slipway(), hold]))).is_empty() && foreign(&ObjectMeta::default()).is_empty());

        let ours = json!({"spec": {"template": {"spec": {"containers": [{"name": "model", "image": "a@sha256:b", "env": [{"name": "LEVEL", "value": "1"}]}]}}}});
        assert_eq!(found.iter().map(|one| one.is_set_by(&ours)).collect::<Vec<_>>(), [false, false, true]);
        let patch = removal_of(&meta(json!([slipway()])), &found, &ours).unwrap();
        assert_eq!(patch, json!({"spec": {"paused": null, "template": {"spec": {"containers": [{"name": "model", "env": [{"name": "EVIL", "$patch": "delete"}]}]}}}}));
        assert_eq!(removal_of(&meta(json!([slipway()])), &found[2..], &ours), None, "what is wanted is overwritten");
    }

    #[test]
    fn whoever_sets_what_slipway_sets_changes_nothing() {
        let same = json!({"manager": "argocd", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"model\"}": {".": {}, "f:env": {"k:{\"name\":\"LEVEL\"}": {".": {}, "f:value": {}}}}
        }}}}}});
        assert!(foreign(&meta(json!([slipway(), same]))).is_empty());
        let service = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:selector": {"f:canary": {}}, "f:ports": {"k:{\"port\":9,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}}});
        let found = foreign(&meta(json!([service])));
        assert_eq!(told(&found).iter().map(|(field, _)| *field).collect::<Vec<_>>(), [".spec.ports[port=9,protocol=\"TCP\"]", ".spec.selector.canary"]);
        let patch = removal_of(&meta(json!([])), &found, &json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "iris"}}})).unwrap();
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
        let meta = meta(json!([slipway(), by_hand]));
        let ours = json!({"spec": {"template": {"spec": {"containers": [{"name": "model", "image": "a@sha256:b", "env": [{"name": "LEVEL", "value": "1"}]}]}}}});
        assert_eq!(
            removal_of(&meta, &foreign(&meta), &ours).unwrap(),
            json!({"spec": {"template": {"spec": {"affinity": null, "containers": [{"name": "model", "env": [{"name": "EVIL", "$patch": "delete"}], "lifecycle": null}]}}}})
        );
    }

    #[test]
    fn what_bounds_a_workspace_counts_and_nothing_beside_it() {
        let of = |fields: Value| {
            let entry = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsV1": fields});
            foreign(&meta(json!([entry]))).into_iter().map(|one| one.owned.field).collect::<Vec<_>>()
        };
        let labels = json!({"f:metadata": {"f:labels": {".": {}, "f:mine": {}, "f:pod-security.kubernetes.io/enforce": {}, "f:pod-security.kubernetes.io/warn": {}}}, "f:spec": {"f:finalizers": {}}});
        assert_eq!(of(labels), [".metadata.labels.pod-security.kubernetes.io/enforce"]);
        assert_eq!(of(json!({"f:subjects": {}, "f:roleRef": {}})), [".roleRef", ".subjects"]);
        let account = json!({"f:metadata": {"f:annotations": {".": {}, "f:eks.amazonaws.com/role-arn": {}, "f:note": {}}}, "f:automountServiceAccountToken": {}, "f:imagePullSecrets": {".": {}, "k:{\"name\":\"theirs\"}": {}}});
        assert_eq!(of(account), [".automountServiceAccountToken", ".imagePullSecrets[name=\"theirs\"]", ".metadata.annotations.eks.amazonaws.com/role-arn"]);
        assert_eq!(of(json!({"f:spec": {"f:hard": {"f:pods": {}, "f:requests.cpu": {}}}})), [".spec.hard.pods", ".spec.hard.requests.cpu"]);
    }

    #[test]
    fn nonsense_is_nobodys() {
        for fields in [json!(null), json!([1]), json!("x"), json!({"f:spec": 1}), json!({"f:spec": {"k:{": {}, "i:0": {}, "x": {}}}), json!({"f:spec": {"f:a\0b": {}}})] {
            let entry = json!({"manager": "x\0y", "operation": "Update", "fieldsV1": fields});
            for one in foreign(&meta(json!([entry]))) {
                assert!(!one.owned.field.contains('\0') && !one.owned.manager.contains('\0'), "{one:?}");
            }
        }
        let many: Map<String, Value> = (0..100).map(|n| (format!("f:{n}"), json!({}))).collect();
        assert_eq!(foreign(&meta(json!([{"manager": "x", "fieldsV1": {"f:spec": many}}]))).len(), MOST);
    }
}
