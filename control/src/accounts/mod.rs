//! AWS accounts: how Slipway gets in, what it may do there, and whose repositories are whose.

mod check;
pub mod grants;
mod needs;
mod policy;
mod prefixes;
pub mod repositories;
mod store;
#[cfg(test)]
mod tests;

pub use check::check;
pub use policy::policy;
pub use prefixes::{add_prefix, prefixes_of_team, remove_prefix};

use domain::{
    Code, Rejected,
    access::PlatformAction,
    account::{Account, AccountChange, NewAccount},
    error::Checks,
    ids::AccountId,
    names::{AccountName, Region, RoleArn},
    operation::ObjectKind,
    page::{Direction, Page, PageQuery},
};
use sqlx::PgConnection;

use crate::{
    Actor, Ctx, Result,
    audit::{self, Event},
    aws::AccountAccess,
    error::OnConstraint as _,
    paging::{List, Paging},
    secrets,
};

/// A check looks into every region at once.
const MAX_REGIONS: usize = domain::limits::REGIONS;

/// How to get into an account, on behalf of `actor`. Whether they may is for the caller to have checked.
///
/// # Errors
/// `not_found` when there is no such account.
pub async fn access(conn: &mut PgConnection, actor: &Actor, id: AccountId) -> Result<AccountAccess> {
    let (role_arn, external_id) = store::credentials(conn, id).await?.ok_or_else(|| Rejected::not_found("account"))?;
    Ok(AccountAccess { role_arn, external_id, on_behalf_of: actor.kubernetes_name() })
}

/// Adds an account. Its external id is made here, so that nobody can point Slipway at a role that trusts it for somebody else.
///
/// # Errors
/// `not_found` for whoever is not an admin; `invalid_input`; `already_exists`.
pub async fn create(ctx: &Ctx, new: &NewAccount) -> Result<Account> {
    ctx.attempt("account.create", ObjectKind::Account, None);
    ctx.naming(&new.name);
    ctx.actor().check_platform(PlatformAction::Manage, "page")?;
    let mut checks = Checks::new();
    let name = checks.take("name", AccountName::parse(&new.name));
    let role = take_role(&mut checks, new.role_arn.as_deref());
    let regions = take_regions(&mut checks, &new.regions);
    checks.finish()?;
    let name = name.expect("a clean check has a name");

    let mut tx = ctx.begin().await?;
    let id = AccountId::generate();
    let role_arn = role.as_ref().map(RoleArn::as_str);
    let external_id = secrets::generate();
    let row = store::New { id, name: name.as_str(), aws_account_id: role_arn.map_or("", account_of), role_arn, external_id: &external_id, regions: &regions };
    store::insert(&mut tx, &row)
        .await
        .on_constraint("accounts_name_unique", || Rejected::new(Code::AlreadyExists, format!("There is an account {name} already. Choose another name.")).at("name"))?;
    let event = Event::new("account.create", ObjectKind::Account, id.0, name.as_str()).change("role_arn", None::<&str>, role_arn).change("regions", None::<&str>, &regions);
    audit::record(&mut tx, ctx, event).await?;
    let account = store::find(&mut tx, id).await?;
    tx.commit(account).await
}

/// The list of accounts.
pub const LIST: List = List { name: "accounts", sorts: &[("name", Direction::Ascending), ("created_at", Direction::Descending)], searched: "its name, number or role" };

/// The accounts.
///
/// # Errors
/// `not_found` for whoever has no role on the platform; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &PageQuery) -> Result<Page<Account>> {
    ctx.actor().check_platform(PlatformAction::See, "page")?;
    let paging = Paging::read(ctx.control(), &LIST, query, &())?;
    let mut conn = ctx.read().await?;
    let rows = store::list(&mut conn, &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.account.id.0), |row| row.account)
}

/// One account.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn get(ctx: &Ctx, id: AccountId) -> Result<Account> {
    ctx.actor().check_platform(PlatformAction::See, "account")?;
    store::find(&mut *ctx.read().await?, id).await
}

/// Changes how Slipway gets into an account, and the regions it looks at.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `invalid_input` for a role of another AWS account.
pub async fn update(ctx: &Ctx, id: AccountId, change: &AccountChange) -> Result<Account> {
    ctx.attempt("account.update", ObjectKind::Account, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "account")?;
    let mut tx = ctx.begin().await?;
    let account = store::lock(&mut tx, id).await?;
    ctx.check_version(account.version)?;
    let mut checks = Checks::new();
    let role = match change.role_arn.as_deref() {
        Some(text) => take_role(&mut checks, Some(text)).map(RoleArn::into_string),
        None => account.role_arn.clone(),
    };
    let regions = match &change.regions {
        Some(regions) => take_regions(&mut checks, regions),
        None => account.regions.clone(),
    };
    let found = role.as_deref().map_or(account.aws_account_id.as_str(), account_of);
    checks.ensure(
        account.aws_account_id.is_empty() || account.aws_account_id == found,
        "role_arn",
        format!("This role is in the AWS account {found}, but {} is {}. Add another account for it.", account.name, account.aws_account_id),
    );
    checks.finish()?;
    if role != account.role_arn {
        store::set_role(&mut tx, id, role.as_deref(), found).await?;
    }
    if regions != account.regions {
        store::set_regions(&mut tx, id, &regions).await?;
    }
    let event = Event::new("account.update", ObjectKind::Account, id.0, &account.name).change("role_arn", &account.role_arn, &role).change("regions", &account.regions, &regions);
    audit::record(&mut tx, ctx, event).await?;
    let account = store::find(&mut tx, id).await?;
    tx.commit(account).await
}

/// Forgets an account. Nothing in AWS is touched.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `in_use` with the list of what still needs it.
pub async fn delete(ctx: &Ctx, id: AccountId) -> Result<()> {
    ctx.attempt("account.delete", ObjectKind::Account, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "account")?;
    let mut tx = ctx.begin().await?;
    let account = store::lock_to_delete(&mut tx, id).await?;
    ctx.check_version(account.version)?;
    let blockers = store::blockers(&mut tx, id).await?;
    if !blockers.is_empty() {
        let mut rejected = Rejected::new(Code::InUse, format!("Other things still need the account {}. Remove them first.", account.name));
        rejected.blockers = blockers;
        return Err(rejected.into());
    }
    store::delete(&mut tx, id).await?;
    audit::record(&mut tx, ctx, Event::new("account.delete", ObjectKind::Account, id.0, &account.name)).await?;
    tx.commit(()).await
}

/// An empty text stands for the process's own credentials.
fn take_role(checks: &mut Checks, text: Option<&str>) -> Option<RoleArn> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    checks.take("role_arn", RoleArn::parse(text))
}

fn take_regions(checks: &mut Checks, texts: &[String]) -> Vec<String> {
    let mut regions = Vec::new();
    for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        match Region::parse(text) {
            Ok(region) if !regions.iter().any(|known| known == region.as_str()) => regions.push(region.into_string()),
            Ok(_) => {}
            Err(message) => checks.wrong("regions", message),
        }
    }
    checks.ensure(texts.iter().any(|text| !text.trim().is_empty()), "regions", "Name at least one region.");
    checks.ensure(regions.len() <= MAX_REGIONS, "regions", format!("Name at most {MAX_REGIONS} regions."));
    regions
}

/// The twelve digits in a role's ARN.
fn account_of(role_arn: &str) -> &str {
    role_arn.split(':').nth(4).unwrap_or_default()
}
