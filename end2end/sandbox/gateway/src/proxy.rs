//! One AWS request through the gateway: faults first, then whose it is, then the emulator, then what the emulator cannot know.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri};

use crate::answer::AwsError;
use crate::call::{self, Scope};
use crate::principals;
use crate::sandbox::Sandbox;
use crate::{ecr, eks, xml};

/// Calls to services that the gateway looks into are small; AWS caps them lower still.
const SMALL_BODY: usize = 8 << 20;

/// Headers that belong to one connection.
const HOP_BY_HOP: [HeaderName; 4] = [http::header::CONNECTION, http::header::TRANSFER_ENCODING, http::header::UPGRADE, http::header::TE];

/// Actions that AWS takes without a signature, because they bring proof of their own.
const UNSIGNED_ACTIONS: [&str; 2] = ["AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"];

/// Answers an AWS request.
pub async fn answer(sandbox: &Arc<Sandbox>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match call::scope(&parts) {
        Some(scope) => signed(sandbox, scope, parts, body).await,
        None => unsigned(sandbox, parts, body).await,
    }
}

async fn signed(sandbox: &Arc<Sandbox>, scope: Scope, parts: Parts, body: Body) -> Response<Body> {
    let service = call::service(&parts, &scope).to_owned();
    if !matches!(service.as_str(), "eks" | "ecr" | "iam" | "sts" | "autoscaling") {
        if let Some(error) = sandbox.faults.strike(&service, "").await {
            return error.answer(&service);
        }
        return forward(sandbox, parts, body).await;
    }
    let body = match axum::body::to_bytes(body, SMALL_BODY).await {
        Ok(body) => body,
        Err(error) => {
            return AwsError::new(StatusCode::BAD_REQUEST, "InvalidRequestException", format!("the request could not be read: {error}")).answer(&service);
        }
    };
    match service.as_str() {
        "eks" => eks::answer(sandbox, &scope, parts, body).await,
        "ecr" => ecr::answer(sandbox, &scope, parts, body).await,
        _ => query_call(sandbox, &service, &scope, parts, body).await,
    }
}

/// IAM, STS and Auto Scaling: forwarded as they are; the gateway learns from the answers.
async fn query_call(sandbox: &Arc<Sandbox>, service: &str, scope: &Scope, parts: Parts, body: Bytes) -> Response<Body> {
    let form = call::form(&parts, &body);
    let action = form.iter().find(|(name, _)| name == "Action").map_or("", |(_, value)| value.as_str());
    if let Some(error) = sandbox.faults.strike(service, action).await {
        return error.answer(service);
    }
    let action = action.to_owned();
    if service == "sts"
        && let Some(given) = instance_session(sandbox, scope, &form).await
    {
        return given.unwrap_or_else(|error| error.answer("sts"));
    }
    let response = match forward_whole(sandbox, parts, body).await {
        Ok(response) => response,
        Err(error) => return error.answer(service),
    };
    let text = String::from_utf8_lossy(response.body()).into_owned();
    if service == "autoscaling" {
        return match eks::auto_scaling::complete(sandbox, &text) {
            Some(completed) => with_body(response, completed.into()),
            None => response.map(Body::from),
        };
    }
    if response.status().is_success() {
        principals::learn(&sandbox.book, &sandbox.cloud, &scope.key, &form, &text).await;
    } else if service == "sts"
        && action == "GetCallerIdentity"
        && let Some(identity) = identity_despite_policy(sandbox, &scope.key, &text).await
    {
        return identity;
    }
    response.map(Body::from)
}

/// EC2 itself takes an instance's role, which the role's trust allows to `ec2.amazonaws.com` only and not to root.
/// Root asking for such a session, named by the instance, stands for EC2.
async fn instance_session(sandbox: &Sandbox, scope: &Scope, form: &[(String, String)]) -> Option<Result<Response<Body>, AwsError>> {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    if field("Action") != "AssumeRole" || !principals::is_root_key(&scope.key) {
        return None;
    }
    let (role, id) = (field("RoleArn"), field("RoleSessionName"));
    let (_, group) = eks::instances::find(sandbox, id)?;
    if group.role_arn != role {
        return None;
    }
    Some(eks::instances::credentials(sandbox, id).await.map(|given| {
        let text = |field: &str| xml::escape(given[field].as_str().unwrap_or_default());
        let name = role.rsplit('/').next().unwrap_or_default();
        let body = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
             <Expiration>{}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>{id}:{id}</AssumedRoleId>\
             <Arn>arn:aws:sts::{}:assumed-role/{name}/{id}</Arn></AssumedRoleUser></AssumeRoleResult>\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></AssumeRoleResponse>",
            text("AccessKeyId"),
            text("SecretAccessKey"),
            text("Token"),
            text("Expiration"),
            sandbox.cloud.account,
            crate::answer::request_id()
        );
        Response::builder().header("content-type", "text/xml").body(Body::from(body)).expect("the header is a constant")
    }))
}

