use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    cluster::{ClusterConnection, NewCluster},
    ids::AccountId,
    model::NewRelease,
    serving::Protocol,
    team::TeamChange,
};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    Ctx, Error, accounts, clusters, releases, secrets, teams,
    testing::{World, control_at},
    workspaces::fixture::Place,
};

/// Somebody outside, who hangs up on everybody and counts them.
async fn outside() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, asked)
}

/// As after the same request, or another one, by the same person.
async fn done_before(ctx: &Ctx, key: &str, request: &str) {
    sqlx::query("insert into idempotency_keys (principal, key, request_hash, answer) values ($1, $2, $3, $4)")
        .bind(ctx.actor().principal())
        .bind(key)
        .bind(&secrets::hash(request)[..])
        .bind(json!("what it came to"))
        .execute(&ctx.control().pool)
        .await
        .unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_repetition_is_answered_before_anybody_outside_is_asked(pool: PgPool) {
    let (address, asked) = outside().await;
    let world = World { control: control_at(pool, &format!("http://{address}")).await };
    let place = Place::new(&world).await;
    let (admin, deployer) = (world.user("admin", Some(PlatformRole::Admin)).await, place.member(&world, "dora", TeamRole::Deployer).await);
    let account: AccountId = sqlx::query_scalar("select id from accounts").fetch_one(&world.control.pool).await.unwrap();
    sqlx::query("insert into repository_prefixes (account_id, prefix, team_id) values ($1, 'forecasting/', $2)")
        .bind(account.0)
        .bind(place.team.0)
        .execute(&world.control.pool)
        .await
        .unwrap();
    let release = NewRelease {
        model: place.model,
        account: None,
        region: None,
        repository: "forecasting/iris".into(),
        tag: "1".into(),
        port: None,
        health_path: None,
        protocol: Protocol::Http,
        size: None,
        notes: String::new(),
    };
    let cluster = NewCluster { account: "forecasting".into(), region: "us-east-1".into(), eks_name: "other".into(), name: None };
    let around =
        ClusterConnection { server: Some(format!("https://{address}")), certificate_authority: Some(include_str!("../clusters/test_ca.pem").into()), tls_server_name: None };

    for ctx in [&admin, &deployer] {
        done_before(ctx, "done", "request").await;
        done_before(ctx, "other", "another request").await;
    }
    for key in ["done", "other"] {
        // The version that was seen then has passed.
        let (admin, deployer) = (admin.seeing(0).once(key), deployer.once(key));
        let said = [
            releases::create(&deployer, &release).await.map(drop),
            clusters::attach(&admin, &cluster).await.map(drop),
            clusters::set_connection(&admin, place.cluster, &around).await.map(drop),
            accounts::check(&admin, account).await.map(drop),
        ];
        for (n, said) in said.into_iter().enumerate() {
            match said.unwrap_err() {
                Error::Replayed(answer) => assert!(key == "done" && answer == json!("what it came to"), "{n}: {answer}"),
                error => assert!(key == "other" && error.is(Code::IdempotencyMismatch), "{n}: {error}"),
            }
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody was asked");
    accounts::check(&admin.once("new"), account).await.unwrap();
    assert!(asked.load(Ordering::Relaxed) > 0, "a new request asks");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_waits_too_long_is_told_to_try_again(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let place = Place::new(&world).await;
    let owner = place.member(&world, "owner", TeamRole::Owner).await;
    let change = TeamChange { description: Some("ours".into()) };
    let mut busy = pool.begin().await.unwrap();
    sqlx::query("select id from teams for update").fetch_all(&mut *busy).await.unwrap();
    let (plain, keyed) = (owner.clone(), owner.once("k-1"));
    let (first, second) = futures::join!(teams::update(&plain, place.team, &change), teams::update(&keyed, place.team, &change));
    for refused in [first, second] {
        let error = refused.unwrap_err();
        assert!(error.is(Code::Conflict) && error.to_string().contains("Try again in a moment"), "{error:?}");
    }
    drop(busy);
    teams::update(&keyed, place.team, &change).await.expect("the key was not used up");

    let mut same = pool.begin().await.unwrap();
    sqlx::query("insert into idempotency_keys (principal, key, request_hash) values ($1, 'k-2', $2)")
        .bind(owner.actor().principal())
        .bind(&secrets::hash("request")[..])
        .execute(&mut *same)
        .await
        .unwrap();
    assert!(teams::update(&owner.once("k-2"), place.team, &change).await.unwrap_err().is(Code::IdempotencyInProgress));
}
