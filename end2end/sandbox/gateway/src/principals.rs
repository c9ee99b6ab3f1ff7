//! Which principal an access key belongs to: learned from the answers that made the key, or asked for.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::book::Book;
use crate::cloud::{Cloud, CloudError};
use crate::xml;

const IAM: &str = "2010-05-08";

/// Who signs with an access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// What GetCallerIdentity says: a user's ARN, or `arn:aws:sts::…:assumed-role/ROLE/SESSION`.
    pub arn: String,
    /// The IAM user or role behind it, with its path; policies hang there.
    pub identity_arn: String,
    /// The unique id, with the session name for a role.
    pub user_id: String,
    /// The account it belongs to.
    pub account: String,
    /// Policies given with the session, each of which has to allow what it does.
    #[serde(default)]
    pub session_policies: Vec<String>,
    /// The key's secret, where it was seen; EKS tokens are checked with it that the emulator would find too old.
    #[serde(default)]
    pub secret: Option<String>,
    /// When the key stops working; never for a user's.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires: Option<OffsetDateTime>,
}

impl Principal {
    /// The account's root, who may do everything.
    pub fn root(account: &str) -> Self {
        let arn = format!("arn:aws:iam::{account}:root");
        Self { identity_arn: arn.clone(), arn, user_id: account.to_owned(), account: account.to_owned(), session_policies: Vec::new(), secret: None, expires: None }
    }

    /// Whether this is the account's root.
    pub fn is_root(&self) -> bool {
        self.identity_arn.ends_with(":root")
    }

    /// The session name of an assumed role; empty for a user.
    pub fn session_name(&self) -> &str {
        match self.arn.split_once(":assumed-role/") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, session)| session),
            None => "",
        }
    }

    /// The ARN as EKS maps it: of the role rather than its session, and without the path, which a session ARN has lost.
    pub fn canonical_arn(&self) -> String {
        match self.arn.split_once(":assumed-role/") {
            Some((_, rest)) => {
                let role = rest.split_once('/').map_or(rest, |(role, _)| role);
                format!("arn:aws:iam::{}:role/{role}", self.account)
            }
            None => self.arn.clone(),
        }
    }
}

/// Whether the emulator takes a key as root's without looking at its signature.
pub fn is_root_key(key: &str) -> bool {
    key.trim().get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("test"))
}

