//! What handlers share.

use std::sync::Arc;

use app::page::Chrome;
use axum::extract::FromRef;
use control::{Actor, Control};
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
}

impl AppState {
    /// What a page for this actor is dressed with.
    #[must_use]
    pub fn chrome(&self, actor: Actor) -> Chrome {
        Chrome { actor, options: self.web.options.clone(), style_sheet: Arc::clone(&self.web.style_sheet) }
    }

    /// Whether people reach the portal over TLS, which decides the cookie's attributes.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.control.settings.public_url.scheme() == "https"
    }
}
