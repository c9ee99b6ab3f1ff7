//! `/deployments` and what is below it, the cluster's picture, and what a team was given.

use control::{clusters, deployments};
use domain::{
    access::{PlatformRole, TeamRole},
    deployment::{DeploymentChange, NewDeployment},
    ids::{ClusterId, DeploymentId, ReleaseId, WorkspaceId},
    operation::ObjectKind,
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::common::{Person, World};

pub const CLUSTER: Uuid = Uuid::from_u128(0x30);
pub const WORKSPACE: Uuid = Uuid::from_u128(0x40);
pub const RELEASES: [Uuid; 2] = [Uuid::from_u128(0x61), Uuid::from_u128(0x62)];

pub struct Place {
    pub world: World,
    pub admin: Person,
    pub deployer: Person,
    pub viewer: Person,
    pub team: Uuid,
}

impl Place {
    /// The team forecasting with 4 CPU on the cluster lab, and the releases iris 1 and 2.
    pub async fn new(pool: PgPool) -> Self {
        let world = World::new(pool.clone()).await;
        let admin = world.person("admin", Some(PlatformRole::Admin)).await;
        let (owner, deployer, viewer) = (world.person("owner", None).await, world.person("dee", None).await, world.person("vi", None).await);
        let team = world.team(&admin, "forecasting", &owner, &[(&deployer, TeamRole::Deployer), (&viewer, TeamRole::Viewer)]).await.0;
        let sql = format!(
            "insert into accounts (id, name, aws_account_id, external_id, regions) values ('{account}', 'main', '123456789012', 'the-external-id', '{{us-east-1,eu-west-1}}');
             insert into repository_prefixes (account_id, prefix, team_id) values ('{account}', 'forecasting/', '{team}');
             insert into clusters (id, name, account_id, region, eks_name, arn, state) values ('{CLUSTER}', 'lab', '{account}', 'us-east-1', 'lab', 'arn:aws:eks:us-east-1:123456789012:cluster/lab', 'connected');
             insert into workspaces (id, name, team_id, cluster_id, cpu_millis, memory_mib, pods, state) values ('{WORKSPACE}', 'forecasting', '{team}', '{CLUSTER}', 4000, 16384, 20, 'ready');
             insert into models (id, team_id, name) values ('{model}', '{team}', 'iris');
             insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, created_by_name)
             select id::uuid, '{model}', number, '{account}', 'us-east-1', 'forecasting/iris', 'registry.test/forecasting/iris', 'v' || number, 'sha256:' || repeat(number::text, 64),
                    8080, '/v2/health/ready', 'open_inference_v2', 'small', 'Ada' from (values ('{}', 1), ('{}', 2)) as r (id, number);",
            RELEASES[0],
            RELEASES[1],
            account = Uuid::from_u128(0x20),
            model = Uuid::from_u128(0x50),
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        Self { world, admin, deployer, viewer, team }
    }

    pub async fn deployed(&self, replicas: i32) -> DeploymentId {
        let new = NewDeployment {
            release: ReleaseId(RELEASES[0]),
            workspace: WorkspaceId(WORKSPACE),
            name: None,
            size: None,
            replicas: Some(replicas),
            environment: Vec::new(),
            reason: None,
        };
        DeploymentId(deployments::create(&self.deployer.ctx, &new).await.unwrap().object)
    }
}

/// The tag of the radio button for a size.
#[track_caller]
fn radio<'a>(page: &'a str, size: &str) -> &'a str {
    let at = page.find(&format!("value=\"{size}\"")).unwrap_or_else(|| panic!("no size {size} in {page}"));
    let start = page[..at].rfind('<').unwrap();
    &page[start..start + page[start..].find('>').unwrap()]
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_size_over_the_quota_cannot_be_chosen_and_says_why(pool: PgPool) {
    let place = Place::new(pool).await;
    let fields = |size: &'static str, replicas: &'static str, button: &'static str| {
        [
            ("do", button),
            ("release", "00000000-0000-0000-0000-000000000061"),
            ("workspace", "00000000-0000-0000-0000-000000000040"),
            ("name", "iris"),
            ("size", size),
            ("replicas", replicas),
        ]
    };
    let page = place.world.get(&place.deployer.browser, "/deployments/new").await.expect(200).body;
    assert!(!radio(&page, "medium").contains("disabled") && !radio(&page, "large").contains("disabled"), "{page}");
    assert!(radio(&page, "gpu").contains("disabled") && page.contains("1 GPUs are asked for and 0 are allowed"), "{page}");
    let checked = place.world.post(&place.deployer.browser, "/deployments/new", &fields("medium", "3", "check")).await.expect(200).body;
    assert!(radio(&checked, "medium").contains("disabled") && checked.contains("6 CPU are asked for and 4 are allowed"), "{checked}");
    assert!(checked.contains("type=\"hidden\" name=\"size\" value=\"medium\""), "what was chosen is kept: {checked}");
    let posted = place.world.post(&place.deployer.browser, "/deployments/new", &fields("medium", "3", "deploy")).await.expect(422).body;
    assert!(posted.contains("id=\"size-why\" class=\"why\">This does not fit into forecasting"), "{posted}");
    place.world.post(&place.deployer.browser, "/deployments/new", &fields("medium", "2", "deploy")).await.expect(303);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_change_form_shows_what_will_change_before_it_does(pool: PgPool) {
    let place = Place::new(pool).await;
    let id = place.deployed(1).await;
    let path = format!("/deployments/{id}/change");
    let before = place.world.get(&place.deployer.browser, &path).await.expect(200).body;
    assert!(before.contains("Nothing yet.") && before.contains("See manifests"), "{before}");
    let fields = [("do", "check"), ("release", "00000000-0000-0000-0000-000000000062"), ("size", "small"), ("replicas", "2"), ("environment", "LEVEL=debug")];
    let checked = place.world.post(&place.deployer.browser, &path, &fields).await.expect(200).body;
    for text in [
        "<del class=\"lines\">iris 1</del>",
        "<ins class=\"lines\">iris 2</ins>",
        "<ins class=\"lines\">LEVEL=debug</ins>",
        "3 CPU and 15360 MiB stay free",
        "replicas: 2",
        "slipway.dev/revision: &#39;2&#39;",
    ] {
        assert!(checked.contains(text) || checked.replace("'", "&#39;").contains(text), "{text} is not in {checked}");
    }
    let wrong = place.world.post(&place.deployer.browser, &path, &[("do", "check"), ("size", "small"), ("replicas", "999"), ("environment", "LEVEL")]).await.expect(200).body;
    assert!(wrong.contains("Enter a whole number from 1 to 50.") && wrong.contains("2 to fix"), "{wrong}");
    assert_eq!(deployments::revisions(&place.deployer.ctx, id).await.unwrap().len(), 1, "checking changes nothing");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_team_sees_where_its_images_are(pool: PgPool) {
    let place = Place::new(pool).await;
    let path = format!("/teams/{}", place.team);
    let seen = place.world.get(&place.viewer.browser, &path).await.expect(200).body;
    assert!(seen.contains("<code>forecasting/</code>") && seen.contains("main") && seen.contains("us-east-1, eu-west-1"), "{seen}");
    assert!(!seen.contains("href=\"/accounts/") && !seen.contains("the-external-id"), "{seen}");
    assert!(place.world.get(&place.admin.browser, &path).await.expect(200).body.contains("href=\"/accounts/"));
    let given = place.world.get(&place.viewer.browser, &format!("/api/v1{path}/prefixes")).await.expect(200).json();
    assert_eq!((&given[0]["account_name"], &given[0]["prefixes"][0]), (&"main".into(), &"forecasting/".into()));
    let stranger = place.world.person("stranger", None).await;
    place.world.get(&stranger.browser, &format!("/api/v1{path}/prefixes")).await.expect(404);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_node_is_named_in_full(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    sqlx::query(
        "insert into observed_nodes (cluster_id, name, zone, instance_type, ready, schedulable, cpu_millis, memory_mib, gpus, pods, kubelet_version, created_at)
         values ($1, 'ip-10-0-101-117.ec2.internal', 'us-east-1a', 'm6i.2xlarge', true, true, 8000, 32768, 0, 50, 'v1.35.4', now())",
    )
    .bind(CLUSTER)
    .execute(&pool)
    .await
    .unwrap();
    let page = place.world.get(&place.admin.browser, &format!("/clusters/{CLUSTER}")).await.expect(200).body;
    assert!(page.contains("<strong aria-hidden=\"true\">ip-10-0-101-117</strong><span class=\"hidden\">ip-10-0-101-117.ec2.internal</span><span>m6i.2xlarge</span>"), "{page}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_failed_change_says_who_serves_and_goes_back_by_one_click(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let change = DeploymentChange { release: Some(ReleaseId(RELEASES[1])), ..DeploymentChange::default() };
    deployments::change(&place.deployer.ctx, id, &change).await.unwrap();
    let sql = format!(
        "update deployments set live_revision = 1, state = 'failed', state_message = 'crashed' where id = '{id}';
         update operations set state = 'failed', finished_at = now(),
                failure = '{{\"code\": \"crashed\", \"cause\": \"The model crashed. Revision 1 still serves.\", \"next\": \"Read its last words.\", \"raw\": null}}'
         where object_id = '{id}' and state = 'running';
         insert into observed_pods (cluster_id, namespace, name, uid, deployment_id, revision, phase, ready, terminating, restarts, created_at) values
             ('{CLUSTER}', 'forecasting', 'old', 'a', '{id}', 1, 'Running', true, false, 0, now()),
             ('{CLUSTER}', 'forecasting', 'new', 'b', '{id}', 2, 'Running', false, false, 9, now());"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    let path = format!("/deployments/{id}");
    let page = place.world.get(&place.deployer.browser, &path).await.expect(200).body;
    for text in ["Revision 2 failed; revision 1 still serves: 1 replica is live.", "Roll back to revision 1", "at most every five minutes"] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    let rest = place.world.get(&place.viewer.browser, &format!("/api/v1{path}")).await.expect(200).json();
    assert_eq!((&rest["state"], &rest["still_serving"]["revision"], &rest["still_serving"]["ready"]), (&"failed".into(), &1.into(), &1.into()));
    let seen = place.world.get(&place.viewer.browser, &path).await.expect(200).body;
    assert!(seen.contains("revision 1 still serves") && !seen.contains("value=\"roll_back\""), "a viewer sees it and cannot press it");
    place.world.post(&place.deployer.browser, &path, &[("do", "roll_back"), ("revision", "1")]).await.expect(303);
    let back = deployments::get(&place.deployer.ctx, id).await.unwrap();
    assert_eq!((back.summary.revision, back.still_serving), (3, None));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_read_only_cluster_says_so_and_waits_for_the_admins_word(pool: PgPool) {
    let place = Place::new(pool).await;
    let id = place.deployed(1).await;
    clusters::found_newer(place.admin.ctx.control(), ClusterId(CLUSTER), (ObjectKind::Deployment, id.0), 7).await.unwrap();
    let path = format!("/clusters/{CLUSTER}");
    let page = place.world.get(&place.admin.browser, &path).await.expect(200).body;
    for text in ["This cluster is read-only until you decide", "generation 1", "generation 7", "value=\"accept_database\""] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert!(place.world.get(&place.admin.browser, "/clusters").await.expect(200).body.contains("Read-only"));
    let listed = place.world.get(&place.admin.browser, &format!("/api/v1{path}/newer")).await.expect(200).json();
    assert_eq!((&listed[0]["kind"], &listed[0]["there"]), (&"deployment".into(), &7.into()));
    assert!(place.world.get(&place.viewer.browser, &format!("/deployments/{id}")).await.expect(200).body.contains("until a platform admin has decided"));
    place.world.post(&place.admin.browser, &path, &[("do", "accept_database"), ("confirm", "lap")]).await.expect(422);
    place.world.post(&place.admin.browser, &path, &[("do", "accept_database"), ("confirm", "lab")]).await.expect(303);
    let after = place.world.get(&place.admin.browser, &path).await.expect(200).body;
    assert!(!after.to_lowercase().contains("read-only") && after.contains("Detach cluster"), "{after}");
    place.world.json(&place.admin.browser, http::Method::POST, &format!("/api/v1{path}/accept-database"), &[], &serde_json::json!({})).await.expect(409);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_a_page_refuses_is_on_the_record(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let fields = [("do", "roll_back"), ("revision", "1")];
    place.world.post(&place.viewer.browser, &format!("/deployments/{id}"), &fields).await.expect(403);
    let refused: Vec<(String, Uuid)> = sqlx::query_as("select action, actor_id from audit_events where outcome = 'refused'").fetch_all(&pool).await.unwrap();
    assert_eq!(refused, [("deployment.roll_back".to_owned(), place.viewer.id.0)]);
}
