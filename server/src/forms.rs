//! Pages and their forms, the same files as in `rest`. A form posts to its own page's address: success redirects (303),
//! failure draws the page again (422) with what was typed and the error at its field.

pub mod accounts;
pub mod audit;
pub mod clusters;
pub mod deployments;
pub mod home;
pub mod links;
pub mod models;
pub mod operations;
pub mod posted;
pub mod profile;
pub mod reference;
pub mod shown;
pub mod sign_in;
pub mod team_tokens;
pub mod teams;
pub mod users;
pub mod workspaces;
