//! An OpenAPI document, as far as the reference shows it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::sample;

/// What a reader of the API has to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub about: String,
    /// Operations by tag.
    pub groups: Vec<(String, Vec<Endpoint>)>,
    pub shapes: Vec<Shape>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    /// In the address and in headers.
    pub takes: Vec<Field>,
    pub body: Option<Kind>,
    /// A body that would do, laid out.
    pub sample: Option<String>,
    /// The whole request, for a shell.
    pub curl: String,
    /// By status, `default` last.
    pub answers: Vec<(String, Option<Kind>)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    /// `path`, `query`, `header`; empty inside a body.
    pub place: String,
    pub kind: Kind,
    pub required: bool,
    pub about: String,
}

/// A named schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub name: String,
    pub about: String,
    pub fields: Vec<Field>,
    /// The only texts it can be.
    pub values: Vec<String>,
    /// What it is when it is neither of these.
    pub kind: Option<Kind>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub many: bool,
    pub name: String,
    /// Whether `name` is that of a shape.
    pub shape: bool,
}

impl Reference {
    pub(super) fn read(document: &Value, portal: &str) -> Self {
        let mut groups: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
        for (path, operations) in members(&document["paths"]) {
            for (method, operation) in members(operations) {
                groups.entry(text(&operation["tags"][0])).or_default().push(endpoint((path, method), operation, document, portal));
            }
        }
        let shapes = members(&document["components"]["schemas"]).map(|(name, schema)| shape(name, schema)).collect();
        Self { about: text(&document["info"]["description"]), groups: groups.into_iter().collect(), shapes }
    }
}

fn endpoint((path, method): (&str, &str), operation: &Value, document: &Value, portal: &str) -> Endpoint {
    let json = |content: &Value| members(content).next().map(|(_, content)| kind(&content["schema"]));
    let content = &operation["requestBody"]["content"];
    let body = members(content).next().map(|(_, content)| sample::of(&content["schema"], document));
    let method = method.to_uppercase();
    Endpoint {
        curl: sample::curl(portal, (&method, path), operation, body.as_ref(), document),
        sample: body.and_then(|body| serde_json::to_string_pretty(&body).ok()),
        id: text(&operation["operationId"]),
        method,
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        takes: operation["parameters"].as_array().into_iter().flatten().map(parameter).collect(),
        body: json(content),
        answers: members(&operation["responses"]).map(|(status, answer)| (status.to_owned(), json(&answer["content"]))).collect(),
    }
}

fn parameter(parameter: &Value) -> Field {
    let schema = &parameter["schema"];
    let about = [text(&parameter["description"]), bounds(schema)].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ");
    Field { name: text(&parameter["name"]), place: text(&parameter["in"]), kind: kind(schema), required: parameter["required"].as_bool().unwrap_or_default(), about }
}

/// What a value may be at most and at least, in words.
fn bounds(schema: &Value) -> String {
    let number = |key: &str| schema[key].as_i64();
    let range = match (number("minimum"), number("maximum")) {
        (Some(low), Some(high)) => format!("{low} to {high}."),
        (Some(low), None) => format!("At least {low}."),
        (None, Some(high)) => format!("At most {high}."),
        (None, None) => String::new(),
    };
    let longest = number("maxLength").map(|longest| format!("At most {longest} characters.")).unwrap_or_default();
    let most = number("maxItems").map(|most| format!("At most {most}.")).unwrap_or_default();
    [range, longest, most].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ")
}

fn shape(name: &str, schema: &Value) -> Shape {
    let fields = fields(schema);
    let values: Vec<String> = schema["enum"].as_array().into_iter().flatten().map(text).collect();
    let kind = (fields.is_empty() && values.is_empty()).then(|| kind(schema));
    Shape { name: name.to_owned(), about: text(&schema["description"]), fields, values, kind }
}

