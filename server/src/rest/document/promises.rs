//! What every operation of its kind takes and answers, said once here instead of at each of them.

use domain::{Code, limits, page::PageQuery};
use serde_json::{Value, json};
use utoipa::IntoParams as _;

/// POSTs that change nothing: a repetition asks again.
const ASK_AGAIN: &[&str] = &["preview_deployment", "preview_change", "predict"];

/// What takes no key to be known again by: it would be a hash of a password.
const UNREPEATABLE: &[&str] = &["change_password"];

/// What checks `If-Match` where it is sent, and goes ahead where it is not.
const CHECKED_IF_SENT: &[&str] = &[
    "accept_database",
    "delete_account",
    "delete_deployment",
    "delete_model",
    "delete_team",
    "delete_workspace",
    "detach_cluster",
    "keep_workspace",
    "roll_back_deployment",
    "set_up_cluster_access",
];

/// Adds headers, paging and errors to every operation.
pub(super) fn complete(document: &mut Value) {
    let paging = serde_json::to_value(PageQuery::into_params(|| None)).expect("parameters are JSON");
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, operations) in paths {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            spread(operation, &paging);
            let name = operation["operationId"].as_str().unwrap_or_default().to_owned();
            if method != "get" && ![ASK_AGAIN, UNREPEATABLE].concat().contains(&name.as_str()) {
                parameters(operation).push(idempotency_key());
            }
            if CHECKED_IF_SENT.contains(&name.as_str()) {
                parameters(operation).push(json!({ "name": "If-Match", "in": "header", "required": false }));
            }
            for parameter in parameters(operation).iter_mut().filter(|parameter| parameter["name"] == "If-Match") {
                parameter["description"] = json!("The `ETag` last seen, or `*` for whatever it is now.");
                parameter["schema"] = json!({ "type": "string", "pattern": "^(?:\\*|(?:W/)?\"[0-9]+\")$" });
            }
            answers(operation, method);
        }
    }
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    document["components"]["schemas"]["Code"]["enum"] = json!(codes);
}

fn parameters(operation: &mut Value) -> &mut Vec<Value> {
    if !operation["parameters"].is_array() {
        operation["parameters"] = json!([]);
    }
    operation["parameters"].as_array_mut().expect("it was just made one")
}

/// A question that contains another is asked as one: each field of it is a parameter.
fn spread(operation: &mut Value, paging: &Value) {
    let parameters = parameters(operation);
    if let Some(at) = parameters.iter().position(|parameter| parameter["name"] == "page" && parameter["in"] == "query") {
        parameters.remove(at);
        parameters.extend(paging.as_array().into_iter().flatten().cloned());
    }
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "A text of your own, one for each thing to do: sent again with the same request within a day, nothing is done twice and the first answer is given again.",
        "schema": { "type": "string", "minLength": 1, "maxLength": limits::IDEMPOTENCY_KEY }
    })
}

fn answers(operation: &mut Value, method: &str) {
    let has = |place: &str, name: Option<&str>| {
        operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["in"] == place && name.is_none_or(|name| parameter["name"] == name))
    };
    let mut statuses = vec![(400, "The query or a header cannot be read, or there is no such parameter."), (401, "No token, or one that is not valid any more.")];
    if has("path", None) || operation["requestBody"].is_object() || has("query", Some("team")) {
        statuses.push((404, "There is no such thing, or you may not see it."));
    }
    if method != "get" {
        statuses.extend([(403, "You may see it, but not do this."), (409, "Not possible in the present state; `code` says why.")]);
    }
    let if_match = operation["parameters"].as_array().into_iter().flatten().find(|parameter| parameter["name"] == "If-Match");
    if let Some(if_match) = if_match {
        statuses.push((412, "It changed since you last saw it."));
        statuses.extend((if_match["required"] == true).then_some((428, "`If-Match` is missing.")));
    }
    if operation["requestBody"].is_object() {
        statuses.extend([(413, "The body is too large."), (415, "The body is not JSON."), (422, "Fields hold what cannot be; `errors` names each.")]);
    }
    statuses.sort_unstable();
    let problem = operation["responses"]["default"]["content"].clone();
    for (status, about) in statuses {
        operation["responses"][status.to_string()] = json!({ "description": about, "content": problem });
    }
    operation["responses"]["default"]["description"] = json!("Any other problem.");
}
