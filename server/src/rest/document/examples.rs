//! What a request can look like: one value for each field that means something to people.

use serde_json::{Value, json};

/// Adds an example to every field of a body and every parameter that has one.
pub(super) fn add(document: &mut Value) {
    let mut bodies = Vec::new();
    for operation in operations(document) {
        bodies.extend(operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()).map(str::to_owned));
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten().filter(|parameter| parameter["in"] == "query") {
            if let Some(example) = parameter["name"].as_str().and_then(of) {
                parameter["schema"]["examples"] = json!([example]);
            }
        }
    }
    for body in bodies {
        let properties = document["components"]["schemas"][&body]["properties"].as_object_mut().into_iter().flatten();
        // Beside a reference nothing else is read.
        for (name, property) in properties.filter(|(_, property)| property.get("$ref").is_none() && property.get("oneOf").is_none()) {
            if let Some(example) = of(name) {
                property["examples"] = json!([example]);
            }
        }
    }
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    document["paths"].as_object_mut().into_iter().flatten().flat_map(|(_, operations)| operations.as_object_mut().into_iter().flatten()).map(|(_, operation)| operation)
}

fn of(field: &str) -> Option<Value> {
    Some(match field {
        "name" => json!("iris"),
        "team" => json!("forecasting"),
        "account" => json!("main"),
        "cluster" | "eks_name" => json!("lab"),
        "region" => json!("us-east-1"),
        "regions" => json!(["us-east-1"]),
        "role_arn" => json!("arn:aws:iam::123456789012:role/slipway"),
        "repository" => json!("forecasting/iris"),
        "prefix" => json!("forecasting/"),
        "tag" => json!("1.4.2"),
        "port" => json!(8080),
        "health_path" => json!("/v2/health/ready"),
        "email" | "owner" => json!("ada@example.com"),
        "days" => json!(30),
        "replicas" => json!(2),
        "revision" => json!(1),
        "description" | "notes" => json!("Tells three kinds of iris apart."),
        "reason" => json!("More visitors than last week."),
        "environment" => json!([{ "name": "LOG_LEVEL", "value": "info" }]),
        "server" => json!("https://lab.example.com:6443"),
        "tls_server_name" => json!("kubernetes"),
        "body" => json!({ "inputs": [{ "name": "features", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2] }] }),
        _ => return None,
    })
}
