//! The repositories and images that a team may release from, as ECR has them now.

use std::collections::HashSet;

use domain::{
    Code, Rejected,
    account::{Image, ImageQuery, Repository, RepositoryQuery},
    error::Checks,
    names::{IdOrName, RepositoryName},
    page::{Direction, Page},
};
use futures::future::try_join_all;
use uuid::Uuid;

use super::grants::{self, Grant};
use crate::{
    Ctx, Result,
    aws::{bounded, ecr},
    paging::{List, Paging},
    teams,
};

/// The list of a team's repositories.
pub const LIST: List = List { name: "repositories", sorts: &[("name", Direction::Ascending)], searched: "its name" };

/// The list of a repository's images.
pub const IMAGES: List = List { name: "images", sorts: &[("pushed_at", Direction::Descending)], searched: "its tags or digest" };

/// The repositories that begin with one of the team's prefixes, in every account and region it has any in.
///
/// # Errors
/// `invalid_input` at `team` if the actor may not see it; `aws_denied` and `aws_unavailable` name the account and region that do not answer.
pub async fn list(ctx: &Ctx, query: &RepositoryQuery) -> Result<Page<Repository>> {
    let (team, account) = read(&query.team, query.account.as_deref())?;
    let team = teams::named(&mut *ctx.read().await?, ctx.actor(), &team).await?;
    let filters = (team.id, &account, &query.region);
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &filters)?;
    let grants = grants::of_team(&mut *ctx.read().await?, team.id).await?;
    let in_region_wanted = |region: &&String| query.region.as_deref().is_none_or(|wanted| wanted.trim() == *region);
    let places =
        grants.iter().filter(|grant| grant.fits(account.as_ref())).flat_map(|grant| grant.regions.iter().filter(in_region_wanted).map(move |region| (grant, region.as_str())));
    let found = try_join_all(places.map(|(grant, region)| in_region(ctx, grant, region))).await?;
    let rows = found.into_iter().flatten().map(|row| (format!("{} {} {}", row.name, row.account_name, row.region), row));
    slice(&paging, query.page.search.as_deref(), rows.collect(), |row| row.name.clone())
}

/// The team and the account that a question names.
fn read(team: &str, account: Option<&str>) -> Result<(IdOrName, Option<IdOrName>), Rejected> {
    let mut checks = Checks::new();
    let team = checks.take("team", IdOrName::parse(team));
    let account = checks.take_given("account", account, IdOrName::parse);
    checks.finish()?;
    Ok((team.expect("a clean check has a team"), account))
}

async fn in_region(ctx: &Ctx, grant: &Grant, region: &str) -> Result<Vec<Repository>, Rejected> {
    let config = ctx.control().aws.config(&grant.access(ctx.actor()), region);
    let all = bounded("list the repositories", ecr::repositories(&config)).await.map_err(|rejected| locate(rejected, grant, region))?;
    let view = |name| Repository { account: grant.account, account_name: grant.account_name.clone(), region: region.into(), name };
    Ok(all.into_iter().map(|repository| repository.name).filter(|name| grant.covers(name)).map(view).collect())
}

/// The tagged images of one of the team's repositories, newest first.
///
/// # Errors
/// `invalid_input`, also at `team` if the actor may not see it, and `repository_not_granted` at the field; `aws_denied`, `aws_unavailable`.
pub async fn images(ctx: &Ctx, query: &ImageQuery) -> Result<Page<Image>> {
    let (team, account) = read(&query.team, query.account.as_deref())?;
    let team = teams::named(&mut *ctx.read().await?, ctx.actor(), &team).await?;
    let filters = (team.id, &account, &query.region, &query.repository);
    let paging = Paging::read(ctx.control(), &IMAGES, &query.page, &filters)?;
    let repository = RepositoryName::parse(&query.repository).map_err(|message| Rejected::field("repository", message))?;
    let grants = grants::of_team(&mut *ctx.read().await?, team.id).await?;
    let (grant, region) = grants::place(&grants, account.as_ref(), query.region.as_deref(), &repository)?;
    let config = ctx.control().aws.config(&grant.access(ctx.actor()), region);
    let found = bounded("list the images", ecr::images(&config, repository.as_str())).await.map_err(|rejected| locate(rejected, grant, region))?;
    let found = found.ok_or_else(|| no_such_repository(&repository, grant, region))?;
    // Padded, so that text sorts as time does.
    let rows = found.into_iter().map(|row| (format!("{:020} {}", row.pushed_at.map_or(0, |at| at.0.unix_timestamp()), row.digest), row));
    slice(&paging, query.page.search.as_deref(), rows.collect(), |row| format!("{} {}", row.tags.join(" "), row.digest))
}

/// The rejection for a repository that ECR does not know.
#[must_use]
pub fn no_such_repository(repository: &RepositoryName, grant: &Grant, region: &str) -> Rejected {
    locate(Rejected::new(Code::ImageNotFound, format!("There is no repository {repository}. Create it there, or choose another one.")), grant, region).at("repository")
}

/// Says where it failed, first of all: whoever has several accounts looks there.
#[must_use]
pub fn locate(mut rejected: Rejected, grant: &Grant, region: &str) -> Rejected {
    rejected.message = format!("In {}, {region}: {}", grant.account_name, rejected.message);
    rejected
}

/// Searches, sorts and cuts what was read whole from elsewhere. Keys are unique.
fn slice<T>(paging: &Paging, search: Option<&str>, rows: Vec<(String, T)>, text: impl Fn(&T) -> String) -> Result<Page<T>> {
    let search = search.map(|search| search.trim().to_lowercase()).filter(|search| !search.is_empty());
    let mut seen = HashSet::new();
    let mut rows: Vec<(String, T)> =
        rows.into_iter().filter(|(key, row)| search.as_ref().is_none_or(|search| text(row).to_lowercase().contains(search)) && seen.insert(key.clone())).collect();
    rows.sort_by(|(a, _), (b, _)| if paging.descending { b.cmp(a) } else { a.cmp(b) });
    let after = paging.after_key.as_ref();
    let rest = rows.into_iter().filter(|(key, _)| after.is_none_or(|after| if paging.descending { key < after } else { key > after }));
    let limit = usize::try_from(paging.limit).unwrap_or(usize::MAX);
    paging.page(rest.take(limit).collect(), |(key, _)| (key.clone(), Uuid::nil()), |(_, row)| row)
}
