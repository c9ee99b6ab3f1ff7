//! The few calls the sandbox makes to its own API servers and etcd.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Certificate, Client, Identity, Method, StatusCode};
use serde_json::Value;

use crate::pki::Leaf;

/// Merge patches are what Kubernetes calls them on the wire.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A JSON API behind a client certificate.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    base: String,
    client: Client,
}

impl Api {
    pub(crate) fn new(base: String, ca_pem: &str, leaf: &Leaf) -> Result<Self> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
        let mut identity = read(&leaf.key)?;
        identity.extend(read(&leaf.certificate)?);
        let client = Client::builder()
            .use_rustls_tls()
            .no_proxy()
            .tls_built_in_root_certs(false)
            .add_root_certificate(Certificate::from_pem(ca_pem.as_bytes()).context("reading a CA certificate")?)
            .identity(Identity::from_pem(&identity).context("reading a client certificate")?)
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(15))
            .build()
            .context("making a client")?;
        Ok(Self { base, client })
    }

    /// Whether a health endpoint says that all is well.
    pub(crate) async fn healthy(&self, path: &str) -> bool {
        let answer = self.client.get(format!("{}{path}", self.base)).timeout(Duration::from_secs(3)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Reads an object; nothing when there is none.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Value>> {
        let (status, body) = self.call(Method::GET, path, None, "application/json").await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(body)),
            status => refused("GET", path, status, &body),
        }
    }

    /// Makes an object, which is fine to be there already.
    pub(crate) async fn ensure(&self, path: &str, object: &Value) -> Result<()> {
        let (status, body) = self.call(Method::POST, path, Some(object), "application/json").await?;
        if status.is_success() || status == StatusCode::CONFLICT { Ok(()) } else { refused("POST", path, status, &body) }
    }

    /// Sends an object and gives the answer with its status.
    pub(crate) async fn post(&self, path: &str, object: &Value) -> Result<(StatusCode, Value)> {
        self.call(Method::POST, path, Some(object), "application/json").await
    }

    /// Changes some fields of an object.
    pub(crate) async fn patch(&self, path: &str, change: &Value) -> Result<()> {
        let (status, body) = self.call(Method::PATCH, path, Some(change), MERGE_PATCH).await?;
        if status.is_success() { Ok(()) } else { refused("PATCH", path, status, &body) }
    }

    /// Deletes an object, which is fine to be gone already.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        let (status, body) = self.call(Method::DELETE, path, None, "application/json").await?;
        if status.is_success() || status == StatusCode::NOT_FOUND { Ok(()) } else { refused("DELETE", path, status, &body) }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>, content_type: &str) -> Result<(StatusCode, Value)> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("content-type", content_type).body(body.to_string());
        }
        let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("{method} {path}: reading the answer"))?;
        // Refusals are not always JSON; their words matter all the same.
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

fn refused<T>(method: &str, path: &str, status: StatusCode, body: &Value) -> Result<T> {
    let why = body.get("message").and_then(Value::as_str).map_or_else(|| body.to_string(), str::to_owned);
    bail!("{method} {path} answered {status}: {why}")
}
