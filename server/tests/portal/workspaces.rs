//! `/workspaces/{id}`

use control::workspaces;
use domain::{
    ids::WorkspaceId,
    workspace::{Adopt, NewWorkspace, Quota},
};
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    common::Answer,
    place::{Place, WORKSPACE},
};

const QUOTA: Quota = Quota { cpu_millis: 1000, memory_mib: 1024, gpus: 0, pods: 5 };

/// What runs for it fails.
async fn fails(pool: &PgPool, id: WorkspaceId, code: &str, cause: &str) {
    let failure = json!({"code": code, "cause": cause, "next": "Do something about it.", "raw": null, "remedy": null});
    sqlx::query("update operations set state = 'failed', failure = $2, finished_at = now() where object_id = $1 and state = 'running'")
        .bind(id.0)
        .bind(failure)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query("update workspaces set state = 'failed', state_message = $2 where id = $1").bind(id.0).bind(cause).execute(pool).await.unwrap();
}

/// Others changed these fields of its quota.
async fn others_changed(pool: &PgPool, fields: &Value) {
    sqlx::query("insert into inventory (object_id, kind, namespace, name, generation, others) values ($1, 'ResourceQuota', 'forecasting', 'slipway', 1, $2)")
        .bind(WORKSPACE)
        .bind(fields)
        .execute(pool)
        .await
        .unwrap();
}