/// The fields of an object, also of one that is put together from several.
fn fields(schema: &Value) -> Vec<Field> {
    let required: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let own = members(&schema["properties"]).map(|(name, schema)| Field {
        name: name.to_owned(),
        place: String::new(),
        kind: kind(schema),
        required: required.contains(name),
        about: [about(schema), bounds(schema)].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" "),
    });
    let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| match reference(part) {
        Some(shape) => {
            vec![Field { name: "…".into(), place: String::new(), kind: Kind { many: false, name: shape, shape: true }, required: false, about: "and all it has".into() }]
        }
        None => fields(part),
    });
    own.chain(parts).collect()
}

fn about(schema: &Value) -> String {
    match schema["description"].as_str() {
        Some(words) => words.to_owned(),
        None => some(schema).map(|some| text(&some["description"])).unwrap_or_default(),
    }
}

fn kind(schema: &Value) -> Kind {
    if let Some(shape) = reference(schema) {
        return Kind { many: false, name: shape, shape: true };
    }
    if let Some(some) = some(schema) {
        return kind(some);
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    };
    match names.as_slice() {
        ["array"] => Kind { many: true, ..kind(&schema["items"]) },
        [] => Kind { many: false, name: "any JSON".into(), shape: false },
        names => Kind { many: false, name: schema["format"].as_str().filter(|format| !format.starts_with("int")).map_or_else(|| names.join(" or "), str::to_owned), shape: false },
    }
}

/// What something is when it is not null.
fn some(schema: &Value) -> Option<&Value> {
    schema["oneOf"].as_array()?.iter().find(|one| one["type"] != "null")
}

fn reference(schema: &Value) -> Option<String> {
    schema["$ref"].as_str()?.rsplit('/').next().map(str::to_owned)
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_is_read_with_what_it_takes_and_answers() {
        let document = json!({
            "info": { "description": "About it." },
            "paths": { "/things": { "get": {
                "tags": ["things"], "operationId": "list_things", "summary": "Lists things.",
                "parameters": [
                    { "name": "search", "in": "query", "description": "What to look for.", "schema": { "type": ["string", "null"], "maxLength": 100 } },
                    { "name": "If-Match", "in": "header", "required": true, "schema": { "type": "string" } }
                ],
                "responses": { "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } }, "204": {} }
            } } },
            "components": { "schemas": {
                "Thing": { "type": "object", "required": ["id"], "properties": {
                    "id": { "type": "string", "format": "uuid" },
                    "parts": { "type": "array", "items": { "$ref": "#/components/schemas/State" } },
                    "state": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/State", "description": "How it stands." }] }
                } },
                "State": { "type": "string", "enum": ["up", "down"] }
            } }
        });
        let Reference { about, groups, shapes } = Reference::read(&document, "https://slipway.example/");
        assert_eq!(about, "About it.");
        let endpoint = &groups[0].1[0];
        assert_eq!((groups[0].0.as_str(), endpoint.method.as_str(), endpoint.id.as_str()), ("things", "GET", "list_things"));
        let takes: Vec<(&str, &str, bool)> = endpoint.takes.iter().map(|field| (field.name.as_str(), field.place.as_str(), field.required)).collect();
        assert_eq!(endpoint.takes[0].about, "What to look for. At most 100 characters.");
        assert_eq!((endpoint.sample.as_deref(), endpoint.curl.starts_with("curl --fail-with-body -X GET \"https://slipway.example/api/v1/things\"")), (None, true));
        assert_eq!(takes, [("search", "query", false), ("If-Match", "header", true)]);
        let thing = Kind { many: false, name: "Thing".into(), shape: true };
        assert_eq!(endpoint.answers, [("200".to_owned(), Some(thing)), ("204".to_owned(), None)]);
        let thing = shapes.iter().find(|shape| shape.name == "Thing").unwrap();
        let fields: Vec<(&str, &Kind, bool, &str)> = thing.fields.iter().map(|field| (field.name.as_str(), &field.kind, field.required, field.about.as_str())).collect();
        let state = |many| Kind { many, name: "State".into(), shape: true };
        assert_eq!(
            fields,
            [("id", &Kind { many: false, name: "uuid".into(), shape: false }, true, ""), ("parts", &state(true), false, ""), ("state", &state(false), false, "How it stands.")]
        );
        assert_eq!(shapes.iter().find(|shape| shape.name == "State").unwrap().values, ["up", "down"]);
    }
}
