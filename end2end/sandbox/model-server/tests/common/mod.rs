//! A server with one of the committed models, asked without a socket.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use model_server::{
    card::Card,
    load::load,
    metrics::Metrics,
    routes::{Server, router},
    settings::Settings,
    state::State,
};
use serde_json::Value;
use tower::ServiceExt;

pub struct Client(Router);

pub struct Asked {
    pub status: StatusCode,
    pub body: Value,
}

/// Serves the model in that folder beside this crate.
pub async fn serve(model: &str) -> Client {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models").join(model);
    let folder = folder.to_str().expect("the checkout's path is text").to_owned();
    let settings = Settings::from_lookup(|name| (name == "MODEL_SERVER_FOLDER").then(|| folder.clone())).expect("settings");
    let card = Card::read(&settings.folder).expect("the card is there");
    let (state, metrics) = (State::default(), Metrics::new(&card.name, &card.version));
    load(&settings, card.clone(), &state, &metrics).await.expect("the model loads");
    Client(router(Arc::new(Server { name: card.name, version: card.version, state, metrics })))
}

impl Client {
    pub async fn get(&self, path: &str) -> Asked {
        self.ask(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Asked {
        self.ask(Request::post(path).body(body.to_string().into()).expect("a request")).await
    }

    pub async fn text(&self, path: &str) -> String {
        let response = self.0.clone().oneshot(Request::get(path).body(Body::empty()).expect("a request")).await;
        let bytes = response.expect("infallible").into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    async fn ask(&self, request: Request<Body>) -> Asked {
        let response = self.0.clone().oneshot(request).await.expect("infallible");
        let status = response.status();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes).expect("every answer is JSON");
        Asked { status, body }
    }
}
