//! API tokens: opaque, expiring, shown once, revocable. Only hashes are kept.

mod secret;
mod store;
#[cfg(test)]
mod tests;

use domain::{
    Rejected,
    access::TeamAction,
    error::Checks,
    ids::{TeamId, TokenId, UserId},
    names::{DisplayName, IdOrName},
    operation::ObjectKind,
    page::{Direction, Page, PageQuery},
    token::{CreatedToken, NewToken, Token, TokenKind},
};
use sqlx::PgConnection;

use crate::{
    Actor, Control, Ctx, Result, access,
    audit::{self, Event},
    paging::{List, Paging},
    secrets,
    sessions::Used,
    teams, users,
};

pub use secret::{PREFIX, sealed};

const SORTS: [(&str, Direction); 3] = [("created_at", Direction::Descending), ("name", Direction::Ascending), ("expires_at", Direction::Ascending)];

/// Makes a token and gives its secret, this once. Only a person makes one: a leaked token must not be able to make another that outlives its own revocation.
///
/// # Errors
/// `unauthenticated`; `forbidden` for a token, or a team's token without the role owner; `invalid_input` naming each field.
pub async fn create(ctx: &Ctx, new: &NewToken) -> Result<CreatedToken> {
    ctx.attempt("token.create", ObjectKind::Token, None);
    ctx.naming(&new.name);
    let user = ctx.actor().check_person()?;
    let mut checks = Checks::new();
    let name = checks.take("name", DisplayName::parse(&new.name));
    let team = checks.take_given("team", new.team.as_deref(), IdOrName::parse);
    let team_given = new.team.as_deref().is_some_and(|team| !team.trim().is_empty());
    checks.ensure(team_given || new.kind == TokenKind::Personal, "team", "Name the team that the token is for.");
    checks.ensure(new.role.is_none() || team_given, "team", "Name the team in which it may do this.");
    checks.ensure(new.role.is_some() || !team_given, "role", "Choose the most it may do in this team.");
    checks.ensure(domain::limits::TOKEN_DAYS.contains(&new.days), "days", "Let it end after 1 to 365 days.");
    checks.finish()?;
    let name = name.expect("a clean check has a name");

    let mut tx = ctx.begin().await?;
    users::hold_active(&mut tx, user).await?;
    let limit = match (team, new.role) {
        (Some(named), Some(role)) => {
            let unseen = || Rejected::field("team", teams::unseen(&named));
            let team = teams::hold(&mut tx, &named).await?.ok_or_else(unseen)?;
            let membership = access::membership(&mut tx, ctx.actor(), team.id).await?;
            ctx.actor().check_team(team.id, membership, TeamAction::See, "team").map_err(|_| unseen())?;
            match new.kind {
                TokenKind::Team => ctx.actor().check_team(team.id, membership, TeamAction::ManageTokens, "team")?,
                TokenKind::Personal => check_own(membership, role, &team.name)?,
            }
            Some((team, role))
        }
        _ => None,
    };
    let (prefix, secret) = secret::generate();
    let id = TokenId::generate();
    let owner = (new.kind == TokenKind::Personal).then_some(user);
    store::insert(
        &mut tx,
        ctx,
        store::NewRow { id, hash: secrets::hash(&secret), prefix: &prefix, name: name.as_str(), kind: new.kind, owner, limit: limit.as_ref(), days: new.days },
    )
    .await?;
    let token = store::find(&mut tx, id).await?.ok_or_else(|| anyhow::anyhow!("a new token is not there"))?.token;
    let mut event = Event::new("token.create", ObjectKind::Token, id.0, name.as_str())
        .change("kind", None::<&str>, new.kind)
        .change("role", None::<&str>, token.role)
        .change("team", None::<&str>, &token.team_name)
        .change("expires_at", None::<&str>, token.expires_at);
    if let (TokenKind::Team, Some((team, _))) = (new.kind, &limit) {
        event = event.of_team(team.id, &team.name);
    }
    audit::record(&mut tx, ctx, event).await?;
    tx.commit_secret(CreatedToken { token, secret }).await
}

/// A limit that is wider than what its maker holds would read as more than it gives.
fn check_own(membership: Option<domain::access::TeamRole>, role: domain::access::TeamRole, team: &str) -> Result<(), Rejected> {
    match membership {
        Some(own) if own >= role => Ok(()),
        Some(own) => Err(Rejected::field("role", format!("You are {} in {team}: the token may do that or less.", own.as_str()))),
        None => Err(Rejected::field("team", format!("You are no member of {team}."))),
    }
}

