//! What is wrong with a body, in plain words and everything at once: serde stops at the first thing and says it in its own words.

use domain::FieldError;
use serde_json::Value;

use super::document::resolved;

/// So many errors are told of one body: what is wrong a thousand times is wrong for one reason.
const MOST: usize = 50;
/// The most of a name of the caller's own that is repeated.
const NAME: usize = 60;

/// What keeps `value` from being what the published schema `name` says, up to [`MOST`] things; fields are JSON pointers.
#[must_use]
pub fn wrong(name: &str, value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    look(&super::document::openapi()["components"]["schemas"][name], value, "", &mut errors);
    if errors.len() > MOST {
        errors.truncate(MOST);
        errors.push(FieldError { field: String::new(), message: "More is wrong than these.".into() });
    }
    errors
}

/// What keeps the text of a query parameter from being what its schema says.
pub fn wrong_text(schema: &'static Value, text: &str) -> Option<String> {
    let schema = some(schema);
    let value = match kinds(schema).first() {
        Some(&"integer") => {
            text.parse::<i128>().ok().and_then(|number| i64::try_from(number.clamp(i64::MIN.into(), i64::MAX.into())).ok()).map_or_else(|| text.into(), Value::from)
        }
        Some(&"boolean") => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        _ => text.into(),
    };
    let mut errors = Vec::new();
    look(schema, &value, "", &mut errors);
    errors.pop().map(|error| error.message)
}

fn look(schema: &'static Value, value: &Value, at: &str, errors: &mut Vec<FieldError>) {
    if errors.len() > MOST || (value.is_null() && may_be_null(schema)) {
        return;
    }
    let schema = some(schema);
    let mut say = |message: String| errors.push(FieldError { field: at.into(), message });
    let kinds = kinds(schema);
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind, value)) {
        return say(format!("This has to be {}, not {}.", wanted(schema, &kinds), given(value)));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return say(format!("This has to be one of: {}.", listed(values.iter().filter_map(Value::as_str))));
    }
    match value {
        Value::Number(number) => {
            let (low, high) = range(schema);
            if number.as_f64().is_some_and(|number| number < low as f64 || number > high as f64) {
                say(format!("This has to be a whole number from {low} to {high}."));
            }
        }
        Value::String(text) if schema["format"] == "uuid" && uuid::Uuid::parse_str(text).is_err() => say("This has to be an id, as answers give it.".into()),
        Value::Array(items) if schema["maxItems"].as_u64().is_some_and(|most| items.len() as u64 > most) => {
            say(format!("This list may hold at most {}.", schema["maxItems"]));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| look(&schema["items"], item, &format!("{at}/{n}"), errors)),
        Value::Object(members) => object(schema, members, at, errors),
        _ => {}
    }
}

fn object(schema: &'static Value, members: &serde_json::Map<String, Value>, at: &str, errors: &mut Vec<FieldError>) {
    let Some(known) = schema["properties"].as_object() else { return };
    let mut say = |name: &str, message: String| errors.push(FieldError { field: format!("{at}/{}", escaped(name)), message });
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|name| !members.contains_key(*name)) {
        say(name, "This field is missing.".into());
    }
    for name in members.keys().filter(|name| schema["additionalProperties"] == false && !known.contains_key(*name)).take(MOST + 1) {
        say(name, format!("There is no such field here. There are: {}.", listed(known.keys().map(String::as_str))));
    }
    for (name, value) in members {
        if let Some(schema) = known.get(name) {
            look(schema, value, &format!("{at}/{}", escaped(name)), errors);
        }
    }
}

/// A step of a JSON pointer, as RFC 6901 wants it.
#[must_use]
pub fn escaped(name: &str) -> String {
    bounded(name).replace('~', "~0").replace('/', "~1")
}

/// A name of the caller's own, short enough to be repeated and nothing but what it looks like.
#[must_use]
pub fn bounded(name: &str) -> String {
    name.chars().filter(|c| !domain::names::is_deceptive(*c)).take(NAME).collect()
}

/// What something is when it is not null.
fn some(schema: &'static Value) -> &'static Value {
    let one = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
    resolved(one.unwrap_or(schema))
}

fn may_be_null(schema: &Value) -> bool {
    let null = |schema: &Value| schema["type"] == "null" || schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"));
    null(schema) || schema["oneOf"].as_array().is_some_and(|all| all.iter().any(null))
}

fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        _ => Vec::new(),
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// The bounds that are said, or those of the format.
fn range(schema: &Value) -> (i64, i64) {
    let (low, high) = if schema["format"] == "int32" { (i32::MIN.into(), i32::MAX.into()) } else { (i64::MIN, i64::MAX) };
    (schema["minimum"].as_i64().unwrap_or(low), schema["maximum"].as_i64().unwrap_or(high))
}

fn wanted(schema: &Value, kinds: &[&str]) -> String {
    let word = |kind: &&str| match *kind {
        "string" => "a text".to_owned(),
        "integer" if schema["maximum"].is_i64() => {
            let (low, high) = range(schema);
            format!("a whole number from {low} to {high}")
        }
        "integer" => "a whole number".into(),
        "number" => "a number".into(),
        "boolean" => "true or false".into(),
        "array" => "a list".into(),
        "object" => "an object".into(),
        other => other.into(),
    };
    kinds.iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn given(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Names to choose from.
#[must_use]
pub fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_that_is_wrong_everywhere_is_told_of_in_few_words() {
        let zeros = json!({ "environment": vec![0; 500_000] });
        let fields = serde_json::Map::from_iter((0..50_000).map(|n| (format!("{n}-{}", "x".repeat(200)), json!(1))));
        for body in [zeros, Value::Object(fields)] {
            let errors = wrong("NewDeployment", &body);
            assert!((1..=MOST + 1).contains(&errors.len()), "{}", errors.len());
            assert!(errors.iter().all(|error| error.field.len() < 100), "{errors:?}");
        }
    }
}
