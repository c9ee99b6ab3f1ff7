//! One of everything, owned by one team, and somebody of every kind to ask for it.

use control::{Control, secrets, testing, tokens};
use sqlx::PgPool;
use uuid::Uuid;

/// The ids of the things that are asked for.
pub const IDS: &[(&str, Uuid)] = &[
    ("{team}", Uuid::from_u128(0x10)),
    ("{account}", Uuid::from_u128(0x20)),
    ("{cluster}", Uuid::from_u128(0x30)),
    ("{workspace}", Uuid::from_u128(0x40)),
    ("{model}", Uuid::from_u128(0x50)),
    ("{release}", Uuid::from_u128(0x60)),
    ("{deployment}", Uuid::from_u128(0x70)),
    ("{operation}", Uuid::from_u128(0x80)),
    ("{token}", Uuid::from_u128(0x90)),
    ("{link}", Uuid::from_u128(0xa0)),
    ("{session}", Uuid::from_u128(0xb0)),
    ("{user}", Uuid::from_u128(0x0f)),
    ("{other_team}", Uuid::from_u128(0x11)),
];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// No credential at all.
    Stranger,
    /// A token that nobody gave out.
    Garbage,
    /// A member, even an owner, of another team.
    OtherTeam,
    Viewer,
    Deployer,
    Owner,
    Auditor,
    Admin,
    /// A token of the team, as deployer.
    TeamToken,
}

impl Who {
    pub const ALL: [Self; 9] = [Self::Stranger, Self::Garbage, Self::OtherTeam, Self::Viewer, Self::Deployer, Self::Owner, Self::Auditor, Self::Admin, Self::TeamToken];

    /// The bearer token or cookie they come with.
    pub fn secret(self) -> Option<String> {
        (self != Self::Stranger).then(|| tokens::sealed(&format!("{self:?}")))
    }
}

pub async fn control(pool: PgPool) -> Control {
    testing::control(pool).await
}

/// Empties the database and fills it anew.
pub async fn fill(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(
        "truncate users, teams, accounts, clusters, reconcile, operations, one_time_links, idempotency_keys, audit_events, attempts, scopes cascade".to_owned(),
    ))
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::raw_sql(include_str!("fixture.sql")).execute(&mut *tx).await.unwrap();
    for (who, user, platform, team) in [
        (Who::OtherTeam, 1_u128, "", "11:owner"),
        (Who::Viewer, 2, "", "10:viewer"),
        (Who::Deployer, 3, "", "10:deployer"),
        (Who::Owner, 4, "", "10:owner"),
        (Who::Auditor, 5, "auditor", ""),
        (Who::Admin, 6, "admin", ""),
    ] {
        let id = Uuid::from_u128(user);
        sqlx::query("insert into users (id, email, name, password_hash, platform_role) values ($1, $2, $3, 'none', nullif($4, '')::platform_role)")
            .bind(id)
            .bind(format!("{}@example.com", format!("{who:?}").to_lowercase()))
            .bind(format!("{who:?}"))
            .bind(platform)
            .execute(&mut *tx)
            .await
            .unwrap();
        if let Some((team, role)) = team.split_once(':') {
            sqlx::query("insert into members (team_id, user_id, role) values ($1, $2, $3::team_role)")
                .bind(Uuid::from_u128(u128::from_str_radix(team, 16).unwrap()))
                .bind(id)
                .bind(role)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        let secret = who.secret().unwrap();
        sqlx::query("insert into tokens (id, secret_hash, prefix, name, kind, user_id, created_by_name, expires_at) values ($1, $2, 'slipway_x', 'matrix', 'personal', $3, 'x', now() + interval '1 day')")
            .bind(Uuid::from_u128(0x900 + user))
            .bind(&secrets::hash(&secret)[..])
            .bind(id)
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query("insert into sessions (secret_hash, user_id, expires_at) values ($1, $2, now() + interval '1 day')")
            .bind(&secrets::hash(&secret)[..])
            .bind(id)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    sqlx::query("insert into tokens (id, secret_hash, prefix, name, kind, team_id, role, created_by_name, expires_at) values ($1, $2, 'slipway_x', 'ci', 'team', $3, 'deployer', 'x', now() + interval '1 day')")
        .bind(Uuid::from_u128(0x9ff))
        .bind(&secrets::hash(&Who::TeamToken.secret().unwrap())[..])
        .bind(Uuid::from_u128(0x10))
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("insert into sessions (secret_hash, id, user_id, expires_at) values ('another browser', $1, $2, now() + interval '1 day')")
        .bind(Uuid::from_u128(0xb0))
        .bind(Uuid::from_u128(4))
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
