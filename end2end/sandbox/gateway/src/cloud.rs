//! The emulator's APIs as the account's root: what AWS itself would do behind a customer's call.

use std::net::SocketAddr;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::http_client::HttpClient;
use crate::xml;

/// An emulator's refusal, or no answer from it at all.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// The emulator answered with an error.
    #[error("{code}: {message}")]
    Refused {
        /// HTTP status of the answer.
        status: StatusCode,
        /// The AWS error code.
        code: String,
        /// The AWS error message.
        message: String,
    },
    /// The emulator did not answer, or not in a form that AWS would.
    #[error("the AWS emulator did not answer properly: {0}")]
    Unusable(#[from] anyhow::Error),
}

impl CloudError {
    /// The AWS error code, when the emulator gave one.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Unusable(_) => "",
        }
    }
}

/// Calls to the emulator as root of the sandbox's account.
#[derive(Clone)]
pub struct Cloud {
    http: HttpClient,
    address: SocketAddr,
    /// The account all of it happens in.
    pub account: String,
    /// The region used where a call names none.
    pub region: String,
}

impl Cloud {
    /// Root of `account` on the emulator at `address`.
    pub fn new(http: HttpClient, address: SocketAddr, account: &str, region: &str) -> Self {
        Self { http, address, account: account.to_owned(), region: region.to_owned() }
    }

    /// The emulator's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The header that makes the emulator take a request as root's: it skips the signature of keys named `test…`.
    pub fn root_authorization(region: &str, service: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential=test/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0")
    }

    /// A call to a REST service such as EKS.
    ///
    /// # Errors
    /// See [`CloudError`].
    pub async fn rest(&self, service: &str, region: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Value, CloudError> {
        let mut request = self.request(service, region, method, path);
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let text = self.finish(request, body).await?;
        parse_json(&text)
    }

    /// A call to a JSON service such as ECR, by its target header.
    ///
    /// # Errors
    /// See [`CloudError`].
    pub async fn target(&self, service: &str, region: &str, target: &str, body: &Value) -> Result<Value, CloudError> {
        let request = self.request(service, region, Method::POST, "/").header("content-type", "application/x-amz-json-1.1").header("x-amz-target", target);
        let text = self.finish(request, Body::from(body.to_string())).await?;
        parse_json(&text)
    }

    /// A call to a query service such as IAM; returns its XML.
    ///
    /// # Errors
    /// See [`CloudError`].
    pub async fn query(&self, service: &str, version: &str, action: &str, parameters: &[(String, String)]) -> Result<String, CloudError> {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("Action", action).append_pair("Version", version).extend_pairs(parameters).finish();
        let request = self.request(service, &self.region, Method::POST, "/").header("content-type", "application/x-www-form-urlencoded");
        self.finish(request, Body::from(form)).await
    }

    fn request(&self, service: &str, region: &str, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("host", self.address.to_string())
            .header("authorization", Self::root_authorization(region, service))
    }

    async fn finish(&self, request: http::request::Builder, body: Body) -> Result<String, CloudError> {
        let request = request.body(body).map_err(anyhow::Error::from)?;
        let response = self.http.fetch(request).await?;
        let text = String::from_utf8(response.body().to_vec()).map_err(anyhow::Error::from)?;
        if response.status().is_success() {
            return Ok(text);
        }
        let type_header = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let (code, message) = error_of(&text, type_header);
        Err(CloudError::Refused { status: response.status(), code, message })
    }
}

/// The error code and message of an AWS error in JSON or XML.
fn error_of(text: &str, type_header: Option<&str>) -> (String, String) {
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        let field = |names: [&str; 3]| names.iter().find_map(|name| json[*name].as_str()).map(str::to_owned);
        let code = type_header.map(str::to_owned).or_else(|| field(["__type", "code", "Code"])).unwrap_or_default();
        return (code, field(["message", "Message", "errorMessage"]).unwrap_or_else(|| text.to_owned()));
    }
    (xml::first(text, "Code").unwrap_or_default(), xml::first(text, "Message").unwrap_or_else(|| text.to_owned()))
}

fn parse_json(text: &str) -> Result<Value, CloudError> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_str(text).map_err(anyhow::Error::from)?)
}
