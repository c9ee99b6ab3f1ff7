//! Links that work once: the first admin's, invitations, password resets. Only hashes of their secrets are kept.

mod store;
#[cfg(test)]
mod tests;

use domain::{
    Code, Rejected,
    access::{PlatformAction, PlatformRole, TeamRole},
    audit::ActorKind,
    error::Checks,
    ids::{LinkId, UserId},
    names::{DisplayName, EmailAddress, IdOrName},
    operation::ObjectKind,
    page::{Direction, Page, PageQuery},
    user::{Earlier, Invitation, LinkInfo, LinkPurpose, NewInvitation, OpenInvitation},
};
use sqlx::PgConnection;
use url::Url;

use crate::{
    Actor, Control, Ctx, Result,
    audit::{self, Event},
    paging::{List, Paging},
    passwords::Passwords,
    secrets, sessions, teams, users,
};
use store::NewLink;

/// What somebody fills in behind a link. It has no `Debug`, so that no log ever holds a password.
#[derive(Clone, Copy)]
pub struct Filled<'a> {
    /// Only the first admin chooses it.
    pub email: &'a str,
    /// Ignored when a password is reset.
    pub name: &'a str,
    pub password: &'a str,
    /// What the browser calls itself: it is signed in at once.
    pub user_agent: &'a str,
}

/// A link for the first admin, as long as there is no admin who can sign in. Links given out before keep working until one of them is used,
/// so that replicas that start together do not take each other's away.
///
/// # Errors
/// A fault when the database fails.
pub async fn ensure_first_admin(control: &Control) -> Result<Option<Url>> {
    let mut tx = control.pool.begin().await?;
    if store::has_admin(&mut tx).await? {
        return Ok(None);
    }
    store::sweep(&mut tx).await?;
    let ctx = Ctx::new(control.clone(), Actor::system("slipway"), domain::audit::Source::Cli, crate::Request::default());
    let (made, url) = make(&mut tx, &ctx, NewLink::of(LinkPurpose::FirstAdmin)).await?;
    audit::record(&mut tx, &ctx, Event::new("installation.first_admin_link", ObjectKind::Invitation, made.id.0, "first admin")).await?;
    tx.commit().await?;
    Ok(Some(url))
}

/// Invites a person. An open invitation of the same address stops working, if that is wished.
///
/// # Errors
/// `not_found` or `forbidden` for whoever is not an admin; `invalid_input` naming each field; `already_exists` for somebody who is here, and at `earlier` for
/// an open invitation that is not to be replaced.
pub async fn invite(ctx: &Ctx, new: &NewInvitation) -> Result<Invitation> {
    ctx.attempt("invitation.create", ObjectKind::Invitation, None);
    ctx.naming(&new.email);
    ctx.actor().check_platform(PlatformAction::Manage, "page")?;
    let mut checks = Checks::new();
    let email = checks.take("email", EmailAddress::parse(&new.email));
    let team = checks.take_given("team", new.team.as_deref(), IdOrName::parse);
    checks.ensure(team.is_some() || new.team_role.is_none() || !checks.is_clean(), "team", "Name the team in which they get this role.");
    checks.finish()?;
    let email = email.expect("a clean check has an address");

    let mut tx = ctx.begin().await?;
    if let Some(user) = ctx.actor().user_id()
        && users::hold_active(&mut tx, user).await? != Some(PlatformRole::Admin)
    {
        return Err(Rejected::forbidden("Only a platform admin invites people.").into());
    }
    store::lock_email(&mut tx, email.as_str()).await?;
    if let Some(known) = users::by_email(&mut tx, email.as_str()).await? {
        let message = match known.disabled {
            true => format!("{email} is here already, and disabled. Enable them on their page instead."),
            false => format!("{email} is here already. Change their roles instead."),
        };
        return Err(Rejected::new(Code::AlreadyExists, message).at("email").into());
    }
    let team = match team {
        Some(named) => {
            let team = teams::hold(&mut tx, &named).await?.ok_or_else(|| teams::none_such(&named))?;
            Some((team, new.team_role.unwrap_or(TeamRole::Viewer)))
        }
        None => None,
    };
    if new.earlier == Earlier::Keep
        && let Some(open) = store::open_of(&mut tx, email.as_str()).await?
    {
        return Err(already_invited(&open).into());
    }
    let earlier = store::withdraw_of(&mut tx, email.as_str()).await?;
    record_withdrawn(&mut tx, ctx, earlier, "a newer invitation takes its place").await?;
    let link =
        NewLink { email: Some(email.as_str()), platform_role: new.platform_role, team: team.as_ref().map(|(team, role)| (team.id, *role)), ..NewLink::of(LinkPurpose::Invitation) };
    let (made, url) = make(&mut tx, ctx, link).await?;
    let mut event = Event::new("invitation.create", ObjectKind::Invitation, made.id.0, email.as_str()).change("platform_role", None::<&str>, new.platform_role);
    if let Some((team, role)) = &team {
        event = event.of_team(team.id, &team.name).change("team", None::<&str>, &team.name).change("team_role", None::<&str>, role);
    }
    audit::record(&mut tx, ctx, event).await?;
    tx.commit_secret(Invitation { id: made.id, email: email.into_string(), url: url.into(), expires_at: made.expires_at }).await
}

