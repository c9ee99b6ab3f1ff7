//! Releases: immutable versions of models. They are registered and deleted, never changed.

#[cfg(test)]
pub(crate) mod fixture;
mod store;
#[cfg(test)]
mod tests;

use domain::{
    Code, Rejected,
    access::TeamAction,
    error::Checks,
    ids::ReleaseId,
    model::{NewRelease, Release, ReleaseQuery},
    names::{Digest, HttpPath, IdOrName, ImageTag, RepositoryName},
    operation::ObjectKind,
    page::{Direction, Page},
};
use sqlx::PgConnection;

use crate::{
    Actor, Ctx, Result, access,
    accounts::{grants, repositories},
    audit::{self, Event},
    aws::{
        bounded,
        ecr::{self, Resolved},
    },
    models,
    paging::{List, Paging},
};

const MAX_NOTES: usize = domain::limits::NOTES;
const DEFAULT_PORT: u16 = 8080;

/// What a request says, parsed.
struct Wanted {
    account: Option<IdOrName>,
    repository: RepositoryName,
    tag: ImageTag,
    port: u16,
    health_path: HttpPath,
}

/// Registers a release: the tag is resolved to its digest now, by one bounded look into ECR before the transaction.
///
/// # Errors
/// `not_found` for a model that the actor may not see; `forbidden`; `invalid_input` naming the field;
/// `repository_not_granted` at `repository`; `image_not_found` at `repository` or `tag`; `already_exists` at `tag` for a release
/// that is there with the same image and settings; `aws_denied`, `aws_unavailable`.
pub async fn create(ctx: &Ctx, new: &NewRelease) -> Result<Release> {
    ctx.attempt("release.create", ObjectKind::Model, Some(new.model.0));
    ctx.check_new().await?;
    let model = models::get(ctx, new.model).await?;
    let grants = {
        let mut conn = ctx.read().await?;
        let role = access::membership(&mut conn, ctx.actor(), model.team).await?;
        ctx.actor().check_team(model.team, role, TeamAction::Deploy, "model")?;
        grants::of_team(&mut conn, model.team).await?
    };
    let wanted = read(new)?;
    let (grant, region) = grants::place(&grants, wanted.account.as_ref(), new.region.as_deref(), &wanted.repository)?;
    let config = ctx.control().aws.config(&grant.access(ctx.actor()), region);
    let looked = bounded("look up the image", ecr::resolve(&config, wanted.repository.as_str(), wanted.tag.as_str())).await;
    let (digest, repository_uri): (Digest, String) = match looked.map_err(|rejected| repositories::locate(rejected, grant, region))? {
        Resolved::Image { digest, uri } => (digest, uri),
        Resolved::NoRepository => return Err(repositories::no_such_repository(&wanted.repository, grant, region).into()),
        Resolved::NoTag => {
            let message = format!("{} has no image tagged {}. Push it first, or choose another tag.", wanted.repository, wanted.tag);
            return Err(repositories::locate(Rejected::new(Code::ImageNotFound, message), grant, region).at("tag").into());
        }
    };

    let mut tx = ctx.begin().await?;
    let model = models::lock(&mut tx, ctx.actor(), new.model, TeamAction::Deploy).await?;
    // The prefix may have been taken back while ECR was asked.
    let held = grants::of_team(&mut tx, model.team).await?;
    if !held.iter().any(|held| held.account == grant.account && held.covers(wanted.repository.as_str())) {
        return Err(Rejected::new(Code::RepositoryNotGranted, format!("{} is not your team's any more.", wanted.repository)).at("repository").into());
    }
    let number = models::next_release(&mut tx, model.id).await?;
    let row = store::New {
        id: ReleaseId::generate(),
        model: model.id,
        number,
        account: grant.account,
        region,
        repository: wanted.repository.as_str(),
        repository_uri: &repository_uri,
        tag: wanted.tag.as_str(),
        digest: digest.as_str(),
        port: wanted.port,
        health_path: wanted.health_path.as_str(),
        protocol: new.protocol,
        size: new.size.unwrap_or_default(),
        notes: new.notes.trim(),
        created_by: ctx.actor().name(),
    };
    if let Some(twin) = store::twin(&mut tx, &row).await? {
        let message = format!("{} {twin} is this already: the same image with the same port, health path, protocol and size. Use it, or change one of them.", model.name);
        return Err(Rejected::new(Code::AlreadyExists, message).at("tag").into());
    }
    store::insert(&mut tx, &row).await?;
    let event = Event::new("release.create", ObjectKind::Release, row.id.0, &format!("{} {number}", model.name))
        .of_team(model.team, &model.team_name)
        .change("image", None::<&str>, format!("{repository_uri}@{digest}"))
        .change("tag", None::<&str>, wanted.tag.as_str());
    audit::record(&mut tx, ctx, event).await?;
    let release = store::find(&mut tx, row.id).await?;
    tx.commit(release).await
}

