//! Repositories, images, and releases pinned to what a tag pointed at.

use control::{Ctx, OrReplay as _, accounts, models, releases, teams};
use domain::{
    Code,
    account::{ImageQuery, NewAccount, NewPrefix, RepositoryQuery},
    ids::ModelId,
    model::{NewModel, NewRelease},
    page::PageQuery,
    serving::Protocol,
    size::Size,
    team::NewTeam,
};
use sqlx::PgPool;

use crate::emulator::{Checking, Emulator, admin};

/// The team forecasting with the prefix `forecasting/`, its owner, and its model iris.
async fn team(emulator: &Emulator, pool: PgPool) -> (Ctx, Ctx, ModelId) {
    let world = emulator.world_of_root(pool).await;
    let admin = admin(&world).await;
    let owner = world.user("owner", None).await;
    teams::create(&admin, &NewTeam { name: "forecasting".into(), owner: Some("owner@example.com".into()), ..NewTeam::default() }).await.unwrap();
    let account = accounts::create(&admin, &NewAccount { name: "main".into(), role_arn: None, regions: vec!["us-east-1".into()] }).await.unwrap();
    accounts::check(&admin, account.id).await.unwrap();
    accounts::add_prefix(&admin, account.id, &NewPrefix { prefix: "forecasting".into(), team: "forecasting".into() }).await.unwrap();
    let model = models::create(&owner, &NewModel { team: "forecasting".into(), name: "iris".into(), ..NewModel::default() }).await.unwrap().id;
    (admin, owner, model)
}

