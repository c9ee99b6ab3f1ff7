//! A stand-in for the gateway, for trying the planes alone: it believes every token
//! that names a key it gave out, and checks no signature.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";

#[derive(Clone)]
struct Principal {
    arn: String,
    canonical: String,
    session: String,
}

#[derive(Clone)]
pub struct Gateway {
    port: u16,
    keys: Arc<Mutex<HashMap<String, Principal>>>,
    access: Arc<Mutex<Value>>,
}

impl Gateway {
    /// Serves on `port` of loopback until the runtime ends.
    pub async fn start(port: u16) -> Self {
        let gateway = Self { port, keys: Arc::default(), access: Arc::new(Mutex::new(json!({ "authenticationMode": "API_AND_CONFIG_MAP", "entries": [], "creator": "" }))) };
        let app = Router::new()
            .route("/", post(aws))
            .route("/_sandbox/instances/{id}/credentials", get(credentials))
            .route("/_sandbox/eks/{cluster}/verify", post(verify))
            .route("/_sandbox/eks/{cluster}/access", get(async |State(gateway): State<Self>| Json(gateway.access.lock().expect("no holder panics").clone())))
            .with_state(gateway.clone());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the port is free");
        tokio::spawn(async move { axum::serve(listener, app).await });
        gateway
    }

    /// Sets what EKS's API says about who may enter.
    pub fn set_access(&self, access: Value) {
        *self.access.lock().expect("no holder panics") = access;
    }

    /// A token of an IAM role's session, and the role's ARN.
    pub fn role_token(&self, role: &str, session: &str) -> (String, String) {
        let canonical = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let key = self.remember(&canonical, session);
        let request = format!("https://sts.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Credential={key}%2F20260101%2Fus-east-1%2Fsts%2Faws4_request");
        (format!("k8s-aws-v1.{}", BASE64_URL_SAFE_NO_PAD.encode(request)), canonical)
    }

    fn remember(&self, role_arn: &str, session: &str) -> String {
        let mut keys = self.keys.lock().expect("no holder panics");
        let key = format!("ASIAFAKE{:012}", keys.len());
        let role = role_arn.rsplit('/').next().expect("splitting gives at least one part");
        let principal = Principal { arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"), canonical: role_arn.to_owned(), session: session.to_owned() };
        keys.insert(key.clone(), principal);
        key
    }
}

/// The one AWS call a node makes that is not signed into its token.
async fn aws(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    if headers.get("x-amz-target").is_some_and(|target| target.as_bytes().ends_with(b"GetAuthorizationToken")) {
        let token = json!({ "authorizationData": [{
            "authorizationToken": BASE64_STANDARD.encode("AWS:fake"),
            "expiresAt": 4_102_444_800.0,
            "proxyEndpoint": format!("http://127.0.0.1:{}", gateway.port),
        }]});
        return ([("content-type", "application/x-amz-json-1.1")], token.to_string()).into_response();
    }
    (StatusCode::BAD_REQUEST, "the fake gateway does nothing else").into_response()
}

/// What the instance metadata service says: here every instance has the role `node`.
async fn credentials(State(gateway): State<Gateway>, Path(instance): Path<String>) -> Json<Value> {
    let key = gateway.remember(&format!("arn:aws:iam::{ACCOUNT}:role/node"), &instance);
    Json(json!({ "AccessKeyId": key, "SecretAccessKey": "fake", "Token": "fake", "Expiration": "2099-01-01T00:00:00Z" }))
}

async fn verify(State(gateway): State<Gateway>, Json(asked): Json<Value>) -> Response {
    let key = asked["token"].as_str().and_then(|token| token.strip_prefix("k8s-aws-v1.")).and_then(|encoded| {
        let url = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
        let (_, query) = url.split_once('?')?;
        let (_, credential) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "X-Amz-Credential")?;
        Some(credential.split('/').next()?.to_owned())
    });
    let Some(key) = key else { return (StatusCode::UNAUTHORIZED, "no EKS token").into_response() };
    match gateway.keys.lock().expect("no holder panics").get(&key) {
        Some(principal) => Json(json!({
            "arn": principal.arn,
            "canonicalArn": principal.canonical,
            "accountId": ACCOUNT,
            "userId": format!("AROAFAKE:{}", principal.session),
            "sessionName": principal.session,
            "accessKeyId": key,
            "expires": "2099-01-01T00:00:00Z",
        }))
        .into_response(),
        None => (StatusCode::UNAUTHORIZED, "unknown key").into_response(),
    }
}
