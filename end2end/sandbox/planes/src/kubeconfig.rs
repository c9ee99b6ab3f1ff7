//! Kubeconfigs. They are written as JSON, which every reader of YAML takes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::config::private_file;
use crate::pki::Leaf;

/// Where a server is and whose certificate it has.
pub(crate) struct Server<'a> {
    pub(crate) url: &'a str,
    pub(crate) ca_pem: &'a str,
}

/// A kubeconfig with one context, everything in it.
pub(crate) fn with_certificate(context: &str, server: &Server<'_>, leaf: &Leaf) -> Result<String> {
    let encoded = |path: &Path| -> Result<String> { Ok(BASE64_STANDARD.encode(std::fs::read(path).with_context(|| format!("reading {}", path.display()))?)) };
    let user = json!({
        "client-certificate-data": encoded(&leaf.certificate)?,
        "client-key-data": encoded(&leaf.key)?,
    });
    serde_json::to_string_pretty(&document(context, server, &user)).context("writing a kubeconfig")
}

/// A kubeconfig whose user runs a program for its token, as EKS's nodes do.
pub(crate) fn with_program(context: &str, server: &Server<'_>, program: &Path, arguments: &[String]) -> Result<String> {
    let user = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": program,
        "args": arguments,
        "interactiveMode": "Never",
    }});
    serde_json::to_string_pretty(&document(context, server, &user)).context("writing a kubeconfig")
}

/// A kubeconfig an API server calls a webhook by.
pub(crate) fn write_for_webhook(path: PathBuf, server: &Server<'_>) -> Result<PathBuf> {
    let body = serde_json::to_string_pretty(&document("webhook", server, &json!({}))).context("writing a kubeconfig")?;
    private_file(&path, &body)?;
    Ok(path)
}

fn document(context: &str, server: &Server<'_>, user: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{ "name": context, "cluster": {
            "server": server.url,
            "certificate-authority-data": BASE64_STANDARD.encode(server.ca_pem),
        }}],
        "users": [{ "name": context, "user": user }],
        "contexts": [{ "name": context, "context": { "cluster": context, "user": context } }],
    })
}
