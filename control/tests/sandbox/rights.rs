//! What Kubernetes lets teams and Slipway do, and the way in by hand.

use control::{aws::eks, clusters, k8s, teams};
use domain::{access::TeamRole, cluster::ClusterState, ids::TeamId, team::NewTeam};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::SelfSubjectAccessReview,
    core::v1::{ConfigMap, Namespace, ServiceAccount},
    rbac::v1::RoleBinding,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    place::Place,
    process::Worker,
    scene::{Scene, object},
};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn kubernetes_itself_holds_teams_and_slipway_to_their_roles(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.stranger("lab").await;
    scene.set_up(cluster.id).await;
    let own = scene.control.k8s.own(&scene.control, cluster.id).await.unwrap();
    let (team, other) = (TeamId::generate(), TeamId::generate());
    let namespace = format!("t-{}", team.0.simple());
    Api::<Namespace>::all(own.clone()).create(&PostParams::default(), &object(json!({"metadata": {"name": namespace}}))).await.unwrap();
    for role in TeamRole::ALL {
        let account = k8s::impersonate::service_account(team, role);
        let made = Api::<ServiceAccount>::namespaced(own.clone(), "slipway-access")
            .create(&PostParams::default(), &object(json!({"metadata": {"name": account}, "automountServiceAccountToken": false})))
            .await;
        made.unwrap();
        let binding = object(json!({
            "metadata": {"name": k8s::impersonate::cluster_role(role), "labels": {"slipway-test": "yes"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": k8s::impersonate::cluster_role(role)},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "slipway-access"}],
        }));
        Api::<RoleBinding>::namespaced(own.clone(), &namespace).create(&PostParams::default(), &binding).await.unwrap();
    }
    let as_role = async |team, role| {
        let client = scene.control.k8s.as_team(&scene.control, cluster.id, team, role, "somebody").await.unwrap();
        Api::<Deployment>::namespaced(client, &namespace)
    };
    let deployment: Deployment = object(json!({
        "metadata": {"name": "iris"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "model", "image": "iris"}]}}}
    }));
    let kind = |result: Result<(), kube::Error>| result.map_err(|error| k8s::Error::from(error).kind);
    let make = async |team, role| kind(as_role(team, role).await.create(&PostParams::default(), &deployment).await.map(drop));
    assert!(matches!(make(team, TeamRole::Viewer).await, Err(k8s::Kind::Forbidden)));
    assert!(matches!(make(other, TeamRole::Owner).await, Err(k8s::Kind::Forbidden)), "another team");
    assert!(make(team, TeamRole::Deployer).await.is_ok());
    assert!(kind(as_role(team, TeamRole::Viewer).await.get("iris").await.map(drop)).is_ok());
    let delete = async |role| kind(as_role(team, role).await.delete("iris", &DeleteParams::default()).await.map(drop));
    assert!(matches!(delete(TeamRole::Deployer).await, Err(k8s::Kind::Forbidden)));
    assert!(delete(TeamRole::Owner).await.is_ok());

    // Slipway itself is no admin and can be nobody else.
    assert!(matches!(kind(Api::<Deployment>::namespaced(own.clone(), &namespace).create(&PostParams::default(), &deployment).await.map(drop)), Err(k8s::Kind::Forbidden)));
    assert!(matches!(kind(Api::<k8s_openapi::api::core::v1::Secret>::all(own.clone()).list(&ListParams::default()).await.map(drop)), Err(k8s::Kind::Forbidden)));
    let escalation = object::<RoleBinding>(json!({
        "metadata": {"name": "own"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}, "subjects": [{"kind": "Group", "name": "slipway", "apiGroup": "rbac.authorization.k8s.io"}],
    }));
    assert!(matches!(kind(Api::<RoleBinding>::namespaced(own.clone(), &namespace).create(&PostParams::default(), &escalation).await.map(drop)), Err(k8s::Kind::Forbidden)));
    for (header, value) in [
        ("impersonate-user", "admin"),
        ("impersonate-user", "system:serviceaccount:kube-system:default"),
        ("impersonate-user", "system:admin"),
        ("impersonate-user", "system:node:ip-172-31-0-10.ec2.internal"),
    ] {
        let request = http::Request::get("/api/v1/namespaces/default").header(header, value).body(Vec::new()).unwrap();
        assert!(matches!(kind(own.request::<Namespace>(request).await.map(drop)), Err(k8s::Kind::Forbidden)), "{value}");
    }
    // Nothing can be added to a team's account but the person's name.
    for (header, value) in [("impersonate-group", "system:masters"), ("impersonate-uid", "1"), ("impersonate-extra-scopes", "everything")] {
        let request = http::Request::get("/api/v1/namespaces/default")
            .header("impersonate-user", format!("system:serviceaccount:slipway-access:{}", k8s::impersonate::service_account(team, TeamRole::Viewer)))
            .header(header, value)
            .body(Vec::new())
            .unwrap();
        assert!(matches!(kind(own.request::<Namespace>(request).await.map(drop)), Err(k8s::Kind::Forbidden)), "{header}");
    }
    Api::<Namespace>::all(own).delete(&namespace, &DeleteParams::default()).await.unwrap();
}

