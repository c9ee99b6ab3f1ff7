//! What others have in a workspace's namespace: it would go with the namespace.
//!
//! Only names and marks are asked for. Secrets and ConfigMaps are not looked for: Kubernetes cannot grant their names without their contents.

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{PersistentVolumeClaim, Pod, Service},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Resource, ResourceExt as _, api::ListParams};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::manifests::Blueprint;
use crate::k8s::{self, labels};

/// Those kinds that control others, by group and version: what they control is told by naming them.
const CONTROLLERS: [(&str, &str); 6] =
    [("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("apps/v1", "ReplicaSet"), ("batch/v1", "CronJob"), ("batch/v1", "Job")];

/// Things in the namespace that this installation did not make and that would go with it: kind and name.
pub(super) async fn strangers(client: &Client, blueprint: &Blueprint) -> k8s::Result<Vec<String>> {
    let mut found = of::<PersistentVolumeClaim>(client, blueprint).await?;
    found.extend(of::<Deployment>(client, blueprint).await?);
    found.extend(of::<StatefulSet>(client, blueprint).await?);
    found.extend(of::<DaemonSet>(client, blueprint).await?);
    found.extend(of::<CronJob>(client, blueprint).await?);
    found.extend(of::<Job>(client, blueprint).await?);
    found.extend(of::<Service>(client, blueprint).await?);
    found.extend(of::<ReplicaSet>(client, blueprint).await?);
    found.extend(of::<Pod>(client, blueprint).await?);
    Ok(found)
}

async fn of<K>(client: &Client, blueprint: &Blueprint) -> k8s::Result<Vec<String>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + std::fmt::Debug,
{
    let list = Api::<K>::namespaced(client.clone(), &blueprint.namespace).list_metadata(&ListParams::default()).await?;
    let strange = list.items.iter().filter(|object| is_strange(&object.metadata, blueprint.installation));
    Ok(strange.map(|object| format!("{} {}", K::kind(&()), object.name_any())).collect())
}

/// Whether it is neither ours nor controlled by something that is named itself, if it is not ours.
fn is_strange(meta: &ObjectMeta, installation: Uuid) -> bool {
    let ours = meta.annotations.as_ref().and_then(|all| all.get(labels::INSTALLATION)).is_some_and(|found| *found == installation.to_string());
    let controlled = meta.owner_references.iter().flatten().any(|owner| owner.controller == Some(true) && CONTROLLERS.contains(&(owner.api_version.as_str(), owner.kind.as_str())));
    !ours && !controlled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    const OURS: Uuid = Uuid::from_u128(1);

    fn marked(installation: Uuid) -> ObjectMeta {
        ObjectMeta {
            labels: Some(BTreeMap::from([(labels::MANAGED_BY.into(), labels::MANAGED_BY_SLIPWAY.into())])),
            annotations: Some(BTreeMap::from([(labels::INSTALLATION.into(), installation.to_string())])),
            ..ObjectMeta::default()
        }
    }

    fn controlled_by(api_version: &str, kind: &str) -> ObjectMeta {
        let owner = OwnerReference { api_version: api_version.into(), kind: kind.into(), controller: Some(true), ..OwnerReference::default() };
        ObjectMeta { owner_references: Some(vec![owner]), ..ObjectMeta::default() }
    }

    #[test]
    fn what_this_installation_made_is_no_stranger() {
        assert!(!is_strange(&marked(OURS), OURS));
        assert!(is_strange(&marked(Uuid::from_u128(2)), OURS), "another installation's, with the same label");
        assert!(is_strange(&ObjectMeta { annotations: None, ..marked(OURS) }, OURS), "the label alone says nothing");
        assert!(is_strange(&ObjectMeta::default(), OURS));
    }

    #[test]
    fn what_is_controlled_is_told_by_what_controls_it() {
        assert!(!is_strange(&controlled_by("apps/v1", "ReplicaSet"), OURS));
        assert!(!is_strange(&controlled_by("batch/v1", "Job"), OURS));
        assert!(is_strange(&controlled_by("batch.volcano.sh/v1alpha1", "Job"), OURS), "of a kind that is not looked for");
        let mut owned = controlled_by("apps/v1", "StatefulSet");
        owned.owner_references.as_mut().unwrap()[0].controller = None;
        assert!(is_strange(&owned, OURS));
    }
}
