use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    ids::{ModelId, ReleaseId},
    model::{NewModel, NewRelease, ReleaseQuery},
    page::PageQuery,
    serving::Protocol,
    team::{MemberChange, NewTeam},
};
use sqlx::PgPool;

use super::fixture;
use crate::{Ctx, models, releases, teams, testing::World};

struct Team {
    owner: Ctx,
    deployer: Ctx,
    viewer: Ctx,
    model: ModelId,
}

async fn team(world: &World) -> Team {
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (owner, deployer, viewer) = (world.user("owner", None).await, world.user("deployer", None).await, world.user("viewer", None).await);
    let team = teams::create(&admin, &NewTeam { name: "forecasting".into(), owner: Some("owner@example.com".into()), ..NewTeam::default() }).await.unwrap();
    for role in [TeamRole::Deployer, TeamRole::Viewer] {
        teams::set_member(&admin, team.id, &MemberChange { email: format!("{}@example.com", role.as_str()), role }).await.unwrap();
    }
    let model = models::create(&owner, &NewModel { team: "forecasting".into(), name: "iris".into(), ..NewModel::default() }).await.unwrap().id;
    Team { owner, deployer, viewer, model }
}

fn new(model: ModelId) -> NewRelease {
    NewRelease {
        model,
        account: None,
        region: None,
        repository: "forecasting/iris".into(),
        tag: "1".into(),
        port: None,
        health_path: None,
        protocol: Protocol::OpenInferenceV2,
        size: None,
        notes: String::new(),
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_is_wrong_is_said_before_aws_is_asked(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let Team { deployer, viewer, model, .. } = team(&world).await;
    assert!(releases::create(&viewer, &new(model)).await.unwrap_err().is(Code::Forbidden));
    assert!(releases::create(&world.user("stranger", None).await, &new(model)).await.unwrap_err().is(Code::NotFound));
    assert!(releases::create(&deployer, &new(ModelId::generate())).await.unwrap_err().is(Code::NotFound));
    let wrong = NewRelease { repository: "123.dkr.ecr/x:1".into(), tag: "a b".into(), port: Some(80), health_path: Some("health".into()), notes: "x\0".into(), ..new(model) };
    let wrong = releases::create(&deployer, &wrong).await.unwrap_err();
    for field in ["repository", "tag", "port", "health_path", "notes"] {
        assert!(wrong.rejected().unwrap().message_for(field).is_some(), "{field}");
    }
    let foreign = releases::create(&deployer, &new(model)).await.unwrap_err();
    assert!(foreign.is(Code::RepositoryNotGranted) && foreign.rejected().unwrap().message_for("repository").is_some());

    let account = uuid::Uuid::now_v7();
    sqlx::query("insert into accounts (id, name, aws_account_id, external_id, regions) values ($1, 'main', '123456789012', 'x', '{us-east-1,eu-west-1}')")
        .bind(account)
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("insert into repository_prefixes (account_id, prefix, team_id) select $1, 'forecasting/', id from teams").bind(account).execute(&pool).await.unwrap();
    let which = releases::create(&deployer, &new(model)).await.unwrap_err();
    assert!(which.rejected().unwrap().message_for("region").unwrap().contains("eu-west-1"));
    let away = releases::create(&deployer, &NewRelease { region: Some("eu-west-1".into()), ..new(model) }).await.unwrap_err();
    assert!(away.is(Code::AwsUnavailable) && away.rejected().unwrap().message.starts_with("In main, eu-west-1: "), "{away}");
    assert!(releases::list(&deployer, &ReleaseQuery::default()).await.unwrap().items.is_empty());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn releases_are_seen_by_the_team_and_deleted_by_owners(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let Team { owner, deployer, viewer, model } = team(&world).await;
    let (first, second) = (fixture::insert(&pool, model, 1).await, fixture::insert(&pool, model, 2).await);
    let listed = releases::list(&viewer, &ReleaseQuery { model: Some(model), ..ReleaseQuery::default() }).await.unwrap();
    assert_eq!(listed.items.iter().map(|release| release.number).collect::<Vec<_>>(), [2, 1]);
    let release = releases::get(&viewer, first).await.unwrap();
    assert_eq!((release.model_name.as_str(), release.team_name.as_str(), release.port), ("iris", "forecasting", 8080));
    let stranger = world.user("stranger", None).await;
    assert!(releases::get(&stranger, first).await.unwrap_err().is(Code::NotFound));
    assert!(releases::delete(&stranger, first).await.unwrap_err().is(Code::NotFound));
    assert!(releases::list(&stranger, &ReleaseQuery { model: Some(model), ..ReleaseQuery::default() }).await.unwrap().items.is_empty());
    assert!(releases::delete(&deployer, first).await.unwrap_err().is(Code::Forbidden));

    let deployment = fixture::deploy(&pool, first, "iris-main").await;
    let refused = releases::delete(&owner, first).await.unwrap_err();
    assert_eq!(refused.rejected().unwrap().blockers[0].path, format!("/deployments/{deployment}"));
    releases::delete(&owner, second).await.unwrap();
    assert!(releases::get(&owner, second).await.unwrap_err().is(Code::NotFound));
    assert!(releases::delete(&owner, ReleaseId::generate()).await.unwrap_err().is(Code::NotFound));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_number_is_never_given_twice(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let Team { owner, model, .. } = team(&world).await;
    let only = fixture::insert(&pool, model, 1).await;
    let mut conn = owner.write().await.unwrap();
    assert_eq!(models::next_release(&mut conn, model).await.unwrap(), 2);
    releases::delete(&owner, only).await.unwrap();
    assert_eq!(models::next_release(&mut conn, model).await.unwrap(), 3);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn pages_follow_each_other_in_every_order(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let Team { viewer, model, .. } = team(&world).await;
    for number in 1..=12 {
        fixture::insert(&pool, model, number).await;
    }
    for sort in ["number", "created_at"] {
        let mut query = ReleaseQuery { page: PageQuery { page_size: Some(5), sort: Some(sort.into()), ..PageQuery::default() }, model: Some(model) };
        let mut seen = Vec::new();
        loop {
            let page = releases::list(&viewer, &query).await.unwrap();
            seen.extend(page.items.into_iter().map(|release| release.number));
            match page.next_page_token {
                Some(token) => query.page.page_token = Some(token),
                None => break,
            }
        }
        assert_eq!(seen, (1..=12).rev().collect::<Vec<_>>(), "{sort}");
    }
}
