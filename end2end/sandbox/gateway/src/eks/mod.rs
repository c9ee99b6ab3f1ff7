//! EKS: authorization, control planes that really start, access entries, and tokens.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::Value;

use crate::answer::AwsError;
use crate::authorize::{Verdict, authorize};
use crate::call::Scope;
use crate::cloud::CloudError;
use crate::principals::{self, Principal};
use crate::proxy;
use crate::sandbox::Sandbox;

pub mod addresses;
pub mod auto_scaling;
pub mod clusters;
pub mod entries;
pub mod instances;
pub mod nodegroups;
mod nodes;
pub mod replay;
pub mod resume;
pub mod route;
mod signature;
pub mod tokens;
mod wishes;

use route::Route;

/// An authorized EKS call, on its way to the emulator and back.
pub struct Call<'a> {
    /// The sandbox it is answered in.
    pub sandbox: &'a Arc<Sandbox>,
    /// Which call it is.
    pub route: Route,
    /// The region it was signed for.
    pub region: String,
    /// Who makes it.
    pub principal: Principal,
    /// Its body; null when it has none.
    pub body: Value,
}

/// Answers an EKS request.
pub async fn answer(sandbox: &Arc<Sandbox>, scope: &Scope, parts: Parts, body: Bytes) -> Response<Body> {
    match try_answer(sandbox, scope, parts, body).await {
        Ok(response) => response,
        Err(error) => error.answer("eks"),
    }
}

async fn try_answer(sandbox: &Arc<Sandbox>, scope: &Scope, parts: Parts, bytes: Bytes) -> Result<Response<Body>, AwsError> {
    let route = Route::of(&parts.method, parts.uri.path())
        .ok_or_else(|| AwsError::new(StatusCode::NOT_FOUND, "UnknownOperationException", format!("{} {} is no EKS call of the sandbox", parts.method, parts.uri.path())))?;
    if let Some(error) = sandbox.faults.strike("eks", route.action).await {
        return Err(error);
    }
    let principal = principal_of(sandbox, &scope.key).await?;
    let body = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes).map_err(|error| AwsError::new(StatusCode::BAD_REQUEST, "SerializationException", format!("the body is not JSON: {error}")))?,
    };
    let call = Call { sandbox, route, region: scope.region.clone(), principal, body };
    for wish in wishes::of(&call).await? {
        if let Verdict::Denied(sentence) = authorize(&sandbox.cloud, &call.principal, &wish).await.map_err(failed)? {
            return Err(AwsError::denied("eks", sentence));
        }
    }
    if let Some(earlier) = sandbox.answers.earlier(&call)? {
        return Ok(crate::answer::json_answer(StatusCode::OK, &earlier));
    }
    before(&call)?;
    let response = proxy::forward_whole(sandbox, parts, bytes).await?;
    let response = after(&call, response).await?;
    if sandbox.faults.loses_answer("eks", call.route.action) {
        return Err(AwsError::internal("the answer was lost (a fault that was switched on)"));
    }
    Ok(response)
}

/// Refusals of EKS that the emulator does not know.
fn before(call: &Call<'_>) -> Result<(), AwsError> {
    match call.route.action {
        "CreateCluster" => clusters::check_create(call),
        "DeleteCluster" => clusters::check_delete(call),
        "UpdateClusterVersion" => clusters::check_update_version(call),
        "UpdateClusterConfig" => clusters::check_update_config(call),
        "CreateNodegroup" => nodegroups::check_create(call),
        "UpdateNodegroupConfig" => nodegroups::check_update(call),
        "UpdateNodegroupVersion" => nodegroups::check_version(call),
        "DeleteNodegroup" => nodegroups::check_idle(call),
        "CreateAccessEntry"
        | "DescribeAccessEntry"
        | "DeleteAccessEntry"
        | "UpdateAccessEntry"
        | "ListAccessEntries"
        | "AssociateAccessPolicy"
        | "ListAssociatedAccessPolicies"
        | "DisassociateAccessPolicy" => entries::check(call),
        _ => Ok(()),
    }
}

/// What really happens, and what the emulator's answer lacks.
async fn after(call: &Call<'_>, response: Response<Bytes>) -> Result<Response<Body>, AwsError> {
    if response.status() == StatusCode::NOT_FOUND
        && let Some(being_deleted) = clusters::being_deleted(call).or_else(|| nodegroups::being_deleted(call))
    {
        return Ok(crate::answer::json_answer(StatusCode::OK, &being_deleted));
    }
    if !response.status().is_success() {
        return Ok(response.map(Body::from));
    }
    let Ok(mut answer) = serde_json::from_slice::<Value>(response.body()) else {
        return Ok(response.map(Body::from));
    };
    match call.route.action {
        "CreateCluster" => clusters::created(call, &mut answer).await?,
        "DescribeCluster" => clusters::complete(call.sandbox, &mut answer["cluster"]),
        "DeleteCluster" => clusters::deleted(call, &mut answer),
        "ListClusters" => clusters::complete_list(call, &mut answer),
        "UpdateClusterVersion" => clusters::version_update(call, &answer),
        "UpdateClusterConfig" => clusters::config_updated(call).await?,
        "DescribeUpdate" => clusters::complete_update(call, &mut answer),
        "CreateNodegroup" => nodegroups::created(call, &mut answer).await?,
        "DescribeNodegroup" => nodegroups::complete(call.sandbox, &mut answer["nodegroup"]),
        "DeleteNodegroup" => nodegroups::deleted(call, &mut answer),
        "ListNodegroups" => nodegroups::complete_list(call, &mut answer),
        "UpdateNodegroupConfig" => nodegroups::updated(call, &answer).await?,
        "UpdateNodegroupVersion" => nodegroups::version_updated(call, &answer),
        "CreateAccessEntry" | "DescribeAccessEntry" | "UpdateAccessEntry" => entries::complete(call.sandbox, &mut answer["accessEntry"]),
        _ => {}
    }
    if call.route.action.starts_with("Delete") || call.route.action.starts_with("Disassociate") {
        call.sandbox.answers.forget(&call.route.cluster);
    }
    call.sandbox.answers.remember(call, &answer);
    Ok(proxy::with_body(response, answer.to_string().into()))
}

/// Who a key belongs to.
///
/// # Errors
/// AWS's sentences for a key that it does not know or that has expired.
pub async fn principal_of(sandbox: &Sandbox, key: &str) -> Result<Principal, AwsError> {
    if let Some(principal) = principals::of_key(&sandbox.book, &sandbox.cloud, key).await.map_err(failed)? {
        return Ok(principal);
    }
    let expired = sandbox.book.read(|entries| entries.principals.contains_key(key));
    let (code, state) = if expired { ("ExpiredTokenException", "expired") } else { ("UnrecognizedClientException", "invalid") };
    Err(AwsError::new(StatusCode::FORBIDDEN, code, format!("The security token included in the request is {state}")))
}

/// An emulator that does not answer is the sandbox's fault, not the caller's.
pub fn failed(error: CloudError) -> AwsError {
    tracing::error!(%error, "the AWS emulator failed");
    AwsError::internal(error.to_string())
}
