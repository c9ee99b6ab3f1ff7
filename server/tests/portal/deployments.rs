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

const CLUSTER: Uuid = Uuid::from_u128(0x30);
const WORKSPACE: Uuid = Uuid::from_u128(0x40);
const RELEASES: [Uuid; 2] = [Uuid::from_u128(0x61), Uuid::from_u128(0x62)];

struct Place {
    world: World,
    admin: Person,
    deployer: Person,
    viewer: Person,
    team: Uuid,
}

impl Place {
    /// The team forecasting with 4 CPU on the cluster lab, and the releases iris 1 and 2.
    async fn new(pool: PgPool) -> Self {
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

    async fn deployed(&self, replicas: i32) -> DeploymentId {
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

/// A page that says what to mend, and nothing of what would be made or of what is fine.
#[track_caller]
fn unplanned(page: &str, mend: &[&str]) {
    let main = &page[page.find("<main").unwrap()..];
    for text in mend {
        assert!(main.contains(text), "{text} is not in {main}");
    }
    for text in ["See manifests", "Makes", "dot good", "status good", "Fits now"] {
        assert!(!main.contains(text), "{text} is in {main}");
    }
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_wrong_field_is_named_and_nothing_is_planned(pool: PgPool) {
    let place = Place::new(pool).await;
    let check = async |name, replicas, environment| {
        let fields = [
            ("do", "check"),
            ("release", "00000000-0000-0000-0000-000000000061"),
            ("workspace", "00000000-0000-0000-0000-000000000040"),
            ("name", name),
            ("size", "small"),
            ("replicas", replicas),
            ("environment", environment),
        ];
        place.world.post(&place.deployer.browser, "/deployments/new", &fields).await.expect(200).body
    };
    assert!(check("iris", "2", "").await.contains("See manifests"), "what can be made is planned");
    for replicas in ["abc", "99", "0", "1.5"] {
        unplanned(&check("iris", replicas, "").await, &["The number of replicas needs a change", "Enter a whole number from 1 to 50.", "1 to fix"]);
    }
    let both = check("My Iris", "2", "no variable").await;
    unplanned(&both, &["The name needs a change", "A variable needs a change", "2 to fix"]);
    place.deployed(1).await;
    let main = check("iris", "2", "").await;
    assert!(main.contains("The name is taken") && !main.contains("See manifests"), "{main}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_fresh_form_suggests_a_free_name_and_tells_releases_apart(pool: PgPool) {
    let place = Place::new(pool).await;
    let fresh = async || place.world.get(&place.deployer.browser, "/deployments/new").await.expect(200).body;
    assert!(fresh().await.contains("name=\"name\" type=\"text\" value=\"iris\""));
    place.deployed(1).await;
    let second = fresh().await;
    assert!(second.contains("name=\"name\" type=\"text\" value=\"iris-2\"") && !second.contains("The name is taken"), "{second}");
    assert!(second.contains("Deployment iris-2"), "the plan has the same name: {second}");
    for (number, digest) in [(1, "11111111"), (2, "22222222")] {
        assert!(second.contains(&format!("iris {number} · tag v{number} · {digest} · ")), "{second}");
    }
    assert!(second.contains(" by Ada</option>") && second.contains("forecasting/iris:v2, pinned to sha256:222222222222…"), "{second}");
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
    assert!(radio(&page, "gpu").contains("disabled") && page.contains("It needs 1 GPU; 0 of 0 GPUs are free in this workspace."), "{page}");
    let checked = place.world.post(&place.deployer.browser, "/deployments/new", &fields("medium", "3", "check")).await.expect(200).body;
    assert!(radio(&checked, "medium").contains("disabled") && checked.contains("It needs 6 CPU; 4 of 4 CPU are free in this workspace."), "{checked}");
    assert!(checked.contains("type=\"hidden\" name=\"size\" value=\"medium\""), "what was chosen is kept: {checked}");
    let posted = place.world.post(&place.deployer.browser, "/deployments/new", &fields("medium", "3", "deploy")).await.expect(422).body;
    assert!(posted.contains("id=\"size-why\" class=\"why\">This does not fit into forecasting. It needs 6 CPU; 4 of 4 CPU are free in this workspace."), "{posted}");
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
        "It needs 1 CPU and 1 GiB; 4 of 4 CPU and 16 of 16 GiB are free in this workspace.",
        "replicas: 2",
        "slipway.dev/revision: &#39;2&#39;",
    ] {
        assert!(checked.contains(text) || checked.replace("'", "&#39;").contains(text), "{text} is not in {checked}");
    }
    let wrong = place.world.post(&place.deployer.browser, &path, &[("do", "check"), ("size", "small"), ("replicas", "999"), ("environment", "LEVEL")]).await.expect(200).body;
    assert!(wrong.contains("Enter a whole number from 1 to 50.") && wrong.contains("2 to fix"), "{wrong}");
    unplanned(&wrong, &["The number of replicas needs a change", "A variable needs a change"]);
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
    sqlx::query("update revisions set environment = '[{\"name\": \"LEVEL\", \"value\": \"OLD\"}]' where deployment_id = $1").bind(id.0).execute(&pool).await.unwrap();
    let change = DeploymentChange { release: Some(ReleaseId(RELEASES[1])), environment: Some(Vec::new()), ..DeploymentChange::default() };
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
    let reach = &page[page.find("id=\"reach\"").unwrap()..page.find("Look closer").unwrap()];
    assert!(reach.contains("revision 1: iris 1") && reach.contains("sha256:111111111111…") && reach.contains("OLD") && !reach.contains("222222"), "{reach}");
    for list in ["/", "/deployments", &format!("/workspaces/{WORKSPACE}")] {
        let listed = place.world.get(&place.deployer.browser, list).await.expect(200).body;
        assert!(listed.contains("<span class=\"status warn\">Serving revision 1 · revision 2 failed</span>"), "{list}: {listed}");
    }
    let listed = place.world.get(&place.viewer.browser, "/api/v1/deployments").await.expect(200).json();
    assert_eq!(&listed["items"][0]["still_serving"]["revision"], &serde_json::json!(1));
    let rest = place.world.get(&place.viewer.browser, &format!("/api/v1{path}")).await.expect(200).json();
    assert_eq!((&rest["state"], &rest["still_serving"]["revision"], &rest["still_serving"]["ready"]), (&"failed".into(), &1.into(), &1.into()));
    let seen = place.world.get(&place.viewer.browser, &path).await.expect(200).body;
    assert!(seen.contains("revision 1 still serves") && !seen.contains("value=\"roll_back\""), "a viewer sees it and cannot press it");
    place.world.post(&place.deployer.browser, &path, &[("do", "roll_back"), ("revision", "1")]).await.expect(303);
    let back = deployments::get(&place.deployer.ctx, id).await.unwrap();
    assert_eq!((back.summary.revision, back.summary.still_serving), (3, None));
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
    let (theirs, form) = (format!("/workspaces/{WORKSPACE}"), "/deployments/new".to_owned());
    for page in [&format!("/deployments/{id}"), &theirs, &form] {
        let seen = place.world.get(&place.deployer.browser, page).await.expect(200).body;
        assert!(seen.contains("lab is read-only") && seen.contains("until a platform admin has decided"), "{page}: {seen}");
    }
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
async fn a_cluster_that_does_not_answer_is_said_wherever_it_matters(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let sql = format!(
        "update clusters set state = 'unreachable', state_message = 'The API server does not answer.';
         insert into observed_sync (cluster_id, kind, synced_at, lease_epoch) values ('{CLUSTER}', 'pods', now() - interval '5 minutes', 1), ('{CLUSTER}', 'deployments', now() - interval '5 minutes', 1);"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    for path in [format!("/workspaces/{WORKSPACE}"), format!("/deployments/{id}")] {
        let team = place.world.get(&place.viewer.browser, &path).await.expect(200).body;
        for text in ["lab cannot be reached", "what is shown here is as of then", "changes wait until it answers again", ">5 min ago</time>"] {
            assert!(team.contains(text), "{path}: {text} is not in {team}");
        }
        assert!(!team.contains("href=\"/clusters/"), "a team has no page of the cluster: {team}");
        assert!(place.world.get(&place.admin.browser, &path).await.expect(200).body.contains(&format!("href=\"/clusters/{CLUSTER}\"")), "{path}");
    }
    let form = place.world.get(&place.deployer.browser, "/deployments/new").await.expect(200).body;
    assert!(form.contains("CPU are free · lab cannot be reached</option>") && form.contains("lab cannot be reached since "), "{form}");
    assert!(place.world.get(&place.viewer.browser, "/workspaces").await.expect(200).body.contains("lab cannot be reached"));
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
