//! Finding the clusters that EKS has, and attaching one.

use std::time::Duration;

use aws_config::SdkConfig;
use domain::{
    Code, Rejected,
    access::PlatformAction,
    cluster::{Cluster, FoundCluster, FoundClusters, NewCluster, UnseenRegion},
    error::Checks,
    ids::{AccountId, ClusterId},
    names::{ClusterName, IdOrName, Region},
    operation::ObjectKind,
};
use futures::{StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use super::store;
use crate::{
    Ctx, Result,
    audit::{self, Event},
    aws::{self, eks, iam, sts},
    error::OnConstraint as _,
    reconcile::{Scope, mark},
};

/// How many regions are asked at once, and how long all of them together may take.
const AT_ONCE: usize = 8;
const ALL_LIMIT: Duration = Duration::from_secs(20);

/// The clusters that EKS has in every account and region Slipway works in, and where it could not look.
///
/// # Errors
/// `not_found`, `forbidden`. What AWS refuses is part of the answer.
pub async fn found(ctx: &Ctx) -> Result<FoundClusters> {
    ctx.actor().check_platform(PlatformAction::Manage, "page")?;
    let mut conn = ctx.read().await?;
    let accounts = store::accounts(&mut conn, &ctx.actor().kubernetes_name()).await?;
    let attached = store::attached(&mut conn).await?;
    drop(conn);
    let until = Instant::now() + ALL_LIMIT;
    let mut places = Vec::new();
    for account in &accounts {
        places.extend(account.regions.iter().map(|region| Place {
            account: account.id,
            account_name: account.name.clone(),
            region: region.clone(),
            config: ctx.control().aws.config(&account.access, region),
        }));
    }
    let looks: Vec<(Place, Result<Vec<String>, Rejected>)> = stream::iter(places).map(|place| look(place, until)).buffered(AT_ONCE).collect().await;
    let mut found = FoundClusters::default();
    for (Place { account, account_name, region, .. }, names) in looks {
        match names {
            Ok(names) => found.clusters.extend(names.into_iter().map(|name| FoundCluster {
                account,
                account_name: account_name.clone(),
                region: region.clone(),
                attached: attached.iter().find(|(of, at, eks_name, _)| *of == account && *at == region && *eks_name == name).map(|(.., id)| *id),
                eks_name: name,
            })),
            Err(rejected) => found.unseen.push(UnseenRegion { account, account_name, region, message: rejected.message, raw: rejected.raw }),
        }
    }
    Ok(found)
}

/// A region of an account.
struct Place {
    account: AccountId,
    account_name: String,
    region: String,
    config: SdkConfig,
}

async fn look(place: Place, until: Instant) -> (Place, Result<Vec<String>, Rejected>) {
    let names = timeout_at(until, aws::bounded("list the clusters", eks::names(&place.config))).await;
    (place, names.unwrap_or_else(|_| Err(Rejected::new(Code::AwsUnavailable, "AWS took too long: other regions were asked first. Look again."))))
}

/// Attaches a cluster that EKS has. Nothing in it is touched.
///
/// # Errors
/// `not_found`, `forbidden`; `invalid_input` naming the field, also when EKS has no such cluster; `already_exists`; `aws_denied`, `aws_unavailable`.
pub async fn attach(ctx: &Ctx, new: &NewCluster) -> Result<Cluster> {
    ctx.attempt("cluster.attach", ObjectKind::Cluster, None);
    ctx.naming(&new.eks_name);
    ctx.actor().check_platform(PlatformAction::Manage, "page")?;
    ctx.check_new().await?;
    let mut checks = Checks::new();
    let region = checks.take("region", Region::parse(&new.region));
    let eks_name = checks.take("eks_name", eks_name(&new.eks_name));
    let wanted = new.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let name = match (wanted, &eks_name) {
        (Some(name), _) => checks.take("name", ClusterName::parse(name)),
        (None, Some(eks_name)) => checks.take("name", ClusterName::parse(eks_name).map_err(|message| format!("The name in EKS does not fit as a name here. {message}"))),
        (None, None) => None,
    };
    let named = checks.take("account", IdOrName::parse(&new.account));
    let accounts = store::accounts(&mut *ctx.read().await?, &ctx.actor().kubernetes_name()).await?;
    let account = named.as_ref().and_then(|named| accounts.iter().find(|account| named.is(account.id.0, &account.name)));
    checks.ensure(account.is_some() || named.is_none(), "account", "There is no such account. Choose one of the accounts added here.");
    if let (Some(account), Some(region)) = (account, &region) {
        let looked_at = account.regions.iter().any(|known| known == region.as_str());
        checks.ensure(looked_at, "region", format!("Slipway works in {} for this account. Add the region on the account's page first.", account.regions.join(", ")));
    }
    checks.finish()?;
    let (account, region) = (account.expect("a clean check has an account"), region.expect("a clean check has a region"));
    let account_name = &account.name;
    let (eks_name, name) = (eks_name.expect("a clean check has the name in EKS"), name.expect("a clean check has a name"));

    let config = ctx.control().aws.config(&account.access, region.as_str());
    let look = async {
        let described = eks::describe(&config, &eks_name).await?.ok_or_else(|| {
            Rejected::field("eks_name", format!("EKS has no cluster {eks_name} in {region} of the account {account_name}. Names in EKS tell capitals from small letters."))
        })?;
        let identity = sts::identity(&config).await?;
        let principal = match iam::principal(&config, &identity).await {
            iam::Principal::Named(arn) => arn,
            iam::Principal::Root | iam::Principal::Other(_) => identity.arn,
        };
        Ok((described, principal))
    };
    let (described, principal) = aws::bounded("look at the cluster", look).await?;

    let mut tx = ctx.begin().await?;
    let id = ClusterId::generate();
    let row = store::New {
        id,
        name: name.as_str(),
        account: account.id,
        region: region.as_str(),
        eks_name: &eks_name,
        arn: &described.arn,
        described: &described,
        principal: &principal,
    };
    let taken = |field: &str, what: String| Rejected::new(Code::AlreadyExists, what).at(field);
    // Another name would not help.
    if store::is_attached(&mut tx, &described.arn).await? {
        return Err(taken("eks_name", "This cluster is attached already.".into()).into());
    }
    let inserted = store::insert(&mut tx, &row).await;
    if let Err(sqlx::Error::Database(error)) = &inserted
        && error.constraint() == Some("clusters_arn_unique")
    {
        return Err(taken("eks_name", "This cluster is attached already.".into()).into());
    }
    inserted.on_constraint("clusters_name_unique", || taken("name", format!("There is a cluster {name} already. Choose another name.")))?;
    mark(&mut tx, id.0, ObjectKind::Cluster, Scope::Cluster(id.0), 1).await?;
    let event = Event::new("cluster.attach", ObjectKind::Cluster, id.0, name.as_str()).change("arn", None::<&str>, &described.arn);
    audit::record(&mut tx, ctx, event).await?;
    let cluster = store::find(&mut tx, id).await?;
    tx.commit(cluster).await
}

/// A cluster's name as EKS has it: <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html>.
///
/// # Errors
/// A sentence that says what to change.
pub fn eks_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = text.len() <= domain::limits::EKS_NAME
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if fits { Ok(text.to_owned()) } else { Err("Enter the cluster's name in EKS: letters, digits, dashes and underscores.".into()) }
}