/// The list of invitations.
pub const INVITATIONS: List =
    List { name: "invitations", sorts: &[("expires_at", Direction::Descending), ("email", Direction::Ascending)], searched: "its e-mail address or team" };

/// Invitations that were not used yet.
///
/// # Errors
/// `not_found` for whoever is neither admin nor auditor; `invalid_input` for a question that cannot be.
pub async fn invitations(ctx: &Ctx, query: &PageQuery) -> Result<Page<OpenInvitation>> {
    ctx.actor().check_platform(PlatformAction::See, "page")?;
    let paging = Paging::read(ctx.control(), &INVITATIONS, query, &())?;
    let mut conn = ctx.read().await?;
    let rows = store::invitations(&mut conn, &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.invitation.id.0), |row| row.invitation)
}

/// Withdraws an invitation: its link stops working.
///
/// # Errors
/// `not_found` for one that is used or withdrawn, or for whoever is neither admin nor auditor; `forbidden` for an auditor.
pub async fn revoke_invitation(ctx: &Ctx, id: LinkId) -> Result<()> {
    ctx.attempt("invitation.revoke", ObjectKind::Invitation, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "invitation")?;
    let mut tx = ctx.begin().await?;
    let email = store::revoke(&mut tx, id).await?.ok_or_else(|| Rejected::not_found("invitation"))?;
    audit::record(&mut tx, ctx, Event::new("invitation.revoke", ObjectKind::Invitation, id.0, &email)).await?;
    tx.commit(()).await
}

/// Makes a link with which somebody sets a new password: break-glass, for whoever runs the program and nobody else.
///
/// # Errors
/// `forbidden`; `invalid_input` for an address nobody here has; `conflict` for a disabled user.
pub async fn reset_password(ctx: &Ctx, email: &str) -> Result<Invitation> {
    ctx.attempt("user.reset_password", ObjectKind::User, None);
    ctx.actor().check_signed_in()?;
    if ctx.actor().kind() != ActorKind::System {
        return Err(Rejected::forbidden("Passwords are reset from the command line of the portal's machine.").into());
    }
    let email = EmailAddress::parse(email).map_err(|message| Rejected::field("email", message))?;
    let mut tx = ctx.begin().await?;
    let user = users::by_email(&mut tx, email.as_str())
        .await?
        .ok_or_else(|| Rejected::field("email", format!("Nobody here has the address {email}. The page Users lists everybody with the address they sign in with.")))?;
    if user.disabled {
        return Err(Rejected::conflict(format!("{email} is disabled. Enable them first.")).into());
    }
    store::withdraw_resets(&mut tx, user.id).await?;
    let link = NewLink { email: Some(email.as_str()), user: Some(user.id), ..NewLink::of(LinkPurpose::PasswordReset) };
    let (made, url) = make(&mut tx, ctx, link).await?;
    audit::record(&mut tx, ctx, Event::new("user.reset_password", ObjectKind::User, user.id.0, email.as_str())).await?;
    tx.commit_secret(Invitation { id: made.id, email: email.into_string(), url: url.into(), expires_at: made.expires_at }).await
}

