//! Names that were parsed and can be trusted from then on.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

macro_rules! parsed {
    ($($(#[$doc:meta])* $name:ident($parse:path);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// A sentence that says what to change.
            pub fn parse(text: &str) -> Result<Self, String> {
                $parse(text).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, owned.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )+};
}

parsed! {
    /// A team's name: part of addresses and labels.
    TeamName(label);
    /// A model's name within its team.
    ModelName(label);
    /// A deployment's name within its workspace: the name of its Kubernetes objects.
    DeploymentName(object_label);
    /// A workspace's name: the name of its Kubernetes namespace.
    WorkspaceName(namespace);
    /// An AWS account's name in Slipway.
    AccountName(label);
    /// A cluster's name in Slipway.
    ClusterName(label);
    /// A person's e-mail address, in lower case.
    EmailAddress(email);
    /// A person's or thing's name as people write it.
    DisplayName(display_name);
    /// An ECR repository's name, without registry.
    RepositoryName(repository);
    /// A prefix of ECR repository names that is given to a team, ending in `/`.
    RepositoryPrefix(repository_prefix);
    /// An image tag.
    ImageTag(tag);
    /// An image digest: `sha256:` and 64 hexadecimal digits.
    Digest(digest);
    /// An AWS region.
    Region(region);
    /// The ARN of an IAM role.
    RoleArn(role_arn);
    /// The name of an environment variable.
    VariableName(variable);
    /// A path on the model's server, for health checks.
    HttpPath(http_path);
}

/// A team, an account or a cluster as requests name it. What looks like an id is one: nothing has a name that does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum IdOrName {
    Id(Uuid),
    Name(String),
}

impl IdOrName {
    /// # Errors
    /// A sentence that says what to change.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("Choose one, by its name or its id.".into());
        }
        match Uuid::parse_str(text) {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => label(text).map(Self::Name),
        }
    }

    /// Whether the thing with this id and this name is meant.
    #[must_use]
    pub fn is(&self, id: Uuid, name: &str) -> bool {
        match self {
            Self::Id(meant) => *meant == id,
            Self::Name(meant) => meant == name,
        }
    }
}

impl fmt::Display for IdOrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Characters of a label.
pub const MAX_LABEL: usize = 40;
/// What labels are, as a regular expression.
pub const LABEL: &str = "^[a-z](?:[a-z0-9-]*[a-z0-9])?$";
/// Bytes of an e-mail address.
pub const MAX_EMAIL: usize = 254;
/// Characters of a person's or thing's name as people write it.
pub const MAX_DISPLAY_NAME: usize = 80;
/// Bytes of a repository's name.
pub const MAX_REPOSITORY: usize = 256;
/// Bytes of an image tag.
pub const MAX_TAG: usize = 128;
/// What image tags are, as a regular expression.
pub const TAG: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$";
/// Bytes of a region's name.
pub const MAX_REGION: usize = 25;
/// Bytes of a role's ARN.
pub const MAX_ROLE_ARN: usize = 600;
/// Bytes of an environment variable's name.
pub const MAX_VARIABLE: usize = 128;
/// What names of environment variables are, as a regular expression.
pub const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
/// Bytes of a path on the model's server.
pub const MAX_PATH: usize = 200;

/// A DNS label (RFC 1123), short enough to leave room for suffixes.
fn label(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("Enter a name.".into());
    }
    if text.len() > MAX_LABEL {
        return Err(format!("Use at most {MAX_LABEL} characters; this has {}.", text.chars().count()));
    }
    if Uuid::parse_str(text).is_ok() {
        return Err("This is what an id looks like: choose a name.".into());
    }
    let fits = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let starts = text.as_bytes()[0].is_ascii_lowercase();
    let ends = !text.ends_with('-');
    if fits && starts && ends {
        return Ok(text.into());
    }
    let mut message = "Use lower-case letters, digits and dashes, starting with a letter".to_owned();
    match suggestion(text) {
        Some(better) => message.push_str(&format!(": try {better}.")),
        None => message.push('.'),
    }
    Err(message)
}

/// The nearest acceptable label, if anything of the text can be kept.
#[must_use]
pub fn suggestion(text: &str) -> Option<String> {
    let mut better = String::new();
    for character in text.trim().chars() {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_lowercase() || (character.is_ascii_digit() && !better.is_empty()) {
            better.push(character);
        } else if !better.is_empty() && !better.ends_with('-') {
            better.push('-');
        }
    }
    better.truncate(MAX_LABEL);
    let better = better.trim_end_matches('-');
    (!better.is_empty()).then(|| better.to_owned())
}

