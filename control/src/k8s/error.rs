//! What a cluster says when it does not do it.

use domain::{Code, Rejected, operation::ChangedField};
use kube::core::Status;

use super::text::clean;

/// The most that is kept of what was said, in bytes.
const MAX_RAW: usize = 4096;

/// Why a call to a cluster came to nothing.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    raw: String,
    conflicts: Vec<ChangedField>,
    reached: Reached,
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// As far as the kind says.
    AsItSays,
    /// The API server, which answered that it cannot just now.
    ApiServer,
    /// The API server, which answered that something behind it failed.
    Behind,
    /// The API server, which did not get through to the pod's node.
    NotTheNode,
}

/// What kind of failure it was.
#[derive(Debug)]
pub enum Kind {
    /// No connection, no TLS, no answer in time, or the API server itself failed (5xx): it may work later.
    Unreachable,
    /// The API server does not know who asks (401).
    Unauthorized,
    /// Who asks may not do this (403).
    Forbidden,
    /// There is no such object, or no such cluster here.
    NotFound,
    /// Somebody else changed the object, owns its fields or holds its name (409).
    Conflict,
    /// The object is not one that Kubernetes accepts (422 and 400).
    Invalid,
    /// No token could be made: AWS refused, or did not answer.
    Aws(Box<Rejected>),
    /// Ours: the database, or a stored value.
    Fault(anyhow::Error),
    /// Anything else.
    Other,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[must_use]
    pub fn new(kind: Kind, raw: impl Into<String>) -> Self {
        Self { kind, raw: clean(raw, MAX_RAW), conflicts: Vec::new(), reached: Reached::AsItSays }
    }

    /// The same, of a call that the API server only passes on to a pod's node: that the server says something behind it failed means that the node did not answer it. One that is busy or going away says nothing about the node.
    #[must_use]
    pub fn of_a_node(self) -> Self {
        if self.reached == Reached::Behind { Self { reached: Reached::NotTheNode, ..self } } else { self }
    }

    /// Whether it was the pod's node that did not answer, and not the cluster.
    #[must_use]
    pub fn spares_the_cluster(&self) -> bool {
        self.reached == Reached::NotTheNode
    }

    /// Something of ours went wrong before the cluster was asked.
    pub fn fault(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        let raw = format!("{error:#}");
        Self::new(Kind::Fault(error), raw)
    }

    /// What was said, word for word.
    #[must_use]
    pub fn raw(&self) -> String {
        self.raw.clone()
    }

    /// The fields that an apply was refused for, with who owns them.
    #[must_use]
    pub fn conflicts(&self) -> &[ChangedField] {
        &self.conflicts
    }

    /// The same, of an object: what Kubernetes says of its fields does not say whose they are.
    #[must_use]
    pub fn about(mut self, kind: &str, name: &str) -> Self {
        for conflict in &mut self.conflicts {
            (conflict.kind, conflict.name) = (kind.to_owned(), name.to_owned());
        }
        self
    }

    /// Others own these fields, as an apply would have said.
    #[must_use]
    pub fn conflict(owned: Vec<ChangedField>) -> Self {
        let raw = owned.iter().map(|owned| format!("{}, {}", owned.whole(), owned.what())).collect::<Vec<_>>().join("\n");
        Self { conflicts: owned, ..Self::new(Kind::Conflict, raw) }
    }

    /// Whether it may work later without anybody changing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match &self.kind {
            Kind::Unreachable => true,
            Kind::Aws(rejected) => rejected.code == Code::AwsUnavailable,
            _ => false,
        }
    }

    /// Whether the cluster itself should be looked at: it may be away, or have revoked Slipway, while its watches still stand.
    #[must_use]
    pub fn doubts_the_cluster(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::Unauthorized) && !self.spares_the_cluster()
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.kind {
            Kind::Unreachable => match self.reached {
                Reached::AsItSays => "The cluster's API server could not be reached.".into(),
                Reached::ApiServer | Reached::Behind => "The cluster's API server answers, but with an error.".into(),
                Reached::NotTheNode => "The node of this replica does not answer the cluster's API server. If that lasts, a platform admin has to look at the node.".into(),
            },
            Kind::Unauthorized => "The cluster does not know Slipway: its IAM role is not mapped to a Kubernetes identity.".into(),
            Kind::Forbidden => "The cluster does not allow this.".into(),
            Kind::NotFound => "There is no such object in the cluster.".into(),
            Kind::Conflict if self.conflicts.is_empty() => "The object was changed in the cluster meanwhile.".into(),
            Kind::Conflict => {
                let fields: Vec<String> = self.conflicts.iter().map(|conflict| format!("{}, {}", conflict.whole(), conflict.what())).collect();
                format!("Others manage some of these fields: {}.", fields.join("; "))
            }
            Kind::Invalid => "Kubernetes does not accept the object.".into(),
            Kind::Aws(rejected) => rejected.message.clone(),
            Kind::Fault(_) => "Something went wrong on our side.".into(),
            Kind::Other => "The cluster answered with an error.".into(),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.sentence(), self.raw)
    }
}

impl std::error::Error for Error {}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => status_error(&status),
            kube::Error::Service(error) => match error.downcast::<Self>() {
                Ok(own) => *own,
                Err(other) => Self::new(Kind::Unreachable, chain(other.as_ref())),
            },
            kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => Self::new(Kind::Unreachable, chain(&error)),
            kube::Error::UpgradeConnection(_) => Self::new(Kind::Unreachable, chain(&error)),
            other => Self::new(Kind::Other, chain(&other)),
        }
    }
}