/// What a link is for, without using it: mail programs open links, too.
///
/// # Errors
/// `not_found` for one that does not work, whatever the reason.
pub async fn look(control: &Control, secret: &str) -> Result<LinkInfo> {
    let mut conn = control.reads.get().await?;
    store::look(&mut conn, &secrets::hash(secret)).await?.ok_or_else(|| dead().into())
}

/// Uses a link, once: makes the person or sets the password, and gives the secret of a session for the browser that did it.
///
/// # Errors
/// `not_found` for a link that does not work; `invalid_input` naming each field; `already_exists` when somebody with this address came in meanwhile.
pub async fn redeem(ctx: &Ctx, secret: &str, filled: Filled<'_>) -> Result<String> {
    let control = ctx.control();
    let hash = secrets::hash(secret);
    let info = look(control, secret).await?;
    let mut checks = Checks::new();
    let email = match info.purpose {
        LinkPurpose::FirstAdmin => checks.take("email", EmailAddress::parse(filled.email)).map(EmailAddress::into_string),
        LinkPurpose::Invitation | LinkPurpose::PasswordReset => Some(info.email.clone()),
    };
    let name = match info.purpose {
        LinkPurpose::FirstAdmin | LinkPurpose::Invitation => checks.take("name", DisplayName::parse(filled.name)).map(DisplayName::into_string),
        LinkPurpose::PasswordReset => None,
    };
    if let Err(weak) = Passwords::check("password", filled.password, email.as_deref().unwrap_or_default()) {
        checks.wrong("password", weak.message);
    }
    checks.finish()?;
    let email = email.expect("a clean check has an address");
    // Hashing takes its time, and no transaction waits for it.
    let password_hash = control.passwords.hash(filled.password.to_owned()).await?;

    let mut tx = ctx.begin_anonymous().await?;
    // Whatever takes several locks takes them in one order, links last.
    match info.purpose {
        LinkPurpose::PasswordReset => store::lock_user(&mut tx, &email).await?,
        LinkPurpose::FirstAdmin => {
            store::lock_first_admin(&mut tx).await?;
            store::lock_email(&mut tx, &email).await?;
        }
        LinkPurpose::Invitation => {
            store::lock_email(&mut tx, &email).await?;
            store::hold_team(&mut tx, &hash).await?;
        }
    }
    // Whoever comes second waits here, then finds the link used.
    let link = store::take(&mut tx, &hash).await?.ok_or_else(dead)?;
    let user = match link.purpose {
        LinkPurpose::PasswordReset => {
            let user = link.user.ok_or_else(dead)?;
            let actor = store::set_password(&mut tx, user, &password_hash).await?.ok_or_else(dead)?;
            sessions::end_all(&mut tx, user, None).await?;
            store::withdraw_resets(&mut tx, user).await?;
            audit::record(&mut tx, &ctx.acting_as(actor), Event::new("user.set_password", ObjectKind::User, user.0, &email)).await?;
            user
        }
        LinkPurpose::FirstAdmin => {
            if store::has_admin(&mut tx).await? {
                return Err(dead().into());
            }
            store::withdraw_first_admin(&mut tx).await?;
            join(&mut tx, ctx, &link, &email, name.expect("a clean check has a name"), &password_hash).await?
        }
        LinkPurpose::Invitation => join(&mut tx, ctx, &link, &email, name.expect("a clean check has a name"), &password_hash).await?,
    };
    let session = sessions::open(&mut tx, ctx, user, filled.user_agent).await?;
    tx.commit_secret(session).await
}

