use domain::{
    ids::{AccountId, ClusterId, DeploymentId},
    operation::ObjectKind,
};
use k8s_openapi::api::core::v1::{ResourceQuota, Service};
use serde_json::json;
use sqlx::PgPool;
use std::time::Duration;
use uuid::Uuid;

use super::{
    batch::Batch,
    rows::{self, DeploymentRow, LastExit, NodeRow, PodRow},
    store::{self, Ended, Lease},
};
use crate::{
    inventory::{self, Entry, cluster::Put},
    k8s::{fields::Held, logs::Container, watch::Seen},
    live::Change,
    reconcile::{self, Scope},
    testing::World,
    workspaces::fixture::Place,
};

/// A place, watched.
async fn a_place(world: &World) -> (Place, Lease) {
    let place = Place::new(world).await;
    let epoch = store::acquire(&world.control.pool, place.cluster, "me", Duration::from_secs(20)).await.unwrap().expect("a free lease");
    let lease = Lease { cluster: place.cluster, epoch };
    (place, lease)
}

/// A deployment of this name in the place.
async fn a_deployment(world: &World, place: &Place, name: &str) -> Uuid {
    let id = DeploymentId::generate().0;
    let mut tx = world.control.pool.begin().await.unwrap();
    sqlx::query!("insert into deployments (id, workspace_id, name) values ($1, $2, $3)", id, place.workspace.0, name).execute(&mut *tx).await.unwrap();
    sqlx::query!(
        "insert into revisions (deployment_id, number, release_id, size, replicas, actor_kind, created_by_name) values ($1, 1, $2, 'small', 1, 'system', 'slipway')",
        id,
        place.releases[0].0
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

async fn a_cluster(world: &World) -> Lease {
    let (account, cluster) = (AccountId::generate(), ClusterId::generate());
    let pool = &world.control.pool;
    sqlx::query!("insert into accounts (id, name, external_id, regions) values ($1, $2, 'x', '{eu-west-1}')", account.0, account.to_string()).execute(pool).await.unwrap();
    sqlx::query!(
        "insert into clusters (id, name, account_id, region, eks_name, arn, endpoint, certificate_authority) values ($1, $2, $3, 'eu-west-1', 'lab', $2, 'https://127.0.0.1:9', 'none')",
        cluster.0,
        cluster.to_string(),
        account.0
    )
    .execute(pool)
    .await
    .unwrap();
    let epoch = store::acquire(pool, cluster, "me", Duration::from_secs(20)).await.unwrap().expect("a free lease");
    Lease { cluster, epoch }
}

fn a_node(name: &str) -> NodeRow {
    let object =
        serde_json::from_value(json!({"metadata": {"name": name, "creationTimestamp": "2026-01-02T03:04:05Z"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}))
            .unwrap();
    rows::node(&object)
}

fn a_pod(name: &str, deployment: Uuid) -> PodRow {
    let object = serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "forecasting", "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"slipway.dev/deployment": deployment, "slipway.dev/revision": "1"}}
    }))
    .unwrap();
    rows::pod(&object).expect("one of ours")
}

fn ended(row: PodRow, words: Option<&str>) -> PodRow {
    let finished_at = Some(domain::Timestamp(time::macros::datetime!(2026-01-02 03:05 UTC)));
    PodRow { last_exit: Some(LastExit { reason: "Error".into(), exit_code: 1, last_words: words.map(str::to_owned), finished_at }), words_from: Container::Before, ..row }
}

/// A batch of ready-made rows.
fn batch<R: store::Kept + Clone>(seen: Seen<R>) -> Batch<R> {
    Batch::new(seen, R::key, |row: &R| Some(row.clone()))
}

