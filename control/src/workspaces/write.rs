//! Writes a workspace's objects into its cluster, or takes them away, as Slipway's own principal.

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        core::v1::{LimitRange, Namespace, ResourceQuota, ServiceAccount},
        rbac::v1::RoleBinding,
    },
};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::{Serialize, de::DeserializeOwned};

use super::{manifests::Blueprint, next};
use crate::{
    inventory::{
        Entry,
        cluster::{Found, Owner, Put, Refused, Shown, When, entry, may_take_over},
    },
    k8s::{self, apply, fields, labels, text::clean},
};

/// Whose the objects in the namespace are.
pub(super) fn owner(blueprint: &Blueprint) -> Owner {
    Owner { installation: blueprint.installation, label: labels::WORKSPACE, id: blueprint.workspace.0, generation: blueprint.generation }
}

/// Whose the accounts in `slipway-access` are: the team's, whichever workspace made them.
fn team_owner(blueprint: &Blueprint) -> Owner {
    Owner { installation: blueprint.installation, label: labels::TEAM, id: blueprint.team.0, generation: blueprint.generation }
}

/// What the workspace is going to have.
pub(super) fn entries(blueprint: &Blueprint) -> Vec<Entry> {
    let mut entries = vec![entry(&blueprint.namespace()), entry(&blueprint.quota()), entry(&blueprint.limits())];
    entries.extend(blueprint.policies().iter().map(entry));
    entries.extend(blueprint.accounts().iter().map(entry));
    entries.extend(blueprint.bindings().iter().map(entry));
    entries
}

/// What the namespace is to us; of one on its way out, why it is still there, as Kubernetes says it.
pub(super) async fn see(client: &Client, blueprint: &Blueprint) -> k8s::Result<(next::Namespace, Option<String>)> {
    let api: Api<Namespace> = Api::all(client.clone());
    let Some(namespace) = apply::find(&api, &blueprint.namespace).await? else { return Ok((next::Namespace::Absent, None)) };
    let held_by = said_of_deletion(&namespace);
    let marked = namespace.labels().contains_key(labels::WORKSPACE) || namespace.annotations().contains_key(labels::INSTALLATION);
    let namespace = match owner(blueprint).judge(namespace) {
        Found::Ours(_) => next::Namespace::Ours,
        Found::Going => next::Namespace::Going,
        Found::Ahead(there) => next::Namespace::Ahead(there),
        Found::Foreign if marked => next::Namespace::Taken,
        Found::Foreign | Found::Nothing => next::Namespace::Theirs,
    };
    Ok((namespace, held_by))
}

/// The messages of the conditions that hold a deletion up.
fn said_of_deletion(namespace: &Namespace) -> Option<String> {
    const MOST: usize = 600;
    let conditions = namespace.status.as_ref()?.conditions.as_ref()?;
    let said: Vec<&str> = conditions.iter().filter(|condition| condition.status == "True").filter_map(|condition| condition.message.as_deref()).collect();
    (!said.is_empty()).then(|| clean(said.join(". "), MOST))
}

/// Puts our marks and the pod-security level onto a namespace that somebody else made.
pub(super) async fn adopt(client: &Client, blueprint: &Blueprint) -> k8s::Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    apply::apply(&api, &blueprint.namespace()).await?;
    Ok(())
}

/// The namespace with what bounds it. What was written is in `put`, whatever becomes of the rest.
pub(super) async fn bounds(client: &Client, blueprint: &Blueprint, when: When<'_>, put: &mut Vec<Put>) -> Result<(), Refused> {
    let owner = owner(blueprint);
    put.push(owner.put(&Api::all(client.clone()), blueprint.namespace(), when).await?);
    put.push(owner.put(&here(client, blueprint), blueprint.quota(), when).await?);
    put.push(owner.put(&here(client, blueprint), blueprint.limits(), when).await?);
    for policy in blueprint.policies() {
        put.push(owner.put(&here(client, blueprint), policy, when).await?);
    }
    Ok(())
}

/// The team's accounts and what they may do here. What was written is in `put`, whatever becomes of the rest.
pub(super) async fn rights(client: &Client, blueprint: &Blueprint, when: When<'_>, put: &mut Vec<Put>) -> Result<(), Refused> {
    let (owner, team) = (owner(blueprint), team_owner(blueprint));
    for account in blueprint.accounts() {
        put.push(team.put(&Api::namespaced(client.clone(), labels::ACCESS_NAMESPACE), account, when).await?);
    }
    for binding in blueprint.bindings() {
        let api = here(client, blueprint);
        if let When::TakingOver(shown) = when {
            unbind(&owner, &api, &binding, shown).await?;
        }
        put.push(owner.put(&api, binding, when).await?);
    }
    Ok(())
}

