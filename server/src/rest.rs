//! `/api/v1`: one file per resource. Handlers read the request, call one operation and write what it gave.

pub mod accounts;
pub mod audit;
pub mod clusters;
pub mod deployments;
pub mod document;
pub mod error;
pub mod extract;
pub mod invitations;
pub mod me;
pub mod models;
pub mod operations;
pub mod precondition;
pub mod query;
pub mod releases;
pub mod respond;
pub mod shape;
pub mod teams;
pub mod tokens;
pub mod users;
pub mod values;
pub mod workspaces;
