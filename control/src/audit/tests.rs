use domain::{access::PlatformRole, audit::AuditQuery, operation::ObjectKind};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Event, list, record, seal};
use crate::testing::World;

async fn happened(world: &World, n: u128) {
    let ctx = world.user(&format!("user-{n}"), None).await;
    let event = Event::new("team.update", ObjectKind::Team, Uuid::from_u128(n), "forecasting").change("description", "a", "</textarea><script>").change("same", 1, 1);
    record(&mut world.control.pool.acquire().await.unwrap(), &ctx, event).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_changed_event_breaks_the_chain_at_its_place(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    for n in 0..5 {
        happened(&world, n).await;
    }
    assert_eq!(seal::seal(&pool).await.unwrap(), 0, "events settle for a moment first");
    sqlx::query("update audit_events set at = at - interval '1 minute'").execute(&pool).await.unwrap();
    assert_eq!(seal::seal(&pool).await.unwrap(), 5);
    happened(&world, 9).await;
    sqlx::query("update audit_events set at = at - interval '1 minute' where sequence is null").execute(&pool).await.unwrap();
    assert_eq!(seal::seal(&pool).await.unwrap(), 1);
    assert_eq!(seal::verify(&pool).await.unwrap(), None);

    sqlx::query("update audit_events set actor_name = 'somebody else' where sequence = 3").execute(&pool).await.unwrap();
    assert_eq!(seal::verify(&pool).await.unwrap(), Some(3));
    sqlx::query("delete from audit_events where sequence = 3").execute(&pool).await.unwrap();
    assert_eq!(seal::verify(&pool).await.unwrap(), Some(3), "a hole is noticed, too");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_record_is_asked_for_by_day_or_moment(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    for n in 1..=3 {
        happened(&world, n).await;
        sqlx::query("update audit_events set at = make_timestamptz(2026, 12, $1, 23, 59, 59.5, 'utc') where object_id = $2")
            .bind(i32::try_from(n).unwrap())
            .bind(Uuid::from_u128(n))
            .execute(&pool)
            .await
            .unwrap();
    }
    let auditor = world.user("aud", Some(PlatformRole::Auditor)).await;
    let asked = async |since: &str, until: &str| {
        let query = AuditQuery { object_kind: Some(ObjectKind::Team), since: Some(since.into()), until: Some(until.into()), ..AuditQuery::default() };
        list(&auditor, &query).await.map(|page| page.items.iter().map(|event| event.object_id.unwrap().as_u128()).collect::<Vec<_>>())
    };
    assert_eq!(asked("", "").await.unwrap(), [3, 2, 1]);
    assert_eq!(asked("2026-12-02", "2026-12-02").await.unwrap(), [2], "a day is asked for whole");
    assert_eq!(asked("2026-12-02T23:59:59.5Z", "").await.unwrap(), [3, 2]);
    assert_eq!(asked("", "2026-12-02T23:59:59.5Z").await.unwrap(), [1]);
    let wrong = asked("soon", "2026-12-32").await.unwrap_err();
    let fields: Vec<&str> = wrong.rejected().unwrap().errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["since", "until"]);
    assert!(asked("2026-12-02", "2026-12-01").await.unwrap_err().rejected().unwrap().message_for("until").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn two_sealers_make_one_chain(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    for n in 0..20 {
        happened(&world, n).await;
    }
    sqlx::query("update audit_events set at = at - interval '1 minute'").execute(&pool).await.unwrap();
    let (a, b) = tokio::join!(seal::seal(&pool), seal::seal(&pool));
    assert_eq!(a.unwrap() + b.unwrap(), 20);
    assert_eq!(seal::verify(&pool).await.unwrap(), None);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_what_changed_is_recorded(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    happened(&world, 1).await;
    let changes: serde_json::Value = sqlx::query_scalar("select changes from audit_events").fetch_one(&pool).await.unwrap();
    assert_eq!(changes, serde_json::json!([{"field": "description", "before": "a", "after": "</textarea><script>"}]));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_rule_of_who_may_read_costs_no_index(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::query("set enable_seqscan = off").execute(&mut *conn).await.unwrap();
    for table in ["audit_events", "operations"] {
        let explain = format!("explain select id from {table} where may_read(team_id, '{{{}}}')", Uuid::nil());
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).fetch_all(&mut *conn).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(&format!("{table}_team")) && plan.contains("Index Cond: (team_id = ANY") && !plan.contains("may_read"), "{plan}");
    }
}