/// Names that Kubernetes itself puts into every namespace would collide with ours.
fn object_label(text: &str) -> Result<String, String> {
    let text = label(text)?;
    if text == "default" {
        return Err("Every namespace already has a service account named default: choose another name.".into());
    }
    Ok(text)
}

/// Namespaces that Kubernetes, EKS or Slipway keep for themselves are refused.
fn namespace(text: &str) -> Result<String, String> {
    let text = label(text)?;
    if text == "default" || text.starts_with("kube-") || text.starts_with("amazon-") || text.starts_with("aws-") || text == "slipway-access" {
        return Err(format!("The namespace {text} belongs to the cluster: choose another name."));
    }
    Ok(text)
}

fn email(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    let shape = || {
        let (local, host) = text.split_once('@')?;
        let fine = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"@<>()[],;:\\\"'`&".contains(&b));
        (fine(local) && fine(host) && local.len() <= 64 && host.contains('.') && !host.starts_with('.') && !host.ends_with('.') && !host.contains("..")).then_some(())
    };
    if text.is_empty() {
        return Err("Enter an e-mail address.".into());
    }
    if text.len() > MAX_EMAIL || shape().is_none() {
        return Err("Enter an e-mail address like ada@example.com.".into());
    }
    Ok(text)
}

/// Controls, line breaks and characters that reorder or hide text are refused: names stand in logs and in front of buttons that matter.
fn display_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("Enter a name.".into());
    }
    if text.chars().count() > MAX_DISPLAY_NAME {
        return Err(format!("Use at most {MAX_DISPLAY_NAME} characters."));
    }
    if text.chars().any(is_deceptive) {
        return Err("Leave out control characters and invisible characters.".into());
    }
    Ok(text.into())
}

/// Whether a character controls, hides or reorders what is read.
#[must_use]
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether a character has no place in a text either: all that is [deceptive](is_deceptive), but for what joins letters and emoji or says in which direction
/// one word is read.
#[must_use]
pub fn is_misleading(character: char) -> bool {
    is_deceptive(character)
        && !matches!(character, '\u{00AD}' | '\u{061C}' | '\u{180B}'..='\u{180F}' | '\u{200C}'..='\u{200F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}')
}

/// The rule of ECR: <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html>.
fn repository(text: &str) -> Result<String, String> {
    let text = text.trim();
    let part = |part: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        !part.is_empty() && part.bytes().all(|b| inner(b) || b"._-".contains(&b)) && part.bytes().next().is_some_and(inner) && part.bytes().last().is_some_and(inner)
    };
    if (2..=MAX_REPOSITORY).contains(&text.len()) && text.split('/').all(part) {
        return Ok(text.into());
    }
    Err("Enter the repository as ECR names it, without the registry: forecasting/iris.".into())
}

fn repository_prefix(text: &str) -> Result<String, String> {
    let inner = text.trim().trim_end_matches('/');
    repository(inner)
        .map(|prefix| format!("{prefix}/"))
        .map_err(|_| "Enter a prefix of repository names, like forecasting/: small letters and digits, with single . _ - or / between them.".into())
}

/// The rule of the OCI distribution specification.
fn tag(text: &str) -> Result<String, String> {
    let text = text.trim();
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if (1..=MAX_TAG).contains(&text.len()) && word(text.as_bytes()[0]) && text.bytes().all(|b| word(b) || b == b'.' || b == b'-') {
        return Ok(text.into());
    }
    Err("Enter an image tag: letters, digits, dots, dashes and underscores.".into())
}

fn digest(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) => Ok(text.into()),
        _ => Err("Enter a digest: sha256: and 64 hexadecimal digits.".into()),
    }
}

fn region(text: &str) -> Result<String, String> {
    let text = text.trim();
    let parts: Vec<&str> = text.split('-').collect();
    let words = parts.len() >= 3 && parts[..parts.len() - 1].iter().all(|p| (2..=9).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_lowercase()));
    if text.len() <= MAX_REGION && words && parts.last().is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit()) {
        return Ok(text.into());
    }
    Err("Enter an AWS region like us-east-1.".into())
}

fn role_arn(text: &str) -> Result<String, String> {
    let text = text.trim();
    let shape = || {
        let rest = text.strip_prefix("arn:")?;
        let mut parts = rest.splitn(5, ':');
        let partition = parts.next()?;
        let (service, region, account, resource) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let name = resource.strip_prefix("role/")?;
        let fine = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b)) && !name.is_empty() && !name.ends_with('/');
        (partition.starts_with("aws") && service == "iam" && region.is_empty() && is_aws_account(account) && fine).then_some(())
    };
    if text.len() <= MAX_ROLE_ARN && shape().is_some() {
        return Ok(text.into());
    }
    Err("Enter a role's ARN like arn:aws:iam::123456789012:role/slipway.".into())
}

