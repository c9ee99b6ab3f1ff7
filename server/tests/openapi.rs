//! The document is part of the contract: a change of it is a visible diff.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use serde_json::Value;

#[test]
fn the_document_is_the_one_we_publish() {
    insta::assert_json_snapshot!("openapi", server::rest::document::openapi());
}

#[test]
fn every_operation_is_named_tagged_and_says_how_it_fails() {
    let document = server::rest::document::openapi();
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operation id"));
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name} has no summary");
            assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{name} has no tag");
            let problem = &operation["responses"]["default"]["content"];
            assert!(problem.get("application/problem+json").is_some(), "{name} does not say how it fails");
        }
    }
    assert!(!names.is_empty());
}

/// Every operation, with its method, path and parameters of one place.
fn operations() -> Vec<(&'static str, &'static str, &'static Value)> {
    let paths = server::rest::document::openapi()["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))).collect()
}

fn names<'a>(operation: &'a Value, place: &str) -> Vec<&'a str> {
    operation["parameters"].as_array().unwrap().iter().filter(|parameter| parameter["in"] == place).map(|parameter| parameter["name"].as_str().unwrap()).collect()
}

#[test]
fn what_an_operation_takes_and_answers_is_all_written_down() {
    for (path, method, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap();
        let (headers, queries, places) = (names(operation, "header"), names(operation, "query"), names(operation, "path"));
        let repeats = method != "get" && !["preview_deployment", "preview_change", "predict", "change_password"].contains(&name);
        assert_eq!(headers.contains(&"Idempotency-Key"), repeats, "{name} and Idempotency-Key");
        assert!(method != "patch" || headers.contains(&"If-Match"), "{name} has no If-Match");
        assert_eq!(path.matches('{').count(), places.len(), "{name} has not every place of {path}");
        let schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
        if schema.contains("/Page_") {
            for paging in ["page_size", "page_token", "search", "sort", "direction"] {
                assert!(queries.contains(&paging), "{name} does not take {paging}");
            }
            let sort = operation["parameters"].as_array().unwrap().iter().find(|parameter| parameter["name"] == "sort").unwrap();
            assert!(sort["schema"]["enum"].is_array(), "{name} does not say what it can be sorted by");
        }
        for parameter in operation["parameters"].as_array().unwrap() {
            let schema = resolved(&parameter["schema"]);
            assert!(schema["properties"].is_null(), "{name}: {} is an object", parameter["name"]);
            bounded(schema, &format!("{name} {}", parameter["name"]));
        }
        let mut promised = vec!["400", "401", "default"];
        promised.extend((method != "get").then_some("409"));
        let if_match = operation["parameters"].as_array().unwrap().iter().find(|parameter| parameter["name"] == "If-Match");
        promised.extend(if_match.map(|_| "412"));
        promised.extend(if_match.filter(|if_match| if_match["required"] == true).map(|_| "428"));
        promised.extend(operation["requestBody"].is_object().then_some(["413", "415", "422"]).into_iter().flatten());
        promised.extend((!places.is_empty()).then_some("404"));
        for status in promised {
            let answer = &operation["responses"][status];
            assert!(
                answer["content"].get("application/problem+json").is_some() && answer["description"].as_str().is_some_and(|words| !words.is_empty()),
                "{name} does not say when {status}"
            );
        }
        if let Some(schema) = operation["requestBody"]["content"]["application/json"]["schema"].as_object() {
            bounded(resolved(&Value::Object(schema.clone())), name);
        }
    }
}

fn resolved(schema: &Value) -> &'static Value {
    let leaked: &'static Value = Box::leak(Box::new(schema.clone()));
    server::rest::document::resolved(leaked)
}

/// Numbers have both ends, and texts an end, a form or a list of what they can be.
fn bounded(schema: &'static Value, of: &str) {
    // What a model takes is the model's business.
    let free = ["PredictRequest body", "predict body"];
    let one = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null")).unwrap_or(schema);
    let schema = server::rest::document::resolved(one);
    let is = |kind: &str| schema["type"] == kind || schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind));
    if is("integer") {
        assert!(schema["minimum"].is_i64() && schema["maximum"].is_i64(), "{of} has no bounds: {schema}");
    } else if is("string") {
        let known = ["maxLength", "format", "enum", "pattern"].iter().any(|key| !schema[*key].is_null());
        assert!(known, "{of} has neither length nor form: {schema}");
    } else if is("array") {
        assert!(schema["maxItems"].is_i64(), "{of} has no length");
        bounded(&schema["items"], &format!("{of} item"));
    } else if is("object") {
        for (field, schema) in schema["properties"].as_object().unwrap() {
            bounded(schema, &format!("{of} {field}"));
        }
    } else {
        assert!(is("boolean") || free.iter().any(|free| of.ends_with(free)), "{of} is anything at all: {schema}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn look(value: &Value, missing: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str)
                    && server::rest::document::openapi().pointer(reference.trim_start_matches('#')).is_none()
                {
                    missing.push(reference.to_owned());
                }
                members.values().for_each(|value| look(value, missing));
            }
            Value::Array(items) => items.iter().for_each(|value| look(value, missing)),
            _ => {}
        }
    }
    let mut missing = Vec::new();
    look(server::rest::document::openapi(), &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}

/// The patterns that the document has say the same as the parsers that decide.
#[test]
fn patterns_say_what_parsers_do() {
    use domain::names::{ImageTag, LABEL, ModelName, TAG, VARIABLE, VariableName};
    let fits = |pattern: &str, text: &str| regex::Regex::new(pattern).unwrap().is_match(text);
    for text in ["iris", "iris-1", "i", "1ris", "-iris", "iris-", "Iris", "ir is", "a--b", "1.4.2", ".x", "_x", "LOG_LEVEL", "9X", "a.b", "ä", ""] {
        assert_eq!(fits(LABEL, text), ModelName::parse(text).is_ok(), "label {text:?}");
        assert_eq!(fits(TAG, text), ImageTag::parse(text).is_ok(), "tag {text:?}");
        assert_eq!(fits(VARIABLE, text), VariableName::parse(text).is_ok(), "variable {text:?}");
    }
}
