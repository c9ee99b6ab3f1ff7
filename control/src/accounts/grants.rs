//! Which registries and repositories are a team's.

use domain::{
    Code, Rejected,
    error::Checks,
    ids::{AccountId, TeamId},
    names::{IdOrName, RepositoryName},
};
use sqlx::PgConnection;

use super::store;
use crate::{Actor, Result, aws::AccountAccess};

/// What a team may use of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub account: AccountId,
    pub account_name: String,
    pub role_arn: Option<String>,
    pub external_id: String,
    pub regions: Vec<String>,
    /// Each ends in a slash.
    pub prefixes: Vec<String>,
}

impl Grant {
    /// Whether a request means this account; one that names none may mean any.
    #[must_use]
    pub fn fits(&self, named: Option<&IdOrName>) -> bool {
        named.is_none_or(|named| named.is(self.account.0, &self.account_name))
    }

    /// Whether the repository is the team's.
    #[must_use]
    pub fn covers(&self, repository: &str) -> bool {
        self.prefixes.iter().any(|prefix| repository.starts_with(prefix.as_str()))
    }

    /// How to get into the account, on behalf of `actor`.
    #[must_use]
    pub fn access(&self, actor: &Actor) -> AccountAccess {
        AccountAccess { role_arn: self.role_arn.clone(), external_id: self.external_id.clone(), on_behalf_of: actor.kubernetes_name() }
    }
}

/// Everything that was given to a team, account by account.
///
/// # Errors
/// A fault when the database fails.
pub async fn of_team(conn: &mut PgConnection, team: TeamId) -> Result<Vec<Grant>> {
    store::grants(conn, team).await
}

/// Finds out which account and region are meant. Either may be left out where there is only one that fits.
///
/// # Errors
/// `invalid_input` at `account` or `region`; `repository_not_granted` at `repository`.
pub fn place<'a>(grants: &'a [Grant], account: Option<&IdOrName>, region: Option<&str>, repository: &RepositoryName) -> Result<(&'a Grant, &'a str), Rejected> {
    let region = region.map(str::trim).filter(|region| !region.is_empty());
    let named: Vec<&Grant> = grants.iter().filter(|grant| grant.fits(account)).collect();
    if let (Some(account), []) = (account, named.as_slice()) {
        let names: Vec<&str> = grants.iter().map(|grant| grant.account_name.as_str()).collect();
        return Err(Rejected::field("account", format!("Your team has no repositories in an account {account}.{}", one_of(&names))));
    }
    let fitting: Vec<&Grant> = named.iter().copied().filter(|grant| grant.covers(repository.as_str())).collect();
    let grant = match fitting.as_slice() {
        [one] => *one,
        [] => return Err(not_granted(&named, repository)),
        many => {
            let names: Vec<&str> = many.iter().map(|grant| grant.account_name.as_str()).collect();
            return Err(Rejected::field("account", format!("Your team has this repository's prefix in several accounts.{}", one_of(&names))));
        }
    };
    let names: Vec<&str> = grant.regions.iter().map(String::as_str).collect();
    let mut checks = Checks::new();
    let region = match (region, names.as_slice()) {
        (None, [one]) => Some(*one),
        (None, _) => {
            checks.wrong("region", format!("The account {} has several regions.{}", grant.account_name, one_of(&names)));
            None
        }
        (Some(region), _) => {
            let known = names.iter().find(|name| **name == region).copied();
            checks.ensure(known.is_some(), "region", format!("The account {} is not used in this region.{}", grant.account_name, one_of(&names)));
            known
        }
    };
    checks.finish()?;
    Ok((grant, region.expect("a clean check has a region")))
}

fn not_granted(named: &[&Grant], repository: &RepositoryName) -> Rejected {
    let prefixes: Vec<&str> = named.iter().flat_map(|grant| grant.prefixes.iter().map(String::as_str)).collect();
    let what_else = match prefixes.as_slice() {
        [] => " It has none yet: ask a platform admin to give it a prefix.".to_owned(),
        some => format!(" Its repositories begin with: {}.", some.join(", ")),
    };
    Rejected::new(Code::RepositoryNotGranted, format!("{repository} is not your team's.{what_else}")).at("repository")
}

fn one_of(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!(" Name one of: {}.", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(account: &str, regions: &[&str], prefixes: &[&str]) -> Grant {
        Grant {
            account: AccountId::generate(),
            account_name: account.into(),
            role_arn: None,
            external_id: "x".into(),
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
        }
    }

    fn found(grants: &[Grant], account: Option<&str>, region: Option<&str>, repository: &str) -> Result<(String, String), Rejected> {
        let account = account.map(|account| IdOrName::parse(account).unwrap());
        place(grants, account.as_ref(), region, &RepositoryName::parse(repository).unwrap()).map(|(grant, region)| (grant.account_name.clone(), region.to_owned()))
    }

    #[test]
    fn what_is_clear_need_not_be_said() {
        let grants = [grant("main", &["us-east-1"], &["forecasting/"]), grant("other", &["eu-west-1", "eu-central-1"], &["vision/"])];
        assert_eq!(found(&grants, None, None, "forecasting/iris").unwrap(), ("main".into(), "us-east-1".into()));
        assert_eq!(found(&grants, None, Some("eu-west-1"), "vision/cat").unwrap(), ("other".into(), "eu-west-1".into()));
        assert!(found(&grants, None, None, "vision/cat").unwrap_err().message_for("region").unwrap().contains("eu-central-1"));
        assert!(found(&grants, None, Some("us-west-2"), "forecasting/iris").unwrap_err().message_for("region").is_some());
    }

    #[test]
    fn a_prefix_ends_where_its_slash_is() {
        let grants = [grant("main", &["us-east-1"], &["forecasting/"])];
        for foreign in ["forecasting-secret/iris", "forecastingiris", "vision/iris", "forecasting"] {
            let rejected = found(&grants, None, None, foreign).unwrap_err();
            assert_eq!(rejected.code, Code::RepositoryNotGranted, "{foreign}");
            assert!(rejected.message_for("repository").unwrap().contains("forecasting/"));
        }
    }

    #[test]
    fn accounts_of_others_are_not_told_about() {
        let grants = [grant("main", &["us-east-1"], &["forecasting/"])];
        let rejected = found(&grants, Some("secret"), None, "forecasting/iris").unwrap_err();
        assert!(rejected.message_for("account").unwrap().contains("main"));
        assert!(found(&[], None, None, "forecasting/iris").unwrap_err().message.contains("ask a platform admin"));
    }

    #[test]
    fn two_accounts_that_fit_have_to_be_told_apart() {
        let grants = [grant("main", &["us-east-1"], &["forecasting/"]), grant("backup", &["us-east-1"], &["forecasting/"])];
        assert!(found(&grants, None, None, "forecasting/iris").unwrap_err().message_for("account").unwrap().contains("backup"));
        assert_eq!(found(&grants, Some("backup"), None, "forecasting/iris").unwrap().0, "backup");
    }
}
