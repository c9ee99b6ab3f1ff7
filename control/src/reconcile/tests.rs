use std::time::Duration;

use domain::operation::ObjectKind;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Claim, Next, Scope, Times, holds, mark, poke};
use crate::Result;

async fn claim(pool: &PgPool, owner: &str, limit: i64) -> Result<Vec<Claim>> {
    super::claim(pool, owner, limit, Times::default()).await
}

async fn settle(pool: &PgPool, claim: &Claim, next: &Next) -> Result<()> {
    super::settle(pool, claim, next, Times::default()).await
}

async fn marked(pool: &PgPool, id: u128, scope: Scope, generation: i64) -> Uuid {
    let id = Uuid::from_u128(id);
    mark(&mut pool.acquire().await.unwrap(), id, ObjectKind::Deployment, scope, generation).await.unwrap();
    id
}

async fn one(pool: &PgPool, owner: &str) -> Option<Claim> {
    claim(pool, owner, 1).await.unwrap().pop()
}

/// Moves time forward for everything that waits.
async fn later(pool: &PgPool) {
    sqlx::query("update reconcile set not_before = now() - interval '1 second', lease_until = lease_until - interval '1 hour'").execute(pool).await.unwrap();
    sqlx::query("update scopes set open_until = now() - interval '1 second' where open_until is not null").execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn two_workers_never_look_at_the_same_thing(pool: PgPool) {
    for n in 0..20 {
        marked(&pool, n, Scope::None, 1).await;
    }
    let (a, b) = tokio::join!(claim(&pool, "a", 50), claim(&pool, "b", 50));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.len() + b.len(), 20);
    assert!(a.iter().all(|claim| b.iter().all(|other| other.object_id != claim.object_id)));
    assert!(claim(&pool, "c", 50).await.unwrap().is_empty());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_worker_that_died_is_followed_and_fenced(pool: PgPool) {
    marked(&pool, 1, Scope::None, 1).await;
    let dead = one(&pool, "dead").await.unwrap();
    assert!(holds(&mut pool.acquire().await.unwrap(), &dead).await.unwrap());
    later(&pool).await;
    let next = one(&pool, "next").await.unwrap();
    assert!(next.epoch > dead.epoch);
    assert!(!holds(&mut pool.acquire().await.unwrap(), &dead).await.unwrap());
    settle(&pool, &dead, &Next::Gone).await.unwrap();
    assert!(holds(&mut pool.acquire().await.unwrap(), &next).await.unwrap(), "what a fenced worker says changes nothing");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_change_that_comes_during_a_look_is_looked_at_next(pool: PgPool) {
    let id = marked(&pool, 1, Scope::None, 1).await;
    let first = one(&pool, "a").await.unwrap();
    marked(&pool, 1, Scope::None, 2).await;
    settle(&pool, &first, &Next::Settled { again: Duration::from_secs(3600) }).await.unwrap();
    let second = one(&pool, "a").await.unwrap();
    assert_eq!((second.object_id, second.generation), (id, 2));
    settle(&pool, &second, &Next::Settled { again: Duration::from_secs(3600) }).await.unwrap();
    assert!(one(&pool, "a").await.is_none());
    poke(&mut pool.acquire().await.unwrap(), id).await.unwrap();
    assert!(one(&pool, "a").await.is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_dead_cluster_slows_only_itself(pool: PgPool) {
    let (dead, well) = (Scope::Cluster(Uuid::from_u128(0xdead)), Scope::Cluster(Uuid::from_u128(0xbeef)));
    for n in 0..30 {
        marked(&pool, n, dead, 1).await;
    }
    marked(&pool, 100, well, 1).await;
    let claims = claim(&pool, "a", 50).await.unwrap();
    assert_eq!(claims.len(), 13, "twelve of the dead cluster, all new, and the one of the other");
    for claim in &claims {
        let next = if claim.object_id == Uuid::from_u128(100) {
            Next::Settled { again: Duration::ZERO }
        } else {
            Next::Failed { error: "connection refused".into(), scope_is_down: true }
        };
        settle(&pool, claim, &next).await.unwrap();
    }
    marked(&pool, 100, well, 2).await;
    let claims = claim(&pool, "a", 50).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.object_id).collect::<Vec<_>>(), [Uuid::from_u128(100)], "the breaker keeps the dead cluster out");
    later(&pool).await;
    let claims = claim(&pool, "a", 50).await.unwrap();
    assert!(claims.len() > 1, "after a while it is tried again");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_breaker_closes_only_when_the_scope_was_heard(pool: PgPool) {
    let scope = Scope::Cluster(Uuid::from_u128(0xdead));
    marked(&pool, 1, scope, 1).await;
    let settle_next = async |next: Next| {
        let claim = one(&pool, "a").await.expect("nothing keeps it out yet");
        settle(&pool, &claim, &next).await.unwrap();
        later(&pool).await;
    };
    let failures = async || sqlx::query_scalar::<_, i32>("select failures from scopes").fetch_optional(&pool).await.unwrap();
    let fails = || Next::Failed { error: "connection refused".into(), scope_is_down: true };
    settle_next(fails()).await;
    for unheard in [Next::Waits(Duration::ZERO), Next::Left { again: Duration::ZERO }] {
        settle_next(unheard).await;
        assert_eq!(failures().await, Some(1), "a look at rows says nothing about the cluster");
    }
    settle_next(fails()).await;
    assert_eq!(failures().await, Some(2));
    settle_next(Next::Again(Duration::ZERO)).await;
    assert_eq!(failures().await, None, "it answered");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn when_a_cluster_is_back_what_waited_and_every_workspace_is_looked_at(pool: PgPool) {
    let cluster = Scope::Cluster(Uuid::from_u128(99));
    let (waits, rests, elsewhere) = (marked(&pool, 1, cluster, 1).await, marked(&pool, 2, cluster, 1).await, marked(&pool, 3, Scope::None, 1).await);
    let workspace = Uuid::from_u128(4);
    mark(&mut pool.acquire().await.unwrap(), workspace, ObjectKind::Workspace, cluster, 1).await.unwrap();
    sqlx::query("update reconcile set not_before = now() + interval '10 minutes'").execute(&pool).await.unwrap();
    sqlx::query("update reconcile set attempts = 3 where object_id = any($1)").bind([waits, elsewhere]).execute(&pool).await.unwrap();
    super::poke_scope(&mut pool.acquire().await.unwrap(), cluster).await.unwrap();
    let mut due: Vec<Uuid> = claim(&pool, "a", 50).await.unwrap().into_iter().map(|claim| claim.object_id).collect();
    due.sort_unstable();
    assert_eq!(due, [waits, workspace]);
    assert!(!due.contains(&rests));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_new_wish_does_not_wait_for_slow_looks(pool: PgPool) {
    let cluster = Scope::Cluster(Uuid::from_u128(0xface));
    for n in 0..20 {
        marked(&pool, n, cluster, 1).await;
    }
    for _ in 0..2 {
        for claim in claim(&pool, "a", 50).await.unwrap() {
            settle(&pool, &claim, &Next::Again(Duration::ZERO)).await.unwrap();
        }
    }
    assert_eq!(claim(&pool, "a", 50).await.unwrap().len(), 8, "all places are held by what is slow");
    assert!(claim(&pool, "a", 50).await.unwrap().is_empty());
    let new = marked(&pool, 100, cluster, 1).await;
    assert_eq!(one(&pool, "a").await.map(|claim| claim.object_id), Some(new));
    for n in 200..220 {
        marked(&pool, n, cluster, 1).await;
    }
    assert_eq!(claim(&pool, "a", 50).await.unwrap().len(), 3, "these places are few as well");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn failures_back_off_and_a_new_mark_ends_that(pool: PgPool) {
    let id = marked(&pool, 1, Scope::None, 1).await;
    for _ in 0..4 {
        let failing = one(&pool, "a").await.unwrap();
        settle(&pool, &failing, &Next::Failed { error: "no".into(), scope_is_down: false }).await.unwrap();
        assert!(one(&pool, "a").await.is_none());
        later(&pool).await;
    }
    let failing = one(&pool, "a").await.unwrap();
    assert_eq!(failing.attempts, 4);
    settle(&pool, &failing, &Next::Failed { error: "no".into(), scope_is_down: false }).await.unwrap();
    let wait: f64 = sqlx::query_scalar("select extract(epoch from not_before - now())::float8 from reconcile where object_id = $1").bind(id).fetch_one(&pool).await.unwrap();
    assert!(wait > 4.0, "{wait}");
    marked(&pool, 1, Scope::None, 2).await;
    assert_eq!(one(&pool, "a").await.unwrap().attempts, 0);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_is_claimed_is_counted_without_a_look_at_all_that_is_not(pool: PgPool) {
    let many = "insert into reconcile (object_id, kind, scope, generation, not_before)
                select gen_random_uuid(), 'deployment', 'cluster:' || n % 50, 1, now() + interval '1 hour' from generate_series(1, 20000) n";
    sqlx::query(many).execute(&pool).await.unwrap();
    sqlx::query("update reconcile set lease_until = now() + interval '1 minute' where object_id in (select object_id from reconcile limit 40)").execute(&pool).await.unwrap();
    sqlx::query("vacuum analyze reconcile").execute(&pool).await.unwrap();
    let explain = "explain select scope, count(*) as n from reconcile where lease_until > now() group by scope";
    let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&pool).await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("reconcile_claimed") && !plan.contains("Seq Scan"), "{plan}");
}
