//! What goes wrong on purpose: throttles, errors and delays of AWS calls, and a registry that is down.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::answer::{AwsError, Protocol};

/// The kinds of faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// AWS says that there are too many requests.
    AwsThrottle,
    /// AWS fails with this status, 500 or above.
    AwsError {
        /// HTTP status.
        #[serde(default = "internal_error")]
        status: u16,
    },
    /// AWS takes its time.
    AwsLatency {
        /// Milliseconds before the answer.
        millis: u64,
    },
    /// An EKS call takes effect and its answer is lost: the caller sees a 500.
    AwsAnswerLost,
    /// The image registry answers 503.
    RegistryDown,
    /// A cluster's API server refuses connections.
    ApiServerDown {
        /// The cluster's name.
        cluster: String,
    },
    /// A cluster's API server is slow.
    ApiServerSlow {
        /// The cluster's name.
        cluster: String,
        /// Milliseconds before each answer.
        millis: u64,
    },
    /// A node stops reporting.
    NodeLost {
        /// The cluster's name.
        cluster: String,
        /// The node's name.
        node: String,
    },
}

fn internal_error() -> u16 {
    500
}

/// A fault and where it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: Kind,
    /// Only calls to this service, by its SigV4 name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only calls of this action, such as `DescribeCluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only so many times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Only for so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl Fault {
    /// The cluster whose control plane or nodes it strikes.
    pub fn cluster(&self) -> Option<&str> {
        match &self.kind {
            Kind::ApiServerDown { cluster } | Kind::ApiServerSlow { cluster, .. } | Kind::NodeLost { cluster, .. } => Some(cluster),
            Kind::AwsThrottle | Kind::AwsError { .. } | Kind::AwsLatency { .. } | Kind::AwsAnswerLost | Kind::RegistryDown => None,
        }
    }

    fn strikes(&self, service: &str, action: &str) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is));
        fits(&self.service, service) && fits(&self.action, action)
    }
}

struct Active {
    id: u64,
    fault: Fault,
    until: Option<Instant>,
}

/// The faults in force.
#[derive(Default)]
pub struct Faults {
    active: Mutex<(u64, Vec<Active>)>,
}

impl Faults {
    /// Puts a fault in force and returns its id.
    pub fn add(&self, fault: Fault) -> u64 {
        let until = fault.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        self.with(|next, active| {
            *next += 1;
            active.push(Active { id: *next, fault, until });
            *next
        })
    }

    /// The faults in force.
    pub fn list(&self) -> Vec<(u64, Fault)> {
        self.with(|_, active| active.iter().map(|active| (active.id, active.fault.clone())).collect())
    }

    /// Ends one fault, or all; returns those that ended.
    pub fn end(&self, id: Option<u64>) -> Vec<Fault> {
        self.with(|_, active| {
            let (ended, kept) = std::mem::take(active).into_iter().partition(|active| id.is_none_or(|id| active.id == id));
            *active = kept;
            let ended: Vec<Active> = ended;
            ended.into_iter().map(|active| active.fault).collect()
        })
    }