/// Deletes a binding that others made anew with another role, which Kubernetes lets nobody change, if all that they set of it was shown.
async fn unbind(owner: &Owner, api: &Api<RoleBinding>, binding: &RoleBinding, shown: &[Shown]) -> Result<(), Refused> {
    if let Found::Ours(there) = owner.look(api, &binding.name_any()).await?
        && there.role_ref != binding.role_ref
        && may_take_over(shown, &fields::set_by_others(&there))
    {
        apply::delete_seen(api, &there).await?;
    }
    Ok(())
}

/// Deletes the namespace that we made, with all that is in it.
pub(super) async fn remove_namespace(client: &Client, blueprint: &Blueprint) -> Result<bool, Refused> {
    let api: Api<Namespace> = Api::all(client.clone());
    owner(blueprint).remove(&api, &api, &blueprint.namespace).await
}

/// Deletes what we put into the namespace, and takes our marks off it. Gives how much of it is still there.
pub(super) async fn release(client: &Client, blueprint: &Blueprint) -> Result<usize, Refused> {
    let owner = owner(blueprint);
    let mut left = 0;
    for binding in blueprint.bindings() {
        left += gone(&owner, &here(client, blueprint), binding).await?;
    }
    for policy in blueprint.policies() {
        left += gone(&owner, &here(client, blueprint), policy).await?;
    }
    left += gone(&owner, &here::<LimitRange>(client, blueprint), blueprint.limits()).await?;
    left += gone(&owner, &here::<ResourceQuota>(client, blueprint), blueprint.quota()).await?;
    let api: Api<Namespace> = Api::all(client.clone());
    if left == 0 && matches!(owner.look(&api, &blueprint.namespace).await?, Found::Ours(_)) {
        apply::apply(&api, &blueprint.released_namespace()).await?;
    }
    Ok(left)
}

/// Deletes the team's accounts: it has no other workspace on this cluster.
pub(super) async fn remove_accounts(client: &Client, blueprint: &Blueprint) -> Result<(), Refused> {
    let team = team_owner(blueprint);
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), labels::ACCESS_NAMESPACE);
    for account in blueprint.accounts() {
        gone(&team, &api, account).await?;
    }
    Ok(())
}

async fn gone<K>(owner: &Owner, api: &Api<K>, object: K) -> Result<usize, Refused>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    Ok(usize::from(owner.remove(api, api, &object.name_any()).await?))
}

fn here<K>(client: &Client, blueprint: &Blueprint) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), &blueprint.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_does_not_go_says_why() {
        let with = |conditions: serde_json::Value| {
            serde_json::from_value::<Namespace>(serde_json::json!({"metadata": {"name": "forecasting"}, "status": {"conditions": conditions}})).unwrap()
        };
        let held = with(serde_json::json!([
            {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content successfully deleted, may be waiting on finalization"},
            {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining: configmaps. has 1 resource instances"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"},
        ]));
        assert_eq!(
            said_of_deletion(&held).as_deref(),
            Some(
                "Some resources are remaining: configmaps. has 1 resource instances. Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
            )
        );
        assert_eq!(said_of_deletion(&with(serde_json::json!([]))), None);
        assert_eq!(said_of_deletion(&Namespace::default()), None);
    }

    #[test]
    fn everything_that_is_made_is_written_down() {
        let blueprint = Blueprint {
            installation: uuid::Uuid::nil(),
            workspace: domain::ids::WorkspaceId(uuid::Uuid::nil()),
            team: domain::ids::TeamId(uuid::Uuid::from_u128(3)),
            namespace: "forecasting".into(),
            generation: 1,
            quota: domain::workspace::Quota { cpu_millis: 1, memory_mib: 1, gpus: 0, pods: 1 },
        };
        let kinds: Vec<String> = entries(&blueprint).iter().map(|entry| format!("{}/{}/{}", entry.kind, entry.namespace, entry.name)).collect();
        assert_eq!(kinds.len(), 12);
        assert!(kinds.contains(&"Namespace//forecasting".to_owned()), "{kinds:?}");
        assert!(kinds.contains(&"ServiceAccount/slipway-access/00000000-0000-0000-0000-000000000003-deployer".to_owned()), "{kinds:?}");
        assert!(kinds.contains(&"RoleBinding/forecasting/slipway-owner".to_owned()), "{kinds:?}");
    }
}
