//! Looking at, writing and deleting objects of ours, and nobody else's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Resource, ResourceExt as _};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::Entry;
use crate::k8s::{self, apply, labels};

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

/// When to write an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// Always, and with the fields that others set: at a person's word, never to heal.
    TakingOver,
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
    pub async fn put<K>(&self, api: &Api<K>, mut object: K, when: When) -> Result<Put, Refused>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let entry = entry(&object);
        let made = match self.look(api, &entry.name).await? {
            Found::Nothing => true,
            Found::Foreign => return Err(Refused::Foreign(entry)),
            Found::Ahead(there) => return Err(Refused::Ahead(there)),
            Found::Going => return Err(Refused::Going(entry)),
            Found::Ours(there) if when == When::Missing => return Ok(Put { entry, uid: there.uid().unwrap_or_default(), made: false }),
            Found::Ours(there) => {
                object.meta_mut().resource_version = there.resource_version();
                false
            }
        };
        let written = match when {
            When::TakingOver => apply::take_over(api, &object).await?,
            When::Always | When::Missing => apply::apply(api, &object).await?,
        };
        Ok(Put { entry, uid: written.uid().unwrap_or_default(), made })
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
    async fn only_who_takes_over_writes_by_force() {
        let written = async |when: When| {
            let queries = Arc::new(Mutex::new(Vec::new()));
            let seen = queries.clone();
            let there = tower::service_fn(move |request: http::Request<Body>| {
                if request.method() == http::Method::PATCH {
                    seen.lock().unwrap().push(request.uri().query().unwrap_or_default().contains("force=true"));
                }
                let object = serde_json::to_vec(&apply::typed(&service(1, 2, "3")).unwrap()).unwrap();
                async move { Ok::<_, k8s::Error>(http::Response::new(Body::from(object))) }
            });
            let api: Api<Service> = Api::namespaced(kube::Client::new(there, "default"), "default");
            let mut object = service(1, 2, "3");
            object.metadata.name = Some("iris".into());
            owner().put(&api, object, when).await.unwrap();
            let queries = queries.lock().unwrap();
            queries.clone()
        };
        assert_eq!(written(When::TakingOver).await, [true]);
        assert_eq!(written(When::Always).await, [false]);
        assert!(written(When::Missing).await.is_empty(), "what is there is not healed");
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
