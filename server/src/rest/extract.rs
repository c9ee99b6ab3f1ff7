//! Reads requests; what cannot be read is a rejection like any other.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
};
use domain::{Code, FieldError, Rejected};
use http::{StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use utoipa::ToSchema;

use super::{error::RestError, shape};

/// The most a JSON body may hold; predictions have their own limit.
pub const MAX_BODY: usize = 1024 * 1024;

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + ToSchema, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = RestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RestError> {
        if request.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Rejected::new(Code::UnsupportedMediaType, "Send the body as it is, without a content-encoding.").at("Content-Encoding").into());
        }
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
            return Err(Rejected::new(Code::UnsupportedMediaType, "Send JSON, with content-type: application/json.").into());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => Rejected::new(Code::MalformedRequest, "The body broke off. Send it again.").at(""),
        })?;
        Ok(Self(read(&bytes)?))
    }
}

/// What a body over [`MAX_BODY`] is told.
#[must_use]
pub fn too_large() -> Rejected {
    Rejected::new(Code::TooLarge, format!("The body is larger than {} KiB.", MAX_BODY / 1024)).at("")
}

/// Serde and the published schema decide; the schema says why, of everything that is wrong at once. What operations would not take
/// of the fields that can be read is said with it, since no operation gets to say so.
fn read<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, Rejected> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize::<_, T>(&mut json);
    let value: Value = serde_json::from_slice(bytes).map_err(|error| not_json(&error))?;
    let mut found = shape::wrong(&T::name(), &value);
    let refused = match read {
        // What is of the right shape operations turn down in their own words.
        Ok(read) if !found.listed => return Ok(read),
        read => read.err(),
    };
    if found.misshapen {
        Rejected::of_fields(Code::InvalidInput, std::mem::take(&mut found.errors), said)?;
    }
    let Some(refused) = refused else { return Err(Rejected::field("", "This has to be an object, not a list.")) };
    // What no schema says: a field that is there twice.
    let at = refused.inner();
    let mut rejected =
        Rejected::field(pointer(refused.path()), format!("Something in here is there twice, or cannot be read: see line {}, column {} of the body.", at.line(), at.column()));
    rejected.errors.extend(found.errors);
    Err(rejected)
}

fn said(one: &FieldError) -> String {
    if one.field.is_empty() { one.message.clone() } else { format!("{}: {}", one.field, one.message) }
}

fn not_json(error: &serde_json::Error) -> Rejected {
    let said = error.to_string();
    let why = match () {
        () if error.is_eof() => "it ends too early",
        () if said.starts_with("recursion limit") => "it is nested too deeply",
        () if said.starts_with("invalid unicode") => "it is not UTF-8",
        () => "see what stands there",
    };
    Rejected::new(Code::MalformedRequest, format!("The body is not JSON, at line {}, column {}: {why}.", error.line(), error.column())).at("")
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", shape::escaped(key)),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(step).collect()
}

/// The id in the path. Anything that is not an id looks like an id that does not exist.
pub struct Id<T>(pub T);

impl<T: FromStr + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let axum::extract::Path(text) = axum::extract::Path::<String>::from_request_parts(parts, state).await.map_err(|_| Rejected::not_found("thing"))?;
        text.parse().map(Self).map_err(|_| Rejected::not_found("thing").into())
    }
}

/// Two ids in the path.
pub struct Ids<A, B>(pub A, pub B);

impl<A: FromStr + Send, B: FromStr + Send, S: Send + Sync> FromRequestParts<S> for Ids<A, B> {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let axum::extract::Path((a, b)) = axum::extract::Path::<(String, String)>::from_request_parts(parts, state).await.map_err(|_| Rejected::not_found("thing"))?;
        match (a.parse(), b.parse()) {
            (Ok(a), Ok(b)) => Ok(Self(a, b)),
            _ => Err(Rejected::not_found("thing").into()),
        }
    }
}

/// The query. Empty values count as left out, as forms send them.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, RestError> {
        let text = parts.uri.query().unwrap_or_default();
        let filled: Vec<(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> = url::form_urlencoded::parse(text.as_bytes()).filter(|(_, value)| !value.is_empty()).collect();
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(filled).finish();
        serde_urlencoded::from_str(&text).map(Self).map_err(|error| unread::<T>(&text).with_raw(error.to_string()).into())
    }
}

/// What of a query that cannot be read is at fault: what cannot be read by itself, either.
fn unread<T: DeserializeOwned>(query: &str) -> Rejected {
    let alone = |name: &str, value: &str| url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    let wrong = url::form_urlencoded::parse(query.as_bytes()).find(|(name, value)| serde_urlencoded::from_str::<T>(&alone(name, value)).is_err());
    match wrong {
        Some((name, value)) => {
            let (name, value) = (shape::bounded(&name), shape::bounded(&value));
            let message = format!("The address asks for {name}={value}, and “{value}” is nothing that {name} can be. Take it out of the address, or choose on the page itself.");
            Rejected::new(Code::MalformedRequest, message).at(&name)
        }
        None => Rejected::new(Code::MalformedRequest, "The address asks for the same thing twice. Take one of them out of it."),
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequestParts as _;
    use domain::user::UserQuery;

    use super::Query;

    async fn read(query: &str) -> Result<UserQuery, String> {
        let (mut parts, ()) = http::Request::builder().uri(format!("/users?{query}")).body(()).unwrap().into_parts();
        Query::<UserQuery>::from_request_parts(&mut parts, &()).await.map(|Query(query)| query).map_err(|error| error.0.rejected().unwrap().message.clone())
    }

    #[tokio::test]
    async fn a_list_s_question_is_read_whole() {
        let query = read("page_size=7&search=a+b&platform_role=admin&state=&direction=descending").await.unwrap();
        assert_eq!(query.page.page_size, Some(7));
        assert_eq!(query.page.search.as_deref(), Some("a b"));
        assert!(query.platform_role.is_some() && query.state.is_none() && query.page.direction.is_some());
        let why = read("search=a&page_size=many").await.unwrap_err();
        assert_eq!(why, "The address asks for page_size=many, and “many” is nothing that page_size can be. Take it out of the address, or choose on the page itself.");
        assert!(read("state=bogus").await.unwrap_err().contains("state=bogus") && read("search=a&search=b").await.unwrap_err().contains("twice"));
    }
}
