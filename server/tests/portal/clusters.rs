//! `/clusters/{id}`

use domain::access::PlatformRole;
use sqlx::PgPool;

use crate::{
    common::World,
    place::{CLUSTER, Place},
};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_saved_connection_and_a_detached_cluster_are_said_on_the_next_page(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let (world, admin, path) = (&place.world, &place.admin.browser, format!("/clusters/{CLUSTER}"));
    let saved = world.post(admin, &path, &[("do", "set_connection"), ("server", ""), ("certificate_authority", ""), ("tls_server_name", "")]).await.expect(303);
    assert!(saved.header("set-cookie").starts_with("slipway-said=connection;"), "{saved:?}");
    sqlx::query("delete from workspaces").execute(&pool).await.unwrap();
    let detached = world.post(admin, &path, &[("do", "detach"), ("confirm", "lab")]).await.expect(303);
    assert_eq!(detached.header("location"), "/clusters");
    assert!(detached.header("set-cookie").starts_with("slipway-said=detached;"), "{detached:?}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_way_in_is_written_out_for_each_authentication_mode(pool: PgPool) {
    let world: World = Place::new(pool.clone()).await.world;
    let auditor = world.person("aud", Some(PlatformRole::Auditor)).await;
    let by_entry = "With an access entry:";
    for (mode, there, not) in [
        ("CONFIG_MAP", vec!["<p>With the ConfigMap", "kubectl create -f - ", "kubectl apply --server-side"], vec![by_entry, "Or with"]),
        ("API_AND_CONFIG_MAP", vec![by_entry, "<p>Or with the ConfigMap", "kubectl create -f - "], vec![]),
        ("API", vec![by_entry, "kubectl apply --server-side"], vec!["aws-auth"]),
    ] {
        sqlx::query("update clusters set state = 'needs_access', authentication_mode = $1, principal_arn = 'arn:aws:iam::123456789012:role/slipway'")
            .bind(mode)
            .execute(&pool)
            .await
            .unwrap();
        // What the server drew between two pieces of text is no text.
        let page = world.get(&auditor.browser, &format!("/clusters/{CLUSTER}")).await.expect(200).body.replace("<!>", "");
        for text in there {
            assert!(page.contains(text), "{mode}: {text} is not in {page}");
        }
        for text in not {
            assert!(!page.contains(text), "{mode}: {text} is in {page}");
        }
    }
}
