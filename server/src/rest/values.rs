//! What fields may hold beyond their shape, for bodies that no operation gets to see. The words are the operations' own: the same
//! parsers say them. What takes a look into the database is the operation's to say.

use domain::{
    limits,
    names::{
        AccountName, ClusterName, DeploymentName, DisplayName, EmailAddress, HttpPath, IdOrName, ImageTag, ModelName, Region, RepositoryName, RepositoryPrefix, RoleArn, TeamName,
        VariableName, WorkspaceName,
    },
};
use serde_json::Value;

/// Why an operation would turn down what the field of the schema `of` holds, if it would.
#[must_use]
pub fn wrong(of: &str, field: &str, schema: &Value, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => wrong_text(of, field, schema, text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).find_map(|text| wrong_text(of, field, &Value::Null, text)),
        _ => None,
    }
}

fn wrong_text(of: &str, field: &str, schema: &Value, text: &str) -> Option<String> {
    match parser(of, field) {
        // Blank is what forms send for what is left out.
        Some((_, Blank::LeftOut)) if text.trim().is_empty() => None,
        Some((parse, _)) => parse(text).err(),
        None => {
            let most = schema["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok()).filter(|most| text.trim().chars().count() > *most);
            most.map(limits::at_most_characters)
        }
    }
}

type Parser = fn(&str) -> Result<(), String>;

/// What a text of nothing but blanks stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blank {
    Wrong,
    LeftOut,
}

macro_rules! parsing {
    ($kind:ident) => {
        |text| $kind::parse(text).map(drop)
    };
}

fn parser(of: &str, field: &str) -> Option<(Parser, Blank)> {
    use Blank::{LeftOut, Wrong};
    Some(match (of, field) {
        ("NewTeam", "name") => (parsing!(TeamName), Wrong),
        ("NewModel", "name") => (parsing!(ModelName), Wrong),
        ("NewAccount", "name") => (parsing!(AccountName), Wrong),
        ("NewWorkspace", "name") => (parsing!(WorkspaceName), Wrong),
        ("NewCluster", "name") => (parsing!(ClusterName), LeftOut),
        ("NewDeployment", "name") => (parsing!(DeploymentName), LeftOut),
        ("NewToken" | "UserChange", "name") => (parsing!(DisplayName), Wrong),
        ("Variable", "name") => (parsing!(VariableName), Wrong),
        ("NewTeam", "owner") => (parsing!(EmailAddress), LeftOut),
        ("NewInvitation" | "MemberChange", "email") => (parsing!(EmailAddress), Wrong),
        ("NewInvitation" | "NewToken", "team") => (parsing!(IdOrName), LeftOut),
        ("NewAccount" | "AccountChange", "role_arn") => (parsing!(RoleArn), LeftOut),
        ("NewAccount" | "AccountChange", "regions") => (parsing!(Region), LeftOut),
        ("NewCluster", "region") => (parsing!(Region), Wrong),
        ("NewCluster", "eks_name") => (|text| control::clusters::eks_name(text).map(drop), Wrong),
        ("ClusterConnection", "server") => (control::clusters::check_server, LeftOut),
        ("NewPrefix", "prefix") => (parsing!(RepositoryPrefix), Wrong),
        ("NewRelease", "repository") => (parsing!(RepositoryName), Wrong),
        ("NewRelease", "tag") => (parsing!(ImageTag), Wrong),
        ("NewRelease", "health_path") => (parsing!(HttpPath), LeftOut),
        ("PredictRequest", "path") => (parsing!(HttpPath), LeftOut),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Fields that name things which are looked for as they are written.
    const LOOKED_UP: [&str; 6] = ["NewModel.team", "NewPrefix.team", "NewWorkspace.team", "NewWorkspace.cluster", "NewCluster.account", "NewRelease.account"];

    #[test]
    fn whatever_has_a_form_has_its_parser() {
        let document = crate::rest::document::openapi();
        let bodies = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
        let bodies = bodies.filter_map(|operation| operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()?.rsplit('/').next());
        let mut without = BTreeSet::new();
        for of in bodies.chain(["Variable"]) {
            for (field, schema) in document["components"]["schemas"][of]["properties"].as_object().unwrap() {
                let formed = schema["pattern"].is_string() || schema["minLength"].is_u64() || matches!(schema["format"].as_str(), Some("email" | "uri"));
                if formed && parser(of, field).is_none() {
                    without.insert(format!("{of}.{field}"));
                }
            }
        }
        assert_eq!(without, LOOKED_UP.into_iter().map(str::to_owned).collect());
    }
}
