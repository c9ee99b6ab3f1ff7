//! Teams and their members.

mod store;
#[cfg(test)]
mod tests;

use domain::{
    Code, Rejected,
    access::{PlatformAction, TeamAction, TeamRole},
    ids::{TeamId, UserId},
    names::{EmailAddress, IdOrName, TeamName},
    operation::ObjectKind,
    page::{Direction, Page, PageQuery},
    team::{Member, MemberChange, NewTeam, Team, TeamChange},
};

use sqlx::PgConnection;

use crate::{
    Actor, Ctx, Named, Result,
    audit::{self, Event},
    error::OnConstraint as _,
    paging::{List, Paging},
    users,
};

const MAX_DESCRIPTION: usize = domain::limits::TEAM_DESCRIPTION;

/// Creates a team with its first owner.
///
/// # Errors
/// `not_found` for whoever is not an admin; `invalid_input`; `already_exists`.
pub async fn create(ctx: &Ctx, new: &NewTeam) -> Result<Team> {
    ctx.attempt("team.create", ObjectKind::Team, None);
    ctx.naming(&new.name);
    ctx.actor().check_platform(PlatformAction::Manage, "page")?;
    let mut checks = domain::error::Checks::new();
    let name = checks.take("name", TeamName::parse(&new.name));
    check_description(&mut checks, &new.description);
    let owner = checks.take_given("owner", new.owner.as_deref(), EmailAddress::parse);
    checks.finish()?;
    let name = name.expect("a clean check has a name");

    let mut tx = ctx.begin().await?;
    let owner = match (owner, ctx.actor().user_id()) {
        (Some(email), _) => enabled(&mut tx, "owner", &email, "Invite them first.").await?,
        (None, Some(user)) => store::user(&mut tx, user).await?,
        (None, None) => return Err(Rejected::field("owner", "Name the first owner's e-mail address.").into()),
    };
    let id = TeamId::generate();
    store::insert(&mut tx, id, name.as_str(), new.description.trim())
        .await
        .on_constraint("teams_name_unique", || Rejected::new(Code::AlreadyExists, format!("There is a team {name} already. Choose another name.")).at("name"))?;
    store::set_member(&mut tx, id, owner.id, TeamRole::Owner).await?;
    let event = Event::new("team.create", ObjectKind::Team, id.0, name.as_str()).of_team(id, name.as_str()).change("description", None::<String>, new.description.trim()).change(
        "owner",
        None::<String>,
        &owner.email,
    );
    audit::record(&mut tx, ctx, event).await?;
    let team = store::find(&mut tx, ctx.actor(), id).await?;
    tx.commit(team).await
}

/// The list of teams.
pub const LIST: List = List { name: "teams", sorts: &[("name", Direction::Ascending), ("created_at", Direction::Descending)], searched: "its name or description" };

/// The teams the actor may see.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &PageQuery) -> Result<Page<Team>> {
    ctx.actor().check_signed_in()?;
    let paging = Paging::read(ctx.control(), &LIST, query, &())?;
    let mut conn = ctx.read().await?;
    let rows = store::list(&mut conn, ctx.actor(), &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.team.id.0), |row| row.team)
}

/// One team.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn get(ctx: &Ctx, id: TeamId) -> Result<Team> {
    authorize(&mut *ctx.read().await?, ctx.actor(), id, TeamAction::See).await
}

/// The team that a request names, by its id or its name.
///
/// # Errors
/// `invalid_input` at `team` if there is none, or the actor may not see it: the answer is the same.
pub async fn named(conn: &mut PgConnection, actor: &Actor, named: &IdOrName) -> Result<Team> {
    seen(conn, actor, named).await?.ok_or_else(|| Rejected::field("team", unseen(named)).into())
}

async fn seen(conn: &mut PgConnection, actor: &Actor, named: &IdOrName) -> Result<Option<Team>> {
    let Some(id) = id_of(conn, named).await? else { return Ok(None) };
    let team = match store::find(conn, actor, id).await {
        Err(error) if error.is(Code::NotFound) => return Ok(None),
        found => found?,
    };
    Ok(actor.check_team(id, team.your_role, TeamAction::See, "team").is_ok().then_some(team))
}

/// What is wrong with the name of a team that is not there, for those who may not see every team.
#[must_use]
pub fn unseen(named: &IdOrName) -> String {
    format!("There is no team {named}, or you cannot see it.")
}

