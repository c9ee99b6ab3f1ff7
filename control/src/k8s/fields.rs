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

/// Of more than so many it is not looked whose they are.
const MOST: usize = 200;
/// Labels and annotations that say what pods may: the level that a namespace holds them to, and the AWS role that a service account gives them.
const GRANTING: [&str; 3] =
    [".metadata.labels.pod-security.kubernetes.io/enforce", ".metadata.labels.pod-security.kubernetes.io/enforce-version", ".metadata.annotations.eks.amazonaws.com/role-arn"];
const OWN_ANNOTATIONS: &str = ".metadata.annotations.slipway.dev/";
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
    if !may_be_told(path) {
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

/// Of a pod template only where images come from and what containers ask for; by the steps themselves, since items have names that people choose.
fn may_be_told(path: &[Step]) -> bool {
    let names: Vec<&str> = path.iter().map(|step| if let Step::Field(name) = step { name.as_str() } else { "" }).collect();
    match names.as_slice() {
        ["spec"] => false,
        ["spec", "template", inside @ ..] => {
            matches!(inside, ["spec", "containers" | "initContainers", "", "image"] | ["spec", "containers" | "initContainers", "", "resources", ..])
        }
        _ => true,
    }
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
        // By its own annotations an object is known.
        "metadata" => GRANTING.contains(&text.as_str()) || text.starts_with(OWN_ANNOTATIONS),
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
#[path = "fields_tests.rs"]
mod tests;
