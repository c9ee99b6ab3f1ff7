//! What a caller did that cannot be done, in words they can act on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{limits::at_most_characters, names::is_misleading};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $title:literal;)+) => {
        /// The stable code of a rejection. Codes are never renamed: automation matches on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
        }

        impl Code {
            /// Every code, for documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as it is written in a response.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// The short summary of the kind of problem (RFC 9457 `title`).
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    /// One or more fields hold something that cannot be accepted; `errors` names each.
    InvalidInput = "invalid_input", 422, "Some fields need a change";
    /// The request is not well-formed: not JSON, not the expected type, a broken path or query.
    MalformedRequest = "malformed_request", 400, "The request could not be read";
    /// No session or token, or one that is not valid any more.
    Unauthenticated = "unauthenticated", 401, "Sign in first";
    /// E-mail and password do not belong together.
    WrongCredentials = "wrong_credentials", 401, "E-mail or password is wrong";
    /// The caller may see the thing but not do this with it.
    Forbidden = "forbidden", 403, "You may not do this";
    /// The request came from another site.
    CrossSite = "cross_site_request", 403, "The request came from another site";
    /// There is no such thing, or the caller may not see it.
    NotFound = "not_found", 404, "Not found";
    /// This address exists but does not take this method.
    MethodNotAllowed = "method_not_allowed", 405, "This method is not allowed here";
    /// None of the media types asked for can be made.
    NotAcceptable = "not_acceptable", 406, "No acceptable format";
    /// The thing is in a state in which this cannot be done.
    Conflict = "conflict", 409, "Not possible in the present state";
    /// The name is taken.
    AlreadyExists = "already_exists", 409, "It exists already";
    /// Other things still need it; `blockers` lists them.
    InUse = "in_use", 409, "Other things still need it";
    /// A request with the same idempotency key is still under way.
    IdempotencyInProgress = "idempotency_in_progress", 409, "The same request is under way";
    /// It changed since it was read.
    PreconditionFailed = "precondition_failed", 412, "It changed meanwhile";
    /// The body is too large.
    TooLarge = "too_large", 413, "The request is too large";
    /// The body's media type is not understood.
    UnsupportedMediaType = "unsupported_media_type", 415, "This media type is not understood";
    /// The idempotency key was used with another request.
    IdempotencyMismatch = "idempotency_mismatch", 422, "The idempotency key belongs to another request";
    /// `If-Match` is needed to change this.
    PreconditionRequired = "precondition_required", 428, "If-Match is needed";
    /// Too many attempts.
    RateLimited = "rate_limited", 429, "Too many attempts";
    /// The repository is in no prefix given to the team.
    RepositoryNotGranted = "repository_not_granted", 403, "The repository is not your team's";
    /// The tag or digest is not in the repository.
    ImageNotFound = "image_not_found", 422, "There is no such image";
    /// The cluster no longer has what the revision needs.
    RevisionUnfit = "revision_unfit", 422, "The revision does not fit the cluster any more";
    /// The workspace's quota does not leave room.
    QuotaExceeded = "quota_exceeded", 422, "The workspace's quota does not leave room";
    /// AWS refused Slipway's credentials or role.
    AwsDenied = "aws_denied", 502, "AWS refused Slipway";
    /// AWS did not answer usefully.
    AwsUnavailable = "aws_unavailable", 502, "AWS could not be reached";
    /// The cluster does not know or allow Slipway.
    ClusterDenied = "cluster_denied", 502, "The cluster refused Slipway";
    /// The cluster's API server could not be reached.
    ClusterUnreachable = "cluster_unreachable", 502, "The cluster could not be reached";
    /// The model could not be reached or did not answer usefully.
    ModelUnavailable = "model_unavailable", 502, "The model did not answer";
    /// The model answered, but with an error of its own; `answer` has it.
    ModelRefused = "model_refused", 422, "The model does not take this request";
    ModelError = "model_error", 502, "The model answered with an error";
    /// Ours: logged, with the request id to ask about.
    Internal = "internal", 500, "Something went wrong on our side";
    /// It took too long.
    Timeout = "timeout", 504, "It took too long";
}

