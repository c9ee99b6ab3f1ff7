//! Answers in the shapes AWS gives them, errors above all.

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::xml;

/// The wire format of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Paths and JSON, the error's type in a header: EKS.
    RestJson,
    /// One path, the action in a header, the error's type in the body: ECR.
    Json,
    /// Forms and XML: IAM, STS, EC2, CloudFormation, …
    Query,
    /// Paths and XML: S3.
    RestXml,
}

impl Protocol {
    /// The format of `service`, by its SigV4 name.
    pub fn of(service: &str) -> Self {
        match service {
            "eks" => Self::RestJson,
            "s3" => Self::RestXml,
            "iam" | "sts" | "ec2" | "cloudformation" | "autoscaling" | "elasticloadbalancing" => Self::Query,
            _ => Self::Json,
        }
    }
}

/// A refusal or failure, as AWS would put it.
#[derive(Clone, Debug)]
pub struct AwsError {
    /// HTTP status.
    pub status: StatusCode,
    /// Error code, such as `AccessDeniedException`.
    pub code: String,
    /// The sentence for people.
    pub message: String,
}

impl AwsError {
    /// An error with `status`, `code` and `message`.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    /// A refusal by IAM.
    pub fn denied(service: &str, message: impl Into<String>) -> Self {
        match Protocol::of(service) {
            Protocol::RestJson => Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message),
            Protocol::Json => Self::new(StatusCode::BAD_REQUEST, "AccessDeniedException", message),
            Protocol::Query | Protocol::RestXml => Self::new(StatusCode::FORBIDDEN, "AccessDenied", message),
        }
    }

    /// A parameter that EKS refuses.
    pub fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameterException", message)
    }

    /// A request that does not fit the state of the thing.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequestException", message)
    }

    /// A thing that is busy or already there.
    pub fn in_use(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "ResourceInUseException", message)
    }

    /// A thing that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    }

    /// The sandbox itself failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServerException", message)
    }

    /// The answer in the format of `service`.
    pub fn answer(&self, service: &str) -> Response<Body> {
        let id = request_id();
        match Protocol::of(service) {
            Protocol::RestJson => respond(
                Response::builder().header("x-amzn-errortype", &self.code).header("content-type", "application/json"),
                self.status,
                &id,
                json!({ "message": self.message, "code": self.code }).to_string(),
            ),
            Protocol::Json => respond(
                Response::builder().header("content-type", "application/x-amz-json-1.1"),
                self.status,
                &id,
                json!({ "__type": self.code, "message": self.message }).to_string(),
            ),
            Protocol::Query => {
                let kind = if self.status.is_server_error() { "Receiver" } else { "Sender" };
                let (code, message) = (xml::escape(&self.code), xml::escape(&self.message));
                let body = if service == "ec2" {
                    format!("<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>{id}</RequestID></Response>")
                } else {
                    format!("<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>")
                };
                respond(Response::builder().header("content-type", "text/xml"), self.status, &id, body)
            }
            Protocol::RestXml => {
                let body = format!("<Error><Code>{}</Code><Message>{}</Message><RequestId>{id}</RequestId></Error>", xml::escape(&self.code), xml::escape(&self.message));
                respond(Response::builder().header("content-type", "application/xml"), self.status, &id, body)
            }
        }
    }
}

/// A JSON answer.
pub fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    respond(Response::builder().header("content-type", "application/json"), status, &request_id(), body.to_string())
}

fn respond(builder: http::response::Builder, status: StatusCode, id: &str, body: String) -> Response<Body> {
    builder.status(status).header("x-amzn-requestid", id).body(Body::from(body)).expect("error codes and ids are valid header values")
}

/// A request id of the form AWS uses.
pub fn request_id() -> String {
    let bits: u128 = rand::random();
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
