//! The same request from a shell and from Python.

use domain::ids::DeploymentId;
use serde_json::{Value, json};
use url::Url;

/// For a shell.
#[must_use]
pub fn curl(portal: &Url, id: DeploymentId, body: &Value, path: Option<&str>) -> String {
    let request = request(body, path).to_string().replace('\'', r"'\''");
    format!(
        "curl --fail-with-body {portal}api/v1/deployments/{id}/predict \\\n  -H \"Authorization: Bearer $SLIPWAY_TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{request}'"
    )
}

/// For Python, without anything to install.
#[must_use]
pub fn python(portal: &Url, id: DeploymentId, body: &Value, path: Option<&str>) -> String {
    let request = literal(&request(body, path));
    format!(
        "import json, os, urllib.error, urllib.request\n\n\
         request = urllib.request.Request(\n    \"{portal}api/v1/deployments/{id}/predict\",\n    data=json.dumps({request}).encode(),\n    \
         headers={{\"Authorization\": \"Bearer \" + os.environ[\"SLIPWAY_TOKEN\"], \"Content-Type\": \"application/json\"}},\n)\n\
         try:\n    with urllib.request.urlopen(request) as response:\n        print(json.load(response)[\"body\"])\n\
         except urllib.error.HTTPError as error:\n    raise SystemExit(error.read().decode())"
    )
}

fn request(body: &Value, path: Option<&str>) -> Value {
    match path {
        Some(path) => json!({ "body": body, "path": path }),
        None => json!({ "body": body }),
    }
}

/// JSON differs from Python in three words.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), literal(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_do_not_end_the_shells_text() {
        let portal = Url::parse("https://slipway.example/").unwrap();
        let text = curl(&portal, DeploymentId(uuid::Uuid::nil()), &json!({ "text": "it's" }), None);
        assert!(text.contains(r#"-d '{"body":{"text":"it'\''s"}}'"#), "{text}");
        assert!(text.contains("https://slipway.example/api/v1/deployments/00000000-0000-0000-0000-000000000000/predict"), "{text}");
    }

    #[test]
    fn failures_are_shown_and_end_the_program() {
        let portal = Url::parse("https://slipway.example/").unwrap();
        let id = DeploymentId(uuid::Uuid::nil());
        assert!(curl(&portal, id, &json!({}), None).starts_with("curl --fail-with-body "));
        let python = python(&portal, id, &json!({}), None);
        assert!(python.ends_with("except urllib.error.HTTPError as error:\n    raise SystemExit(error.read().decode())"), "{python}");
    }

    #[test]
    fn python_has_its_own_words_for_three_things() {
        assert_eq!(literal(&json!({ "a": [true, null, 1.5, "x\"y"] })), r#"{"a": [True, None, 1.5, "x\"y"]}"#);
    }
}
