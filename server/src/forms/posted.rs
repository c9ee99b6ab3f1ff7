//! A form as it came in.

use std::sync::{Arc, Mutex, PoisonError};

use app::form::Typed;
use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
};
use control::{Ctx, idempotency::Key};
use domain::{Code, Rejected};

use super::shown::PageError;
use crate::rest::{extract::MAX_BODY, precondition};

/// What was posted, for the layer around the handlers: whoever has to sign in first finds it again afterwards.
#[derive(Clone, Default)]
pub struct Carried(Arc<Mutex<Option<Typed>>>);

impl Carried {
    /// What was read, if a form was.
    #[must_use]
    pub fn take(&self) -> Option<Typed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, typed: Typed) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(typed);
    }
}

/// The context, carrying the form's key and the version its page showed, and what was typed.
pub struct Posted(pub Ctx, pub Typed);

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request, _: &S) -> Result<Self, PageError> {
        let ctx = request.extensions().get::<Ctx>().cloned();
        let Some(ctx) = ctx else { return Err(PageError::from(anyhow::anyhow!("the session layer is missing from this route"))) };
        let carried = request.extensions().get::<Carried>().cloned();
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let bytes = match to_bytes(request.into_body(), MAX_BODY).await {
            Ok(bytes) => bytes,
            Err(_) => return Err(Rejected::new(Code::TooLarge, "This form is too large, or it broke off.").into()),
        };
        let values: Vec<(String, String)> = url::form_urlencoded::parse(&bytes).into_owned().collect();
        let own: Vec<&(String, String)> = values.iter().filter(|(name, _)| name != "_key").collect();
        let find = |wanted: &str| values.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value.as_str());
        let body = serde_json::to_vec(&own)?;
        let idempotency =
            find("_key").filter(|key| precondition::is_key(key)).map(|key| Key { key: format!("form:{key}"), request_hash: precondition::hash(&method, &path, &body) });
        // Whoever insists has seen the newer version that the box stood for.
        let if_match = find("_overwrite").or_else(|| find("_version")).and_then(|version| version.parse().ok());
        let request = control::Request { idempotency, if_match, ..ctx.request().clone() };
        let typed = Typed::new(values);
        if let Some(carried) = carried.filter(|_| ctx.actor().check_signed_in().is_err()) {
            carried.put(typed.clone());
        }
        Ok(Self(ctx.with_request(request), typed))
    }
}

/// Insists on the name of what is destroyed.
///
/// # Errors
/// `invalid_input` at the field `confirm`.
pub fn confirmed(typed: &Typed, name: &str) -> Result<(), Rejected> {
    if typed.text("confirm").trim() == name {
        return Ok(());
    }
    Err(Rejected::field("confirm", format!("Type {name} exactly to confirm.")))
}
