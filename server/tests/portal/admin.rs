//! `slipway admin`.

use control::audit::seal;
use domain::team::NewTeam;
use server::{admin, config::Admin};
use sqlx::PgPool;

use crate::common::World;

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_record_that_was_tampered_with_is_found_out(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let owner = world.person("admin", Some(domain::access::PlatformRole::Admin)).await;
    for name in ["one", "two", "three"] {
        control::teams::create(&owner.ctx, &NewTeam { name: name.into(), ..NewTeam::default() }).await.unwrap();
    }
    sqlx::query("update audit_events set at = at - interval '1 minute'").execute(&pool).await.unwrap();
    assert_eq!(seal::seal(&pool).await.unwrap(), 3);
    admin::run(world.inner.control.clone(), &Admin::VerifyAudit).await.unwrap();

    sqlx::query("update audit_events set object_name = 'four' where object_name = 'two'").execute(&pool).await.unwrap();
    let broken = admin::run(world.inner.control.clone(), &Admin::VerifyAudit).await.unwrap_err();
    assert!(broken.to_string().contains("event 2 does not fit"), "{broken}");
    sqlx::query("delete from audit_events where object_name = 'one'").execute(&pool).await.unwrap();
    let broken = admin::run(world.inner.control.clone(), &Admin::VerifyAudit).await.unwrap_err();
    assert!(broken.to_string().contains("event 1 does not fit"), "{broken}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_reset_for_nobody_says_so(pool: PgPool) {
    let world = World::new(pool).await;
    let nobody = admin::run(world.inner.control.clone(), &Admin::ResetPassword { email: "nobody@example.com".into() }).await.unwrap_err();
    assert_eq!(nobody.to_string(), "Nobody here has the address nobody@example.com. The page Users lists everybody with the address they sign in with.");
}
