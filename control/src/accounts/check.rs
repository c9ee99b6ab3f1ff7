//! Finding out what Slipway may do in an account: reads are made for real, writes are put to IAM's simulator.

use std::time::Duration;

use aws_config::SdkConfig;
use domain::{
    Code, Rejected,
    access::PlatformAction,
    account::{Account, AccountCheck, Verdict},
    ids::AccountId,
    names::is_aws_account,
    operation::ObjectKind,
};
use futures::future::join_all;

use super::{
    needs::{NEEDS, On, SIMULATE, partition},
    store,
};
use crate::{
    Ctx, Result,
    audit::{self, Event},
    aws::{
        AccountAccess, bounded,
        iam::{self, Principal},
        probe::{self, within},
        sts,
    },
};

/// A region that does not answer must not hide what the others say.
const READ_LIMIT: Duration = Duration::from_secs(6);

/// What a check came to.
struct Found {
    aws_account_id: String,
    checks: Vec<AccountCheck>,
}

/// Finds out what Slipway may do in the account, now, and keeps it.
///
/// AWS is asked outside of any transaction, for ten seconds at most. Not getting into the account at all is a result like
/// any other: it is kept as the account's `check_error`.
///
/// # Errors
/// `not_found`, `forbidden`; `conflict` when the account was changed while AWS was asked.
pub async fn check(ctx: &Ctx, id: AccountId) -> Result<Account> {
    ctx.attempt("account.check", ObjectKind::Account, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "account")?;
    ctx.check_new().await?;
    let account = store::find(&mut *ctx.read().await?, id).await?;
    let found = bounded("check the account", look(ctx, &account)).await;

    let mut tx = ctx.begin().await?;
    let now = store::lock(&mut tx, id).await?;
    if (&now.role_arn, &now.regions) != (&account.role_arn, &account.regions) {
        return Err(Rejected::conflict("The account was changed while it was being checked. Check it again.").into());
    }
    let event = Event::new("account.check", ObjectKind::Account, id.0, &account.name);
    let event = match found {
        Ok(found) => {
            store::set_checks(&mut tx, id, &found.aws_account_id, &found.checks, None).await?;
            event.change("not_allowed", not_allowed(&account.checks), not_allowed(&found.checks))
        }
        Err(rejected) => {
            store::set_checks(&mut tx, id, &account.aws_account_id, &[], Some(&rejected)).await?;
            event.failed().because(Some(&rejected.message))
        }
    };
    audit::record(&mut tx, ctx, event).await?;
    let account = store::find(&mut tx, id).await?;
    tx.commit(account).await
}

fn not_allowed(checks: &[AccountCheck]) -> Vec<&str> {
    checks.iter().filter(|check| check.verdict != Verdict::Allowed).map(|check| check.action.as_str()).collect()
}

async fn look(ctx: &Ctx, account: &Account) -> Result<Found, Rejected> {
    let aws = &ctx.control().aws;
    let access = AccountAccess { role_arn: account.role_arn.clone(), external_id: account.external_id.clone(), on_behalf_of: ctx.actor().kubernetes_name() };
    let home = account.regions.first().ok_or_else(|| Rejected::field("regions", "Name at least one region."))?;
    if let Some(role) = &account.role_arn {
        aws.forget(role);
    }
    let config = aws.config(&access, home);
    let identity = sts::identity(&config).await?;
    if !is_aws_account(&identity.account) {
        return Err(Rejected::new(Code::AwsUnavailable, "AWS did not say which account this is.").with_raw(identity.account));
    }
    if !account.aws_account_id.is_empty() && account.aws_account_id != identity.account {
        return Err(Rejected::conflict(format!(
            "Slipway's own credentials are those of the AWS account {}, but {} is {}. Start Slipway with that account's credentials, or name a role to assume.",
            identity.account, account.name, account.aws_account_id
        )));
    }
    let regions: Vec<(String, SdkConfig)> = account.regions.iter().map(|region| (region.clone(), aws.config(&access, region))).collect();
    let ambient = aws.ambient(home);
    let (source, reads, simulated) = tokio::join!(source_identity(&ambient, account, &access), read(&regions), simulate(&config, home, &identity));
    let mut checks: Vec<AccountCheck> = NEEDS
        .iter()
        .map(|need| {
            let verdict = reads.iter().find(|(action, _)| *action == need.action).map(|(_, outcome)| outcome.clone()).unwrap_or_else(|| simulated.of(need.action));
            entry(need.action, need.purpose, verdict)
        })
        .collect();
    checks.push(entry(SIMULATE, "Find out what is allowed without doing it", simulated.itself()));
    checks.extend(source.map(|verdict| entry("sts:SetSourceIdentity", "Name the person in CloudTrail, on every call made for them", verdict)));
    Ok(Found { aws_account_id: identity.account, checks })
}

type Outcome = (Verdict, Option<String>);

fn entry(action: &str, purpose: &str, (verdict, detail): Outcome) -> AccountCheck {
    AccountCheck { action: action.into(), purpose: purpose.into(), verdict, detail }
}

fn outcome(rejected: &Rejected) -> Outcome {
    let said = rejected.raw.clone().unwrap_or_else(|| rejected.message.clone());
    (if rejected.code == Code::AwsDenied { Verdict::Denied } else { Verdict::Unknown }, Some(said))
}

