//! Writing to a cluster: server-side apply of typed objects, by force only at a person's word, and deletion of exactly what was seen.

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    error::{Error, Kind, Result},
    labels::MANAGED_BY_SLIPWAY,
};

/// Who owns the fields that Slipway sets.
pub const FIELD_MANAGER: &str = MANAGED_BY_SLIPWAY;

/// Applies `object`. Fields that others own are left to them: that is a conflict with their names, not an overwriting.
///
/// # Errors
/// Whatever the cluster says; [`Error::conflicts`] lists the fields others own.
pub async fn apply<K>(api: &Api<K>, object: &K) -> Result<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    put(api, object, &PatchParams::apply(FIELD_MANAGER)).await
}

/// Asks the cluster whether it would take `object`, and changes nothing.
///
/// # Errors
/// What [`apply`] would get.
pub async fn rehearse<K>(api: &Api<K>, object: &K) -> Result<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    put(api, object, &PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER) }).await
}

/// Applies `object`, with the fields that others own: they are Slipway's from then on. Only a person decides so.
///
/// # Errors
/// Whatever the cluster says.
pub async fn take_over<K>(api: &Api<K>, object: &K) -> Result<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    put(api, object, &PatchParams::apply(FIELD_MANAGER).force()).await
}

async fn put<K>(api: &Api<K>, object: &K, params: &PatchParams) -> Result<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    let name = object.name_any();
    api.patch(&name, params, &Patch::Apply(typed(object)?)).await.map_err(|error| Error::from(error).about(&K::kind(&()), &name))
}

/// Who owns the field by which a rollout is paused.
pub const PAUSE_MANAGER: &str = "slipway-hold";

/// Pauses the rollout of exactly the Deployment that was seen, or takes Slipway's pause away. Gives the Deployment as it is then: somebody else's pause stays.
///
/// # Errors
/// Whatever the cluster says; `Conflict` when it is not the one that was seen any more.
pub async fn apply_pause(api: &Api<Deployment>, seen: &Deployment, paused: bool) -> Result<Deployment> {
    let mut intent = typed(&Deployment { metadata: ObjectMeta { name: seen.metadata.name.clone(), uid: seen.uid(), ..ObjectMeta::default() }, ..Deployment::default() })?;
    if paused {
        intent["spec"] = serde_json::json!({"paused": true});
    }
    Ok(api.patch(&seen.name_any(), &PatchParams::apply(PAUSE_MANAGER), &Patch::Apply(intent)).await?)
}

/// Takes fields away from exactly the object that was seen, by a strategic merge patch. Gives the object as it is then.
///
/// # Errors
/// Whatever the cluster says; `Conflict` when it is not the one that was seen any more.
pub async fn take_away<K>(api: &Api<K>, seen: &K, mut patch: serde_json::Value) -> Result<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    // Beside what goes of the metadata itself.
    patch["metadata"]["resourceVersion"] = seen.resource_version().into();
    patch["metadata"]["uid"] = seen.uid().into();
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    Ok(api.patch(&seen.name_any(), &params, &Patch::Strategic(patch)).await?)
}

/// What is there, if anything.
///
/// # Errors
/// Whatever the cluster says, except that it is not there.
pub async fn find<K>(api: &Api<K>, name: &str) -> Result<Option<K>>
where
    K: Resource + DeserializeOwned + Clone + std::fmt::Debug,
{
    Ok(api.get_opt(name).await?)
}

/// Deletes exactly the object that was seen: another one of the same name, or a changed one, stays. Gives whether there was one.
///
/// # Errors
/// `Conflict` when it is not the one that was seen any more.
pub async fn delete_seen<K>(api: &Api<K>, seen: &K) -> Result<bool>
where
    K: Resource + DeserializeOwned + Clone + std::fmt::Debug,
{
    let uid = seen.uid().ok_or_else(|| Error::fault(anyhow::anyhow!("an object without a uid cannot be deleted safely")))?;
    let preconditions = Preconditions { uid: Some(uid), resource_version: seen.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match api.delete(&seen.name_any(), &params).await.map_err(Error::from) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind, Kind::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The object with its `apiVersion` and `kind`, which server-side apply insists on.
///
/// # Errors
/// A fault when the object is not one.
pub fn typed<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(object).map_err(Error::fault)?;
    let fields = value.as_object_mut().ok_or_else(|| Error::fault(anyhow::anyhow!("a Kubernetes object has to be an object")))?;
    fields.insert("apiVersion".into(), K::api_version(&()).into());
    fields.insert("kind".into(), K::kind(&()).into());
    Ok(value)
}
