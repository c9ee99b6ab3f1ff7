//! What fields may hold, from the very constants that validation checks.

use std::ops::RangeInclusive;

use control::passwords::MAX_LENGTH;
use domain::{
    limits,
    names::{LABEL, MAX_DISPLAY_NAME, MAX_EMAIL, MAX_LABEL, MAX_PATH, MAX_REGION, MAX_REPOSITORY, MAX_ROLE_ARN, MAX_TAG, MAX_VARIABLE, TAG, VARIABLE},
    page::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE},
};
use serde_json::{Value, json};

/// Adds them to the fields of bodies and to parameters.
pub(super) fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut().expect("there are schemas");
    for (schema, field, bounds) in fields() {
        let property = schemas.get_mut(schema).and_then(|schema| schema["properties"].get_mut(field)).unwrap_or_else(|| panic!("{schema} has no field {field}"));
        put(property, bounds);
    }
    let operations = document["paths"].as_object_mut().into_iter().flatten().flat_map(|(_, operations)| operations.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten().filter(|parameter| parameter["in"] == "query") {
            if let Some(bounds) = parameter["name"].as_str().and_then(of_parameter) {
                put(&mut parameter["schema"], bounds);
            }
        }
    }
}

fn put(schema: &mut Value, bounds: Value) {
    if let (Some(schema), Value::Object(bounds)) = (schema.as_object_mut(), bounds) {
        schema.extend(bounds);
    }
}

fn of_parameter(name: &str) -> Option<Value> {
    Some(match name {
        "page_size" => json!({ "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE }),
        "tail" => range(limits::LOG_TAIL),
        "search" => longest(limits::SEARCH),
        "since" | "until" => longest(limits::MOMENT),
        "page_token" | "region" | "pod" => longest(2000),
        "action" => json!({ "pattern": "^[a-z_]+\\.[a-z_]+$", "maxLength": control::audit::MAX_ACTION }),
        "team" | "account" | "cluster" => named(),
        "repository" | "prefix" => json!({ "minLength": 2, "maxLength": MAX_REPOSITORY + 1 }),
        _ => return None,
    })
}

fn range<N: Copy + Into<i64>>(range: RangeInclusive<N>) -> Value {
    json!({ "minimum": (*range.start()).into(), "maximum": (*range.end()).into() })
}

fn longest(characters: usize) -> Value {
    json!({ "maxLength": characters })
}

fn label() -> Value {
    json!({ "minLength": 1, "maxLength": MAX_LABEL, "pattern": LABEL })
}

/// A label, or an id.
fn named() -> Value {
    json!({ "minLength": 1, "maxLength": MAX_LABEL })
}

fn email() -> Value {
    json!({ "format": "email", "maxLength": MAX_EMAIL })
}

fn display_name() -> Value {
    json!({ "minLength": 1, "maxLength": MAX_DISPLAY_NAME })
}

fn regions() -> Value {
    json!({ "minItems": 1, "maxItems": limits::REGIONS, "items": { "type": "string", "maxLength": MAX_REGION } })
}

fn repository() -> Value {
    json!({ "minLength": 2, "maxLength": MAX_REPOSITORY })
}

fn fields() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("NewPassword", "current_password", longest(MAX_LENGTH)),
        ("NewPassword", "new_password", longest(MAX_LENGTH)),
        ("NewAccount", "name", label()),
        ("NewAccount", "role_arn", longest(MAX_ROLE_ARN)),
        ("NewAccount", "regions", regions()),
        ("AccountChange", "role_arn", longest(MAX_ROLE_ARN)),
        ("AccountChange", "regions", regions()),
        ("NewPrefix", "prefix", json!({ "minLength": 2, "maxLength": MAX_REPOSITORY + 1 })),
        ("NewPrefix", "team", named()),
        ("NewCluster", "name", label()),
        ("NewCluster", "account", named()),
        ("NewCluster", "region", longest(MAX_REGION)),
        ("NewCluster", "eks_name", longest(limits::EKS_NAME)),
        ("ClusterConnection", "server", json!({ "format": "uri", "pattern": "^https://", "maxLength": limits::SERVER })),
        ("ClusterConnection", "certificate_authority", longest(limits::AUTHORITY)),
        ("ClusterConnection", "tls_server_name", longest(limits::HOST)),
        ("NewModel", "name", label()),
        ("NewModel", "team", named()),
        ("NewModel", "description", longest(limits::MODEL_DESCRIPTION)),
        ("ModelChange", "description", longest(limits::MODEL_DESCRIPTION)),
        ("NewRelease", "account", named()),
        ("NewRelease", "region", longest(MAX_REGION)),
        ("NewRelease", "repository", repository()),
        ("NewRelease", "tag", json!({ "minLength": 1, "maxLength": MAX_TAG, "pattern": TAG })),
        ("NewRelease", "port", range(limits::PORT)),
        ("NewRelease", "health_path", json!({ "pattern": "^/", "maxLength": MAX_PATH })),
        ("NewRelease", "notes", longest(limits::NOTES)),
        ("NewTeam", "name", label()),
        ("NewTeam", "description", longest(limits::TEAM_DESCRIPTION)),
        ("NewTeam", "owner", longest(MAX_EMAIL)),
        ("TeamChange", "description", longest(limits::TEAM_DESCRIPTION)),
        ("MemberChange", "email", email()),
        ("NewInvitation", "email", email()),
        ("NewInvitation", "team", named()),
        ("NewToken", "name", display_name()),
        ("NewToken", "team", named()),
        ("NewToken", "days", range(limits::TOKEN_DAYS)),
        ("UserChange", "name", display_name()),
        ("NewWorkspace", "name", label()),
        ("NewWorkspace", "team", named()),
        ("NewWorkspace", "cluster", named()),
        ("Quota", "cpu_millis", range(limits::QUOTA_CPU_MILLIS)),
        ("Quota", "memory_mib", range(limits::QUOTA_MEMORY_MIB)),
        ("Quota", "gpus", range(limits::QUOTA_GPUS)),
        ("Quota", "pods", range(limits::QUOTA_PODS)),
        ("NewDeployment", "name", label()),
        ("NewDeployment", "replicas", range(limits::REPLICAS)),
        ("NewDeployment", "environment", json!({ "maxItems": limits::VARIABLES })),
        ("NewDeployment", "reason", longest(limits::REASON)),
        ("DeploymentChange", "replicas", range(limits::REPLICAS)),
        ("DeploymentChange", "environment", json!({ "maxItems": limits::VARIABLES })),
        ("DeploymentChange", "reason", longest(limits::REASON)),
        ("Rollback", "revision", range(1..=i32::MAX)),
        ("Rollback", "reason", longest(limits::REASON)),
        ("Variable", "name", json!({ "minLength": 1, "maxLength": MAX_VARIABLE, "pattern": VARIABLE })),
        ("Variable", "value", longest(limits::VARIABLE_VALUE)),
        ("PredictRequest", "path", json!({ "pattern": "^/", "maxLength": MAX_PATH })),
    ]
}