async fn node_names(pool: &PgPool, lease: Lease) -> Vec<String> {
    sqlx::query_scalar!("select name from observed_nodes where cluster_id = $1 order by name", lease.cluster.0).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_list_replaces_what_was_there_and_changes_add_to_it(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let lease = a_cluster(&world).await;
    let other = a_cluster(&world).await;
    assert!(store::write(&pool, other, &batch(Seen::All(vec![a_node("elsewhere")]))).await.unwrap());
    assert!(store::write(&pool, lease, &batch(Seen::All(vec![a_node("a"), a_node("b")]))).await.unwrap());
    let mut changes = batch(Seen::Applied(a_node("c")));
    changes.add(Seen::Deleted(a_node("a")), store::Kept::key, |row: &NodeRow| Some(row.clone()));
    assert!(store::write(&pool, lease, &changes).await.unwrap());
    assert_eq!(node_names(&pool, lease).await, ["b", "c"]);
    assert!(store::write(&pool, lease, &batch(Seen::<NodeRow>::All(Vec::new()))).await.unwrap());
    assert!(node_names(&pool, lease).await.is_empty());
    assert_eq!(node_names(&pool, other).await, ["elsewhere"]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_lost_the_lease_writes_nothing(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let lease = a_cluster(&world).await;
    sqlx::query!("update leases set until = now()").execute(&pool).await.unwrap();
    let next = store::acquire(&pool, lease.cluster, "somebody else", Duration::from_secs(20)).await.unwrap().expect("it ran out");
    assert!(next > lease.epoch);
    assert!(!store::write(&pool, lease, &batch(Seen::All(vec![a_node("stale")]))).await.unwrap());
    assert!(node_names(&pool, lease).await.is_empty());
    assert_eq!(sqlx::query_scalar!("select count(*) from observed_sync").fetch_one(&pool).await.unwrap(), Some(0));
    assert!(store::write(&pool, Lease { epoch: next, ..lease }, &batch(Seen::All(vec![a_node("fresh")]))).await.unwrap());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_quiet_cluster_is_not_taken_for_a_stale_one(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let lease = a_cluster(&world).await;
    assert!(store::write(&pool, lease, &batch(Seen::All(vec![a_node("a")]))).await.unwrap());
    sqlx::query!("update observed_sync set synced_at = now() - interval '1 hour'").execute(&pool).await.unwrap();
    assert!(store::write(&pool, lease, &batch(Seen::<NodeRow>::Quiet)).await.unwrap());
    let age = sqlx::query_scalar!(r#"select (now() - synced_at < interval '1 minute') as "fresh!" from observed_sync"#).fetch_one(&pool).await.unwrap();
    assert!(age);
    assert_eq!(node_names(&pool, lease).await, ["a"], "a bookmark removes nothing");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_what_changed_is_looked_at_again(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (place, lease) = a_place(&world).await;
    let deployment = a_deployment(&world, &place, "iris").await;
    let mut conn = pool.acquire().await.unwrap();
    reconcile::mark(&mut conn, deployment, ObjectKind::Deployment, Scope::Cluster(lease.cluster.0), 1).await.unwrap();
    let sleeping = async || {
        sqlx::query!("update reconcile set not_before = now() + interval '1 hour'").execute(&pool).await.unwrap();
    };
    let due = async || sqlx::query_scalar!(r#"select not_before <= now() as "due!" from reconcile"#).fetch_one(&pool).await.unwrap();
    sleeping().await;
    store::write(&pool, lease, &batch(Seen::Applied(a_pod("iris-1", deployment)))).await.unwrap();
    assert!(due().await);
    sleeping().await;
    store::write(&pool, lease, &batch(Seen::Applied(a_pod("iris-1", deployment)))).await.unwrap();
    assert!(!due().await, "nothing changed");
    store::write(&pool, lease, &batch(Seen::Deleted(a_pod("iris-1", deployment)))).await.unwrap();
    assert!(due().await);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn last_words_that_were_fetched_stay_until_the_container_ends_again(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (place, lease) = a_place(&world).await;
    let row = ended(a_pod("iris-1", a_deployment(&world, &place, "iris").await), None);
    store::write(&pool, lease, &batch(Seen::Applied(row.clone()))).await.unwrap();
    let exit = row.last_exit.clone().expect("it ended");
    let about = Ended { namespace: "forecasting", name: "iris-1", deployment: row.deployment_id, finished_at: exit.finished_at };
    assert!(store::write_last_words(&pool, lease, &about, "out of\nmemory").await.unwrap());
    let words = async || sqlx::query_scalar!("select last_exit ->> 'last_words' from observed_pods").fetch_one(&pool).await.unwrap();
    store::write(&pool, lease, &batch(Seen::Applied(PodRow { restarts: 7, ..row.clone() }))).await.unwrap();
    assert_eq!(words().await.as_deref(), Some("out of\nmemory"));
    let later = Some(domain::Timestamp(time::macros::datetime!(2026-01-02 04:05 UTC)));
    store::write(&pool, lease, &batch(Seen::Applied(PodRow { last_exit: Some(LastExit { finished_at: later, ..exit }), ..row.clone() }))).await.unwrap();
    assert_eq!(words().await, None, "these are not the words of this end");
    assert!(store::write_last_words(&pool, lease, &about, "too late").await.unwrap());
    assert_eq!(words().await, None);
    store::write(&pool, lease, &batch(Seen::Applied(PodRow { last_exit: None, ..row }))).await.unwrap();
    assert!(sqlx::query_scalar!(r#"select last_exit is null as "none!" from observed_pods"#).fetch_one(&pool).await.unwrap());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn two_watches_of_one_cluster_do_not_block_each_other(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (place, lease) = a_place(&world).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push((format!("iris-{n}"), a_deployment(&world, &place, &format!("iris-{n}")).await));
    }
    let mut conn = pool.acquire().await.unwrap();
    for (_, id) in &ids {
        reconcile::mark(&mut conn, *id, ObjectKind::Deployment, Scope::Cluster(lease.cluster.0), 1).await.unwrap();
    }
    let deployments = |n: usize| {
        let row = |(name, id): &(String, Uuid)| DeploymentRow {
            namespace: "forecasting".into(),
            name: name.clone(),
            deployment_id: *id,
            uid: n.to_string(),
            resource_version: n.to_string(),
            installation: String::new(),
            slipway_generation: 1,
            revision: 1,
            observed_by_controller: true,
            asked_replicas: Some(1),
            replicas: 1,
            updated_replicas: 1,
            ready_replicas: 1,
            available_replicas: 1,
            paused: false,
            stalled: None,
            held: Held::default(),
        };
        batch(Seen::All(ids.iter().rev().map(row).collect()))
    };
    let pods = |n: i32| batch(Seen::All(ids.iter().map(|(name, id)| PodRow { restarts: n, ..a_pod(name, *id) }).collect()));
    for n in 0..10 {
        let sleep = sqlx::query!("update reconcile set not_before = now() + interval '1 hour'").execute(&pool);
        sleep.await.unwrap();
        let (deployments, pods) = (deployments(n), pods(i32::try_from(n).unwrap()));
        let (a, b) = tokio::join!(store::write(&pool, lease, &deployments), store::write(&pool, lease, &pods));
        assert!(a.unwrap() && b.unwrap());
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_watches_a_page_is_told(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (place, lease) = a_place(&world).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let (control, token) = (world.control.clone(), stop.clone());
    let listening = tokio::spawn(async move { control.live.run(&control.pool, token).await });
    let mut changes = world.control.live.subscribe();
    let deployment = a_deployment(&world, &place, "iris").await;
    let heard = async {
        loop {
            // Written until it is heard: the listener may not listen yet.
            store::write(&pool, lease, &batch(Seen::Applied(PodRow { restarts: rand::random::<u16>().into(), ..a_pod("iris-1", deployment) }))).await.unwrap();
            if let Ok(Ok(Change::Object(id))) = tokio::time::timeout(Duration::from_millis(200), changes.recv()).await {
                return id;
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap(), deployment);
    stop.cancel();
    listening.await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_cluster_is_watched_as_soon_as_there_is_a_way_in(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let cluster = a_cluster(&world).await.cluster;
    let ways = async || store::clusters(&pool).await.unwrap().into_iter().map(|watched| (watched.id, watched.way.server)).collect::<Vec<_>>();
    assert_eq!(ways().await, [(cluster, "https://127.0.0.1:9".to_owned())]);
    sqlx::query("update clusters set endpoint = null, certificate_authority = null").execute(&pool).await.unwrap();
    assert!(ways().await.is_empty());
    for (connection, expected) in [
        (json!({"server": "https://around.example"}), None),
        (json!({"server": "https://around.example", "certificate_authority": "pem"}), Some("https://around.example")),
        (json!({"server": "https://around.example", "certificate_authority": "pem", "proxy": "http://proxy.example"}), None),
    ] {
        sqlx::query("update clusters set connection = $1").bind(&connection).execute(&pool).await.unwrap();
        assert_eq!(ways().await.iter().map(|(_, server)| server.as_str()).collect::<Vec<_>>(), Vec::from_iter(expected), "{connection}");
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_service_that_is_missed_has_its_deployment_looked_at_again(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (place, lease) = a_place(&world).await;
    let (iris, other) = (a_deployment(&world, &place, "iris").await, a_deployment(&world, &place, "other").await);
    for (id, name) in [(iris, "iris"), (other, "other")] {
        let mut conn = pool.acquire().await.unwrap();
        let entry = Entry::new("Service", "forecasting", name);
        inventory::intend(&mut conn, id, std::slice::from_ref(&entry)).await.unwrap();
        inventory::applied(&mut conn, id, 1, &[&Put::of(entry)]).await.unwrap();
        reconcile::mark(&mut conn, id, ObjectKind::Deployment, Scope::Cluster(lease.cluster.0), 1).await.unwrap();
    }
    let rest = async || {
        inventory::seen(&mut pool.acquire().await.unwrap(), iris).await.unwrap();
        sqlx::query("update reconcile set not_before = now() + interval '1 hour'").execute(&pool).await.unwrap();
    };
    let missed = async || {
        sqlx::query_scalar::<_, Uuid>("select object_id from inventory join reconcile using (object_id) where missed_at > seen_at and not_before <= now()")
            .fetch_all(&pool)
            .await
            .unwrap()
    };
    let service = |name: &str| rows::piece::<Service>(&serde_json::from_value(json!({"metadata": {"name": name, "namespace": "forecasting"}})).unwrap()).expect("it is there");

    rest().await;
    store::write(&pool, lease, &batch(Seen::All(vec![service("iris"), service("other")]))).await.unwrap();
    store::write(&pool, lease, &batch(Seen::Applied(service("iris")))).await.unwrap();
    assert!(missed().await.is_empty());
    store::write(&pool, lease, &batch(Seen::Deleted(service("iris")))).await.unwrap();
    assert_eq!(missed().await, [iris]);
    rest().await;
    store::write(&pool, lease, &batch(Seen::All(vec![service("other")]))).await.unwrap();
    assert_eq!(missed().await, [iris]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_workspaces_quota_that_is_missed_or_changed_has_it_looked_at_again(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (place, lease) = a_place(&world).await;
    let elsewhere = a_cluster(&world).await;
    let id = place.workspace.0;
    let entry = Entry::new("ResourceQuota", "forecasting", "slipway");
    {
        let mut conn = pool.acquire().await.unwrap();
        inventory::intend(&mut conn, id, std::slice::from_ref(&entry)).await.unwrap();
        inventory::applied(&mut conn, id, 1, &[&Put::of(entry.clone())]).await.unwrap();
        reconcile::mark(&mut conn, id, ObjectKind::Workspace, Scope::Cluster(lease.cluster.0), 1).await.unwrap();
    }
    let rest = async || sqlx::query("update reconcile set not_before = now() + interval '1 hour'").execute(&pool).await.unwrap();
    let due = async || sqlx::query_scalar::<_, Uuid>("select object_id from reconcile where kind = 'workspace' and not_before <= now()").fetch_all(&pool).await.unwrap();
    let others = async || sqlx::query_scalar::<_, serde_json::Value>("select others from inventory").fetch_one(&pool).await.unwrap();
    let quota = |managers: serde_json::Value| {
        let quota = json!({"metadata": {"name": "slipway", "namespace": "forecasting", "managedFields": managers}});
        rows::piece::<ResourceQuota>(&serde_json::from_value(quota).unwrap()).expect("it is there")
    };
    let by_hand = json!([{"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:hard": {"f:pods": {}}}}}]);
    let told = json!([{"kind": "ResourceQuota", "name": "slipway", "field": ".spec.hard.pods", "manager": "\"kubectl-edit\" using v1", "wanted": null, "found": null}]);

    rest().await;
    store::write(&pool, lease, &batch(Seen::All(vec![quota(json!([]))]))).await.unwrap();
    store::write(&pool, elsewhere, &batch(Seen::<_>::All(Vec::<rows::PieceRow<ResourceQuota>>::new()))).await.unwrap();
    assert!(due().await.is_empty(), "another cluster's watch says nothing about it");
    store::write(&pool, lease, &batch(Seen::Applied(quota(by_hand.clone())))).await.unwrap();
    assert_eq!((due().await, others().await), (vec![id], told.clone()));
    rest().await;
    store::write(&pool, lease, &batch(Seen::Applied(quota(by_hand)))).await.unwrap();
    assert!(due().await.is_empty(), "that is known");
    store::write(&pool, lease, &batch(Seen::Deleted(quota(json!([]))))).await.unwrap();
    assert_eq!(due().await, [id]);

    let made = Held { own: [(".spec.hard.pods".to_owned(), Some("20".to_owned()))].into(), others: Vec::new() };
    inventory::applied(&mut pool.acquire().await.unwrap(), id, 7, &[&Put { held: made, ..Put::of(entry) }]).await.unwrap();
    let ours = |generation: &str| {
        let mut quota = json!({"metadata": {"name": "slipway", "namespace": "forecasting", "managedFields": [
            {"manager": "slipway", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:hard": {"f:requests.cpu": {}}}}}
        ]}});
        quota["metadata"]["annotations"] = json!({"slipway.dev/generation": generation});
        rows::piece::<ResourceQuota>(&serde_json::from_value(quota).unwrap()).expect("it is there")
    };
    store::write(&pool, lease, &batch(Seen::Applied(ours("8")))).await.unwrap();
    assert_eq!(others().await, json!([]), "what was just applied is not written down yet");
    store::write(&pool, lease, &batch(Seen::Applied(ours("7")))).await.unwrap();
    let gone = json!([{"kind": "ResourceQuota", "name": "slipway", "field": ".spec.hard.pods", "manager": null, "wanted": "20", "found": null}]);
    assert_eq!(others().await, gone, "what nobody holds any more was taken away");
}

/// Our Deployment, as a watch shows it, in the generation that its annotation says.
fn an_object(name: &str, deployment: Uuid, generation: i64) -> DeploymentRow {
    let object = serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "forecasting", "uid": "u", "resourceVersion": "1", "labels": {"slipway.dev/deployment": deployment},
                     "annotations": {"slipway.dev/generation": generation.to_string()}}
    }))
    .unwrap();
    rows::deployment(&object).expect("one of ours")
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_label_speaks_for_a_deployment_only_where_that_runs(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (place, lease) = a_place(&world).await;
    let elsewhere = a_cluster(&world).await;
    let iris = a_deployment(&world, &place, "iris").await;
    let pods = async || sqlx::query_scalar!("select name from observed_pods order by name").fetch_all(&pool).await.unwrap();
    let objects = async || sqlx::query_scalar!("select count(*) from observed_deployments").fetch_one(&pool).await.unwrap();

    store::write(&pool, elsewhere, &batch(Seen::All(vec![a_pod("iris-1", iris)]))).await.unwrap();
    store::write(&pool, lease, &batch(Seen::Applied(PodRow { namespace: "default".into(), ..a_pod("iris-2", iris) }))).await.unwrap();
    store::write(&pool, lease, &batch(Seen::Applied(a_pod("iris-3", Uuid::now_v7())))).await.unwrap();
    store::write(&pool, lease, &batch(Seen::Applied(DeploymentRow { namespace: "default".into(), ..an_object("iris", iris, 9) }))).await.unwrap();
    store::write(&pool, lease, &batch(Seen::Applied(an_object("other", iris, 9)))).await.unwrap();
    store::write(&pool, elsewhere, &batch(Seen::Applied(an_object("iris", iris, 9)))).await.unwrap();
    assert!(pods().await.is_empty(), "{:?}", pods().await);
    assert_eq!(objects().await, Some(0));

    store::write(&pool, lease, &batch(Seen::All(vec![a_pod("iris-1", iris), a_pod("iris-2", iris), a_pod("theirs", Uuid::now_v7())]))).await.unwrap();
    store::write(&pool, lease, &batch(Seen::All(vec![an_object("iris", iris, 1)]))).await.unwrap();
    assert_eq!(pods().await, ["iris-1", "iris-2"]);
    assert_eq!(objects().await, Some(1));
    // A pod that is labelled anew is not what it was.
    store::write(&pool, lease, &batch(Seen::Applied(a_pod("iris-2", Uuid::now_v7())))).await.unwrap();
    assert_eq!(pods().await, ["iris-1"]);
    let about = |namespace| Ended { namespace, name: "iris-1", deployment: iris, finished_at: None };
    assert_eq!(store::team_of(&pool, lease.cluster, &about("forecasting")).await.unwrap(), Some(place.team));
    assert_eq!(store::team_of(&pool, lease.cluster, &about("default")).await.unwrap(), None);
    assert_eq!(store::team_of(&pool, elsewhere.cluster, &about("forecasting")).await.unwrap(), None);
}