/// The principal of `key`, if the emulator ever gave out such a key.
///
/// # Errors
/// When the emulator cannot be asked.
pub async fn of_key(book: &Book, cloud: &Cloud, key: &str) -> Result<Option<Principal>, CloudError> {
    if is_root_key(key) {
        return Ok(Some(Principal::root(&cloud.account)));
    }
    if let Some(known) = book.read(|entries| entries.principals.get(key).cloned()) {
        return Ok(known.expires.is_none_or(|at| at > OffsetDateTime::now_utc()).then_some(known));
    }
    // A user's key made before the gateway watched, such as by CloudFormation.
    let used = match cloud.query("iam", IAM, "GetAccessKeyLastUsed", &[("AccessKeyId".into(), key.into())]).await {
        Ok(xml) => xml,
        Err(CloudError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(user) = xml::first(&used, "UserName") else { return Ok(None) };
    let principal = user_principal(cloud, &user).await?;
    if let Some(principal) = &principal {
        book.change(|entries| entries.principals.insert(key.to_owned(), principal.clone()));
    }
    Ok(principal)
}

/// Learns keys from an answer of IAM or STS that the emulator gave to `caller`.
///
/// `form` is the request's form, `answer` the XML of a successful answer.
pub async fn learn(book: &Book, cloud: &Cloud, caller_key: &str, form: &[(String, String)], answer: &str) {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let Some(action) = field("Action") else { return };
    let learned = match action {
        "CreateAccessKey" => created_key(cloud, answer).await,
        "DeleteAccessKey" => {
            if let Some(key) = field("AccessKeyId") {
                book.change(|entries| entries.principals.remove(key));
            }
            return;
        }
        "AssumeRole" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity" => assumed_role(cloud, form, answer).await,
        "GetSessionToken" => session_of_caller(book, cloud, caller_key, answer).await,
        "GetCallerIdentity" => caller(book, cloud, caller_key, answer).await,
        _ => return,
    };
    match learned {
        Ok(Some((key, mut principal))) => book.change(|entries| {
            principal.secret = xml::first(answer, "SecretAccessKey");
            entries.principals.insert(key, principal);
        }),
        Ok(None) => {}
        Err(error) => tracing::error!(%error, action, "could not learn whose key this is"),
    }
}

async fn created_key(cloud: &Cloud, answer: &str) -> Result<Option<(String, Principal)>, CloudError> {
    let (Some(key), Some(user)) = (xml::first(answer, "AccessKeyId"), xml::first(answer, "UserName")) else { return Ok(None) };
    Ok(user_principal(cloud, &user).await?.map(|principal| (key, principal)))
}

async fn user_principal(cloud: &Cloud, user: &str) -> Result<Option<Principal>, CloudError> {
    let answer = match cloud.query("iam", IAM, "GetUser", &[("UserName".into(), user.into())]).await {
        Ok(xml) => xml,
        Err(CloudError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (Some(arn), Some(user_id)) = (xml::first(&answer, "Arn"), xml::first(&answer, "UserId")) else { return Ok(None) };
    Ok(Some(Principal { identity_arn: arn.clone(), account: account_of(&arn), arn, user_id, session_policies: Vec::new(), secret: None, expires: None }))
}

async fn assumed_role(cloud: &Cloud, form: &[(String, String)], answer: &str) -> Result<Option<(String, Principal)>, CloudError> {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (Some(key), Some(arn), Some(user_id), Some(role)) = (xml::first(answer, "AccessKeyId"), xml::first(answer, "Arn"), xml::first(answer, "AssumedRoleId"), field("RoleArn"))
    else {
        return Ok(None);
    };
    let mut session_policies: Vec<String> = field("Policy").into_iter().collect();
    for (name, policy_arn) in form {
        if name.starts_with("PolicyArns.member.") && name.ends_with(".arn") {
            session_policies.extend(policy_document(cloud, policy_arn).await?);
        }
    }
    let account = account_of(&arn);
    Ok(Some((key, Principal { arn, identity_arn: role, user_id, account, session_policies, secret: None, expires: expiration(answer) })))
}

/// The text of a managed policy's default version.
async fn policy_document(cloud: &Cloud, arn: &str) -> Result<Option<String>, CloudError> {
    let policy = cloud.query("iam", IAM, "GetPolicy", &[("PolicyArn".into(), arn.into())]).await?;
    let Some(version) = xml::first(&policy, "DefaultVersionId") else { return Ok(None) };
    let parameters = [("PolicyArn".into(), arn.into()), ("VersionId".into(), version)];
    let document = xml::first(&cloud.query("iam", IAM, "GetPolicyVersion", &parameters).await?, "Document");
    Ok(document.map(|text| percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()))
}

async fn session_of_caller(book: &Book, cloud: &Cloud, caller_key: &str, answer: &str) -> Result<Option<(String, Principal)>, CloudError> {
    let (Some(key), Some(caller)) = (xml::first(answer, "AccessKeyId"), of_key(book, cloud, caller_key).await?) else { return Ok(None) };
    Ok(Some((key, Principal { expires: expiration(answer), ..caller })))
}

async fn caller(book: &Book, cloud: &Cloud, caller_key: &str, answer: &str) -> Result<Option<(String, Principal)>, CloudError> {
    if is_root_key(caller_key) || book.read(|entries| entries.principals.contains_key(caller_key)) {
        return Ok(None);
    }
    let (Some(arn), Some(user_id), Some(account)) = (xml::first(answer, "Arn"), xml::first(answer, "UserId"), xml::first(answer, "Account")) else {
        return Ok(None);
    };
    let mut principal = Principal { identity_arn: arn.clone(), arn, user_id, account, session_policies: Vec::new(), secret: None, expires: None };
    if principal.arn.contains(":assumed-role/") {
        principal.identity_arn = role_arn(cloud, &principal.canonical_arn()).await?;
    }
    Ok(Some((caller_key.to_owned(), principal)))
}

/// The full ARN of a role whose path is not known.
async fn role_arn(cloud: &Cloud, without_path: &str) -> Result<String, CloudError> {
    let name = without_path.rsplit('/').next().unwrap_or_default();
    match cloud.query("iam", IAM, "GetRole", &[("RoleName".into(), name.into())]).await {
        Ok(answer) => Ok(xml::first(&answer, "Arn").unwrap_or_else(|| without_path.to_owned())),
        Err(CloudError::Refused { .. }) => Ok(without_path.to_owned()),
        Err(error) => Err(error),
    }
}

fn expiration(answer: &str) -> Option<OffsetDateTime> {
    xml::first(answer, "Expiration").and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok())
}

/// The account id within an ARN.
pub fn account_of(arn: &str) -> String {
    arn.split(':').nth(4).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(arn: &str) -> Principal {
        Principal { arn: arn.into(), account: account_of(arn), ..Principal::root("1") }
    }

    #[test]
    fn a_session_is_mapped_as_its_role() {
        let principal = session("arn:aws:sts::111122223333:assumed-role/slipway/worker-1");
        assert_eq!(principal.canonical_arn(), "arn:aws:iam::111122223333:role/slipway");
        assert_eq!(principal.session_name(), "worker-1");
    }

    #[test]
    fn a_user_is_mapped_as_itself() {
        let principal = session("arn:aws:iam::111122223333:user/team/ada");
        assert_eq!(principal.canonical_arn(), "arn:aws:iam::111122223333:user/team/ada");
        assert_eq!(principal.session_name(), "");
    }

    #[test]
    fn only_keys_named_test_are_roots() {
        assert!(is_root_key("test") && is_root_key("TESTKEY"));
        assert!(!is_root_key("AKIATEST") && !is_root_key("tes") && !is_root_key("té"));
    }
}