/// AWS tells everyone who they are, even against a policy; the emulator wants it allowed.
/// It checks the signature before the policies, so a refusal by policy proves that the key is the caller's.
async fn identity_despite_policy(sandbox: &Sandbox, key: &str, refusal: &str) -> Option<Response<Body>> {
    if !is_policy_refusal(refusal) {
        return None;
    }
    let principal = principals::of_key(&sandbox.book, &sandbox.cloud, key).await.ok()??;
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
        xml::escape(&principal.arn),
        xml::escape(&principal.user_id),
        principal.account,
        crate::answer::request_id()
    );
    Response::builder().header("content-type", "text/xml").body(Body::from(body)).ok()
}

/// Whether an error of the emulator says that policies do not allow the call.
pub fn is_policy_refusal(text: &str) -> bool {
    xml::first(text, "Code").is_some_and(|code| code.starts_with("AccessDenied"))
        && xml::first(text, "Message").is_some_and(|message| message.contains("is not authorized to perform"))
}

async fn unsigned(sandbox: &Sandbox, parts: Parts, body: Body) -> Response<Body> {
    let Ok(body) = axum::body::to_bytes(body, SMALL_BODY).await else {
        return missing_token();
    };
    let form = call::form(&parts, &body);
    let proves_itself = form.iter().any(|(name, value)| name == "Action" && UNSIGNED_ACTIONS.contains(&value.as_str()));
    if !proves_itself {
        return missing_token();
    }
    match forward_whole(sandbox, parts, body).await {
        Ok(response) => {
            if response.status().is_success() {
                let text = String::from_utf8_lossy(response.body());
                principals::learn(&sandbox.book, &sandbox.cloud, "", &form, &text).await;
            }
            response.map(Body::from)
        }
        Err(error) => error.answer("sts"),
    }
}

fn missing_token() -> Response<Body> {
    AwsError::new(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", "Missing Authentication Token").answer("eks")
}

/// Passes a request on as it came and its answer back as it comes.
pub async fn forward(sandbox: &Sandbox, parts: Parts, body: Body) -> Response<Body> {
    match sandbox.http.send(upstream(sandbox, parts, body)).await {
        Ok(response) => {
            let (mut parts, body) = response.into_parts();
            drop_hop_by_hop(&mut parts.headers);
            Response::from_parts(parts, Body::new(body))
        }
        Err(error) => unreachable(&error.into()).answer(""),
    }
}

/// Passes a request on as it came and reads the whole answer.
///
/// # Errors
/// When the emulator does not answer.
pub async fn forward_whole(sandbox: &Sandbox, parts: Parts, body: Bytes) -> Result<Response<Bytes>, AwsError> {
    let mut response = sandbox.http.fetch(upstream(sandbox, parts, Body::from(body))).await.map_err(|error| unreachable(&error))?;
    drop_hop_by_hop(response.headers_mut());
    Ok(response)
}

fn upstream(sandbox: &Sandbox, mut parts: Parts, body: Body) -> Request<Body> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri =
        Uri::builder().scheme("http").authority(sandbox.cloud.address().to_string()).path_and_query(path).build().expect("an address and a path that was parsed before make a URI");
    parts.version = http::Version::HTTP_11;
    drop_hop_by_hop(&mut parts.headers);
    Request::from_parts(parts, body)
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn unreachable(error: &anyhow::Error) -> AwsError {
    tracing::error!(error = format!("{error:#}"), "the AWS emulator does not answer");
    AwsError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "the AWS emulator does not answer")
}

/// The same answer with another body.
pub fn with_body(response: Response<Bytes>, body: Bytes) -> Response<Body> {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}