/// In its workspace, the least role that may: verb, group, resource.
const IN_A_WORKSPACE: [(&str, &str, &str, Option<TeamRole>); 32] = [
    ("get", "", "pods", Some(TeamRole::Viewer)),
    ("watch", "", "events", Some(TeamRole::Viewer)),
    ("get", "", "pods/log", Some(TeamRole::Viewer)),
    ("list", "", "services", Some(TeamRole::Viewer)),
    ("get", "", "resourcequotas", Some(TeamRole::Viewer)),
    ("list", "apps", "deployments", Some(TeamRole::Viewer)),
    ("list", "policy", "poddisruptionbudgets", Some(TeamRole::Viewer)),
    ("create", "apps", "deployments", Some(TeamRole::Deployer)),
    ("patch", "apps", "deployments", Some(TeamRole::Deployer)),
    ("patch", "", "services", Some(TeamRole::Deployer)),
    ("create", "", "serviceaccounts", Some(TeamRole::Deployer)),
    ("create", "policy", "poddisruptionbudgets", Some(TeamRole::Deployer)),
    ("create", "", "pods/portforward", Some(TeamRole::Deployer)),
    ("delete", "apps", "deployments", Some(TeamRole::Owner)),
    ("delete", "", "services", Some(TeamRole::Owner)),
    ("delete", "", "serviceaccounts", Some(TeamRole::Owner)),
    ("delete", "policy", "poddisruptionbudgets", Some(TeamRole::Owner)),
    ("deletecollection", "apps", "deployments", None),
    ("get", "", "secrets", None),
    ("create", "", "secrets", None),
    ("get", "", "configmaps", None),
    ("create", "", "pods", None),
    ("delete", "", "pods", None),
    ("create", "", "pods/exec", None),
    ("create", "", "pods/attach", None),
    ("create", "", "serviceaccounts/token", None),
    ("impersonate", "", "serviceaccounts", None),
    ("patch", "", "resourcequotas", None),
    ("delete", "networking.k8s.io", "networkpolicies", None),
    ("patch", "", "namespaces", None),
    ("create", "rbac.authorization.k8s.io", "rolebindings", None),
    ("bind", "rbac.authorization.k8s.io", "clusterroles", None),
];

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn each_role_may_do_what_is_its_own_in_its_own_workspaces_only(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let place = Place::new(&scene).await;
    // The roles are the ones that Slipway gives now, not those that an earlier test found.
    let cluster = scene.stranger("fleet").await;
    scene.set_up(cluster.id).await;
    let worker = Worker::start(&scene);
    let ours = place.workspace(&scene, "fleet").await;
    let other = teams::create(&scene.admin, &NewTeam { name: "billing".into(), owner: Some("olga@example.com".into()), ..NewTeam::default() }).await.unwrap();
    let theirs = Place { team: other.id, team_name: other.name, ..place }.workspace(&scene, "fleet").await;
    worker.stop().await;
    for role in TeamRole::ALL {
        let client = scene.control.k8s.as_team(&scene.control, cluster.id, place.team, role, "somebody").await.unwrap();
        for (verb, group, resource, least) in IN_A_WORKSPACE {
            let may = least.is_some_and(|least| role >= least);
            assert_eq!(allowed(&client, &ours.namespace, verb, group, resource).await, may, "{role:?}: {verb} {resource}");
            // The empty one is every namespace.
            for elsewhere in [theirs.namespace.as_str(), "kube-system", "slipway-access", "default", ""] {
                assert!(!allowed(&client, elsewhere, verb, group, resource).await, "{role:?}: {verb} {resource} in {elsewhere:?}");
            }
        }
    }
    // A review only says so; this is done.
    let as_owner = scene.control.k8s.as_team(&scene.control, cluster.id, place.team, TeamRole::Owner, "somebody").await.unwrap();
    assert!(Api::<Deployment>::namespaced(as_owner.clone(), &ours.namespace).list(&ListParams::default()).await.is_ok());
    let refused = Api::<Deployment>::namespaced(as_owner, &theirs.namespace).list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(k8s::Error::from(refused).kind, k8s::Kind::Forbidden));

    let own = scene.control.k8s.own(&scene.control, cluster.id).await.unwrap();
    for (namespace, group, resource, may) in [
        ("slipway-access", "", "serviceaccounts", true),
        ("", "authentication.k8s.io", "userextras/slipway-user", true),
        ("", "authentication.k8s.io", "userextras/scopes", false),
        ("", "authentication.k8s.io", "uids", false),
        ("", "", "users", false),
        ("", "", "groups", false),
        ("", "", "serviceaccounts", false),
        ("kube-system", "", "serviceaccounts", false),
        (&ours.namespace, "", "serviceaccounts", false),
    ] {
        assert_eq!(allowed(&own, namespace, "impersonate", group, resource).await, may, "impersonate {resource} in {namespace:?}");
    }
    for (verb, group, resource) in
        [("escalate", "rbac.authorization.k8s.io", "clusterroles"), ("create", "", "serviceaccounts/token"), ("get", "", "secrets"), ("create", "", "pods")]
    {
        assert!(!allowed(&own, "slipway-access", verb, group, resource).await, "{verb} {resource}");
    }
}

