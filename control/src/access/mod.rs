//! Who is asking, and the check that every operation makes first. The table itself is [`domain::access`].

use domain::{
    Code, Rejected,
    access::{Decision, Limit, PlatformAction, PlatformRole, Rights, TeamAction, TeamRole},
    audit::ActorKind,
    ids::{TeamId, TokenId, UserId},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    kind: ActorKind,
    /// The user, or the token.
    id: Option<Uuid>,
    /// The user whose memberships count.
    user: Option<UserId>,
    name: String,
    platform: Option<PlatformRole>,
    limit: Option<Limit>,
}

/// Which teams' rows a list may show, as parameters for SQL:
/// `($all or exists (select from members where team_id = t.id and user_id = $user)) and ($team::uuid is null or t.id = $team)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    pub all: bool,
    pub user: Option<Uuid>,
    pub team: Option<Uuid>,
}

impl Actor {
    /// Nobody: before sign-in.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { kind: ActorKind::Anonymous, id: None, user: None, name: "nobody".into(), platform: None, limit: None }
    }

    /// A signed-in person.
    #[must_use]
    pub fn user(id: UserId, name: String, platform: Option<PlatformRole>) -> Self {
        Self { kind: ActorKind::User, id: Some(id.0), user: Some(id), name, platform, limit: None }
    }

    /// A personal token: its maker's rights, or fewer.
    #[must_use]
    pub fn personal_token(token: TokenId, user: UserId, name: String, platform: Option<PlatformRole>, limit: Option<Limit>) -> Self {
        Self { kind: ActorKind::Token, id: Some(token.0), user: Some(user), name, platform, limit }
    }

    /// A team's token: one role in one team.
    #[must_use]
    pub fn team_token(token: TokenId, name: String, limit: Limit) -> Self {
        Self { kind: ActorKind::Token, id: Some(token.0), user: None, name, platform: None, limit: Some(limit) }
    }

    /// Slipway itself, or whoever may run its command line: an admin's rights on the platform, none in teams.
    #[must_use]
    pub fn system(name: &str) -> Self {
        Self { kind: ActorKind::System, id: None, user: None, name: name.into(), platform: Some(PlatformRole::Admin), limit: None }
    }

    #[must_use]
    pub fn kind(&self) -> ActorKind {
        self.kind
    }

    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        self.id
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The person, when the actor is one or a token of one.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        self.user
    }

    /// The person, when it is themselves at the keyboard and not a token of theirs.
    #[must_use]
    pub fn person(&self) -> Option<UserId> {
        self.user.filter(|_| self.kind == ActorKind::User)
    }

    /// A limited token does not carry its maker's platform role.
    #[must_use]
    pub fn platform_role(&self) -> Option<PlatformRole> {
        self.platform.filter(|_| self.limit.is_none())
    }

    /// Who a later request with the same idempotency key has to be.
    #[must_use]
    pub fn principal(&self) -> String {
        match (self.kind, self.id) {
            (ActorKind::Token, Some(id)) => format!("token:{id}"),
            (_, Some(id)) => format!("user:{id}"),
            (_, None) => self.name.clone(),
        }
    }

    /// The name that Kubernetes' audit log gets in the extra `slipway-user`.
    #[must_use]
    pub fn kubernetes_name(&self) -> String {
        kubernetes_name(self.kind, self.id)
    }

    /// What the actor holds in `team`, of which they are a member as `membership`.
    #[must_use]
    pub fn rights(&self, team: TeamId, membership: Option<TeamRole>) -> Rights {
        match (self.user, self.limit) {
            (None, Some(limit)) => Rights { platform: None, team: (limit.team == team).then_some(limit.role) },
            _ => Rights { platform: self.platform, team: membership }.limited_to(self.limit, Some(team)),
        }
    }

    /// Refuses what the table does not allow on the team's things. `what` is named when it has to look as if it did not exist.
    ///
    /// # Errors
    /// `unauthenticated`, `not_found` or `forbidden`.
    pub fn check_team(&self, team: TeamId, membership: Option<TeamRole>, action: TeamAction, what: &str) -> Result<(), Rejected> {
        let decision = self.rights(team, membership).on_team(action);
        self.settle(decision, what, || match action {
            TeamAction::See => "You cannot see this team's things.".into(),
            TeamAction::Deploy => "Models, releases and deployments need the role deployer or owner in this team.".into(),
            TeamAction::Predict => "Sending requests to a model needs the role deployer or owner in this team.".into(),
            TeamAction::Delete => "Deleting needs the role owner in this team.".into(),
            TeamAction::Manage => "Members and settings need the role owner in this team.".into(),
            TeamAction::ManageTokens => "The team's tokens need the role owner in this team.".into(),
        })
    }

    /// Refuses what the table does not allow on the platform.
    ///
    /// # Errors
    /// `unauthenticated`, `not_found` or `forbidden`.
    pub fn check_platform(&self, action: PlatformAction, what: &str) -> Result<(), Rejected> {
        let decision = Rights { platform: self.platform_role(), team: None }.on_platform(action);
        self.settle(decision, what, || "Only a platform admin may do this.".into())
    }

    fn settle(&self, decision: Decision, what: &str, refusal: impl FnOnce() -> String) -> Result<(), Rejected> {
        match decision {
            Decision::Allowed => Ok(()),
            _ if self.kind == ActorKind::Anonymous => Err(Rejected::new(Code::Unauthenticated, "Sign in, or send a valid token.")),
            Decision::Forbidden => Err(Rejected::forbidden(refusal())),
            Decision::Hidden => Err(Rejected::not_found(what)),
        }
    }

    /// Whether it is a token that is good for one team only.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// Refuses whoever has not signed in.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub fn check_signed_in(&self) -> Result<(), Rejected> {
        match self.kind {
            ActorKind::Anonymous => Err(Rejected::new(Code::Unauthenticated, "Sign in, or send a valid token.")),
            ActorKind::User | ActorKind::Token | ActorKind::System => Ok(()),
        }
    }

    /// Gives the person who is at the keyboard, and refuses tokens: what is a person's own to do.
    ///
    /// # Errors
    /// `unauthenticated`; `forbidden` for a token.
    pub fn check_person(&self) -> Result<UserId, Rejected> {
        self.check_signed_in()?;
        self.person().ok_or_else(|| Rejected::forbidden("A token cannot do this: sign in yourself."))
    }

    /// Which teams' rows a list may show this actor.
    #[must_use]
    pub fn visible(&self) -> Visible {
        match (self.user, self.limit) {
            (None, Some(limit)) => Visible { all: true, user: None, team: Some(limit.team.0) },
            (user, limit) => Visible { all: self.platform_role().is_some(), user: user.map(|id| id.0), team: limit.map(|limit| limit.team.0) },
        }
    }
}