/// Makes the person, with what the link gives them. Whatever else their address was invited to is withdrawn: whoever is here is given more by their roles.
async fn join(conn: &mut PgConnection, ctx: &Ctx, link: &store::Taken, email: &str, name: String, password_hash: &str) -> Result<UserId> {
    use crate::error::OnConstraint as _;
    let id = UserId::generate();
    store::insert_user(conn, id, email, &name, password_hash, link.platform_role)
        .await
        .on_constraint("users_email_unique", || Rejected::new(Code::AlreadyExists, format!("{email} has an account already. Sign in instead.")).at("email"))?;
    let ctx = ctx.acting_as(Actor::user(id, name, link.platform_role));
    let others = store::withdraw_of(conn, email).await?;
    record_withdrawn(conn, &ctx, others, "who was invited is here").await?;
    let event =
        Event::new("user.create", ObjectKind::User, id.0, email).change("platform_role", None::<&str>, link.platform_role).change("invited_by", None::<&str>, &link.made_by);
    audit::record(conn, &ctx, event).await?;
    if let Some((team, team_name, role)) = &link.team {
        store::insert_member(conn, *team, id, *role).await?;
        let event = Event::new("team.set_member", ObjectKind::Team, team.0, team_name).of_team(*team, team_name).change(&format!("members.{email}"), None::<&str>, role);
        audit::record(conn, &ctx, event).await?;
    }
    Ok(id)
}

/// An invitation that ends for another reason than its use is on the record like one that an admin withdraws.
async fn record_withdrawn(conn: &mut PgConnection, ctx: &Ctx, invitations: Vec<(LinkId, String)>, reason: &str) -> Result<()> {
    for (id, email) in invitations {
        audit::record(conn, ctx, Event::new("invitation.revoke", ObjectKind::Invitation, id.0, &email).because(Some(reason))).await?;
    }
    Ok(())
}

async fn make(conn: &mut PgConnection, ctx: &Ctx, link: NewLink<'_>) -> Result<(store::Made, Url)> {
    let control = ctx.control();
    let secret = secrets::generate();
    let made = store::insert(conn, ctx, &secrets::hash(&secret), link).await?;
    let url = control.settings.public_url.join(&format!("/links/{secret}")).map_err(|error| anyhow::anyhow!("the public URL takes no path: {error}"))?;
    Ok((made, url))
}

fn dead() -> Rejected {
    let message = "This link does not work any more: it was used, a newer one took its place, it was withdrawn, or it has expired. \
                   If you came in by it before, sign in. Otherwise ask whoever gave it to you for a new one.";
    Rejected::new(Code::NotFound, message)
}

fn already_invited(open: &OpenInvitation) -> Rejected {
    let message = format!("{} has an open invitation from {}: {}. If you replace it, its link stops working.", open.email, open.invited_by, open.gives());
    Rejected::new(Code::AlreadyExists, message).at("earlier")
}

/// Withdraws the open invitations that a user made: they give what the user may not give any more.
///
/// # Errors
/// A fault when the database fails.
pub async fn withdraw_made_by(conn: &mut PgConnection, ctx: &Ctx, user: UserId) -> Result<()> {
    let invitations = store::withdraw_made_by(conn, user).await?;
    record_withdrawn(conn, ctx, invitations, "who invited is no admin any more").await
}

/// Withdraws the links with which a user's password could be set.
///
/// # Errors
/// A fault when the database fails.
pub async fn withdraw_resets(conn: &mut PgConnection, user: UserId) -> Result<()> {
    store::withdraw_resets(conn, user).await
}

/// Forgets links that are used or expired.
///
/// # Errors
/// A fault when the database fails.
pub async fn sweep(control: &Control) -> Result<u64> {
    store::sweep(&mut *control.pool.acquire().await?).await
}
