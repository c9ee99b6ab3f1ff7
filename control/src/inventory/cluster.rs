//! Looking at, writing and deleting objects of ours, and nobody else's.

use domain::operation::ChangedField;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Resource, ResourceExt as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::Entry;
use crate::k8s::{
    self, apply,
    fields::{self, Held},
    labels,
};

/// Whose objects these are.
#[derive(Clone, Debug)]
pub struct Owner {
    pub installation: Uuid,
    /// The label that names the deployment, workspace or team.
    pub label: &'static str,
    pub id: Uuid,
    /// The generation that the database wants.
    pub generation: i64,
}

/// What is there under a name.
#[derive(Debug)]
pub enum Found<K> {
    Nothing,
    Ours(K),
    /// Ours, and being deleted.
    Going,
    /// Somebody else's.
    Foreign,
    /// Ours, of a generation that this database never gave out.
    Ahead(i64),
}

/// Why an object was not written.
#[derive(Debug)]
pub enum Refused {
    /// There is one of this name that Slipway did not make.
    Foreign(Entry),
    /// The cluster is ahead of the database.
    Ahead(i64),
    /// It is being deleted: later.
    Going(Entry),
    Outside(k8s::Error),
}

impl From<k8s::Error> for Refused {
    fn from(error: k8s::Error) -> Self {
        Self::Outside(error)
    }
}

/// A field that may be taken over, and from whom, as it was shown to a person who then said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub name: String,
    pub field: String,
    /// None: from whoever owns it. Empty: from nobody, since it was taken away.
    pub manager: Option<String>,
}

impl Shown {
    fn is(&self, owned: &ChangedField) -> bool {
        let of_the_same = (&self.kind, &self.name, &self.field) == (&owned.kind, &owned.name, &owned.field);
        of_the_same && self.manager.as_deref().is_none_or(|manager| manager == owned.manager.as_deref().unwrap_or_default())
    }
}

/// For the record: each field with what became of it; none of none.
#[must_use]
pub fn told(shown: &[Shown]) -> Option<Vec<String>> {
    let says = |Shown { kind, name, field, manager }: &Shown| match manager.as_deref() {
        None => format!("{field} of {kind} {name}, whoever set it"),
        Some("") => format!("{field} of {kind} {name}, taken away"),
        Some(manager) => format!("{field} of {kind} {name}, set by {manager}"),
    };
    (!shown.is_empty()).then(|| shown.iter().map(says).collect())
}

impl From<&ChangedField> for Shown {
    fn from(owned: &ChangedField) -> Self {
        Self { kind: owned.kind.clone(), name: owned.name.clone(), field: owned.field.clone(), manager: Some(owned.manager.clone().unwrap_or_default()) }
    }
}

/// When to write an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When<'a> {
    Always,
    /// Always, and with these fields that others set, as long as they are all that others set: at a person's word, never to heal.
    TakingOver(&'a [Shown]),
    /// Only if there is none.
    Missing,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub entry: Entry,
    pub uid: String,
    /// Whether there was none before.
    pub made: bool,
    /// The generation that it says it is of.
    pub generation: Option<i64>,
    /// Who holds its fields.
    pub held: Held,
}

impl Put {
    /// An object, of whose fields nothing is told.
    #[cfg(test)]
    pub fn of(entry: Entry) -> Self {
        Self { entry, uid: "uid".into(), made: false, generation: None, held: Held::default() }
    }

    /// What is there already.
    #[must_use]
    pub fn there<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Self {
        Self { entry: entry(object), uid: object.uid().unwrap_or_default(), made: false, generation: generation(object.meta()), held: fields::held(object) }
    }
}

impl Owner {
    /// What an object is to us.
    pub fn judge<K: Resource>(&self, object: K) -> Found<K> {
        let meta = object.meta();
        let is = |map: &Option<std::collections::BTreeMap<String, String>>, key: &str, value: &str| map.as_ref().and_then(|map| map.get(key)).is_some_and(|found| found == value);
        if !is(&meta.labels, self.label, &self.id.to_string()) || !is(&meta.annotations, labels::INSTALLATION, &self.installation.to_string()) {
            return Found::Foreign;
        }
        match generation(meta) {
            Some(there) if is_ahead(there, self.generation) => Found::Ahead(there),
            _ if meta.deletion_timestamp.is_some() => Found::Going,
            _ => Found::Ours(object),
        }
    }

