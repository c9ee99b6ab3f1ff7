//! What a form says of where it posts to.

use sqlx::PgPool;

use crate::{
    common::Answer,
    place::{CLUSTER, Place, WORKSPACE},
};

/// Where the page's forms post to.
#[track_caller]
fn addresses(page: &Answer) -> Vec<String> {
    let forms: Vec<&str> = page.body.split("<form").skip(1).map(|form| form.split('>').next().unwrap()).filter(|form| form.contains("method=\"post\"")).collect();
    let to = |form: &&str| form.split(" action=\"").nth(1).unwrap_or_else(|| panic!("a form without an address: {form}")).split('"').next().unwrap().to_owned();
    forms.iter().map(to).collect()
}

/// The part after a `#` takes the focus from the field that is wrong, and goes along to whatever page comes next.
#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn every_form_posts_to_its_own_page_without_a_fragment(pool: PgPool) {
    let place = Place::new(pool).await;
    let id = place.deployed(1).await;
    let pages = [
        (&place.admin, "/teams".to_owned()),
        (&place.admin, "/users".to_owned()),
        (&place.admin, "/accounts".to_owned()),
        (&place.admin, "/workspaces".to_owned()),
        (&place.admin, format!("/workspaces/{WORKSPACE}")),
        (&place.admin, format!("/clusters/{CLUSTER}")),
        (&place.admin, format!("/teams/{}", place.team)),
        (&place.deployer, "/models?search=iris".to_owned()),
        (&place.deployer, format!("/models/{}", uuid::Uuid::from_u128(0x50))),
        (&place.deployer, format!("/deployments/{id}/change")),
        (&place.deployer, "/deployments/new".to_owned()),
        (&place.deployer, "/profile".to_owned()),
    ];
    for (person, page) in pages {
        let answer = place.world.get(&person.browser, &page).await.expect(200);
        let own: Vec<String> = addresses(&answer).into_iter().filter(|to| to != "/sign-out").collect();
        assert!(!own.is_empty() && own.iter().all(|to| *to == page), "{page} has forms for {own:?}");
    }
    let wrong = place.world.post(&place.admin.browser, &format!("/workspaces/{WORKSPACE}"), &[("do", "update"), ("cpu", "many")]).await.expect(422);
    assert!(wrong.body.contains("aria-invalid=\"true\" autofocus") && addresses(&wrong).iter().all(|to| !to.contains('#')), "{}", wrong.body);
}
