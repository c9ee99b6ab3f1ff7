//! A form that is posted when the session has ended: what was typed comes back after signing in.

use domain::access::PlatformRole;
use sqlx::PgPool;

use crate::common::{Answer, Caller, PASSWORD, World};

const HOSTILE: &str = "\"></textarea><script>alert(1)</script>";

/// The fields that a page carries out of sight, as a browser sends them.
fn hidden(page: &Answer) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| tag.split(&format!(" {name}=\"")).nth(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let plain = |text: String| text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let tags = page.body.split("<input").skip(1).map(|tag| tag.split('>').next().unwrap()).filter(|tag| tag.contains("type=\"hidden\""));
    tags.map(|tag| (plain(attribute(tag, "name").unwrap()), plain(attribute(tag, "value").unwrap()))).collect()
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_was_typed_outlives_the_session(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    world.inner.user_with_password("ada").await;
    let ada = world.post(&Caller::Stranger, "/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.expect(303).browser();
    let id = world.get(&ada, "/api/v1/me").await.expect(200).json()["id"].as_str().unwrap().to_owned();
    world.post(&admin.browser, &format!("/users/{id}"), &[("do", "update"), ("name", "Ada"), ("platform_role", "admin")]).await.expect(303);

    let fields = [("do", "create"), ("name", "My Team"), ("description", HOSTILE), ("owner", "bo@example.com"), ("_key", "k")];
    let ended = world.post(&Caller::Stranger, "/teams?search=x", &fields).await.expect(401);
    assert!(ended.body.contains("Your session ended") && ended.body.contains("action=\"/sign-in?next=%2Fteams%3Fsearch%3Dx\""), "{}", ended.body);
    let carried = hidden(&ended);
    let to = "/sign-in?next=%2Fteams%3Fsearch%3Dx";

    // A wrong password loses nothing either.
    let wrong = world.post(&Caller::Stranger, to, &[&borrowed(&carried)[..], &[("email", "ada@example.com"), ("password", "not it, but long enough")]].concat()).await.expect(401);
    assert_eq!(hidden(&wrong), carried);
    let again = world.post(&Caller::Stranger, to, &[&borrowed(&carried)[..], &[("email", "ada@example.com"), ("password", PASSWORD)]].concat()).await.expect(200);
    assert!(!again.body.contains("<script>alert") && !again.body.contains(PASSWORD) && again.body.contains("action=\"/teams?search=x\""), "{}", again.body);
    let back = hidden(&again);
    assert!(back.iter().all(|(name, _)| ["name", "description", "owner"].contains(&name.as_str())), "{back:?}");

    let form = world.post(&again.browser(), "/teams?search=x", &[&borrowed(&back)[..], &[("do", "resume")]].concat()).await.expect(422);
    for text in ["You are signed in again, and nothing was done yet.", "value=\"My Team\"", "value=\"bo@example.com\"", "&lt;/textarea&gt;&lt;script&gt;"] {
        assert!(form.body.contains(text), "{text} is not in {}", form.body);
    }
    assert_eq!(world.get(&admin.browser, "/api/v1/teams").await.expect(200).json()["items"], serde_json::json!([]), "nothing was made");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn no_password_waits_on_a_page(pool: PgPool) {
    let world = World::new(pool).await;
    let fields = [("do", "change_password"), ("current_password", PASSWORD), ("new_password", "a new one of many words"), ("password_again", "a new one of many words")];
    let ended = world.post(&Caller::Stranger, "/profile", &fields).await.expect(401);
    assert!(ended.body.contains("Your session ended") && !ended.body.contains("many+words") && !ended.body.contains("many words"), "{}", ended.body);
    assert_eq!(hidden(&ended), [("kept".to_owned(), String::new())]);
    // Whoever reads an address without being signed in had no session that ended, and nothing to press.
    let asked = world.get(&Caller::Stranger, "/sign-in?next=/teams").await.expect(200);
    assert!(!asked.body.contains("Your session ended"));
}