/// Whether the text is a twelve-digit AWS account id.
#[must_use]
pub fn is_aws_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn variable(text: &str) -> Result<String, String> {
    let text = text.trim();
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first && text.len() <= MAX_VARIABLE && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(text.into());
    }
    Err("Use letters, digits and underscores, and begin with no digit. An example is LOG_LEVEL.".into())
}

fn http_path(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.starts_with('/') && text.len() <= MAX_PATH && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&b)) {
        return Ok(text.into());
    }
    Err("Enter a path like /v2/health/ready.".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Checks;

    #[test]
    fn a_label_says_how_to_fix_it() {
        assert_eq!(ModelName::parse("iris main").unwrap_err(), "Use lower-case letters, digits and dashes, starting with a letter: try iris-main.");
        assert_eq!(ModelName::parse(" iris ").unwrap().as_str(), "iris");
        assert!(ModelName::parse("").is_err());
        assert!(ModelName::parse(&"a".repeat(41)).unwrap_err().contains("41"));
    }

    #[test]
    fn look_alike_and_hostile_names_are_refused() {
        for hostile in ["іris", "iris\u{200b}", "</textarea><script>alert(1)</script>", "iris\n", "../iris", "IRIS", "-iris", "iris-", "1ris"] {
            let parsed = ModelName::parse(hostile);
            assert!(parsed.is_err() || parsed.unwrap().as_str() == "iris", "{hostile:?}");
        }
        assert!(DisplayName::parse("Ada\u{202e}adA").is_err());
        assert!(EmailAddress::parse("ada@example.com<script>").is_err());
    }

    #[test]
    fn what_looks_like_an_id_is_one() {
        let id = "AB61E6E5-0000-4000-8000-000000000001";
        let known = Uuid::parse_str(id).unwrap();
        assert_eq!(IdOrName::parse(id).unwrap(), IdOrName::Id(known));
        assert_eq!(IdOrName::parse(" iris ").unwrap(), IdOrName::Name("iris".into()));
        assert!(IdOrName::Id(known).is(known, "iris") && !IdOrName::Id(known).is(Uuid::nil(), "iris"));
        assert!(IdOrName::Name("iris".into()).is(known, "iris") && !IdOrName::Name("iris".into()).is(known, "rose"));
        assert!(ModelName::parse(&id.to_lowercase()).unwrap_err().contains("an id"));
        assert!(IdOrName::parse("Two words").unwrap_err().contains("try two-words"));
        assert!(IdOrName::parse(" ").unwrap_err().contains("Choose one"));
    }

    #[test]
    fn namespaces_of_the_cluster_are_refused() {
        for name in ["default", "kube-system", "slipway-access", "amazon-cloudwatch"] {
            assert!(WorkspaceName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn arns_and_regions() {
        assert!(RoleArn::parse("arn:aws:iam::123456789012:role/path/slipway").is_ok());
        assert!(RoleArn::parse("arn:aws:sts::123456789012:assumed-role/slipway/x").is_err());
        assert!(Region::parse("eu-central-1").is_ok() && Region::parse("us-gov-west-1").is_ok());
        assert!(Region::parse("us-east").is_err() && Region::parse("us-east-1.evil.com").is_err());
    }

    #[test]
    fn a_text_may_hold_emoji_and_any_script_but_nothing_that_misleads() {
        for fine in ["two\nlines\tof words", "❤\u{FE0F} 👩\u{200D}💻", "שלום\u{200F}!", "به\u{200C}روز"] {
            let mut checks = Checks::new();
            checks.prose("notes", fine, 40);
            assert!(checks.is_clean(), "{fine:?}");
        }
        for wrong in ["a\0b", "safe\u{202E}exe", "\u{2066}a", "a\u{200B}b", "\u{1b}[31m", "\u{FEFF}a"] {
            let mut checks = Checks::new();
            checks.prose("notes", wrong, 40);
            assert!(checks.finish().unwrap_err().message_for("notes").is_some(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn parsed_labels_are_dns_labels(text in ".{0,60}") {
            if let Ok(name) = ModelName::parse(&text) {
                prop_assert!(name.as_str().len() <= 63);
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            }
        }

        #[test]
        fn suggestions_are_acceptable(text in ".{0,80}") {
            if let Some(better) = suggestion(&text) {
                prop_assert!(ModelName::parse(&better).is_ok(), "{better}");
            }
        }

        #[test]
        fn parsing_is_idempotent(text in "[a-z0-9./_-]{0,40}") {
            if let Ok(prefix) = RepositoryPrefix::parse(&text) {
                prop_assert_eq!(RepositoryPrefix::parse(prefix.as_str()).unwrap(), prefix);
            }
        }
    }
}
