//! Signed-in browsers: opaque secrets, of which only hashes are kept.

mod store;
#[cfg(test)]
mod tests;

use domain::{
    Code, Rejected,
    ids::{SessionId, UserId},
    names::EmailAddress,
    operation::ObjectKind,
    user::Session,
};
use sqlx::PgConnection;

use crate::{
    Actor, Control, Credential, Ctx, Result,
    attempts::{self, Limit},
    audit::{self, Event},
    secrets, tokens,
};

/// The browser that asks to be signed in.
#[derive(Clone, Copy, Default)]
pub struct Browser<'a> {
    /// What it calls itself.
    pub user_agent: &'a str,
    /// The secret it still carries; that session ends with the new one.
    pub carries: Option<&'a str>,
}

/// Opens a session for whoever knows the password, and gives its secret, which goes into the cookie and nowhere else.
///
/// Unknown addresses, wrong passwords and disabled users get the same answer after the same work.
///
/// # Errors
/// `invalid_input` for what is no address; `wrong_credentials`; `rate_limited`.
pub async fn sign_in(ctx: &Ctx, email: &str, password: &str, browser: Browser<'_>) -> Result<String> {
    ctx.attempt("session.open", ObjectKind::User, None);
    let email = EmailAddress::parse(email).map_err(|message| Rejected::field("email", message))?;
    if password.is_empty() {
        return Err(Rejected::field("password", "Enter your password.").into());
    }
    let control = ctx.control();
    let address = ctx.request().address.as_deref();
    // Where it comes from is counted first: nobody shuts others out by guessing.
    let limits = [Limit::sign_in_from(address), Limit::sign_in_as_from(email.as_str(), address), Limit::sign_in_as(email.as_str())];
    attempts::count(&control.pool, &limits).await?;

    let known = store::known(&mut *ctx.read().await?, email.as_str()).await?;
    ctx.attempt("session.open", ObjectKind::User, known.as_ref().map(|known| known.id.0));
    ctx.naming(email.as_str());
    let fits = control.passwords.verify(password.to_owned(), known.as_ref().map(|known| known.password_hash.clone())).await?;
    let Some(known) = known.filter(|_| fits) else { return Err(refused(ctx).await?) };

    let mut tx = ctx.begin_anonymous().await?;
    // The password may have been changed, or the user disabled, while it was verified.
    let Some(actor) = store::lock_active(&mut tx, known.id, &known.password_hash).await? else {
        // The refusal is recorded over a connection of its own: nobody waits for a second one while they keep the first from others.
        drop(tx);
        return Err(refused(ctx).await?);
    };
    if let Some(carried) = browser.carries {
        store::delete(&mut tx, &secrets::hash(carried)).await?;
    }
    let secret = open(&mut tx, ctx, known.id, browser.user_agent).await?;
    let event = Event::new("session.open", ObjectKind::User, known.id.0, email.as_str());
    audit::record(&mut tx, &ctx.acting_as(actor), event).await?;
    let secret = tx.commit_secret(secret).await?;
    attempts::forgive(&control.pool, &limits).await?;
    Ok(secret)
}

/// Records the refusal and makes the one answer for every way to be wrong.
async fn refused(ctx: &Ctx) -> Result<crate::Error> {
    let rejected = Rejected::new(Code::WrongCredentials, "E-mail address or password is wrong.");
    audit::record_refusal(ctx, &rejected).await?;
    Ok(rejected.into())
}

/// Ends the session of this secret.
///
/// # Errors
/// A fault when the database fails.
pub async fn sign_out(ctx: &Ctx, secret: &str) -> Result<()> {
    ctx.attempt("session.close", ObjectKind::User, ctx.actor().id());
    let mut tx = ctx.begin_anonymous().await?;
    if store::delete(&mut tx, &secrets::hash(secret)).await?
        && let Some(user) = ctx.actor().person()
    {
        audit::record(&mut tx, ctx, Event::new("session.close", ObjectKind::User, user.0, ctx.actor().name())).await?;
    }
    tx.commit(()).await
}

/// One's own sessions, the newest first.
///
/// # Errors
/// `unauthenticated`; `forbidden` for a token.
pub async fn list(ctx: &Ctx) -> Result<Vec<Session>> {
    let user = ctx.actor().check_person()?;
    let mut conn = ctx.read().await?;
    store::list(&mut conn, ctx.control(), user, ctx.session().map(secrets::hash)).await
}

/// Ends one of one's own sessions.
///
/// # Errors
/// `unauthenticated`; `forbidden` for a token; `not_found` if it is not one's own or over.
pub async fn revoke(ctx: &Ctx, id: SessionId) -> Result<()> {
    ctx.attempt("session.revoke", ObjectKind::User, ctx.actor().id());
    let user = ctx.actor().check_person()?;
    let mut tx = ctx.begin().await?;
    if !store::revoke(&mut tx, user, id).await? {
        return Err(Rejected::not_found("session").into());
    }
    audit::record(&mut tx, ctx, Event::new("session.revoke", ObjectKind::User, user.0, ctx.actor().name())).await?;
    tx.commit(()).await
}

/// Whose session the cookie's secret is, at this moment. Moves its last use at most once a minute.
///
/// # Errors
/// A fault when the database fails.
pub async fn authenticate(control: &Control, secret: &str) -> Result<Option<Actor>> {
    store::authenticate(control, &secrets::hash(secret), Used::Now).await
}

/// Whether asking whose a credential is counts as using it. A stream that is left open asks for hours, and must not keep a session from ending unused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    Now,
    Not,
}

/// Whose credential it is, at this moment; nobody's when it was taken back, ended, or there is none.
///
/// # Errors
/// A fault when the database fails.
pub async fn holder(control: &Control, credential: &Credential) -> Result<Option<Actor>> {
    held(control, credential, Used::Now).await
}

async fn held(control: &Control, credential: &Credential, used: Used) -> Result<Option<Actor>> {
    match credential {
        Credential::None => Ok(None),
        Credential::Session(secret) => store::authenticate(control, &secrets::hash(secret), used).await,
        Credential::Token(secret) => tokens::holder(control, secret, used).await,
    }
}

/// The context of whoever opened a stream, as they are at this moment: asked again and again while it goes on, which is no use of the session.
///
/// # Errors
/// `unauthenticated` once the session or token that it was opened with is over.
pub async fn again(ctx: &Ctx) -> Result<Ctx> {
    let holder = held(ctx.control(), &ctx.request().credential, Used::Not).await?;
    let actor = holder.ok_or_else(|| Rejected::new(Code::Unauthenticated, "You are signed out, or your token is not valid any more."))?;
    Ok(ctx.acting_as(actor))
}

/// Opens a session inside another operation's transaction and gives its secret.
///
/// # Errors
/// A fault when the database fails.
pub async fn open(conn: &mut PgConnection, ctx: &Ctx, user: UserId, user_agent: &str) -> Result<String> {
    let secret = secrets::generate();
    let agent: String = user_agent.chars().filter(|c| !domain::names::is_deceptive(*c)).take(200).collect();
    store::insert(conn, ctx, &secrets::hash(&secret), user, &agent).await?;
    Ok(secret)
}

/// Ends every session of a user but the one with the secret `keep`.
///
/// # Errors
/// A fault when the database fails.
pub async fn end_all(conn: &mut PgConnection, user: UserId, keep: Option<&str>) -> Result<u64> {
    store::delete_all(conn, user, keep.map(secrets::hash)).await
}

/// Forgets sessions that are over.
///
/// # Errors
/// A fault when the database fails.
pub async fn sweep(control: &Control) -> Result<u64> {
    store::sweep(control).await
}
