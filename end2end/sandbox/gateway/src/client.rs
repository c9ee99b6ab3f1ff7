//! A small AWS client that signs as a principal of its choice: the seed uses it, and so do the tests.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http_client::HttpClient;

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token, for temporary keys.
    pub token: Option<String>,
}

/// Calls to the gateway, signed with a key.
#[derive(Clone)]
pub struct Client {
    http: HttpClient,
    gateway: SocketAddr,
    region: String,
    keys: Keys,
}

impl Client {
    /// A client of the gateway at `gateway`.
    pub fn new(gateway: SocketAddr, region: &str, keys: Keys) -> Self {
        Self { http: HttpClient::new(), gateway, region: region.to_owned(), keys }
    }

    /// The key it signs with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The same client with another key.
    pub fn with_keys(&self, keys: Keys) -> Self {
        Self { keys, ..self.clone() }
    }

    /// A call to EKS.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn eks(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        self.send("eks", method, path, &[("content-type", "application/json")], body).await
    }

    /// A call to ECR.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ecr(&self, action: &str, body: &Value) -> Result<Answer> {
        let target = format!("{}{action}", crate::call::ECR_TARGET);
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        self.send("ecr", Method::POST, "/", &headers, body.to_string().into()).await
    }

    /// A call to a query service: IAM, STS, EC2, Auto Scaling.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn query(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
        let version = match service {
            "iam" => "2010-05-08",
            "sts" => "2011-06-15",
            "ec2" => "2016-11-15",
            "autoscaling" => "2011-01-01",
            _ => bail!("the version of {service}'s API is not known"),
        };
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("Action", action).append_pair("Version", version).extend_pairs(parameters).finish();
        self.send(service, Method::POST, "/", &[("content-type", "application/x-www-form-urlencoded")], form.into()).await
    }

    async fn send(&self, service: &str, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer> {
        let uri = format!("http://{}{path}", self.gateway);
        let mut request = Request::builder().method(method).uri(&uri).header("host", self.gateway.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.clone()))?;
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let signed: Vec<(&str, &str)> = headers.iter().copied().chain([("host", request.uri().authority().map_or("", |host| host.as_str()))]).collect();
        let signable = SignableRequest::new(request.method().as_str(), uri.as_str(), signed.into_iter(), SignableBody::Bytes(&body))?;
        let identity = self.credentials().into();
        let parameters = v4::SigningParams::builder().identity(&identity).region(&self.region).name(service).time(SystemTime::now()).settings(settings).build()?.into();
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(Answer(self.http.fetch(request).await?))
    }

    /// A token for a cluster, signed at `time`; `aws eks get-token` says that its URL `expires` in 60 seconds.
    ///
    /// # Errors
    /// When the request cannot be signed.
    pub fn eks_token(&self, cluster: &str, time: SystemTime, expires: Duration) -> Result<String> {
        let host = self.gateway.to_string();
        let uri = format!("http://{host}/?Action=GetCallerIdentity&Version=2011-06-15");
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires);
        let headers = [("host", host.as_str()), ("x-k8s-aws-id", cluster)];
        let signable = SignableRequest::new("GET", uri.as_str(), headers.into_iter(), SignableBody::Bytes(&[]))?;
        let identity = self.credentials().into();
        let parameters = v4::SigningParams::builder().identity(&identity).region(&self.region).name("sts").time(time).settings(settings).build()?.into();
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        let mut request = Request::builder().uri(&uri).body(())?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(request.uri().to_string())))
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.keys.id, &self.keys.secret, self.keys.token.clone(), None, "sandbox")
    }
}

/// An answer of the gateway.
pub struct Answer(Response<Bytes>);

impl Answer {
    /// The HTTP status as a number.
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.0.body()).into_owned()
    }

    /// The body as JSON; null when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap_or(Value::Null)
    }

    /// The AWS error code, from wherever the service puts it; empty when there is none.
    pub fn error_code(&self) -> String {
        let header = self.0.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
        header.or_else(|| self.json()["__type"].as_str().map(str::to_owned)).or_else(|| self.xml("Code")).unwrap_or_default()
    }

    /// The text of the first XML element of that name.
    pub fn xml(&self, tag: &str) -> Option<String> {
        crate::xml::first(&self.text(), tag)
    }

    /// The answer itself when it is a success.
    ///
    /// # Errors
    /// With status and body when it is not.
    pub fn success(self) -> Result<Self> {
        if !self.0.status().is_success() {
            bail!("{}: {}", self.0.status(), self.text());
        }
        Ok(self)
    }

    /// The keys in an answer that made some.
    ///
    /// # Errors
    /// When it has none.
    pub fn keys(&self) -> Result<Keys> {
        let field = |tag: &str| self.xml(tag).with_context(|| format!("the answer has no {tag}: {}", self.text()));
        Ok(Keys { id: field("AccessKeyId")?, secret: field("SecretAccessKey")?, token: self.xml("SessionToken") })
    }
}