/// A port a model can listen on: it runs without the right to bind lower ones.
///
/// # Errors
/// What to choose instead.
pub fn check_port(port: u16) -> Result<u16, String> {
    if domain::limits::PORT.contains(&port) { Ok(port) } else { Err("Choose a port from 1024 to 65535: models do not run as root.".into()) }
}

fn read(new: &NewRelease) -> Result<Wanted, Rejected> {
    let mut checks = Checks::new();
    let account = checks.take_given("account", new.account.as_deref(), IdOrName::parse);
    let repository = checks.take("repository", RepositoryName::parse(&new.repository));
    let tag = checks.take("tag", ImageTag::parse(&new.tag));
    let path = new.health_path.as_deref().map(str::trim).filter(|path| !path.is_empty()).unwrap_or(new.protocol.health_path());
    let health_path = checks.take("health_path", HttpPath::parse(path));
    let port = new.port.unwrap_or(DEFAULT_PORT);
    checks.take("port", check_port(port));
    checks.prose("notes", &new.notes, MAX_NOTES);
    checks.finish()?;
    let ((repository, tag), health_path) = repository.zip(tag).zip(health_path).expect("a clean check has every field");
    Ok(Wanted { account, repository, tag, port, health_path })
}

/// The list of releases.
pub const LIST: List = List {
    name: "releases",
    sorts: &[("created_at", Direction::Descending), ("number", Direction::Descending)],
    searched: "its model's name, its repository, tag, digest or notes",
};

/// The releases of the actor's teams, or of one model.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &ReleaseQuery) -> Result<Page<Release>> {
    ctx.actor().check_signed_in()?;
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &query.model)?;
    let mut conn = ctx.read().await?;
    let rows = store::list(&mut conn, ctx.actor(), query.model, &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.release.id.0), |row| row.release)
}

/// One release.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn get(ctx: &Ctx, id: ReleaseId) -> Result<Release> {
    authorize(&mut *ctx.read().await?, ctx.actor(), id, TeamAction::See).await
}

async fn authorize(conn: &mut PgConnection, actor: &Actor, id: ReleaseId, action: TeamAction) -> Result<Release> {
    let release = store::find(conn, id).await?;
    let role = access::membership(conn, actor, release.team).await?;
    actor.check_team(release.team, role, action, "release")?;
    Ok(release)
}

/// Deletes a release that no revision of a deployment uses. The image stays in ECR, and its number is not given again.
///
/// # Errors
/// `not_found`, `forbidden`; `in_use` with the list of deployments.
pub async fn delete(ctx: &Ctx, id: ReleaseId) -> Result<()> {
    ctx.attempt("release.delete", ObjectKind::Release, Some(id.0));
    let mut tx = ctx.begin().await?;
    // Whoever may not waits for nobody; what is deleted is read once it is locked.
    authorize(&mut tx, ctx.actor(), id, TeamAction::Delete).await?;
    store::lock_to_delete(&mut tx, id).await?;
    let release = authorize(&mut tx, ctx.actor(), id, TeamAction::Delete).await?;
    let name = format!("{} {}", release.model_name, release.number);
    let blockers = store::blockers(&mut tx, id).await?;
    if !blockers.is_empty() {
        let mut rejected = Rejected::new(Code::InUse, format!("Deployments use {name}, or can still be rolled back to it. Delete them first."));
        rejected.blockers = blockers;
        return Err(rejected.into());
    }
    store::delete(&mut tx, id).await?;
    let event = Event::new("release.delete", ObjectKind::Release, id.0, &name).of_team(release.team, &release.team_name).change(
        "image",
        format!("{}@{}", release.repository_uri, release.digest),
        None::<&str>,
    );
    audit::record(&mut tx, ctx, event).await?;
    tx.commit(()).await
}