/// The team that is meant, whoever asks. An id is taken at its word: whether a team has it shows where it is used.
async fn id_of(conn: &mut PgConnection, named: &IdOrName) -> Result<Option<TeamId>> {
    match named {
        IdOrName::Id(id) => Ok(Some(TeamId(*id))),
        IdOrName::Name(name) => store::id_of(conn, name).await,
    }
}

/// The team that a list is narrowed to, if it is.
///
/// # Errors
/// Those of [`named`].
pub async fn narrowed(conn: &mut PgConnection, actor: &Actor, given: Option<&IdOrName>) -> Result<Option<TeamId>> {
    match given {
        Some(given) => Ok(Some(named(conn, actor, given).await?.id)),
        None => Ok(None),
    }
}

/// The team that is meant, whoever asks. It cannot be deleted until the transaction ends.
///
/// # Errors
/// A fault when the database fails.
pub async fn hold(conn: &mut PgConnection, named: &IdOrName) -> Result<Option<Named<TeamId>>> {
    match id_of(conn, named).await? {
        Some(id) => store::hold(conn, id).await,
        None => Ok(None),
    }
}

/// The rejection for a team that is not there, for those who may see every team.
#[must_use]
pub fn none_such(named: &IdOrName) -> Rejected {
    Rejected::field("team", format!("There is no team {named}."))
}

/// Loads, authorizes and locks the team that is meant in one step, for something that is made in it; none when it is not there, or the actor may not see it.
///
/// # Errors
/// `forbidden`.
pub async fn lock(conn: &mut PgConnection, actor: &Actor, named: &IdOrName, action: TeamAction) -> Result<Option<Team>> {
    match seen(conn, actor, named).await? {
        Some(team) => lock_for(conn, actor, team.id, action).await.map(Some),
        None => Ok(None),
    }
}

async fn authorize(conn: &mut PgConnection, actor: &Actor, id: TeamId, action: TeamAction) -> Result<Team> {
    let team = store::find(conn, actor, id).await?;
    actor.check_team(id, team.your_role, action, "team")?;
    Ok(team)
}

/// Loads, authorizes and locks in one step. Whoever may not waits for nobody; what is given is read once it is locked.
async fn lock_for(conn: &mut PgConnection, actor: &Actor, id: TeamId, action: TeamAction) -> Result<Team> {
    authorize(conn, actor, id, action).await?;
    store::lock(conn, id).await?;
    authorize(conn, actor, id, action).await
}

/// Changes a team's settings.
///
/// # Errors
/// `not_found`, `forbidden`, `invalid_input`, `precondition_failed`.
pub async fn update(ctx: &Ctx, id: TeamId, change: &TeamChange) -> Result<Team> {
    ctx.attempt("team.update", ObjectKind::Team, Some(id.0));
    let mut tx = ctx.begin().await?;
    let team = lock_for(&mut tx, ctx.actor(), id, TeamAction::Manage).await?;
    ctx.check_version(team.version)?;
    let description = change.description.as_deref().unwrap_or(&team.description).trim();
    let mut checks = domain::error::Checks::new();
    check_description(&mut checks, description);
    checks.finish()?;
    store::update(&mut tx, id, description).await?;
    let event = Event::new("team.update", ObjectKind::Team, id.0, &team.name).of_team(id, &team.name).change("description", &team.description, description);
    audit::record(&mut tx, ctx, event).await?;
    let team = store::find(&mut tx, ctx.actor(), id).await?;
    tx.commit(team).await
}

/// Deletes an empty team.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `in_use` with the list of what it still owns.
pub async fn delete(ctx: &Ctx, id: TeamId) -> Result<()> {
    ctx.attempt("team.delete", ObjectKind::Team, Some(id.0));
    let mut tx = ctx.begin().await?;
    authorize(&mut tx, ctx.actor(), id, TeamAction::See).await?;
    ctx.actor().check_platform(PlatformAction::Manage, "team").map_err(|_| Rejected::forbidden("Only a platform admin may delete a team."))?;
    store::lock_to_delete(&mut tx, id).await?;
    let team = authorize(&mut tx, ctx.actor(), id, TeamAction::See).await?;
    ctx.check_version(team.version)?;
    let blockers = store::blockers(&mut tx, id).await?;
    if !blockers.is_empty() {
        let mut rejected = Rejected::new(Code::InUse, format!("The team {} still owns things, or somebody is invited to it. Delete or withdraw these first.", team.name));
        rejected.blockers = blockers;
        return Err(rejected.into());
    }
    store::delete(&mut tx, id).await?;
    audit::record(&mut tx, ctx, Event::new("team.delete", ObjectKind::Team, id.0, &team.name).of_team(id, &team.name)).await?;
    tx.commit(()).await
}

