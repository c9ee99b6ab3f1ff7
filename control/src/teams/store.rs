//! The SQL of teams.

use domain::{
    Rejected, Timestamp,
    access::TeamRole,
    error::Blocker,
    ids::{TeamId, UserId},
    team::{Member, Team},
};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Actor, Named, Result, paging::Paging};

/// A person, as far as teams care.
pub(super) struct Person {
    pub id: UserId,
    pub email: String,
}

/// A row of the list, with its sort key.
pub(super) struct Listed {
    pub key: String,
    pub team: Team,
}

struct Row {
    id: TeamId,
    name: String,
    description: String,
    your_role: Option<TeamRole>,
    members: i64,
    models: i64,
    workspaces: i64,
    deployments: i64,
    created_at: OffsetDateTime,
    version: i64,
}

impl From<Row> for Team {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            your_role: row.your_role,
            members: row.members,
            models: row.models,
            workspaces: row.workspaces,
            deployments: row.deployments,
            created_at: Timestamp(row.created_at),
            version: row.version,
        }
    }
}

/// The team, whoever asks; its operations check what they may.
pub(super) async fn find(conn: &mut PgConnection, actor: &Actor, id: TeamId) -> Result<Team> {
    sqlx::query_as!(
        Row,
        r#"select t.id as "id: TeamId", t.name, t.description, t.created_at, t.version,
                  (select role from members m where m.team_id = t.id and m.user_id = $2) as "your_role: TeamRole",
                  (select count(*) from members m where m.team_id = t.id) as "members!",
                  (select count(*) from models o where o.team_id = t.id) as "models!",
                  (select count(*) from workspaces w where w.team_id = t.id) as "workspaces!",
                  (select count(*) from deployments d join workspaces w on w.id = d.workspace_id where w.team_id = t.id) as "deployments!"
           from teams t where t.id = $1"#,
        id.0,
        actor.user_id().map(|user| user.0)
    )
    .fetch_optional(conn)
    .await?
    .map(Team::from)
    .ok_or_else(|| Rejected::not_found("team").into())
}

/// Locks it for a change, which leaves references to it alone.
pub(super) async fn lock(conn: &mut PgConnection, id: TeamId) -> Result<()> {
    sqlx::query!("select id from teams where id = $1 for no key update", id.0).fetch_optional(conn).await?;
    Ok(())
}

/// Locks it for its deletion: nothing comes to refer to it any more.
pub(super) async fn lock_to_delete(conn: &mut PgConnection, id: TeamId) -> Result<()> {
    sqlx::query!("select id from teams where id = $1 for update", id.0).fetch_optional(conn).await?;
    Ok(())
}

