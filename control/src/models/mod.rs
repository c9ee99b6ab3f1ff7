//! Named models of teams.

mod store;
#[cfg(test)]
mod tests;

use domain::{
    Code, Rejected,
    access::TeamAction,
    error::Checks,
    ids::ModelId,
    model::{Model, ModelChange, ModelQuery, NewModel},
    names::{IdOrName, ModelName},
    operation::ObjectKind,
    page::{Direction, Page},
};
use sqlx::PgConnection;

use crate::{
    Actor, Ctx, Result, access,
    audit::{self, Event},
    error::OnConstraint as _,
    paging::{List, Paging},
    teams,
};

const MAX_DESCRIPTION: usize = domain::limits::MODEL_DESCRIPTION;

/// Creates a model. It is a name at first; releases make it something that runs.
///
/// # Errors
/// `forbidden`; `invalid_input` naming each field, also `team` for one that the actor may not see; `already_exists`.
pub async fn create(ctx: &Ctx, new: &NewModel) -> Result<Model> {
    ctx.attempt("model.create", ObjectKind::Model, None);
    ctx.naming(&new.name);
    ctx.actor().check_signed_in()?;
    let mut checks = Checks::new();
    let named = checks.take("team", IdOrName::parse(&new.team));
    let mut tx = ctx.begin().await?;
    let team = match &named {
        Some(named) => teams::lock(&mut tx, ctx.actor(), named, TeamAction::Deploy).await?,
        None => None,
    };
    if let (Some(named), None) = (&named, &team) {
        checks.wrong("team", teams::unseen(named));
    }
    let name = checks.take("name", ModelName::parse(&new.name));
    let description = new.description.trim();
    check_description(&mut checks, description);
    checks.finish()?;
    let (team, name) = team.zip(name).expect("a clean check has a team and a name");

    let id = ModelId::generate();
    store::insert(&mut tx, id, team.id, name.as_str(), description)
        .await
        .on_constraint("models_name_unique", || Rejected::new(Code::AlreadyExists, format!("{} has a model {name} already. Choose another name.", team.name)).at("name"))?;
    let event = Event::new("model.create", ObjectKind::Model, id.0, name.as_str()).of_team(team.id, &team.name).change("description", None::<&str>, description);
    audit::record(&mut tx, ctx, event).await?;
    let model = store::find(&mut tx, id).await?;
    tx.commit(model).await
}

/// The list of models.
pub const LIST: List = List {
    name: "models",
    sorts: &[("name", Direction::Ascending), ("created_at", Direction::Descending), ("latest_release", Direction::Descending)],
    searched: "its name, description or team",
};

/// The models of the actor's teams.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &ModelQuery) -> Result<Page<Model>> {
    ctx.actor().check_signed_in()?;
    let mut checks = Checks::new();
    let team = checks.take_given("team", query.team.as_deref(), IdOrName::parse);
    checks.finish()?;
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &team)?;
    let mut conn = ctx.read().await?;
    let team = teams::narrowed(&mut conn, ctx.actor(), team.as_ref()).await?;
    let rows = store::list(&mut conn, ctx.actor(), team, &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.model.id.0), |row| row.model)
}

/// One model.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn get(ctx: &Ctx, id: ModelId) -> Result<Model> {
    authorize(&mut *ctx.read().await?, ctx.actor(), id, TeamAction::See).await
}

/// Loads, authorizes and locks in one step. Whoever may not waits for nobody; what is given is read once it is locked.
///
/// # Errors
/// `not_found` if the actor may not see it; `forbidden`.
pub async fn lock(conn: &mut PgConnection, actor: &Actor, id: ModelId, action: TeamAction) -> Result<Model> {
    authorize(conn, actor, id, action).await?;
    store::lock(conn, id).await?;
    authorize(conn, actor, id, action).await
}

async fn authorize(conn: &mut PgConnection, actor: &Actor, id: ModelId, action: TeamAction) -> Result<Model> {
    let model = store::find(conn, id).await?;
    let role = access::membership(conn, actor, model.team).await?;
    actor.check_team(model.team, role, action, "model")?;
    Ok(model)
}

/// The number that the next release of a model gets. The model has to be locked.
///
/// # Errors
/// A fault when the database fails.
pub async fn next_release(conn: &mut PgConnection, id: ModelId) -> Result<i32> {
    store::next_release(conn, id).await
}

/// Changes a model's description.
///
/// # Errors
/// `not_found`, `forbidden`, `invalid_input`, `precondition_failed`.
pub async fn update(ctx: &Ctx, id: ModelId, change: &ModelChange) -> Result<Model> {
    ctx.attempt("model.update", ObjectKind::Model, Some(id.0));
    let mut tx = ctx.begin().await?;
    let model = lock(&mut tx, ctx.actor(), id, TeamAction::Deploy).await?;
    ctx.check_version(model.version)?;
    let description = change.description.as_deref().unwrap_or(&model.description).trim();
    let mut checks = Checks::new();
    check_description(&mut checks, description);
    checks.finish()?;
    store::update(&mut tx, id, description).await?;
    let event = Event::new("model.update", ObjectKind::Model, id.0, &model.name).of_team(model.team, &model.team_name).change("description", &model.description, description);
    audit::record(&mut tx, ctx, event).await?;
    let model = store::find(&mut tx, id).await?;
    tx.commit(model).await
}

/// Deletes a model that has nothing left.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `in_use` with the list of its releases and deployments.
pub async fn delete(ctx: &Ctx, id: ModelId) -> Result<()> {
    ctx.attempt("model.delete", ObjectKind::Model, Some(id.0));
    let mut tx = ctx.begin().await?;
    authorize(&mut tx, ctx.actor(), id, TeamAction::Delete).await?;
    store::lock_to_delete(&mut tx, id).await?;
    let model = authorize(&mut tx, ctx.actor(), id, TeamAction::Delete).await?;
    ctx.check_version(model.version)?;
    let blockers = store::blockers(&mut tx, id).await?;
    if !blockers.is_empty() {
        let mut rejected = Rejected::new(Code::InUse, format!("The model {} still has releases or deployments. Delete them first.", model.name));
        rejected.blockers = blockers;
        return Err(rejected.into());
    }
    store::delete(&mut tx, id).await?;
    audit::record(&mut tx, ctx, Event::new("model.delete", ObjectKind::Model, id.0, &model.name).of_team(model.team, &model.team_name)).await?;
    tx.commit(()).await
}

fn check_description(checks: &mut Checks, description: &str) {
    checks.prose("description", description, MAX_DESCRIPTION);
}