/// A team's members.
///
/// # Errors
/// `not_found` if the actor may not see the team.
pub async fn members(ctx: &Ctx, id: TeamId) -> Result<Vec<Member>> {
    get(ctx, id).await?;
    let mut conn = ctx.read().await?;
    store::members(&mut conn, id).await
}

/// Adds a member or changes their role. No member leaves a team without an owner who can sign in: somebody has to answer for it.
///
/// # Errors
/// `not_found`, `forbidden`, `invalid_input` naming the field, `conflict` for the last owner.
pub async fn set_member(ctx: &Ctx, id: TeamId, change: &MemberChange) -> Result<Vec<Member>> {
    ctx.attempt("team.set_member", ObjectKind::Team, Some(id.0));
    let mut tx = ctx.begin().await?;
    let team = lock_for(&mut tx, ctx.actor(), id, TeamAction::Manage).await?;
    let email = EmailAddress::parse(&change.email).map_err(|message| Rejected::field("email", message))?;
    let nobody = || Rejected::field("email", format!("Nobody here has the address {email}. Ask a platform admin to invite them."));
    let user = users::by_email(&mut tx, email.as_str()).await?.ok_or_else(nobody)?;
    let before = store::role(&mut tx, id, user.id).await?;
    if user.disabled {
        // They keep what they have, or get less.
        if before.is_none_or(|before| change.role > before) {
            return Err(Rejected::field("email", format!("{email} is disabled, and gets no other role until a platform admin enables them.")).into());
        }
    }
    if before == Some(TeamRole::Owner) && change.role != TeamRole::Owner {
        refuse_last_owner(&store::owners(&mut tx, id).await?, user.id, &team.name)?;
    }
    store::set_member(&mut tx, id, user.id, change.role).await?;
    let event = Event::new("team.set_member", ObjectKind::Team, id.0, &team.name).of_team(id, &team.name).change(&format!("members.{}", user.email), before, change.role);
    audit::record(&mut tx, ctx, event).await?;
    let members = store::members(&mut tx, id).await?;
    tx.commit(members).await
}

/// Takes a member out of the team. Anyone may take themselves out.
///
/// # Errors
/// `not_found`, `forbidden`, `conflict` for the last owner.
pub async fn remove_member(ctx: &Ctx, id: TeamId, user: UserId) -> Result<Vec<Member>> {
    ctx.attempt("team.remove_member", ObjectKind::Team, Some(id.0));
    let mut tx = ctx.begin().await?;
    let leaving = ctx.actor().person() == Some(user);
    let team = lock_for(&mut tx, ctx.actor(), id, if leaving { TeamAction::See } else { TeamAction::Manage }).await?;
    let before = store::role(&mut tx, id, user).await?.ok_or_else(|| Rejected::not_found("member"))?;
    if before == TeamRole::Owner {
        refuse_last_owner(&store::owners(&mut tx, id).await?, user, &team.name)?;
    }
    let email = store::user(&mut tx, user).await?.email;
    store::remove_member(&mut tx, id, user).await?;
    let event = Event::new("team.remove_member", ObjectKind::Team, id.0, &team.name).of_team(id, &team.name).change(&format!("members.{email}"), before, None::<TeamRole>);
    audit::record(&mut tx, ctx, event).await?;
    let members = store::members(&mut tx, id).await?;
    tx.commit(members).await
}

/// Whoever has this address and can sign in.
async fn enabled(conn: &mut PgConnection, field: &str, email: &EmailAddress, otherwise: &str) -> Result<store::Person> {
    match users::by_email(conn, email.as_str()).await? {
        Some(user) if user.disabled => Err(Rejected::field(field, format!("{email} is disabled. A platform admin can enable them.")).into()),
        Some(user) => Ok(store::Person { id: user.id, email: user.email }),
        None => Err(Rejected::field(field, format!("Nobody here has the address {email}. {otherwise}")).into()),
    }
}

fn check_description(checks: &mut domain::error::Checks, description: &str) {
    checks.prose("description", description, MAX_DESCRIPTION);
}

/// Somebody who cannot sign in answers for nothing: they may go whoever else is there.
fn refuse_last_owner(owners: &[UserId], goes: UserId, team: &str) -> Result<(), Rejected> {
    if owners == [goes] {
        return Err(Rejected::conflict(format!("{team} needs an owner who can sign in. Make somebody else an owner first.")));
    }
    Ok(())
}