    /// What is there under this name.
    ///
    /// # Errors
    /// Whatever the cluster says.
    pub async fn look<K>(&self, api: &Api<K>, name: &str) -> k8s::Result<Found<K>>
    where
        K: Resource + DeserializeOwned + Clone + std::fmt::Debug,
    {
        Ok(apply::find(api, name).await?.map_or(Found::Nothing, |object| self.judge(object)))
    }

    /// Writes an object, unless what is there is not ours. An object that is there is written at the version that was read.
    ///
    /// # Errors
    /// Why it was not written.
    pub async fn put<K>(&self, api: &Api<K>, mut object: K, when: When<'_>) -> Result<Put, Refused>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let entry = entry(&object);
        let made = match self.look(api, &entry.name).await? {
            Found::Nothing => true,
            Found::Foreign => return Err(Refused::Foreign(entry)),
            Found::Ahead(there) => return Err(Refused::Ahead(there)),
            Found::Going => return Err(Refused::Going(entry)),
            Found::Ours(there) if when == When::Missing => return Ok(Put::there(&there)),
            Found::Ours(there) => {
                object.meta_mut().resource_version = there.resource_version();
                if let When::TakingOver(shown) = when {
                    object.meta_mut().resource_version = clear(api, there, &object, shown).await?.resource_version();
                }
                false
            }
        };
        let written = match when {
            When::TakingOver(shown) => match apply::apply(api, &object).await {
                // At the version that was read, so that nothing that others set meanwhile goes with it.
                Err(refused) if may_take_over(shown, refused.conflicts()) => apply::take_over(api, &object).await?,
                written => written?,
            },
            When::Always | When::Missing => apply::apply(api, &object).await?,
        };
        Ok(Put { made, ..Put::there(&written) })
    }

    /// Deletes the object of this name if it is ours. Gives whether anything of ours is (still) there.
    ///
    /// # Errors
    /// Whatever the cluster says, and `Ahead`.
    pub async fn remove<K>(&self, read: &Api<K>, write: &Api<K>, name: &str) -> Result<bool, Refused>
    where
        K: Resource + DeserializeOwned + Clone + std::fmt::Debug,
    {
        match self.look(read, name).await? {
            Found::Nothing | Found::Foreign => Ok(false),
            Found::Going => Ok(true),
            Found::Ahead(there) => Err(Refused::Ahead(there)),
            Found::Ours(seen) => Ok(apply::delete_seen(write, &seen).await?),
        }
    }
}

/// Takes away what others added. What Slipway sets itself is overwritten, not taken away. Before anything goes it is known that all that others set was
/// shown, and that the cluster takes what comes then.
async fn clear<K>(api: &Api<K>, there: K, object: &K, shown: &[Shown]) -> k8s::Result<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    match apply::rehearse(api, object).await {
        Err(refused) if !may_take_over(shown, refused.conflicts()) => return Err(refused),
        _ => {}
    }
    let added = fields::foreign(&there);
    let unseen: Vec<ChangedField> = added.iter().map(|field| field.owned.clone()).filter(|owned| !shown.iter().any(|shown| shown.is(owned))).collect();
    if !unseen.is_empty() {
        return Err(k8s::Error::conflict(unseen));
    }
    match fields::removal_of(there.meta(), &added, &apply::typed(object)?) {
        Some(patch) => apply::take_away(api, &there, patch).await,
        None => Ok(there),
    }
}

/// Whether all that others own was shown to whoever takes it over.
pub(crate) fn may_take_over(shown: &[Shown], owned: &[ChangedField]) -> bool {
    !owned.is_empty() && owned.iter().all(|owned| shown.iter().any(|shown| shown.is(owned)))
}

