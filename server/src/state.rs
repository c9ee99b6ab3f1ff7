//! What handlers share.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;
use control::Control;
use leptos::config::LeptosOptions;

use crate::{live::OpenStreams, session::proxies::TrustedProxies};

/// What handlers share. Cheap to clone.
#[derive(Clone, FromRef)]
pub struct AppState {
    pub control: Control,
    pub web: Arc<Web>,
}

/// How the portal is reached and dressed.
pub struct Web {
    pub options: LeptosOptions,
    pub style_sheet: Arc<str>,
    pub proxies: TrustedProxies,
    pub streams: OpenStreams,
    /// The longest that an answer may take to begin.
    pub patience: Duration,
}

impl AppState {
    /// Whether people reach the portal over TLS, which decides the cookie's attributes.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.control.settings.public_url.scheme() == "https"
    }
}
