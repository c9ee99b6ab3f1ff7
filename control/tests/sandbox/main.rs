//! Clusters and workers against the sandbox: a real Kubernetes behind an AWS API. `SANDBOX_ENV` names the file `env` in its state folder.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod bounds;
mod cancel;
mod connection;
mod deaths;
mod guests;
mod hands;
mod images;
mod lost_role;
mod nodes;
mod outage;
mod pair;
mod place;
mod process;
mod rights;
mod sandbox;
mod scene;
mod setup;
mod stage;
mod throttle;
mod watch;
