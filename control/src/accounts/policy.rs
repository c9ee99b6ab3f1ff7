//! The policies to copy into IAM.

use domain::{
    account::{Account, AccountPolicy},
    ids::AccountId,
};
use serde_json::{Value, json};

use super::needs::{GET_ROLE, NEEDS, On, SIMULATE, partition};
use crate::{Ctx, Result};

/// What to copy into IAM so that Slipway may do its work in the account. Asks AWS who Slipway is, and says so when it cannot be told.
///
/// # Errors
/// `not_found` if the actor may not see the account.
pub async fn policy(ctx: &Ctx, id: AccountId) -> Result<AccountPolicy> {
    let account = super::get(ctx, id).await?;
    let region = account.regions.first().map_or("us-east-1", String::as_str);
    let principal = ctx.control().aws.own_principal(region).await;
    let trust = match (&account.role_arn, &principal) {
        (Some(_), Ok(principal)) => Some(trust(principal, &account.external_id)),
        _ => None,
    };
    Ok(AccountPolicy {
        permissions: permissions(&account, principal.as_deref().ok()),
        trust,
        assume: account.role_arn.as_deref().map(assume),
        principal_error: principal.as_ref().err().map(|rejected| rejected.message.clone()),
        principal: principal.ok(),
    })
}

/// Everything on the list, on the account's own resources only.
pub(super) fn permissions(account: &Account, principal: Option<&str>) -> Value {
    let partition = partition(account.regions.first().map_or("", String::as_str));
    let number = if account.aws_account_id.is_empty() { "*" } else { account.aws_account_id.as_str() };
    let itself = account.role_arn.clone().or(principal.map(str::to_owned)).unwrap_or_else(|| format!("arn:{partition}:iam::{number}:role/*"));
    let mut statements: Vec<Value> = On::ALL
        .into_iter()
        .map(|on| {
            let actions: Vec<&str> = NEEDS.iter().filter(|need| need.on == on).map(|need| need.action).collect();
            let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": on.pattern(partition, number) });
            if let Some(condition) = on.condition(partition, &itself) {
                statement["Condition"] = condition;
            }
            statement
        })
        .collect();
    // Only about itself: what others may do is none of Slipway's business.
    statements.push(json!({ "Effect": "Allow", "Action": [SIMULATE, GET_ROLE], "Resource": itself }));
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn trust(principal: &str, external_id: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole", "Condition": { "StringEquals": { "sts:ExternalId": external_id } } },
            { "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:SetSourceIdentity" },
        ],
    })
}

fn assume(role_arn: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"], "Resource": role_arn }] })
}
