//! `/models` and `/releases`, over REST and as pages.

use control::{accounts, models};
use domain::{
    access::{PlatformRole, TeamRole},
    account::{NewAccount, NewPrefix},
    ids::ModelId,
    model::NewModel,
};
use http::Method;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::common::{Person, World};

const HOSTILE: &str = "</textarea><script>alert(1)</script>";

struct Team {
    owner: Person,
    viewer: Person,
    model: ModelId,
}

/// The team forecasting with the prefix `forecasting/` in an account, and its model iris.
async fn team(world: &World) -> Team {
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let (owner, viewer) = (world.person("owner", None).await, world.person("viewer", None).await);
    world.team(&admin, "forecasting", &owner, &[(&viewer, TeamRole::Viewer)]).await;
    let role = Some("arn:aws:iam::123456789012:role/slipway".into());
    let account = accounts::create(&admin.ctx, &NewAccount { name: "main".into(), role_arn: role, regions: vec!["us-east-1".into()] }).await.unwrap();
    accounts::add_prefix(&admin.ctx, account.id, &NewPrefix { prefix: "forecasting/".into(), team: "forecasting".into() }).await.unwrap();
    let model = models::create(&owner.ctx, &NewModel { team: "forecasting".into(), name: "iris".into(), description: HOSTILE.into() }).await.unwrap().id;
    Team { owner, viewer, model }
}