/// The teams whose records an actor may read, for `may_read(team_id, $teams)` in SQL; none when that is all of them, and what belongs to no team.
///
/// # Errors
/// A fault when the database fails.
pub async fn readable(conn: &mut PgConnection, actor: &Actor) -> Result<Option<Vec<Uuid>>> {
    let visible = actor.visible();
    match (visible.all, visible.team) {
        (true, team) => Ok(team.map(|team| vec![team])),
        (false, team) => {
            let teams = sqlx::query_scalar!("select team_id from members where user_id = $1 and ($2::uuid is null or team_id = $2)", visible.user, team).fetch_all(conn).await?;
            Ok(Some(teams))
        }
    }
}

/// The name that CloudTrail and Kubernetes' audit log get for what nobody in particular started: looks, heals and schedules.
pub const WORKER: &str = "slipway-worker";

/// The name that Kubernetes' audit log gets for an actor in the extra `slipway-user`.
#[must_use]
pub fn kubernetes_name(kind: ActorKind, id: Option<Uuid>) -> String {
    match (kind, id) {
        (ActorKind::Token, Some(id)) => format!("token-{id}"),
        (_, Some(id)) => id.to_string(),
        (_, None) => WORKER.into(),
    }
}

/// The actor's role in `team` at this moment.
///
/// # Errors
/// A fault when the database fails.
pub async fn membership(conn: &mut PgConnection, actor: &Actor, team: TeamId) -> Result<Option<TeamRole>> {
    let Some(user) = actor.user_id() else { return Ok(None) };
    let role = sqlx::query_scalar!(r#"select role as "role: TeamRole" from members where team_id = $1 and user_id = $2"#, team.0, user.0).fetch_optional(conn).await?;
    Ok(role)
}

/// Whether the actor may do this with the things of some team or other, as a member of it.
///
/// # Errors
/// A fault when the database fails.
pub async fn may_somewhere(conn: &mut PgConnection, actor: &Actor, action: TeamAction) -> Result<bool> {
    let may = |team, role| Rights { platform: None, ..actor.rights(team, role) }.on_team(action) == Decision::Allowed;
    let Some(user) = actor.user_id() else { return Ok(actor.limit.is_some_and(|limit| may(limit.team, None))) };
    let memberships = sqlx::query!(r#"select team_id as "team: TeamId", role as "role: TeamRole" from members where user_id = $1"#, user.0).fetch_all(conn).await?;
    Ok(memberships.into_iter().any(|member| may(member.team, Some(member.role))))
}

/// Whoever started something, with the rights they have at this moment; none when they or their token are no longer good.
///
/// # Errors
/// A fault when the database fails.
pub async fn current(conn: &mut PgConnection, kind: ActorKind, id: Option<Uuid>) -> Result<Option<Actor>> {
    Ok(match (kind, id) {
        (ActorKind::User, Some(id)) => sqlx::query!(r#"select name, platform_role as "platform_role: PlatformRole" from users where id = $1 and disabled_at is null"#, id)
            .fetch_optional(&mut *conn)
            .await?
            .map(|row| Actor::user(UserId(id), row.name, row.platform_role)),
        (ActorKind::Token, Some(id)) => sqlx::query!(
            r#"select t.name, t.user_id as "user_id: UserId", t.team_id as "team_id: TeamId", t.role as "role: TeamRole", u.platform_role as "platform_role: PlatformRole"
               from tokens t left join users u on u.id = t.user_id
               where t.id = $1 and t.revoked_at is null and t.expires_at > now() and (u.id is null or u.disabled_at is null)"#,
            id
        )
        .fetch_optional(&mut *conn)
        .await?
        .and_then(|row| {
            let limit = row.team_id.zip(row.role).map(|(team, role)| Limit { team, role });
            match (row.user_id, limit) {
                (Some(user), limit) => Some(Actor::personal_token(TokenId(id), user, row.name, row.platform_role, limit)),
                (None, Some(limit)) => Some(Actor::team_token(TokenId(id), row.name, limit)),
                (None, None) => None,
            }
        }),
        (ActorKind::System, _) => Some(Actor::system("slipway")),
        _ => None,
    })
}

/// Whether whoever started something may still do `action` on `team`'s things: asked again before every step.
///
/// # Errors
/// A fault when the database fails.
pub async fn still_may(conn: &mut PgConnection, kind: ActorKind, id: Option<Uuid>, team: TeamId, action: TeamAction) -> Result<bool> {
    if kind == ActorKind::System {
        return Ok(true);
    }
    let Some(actor) = current(conn, kind, id).await? else { return Ok(false) };
    let membership = membership(conn, &actor, team).await?;
    Ok(actor.rights(team, membership).on_team(action) == Decision::Allowed)
}
