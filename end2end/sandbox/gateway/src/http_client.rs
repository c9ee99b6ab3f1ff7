//! The one HTTP client: plain HTTP on loopback, which sends paths and headers exactly as it is given them.

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A pooled client for the emulator.
#[derive(Clone)]
pub struct HttpClient(Client<HttpConnector, Body>);

impl HttpClient {
    /// A client without open connections.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).set_host(false).build(connector))
    }

    /// Sends a request whose URI names the peer; the `Host` header is the caller's.
    ///
    /// # Errors
    /// When the peer cannot be reached or does not answer in HTTP.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        self.0.request(request).await
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the peer cannot be reached, or stops in the middle of its answer.
    pub async fn fetch(&self, request: Request<Body>) -> anyhow::Result<Response<bytes::Bytes>> {
        let (parts, body) = self.send(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}
