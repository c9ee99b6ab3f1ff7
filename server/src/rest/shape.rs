//! What is wrong with a body, in plain words and everything at once: serde stops at the first thing and says it in its own words.

use domain::FieldError;
use serde_json::Value;

use super::{document::resolved, values};

/// So many errors are told of one body: what is wrong a thousand times is wrong for one reason.
const MOST: usize = 50;
/// The most of a name of the caller's own that is repeated.
const NAME: usize = 60;

/// What was found wrong, in the order of the schema and the body.
#[derive(Default)]
pub struct Found {
    /// Fields are JSON pointers.
    pub errors: Vec<FieldError>,
    /// Whether anything has the wrong shape, and not only a value that an operation would turn down.
    pub misshapen: bool,
    /// Whether a list stands where an object has to: serde takes its items for the fields, in whatever order these have.
    pub listed: bool,
}

impl Found {
    fn say(&mut self, at: &str, message: String) {
        self.errors.push(FieldError { field: at.into(), message });
        self.misshapen = true;
    }

    fn is_enough(&self) -> bool {
        self.errors.len() > MOST
    }
}

/// What keeps `value` from being what the published schema `name` says, and what an operation would not take of the rest, up to [`MOST`] things.
#[must_use]
pub fn wrong(name: &str, value: &Value) -> Found {
    let mut found = Found::default();
    look_at(name, &super::document::openapi()["components"]["schemas"][name], value, "", &mut found);
    if found.is_enough() {
        found.errors.truncate(MOST);
        found.errors.push(FieldError { field: String::new(), message: "More is wrong than these.".into() });
    }
    found
}

/// What keeps the text of a query parameter from being what its schema says.
pub fn wrong_text(schema: &'static Value, text: &str) -> Option<String> {
    let schema = some(schema);
    let value = match kinds(schema).first() {
        Some(&"integer") => {
            text.parse::<i128>().ok().and_then(|number| i64::try_from(number.clamp(i64::MIN.into(), i64::MAX.into())).ok()).map_or_else(|| text.into(), Value::from)
        }
        Some(&"boolean") => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        Some(&"array") => text.split(',').collect(),
        _ => text.into(),
    };
    let mut found = Found::default();
    look(schema, &value, "", &mut found);
    found.errors.pop().map(|error| error.message)
}

fn look(schema: &'static Value, value: &Value, at: &str, found: &mut Found) {
    if found.is_enough() || (value.is_null() && may_be_null(schema)) {
        return;
    }
    look_at(name(schema), some(schema), value, at, found);
}

/// `of` is what the schema is called, where it has a name.
fn look_at(of: &str, schema: &'static Value, value: &Value, at: &str, found: &mut Found) {
    let kinds = kinds(schema);
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind, value)) {
        found.listed |= value.is_array() && kinds.contains(&"object");
        return found.say(at, format!("This has to be {}, not {}.", wanted(schema, &kinds), given(value)));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return found.say(at, format!("This has to be one of: {}.", listed(values.iter().filter_map(Value::as_str))));
    }
    match value {
        Value::Number(number) => {
            let (low, high) = range(schema);
            if number.as_f64().is_some_and(|number| number < low as f64 || number > high as f64) {
                found.say(at, format!("This has to be a whole number from {low} to {high}."));
            }
        }
        Value::String(text) if schema["format"] == "uuid" && uuid::Uuid::parse_str(text).is_err() => found.say(at, "This has to be an id, as answers give it.".into()),
        Value::Array(items) if schema["maxItems"].as_u64().is_some_and(|most| items.len() as u64 > most) => {
            found.say(at, format!("This list may hold at most {}.", schema["maxItems"]));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| look(&schema["items"], item, &format!("{at}/{n}"), found)),
        Value::Object(members) => object(of, schema, members, at, found),
        _ => {}
    }
}

fn object(of: &str, schema: &'static Value, members: &serde_json::Map<String, Value>, at: &str, found: &mut Found) {
    let Some(known) = schema["properties"].as_object() else { return };
    let pointer = |name: &str| format!("{at}/{}", escaped(name));
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|name| !members.contains_key(*name)) {
        found.say(&pointer(name), "This field is missing.".into());
    }
    for name in members.keys().filter(|name| schema["additionalProperties"] == false && !known.contains_key(*name)).take(MOST + 1) {
        found.say(&pointer(name), format!("There is no such field here. There are: {}.", listed(known.keys().map(String::as_str))));
    }
    for (name, value) in members {
        let Some(schema) = known.get(name) else { continue };
        let before = found.errors.len();
        look(schema, value, &pointer(name), found);
        if found.errors.len() == before {
            found.errors.extend(values::wrong(of, name, schema, value).map(|message| FieldError { field: pointer(name), message }));
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
    resolved(one(schema))
}

fn one(schema: &'static Value) -> &'static Value {
    schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null")).unwrap_or(schema)
}

/// What the schema is called; empty where it has no name.
fn name(schema: &'static Value) -> &'static str {
    one(schema)["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()).unwrap_or_default()
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
        "string" if schema["format"] == "uuid" => "an id, as answers give it".to_owned(),
        "string" => "a text".into(),
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
            let errors = wrong("NewDeployment", &body).errors;
            assert!((1..=MOST + 1).contains(&errors.len()), "{}", errors.len());
            assert!(errors.iter().all(|error| error.field.len() < 100), "{errors:?}");
        }
    }
}