fn new(model: ModelId, repository: &str, tag: &str) -> NewRelease {
    NewRelease {
        model,
        account: None,
        region: None,
        repository: repository.into(),
        tag: tag.into(),
        port: None,
        health_path: None,
        protocol: Protocol::OpenInferenceV2,
        size: None,
        notes: "</textarea><script>alert(1)</script>".into(),
    }
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_release_keeps_the_image_its_tag_pointed_at(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let (_, owner, model) = team(&emulator, pool.clone()).await;
    let first = emulator.push("forecasting/iris", "1", "first").await;
    let release = releases::create(&owner, &new(model, "forecasting/iris", "1")).await.unwrap();
    assert_eq!((release.number, release.digest.as_str(), release.port, release.health_path.as_str(), release.size), (1, first.as_str(), 8080, "/v2/health/ready", Size::Small));
    assert!(release.repository_uri.ends_with("/forecasting/iris"), "{}", release.repository_uri);
    assert_eq!((release.region.as_str(), release.created_by.as_str()), ("us-east-1", "owner"));

    let moved = emulator.push("forecasting/iris", "1", "second").await;
    assert_ne!(moved, first);
    assert_eq!(releases::get(&owner, release.id).await.unwrap(), release);
    let second = releases::create(&owner, &new(model, "forecasting/iris", "1")).await.unwrap();
    assert_eq!((second.number, second.digest), (2, moved));
    assert_eq!(models::get(&owner, model).await.unwrap().latest_release, Some(2));
    let image: serde_json::Value = sqlx::query_scalar("select changes from audit_events where action = 'release.create' order by at, id limit 1").fetch_one(&pool).await.unwrap();
    assert!(image.to_string().contains(&first), "{image}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn releases_at_once_get_numbers_of_their_own_and_a_repetition_gets_none(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let (_, owner, model) = team(&emulator, pool.clone()).await;
    emulator.push("forecasting/iris", "1", "first").await;
    let new = new(model, "forecasting/iris", "1");
    let ports: Vec<NewRelease> = (0..5).map(|n| NewRelease { port: Some(9000 + n), ..new.clone() }).collect();
    let at_once = futures::future::join_all(ports.iter().map(|new| releases::create(&owner, new))).await;
    let mut numbers: Vec<i32> = at_once.into_iter().map(|release| release.unwrap().number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);

    let once = owner.once("register-6");
    let first = releases::create(&once, &new).await.or_replay().unwrap();
    let again = releases::create(&once, &new).await.or_replay().unwrap();
    assert_eq!((first.number, &again), (6, &first));
    // The image is one; what it is run with makes another release of it.
    assert_eq!(first.same_as, Some(1));
    let twin = releases::create(&owner, &new).await.unwrap_err();
    assert!(twin.is(Code::AlreadyExists) && twin.rejected().unwrap().message_for("tag").unwrap().contains("iris 6 is this already"), "{twin}");
    assert_eq!(sqlx::query_scalar::<_, i64>("select count(*) from releases").fetch_one(&pool).await.unwrap(), 6);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_not_there_is_said_at_its_field(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let (admin, owner, model) = team(&emulator, pool.clone()).await;
    emulator.push("forecasting/iris", "1", "first").await;
    emulator.push("vision/cat", "1", "first").await;
    let untagged = releases::create(&owner, &new(model, "forecasting/iris", "gone")).await.unwrap_err();
    assert!(untagged.is(Code::ImageNotFound) && untagged.rejected().unwrap().message_for("tag").is_some(), "{untagged}");
    let nowhere = releases::create(&owner, &new(model, "forecasting/nothing", "1")).await.unwrap_err();
    assert!(nowhere.is(Code::ImageNotFound) && nowhere.rejected().unwrap().message_for("repository").is_some(), "{nowhere}");
    let foreign = releases::create(&owner, &new(model, "vision/cat", "1")).await.unwrap_err();
    assert!(foreign.is(Code::RepositoryNotGranted) && foreign.rejected().unwrap().message_for("repository").is_some(), "{foreign}");
    assert_eq!(sqlx::query_scalar::<_, i64>("select count(*) from releases").fetch_one(&pool).await.unwrap(), 0);

    let account = accounts::list(&admin, &PageQuery::default()).await.unwrap().items.remove(0);
    releases::create(&owner, &new(model, "forecasting/iris", "1")).await.unwrap();
    accounts::remove_prefix(&admin, account.id, "forecasting/").await.unwrap();
    assert!(releases::create(&owner, &new(model, "forecasting/iris", "1")).await.unwrap_err().is(Code::RepositoryNotGranted));
    let kept = accounts::delete(&admin, account.id).await.unwrap_err();
    assert_eq!(kept.rejected().unwrap().blockers[0].name, "iris 1");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_team_sees_its_own_repositories_only(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let (_, owner, _) = team(&emulator, pool).await;
    for repository in ["forecasting/iris", "forecasting/sales", "forecasting/deep/wine", "forecasting-secret/x", "vision/cat"] {
        emulator.push(repository, "1", repository).await;
    }
    let ask = |page: PageQuery| RepositoryQuery { page, team: "forecasting".into(), ..RepositoryQuery::default() };
    let names = |page: domain::page::Page<domain::account::Repository>| page.items.into_iter().map(|repository| repository.name).collect::<Vec<_>>();
    let all = accounts::repositories::list(&owner, &ask(PageQuery::default())).await.unwrap();
    assert_eq!(all.items[0].account_name, "main");
    assert_eq!(names(all), ["forecasting/deep/wine", "forecasting/iris", "forecasting/sales"]);
    let found = accounts::repositories::list(&owner, &ask(PageQuery { search: Some("SALES".into()), ..PageQuery::default() })).await.unwrap();
    assert_eq!(names(found), ["forecasting/sales"]);

    let first = accounts::repositories::list(&owner, &ask(PageQuery { page_size: Some(2), ..PageQuery::default() })).await.unwrap();
    let rest = PageQuery { page_size: Some(2), page_token: first.next_page_token.clone(), ..PageQuery::default() };
    let rest = accounts::repositories::list(&owner, &ask(rest)).await.unwrap();
    assert_eq!((names(first).len(), rest.next_page_token.clone(), names(rest)), (2, None, vec!["forecasting/sales".to_owned()]));
    let elsewhere = RepositoryQuery { region: Some("eu-west-1".into()), ..ask(PageQuery::default()) };
    assert!(accounts::repositories::list(&owner, &elsewhere).await.unwrap().items.is_empty());
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn images_are_found_by_tag_and_digest(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let (_, owner, _) = team(&emulator, pool).await;
    let digest = emulator.push("forecasting/iris", "1", "first").await;
    emulator.push("forecasting/iris", "stable", "first").await;
    emulator.push("forecasting/iris", "2", "second").await;
    let ask = |repository: &str, search: Option<&str>| ImageQuery {
        page: PageQuery { search: search.map(str::to_owned), ..PageQuery::default() },
        team: "forecasting".into(),
        repository: repository.into(),
        ..ImageQuery::default()
    };
    assert_eq!(accounts::repositories::images(&owner, &ask("forecasting/iris", None)).await.unwrap().items.len(), 2);
    for search in ["stab", &digest[7..20]] {
        let found = accounts::repositories::images(&owner, &ask("forecasting/iris", Some(search))).await.unwrap().items;
        assert_eq!(found.len(), 1, "{search}");
        let mut tags = found[0].tags.clone();
        tags.sort();
        assert_eq!((found[0].digest.as_str(), tags), (digest.as_str(), vec!["1".to_owned(), "stable".to_owned()]));
    }
    assert!(accounts::repositories::images(&owner, &ask("vision/cat", None)).await.unwrap_err().is(Code::RepositoryNotGranted));
    let gone = accounts::repositories::images(&owner, &ask("forecasting/nothing", None)).await.unwrap_err();
    assert!(gone.rejected().unwrap().message_for("repository").is_some(), "{gone}");
}