pub(super) async fn id_of(conn: &mut PgConnection, name: &str) -> Result<Option<TeamId>> {
    Ok(sqlx::query_scalar!(r#"select id as "id: TeamId" from teams where name = $1"#, name).fetch_optional(conn).await?)
}

pub(super) async fn hold(conn: &mut PgConnection, id: TeamId) -> Result<Option<Named<TeamId>>> {
    Ok(sqlx::query_as!(Named::<TeamId>, r#"select id as "id: TeamId", name from teams where id = $1 for share"#, id.0).fetch_optional(conn).await?)
}

pub(super) async fn list(conn: &mut PgConnection, actor: &Actor, paging: &Paging) -> Result<Vec<Listed>> {
    let visible = actor.visible();
    let rows = sqlx::query!(
        r#"select t.id as "id: TeamId", t.name, t.description, t.created_at, t.version, k as "key!",
                  (select role from members m where m.team_id = t.id and m.user_id = $2) as "your_role: TeamRole",
                  (select count(*) from members m where m.team_id = t.id) as "members!",
                  (select count(*) from models o where o.team_id = t.id) as "models!",
                  (select count(*) from workspaces w where w.team_id = t.id) as "workspaces!",
                  (select count(*) from deployments d join workspaces w on w.id = d.workspace_id where w.team_id = t.id) as "deployments!"
           from teams t
           cross join lateral (select case $4 when 'created_at' then to_char(t.created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS') else t.name end as k) s
           where ($1 or exists (select from members m where m.team_id = t.id and m.user_id = $2))
             and ($3::uuid is null or t.id = $3)
             and ($5::text is null or t.name ilike $5 or t.description ilike $5)
             and ($6::text is null or case when $8 then (k, t.id) < ($6, $7) else (k, t.id) > ($6, $7) end)
           order by case when $8 then k end desc, case when not $8 then k end asc, case when $8 then t.id end desc, case when not $8 then t.id end asc
           limit $9"#,
        visible.all,
        visible.user,
        visible.team,
        paging.sort,
        paging.search,
        paging.after_key,
        paging.after_id,
        paging.descending,
        paging.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Listed {
            key: row.key,
            team: Team {
                id: row.id,
                name: row.name,
                description: row.description,
                your_role: row.your_role,
                members: row.members,
                models: row.models,
                workspaces: row.workspaces,
                deployments: row.deployments,
                created_at: Timestamp(row.created_at),
                version: row.version,
            },
        })
        .collect())
}

pub(super) async fn insert(conn: &mut PgConnection, id: TeamId, name: &str, description: &str) -> sqlx::Result<()> {
    sqlx::query!("insert into teams (id, name, description) values ($1, $2, $3)", id.0, name, description).execute(conn).await?;
    Ok(())
}

pub(super) async fn update(conn: &mut PgConnection, id: TeamId, description: &str) -> Result<()> {
    sqlx::query!("update teams set description = $2, version = version + 1 where id = $1", id.0, description).execute(conn).await?;
    Ok(())
}

pub(super) async fn delete(conn: &mut PgConnection, id: TeamId) -> Result<()> {
    sqlx::query!("delete from teams where id = $1", id.0).execute(conn).await?;
    Ok(())
}

/// What still belongs to the team.
pub(super) async fn blockers(conn: &mut PgConnection, id: TeamId) -> Result<Vec<Blocker>> {
    let rows = sqlx::query!(
        r#"select 'deployment' as "kind!", d.name as "name!", '/deployments/' || d.id as "path!" from deployments d join workspaces w on w.id = d.workspace_id where w.team_id = $1
           union all select 'workspace', w.name || ' on ' || c.name, '/workspaces/' || w.id from workspaces w join clusters c on c.id = w.cluster_id where w.team_id = $1
           union all select 'model', name, '/models/' || id from models where team_id = $1
           union all select 'repository prefix', prefix, '/accounts/' || account_id from repository_prefixes where team_id = $1
           union all select 'open invitation', email, '/users' from one_time_links where team_id = $1 and used_at is null and expires_at > now()
           limit 50"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Blocker { kind: row.kind, name: row.name, path: row.path }).collect())
}

pub(super) async fn members(conn: &mut PgConnection, id: TeamId) -> Result<Vec<Member>> {
    let rows = sqlx::query!(
        r#"select u.id as "user: UserId", u.name, u.email, m.role as "role: TeamRole", m.created_at
           from members m join users u on u.id = m.user_id where m.team_id = $1 order by m.role desc, u.name, u.id"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Member { user: row.user, name: row.name, email: row.email, role: row.role, since: Timestamp(row.created_at) }).collect())
}

pub(super) async fn role(conn: &mut PgConnection, id: TeamId, user: UserId) -> Result<Option<TeamRole>> {
    Ok(sqlx::query_scalar!(r#"select role as "role: TeamRole" from members where team_id = $1 and user_id = $2"#, id.0, user.0).fetch_optional(conn).await?)
}

/// The owners who can sign in. None of them is disabled until the transaction ends.
pub(super) async fn owners(conn: &mut PgConnection, id: TeamId) -> Result<Vec<UserId>> {
    Ok(sqlx::query_scalar!(
        r#"select u.id as "id: UserId" from members m join users u on u.id = m.user_id
           where m.team_id = $1 and m.role = 'owner' and u.disabled_at is null order by u.id for share of u"#,
        id.0
    )
    .fetch_all(conn)
    .await?)
}

pub(super) async fn set_member(conn: &mut PgConnection, id: TeamId, user: UserId, role: TeamRole) -> Result<()> {
    sqlx::query!(
        "insert into members (team_id, user_id, role) values ($1, $2, $3) on conflict (team_id, user_id) do update set role = excluded.role",
        id.0,
        user.0,
        role as TeamRole
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn remove_member(conn: &mut PgConnection, id: TeamId, user: UserId) -> Result<()> {
    sqlx::query!("delete from members where team_id = $1 and user_id = $2", id.0, user.0).execute(conn).await?;
    Ok(())
}

pub(super) async fn user(conn: &mut PgConnection, id: UserId) -> Result<Person> {
    Ok(sqlx::query_as!(Person, r#"select id as "id: UserId", email from users where id = $1"#, id.0).fetch_one(conn).await?)
}