/// What is wrong with one field, and how to put it right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// The field's name in a form, with nested ones joined by dots; in REST its JSON pointer into the body, empty for all of it, or the name of the query parameter or the header.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Something that stands in the way of a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Blocker {
    /// The kind of thing: `deployment`, `workspace`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its page, relative to the portal's address.
    pub path: String,
}

/// A request that was turned down, for a reason the caller can act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The stable code.
    pub code: Code,
    /// One plain sentence: what is wrong and what to do.
    pub message: String,
    /// The fields at fault.
    pub errors: Vec<FieldError>,
    /// What stands in the way of a deletion.
    pub blockers: Vec<Blocker>,
    /// What AWS, Kubernetes or the model said, for the admin's eye.
    pub raw: Option<String>,
    /// After how many seconds it may be tried again, where that is known.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

impl Rejected {
    /// A rejection with a code and a sentence.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), errors: Vec::new(), blockers: Vec::new(), raw: None, retry_after: None }
    }

    /// One field is wrong.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let mut rejected = Self::new(Code::InvalidInput, message.clone());
        rejected.errors.push(FieldError { field, message });
        rejected
    }

    /// All fields that are wrong; none is fine.
    ///
    /// # Errors
    /// A rejection with `code` that names each of them. `sentence` makes the whole of a single one.
    pub fn of_fields(code: Code, errors: Vec<FieldError>, sentence: impl FnOnce(&FieldError) -> String) -> Result<(), Self> {
        let message = match errors.as_slice() {
            [] => return Ok(()),
            [one] => sentence(one),
            many => format!("{} fields need a change.", many.len()),
        };
        Err(Self { errors, ..Self::new(code, message) })
    }

    /// There is no `what`, or the caller may not see it: the two look the same.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}, or you cannot see it."))
    }

    /// The caller may see the thing but lacks the right.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, message)
    }

    /// The thing is in a state in which this cannot be done.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// Names the field that the rejection is about.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.errors.push(FieldError { field: field.into(), message: self.message.clone() });
        self
    }

    /// Adds what the outside said, one click away from the sentence.
    #[must_use]
    pub fn with_raw(mut self, raw: impl Into<String>) -> Self {
        self.raw = Some(raw.into());
        self
    }

    /// The message for `field`, if it is at fault.
    #[must_use]
    pub fn message_for(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Rejected {}

/// Gathers what is wrong with a request, so that a person sees every field's error at once.
#[derive(Default)]
pub struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    /// Nothing found wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the value, or notes what is wrong with `field`.
    pub fn take<T>(&mut self, field: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|message| self.wrong(field, message)).ok()
    }

    /// Takes the value of a field that may be left out, or left empty.
    pub fn take_given<T>(&mut self, field: &str, text: Option<&str>, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        self.take(field, parse(text))
    }

    /// Notes that `field` is wrong.
    pub fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.into(), message: message.into() });
    }

    /// Notes that `field` is wrong unless `holds`.
    pub fn ensure(&mut self, holds: bool, field: &str, message: impl Into<String>) {
        if !holds {
            self.wrong(field, message);
        }
    }

    /// Notes what is wrong with a text of several lines that people read.
    pub fn prose(&mut self, field: &str, text: &str, most: usize) {
        self.ensure(text.chars().count() <= most, field, at_most_characters(most));
        let misleads = |character: char| !matches!(character, '\n' | '\r' | '\t') && is_misleading(character);
        self.ensure(!text.chars().any(misleads), field, "Leave out control characters, invisible characters and those that turn the reading direction around.");
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// # Errors
    /// `invalid_input` naming every field found wrong.
    pub fn finish(self) -> Result<(), Rejected> {
        Rejected::of_fields(Code::InvalidInput, self.errors, |one| one.message.clone())
    }
}