impl From<Error> for crate::Error {
    /// For a person who asked and waits for the answer.
    fn from(error: Error) -> Self {
        let code = match error.kind {
            Kind::Fault(fault) => return Self::Fault(fault),
            Kind::Aws(rejected) => return (*rejected).into(),
            Kind::Unreachable if error.spares_the_cluster() => Code::ModelUnavailable,
            Kind::Unreachable | Kind::Other => Code::ClusterUnreachable,
            Kind::Unauthorized | Kind::Forbidden => Code::ClusterDenied,
            Kind::NotFound => Code::NotFound,
            Kind::Conflict => Code::Conflict,
            Kind::Invalid => Code::InvalidInput,
        };
        Rejected::new(code, error.sentence()).with_raw(error.raw).into()
    }
}

fn status_error(status: &Status) -> Error {
    let kind = match status.code {
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        400 | 422 => Kind::Invalid,
        408 | 429 | 500..=599 => Kind::Unreachable,
        _ => Kind::Other,
    };
    let raw = if status.message.is_empty() { format!("{} {}", status.code, status.reason) } else { status.message.clone() };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let conflicts = causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| ChangedField {
            manager: Some(clean(cause.message.strip_prefix("conflict with ").unwrap_or(&cause.message), MAX_RAW)),
            field: clean(&cause.field, MAX_RAW),
            ..ChangedField::default()
        })
        .collect();
    let reached = match (&kind, status.code) {
        // Its own database is behind it, too.
        (Kind::Unreachable, 500 | 502 | 504) if !status.message.starts_with("etcdserver") => Reached::Behind,
        (Kind::Unreachable, _) => Reached::ApiServer,
        _ => Reached::AsItSays,
    };
    Error { conflicts, reached, ..Error::new(kind, raw) }
}

/// The error with everything below it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    #[test]
    fn a_conflict_names_the_fields_and_their_owners() {
        let cause = StatusCause { reason: "FieldManagerConflict".into(), message: r#"conflict with "kubectl-edit" using apps/v1"#.into(), field: ".spec.replicas".into() };
        let details = StatusDetails { causes: vec![cause], name: "iris".into(), group: "apps".into(), kind: "deployments".into(), uid: String::new(), retry_after_seconds: 0 };
        let status = Status::failure("Apply failed with 1 conflict", "Conflict").with_code(409).with_details(details);
        let error = Error::from(kube::Error::Api(status.boxed())).about("Deployment", "iris");
        assert!(matches!(error.kind, Kind::Conflict));
        assert_eq!(error.sentence(), r#"Others manage some of these fields: .spec.replicas of Deployment iris, set by "kubectl-edit" using apps/v1."#);
    }

    #[test]
    fn what_was_said_can_be_kept_whatever_it_was() {
        let status = Status::failure(&format!("a\0b{}", "x".repeat(1 << 20)), "Reason").with_code(500);
        let raw = Error::from(kube::Error::Api(status.boxed())).raw();
        assert!(raw.starts_with("a\u{FFFD}b") && raw.len() < MAX_RAW + 9, "{}", raw.len());
    }

    #[test]
    fn every_status_says_what_it_means_to_people() {
        let code = |code: u16| {
            let error: crate::Error = Error::from(kube::Error::Api(Status::failure("word for word", "Reason").with_code(code).boxed())).into();
            let rejected = error.rejected().expect("a rejection").clone();
            assert_eq!(rejected.raw.as_deref(), Some("word for word"));
            rejected.code
        };
        assert_eq!(code(401), Code::ClusterDenied);
        assert_eq!(code(403), Code::ClusterDenied);
        assert_eq!(code(404), Code::NotFound);
        assert_eq!(code(409), Code::Conflict);
        assert_eq!(code(422), Code::InvalidInput);
        assert_eq!(code(503), Code::ClusterUnreachable);
    }

    #[test]
    fn who_did_not_answer_is_told_apart() {
        let answered = |code: u16| Error::from(kube::Error::Api(Status::failure("error dialing backend: connection refused", "InternalError").with_code(code).boxed()));
        assert_eq!(Error::new(Kind::Unreachable, "refused").of_a_node().sentence(), "The cluster's API server could not be reached.");
        assert_eq!(answered(503).sentence(), "The cluster's API server answers, but with an error.");
        let node = answered(500).of_a_node();
        assert_eq!(node.sentence(), "The node of this replica does not answer the cluster's API server. If that lasts, a platform admin has to look at the node.");
        assert!(node.is_passing() && !node.doubts_the_cluster() && answered(500).doubts_the_cluster());
        assert!(crate::Error::from(node).is(Code::ModelUnavailable));
        for busy in [429, 503] {
            assert!(answered(busy).of_a_node().doubts_the_cluster(), "one that is busy or going away says nothing about the node");
        }
        let etcd = Status::failure("etcdserver: request timed out", "InternalError").with_code(500);
        assert!(Error::from(kube::Error::Api(etcd.boxed())).of_a_node().doubts_the_cluster());
        assert!(!answered(404).of_a_node().spares_the_cluster(), "a pod that is gone is no node that is silent");
    }

    #[test]
    fn a_token_that_aws_refused_stays_a_refusal_of_aws() {
        let own = Error::new(Kind::Aws(Box::new(Rejected::new(Code::AwsDenied, "AWS said no."))), "AccessDenied");
        let error: crate::Error = Error::from(kube::Error::Service(Box::new(own))).into();
        assert!(error.is(Code::AwsDenied));
    }
}