async fn release(pool: &PgPool, model: ModelId, number: i32) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query(
        "insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, notes, created_by_name)
         select $1, $2, $3, id, 'us-east-1', 'forecasting/iris', 'registry.test/forecasting/iris', 'v1', 'sha256:' || repeat('a', 64), 8080, '/v2/health/ready', 'open_inference_v2', 'small', $4, 'Ada'
         from accounts",
    )
    .bind(id)
    .bind(model.0)
    .bind(number)
    .bind(HOSTILE)
    .execute(pool)
    .await
    .unwrap();
    id
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn automation_makes_a_model_once(pool: PgPool) {
    let world = World::new(pool).await;
    let Team { owner, .. } = team(&world).await;
    let body = json!({"team": "forecasting", "name": "tulips"});
    let first = world.json(&owner.browser, Method::POST, "/api/v1/models", &[("idempotency-key", "k1")], &body).await.expect(201);
    let second = world.json(&owner.browser, Method::POST, "/api/v1/models", &[("idempotency-key", "k1")], &body).await.expect(201);
    assert_eq!(first.json(), second.json());
    world.json(&owner.browser, Method::POST, "/api/v1/models", &[], &body).await.expect(409);
    let listed = world.get(&owner.browser, "/api/v1/models?team=forecasting&sort=name&page_size=1").await.expect(200).json();
    assert_eq!((&listed["items"][0]["name"], listed["next_page_token"].is_string()), (&json!("iris"), true));
    world.json(&owner.browser, Method::POST, "/api/v1/models", &[], &json!({"team": "forecasting", "name": "x", "colour": "red"})).await.expect(422);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_release_that_cannot_be_says_which_field(pool: PgPool) {
    let world = World::new(pool).await;
    let Team { owner, model, .. } = team(&world).await;
    let register = async |body| world.json(&owner.browser, Method::POST, "/api/v1/releases", &[], &body).await;
    let foreign = register(json!({"model": model, "repository": "growth/iris", "tag": "1"})).await.expect(403).json();
    assert_eq!((&foreign["code"], &foreign["errors"][0]["field"]), (&json!("repository_not_granted"), &json!("/repository")));
    let place = register(json!({"model": model, "repository": "forecasting/iris", "tag": "1", "region": "eu-west-1"})).await.expect(422).json();
    assert_eq!(place["errors"][0]["field"], "/region");
    let away = register(json!({"model": model, "repository": "forecasting/iris", "tag": "1"})).await.expect(502).json();
    assert_eq!(away["code"], "aws_unavailable");
    assert!(away["raw"].is_string() && away["detail"].as_str().unwrap().contains("main"), "{away}");
    register(json!({"model": Uuid::nil(), "repository": "forecasting/iris", "tag": "1"})).await.expect(404);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_pages_show_models_and_releases(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let Team { owner, viewer, model } = team(&world).await;
    let path = format!("/models/{model}");
    assert!(world.get(&owner.browser, &path).await.expect(200).body.contains("No release yet"));
    let id = release(&pool, model, 1).await;
    let page = world.get(&owner.browser, &path).await.expect(200).body;
    assert!(page.contains("iris 1") && page.contains("forecasting/iris:v1") && page.contains(&format!("/deployments/new?release={id}")));
    assert!(!page.contains("<script>alert"), "{page}");
    let listed = world.get(&owner.browser, "/models?search=IRI&team=forecasting").await.expect(200).body;
    assert!(listed.contains(&format!("href=\"{path}\"")) && !listed.contains("<script>alert"));
    let one = world.get(&owner.browser, &format!("/releases/{id}")).await.expect(200).body;
    assert!(one.contains(&format!("registry.test/forecasting/iris@sha256:{}", "a".repeat(64))) && !one.contains("<script>alert"));

    let seen = world.get(&viewer.browser, &path).await.expect(200).body;
    assert!(!seen.contains("value=\"update\"") && !seen.contains("Register release") && !seen.contains("/deployments/new"));
    world.get(&viewer.browser, &format!("{path}/releases/new")).await.expect(403);
    let stranger = world.person("stranger", None).await;
    for hidden in [path, format!("/releases/{id}"), format!("/models/{model}/releases/new")] {
        world.get(&stranger.browser, &hidden).await.expect(404);
    }
    assert!(world.get(&stranger.browser, "/models").await.expect(200).body.contains("No models yet"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_form_comes_back_with_what_was_typed(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let Team { owner, model, .. } = team(&world).await;
    let again = world.post(&owner.browser, "/models", &[("do", "create"), ("team", "forecasting"), ("name", "My Iris"), ("description", HOSTILE)]).await.expect(422).body;
    assert!(again.contains("try my-iris") && again.contains("value=\"My Iris\"") && again.contains("&lt;/textarea&gt;") && !again.contains("<script>alert"), "{again}");

    let path = format!("/models/{model}/releases/new");
    let filled = world.get(&owner.browser, &format!("{path}?repository=forecasting%2Firis&tag=v7")).await.expect(200).body;
    assert!(filled.contains("value=\"v7\"") && filled.contains("AWS could not say whether Slipway may assume the role"), "ECR is away, the form is not: {filled}");
    let fields = [("do", "register"), ("repository", "growth/iris"), ("tag", "bad tag"), ("port", "80"), ("notes", HOSTILE)];
    let again = world.post(&owner.browser, &path, &fields).await.expect(422).body;
    for text in ["Enter an image tag", "Choose a port from 1024", "value=\"growth/iris\"", "&lt;/textarea&gt;"] {
        assert!(again.contains(text), "{text} is not in {again}");
    }
    let numberless = world.post(&owner.browser, &path, &[("do", "register"), ("port", "many"), ("size", "huge")]).await.expect(422).body;
    assert!(numberless.contains("Enter a port from 1024 to 65535.") && numberless.contains("Choose one of the sizes."));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn choosing_from_what_ecr_has_loses_nothing_that_was_typed(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let Team { owner, model, .. } = team(&world).await;
    let path = format!("/models/{model}/releases/new");
    let typed =
        [("repository", "forecasting/roses"), ("tag", "v1"), ("port", "9090"), ("health_path", "/healthz"), ("size", "medium"), ("notes", "What is new"), ("search", "iris")];
    let send = async |button, to: &str| world.post(&owner.browser, to, &[&[("do", button)][..], &typed].concat()).await.expect(200).body;
    let kept = |page: &str| {
        for text in ["value=\"9090\"", "value=\"/healthz\"", "value=\"medium\" selected", ">\nWhat is new</textarea>", "value=\"iris\"", "value=\"v1\""] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
    };
    let looked = send("look", &path).await;
    kept(&looked);
    assert!(looked.contains("value=\"forecasting/roses\""), "{looked}");
    assert_eq!(looked[looked.find("<main").unwrap()..].matches("<form").count(), 1, "whatever is pressed on the page sends everything: {looked}");
    let chosen = send("choose", &format!("{path}?repository=forecasting%2Firis&account=main&region=us-east-1")).await;
    kept(&chosen);
    assert!(chosen.contains("value=\"forecasting/iris\"") && !chosen.contains("forecasting/roses") && chosen.contains("value=\"us-east-1\""), "{chosen}");
    let releases: i64 = sqlx::query_scalar("select count(*) from releases").fetch_one(&pool).await.unwrap();
    assert_eq!(releases, 0, "nothing is registered before its own button is pressed");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn enter_registers_and_in_the_search_it_searches(pool: PgPool) {
    let world = World::new(pool).await;
    let Team { owner, model, .. } = team(&world).await;
    let path = format!("/models/{model}/releases/new");
    let form = world.get(&owner.browser, &path).await.expect(200).body;
    let first = form[form.find("<main").unwrap()..].split("<button").nth(1).unwrap();
    assert!(first.split('>').next().unwrap().contains("value=\"enter\""), "browsers press the first button: {first}");
    let fields = [("do", "enter"), ("repository", "forecasting/iris"), ("tag", "bad tag"), ("search", "iris")];
    let searched = world.post(&owner.browser, &path, &fields).await.expect(200).body;
    assert!(searched.contains("name=\"searched\" value=\"iris\"") && !searched.contains("Enter an image tag"), "{searched}");
    let registered = world.post(&owner.browser, &path, &[&fields[..], &[("searched", "iris")]].concat()).await.expect(422).body;
    assert!(registered.contains("Enter an image tag"), "{registered}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn deleting_asks_by_name_and_lists_what_is_in_the_way(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let Team { owner, model, .. } = team(&world).await;
    let id = release(&pool, model, 1).await;
    let path = format!("/models/{model}");
    world.post(&owner.browser, &path, &[("do", "delete"), ("confirm", "roses")]).await.expect(422);
    let refused = world.post(&owner.browser, &path, &[("do", "delete"), ("confirm", "iris")]).await.expect(409).body;
    assert!(refused.contains(&format!("href=\"{path}#release-1\"")), "{refused}");
    let refused = world.json(&owner.browser, Method::DELETE, &format!("/api/v1/models/{model}"), &[], &json!({})).await.expect(409).json();
    assert_eq!(refused["blockers"][0]["kind"], "release");
    world.post(&owner.browser, &format!("/releases/{id}"), &[("do", "delete"), ("confirm", "iris 1")]).await.expect(303);
    world.json(&owner.browser, Method::DELETE, &format!("/api/v1/models/{model}"), &[], &json!({})).await.expect(204);
    world.get(&owner.browser, &path).await.expect(404);
}
