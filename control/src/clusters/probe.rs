//! What a cluster says when Slipway looks at it: version, what Slipway may do, whether network policies are enforced.

use domain::cluster::ClusterCheck;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};

use super::rights::{NEEDS, Need};
use crate::k8s::{Error, Kind, Result};

/// What only an admin may.
const EVERYTHING: Need = Need { group: "*", resource: "*", subresource: None, verbs: &["*"], namespace: None, names: &[], purpose: "" };

/// How many questions are asked at once.
const AT_ONCE: usize = 8;

/// What was seen of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// There is no address to connect to yet.
    NoEndpoint,
    /// It answered.
    Reached(Reached),
    /// It does not know Slipway.
    Unknown { raw: String },
    /// No answer, or none of use.
    Unreachable { message: String, raw: String },
}

/// What it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// `1.35`
    pub version: String,
    pub checks: Vec<ClusterCheck>,
    /// Whether Slipway may do everything here: then the checks say nothing about its own roles.
    pub is_admin: bool,
    /// Absent when Slipway may not look.
    pub enforces_network_policies: Option<bool>,
}

impl Reached {
    /// Whether Slipway has all it needs.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.checks.iter().all(|check| check.allowed)
    }
}

/// Looks at a cluster.
///
/// # Errors
/// Faults only: everything else is an answer.
pub(super) async fn probe(client: &Client) -> Result<Probe> {
    match look(client).await {
        Ok(reached) => Ok(Probe::Reached(reached)),
        Err(Error { kind: Kind::Fault(fault), .. }) => Err(Error::fault(fault)),
        Err(error) if matches!(error.kind, Kind::Unauthorized) => Ok(Probe::Unknown { raw: error.raw() }),
        Err(error) => Ok(Probe::Unreachable { message: error.sentence(), raw: error.raw() }),
    }
}

async fn look(client: &Client) -> Result<Reached> {
    // Every cluster lets authenticated users ask for its version and review their own access.
    let version = client.apiserver_version().await?;
    let checks = checks(client).await?;
    let is_admin = allowed(client, &EVERYTHING, "*").await?;
    let enforces_network_policies = match enforcement(client).await {
        Ok(found) => Some(found),
        Err(error) if matches!(error.kind, Kind::Forbidden) => None,
        Err(error) => return Err(error),
    };
    Ok(Reached {
        version: short(&version.major, &version.minor, version.emulation_major.as_deref(), version.emulation_minor.as_deref()),
        checks,
        is_admin,
        enforces_network_policies,
    })
}

/// `1.35` from what `/version` says; providers add a `+` to the minor. An API server that emulates an older version is that version to everyone who uses it.
fn short(major: &str, minor: &str, emulated_major: Option<&str>, emulated_minor: Option<&str>) -> String {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let own = |emulated: Option<&str>, plain: &str| digits(emulated.filter(|text| !text.is_empty()).unwrap_or(plain));
    format!("{}.{}", own(emulated_major, major), own(emulated_minor, minor))
}

/// Asks for each verb of each need; EKS answers these also from access policies, which listings of rules leave out.
async fn checks(client: &Client) -> Result<Vec<ClusterCheck>> {
    let mut questions = Vec::new();
    for (place, need) in NEEDS.iter().enumerate() {
        questions.extend(need.verbs.iter().map(|verb| ask(client.clone(), place, need, verb)));
    }
    let answers: Vec<(usize, &str, bool)> = stream::iter(questions).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(NEEDS.iter().enumerate().map(|(place, need)| check(need, |verb| answers.iter().any(|(at, asked, allowed)| *at == place && *asked == verb && *allowed))).collect())
}

fn check(need: &Need, allowed: impl Fn(&str) -> bool) -> ClusterCheck {
    let missing: Vec<&str> = need.verbs.iter().copied().filter(|verb| !allowed(verb)).collect();
    let right = need.words(if missing.is_empty() { need.verbs } else { &missing });
    ClusterCheck { right, purpose: need.purpose.into(), allowed: missing.is_empty() }
}

async fn ask(client: Client, place: usize, need: &'static Need, verb: &'static str) -> Result<(usize, &'static str, bool)> {
    Ok((place, verb, allowed(&client, need, verb).await?))
}

/// Whether Slipway may do this with every object that the need names.
async fn allowed(client: &Client, need: &Need, verb: &str) -> Result<bool> {
    let names: Vec<Option<&str>> = if need.names.is_empty() { vec![None] } else { need.names.iter().map(|name| Some(*name)).collect() };
    for name in names {
        let attributes = ResourceAttributes {
            group: Some(need.group.into()),
            resource: Some(need.resource.into()),
            subresource: need.subresource.map(str::to_owned),
            verb: Some(verb.into()),
            namespace: need.namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview { spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() }, ..Default::default() };
        let answer = Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await?;
        if !answer.status.is_some_and(|status| status.allowed) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether something in the cluster gives network policies an effect.
async fn enforcement(client: &Client) -> Result<bool> {
    let sets = Api::<DaemonSet>::all(client.clone()).list(&ListParams::default().limit(500)).await?;
    Ok(sets.items.iter().any(enforces))
}

/// The agents that enforce network policies run on every node: Calico, Cilium and others always do, Amazon's VPC CNI only when it is told to.
fn enforces(set: &DaemonSet) -> bool {
    const AGENTS: [&str; 5] = ["antrea-agent", "calico-node", "canal", "cilium", "kube-router"];
    let name = set.metadata.name.as_deref().unwrap_or_default();
    if AGENTS.contains(&name) {
        return true;
    }
    let containers = set.spec.iter().filter_map(|spec| spec.template.spec.as_ref()).flat_map(|pod| &pod.containers);
    name == "aws-node"
        && containers
            .filter(|container| container.name == "aws-eks-nodeagent")
            .any(|container| container.args.iter().flatten().chain(container.command.iter().flatten()).any(|arg| arg == "--enable-network-policy=true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, args: &[&str]) -> DaemonSet {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name},
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "aws-node"}, {"name": "aws-eks-nodeagent", "args": args}]}}}
        }))
        .unwrap()
    }

    #[test]
    fn amazons_agent_enforces_only_when_told_to() {
        assert!(enforces(&set("aws-node", &["--enable-network-policy=true"])));
        assert!(!enforces(&set("aws-node", &["--enable-network-policy=false"])));
        assert!(!enforces(&set("kube-proxy", &["--enable-network-policy=true"])));
        assert!(enforces(&set("cilium", &[])));
    }

    #[test]
    fn versions_are_major_and_minor() {
        assert_eq!(short("1", "33+", None, None), "1.33");
        assert_eq!(short("1", "35", Some("1"), Some("34")), "1.34");
    }

    #[test]
    fn a_check_that_fails_names_what_is_missing_only() {
        let check = check(&NEEDS[0], |verb| verb != "delete");
        assert_eq!((check.right.as_str(), check.allowed), ("delete namespaces", false));
    }
}
