//! Query parameters and keys, looked at before any handler: an unknown or repeated one is refused instead of ignored, and every wrong value is named.

use std::{borrow::Cow, collections::BTreeMap};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::{Code, FieldError, Rejected};
use http::Method;
use serde_json::Value;

use super::{
    document::openapi,
    error::RestError,
    shape::{bounded, listed, wrong_text},
};

/// Refuses what the published document does not have for this operation.
pub async fn layer(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().and_then(|path| path.as_str().strip_prefix("/api/v1"));
    // HEAD is GET without the body, and answered wherever GET is.
    let method = if request.method() == Method::HEAD { "get".to_owned() } else { request.method().as_str().to_ascii_lowercase() };
    let checked = match path {
        Some(path) => {
            let operation = &openapi()["paths"][path][&method];
            check(operation, request.uri().query().unwrap_or_default()).and_then(|()| check_key(operation, &request))
        }
        None => Ok(()),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(rejected) => RestError::from(rejected).into_response(),
    }
}

/// A key that would be kept for nothing is refused: who sends one counts on it. Reading takes none and needs none.
fn check_key(operation: &Value, request: &Request) -> Result<(), Rejected> {
    let takes = operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["name"] == "Idempotency-Key");
    if takes || operation.is_null() || request.method().is_safe() || !request.headers().contains_key("idempotency-key") {
        return Ok(());
    }
    Err(Rejected::new(Code::MalformedRequest, "This operation takes no Idempotency-Key: a repetition of it is not known.").at("Idempotency-Key"))
}

const TAKES_NONE: &str = "This operation takes no query parameters.";

fn check(operation: &'static Value, query: &str) -> Result<(), Rejected> {
    let known: BTreeMap<&str, &'static Value> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query")
        .filter_map(|parameter| Some((parameter["name"].as_str()?, parameter)))
        .collect();
    let mut given: BTreeMap<Cow<'_, str>, Vec<Cow<'_, str>>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        given.entry(name).or_default().push(value);
    }
    let mut wrong = Vec::new();
    for (name, values) in &given {
        let error = |message: String| FieldError { field: bounded(name), message };
        match (known.get(name.as_ref()), values.as_slice()) {
            (None, _) if known.is_empty() => wrong.push(error(TAKES_NONE.into())),
            (None, _) => wrong.push(error(format!("There is no such parameter here. There are: {}.", listed(known.keys().copied())))),
            // Empty values count as left out, as forms send them.
            (Some(parameter), [value]) => wrong.extend(wrong_text(&parameter["schema"], value).filter(|_| !value.is_empty()).map(error)),
            (Some(_), _) => wrong.push(error("Give this parameter once.".into())),
        }
    }
    for (name, _) in known.iter().filter(|(name, parameter)| parameter["required"] == true && given.get(**name).is_none_or(|values| values.iter().all(|value| value.is_empty()))) {
        wrong.push(FieldError { field: (*name).into(), message: "This parameter is missing.".into() });
    }
    let unknown: Vec<String> = given.keys().filter(|name| !known.contains_key(name.as_ref())).map(|name| bounded(name)).collect();
    Rejected::of_fields(Code::MalformedRequest, wrong, |one| format!("The query parameter {}: {}", one.field, one.message)).map_err(|rejected| {
        let message = match rejected.errors.len() {
            1 => return rejected,
            _ if known.is_empty() => TAKES_NONE.to_owned(),
            n if n == unknown.len() => {
                format!("There are no query parameters {} here. There are: {}.", listed(unknown.iter().map(String::as_str)), listed(known.keys().copied()))
            }
            n => format!("{n} query parameters need a change."),
        };
        Rejected { message, ..rejected }
    })
}