    /// Waits as long as latency faults say, and returns the error a call has to fail with.
    pub async fn strike(&self, service: &str, action: &str) -> Option<AwsError> {
        let struck = self.take(|fault| fault.strikes(service, action), |kind| matches!(kind, Kind::AwsThrottle | Kind::AwsError { .. } | Kind::AwsLatency { .. }));
        let mut error = None;
        for kind in struck {
            match kind {
                Kind::AwsLatency { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
                Kind::AwsThrottle => error = Some(throttled(service)),
                Kind::AwsError { status } => error = Some(failed(service, status)),
                Kind::AwsAnswerLost | Kind::RegistryDown | Kind::ApiServerDown { .. } | Kind::ApiServerSlow { .. } | Kind::NodeLost { .. } => {}
            }
        }
        error
    }

    /// Whether the answer to a call that has taken effect is lost.
    pub fn loses_answer(&self, service: &str, action: &str) -> bool {
        !self.take(|fault| fault.strikes(service, action), |kind| *kind == Kind::AwsAnswerLost).is_empty()
    }

    /// Whether the registry is down for this request.
    pub fn registry_is_down(&self) -> bool {
        !self.take(|_| true, |kind| *kind == Kind::RegistryDown).is_empty()
    }

    /// The kinds of the faults that strike now, each counted.
    fn take(&self, strikes: impl Fn(&Fault) -> bool, wanted: impl Fn(&Kind) -> bool) -> Vec<Kind> {
        self.with(|_, active| {
            let mut struck = Vec::new();
            for active in active.iter_mut().filter(|active| wanted(&active.fault.kind) && strikes(&active.fault)) {
                struck.push(active.fault.kind.clone());
                active.fault.times = active.fault.times.map(|left| left.saturating_sub(1));
            }
            active.retain(|active| active.fault.times != Some(0));
            struck
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut u64, &mut Vec<Active>) -> T) -> T {
        let mut guard = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, active) = &mut *guard;
        let now = Instant::now();
        // A cluster's fault has to be taken back from the cluster too, so it ends by its own timer.
        active.retain(|active| active.fault.cluster().is_some() || active.until.is_none_or(|until| until > now));
        change(next, active)
    }
}

fn throttled(service: &str) -> AwsError {
    match Protocol::of(service) {
        Protocol::RestJson => AwsError::new(StatusCode::TOO_MANY_REQUESTS, "ThrottlingException", "Too Many Requests"),
        Protocol::Json => AwsError::new(StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
        Protocol::Query => AwsError::new(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
        Protocol::RestXml => AwsError::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate."),
    }
}

fn failed(service: &str, status: u16) -> AwsError {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = match (Protocol::of(service), status) {
        (_, StatusCode::SERVICE_UNAVAILABLE) => "ServiceUnavailable",
        (Protocol::RestJson | Protocol::Json, _) => "ServerException",
        (Protocol::Query, _) => "InternalFailure",
        (Protocol::RestXml, _) => "InternalError",
    };
    AwsError::new(status, code, "We encountered an internal error. Please try again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Fault, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[tokio::test]
    async fn a_throttle_strikes_its_action_so_many_times() {
        let faults = Faults::default();
        faults.add(parse(r#"{"kind":"aws-throttle","service":"eks","action":"DescribeCluster","times":2}"#).unwrap());
        assert!(faults.strike("ecr", "DescribeRepositories").await.is_none());
        assert!(faults.strike("eks", "ListClusters").await.is_none());
        for _ in 0..2 {
            let error = faults.strike("eks", "DescribeCluster").await.unwrap();
            assert_eq!((error.status.as_u16(), error.code.as_str()), (429, "ThrottlingException"));
        }
        assert!(faults.strike("eks", "DescribeCluster").await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_ends_after_its_seconds() {
        let faults = Faults::default();
        faults.add(parse(r#"{"kind":"registry-down","seconds":5}"#).unwrap());
        assert!(faults.registry_is_down());
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(!faults.registry_is_down());
    }

    #[test]
    fn ending_one_fault_leaves_the_others() {
        let faults = Faults::default();
        let first = faults.add(parse(r#"{"kind":"aws-throttle"}"#).unwrap());
        faults.add(parse(r#"{"kind":"api-server-slow","cluster":"lab","millis":50}"#).unwrap());
        assert_eq!(faults.end(Some(first)).len(), 1);
        assert_eq!(faults.list().len(), 1);
        assert_eq!(faults.end(None)[0].cluster(), Some("lab"));
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        assert!(parse(r#"{"kind":"aws-meltdown"}"#).is_err());
        assert!(parse(r#"{"kind":"node-lost","cluster":"lab"}"#).is_err());
    }
}