/// The list of one's own tokens.
pub const LIST: List = List { name: "tokens", sorts: &SORTS, searched: "its name or prefix" };

/// The list of a team's tokens.
pub const OF_TEAM: List = List { name: "team_tokens", sorts: &SORTS, searched: "its name or prefix" };

/// One's own tokens that were not revoked; a token that is good for one team only sees itself.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &PageQuery) -> Result<Page<Token>> {
    ctx.actor().check_signed_in()?;
    let paging = Paging::read(ctx.control(), &LIST, query, &())?;
    let mut conn = ctx.read().await?;
    let rows = store::list(&mut conn, own(ctx.actor()), ctx.actor().id(), None, &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.token.id.0), |row| row.token)
}

/// A team's tokens that were not revoked.
///
/// # Errors
/// `not_found` if the actor may not see the team; `forbidden` without the role owner.
pub async fn list_of_team(ctx: &Ctx, team: TeamId, query: &PageQuery) -> Result<Page<Token>> {
    let membership = teams::get(ctx, team).await?.your_role;
    ctx.actor().check_team(team, membership, TeamAction::ManageTokens, "team")?;
    let mut conn = ctx.read().await?;
    let paging = Paging::read(ctx.control(), &OF_TEAM, query, &team)?;
    let rows = store::list(&mut conn, None, None, Some(team), &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.token.id.0), |row| row.token)
}

/// A token that the actor may revoke.
///
/// # Errors
/// `not_found` if the actor may not see it or it is revoked; `forbidden` without the role owner.
pub async fn get(ctx: &Ctx, id: TokenId) -> Result<Token> {
    revocable(&mut *ctx.read().await?, ctx.actor(), id).await
}

/// Revokes a token for good: one's own, or as an owner one of the team's. A token may always revoke itself.
///
/// # Errors
/// `not_found` if the actor may not see it or it is revoked; `forbidden` without the role owner.
pub async fn revoke(ctx: &Ctx, id: TokenId) -> Result<()> {
    ctx.attempt("token.revoke", ObjectKind::Token, Some(id.0));
    let mut tx = ctx.begin().await?;
    let token = revocable(&mut tx, ctx.actor(), id).await?;
    if !store::revoke(&mut tx, id).await? {
        return Err(Rejected::not_found("token").into());
    }
    let mut event = Event::new("token.revoke", ObjectKind::Token, id.0, &token.name);
    if let Some((team, name)) = team_of(&token).zip(token.team_name.as_deref()) {
        event = event.of_team(team, name);
    }
    audit::record(&mut tx, ctx, event).await?;
    tx.commit(()).await
}

async fn revocable(conn: &mut PgConnection, actor: &Actor, id: TokenId) -> Result<Token> {
    let found = store::find(conn, id).await?.ok_or_else(|| Rejected::not_found("token"))?;
    let itself = actor.kind() == domain::audit::ActorKind::Token && actor.id() == Some(id.0);
    let theirs = found.owner.is_some() && found.owner == own(actor);
    if !itself && !theirs {
        let team = team_of(&found.token).ok_or_else(|| Rejected::not_found("token"))?;
        let membership = access::membership(conn, actor, team).await?;
        actor.check_team(team, membership, TeamAction::ManageTokens, "token")?;
    }
    Ok(found.token)
}

/// The team whose token it is; none for a person's own.
fn team_of(token: &Token) -> Option<TeamId> {
    token.team.filter(|_| token.kind == TokenKind::Team)
}

/// Whose tokens are all the actor's own: a token that is good for one team only does not act as its maker elsewhere.
fn own(actor: &Actor) -> Option<UserId> {
    actor.user_id().filter(|_| !actor.is_limited())
}

/// Revokes every personal token of a user.
///
/// # Errors
/// A fault when the database fails.
pub async fn revoke_all(conn: &mut PgConnection, user: UserId) -> Result<u64> {
    store::revoke_all(conn, user).await
}

/// Whose token it is, at this moment. Moves its last use at most once a minute.
///
/// # Errors
/// A fault when the database fails.
pub async fn authenticate(control: &Control, secret: &str) -> Result<Option<Actor>> {
    holder(control, secret, Used::Now).await
}

pub(crate) async fn holder(control: &Control, secret: &str, used: Used) -> Result<Option<Actor>> {
    // Most of what is no token is told by its shape, without asking the database.
    if !secret::is_sealed(secret) {
        return Ok(None);
    }
    store::authenticate(control, &secrets::hash(secret), used).await
}

/// Forgets tokens that ended three months ago.
///
/// # Errors
/// A fault when the database fails.
pub async fn sweep(control: &Control) -> Result<u64> {
    store::sweep(control).await
}
