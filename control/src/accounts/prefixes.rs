//! Giving prefixes of ECR repository names to teams.

use domain::{
    Code, Rejected,
    access::PlatformAction,
    account::{Account, NewPrefix, TeamRepositories},
    error::Checks,
    ids::{AccountId, TeamId},
    names::{IdOrName, RepositoryPrefix},
    operation::ObjectKind,
};

use super::{grants, store};
use crate::{
    Ctx, Result,
    audit::{self, Event},
    teams,
};

/// What a team may release from, account by account.
///
/// # Errors
/// `not_found` if the actor may not see the team.
pub async fn prefixes_of_team(ctx: &Ctx, team: TeamId) -> Result<Vec<TeamRepositories>> {
    teams::get(ctx, team).await?;
    let grants = grants::of_team(&mut *ctx.read().await?, team).await?;
    Ok(grants.into_iter().map(|grant| TeamRepositories { account: grant.account, account_name: grant.account_name, regions: grant.regions, prefixes: grant.prefixes }).collect())
}

/// Lets a team release from repositories whose names begin with a prefix.
///
/// # Errors
/// `not_found`, `forbidden`; `invalid_input` naming the field; `already_exists` when the prefix, or one that overlaps it, is a team's;
/// `conflict` before the first check has told which AWS account it is.
pub async fn add_prefix(ctx: &Ctx, id: AccountId, new: &NewPrefix) -> Result<Account> {
    ctx.attempt("account.add_prefix", ObjectKind::Account, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "account")?;
    let mut checks = Checks::new();
    let prefix = checks.take("prefix", RepositoryPrefix::parse(&new.prefix));
    let team = checks.take("team", IdOrName::parse(&new.team));
    checks.finish()?;
    let (prefix, team) = prefix.zip(team).expect("a clean check has both");

    let mut tx = ctx.begin().await?;
    let team = teams::hold(&mut tx, &team).await?.ok_or_else(|| teams::none_such(&team))?;
    let account = store::lock(&mut tx, id).await?;
    if account.aws_account_id.is_empty() {
        return Err(Rejected::conflict("Check the account first: until then Slipway does not know which AWS account it is, and whether the prefix is taken there.").into());
    }
    store::lock_prefixes(&mut tx).await?;
    if let Some(other) = store::overlapping(&mut tx, &account.aws_account_id, prefix.as_str(), team.id).await? {
        let how = if other.prefix == prefix.as_str() { format!("{prefix} is") } else { format!("{prefix} overlaps {}, which is", other.prefix) };
        let message = format!("{how} {}'s already in the account {}.", other.team_name, other.account_name);
        return Err(Rejected::new(Code::AlreadyExists, message).at("prefix").into());
    }
    if !store::insert_prefix(&mut tx, id, prefix.as_str(), team.id).await? {
        return Err(Rejected::new(Code::AlreadyExists, format!("{} has the prefix {prefix} already.", team.name)).at("prefix").into());
    }
    let event =
        Event::new("account.add_prefix", ObjectKind::Account, id.0, &account.name).of_team(team.id, &team.name).change(&format!("prefixes.{prefix}"), None::<&str>, &team.name);
    audit::record(&mut tx, ctx, event).await?;
    let account = store::find(&mut tx, id).await?;
    tx.commit(account).await
}

/// Takes a prefix back. Releases that were made from it stay: they are pinned, and what runs keeps running.
///
/// # Errors
/// `not_found`, `forbidden`.
pub async fn remove_prefix(ctx: &Ctx, id: AccountId, prefix: &str) -> Result<Account> {
    ctx.attempt("account.remove_prefix", ObjectKind::Account, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "account")?;
    let mut tx = ctx.begin().await?;
    let account = store::lock(&mut tx, id).await?;
    // Written as it may be given: `grow` is `grow/`. What could never be given is nobody's.
    let prefix = RepositoryPrefix::parse(prefix).map_err(|_| Rejected::not_found("prefix"))?;
    let granted = account.prefixes.iter().find(|granted| granted.prefix == prefix.as_str()).ok_or_else(|| Rejected::not_found("prefix"))?;
    store::delete_prefix(&mut tx, id, prefix.as_str()).await?;
    let event = Event::new("account.remove_prefix", ObjectKind::Account, id.0, &account.name).of_team(granted.team, &granted.team_name).change(
        &format!("prefixes.{prefix}"),
        &granted.team_name,
        None::<&str>,
    );
    audit::record(&mut tx, ctx, event).await?;
    let account = store::find(&mut tx, id).await?;
    tx.commit(account).await
}