/// The entry of an object.
#[must_use]
pub fn entry<K: Resource<DynamicType = ()>>(object: &K) -> Entry {
    Entry { kind: K::kind(&()).into_owned(), namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

/// Our generation of an object.
#[must_use]
pub fn generation(meta: &ObjectMeta) -> Option<i64> {
    meta.annotations.as_ref()?.get(labels::GENERATION)?.parse().ok()
}

/// A restored database is behind by the changes that were made since its backup; by more than this, nobody's database ever was.
pub const MOST_AHEAD: i64 = 1_000_000_000;

/// Whether an object's generation is one that a later state of this database may have given out, when it is at `ours`. Anything
/// further ahead was written by somebody else, and says nothing about the database.
#[must_use]
pub fn is_ahead(there: i64, ours: i64) -> bool {
    there > ours && there.saturating_sub(ours) <= MOST_AHEAD
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex},
    };

    use k8s_openapi::api::core::v1::Service;
    use kube::client::Body;

    use super::*;

    fn owner() -> Owner {
        Owner { installation: Uuid::from_u128(1), label: labels::DEPLOYMENT, id: Uuid::from_u128(2), generation: 3 }
    }

    fn service(installation: u128, id: u128, generation: &str) -> Service {
        let metadata = ObjectMeta {
            labels: Some(BTreeMap::from([(labels::DEPLOYMENT.into(), Uuid::from_u128(id).to_string())])),
            annotations: Some(BTreeMap::from([(labels::INSTALLATION.into(), Uuid::from_u128(installation).to_string()), (labels::GENERATION.into(), generation.into())])),
            ..ObjectMeta::default()
        };
        Service { metadata, ..Service::default() }
    }

    #[tokio::test]
    async fn force_is_for_what_was_shown_to_whoever_takes_over() {
        let conflict = serde_json::json!({"kind": "Status", "status": "Failure", "code": 409, "reason": "Conflict", "message": "Apply failed", "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using v1", "field": ".spec.ports"},
            {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using v1", "field": ".spec.selector"},
        ]}});
        let conflict = conflict.to_string();
        let written = async |when: When<'_>| {
            let queries = Arc::new(Mutex::new(Vec::new()));
            let (seen, conflict) = (queries.clone(), conflict.clone());
            let there = tower::service_fn(move |request: http::Request<Body>| {
                let mut answer = (200, serde_json::to_vec(&apply::typed(&service(1, 2, "3")).unwrap()).unwrap());
                if request.method() == http::Method::PATCH {
                    let forced = request.uri().query().unwrap_or_default().contains("force=true");
                    seen.lock().unwrap().push(forced);
                    if !forced {
                        answer = (409, conflict.clone().into_bytes());
                    }
                }
                async move { Ok::<_, k8s::Error>(http::Response::builder().status(answer.0).body(Body::from(answer.1)).unwrap()) }
            });
            let api: Api<Service> = Api::namespaced(kube::Client::new(there, "default"), "default");
            let mut object = service(1, 2, "3");
            object.metadata.name = Some("iris".into());
            let put = owner().put(&api, object, when).await;
            let queries = queries.lock().unwrap().clone();
            (put.is_ok(), queries)
        };
        let kubectl = Some(r#""kubectl" using v1"#.to_owned());
        let [ports, selector, others] = [(".spec.ports", kubectl.clone()), (".spec.selector", None), (".spec.selector", Some("\"helm\"".to_owned()))]
            .map(|(field, manager)| Shown { kind: "Service".into(), name: "iris".into(), field: field.into(), manager });
        assert_eq!(written(When::TakingOver(&[ports.clone(), selector])).await, (true, vec![false, false, true]), "rehearsed, refused, forced: all of it was shown");
        assert_eq!(written(When::TakingOver(std::slice::from_ref(&ports))).await, (false, vec![false]), "more than was shown");
        assert_eq!(written(When::TakingOver(&[ports, others])).await, (false, vec![false]), "somebody else has it by now");
        assert_eq!(written(When::TakingOver(&[])).await, (false, vec![false]));
        assert_eq!(written(When::Always).await, (false, vec![false]));
        assert_eq!(written(When::Missing).await, (true, vec![]), "what is there is not healed");
    }

    #[test]
    fn only_what_carries_both_our_marks_is_ours() {
        assert!(matches!(owner().judge(service(1, 2, "3")), Found::Ours(_)));
        assert!(matches!(owner().judge(service(1, 2, "not a number")), Found::Ours(_)));
        assert!(matches!(owner().judge(service(9, 2, "3")), Found::Foreign), "another installation's");
        assert!(matches!(owner().judge(service(1, 9, "3")), Found::Foreign), "another deployment's");
        assert!(matches!(owner().judge(Service::default()), Found::Foreign), "a person's");
        assert!(matches!(owner().judge(service(1, 2, "4")), Found::Ahead(4)));
        assert!(matches!(owner().judge(service(1, 2, &i64::MAX.to_string())), Found::Ours(_)), "no database was ever so far");
    }
}
