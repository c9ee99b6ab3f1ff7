//! Whose an object's fields are, as its `managedFields` say.

use std::collections::{BTreeMap, BTreeSet};

use domain::operation::ChangedField;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
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
/// The most of a value that is kept, in bytes.
const MAX_VALUE: usize = 200;

/// A field of an object that somebody else set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    path: Vec<Step>,
    pub owned: ChangedField,
}

/// Who holds an object's fields, of those that count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// What Slipway set, each with its value where that may be told.
    pub own: BTreeMap<String, Option<String>>,
    /// What others set.
    pub others: Vec<ChangedField>,
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
pub fn foreign<K: Resource<DynamicType = ()>>(object: &K) -> Vec<Foreign> {
    let (kind, name, meta) = (K::kind(&()), object.name_any(), object.meta());
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
                let owned = ChangedField::set_by(clean(owner.clone(), MAX_NAME), clean(written(path), MAX_NAME), &*kind, &name);
                all.push(Foreign { owned, path: path.clone() });
            }
        }
    }
    all.truncate(MOST);
    all
}

/// The same, as it is told.
#[must_use]
pub fn set_by_others<K: Resource<DynamicType = ()>>(object: &K) -> Vec<ChangedField> {
    foreign(object).into_iter().map(|one| one.owned).collect()
}

/// Who holds what, with what it says.
#[must_use]
pub fn held<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Held {
    // What fields say is extra: an object that cannot be written as JSON does not hide whose they are.
    let whole = serde_json::to_value(object).unwrap_or_default();
    let set_by_slipway = object.meta().managed_fields.iter().flatten().filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    let own = set_by_slipway.flat_map(leaves).filter(|path| counts(path)).map(|path| (clean(written(&path), MAX_NAME), value(&path, &whole))).collect();
    let others = foreign(object).into_iter().map(|Foreign { path, owned }| ChangedField { found: value(&path, &whole), ..owned }).collect();
    Held { own, others }
}

/// What a field says, where that may be told: what pods are given may be secret.
fn value(path: &[Step], object: &Value) -> Option<String> {
    let text = written(path);
    if text.starts_with(".spec.template.") && !text.ends_with(".image") && !text.contains(".resources.") {
        return None;
    }
    match at(path, object)? {
        Value::Null => None,
        Value::String(text) => Some(clean(text.as_str(), MAX_VALUE)),
        other => Some(clean(other.to_string(), MAX_VALUE)),
    }
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
    at(path, object).is_some()
}

fn at<'a>(path: &[Step], object: &'a Value) -> Option<&'a Value> {
    path.iter().try_fold(object, |at, step| match step {
        Step::Field(name) => at.get(name),
        // What an object leaves out has its default.
        Step::Item(key) => at.as_array()?.iter().find(|item| key.iter().all(|(name, value)| item.get(name).is_none_or(|there| there == value))),
    })
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
            [
                (".spec.paused", owner),
                (".spec.template.spec.containers[name=\"model\"].env[name=\"EVIL\"]", owner),
                (".spec.template.spec.containers[name=\"model\"].image", owner)
            ]
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

        let container = json!({"name": "model", "image": "a@sha256:b", "env": [{"name": "LEVEL", "value": "hush"}], "resources": {"limits": {"cpu": "1"}}});
        let mut object = iris(json!([]));
        object.spec = serde_json::from_value(json!({"selector": {}, "template": {"spec": {"containers": [container]}}})).unwrap();
        let whole = serde_json::to_value(&object).unwrap();
        let path = |last: &[Step]| {
            let model = Step::Item(json!({"name": "model"}).as_object().unwrap().clone());
            let to = ["spec", "template", "spec", "containers"].map(|name| Step::Field(name.into()));
            to.into_iter().chain([model]).chain(last.iter().cloned()).collect::<Vec<_>>()
        };
        let field = |name: &str| Step::Field(name.into());
        let level = Step::Item(json!({"name": "LEVEL"}).as_object().unwrap().clone());
        assert_eq!(value(&path(&[field("image")]), &whole).as_deref(), Some("a@sha256:b"));
        assert_eq!(value(&path(&[field("resources"), field("limits"), field("cpu")]), &whole).as_deref(), Some("1"));
        for secret in [path(&[field("env"), level.clone(), field("value")]), path(&[field("env"), level]), path(&[])] {
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
        let many: Map<String, Value> = (0..100).map(|n| (format!("f:{n}"), json!({}))).collect();
        assert_eq!(foreign(&iris(json!([{"manager": "x", "fieldsV1": {"f:spec": many}}]))).len(), MOST);
    }
}