/// None when no role is assumed: then there is no session to name.
async fn source_identity(ambient: &SdkConfig, account: &Account, access: &AccountAccess) -> Option<Outcome> {
    let role = account.role_arn.as_deref()?;
    Some(match within(READ_LIMIT, sts::may_set_source_identity(ambient, role, &account.external_id, &access.on_behalf_of)).await {
        Ok(None) => (Verdict::Allowed, None),
        Ok(Some(said)) => (Verdict::Denied, Some(said)),
        Err(rejected) => outcome(&rejected),
    })
}

/// What was read for real, by action. Actions for which there was nothing to read are missing.
async fn read(regions: &[(String, SdkConfig)]) -> Vec<(&'static str, Outcome)> {
    let each = join_all(regions.iter().map(|(region, config)| async move {
        let (eks, ecr) = tokio::join!(read_eks(config), read_ecr(config));
        (region.as_str(), eks.into_iter().chain(ecr).collect::<Vec<_>>())
    }))
    .await;
    let mut merged: Vec<(&'static str, Outcome)> = Vec::new();
    for (region, found) in each {
        for (action, result) in found {
            let place = match merged.iter().position(|(known, _)| *known == action) {
                Some(place) => place,
                None => {
                    merged.push((action, (Verdict::Allowed, None)));
                    merged.len() - 1
                }
            };
            if let Err(rejected) = result {
                worsen(&mut merged[place].1, region, outcome(&rejected));
            }
        }
    }
    merged
}

/// Denied in one region is denied; every region that is not well is named.
fn worsen((verdict, detail): &mut Outcome, region: &str, (new, said): Outcome) {
    if *verdict != Verdict::Denied {
        *verdict = new;
    }
    let line = format!("{region}: {}", said.unwrap_or_default());
    *detail = Some(detail.take().map_or_else(|| line.clone(), |before| format!("{before}\n{line}")));
}

type Read = (&'static str, Result<(), Rejected>);

async fn read_eks(config: &SdkConfig) -> Vec<Read> {
    let listed = within(READ_LIMIT, probe::list_clusters(config)).await;
    let some = listed.as_ref().ok().cloned().flatten();
    let mut reads: Vec<Read> = vec![("eks:ListClusters", listed.map(drop))];
    if let Some(cluster) = some {
        reads.push(("eks:DescribeCluster", within(READ_LIMIT, probe::describe_cluster(config, &cluster)).await));
    }
    reads
}

async fn read_ecr(config: &SdkConfig) -> Vec<Read> {
    let listed = within(READ_LIMIT, probe::describe_repositories(config)).await;
    let some = listed.as_ref().ok().cloned().flatten();
    let mut reads: Vec<Read> = vec![("ecr:DescribeRepositories", listed.map(drop))];
    if let Some(repository) = some {
        reads.push(("ecr:DescribeImages", within(READ_LIMIT, probe::describe_images(config, &repository)).await));
    }
    reads
}

/// What the simulator says.
enum Simulated {
    /// No IAM policy limits who asks.
    Unlimited,
    Asked(Vec<iam::Simulated>),
    NotAsked(Rejected),
}

impl Simulated {
    fn of(&self, action: &str) -> Outcome {
        match self {
            Self::Unlimited => (Verdict::Allowed, Some("Slipway runs as the account's root user, whom no IAM policy limits. Give it a role of its own.".into())),
            Self::NotAsked(rejected) => (Verdict::Unknown, Some(format!("It can only be found out with {SIMULATE}: {}", rejected.raw.as_deref().unwrap_or(&rejected.message)))),
            Self::Asked(results) => match results.iter().find(|result| result.action.eq_ignore_ascii_case(action)) {
                Some(iam::Simulated { denied: None, .. }) => (Verdict::Allowed, None),
                Some(iam::Simulated { denied, .. }) => (Verdict::Denied, denied.clone()),
                None => (Verdict::Unknown, Some("IAM's simulator did not answer for this action.".into())),
            },
        }
    }

    fn itself(&self) -> Outcome {
        match self {
            Self::Unlimited | Self::Asked(_) => (Verdict::Allowed, None),
            Self::NotAsked(rejected) => outcome(rejected),
        }
    }
}

async fn simulate(config: &SdkConfig, region: &str, identity: &sts::Identity) -> Simulated {
    let asking = async {
        let principal = match iam::principal(config, identity).await {
            Principal::Named(arn) => arn,
            Principal::Root => return Ok(Simulated::Unlimited),
            Principal::Other(arn) => return Err(Rejected::new(Code::AwsUnavailable, format!("IAM's simulator knows roles and users, not {arn}."))),
        };
        let asked = On::ALL.map(|on| {
            let (principal, resource) = (&principal, on.example(partition(region), region, &identity.account));
            async move {
                let actions: Vec<&str> = NEEDS.iter().filter(|need| need.on == on).map(|need| need.action).collect();
                iam::simulate(config, principal, &actions, &resource).await
            }
        });
        let mut all = Vec::new();
        for answers in join_all(asked).await {
            all.extend(answers?);
        }
        Ok(Simulated::Asked(all))
    };
    within(READ_LIMIT, asking).await.unwrap_or_else(Simulated::NotAsked)
}