fn has(page: &Answer, text: &str) -> bool {
    page.body.replace("<!>", "").contains(text)
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn one_that_failed_over_a_namespace_is_made_to_take_it_over_by_one_click(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let (world, admin) = (&place.world, &place.admin.browser);
    let new = NewWorkspace { name: "theirs".into(), team: "forecasting".into(), cluster: "lab".into(), quota: QUOTA, adopt: Adopt::Never };
    let id = WorkspaceId(workspaces::create(&place.admin.ctx, &new).await.unwrap().object);
    let path = format!("/workspaces/{id}");
    let fresh = world.get(admin, &path).await.expect(200);
    assert!(has(&fresh, "If the namespace theirs was there before, only what Slipway added goes") && !has(&fresh, "Take it over"), "{}", fresh.body);

    fails(&pool, id, "namespace_exists", "The cluster has a namespace theirs already.").await;
    let failed = world.get(admin, &path).await.expect(200);
    for text in ["The cluster has a namespace theirs already.", "Take it over", "Nothing in the cluster goes: Slipway has not taken over the namespace theirs"] {
        assert!(has(&failed, text), "{text} is not in {}", failed.body);
    }
    assert!(!has(&failed, "This goes with it"), "{}", failed.body);
    assert!(!has(&world.get(&place.viewer.browser, &path).await.expect(200), "Take it over"), "it is an admin's to press");

    assert_eq!(world.post(admin, &path, &[("do", "adopt")]).await.expect(303).header("location"), path);
    let taken: (String, bool) = sqlx::query_as("select o.verb, w.may_adopt from operations o join workspaces w on w.id = o.object_id where w.id = $1 and o.state = 'running'")
        .bind(id.0)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(taken, ("take over".to_owned(), true));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn automation_lets_one_take_over_a_namespace(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let path = format!("/api/v1/workspaces/{WORKSPACE}");
    let tag = place.world.get(&place.admin.browser, &path).await.expect(200).header("etag").to_owned();
    place.world.json(&place.admin.browser, Method::PATCH, &path, &[("if-match", &tag)], &json!({"adopt": "existing"})).await.expect(202);
    let row: (bool, i64) = sqlx::query_as("select may_adopt, cpu_millis from workspaces where id = $1").bind(WORKSPACE).fetch_one(&pool).await.unwrap();
    assert_eq!(row, (true, 4000), "the quota stays");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_others_changed_is_told_to_the_team_and_repaired_by_an_admin(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let (path, api) = (format!("/workspaces/{WORKSPACE}"), format!("/api/v1/workspaces/{WORKSPACE}"));
    let shown = json!([{"kind": "ResourceQuota", "name": "slipway", "field": ".spec.hard.pods", "manager": "</textarea><script>alert(1)</script>"}]);
    let others = json!([{"kind": "ResourceQuota", "name": "slipway", "field": ".spec.hard.pods", "manager": shown[0]["manager"], "wanted": "20", "found": "<i>9999</i>"}]);
    sqlx::query("update workspaces set state = 'ready', synced_at = now()").execute(&pool).await.unwrap();
    others_changed(&pool, &others).await;
    let (seen, admin) = (place.world.get(&place.viewer.browser, &path).await.expect(200), place.world.get(&place.admin.browser, &path).await.expect(200));
    for page in [&seen, &admin] {
        for text in [
            "Degraded",
            "Others changed what Slipway made here",
            "<code>.spec.hard.pods</code> of ResourceQuota slipway is <code>&lt;i>9999&lt;/i></code> instead of <code>20</code>, set by &lt;/textarea>",
        ] {
            let escaped = text.replace("/textarea>", "/textarea&gt;").replace("&lt;i>", "&lt;i&gt;").replace("&lt;/i>", "&lt;/i&gt;");
            assert!(has(page, text) || has(page, &escaped), "{text} is not in {}", page.body);
        }
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
    }
    assert!(has(&admin, ">Repair</button>") && !has(&seen, ">Repair</button>"), "it is an admin's to press");
    let told = place.world.get(&place.viewer.browser, &api).await.expect(200).json();
    assert_eq!(told["others"], others);

    place.world.post(&place.viewer.browser, &path, &[("do", "repair")]).await.expect(403);
    assert_eq!(place.world.post(&place.admin.browser, &path, &[("do", "repair")]).await.expect(303).header("location"), path);
    let running = async || -> (String, Value) {
        sqlx::query_as("select o.verb, w.takes_over from operations o join workspaces w on w.id = o.object_id where o.state = 'running'").fetch_one(&pool).await.unwrap()
    };
    assert_eq!(running().await, ("repair".to_owned(), shown));
    assert!(!has(&place.world.get(&place.admin.browser, &path).await.expect(200), ">Repair</button>"), "it is under way");
    place.world.json(&place.admin.browser, Method::POST, &format!("{api}/repair"), &[("if-match", "*")], &json!({})).await.expect(202);
    assert_eq!(running().await.0, "repair");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_deletion_says_what_goes_with_it(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let show = async || place.world.get(&place.admin.browser, &format!("/workspaces/{WORKSPACE}")).await.expect(200);
    sqlx::query("update workspaces set synced_at = now()").execute(&pool).await.unwrap();
    assert!(has(&show().await, "the namespace forecasting on lab and everything in it"));
    sqlx::query("update workspaces set adopted = true").execute(&pool).await.unwrap();
    let adopted = show().await;
    assert!(has(&adopted, "Only what Slipway added goes; the namespace forecasting and everything else in it stays."), "{}", adopted.body);
    assert!(!has(&adopted, "everything in it<"), "{}", adopted.body);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn one_that_was_kept_says_why_its_deletion_failed(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = WorkspaceId(WORKSPACE);
    workspaces::delete(&place.admin.ctx, id).await.unwrap();
    fails(&pool, id, "namespace_in_use", "There are things that Slipway did not make: Job nightly.").await;
    sqlx::query(
        "insert into operations (id, verb, object_kind, object_id, object_name, generation, team_id, actor_kind, actor_name, state, finished_at)
         select 'ffffffff-0000-7000-8000-000000000000', 'keep', object_kind, object_id, object_name, generation + 1, team_id, 'system', 'slipway', 'succeeded', now() from operations where object_id = $1",
    )
    .bind(id.0)
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("update workspaces set state = 'ready', state_message = null, deleting_at = null, synced_at = now()").execute(&pool).await.unwrap();
    let page = place.world.get(&place.admin.browser, &format!("/workspaces/{id}")).await.expect(200);
    for text in ["There are things that Slipway did not make: Job nightly.", "Save quota", "Delete workspace"] {
        assert!(has(&page, text), "{text} is not in {}", page.body);
    }
    // The figures are Slipway's own book; only what the cluster showed was seen.
    assert!(has(&page, "by what its deployments ask for") && has(&page, "seen whole "), "{}", page.body);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn one_that_needs_a_look_is_on_the_first_page_and_listed_alone(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let run = place.deployed(1).await;
    sqlx::query("update deployments set state = 'degraded', state_message = 'two replicas are gone'").execute(&pool).await.unwrap();
    sqlx::query("update workspaces set state = 'ready', state_message = null").execute(&pool).await.unwrap();
    let attention = async || {
        let home = place.world.get(&place.viewer.browser, "/").await.expect(200).body.replace("<!>", "");
        home[home.find("Needs a look").unwrap()..home.find("Changed last").unwrap()].to_owned()
    };
    assert!(!attention().await.contains("/workspaces"));
    let others = json!([
        {"kind": "ResourceQuota", "name": "slipway", "field": ".spec.hard.pods", "manager": "kubectl", "wanted": "20", "found": "9"},
        {"kind": "ResourceQuota", "name": "slipway", "field": ".spec.hard.cpu", "manager": null, "wanted": "4", "found": null},
    ]);
    others_changed(&pool, &others).await;
    let seen = attention().await;
    let (space, run) = (seen.find(&format!("/workspaces/{WORKSPACE}")).expect("the workspace"), seen.find(&format!("/deployments/{run}")).expect("the deployment"));
    assert!(space < run, "what is wrong with a workspace may be why something there does not run: {seen}");
    assert!(seen.contains("Others changed what Slipway made: .spec.hard.pods of ResourceQuota slipway, set by kubectl; 1 more"), "{seen}");
    assert!(!seen.contains("All workspaces that do"), "{seen}");

    for (asked, words, found) in [("true", "Needs a look", 1), ("false", "Does not need a look", 0), ("", "Any status", 1)] {
        let listed = place.world.get(&place.viewer.browser, &format!("/api/v1/workspaces?needs_a_look={asked}")).await.expect(200).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), found, "{asked}: {listed}");
        let page = place.world.get(&place.viewer.browser, &format!("/workspaces?needs_a_look={asked}")).await.expect(200);
        assert_eq!(has(&page, &format!("/workspaces/{WORKSPACE}")), found == 1, "{asked}: {}", page.body);
        assert!(asked.is_empty() || has(&page, &format!("<option value=\"{asked}\" selected>{words}</option>")), "{asked}: {}", page.body);
    }
    for path in ["/api/v1/workspaces?needs_a_look=maybe", "/workspaces?needs_a_look=maybe"] {
        assert!(place.world.get(&place.viewer.browser, path).await.expect(400).body.contains("true or false"), "{path}");
    }

    sqlx::query(
        "insert into workspaces (id, name, team_id, cluster_id, cpu_millis, memory_mib, gpus, pods, state)
         select gen_random_uuid(), 'scratch-' || n, w.team_id, w.cluster_id, 1000, 1024, 0, 5, 'failed' from workspaces w, generate_series(1, 6) n where w.id = $1",
    )
    .bind(WORKSPACE)
    .execute(&pool)
    .await
    .unwrap();
    let seen = attention().await;
    assert!(seen.contains("href=\"/workspaces?needs_a_look=true\"") && seen.contains("All workspaces that do"), "{seen}");
}
