//! People: who they are, what they hold on the platform, and their own passwords.

mod store;
#[cfg(test)]
mod tests;

use domain::{
    Code, Rejected,
    access::{PlatformAction, PlatformRole},
    ids::UserId,
    names::DisplayName,
    operation::ObjectKind,
    page::{Direction, Page},
    user::{Me, PlatformRoleChange, User, UserChange, UserQuery},
};
use sqlx::PgConnection;

use crate::{
    Ctx, Result,
    attempts::{self, Limit},
    audit::{self, Event},
    links,
    paging::{List, Paging},
    passwords::Passwords,
    sessions, tokens,
};

/// Somebody as their address finds them.
pub struct Known {
    pub id: UserId,
    pub email: String,
    pub disabled: bool,
}

/// Whoever has this address, for an operation that names people by it.
///
/// # Errors
/// A fault when the database fails.
pub async fn by_email(conn: &mut PgConnection, email: &str) -> Result<Option<Known>> {
    store::by_email(conn, email).await
}

/// Holds off whoever wants to disable a person or take their role away until what that person makes is there to be taken back; gives the role they have now.
///
/// # Errors
/// `unauthenticated` when they were disabled meanwhile.
pub async fn hold_active(conn: &mut PgConnection, id: UserId) -> Result<Option<PlatformRole>> {
    Ok(store::hold_active(conn, id).await?.ok_or_else(|| Rejected::new(Code::Unauthenticated, "Sign in, or send a valid token."))?)
}

/// The list of people.
pub const LIST: List = List {
    name: "users",
    sorts: &[("name", Direction::Ascending), ("email", Direction::Ascending), ("created_at", Direction::Descending), ("last_seen_at", Direction::Descending)],
    searched: "their name or e-mail address",
};

/// Everybody.
///
/// # Errors
/// `not_found` for whoever is neither admin nor auditor; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &UserQuery) -> Result<Page<User>> {
    ctx.actor().check_platform(PlatformAction::See, "page")?;
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &(query.platform_role, query.state))?;
    let mut conn = ctx.read().await?;
    let rows = store::list(&mut conn, query, &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.user.id.0), |row| row.user)
}

/// One person: oneself, or anybody for admins and auditors.
///
/// # Errors
/// `not_found` for others.
pub async fn get(ctx: &Ctx, id: UserId) -> Result<User> {
    check_see(ctx, id)?;
    let mut conn = ctx.read().await?;
    store::find(&mut conn, id).await
}

/// Changes a person: an admin anybody, everybody their own name. The platform never loses its last admin.
///
/// Disabling ends sessions and personal tokens for good. It is never refused for what somebody owns: which teams it leaves without an owner is in the answer and
/// on the record. Whoever loses the role admin loses the invitations they made.
///
/// # Errors
/// `not_found`, `forbidden`, `invalid_input`, `precondition_failed`; `conflict` for the last admin, or for disabling oneself.
pub async fn update(ctx: &Ctx, id: UserId, change: &UserChange) -> Result<User> {
    ctx.attempt("user.update", ObjectKind::User, Some(id.0));
    check_see(ctx, id)?;
    let own_name = ctx.actor().person() == Some(id) && change.platform_role.is_none() && change.disabled.is_none();
    if !own_name {
        ctx.actor().check_platform(PlatformAction::Manage, "user").map_err(|_| Rejected::forbidden("Only a platform admin may change this."))?;
    }
    let name = match &change.name {
        Some(name) => Some(DisplayName::parse(name).map_err(|message| Rejected::field("name", message))?.into_string()),
        None => None,
    };

    let mut tx = ctx.begin().await?;
    let others = store::lock_with_admins(&mut tx, id).await?;
    let before = store::find(&mut tx, id).await?;
    ctx.check_version(before.version)?;
    let role = match change.platform_role {
        None => before.platform_role,
        Some(PlatformRoleChange::None) => None,
        Some(PlatformRoleChange::Auditor) => Some(PlatformRole::Auditor),
        Some(PlatformRoleChange::Admin) => Some(PlatformRole::Admin),
    };
    let name = name.unwrap_or_else(|| before.name.clone());
    let disabled = change.disabled.unwrap_or(before.disabled);
    if disabled && !before.disabled && ctx.actor().user_id() == Some(id) {
        return Err(Rejected::conflict("You cannot disable yourself. Ask another platform admin.").at("disabled").into());
    }
    let is_admin = |role: Option<PlatformRole>, disabled: bool| role == Some(PlatformRole::Admin) && !disabled;
    let stops_being_admin = is_admin(before.platform_role, before.disabled) && !is_admin(role, disabled);
    if stops_being_admin && others == 0 {
        return Err(Rejected::conflict("This is the last platform admin. Make somebody else an admin first.").at("platform_role").into());
    }
    store::update(&mut tx, id, &name, role, disabled).await?;
    if stops_being_admin {
        links::withdraw_made_by(&mut tx, ctx, id).await?;
    }
    if disabled && !before.disabled {
        sessions::end_all(&mut tx, id, None).await?;
        tokens::revoke_all(&mut tx, id).await?;
        links::withdraw_resets(&mut tx, id).await?;
    }
    let mut event = Event::new("user.update", ObjectKind::User, id.0, &before.email)
        .change("name", &before.name, &name)
        .change("platform_role", before.platform_role, role)
        .change("disabled", before.disabled, disabled);
    let user = store::find(&mut tx, id).await?;
    if disabled && !before.disabled {
        let ownerless: Vec<&str> = user.teams.iter().filter(|team| team.sole_owner).map(|team| team.name.as_str()).collect();
        event = event.change("teams_without_owner", None::<()>, Some(ownerless).filter(|teams| !teams.is_empty()));
    }
    audit::record(&mut tx, ctx, event).await?;
    tx.commit(user).await
}

