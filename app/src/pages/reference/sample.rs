//! What asking looks like: a body as its schema has it, and the whole request for a shell.

use serde_json::{Map, Value, json};

/// One value that fits a schema: its example where it has one.
pub(super) fn of(schema: &Value, document: &Value) -> Value {
    if let Some(example) = schema["examples"].get(0).or_else(|| schema["enum"].get(0)) {
        return example.clone();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return of(&document["components"]["schemas"][name], document);
    }
    if let Some(one) = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null")) {
        return of(one, document);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array()?.iter().filter_map(Value::as_str).find(|kind| *kind != "null"));
    match kind {
        Some("object") => object(schema, document),
        Some("array") => json!([of(&schema["items"], document)]),
        Some("integer" | "number") => json!(schema["minimum"].as_i64().unwrap_or(1).max(1)),
        Some("boolean") => json!(true),
        Some("string") if schema["format"] == "uuid" => json!("01931c8e-7c54-7d3a-9f0b-2f6f0c1d2e3f"),
        Some("string") => json!("text"),
        _ => json!({}),
    }
}

/// What is required; everything where nothing is.
fn object(schema: &Value, document: &Value) -> Value {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = schema["properties"].as_object().into_iter().flatten().filter(|(name, _)| required.is_empty() || required.contains(&name.as_str()));
    Value::Object(fields.map(|(name, schema)| (name.clone(), of(schema, document))).collect::<Map<_, _>>())
}

/// The request for a shell. What has to be filled in is a variable: `$SLIPWAY_TOKEN`, `$ID`, `$ETAG`.
pub(super) fn curl(portal: &str, (method, path): (&str, &str), operation: &Value, body: Option<&Value>, document: &Value) -> String {
    let parameters = || operation["parameters"].as_array().into_iter().flatten();
    let mut address = path.to_owned();
    for name in parameters().filter(|parameter| parameter["in"] == "path").filter_map(|parameter| parameter["name"].as_str()) {
        let variable = if name == "id" { "$ID".to_owned() } else { format!("${}_ID", name.to_uppercase()) };
        address = address.replace(&format!("{{{name}}}"), &variable);
    }
    let asked = parameters().filter(|parameter| parameter["in"] == "query" && parameter["required"] == true).filter_map(|parameter| {
        let value = of(&parameter["schema"], document);
        Some(format!("{}={}", parameter["name"].as_str()?, value.as_str()?.replace('/', "%2F")))
    });
    let asked: Vec<String> = asked.collect();
    if !asked.is_empty() {
        address = format!("{address}?{}", asked.join("&"));
    }
    let mut lines = vec![format!("curl --fail-with-body -X {method} \"{portal}api/v1{address}\""), "-H \"authorization: Bearer $SLIPWAY_TOKEN\"".into()];
    for name in parameters().filter(|parameter| parameter["in"] == "header").filter_map(|parameter| parameter["name"].as_str()) {
        match name {
            "If-Match" => lines.push("-H \"if-match: $ETAG\"".into()),
            "Idempotency-Key" => lines.push("-H \"idempotency-key: $(uuidgen)\"".into()),
            _ => {}
        }
    }
    if let Some(body) = body {
        lines.push("-H 'content-type: application/json'".into());
        lines.push(format!("-d '{}'", body.to_string().replace('\'', r"'\''")));
    }
    lines.join(" \\\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_what_is_required() {
        let document = json!({ "components": { "schemas": {
            "New": { "type": "object", "required": ["name", "parts", "kind"], "properties": {
                "name": { "type": "string", "examples": ["it's"] }, "parts": { "type": "array", "items": { "type": "integer", "minimum": 3 } },
                "kind": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Kind" }] }, "notes": { "type": "string" } } },
            "Kind": { "type": "string", "enum": ["big", "small"] }
        } } });
        let body = of(&json!({ "$ref": "#/components/schemas/New" }), &document);
        assert_eq!(body, json!({ "name": "it's", "parts": [3], "kind": "big" }));
        let operation = json!({ "parameters": [
            { "name": "id", "in": "path", "required": true }, { "name": "If-Match", "in": "header" }, { "name": "team", "in": "query", "required": true, "schema": { "examples": ["a/b"] } }
        ] });
        assert_eq!(
            curl("https://slipway.example/", ("PUT", "/things/{id}"), &operation, Some(&json!({ "name": "it's" })), &document),
            "curl --fail-with-body -X PUT \"https://slipway.example/api/v1/things/$ID?team=a%2Fb\" \\\n  -H \"authorization: Bearer $SLIPWAY_TOKEN\" \\\n  -H \"if-match: $ETAG\" \\\n  -H 'content-type: application/json' \\\n  -d '{\"name\":\"it'\\''s\"}'"
        );
    }
}
