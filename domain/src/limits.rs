//! The most and the least that requests may hold: validation checks it, and the API's document says it.

use std::ops::RangeInclusive;

/// Characters of a team's description.
pub const TEAM_DESCRIPTION: usize = 500;
/// Characters of a model's description.
pub const MODEL_DESCRIPTION: usize = 2000;
/// Characters of a release's notes.
pub const NOTES: usize = 2000;
/// Characters of the reason for a change.
pub const REASON: usize = 500;
/// Characters of a search text.
pub const SEARCH: usize = 100;
/// Characters of a day or a moment.
pub const MOMENT: usize = 40;
/// Characters of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY: usize = 200;
/// Regions of an account.
pub const REGIONS: usize = 20;
/// Environment variables of a deployment.
pub const VARIABLES: usize = 50;
/// Characters of an environment variable's value.
pub const VARIABLE_VALUE: usize = 4096;
/// Characters of an API server's address.
pub const SERVER: usize = 300;
/// Characters of a host name, as DNS has it.
pub const HOST: usize = 253;
/// Characters of a cluster's name in EKS.
pub const EKS_NAME: usize = 100;
/// Characters of a certificate authority as PEM.
pub const AUTHORITY: usize = 64 << 10;
/// Ports a model may listen on: lower ones take root.
pub const PORT: RangeInclusive<u16> = 1024..=u16::MAX;
/// Replicas of a deployment.
pub const REPLICAS: RangeInclusive<i32> = 1..=50;
/// Days a token is good for.
pub const TOKEN_DAYS: RangeInclusive<u16> = 1..=365;
/// Lines of each replica's log to start with.
pub const LOG_TAIL: RangeInclusive<i64> = 0..=5000;
/// Thousandths of a CPU in a quota.
pub const QUOTA_CPU_MILLIS: RangeInclusive<i64> = 1..=10_000_000;
/// MiB in a quota.
pub const QUOTA_MEMORY_MIB: RangeInclusive<i64> = 1..=100_000_000;
/// GPUs in a quota.
pub const QUOTA_GPUS: RangeInclusive<i64> = 0..=10_000;
/// Pods in a quota.
pub const QUOTA_PODS: RangeInclusive<i64> = 1..=100_000;

/// What is said of a text that is longer than it may be.
#[must_use]
pub fn at_most_characters(most: usize) -> String {
    format!("Use at most {most} characters.")
}
