use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    model::{Model, ModelChange, ModelQuery, NewModel},
    page::PageQuery,
    team::{MemberChange, NewTeam},
};
use sqlx::PgPool;

use crate::{Ctx, models, teams, testing::World};

const HOSTILE: &str = "</textarea><script>alert(1)</script>";

/// An owner, a deployer and a viewer of the team forecasting, in this order.
async fn forecasting(world: &World) -> [Ctx; 3] {
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let people = [world.user("owner", None).await, world.user("deployer", None).await, world.user("viewer", None).await];
    let team = teams::create(&admin, &NewTeam { name: "forecasting".into(), owner: Some("owner@example.com".into()), ..NewTeam::default() }).await.unwrap();
    for role in [TeamRole::Deployer, TeamRole::Viewer] {
        teams::set_member(&admin, team.id, &MemberChange { email: format!("{}@example.com", role.as_str()), role }).await.unwrap();
    }
    people
}

fn new(name: &str) -> NewModel {
    NewModel { team: "forecasting".into(), name: name.into(), description: HOSTILE.into() }
}

async fn made(ctx: &Ctx, name: &str) -> Model {
    models::create(ctx, &new(name)).await.unwrap()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn deployers_make_models_and_viewers_see_them(pool: PgPool) {
    let world = World::new(pool).await;
    let [_, deployer, viewer] = forecasting(&world).await;
    let model = made(&deployer, "iris").await;
    assert_eq!((model.description.as_str(), model.releases, model.latest_release), (HOSTILE, 0, None));
    assert_eq!(models::get(&viewer, model.id).await.unwrap(), model);
    assert!(models::create(&viewer, &new("tulips")).await.unwrap_err().is(Code::Forbidden));
    assert!(models::update(&viewer, model.id, &ModelChange::default()).await.unwrap_err().is(Code::Forbidden));
    assert!(models::delete(&deployer, model.id).await.unwrap_err().is(Code::Forbidden));
    let admin = world.user("other-admin", Some(PlatformRole::Admin)).await;
    assert!(models::create(&admin, &new("tulips")).await.unwrap_err().is(Code::Forbidden));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn others_do_not_even_see_them(pool: PgPool) {
    let world = World::new(pool).await;
    let [owner, ..] = forecasting(&world).await;
    let model = made(&owner, "iris").await;
    let stranger = world.user("stranger", None).await;
    assert!(models::get(&stranger, model.id).await.unwrap_err().is(Code::NotFound));
    assert!(models::update(&stranger, model.id, &ModelChange::default()).await.unwrap_err().is(Code::NotFound));
    assert!(models::delete(&stranger, model.id).await.unwrap_err().is(Code::NotFound));
    assert!(models::create(&stranger, &new("mine")).await.unwrap_err().is(Code::InvalidInput));
    assert!(models::list(&stranger, &ModelQuery { team: Some("forecasting".into()), ..ModelQuery::default() }).await.unwrap_err().is(Code::InvalidInput));
    assert!(models::list(&world.nobody(), &ModelQuery::default()).await.unwrap_err().is(Code::Unauthenticated));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_name_is_taken_once_per_team_and_every_wrong_field_is_named(pool: PgPool) {
    let world = World::new(pool).await;
    let [owner, ..] = forecasting(&world).await;
    made(&owner, "iris").await;
    let taken = models::create(&owner, &new("iris")).await.unwrap_err();
    assert!(taken.is(Code::AlreadyExists) && taken.rejected().unwrap().message_for("name").is_some());
    let wrong = models::create(&owner, &NewModel { name: "Iris main".into(), description: "x".repeat(2001), ..new("iris") }).await.unwrap_err();
    let wrong = wrong.rejected().unwrap();
    assert!(wrong.message_for("name").unwrap().contains("iris-main") && wrong.message_for("description").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_description_changes_only_for_who_saw_the_last_one(pool: PgPool) {
    let world = World::new(pool).await;
    let [_, deployer, _] = forecasting(&world).await;
    let model = made(&deployer, "iris").await;
    let change = |text: &str| ModelChange { description: Some(text.into()) };
    let changed = models::update(&deployer.seeing(model.version), model.id, &change("Flowers")).await.unwrap();
    assert_eq!((changed.description.as_str(), changed.version), ("Flowers", model.version + 1));
    assert!(models::update(&deployer.seeing(model.version), model.id, &change("Others")).await.unwrap_err().is(Code::PreconditionFailed));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_model_with_releases_or_deployments_stays(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let [owner, ..] = forecasting(&world).await;
    let model = made(&owner, "iris").await;
    let release = crate::releases::fixture::insert(&pool, model.id, 1).await;
    let deployment = crate::releases::fixture::deploy(&pool, release, "iris-main").await;
    let refused = models::delete(&owner, model.id).await.unwrap_err();
    let refused = refused.rejected().unwrap();
    assert_eq!(refused.code, Code::InUse);
    let blockers: Vec<(&str, &str)> = refused.blockers.iter().map(|blocker| (blocker.kind.as_str(), blocker.name.as_str())).collect();
    assert_eq!(blockers, [("deployment", "iris-main"), ("release", "iris 1")]);
    assert_eq!(models::get(&owner, model.id).await.unwrap().deployments, 1);

    sqlx::query("delete from deployments where id = $1").bind(deployment).execute(&pool).await.unwrap();
    assert!(models::delete(&owner, model.id).await.unwrap_err().is(Code::InUse));
    crate::releases::delete(&owner, release).await.unwrap();
    models::delete(&owner, model.id).await.unwrap();
    assert!(models::get(&owner, model.id).await.unwrap_err().is(Code::NotFound));
    let recorded: Vec<String> = sqlx::query_scalar("select action from audit_events where object_kind in ('model', 'release') order by at, id").fetch_all(&pool).await.unwrap();
    assert_eq!(recorded, ["model.create", "release.delete", "model.delete"]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn pages_follow_each_other_in_every_order(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let [owner, ..] = forecasting(&world).await;
    for n in 0..5 {
        let model = made(&owner, &format!("model-{n}")).await;
        if n % 2 == 0 {
            crate::releases::fixture::insert(&pool, model.id, 1).await;
        }
    }
    for sort in ["name", "created_at", "latest_release"] {
        let mut query = ModelQuery { page: PageQuery { page_size: Some(2), sort: Some(sort.into()), ..PageQuery::default() }, team: Some("forecasting".into()) };
        let mut seen = Vec::new();
        loop {
            let page = models::list(&owner, &query).await.unwrap();
            seen.extend(page.items.into_iter().map(|model| model.name));
            match page.next_page_token {
                Some(token) => query.page.page_token = Some(token),
                None => break,
            }
        }
        if sort == "created_at" {
            assert_eq!(seen, (0..5).rev().map(|n| format!("model-{n}")).collect::<Vec<_>>());
        }
        seen.sort();
        assert_eq!(seen, (0..5).map(|n| format!("model-{n}")).collect::<Vec<_>>(), "{sort}");
    }
    let found = ModelQuery { page: PageQuery { search: Some("model-3".into()), ..PageQuery::default() }, team: None };
    assert_eq!(models::list(&owner, &found).await.unwrap().items.len(), 1);
    let elsewhere = ModelQuery { team: Some("growth".into()), ..ModelQuery::default() };
    assert!(models::list(&owner, &elsewhere).await.unwrap_err().is(Code::InvalidInput));
}