/// The caller, with what they hold at this moment.
///
/// # Errors
/// `unauthenticated`.
pub async fn me(ctx: &Ctx) -> Result<Me> {
    ctx.actor().check_signed_in()?;
    let actor = ctx.actor();
    let mut conn = ctx.read().await?;
    let mut teams = store::teams(&mut conn, actor).await?;
    for team in &mut teams {
        if let Some(role) = actor.rights(team.id, Some(team.role)).team {
            team.role = role;
        }
    }
    let (email, name) = match actor.user_id() {
        Some(user) => {
            let user = store::find(&mut conn, user).await?;
            (Some(user.email), user.name)
        }
        None => (None, actor.name().to_owned()),
    };
    Ok(Me { id: actor.user_id(), email, name, platform_role: actor.platform_role(), teams })
}

/// Changes one's own password and ends every session but the one that asks; gives how many ended. No repetition of it is known: what is kept to know one by
/// would be a hash of the passwords.
///
/// # Errors
/// `unauthenticated`; `forbidden` for a token; `invalid_input` naming the field; `rate_limited` for guessing.
pub async fn change_password(ctx: &Ctx, current: &str, new: &str) -> Result<u64> {
    let ctx = &ctx.unrepeatable();
    ctx.attempt("user.change_password", ObjectKind::User, ctx.actor().id());
    let id = ctx.actor().check_person()?;
    let control = ctx.control();
    let (email, hash) = store::credentials(&mut *ctx.read().await?, id).await?;
    Passwords::check("new_password", new, &email)?;
    let limit = [Limit::password_of(id)];
    attempts::count(&control.pool, &limit).await?;
    if !control.passwords.verify(current.to_owned(), Some(hash.clone())).await? {
        return Err(Rejected::field("current_password", "This is not your present password.").into());
    }
    attempts::forgive(&control.pool, &limit).await?;
    let new = control.passwords.hash(new.to_owned()).await?;
    let mut tx = ctx.begin().await?;
    if !store::set_password(&mut tx, id, &new, &hash).await? {
        return Err(Rejected::conflict("Your password was changed meanwhile.").into());
    }
    let ended = sessions::end_all(&mut tx, id, ctx.session()).await?;
    links::withdraw_resets(&mut tx, id).await?;
    audit::record(&mut tx, ctx, Event::new("user.change_password", ObjectKind::User, id.0, &email)).await?;
    tx.commit(ended).await
}

fn check_see(ctx: &Ctx, id: UserId) -> Result<(), Rejected> {
    if ctx.actor().user_id() == Some(id) && !ctx.actor().is_limited() {
        return Ok(());
    }
    ctx.actor().check_platform(PlatformAction::See, "user")
}
