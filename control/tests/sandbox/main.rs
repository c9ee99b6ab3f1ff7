//! Clusters against the sandbox: a real Kubernetes behind an AWS API. `SANDBOX_ENV` names the file `env` in the sandbox's state folder.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod rights;
mod scene;
mod setup;
mod watch;
