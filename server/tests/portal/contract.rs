//! What REST promises to automation whatever it asks for: words for what is wrong, and nothing ignored.

use domain::{access::PlatformRole, ids::ClusterId};
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    common::{Answer, Caller, World},
    place::{CLUSTER, Place},
};

/// `(field, message)` of each error.
pub fn errors(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.json();
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let text = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
    problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}")).iter().map(|error| (text(error, "field"), text(error, "message"))).collect()
}

#[track_caller]
pub fn says(answer: &Answer, expected: &[(&str, &str)]) {
    let errors = errors(answer);
    let fields: Vec<&str> = errors.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, expected.iter().map(|(field, _)| *field).collect::<Vec<_>>(), "{errors:?}");
    for ((field, message), (_, words)) in errors.iter().zip(expected) {
        assert!(message.contains(words), "{field} says {message:?}, not {words:?}");
    }
}

pub async fn admin(pool: PgPool) -> (World, Caller) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await.browser;
    (world, admin)
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_connection_is_not_overwritten_unseen(pool: PgPool) {
    let place = Place::new(pool).await;
    let (world, admin) = (&place.world, &place.admin.browser);
    let path = format!("/api/v1/clusters/{CLUSTER}/connection");
    let seen = world.get(admin, &path).await.expect(200);
    let tag = seen.header("etag").to_owned();
    assert_eq!(tag, world.get(admin, &format!("/api/v1/clusters/{CLUSTER}")).await.expect(200).header("etag"));
    assert!(!tag.is_empty());
    let put = async |headers: &[(&str, &str)]| world.json(admin, Method::PUT, &path, headers, &json!({})).await;
    assert_eq!(put(&[]).await.expect(428).json()["code"], "precondition_required");
    assert_eq!(put(&[("if-match", "\"77\"")]).await.expect(412).json()["code"], "precondition_failed");
    let changed = put(&[("if-match", &tag)]).await.expect(200);
    assert_eq!(changed.header("etag"), world.get(admin, &path).await.expect(200).header("etag"));
    assert_eq!(put(&[("if-match", &tag)]).await.expect(412).json()["code"], "precondition_failed");
    put(&[("if-match", "*")]).await.expect(200);
    let unseen: ClusterId = ClusterId::generate();
    world.json(&place.viewer.browser, Method::PUT, &format!("/api/v1/clusters/{unseen}/connection"), &[("if-match", "*")], &json!({})).await.expect(404);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn everything_wrong_with_a_body_is_said_at_its_field(pool: PgPool) {
    let (world, admin) = admin(pool).await;
    let send = async |body: Value| world.json(&admin, Method::POST, "/api/v1/workspaces", &[], &body).await;
    let wrong = send(json!({ "name": 7, "colour": "red", "cluster": "lab", "adopt": "always", "quota": { "cpu_millis": "1", "memory_mib": 1.5, "pods": null } })).await.expect(422);
    assert_eq!(wrong.json()["code"], "invalid_input");
    says(
        &wrong,
        &[
            ("/team", "This field is missing."),
            ("/colour", "There is no such field here. There are: adopt, cluster, name, quota, team."),
            ("/adopt", "one of: never, existing"),
            ("/name", "a text, not a number"),
            ("/quota/cpu_millis", "a whole number from 1 to 10000000, not a text"),
            ("/quota/memory_mib", "not a number with a fraction"),
            ("/quota/pods", "not null"),
        ],
    );
    says(&send(json!([])).await.expect(422), &[("", "an object, not a list")]);
    // Values in the order of the fields are no object, whatever serde makes of them.
    let listed = world.json(&admin, Method::POST, "/api/v1/teams", &[], &json!(["listed", "", null])).await.expect(422);
    says(&listed, &[("", "an object, not a list")]);
    let listed = send(json!({ "name": "listed", "team": "x", "cluster": "y", "quota": [1000, 1024, 0, 5] })).await.expect(422);
    says(&listed, &[("/quota", "an object, not a list")]);
    // What validation knows comes in its own words, at pointers all the same.
    let quota = json!({ "cpu_millis": 0, "memory_mib": 1024, "pods": 0 });
    let wrong = send(json!({ "name": "Kube System", "team": "x", "cluster": "y", "quota": quota })).await.expect(422);
    says(&wrong, &[("/name", "try kube-system"), ("/quota/cpu_millis", "CPU"), ("/quota/pods", "pods")]);
    let number = world.json(&admin, Method::POST, "/api/v1/tokens", &[], &json!({ "name": "x", "days": 100_000 })).await.expect(422);
    says(&number, &[("/days", "a whole number from 1 to 365")]);
    let id = world.json(&admin, Method::POST, "/api/v1/releases", &[], &json!({ "model": "iris", "repository": "a/b", "tag": "1" })).await.expect(422);
    says(&id, &[("/model", "an id")]);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_no_json_says_where(pool: PgPool) {
    let (world, admin) = admin(pool).await;
    let send = async |kind: &str, body: String| world.send(&admin, Method::POST, "/api/v1/teams", &[("content-type", kind), ("sec-fetch-site", "same-origin")], body.into()).await;
    let torn = send("application/json", "{\n  \"name\": \"a\",\n  oops\n}".into()).await.expect(400);
    assert_eq!(torn.json()["code"], "malformed_request");
    says(&torn, &[("", "line 3, column 3")]);
    says(&send("application/json", "{\"name\": ".into()).await.expect(400), &[("", "ends too early")]);
    says(&send("application/json", "{\"name\": \"a\"} {}".into()).await.expect(400), &[("", "not JSON")]);
    says(&send("application/json", "{\"name\": \"a\", \"name\": \"b\"}".into()).await.expect(422), &[("", "twice")]);
    assert_eq!(send("text/plain", "{}".into()).await.expect(415).json()["code"], "unsupported_media_type");
    let large = send("application/json", format!("{{\"name\": \"{}\"}}", "a".repeat(1 << 20))).await.expect(413).json();
    assert_eq!((&large["code"], large["detail"].as_str().unwrap().contains("1024 KiB")), (&json!("too_large"), true));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_query_is_understood_whole_or_refused(pool: PgPool) {
    let (world, admin) = admin(pool).await;
    let ask = async |query: &str| world.get(&admin, &format!("/api/v1/{query}")).await;
    let unknown = ask("users?platform_rol=admin").await.expect(400);
    assert_eq!(unknown.json()["code"], "malformed_request");
    says(&unknown, &[("platform_rol", "There are: direction, page_size, page_token, platform_role, search, sort, state.")]);
    says(&ask("me?verbose=1").await.expect(400), &[("verbose", "takes no query parameters")]);
    says(&ask("users?state=active&state=disabled").await.expect(400), &[("state", "once")]);
    says(&ask("users?page_size=100000").await.expect(400), &[("page_size", "from 1 to 100")]);
    says(
        &ask("users?page_size=many&state=asleep&direction=up").await.expect(400),
        &[("direction", "ascending, descending"), ("page_size", "from 1 to 100, not a text"), ("state", "active, disabled")],
    );
    says(&ask("deployments?state=live,asleep").await.expect(400), &[("state", "one of: pending, rolling_out, live, degraded, failed, held, deleting")]);
    says(&ask("deployments?state=live&state=failed").await.expect(400), &[("state", "once")]);
    ask("deployments?state=live,failed").await.expect(200);
    says(&ask("users?page_size=99999999999999999999999").await.expect(400), &[("page_size", "from 1 to 100")]);
    says(&ask("users?sort=age").await.expect(400), &[("sort", "one of: name, email, created_at, last_seen_at")]);
    says(&ask("users?page_token=abc").await.expect(400), &[("page_token", "not from this list")]);
    says(&ask("releases?model=iris").await.expect(400), &[("model", "an id")]);
    says(&ask("operations?object_id=iris").await.expect(400), &[("object_id", "an id")]);
    says(&ask("audit?object_id=iris").await.expect(400), &[("object_id", "an id")]);
    for list in ["workspaces", "deployments"] {
        says(&ask(&format!("{list}?team=Two%20words&cluster=-")).await.expect(400), &[("team", "try two-words"), ("cluster", "starting with a letter")]);
    }
    says(&ask("models?team=T%C3%A9am").await.expect(400), &[("team", "try t-am")]);
    says(&ask("repositories?team=Two%20words&account=-").await.expect(400), &[("team", "try two-words"), ("account", "starting with a letter")]);
    says(&ask("repositories").await.expect(400), &[("team", "missing")]);
    says(&world.json(&admin, Method::POST, "/api/v1/teams?dry_run=true", &[], &json!({ "name": "a" })).await.expect(400), &[("dry_run", "takes no query parameters")]);
    let detail = async |query: &str| ask(query).await.expect(400).json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail("me?verbose=1&color=no").await, "This operation takes no query parameters.");
    assert_eq!(
        detail("users?role=admin&team=a").await,
        "There are no query parameters role, team here. There are: direction, page_size, page_token, platform_role, search, sort, state."
    );
    assert_eq!(detail("users?role=admin&state=asleep").await, "2 query parameters need a change.");
    ask("users?state=&search=").await.expect(200);
    // Whoever may not ask at all is not told what could be asked.
    world.get(&Caller::Stranger, "/api/v1/users?x=1").await.expect(401);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_team_or_cluster_of_others_is_told_like_one_that_is_not_there(pool: PgPool) {
    let place = Place::new(pool).await;
    let stranger = place.world.person("stranger", None).await.browser;
    for list in ["workspaces?team=", "deployments?team=", "models?team=", "repositories?team=", "workspaces?cluster=", "deployments?cluster="] {
        let field = if list.ends_with("team=") { "team" } else { "cluster" };
        let (theirs, none) = if field == "team" { ("forecasting", "nope") } else { ("lab", "nope") };
        let ask = async |named: &str| place.world.get(&stranger, &format!("/api/v1/{list}{named}")).await.expect(400);
        let (hidden, missing) = (ask(theirs).await, ask(none).await);
        says(&hidden, &[(field, "or you cannot see it")]);
        assert_eq!(hidden.json(), serde_json::from_str::<Value>(&missing.body.replace(none, theirs)).unwrap(), "{list}");
        if !list.starts_with("repositories") {
            place.world.get(&place.viewer.browser, &format!("/api/v1/{list}{theirs}")).await.expect(200);
        }
    }
    let new = json!({ "team": "nope", "name": "Not A Name" });
    let both = place.world.json(&place.deployer.browser, Method::POST, "/api/v1/models", &[], &new).await.expect(422);
    says(&both, &[("/team", "There is no team nope, or you cannot see it."), ("/name", "")]);
    let theirs = place.world.json(&stranger, Method::POST, "/api/v1/models", &[], &json!({ "team": "forecasting", "name": "mine" })).await.expect(422);
    says(&theirs, &[("/team", "There is no team forecasting, or you cannot see it.")]);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_thing_is_named_by_its_id_or_its_name(pool: PgPool) {
    let place = Place::new(pool).await;
    let deployment = place.deployed(1).await;
    let (world, admin, deployer) = (&place.world, &place.admin.browser, &place.deployer.browser);
    let (team, cluster, account) = (place.team.to_string(), CLUSTER.to_string(), uuid::Uuid::from_u128(0x20).to_string());
    let quota = json!({ "cpu_millis": 1000, "memory_mib": 1024, "pods": 10 });
    for (name, team, cluster) in [("by-name", "forecasting", "lab"), ("by-id", &team, &cluster), ("by-loud-id", &team.to_uppercase(), &cluster.to_uppercase())] {
        world.json(admin, Method::POST, "/api/v1/workspaces", &[], &json!({ "name": name, "team": team, "cluster": cluster, "quota": quota })).await.expect(202);
        world.json(deployer, Method::POST, "/api/v1/models", &[], &json!({ "name": name, "team": team })).await.expect(201);
        world.json(deployer, Method::POST, "/api/v1/tokens", &[], &json!({ "name": name, "team": team, "role": "viewer", "days": 1 })).await.expect(201);
        let invited = json!({ "email": format!("{name}@example.com"), "team": team });
        world.json(admin, Method::POST, "/api/v1/invitations", &[], &invited).await.expect(201);
        world.json(admin, Method::PUT, &format!("/api/v1/accounts/{account}/prefixes"), &[], &json!({ "prefix": format!("{name}/"), "team": team })).await.expect(200);
        for (list, least) in
            [(format!("workspaces?team={team}&cluster={cluster}"), 2), (format!("models?team={team}"), 2), (format!("deployments?team={team}&cluster={cluster}"), 1)]
        {
            let found = world.get(admin, &format!("/api/v1/{list}")).await.expect(200).json();
            assert!(found["items"].as_array().unwrap().len() >= least, "{list}: {found}");
        }
        for stranger in ["nobody", &uuid::Uuid::nil().to_string()] {
            for list in [format!("workspaces?team={stranger}&cluster={cluster}"), format!("deployments?team={stranger}&cluster={cluster}"), format!("models?team={stranger}")] {
                says(&world.get(admin, &format!("/api/v1/{list}")).await.expect(400), &[("team", "There is no team")]);
            }
            for list in ["workspaces", "deployments"] {
                says(&world.get(admin, &format!("/api/v1/{list}?team={team}&cluster={stranger}")).await.expect(400), &[("cluster", "There is no cluster")]);
            }
        }
        // The account is found; what is in it cannot be asked about here.
        world.get(deployer, &format!("/api/v1/repositories?team={team}&account={account}")).await.expect(502);
        world.get(deployer, &format!("/api/v1/repositories?team={team}&account=main")).await.expect(502);
    }
    let taken = json!({ "name": team, "team": "forecasting" });
    says(&world.json(deployer, Method::POST, "/api/v1/models", &[], &taken).await.expect(422), &[("/name", "what an id looks like")]);
    // What answers give can be sent back.
    let listed = world.get(deployer, "/api/v1/deployments").await.expect(200).json();
    let one = &listed["items"][0];
    assert_eq!((&one["id"], &one["cluster"], &one["cluster_name"]), (&json!(deployment), &json!(CLUSTER), &json!("lab")));
    assert_eq!((&one["release"], &one["release_number"], &one["model_name"]), (&json!(crate::place::RELEASES[0]), &json!(1), &json!("iris")));
    assert!(one["model"].is_string());
    let invitation = world.get(admin, "/api/v1/invitations").await.expect(200).json();
    assert_eq!((&invitation["items"][0]["team"], &invitation["items"][0]["team_name"]), (&json!(place.team), &json!("forecasting")));
}

/// `(action, object name, reason)` of what was refused.
async fn refused(pool: &PgPool) -> Vec<(String, Option<String>, String)> {
    sqlx::query_as("select action, object_name, reason from audit_events where outcome = 'refused' order by at, id").fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_was_refused_is_recorded_by_its_name(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let (world, viewer, deployer) = (&place.world, &place.viewer.browser, &place.deployer.browser);
    world.json(viewer, Method::DELETE, &format!("/api/v1/deployments/{id}"), &[], &json!({})).await.expect(403);
    world.json(viewer, Method::POST, "/api/v1/models", &[], &json!({ "team": "forecasting", "name": "tu\u{202e}lips<b>" })).await.expect(403);
    // Over REST and on the page alike, though the page shows its form again.
    let model = uuid::Uuid::from_u128(0x50);
    world.json(deployer, Method::POST, "/api/v1/releases", &[], &json!({ "model": model, "repository": "growth/iris", "tag": "1" })).await.expect(403);
    let again = world.post(deployer, &format!("/models/{model}/releases/new"), &[("do", "register"), ("repository", "growth/iris"), ("tag", "1")]).await.expect(403);
    assert!(again.body.contains("value=\"growth/iris\""), "{}", again.body);
    let events = refused(&pool).await;
    let named: Vec<(&str, Option<&str>)> = events.iter().map(|(action, name, _)| (action.as_str(), name.as_deref())).collect();
    assert_eq!(named, [("deployment.delete", Some("iris")), ("model.create", Some("tulips<b>")), ("release.create", Some("iris")), ("release.create", Some("iris"))]);
    assert!(events[2].2.contains("growth/iris is not your team's") && events[2].2 == events[3].2, "{events:?}");
    let page = world.get(&place.admin.browser, "/audit?outcome=refused").await.expect(200).body;
    assert!(page.contains("tulips&lt;b&gt;") && !page.contains("tulips<b>"), "{page}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_wrong_password_is_recorded_with_the_address_that_was_tried(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    world.inner.user_with_password("ada").await;
    for email in ["Ada@Example.com", "nobody@example.com"] {
        let form = [("email", email), ("password", "not the right one")];
        let answer = world.post(&Caller::Stranger, "/sign-in", &form).await.expect(401);
        assert!(!answer.body.contains("not the right one"));
    }
    let events = refused(&pool).await;
    let named: Vec<Option<&str>> = events.iter().map(|(_, name, _)| name.as_deref()).collect();
    assert_eq!(named, [Some("ada@example.com"), Some("nobody@example.com")]);
    assert!(!format!("{events:?}").contains("not the right one"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_same_image_twice_is_said(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    sqlx::query("update releases set digest = 'sha256:' || repeat('1', 64), port = 9000 where number = 2").execute(&pool).await.unwrap();
    let (world, viewer) = (&place.world, &place.viewer.browser);
    let second = crate::place::RELEASES[1];
    assert_eq!(world.get(viewer, &format!("/api/v1/releases/{second}")).await.expect(200).json()["same_as"], 1);
    let listed = world.get(viewer, "/api/v1/releases?sort=number&direction=ascending").await.expect(200).json();
    assert_eq!((&listed["items"][0]["same_as"], &listed["items"][1]["same_as"]), (&Value::Null, &json!(1)));
    let page = world.get(viewer, &format!("/releases/{second}")).await.expect(200).body;
    assert!(page.contains("The image is that of ") && page.contains("#release-1"), "{page}");
    let model = world.get(viewer, &format!("/models/{}", uuid::Uuid::from_u128(0x50))).await.expect(200).body;
    assert!(model.contains("the same image as "), "{model}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_reference_has_what_it_takes_to_ask(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.person("ada", None).await.browser;
    let moved = world.get(&ada, "/api/v1/docs").await.expect(308);
    assert_eq!(moved.header("location"), "/reference");
    let page = world.get(&ada, "/reference").await.expect(200).body;
    for operation in server::rest::document::openapi()["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values()) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(page.contains(&format!("id=\"{name}-curl\"")), "{name} has no curl");
        assert_eq!(page.contains(&format!("id=\"{name}-body\"")), operation["requestBody"].is_object(), "{name} and its body");
    }
    for text in ["curl --fail-with-body -X PATCH", "if-match: $ETAG", "Idempotency-Key", "1 to 100.", "team=forecasting"] {
        assert!(page.contains(text), "{text} is not on the page");
    }
    assert!(!page.to_lowercase().contains("swagger"));
}