/// `kubectl auth can-i`.
async fn allowed(client: &kube::Client, namespace: &str, verb: &str, group: &str, resource: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = json!({"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource});
    let review: SelfSubjectAccessReview = object(json!({"metadata": {}, "spec": {"resourceAttributes": attributes}}));
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_the_page_shows_to_do_by_hand_lets_slipway_in(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.stranger("fleet").await;
    let help = clusters::access_help(&scene.admin, cluster.id).await.unwrap();
    let client = scene.sandbox.admin("fleet").await;
    // The manifest, as `kubectl apply --server-side` would.
    for document in help.manifest.split("---\n") {
        let object: kube::api::DynamicObject = serde_norway::from_str(document).unwrap();
        let (kind, name) = (kube::core::GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap(), object.metadata.name.clone().unwrap());
        let resource = kube::core::ApiResource::from_gvk(&kind);
        let api: Api<kube::api::DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        api.patch(&name, &PatchParams::apply("kubectl"), &Patch::Apply(&object)).await.unwrap();
    }
    // The lines for aws-auth, among those that are there already.
    let maps = Api::<ConfigMap>::namespaced(client, "kube-system");
    let before = maps.get_opt("aws-auth").await.unwrap();
    let lines: std::collections::BTreeMap<String, String> = serde_norway::from_str(&help.aws_auth_lines.unwrap()).unwrap();
    let mut data = before.as_ref().and_then(|map| map.data.clone()).unwrap_or_default();
    for (list, lines) in lines {
        data.entry(list).or_default().push_str(&lines);
    }
    let mapped: ConfigMap = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-auth"}, "data": data}));
    maps.patch("aws-auth", &PatchParams::apply("slipway-test").force(), &Patch::Apply(&mapped)).await.unwrap();
    let seen = scene.until(cluster.id, "it knows Slipway", |cluster| cluster.state == ClusterState::Connected).await;
    assert!(seen.access.iter().all(|check| check.allowed), "{seen:?}");
    assert!(eks::entry(&scene.config(), "fleet", scene.principal()).await.unwrap().is_none(), "by aws-auth alone");
    match before {
        Some(before) => drop(
            maps.replace(
                "aws-auth",
                &PostParams::default(),
                &ConfigMap { metadata: kube::api::ObjectMeta { resource_version: None, managed_fields: None, ..before.metadata.clone() }, ..before },
            )
            .await
            .unwrap(),
        ),
        None => drop(maps.delete("aws-auth", &DeleteParams::default()).await.unwrap()),
    }
    scene.until(cluster.id, "it forgot Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
}
