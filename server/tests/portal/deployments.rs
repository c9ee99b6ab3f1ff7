//! `/deployments` and what is below it, the cluster's picture, and what a team was given.

use control::{clusters, deployments, workspaces};
use domain::{
    deployment::DeploymentChange,
    ids::{ClusterId, ReleaseId},
    operation::ObjectKind,
    workspace::{Adopt, NewWorkspace, Quota},
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    common::Person,
    place::{CLUSTER, Place, RELEASES, WORKSPACE},
};

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
async fn a_rollout_is_cancelled_where_it_is_seen(pool: PgPool) {
    let place = Place::new(pool).await;
    let id = place.deployed(1).await;
    let path = format!("/deployments/{id}");
    let page = place.world.get(&place.deployer.browser, &path).await.expect(200).body;
    let rollout = &page[page.find("id=\"rollout\"").unwrap()..page.find("id=\"reach\"").unwrap()];
    let operation = deployments::get(&place.deployer.ctx, id).await.unwrap().operation.unwrap().to_string();
    for text in [&format!("<a href=\"/operations/{operation}\">Rollout</a>"), "value=\"cancel\"", "Cancel and hold"] {
        assert!(rollout.contains(text), "{text} is not in {rollout}");
    }
    assert!(!place.world.get(&place.viewer.browser, &path).await.expect(200).body.contains("value=\"cancel\""));
    let cancel = [("do", "cancel"), ("operation", operation.as_str())];
    assert_eq!(place.world.post(&place.deployer.browser, &path, &cancel).await.expect(303).header("location"), path);
    let held = place.world.get(&place.deployer.browser, &path).await.expect(200).body;
    assert!(held.contains("On hold") && !held.contains("value=\"cancel\""), "{held}");
    let home = place.world.get(&place.deployer.browser, "/").await.expect(200).body;
    assert!(home.contains("<dt>on hold</dt><dd><a href=\"/deployments?state=held\">1</a></dd>"), "{home}");
    let over = place.world.post(&place.deployer.browser, &path, &cancel).await.expect(409).body;
    assert!(over.contains("there is nothing to cancel"), "{over}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_broke_long_ago_is_still_on_the_first_page(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let old = place.deployed(1).await;
    // More than any list has on one page were touched since.
    let sql = format!(
        "update deployments set state = 'degraded', state_message = 'two replicas are gone', changed_at = now() - interval '90 days' where id = '{old}';
         insert into deployments (id, workspace_id, name, state)
         select gen_random_uuid(), '{WORKSPACE}', 'iris-' || n, (array['live', 'pending', 'deleting'])[1 + n % 3]::deployment_state from generate_series(1, 120) n;
         insert into revisions (deployment_id, number, release_id, size, replicas, actor_kind, created_by_name)
         select id, 1, '{}', 'tiny', 1, 'system', 'x' from deployments where id <> '{old}'",
        RELEASES[0]
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    let home = place.world.get(&place.viewer.browser, "/").await.expect(200).body;
    let attention = &home[home.find("Needs a look").unwrap()..home.find("Changed last").unwrap()];
    assert!(attention.contains(&format!("/deployments/{old}")) && attention.contains("two replicas are gone"), "{attention}");
    let moving = "/deployments?state=pending,rolling_out,deleting";
    for figure in [
        "<dt>live</dt><dd><a href=\"/deployments?state=live\">40</a>".to_owned(),
        format!("<dt>on the move</dt><dd><a href=\"{moving}\">80</a>"),
        "<dt>degraded</dt><dd><a href=\"/deployments?state=degraded\">1</a>".to_owned(),
    ] {
        assert!(home.contains(&figure), "{figure} is not in {home}");
    }
    let listed = place.world.get(&place.viewer.browser, moving).await.expect(200).body;
    assert!(listed.contains("<option value=\"pending,rolling_out,deleting\" selected>On the move</option>"), "{listed}");
    let counted = place.world.get(&place.viewer.browser, "/api/v1/deployments/counts").await.expect(200).json();
    assert_eq!(counted, serde_json::json!({ "pending": 40, "rolling_out": 0, "live": 40, "degraded": 1, "failed": 0, "held": 0, "deleting": 40 }));
    let narrowed = place.world.get(&place.viewer.browser, "/api/v1/deployments?state=degraded,held").await.expect(200).json();
    assert_eq!((narrowed["items"].as_array().unwrap().len(), &narrowed["items"][0]["id"]), (1, &serde_json::json!(old)));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_open_page_has_one_clock_and_a_steady_place_for_requests(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    sqlx::query("update revisions set created_at = now() - interval '3 minutes' where deployment_id = $1").bind(id.0).execute(&pool).await.unwrap();
    let part = app::pages::deployment::part(&place.deployer.ctx, id).await.unwrap();
    let when = &part[part.find("id=\"revision-1-when\"").unwrap_or_else(|| panic!("{part}"))..];
    assert!(when[..when.find("</span>").unwrap()].contains("3 min ago") && part.matches("3 min ago").count() == 2, "{part}");
    let page = place.world.get(&place.deployer.browser, &format!("/deployments/{id}")).await.expect(200).body;
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not in {page}"));
    assert!(at("id=\"try\"") < at("id=\"place\"") && page.contains("id=\"revision-1-when\""), "{page}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_came_up_after_all_shows_no_old_failure(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let path = format!("/deployments/{id}");
    for (state, shown) in [("failed", true), ("live", false)] {
        let sql = format!(
            "update deployments set live_revision = 1, state = '{state}' where id = '{id}';
             update operations set state = 'failed', finished_at = now(),
                    failure = '{{\"code\": \"does_not_fit\", \"cause\": \"No node had room.\", \"next\": \"Ask for more nodes.\", \"raw\": null}}'
             where object_id = '{id}'"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        let page = place.world.get(&place.viewer.browser, &path).await.expect(200).body;
        assert_eq!(page.contains("No node had room."), shown, "{state}: {page}");
    }
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn nobody_follows_more_logs_than_a_person_reads(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let authority = include_str!("../../../control/src/clusters/test_ca.pem");
    sqlx::query("update clusters set endpoint = 'https://127.0.0.1:9', certificate_authority = $1").bind(authority).execute(&pool).await.unwrap();
    let path = format!("/api/v1/deployments/{id}/logs?follow=true");
    let mut open = Vec::new();
    loop {
        let response = place.world.open(&place.viewer.browser, &path).await;
        if response.status() != 200 {
            assert_eq!(response.status(), 429);
            break;
        }
        open.push(response);
        assert!(open.len() < 100, "there is no end");
    }
    assert!(open.len() > 5, "{}", open.len());
    assert_eq!(place.world.open(&place.deployer.browser, &path).await.status(), 200, "others are not held up");
    let refused = place.world.get(&place.viewer.browser, &path).await.expect(429).json();
    assert_eq!(refused["code"], "rate_limited", "{refused}");
    drop(open.pop());
    assert_eq!(place.world.open(&place.viewer.browser, &path).await.status(), 200, "one was closed");
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
    assert!(form.contains("(us-east-1) · lab cannot be reached · ") && form.contains("lab cannot be reached since "), "{form}");
    assert!(place.world.get(&place.viewer.browser, "/workspaces").await.expect(200).body.contains("lab cannot be reached"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_wrong_port_or_path_leads_to_a_release_with_the_right_one(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let fail = async |code: &str| {
        let failure = serde_json::json!({"code": code, "cause": "Nothing listens on port 8080.", "next": "Register a release with that port.", "raw": null});
        sqlx::query("update operations set state = 'failed', finished_at = now(), failure = $2 where object_id = $1").bind(id.0).bind(failure).execute(&pool).await.unwrap();
        sqlx::query("update deployments set state = 'failed' where id = $1").bind(id.0).execute(&pool).await.unwrap();
    };
    let seen = async |who: &Person| place.world.get(&who.browser, &format!("/deployments/{id}")).await.expect(200).body.replace("&amp;", "&");
    let to = |protocol, path, field| {
        format!(
            "/models/00000000-0000-0000-0000-000000000050/releases/new?account=00000000-0000-0000-0000-000000000020&region=us-east-1\
             &repository=forecasting%2Firis&tag=v1&protocol={protocol}&port=8080&health_path={path}&size=small&deployment={id}#{field}"
        )
    };
    fail("wrong_port").await;
    let page = seen(&place.deployer).await;
    assert!(page.contains(&format!("href=\"{}\"", to("open_inference_v2", "%2Fv2%2Fhealth%2Fready", "port"))), "{page}");
    assert!(page.contains("Register a release with the right port"), "{page}");
    assert!(!seen(&place.viewer).await.contains("releases/new"), "a viewer registers nothing");
    sqlx::query("update releases set protocol = 'http', health_path = '/' where id = $1").bind(RELEASES[0]).execute(&pool).await.unwrap();
    fail("wrong_health_path").await;
    let (page, to) = (seen(&place.deployer).await, to("http", "%2F", "health_path"));
    assert!(page.contains(&format!("href=\"{to}\"")) && page.contains("Register a release with the right path"), "{page}");
    let form = place.world.get(&place.deployer.browser, to.split('#').next().unwrap()).await.expect(200).body;
    for field in ["account", "region", "repository", "tag", "port", "health_path"] {
        assert!(form.contains(&format!("id=\"{field}\"")), "{field} is not in {form}");
    }
    for value in ["00000000-0000-0000-0000-000000000020", "us-east-1", "forecasting/iris", "v1", "8080", "/"] {
        assert!(form.contains(&format!("value=\"{value}\"")), "{value} is not in {form}");
    }
    assert!(form.contains("<option value=\"http\" selected>") && form.contains("<option value=\"small\" selected>"), "{form}");
    fail("crashed").await;
    assert!(!seen(&place.deployer).await.contains("releases/new"), "another release with the same image would not help");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_button_beside_a_failure_fills_in_what_its_sentence_says(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let fail = async |code: &str, remedy: serde_json::Value| {
        let failure = serde_json::json!({"code": code, "cause": "It failed.", "next": "Try something else.", "raw": null, "remedy": remedy});
        sqlx::query("update operations set state = 'failed', finished_at = now(), failure = $2 where object_id = $1").bind(id.0).bind(failure).execute(&pool).await.unwrap();
        sqlx::query("update deployments set state = 'failed' where id = $1").bind(id.0).execute(&pool).await.unwrap();
        place.world.get(&place.deployer.browser, &format!("/deployments/{id}")).await.expect(200).body.replace("&amp;", "&")
    };
    let page = fail("wrong_port", serde_json::json!({"size": null, "port": 9090})).await;
    assert!(page.contains("&port=9090&") && page.contains("Register a release with port 9090"), "{page}");
    let page = fail("out_of_memory", serde_json::json!({"size": "medium", "port": null})).await;
    let to = format!("/deployments/{id}/change?size=medium");
    assert!(page.contains(&format!("href=\"{to}\"")) && page.contains("Retry with size medium"), "{page}");
    let form = place.world.get(&place.deployer.browser, &to).await.expect(200).body;
    assert!(form.contains("value=\"medium\" checked") && form.contains("<ins class=\"lines\">2 CPU · 4 GiB</ins>"), "{form}");
    assert!(form.contains("No replica answers now.") && !form.contains("answers until they are ready"), "{form}");
    let wrong = place.world.get(&place.deployer.browser, &format!("/deployments/{id}/change?size=vast")).await.expect(200).body;
    assert!(wrong.contains("The size needs a change"), "{wrong}");
    let told = place.world.get(&place.viewer.browser, &format!("/api/v1/operations?object_id={id}")).await.expect(200).json();
    assert_eq!(told["items"][0]["failure"]["remedy"]["size"], "medium");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_log_is_a_file_for_whoever_may_see_it(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let path = format!("/deployments/{id}/logs");
    let page = place.world.get(&place.viewer.browser, &format!("{path}?search=a%26b&tail=50")).await.expect(200).body.replace("&amp;", "&");
    assert!(page.contains(&format!("href=\"{path}/download?search=a%26b&tail=50\"")) && page.contains("value=\"a&b\""), "{page}");
    let stranger = place.world.person("stranger", None).await;
    place.world.get(&stranger.browser, &format!("{path}/download")).await.expect(404);
    let wrong = place.world.get(&place.viewer.browser, &format!("{path}/download?search={}", "x".repeat(101))).await.expect(422).body;
    assert!(wrong.contains("Search for at most 100 characters."), "{wrong}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn operations_on_workspaces_name_the_cluster(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let quota = Quota { cpu_millis: 1000, memory_mib: 1024, gpus: 0, pods: 2 };
    let new = NewWorkspace { name: "scratch".into(), team: "forecasting".into(), cluster: "lab".into(), quota, adopt: Adopt::Never };
    workspaces::create(&place.admin.ctx, &new).await.unwrap();
    for path in ["/", "/operations"] {
        let page = place.world.get(&place.admin.browser, path).await.expect(200).body;
        assert!(page.contains(">Create scratch on lab</a>"), "{path}: {page}");
    }
    // Programs have the two apart, and either is searched.
    for (search, found) in [("scratch", 1), ("LAB", 1), ("fleet", 0)] {
        let listed = place.world.get(&place.admin.browser, &format!("/api/v1/operations?search={search}")).await.expect(200).json();
        let names: Vec<(&str, &str)> =
            listed["items"].as_array().unwrap().iter().map(|one| (one["object_name"].as_str().unwrap(), one["cluster_name"].as_str().unwrap())).collect();
        assert_eq!(names, [("scratch", "lab")][..found], "{search}");
    }
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

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_failed_and_came_up_later_does_not_look_failed(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let failure = serde_json::json!({"code": "never_ready", "cause": "It was not ready in time.", "next": "Read its log.", "raw": null, "remedy": null});
    sqlx::query("update operations set state = 'failed', finished_at = now(), failure = $2 where object_id = $1").bind(id.0).bind(&failure).execute(&pool).await.unwrap();
    for (state, later) in [("failed", false), ("degraded", false), ("live", true)] {
        sqlx::query("update deployments set state = $2::deployment_state, live_revision = 1 where id = $1").bind(id.0).bind(state).execute(&pool).await.unwrap();
        let page = place.world.get(&place.viewer.browser, &format!("/deployments/{id}")).await.expect(200).body;
        assert_eq!(page.contains("It came up later, without another operation"), later, "{state}: {page}");
    }
    sqlx::query("update operations set state = 'succeeded', failure = null where object_id = $1").bind(id.0).execute(&pool).await.unwrap();
    let page = place.world.get(&place.viewer.browser, &format!("/deployments/{id}")).await.expect(200).body;
    assert!(!page.contains("It came up later"), "{page}");
}
