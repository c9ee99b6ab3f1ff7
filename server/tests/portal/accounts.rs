//! `/accounts`, over REST and as pages. AWS itself is a closed port here; what it says is tested against an emulator, beside the operations.

use control::{accounts, teams};
use domain::{
    access::PlatformRole,
    account::{Account, NewAccount},
    team::NewTeam,
};
use http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::common::{Person, World};

const ROLE: &str = "arn:aws:iam::123456789012:role/slipway";

async fn admin(world: &World) -> Person {
    world.person("admin", Some(PlatformRole::Admin)).await
}

async fn account(admin: &Person) -> Account {
    let new = NewAccount { name: "main".into(), role_arn: Some(ROLE.into()), regions: vec!["us-east-1".into()] };
    accounts::create(&admin.ctx, &new).await.unwrap()
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn automation_adds_changes_and_removes_an_account(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    let made = world.json(&admin.browser, Method::POST, "/api/v1/accounts", &[], &json!({"name": "main", "role_arn": ROLE, "regions": ["us-east-1"]})).await.expect(201);
    let (path, tag) = (made.header("location").to_owned(), made.header("etag").to_owned());
    assert_eq!(made.json()["aws_account_id"], "123456789012");
    assert_eq!(world.get(&admin.browser, &path).await.expect(200).json(), made.json());

    world.json(&admin.browser, Method::PATCH, &path, &[], &json!({"regions": ["eu-west-1"]})).await.expect(428);
    let changed = world.json(&admin.browser, Method::PATCH, &path, &[("if-match", &tag)], &json!({"regions": ["eu-west-1"]})).await.expect(200);
    assert_eq!(changed.json()["regions"], json!(["eu-west-1"]));
    let stale = world.json(&admin.browser, Method::PATCH, &path, &[("if-match", &tag)], &json!({"regions": ["eu-west-2"]})).await.expect(412);
    assert_eq!(stale.json()["code"], "precondition_failed");

    let checked = world.json(&admin.browser, Method::POST, &format!("{path}/check"), &[], &json!({})).await.expect(200).json();
    assert!(checked["check_error"].as_str().unwrap().contains("assume the role"), "{checked}");
    let policy = world.get(&admin.browser, &format!("{path}/policy")).await.expect(200).json();
    assert!(policy["permissions"].to_string().contains("eks:CreateAccessEntry") && policy["trust"].is_null() && policy["principal_error"].is_string(), "{policy}");

    teams::create(&admin.ctx, &NewTeam { name: "forecasting".into(), ..NewTeam::default() }).await.unwrap();
    let given = world.json(&admin.browser, Method::PUT, &format!("{path}/prefixes"), &[], &json!({"prefix": "forecasting/", "team": "forecasting"})).await.expect(200);
    assert_eq!(given.json()["prefixes"][0]["team_name"], "forecasting");
    let kept = world.json(&admin.browser, Method::DELETE, &path, &[], &json!({})).await.expect(409).json();
    assert_eq!((&kept["code"], &kept["blockers"][0]["name"]), (&json!("in_use"), &json!("forecasting/")));
    world.json(&admin.browser, Method::DELETE, &format!("{path}/prefixes?prefix=forecasting%2F"), &[], &json!({})).await.expect(200);
    world.json(&admin.browser, Method::DELETE, &path, &[], &json!({})).await.expect(204);
    world.get(&admin.browser, &path).await.expect(404);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_person_does_the_same_by_hand(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    assert!(world.get(&admin.browser, "/accounts").await.expect(200).body.contains("No AWS account yet"));
    let hostile = "\"></textarea><script>alert(1)</script>";
    let again = world.post(&admin.browser, "/accounts", &[("do", "create"), ("name", hostile), ("role_arn", hostile), ("regions", "mars")]).await.expect(422);
    assert!(!again.body.contains("<script>alert") && again.body.contains("value=\"mars\"") && again.body.contains("Enter an AWS region"), "{}", again.body);

    let made = world.post(&admin.browser, "/accounts", &[("do", "create"), ("name", "main"), ("role_arn", ROLE), ("regions", "us-east-1, eu-west-1")]).await.expect(303);
    let path = made.header("location").to_owned();
    let page = world.get(&admin.browser, &path).await.expect(200);
    for text in ["Check it once", "Not checked yet", "sts:SetSourceIdentity", "us-east-1, eu-west-1", "Remove this account"] {
        assert!(page.body.contains(text), "{text}");
    }
    world.post(&admin.browser, &path, &[("do", "check")]).await.expect(303);
    let checked = world.get(&admin.browser, &path).await.expect(200);
    assert!(checked.body.contains("Slipway does not get into this account") && checked.body.contains("What AWS said"), "{}", checked.body);

    let teamless = world.post(&admin.browser, &path, &[("do", "add_prefix"), ("prefix", "forecasting/"), ("team", "nobody")]).await.expect(422);
    assert!(teamless.body.contains("There is no team nobody."));
    let unsure = world.post(&admin.browser, &path, &[("do", "delete"), ("confirm", "mine")]).await.expect(422);
    assert!(unsure.body.contains("Type main exactly to confirm."));
    assert_eq!(world.post(&admin.browser, &path, &[("do", "delete"), ("confirm", "main")]).await.expect(303).header("location"), "/accounts");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_auditor_reads_without_forms_and_a_member_sees_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    let account = account(&admin).await;
    let auditor = world.person("auditor", Some(PlatformRole::Auditor)).await;
    let page = world.get(&auditor.browser, &format!("/accounts/{}", account.id)).await.expect(200);
    assert!(page.body.contains(&account.external_id) && !page.body.contains("value=\"delete\"") && !page.body.contains("value=\"check\""));
    world.post(&auditor.browser, &format!("/accounts/{}", account.id), &[("do", "check")]).await.expect(403);
    let member = world.person("member", None).await;
    let hidden = world.get(&member.browser, &format!("/accounts/{}", account.id)).await.expect(404);
    assert!(!hidden.body.contains("main</"), "{}", hidden.body);
    world.get(&member.browser, "/accounts").await.expect(404);
}
