//! `/api/v1/deployments`

use axum::{
    Json,
    body::Body as HttpBody,
    extract::State,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use control::{OrReplay as _, deployments};
use domain::{
    deployment::{Deployment, DeploymentChange, DeploymentCounts, DeploymentPreview, DeploymentQuery, DeploymentSummary, LogQuery, NewDeployment, Revision, Rollback},
    ids::DeploymentId,
    operation::Started,
    page::Page,
    serving::{PredictRequest, Prediction},
};
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, header};

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    precondition::Seen,
    respond::{Answer, Begun, Tagged},
};
use crate::{live::Place, session::Caller, state::AppState};

/// Lists the deployments you may see.
#[utoipa::path(get, path = "/deployments", operation_id = "list_deployments", tag = "deployments", params(DeploymentQuery), responses((status = 200, body = Page<DeploymentSummary>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<DeploymentQuery>) -> Answer<Json<Page<DeploymentSummary>>> {
    Ok(Json(deployments::list(&ctx, &query).await?))
}

/// Counts the deployments you may see by how they stand.
#[utoipa::path(get, path = "/deployments/counts", operation_id = "count_deployments", tag = "deployments", responses((status = 200, body = DeploymentCounts), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn counts(Caller(ctx): Caller) -> Answer<Json<DeploymentCounts>> {
    Ok(Json(deployments::counts(&ctx).await?))
}

/// Deploys a release into a workspace.
#[utoipa::path(post, path = "/deployments", operation_id = "create_deployment", tag = "deployments", request_body = NewDeployment, responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(Caller(ctx): Caller, Body(new): Body<NewDeployment>) -> Answer<Begun> {
    Ok(Begun(deployments::create(&ctx, &new).await.or_replay()?))
}

/// Says what a new deployment would make and whether anything stands in its way. Changes nothing.
#[utoipa::path(post, path = "/deployments/preview", operation_id = "preview_deployment", tag = "deployments", request_body = NewDeployment, responses((status = 200, body = DeploymentPreview), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn preview(Caller(ctx): Caller, Body(new): Body<NewDeployment>) -> Answer<Json<DeploymentPreview>> {
    Ok(Json(deployments::preview(&ctx, &new).await?))
}

/// Shows a deployment with its replicas.
#[utoipa::path(get, path = "/deployments/{id}", operation_id = "get_deployment", tag = "deployments", params(("id" = DeploymentId, Path)), responses((status = 200, body = Deployment), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<DeploymentId>) -> Answer<Tagged<Deployment>> {
    let deployment = deployments::get(&ctx, id).await?;
    Ok(Tagged(deployment.version, deployment))
}

/// Changes a deployment, as a new revision. The same once more is tried again where it failed, and goes on where it is held.
#[utoipa::path(patch, path = "/deployments/{id}", operation_id = "change_deployment", tag = "deployments", params(("id" = DeploymentId, Path), ("If-Match" = String, Header)), request_body = DeploymentChange, responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn change(Seen(ctx): Seen, Id(id): Id<DeploymentId>, Body(change): Body<DeploymentChange>) -> Answer<Begun> {
    Ok(Begun(deployments::change(&ctx, id, &change).await.or_replay()?))
}

/// Says what a change would make of a deployment and whether anything stands in its way. Changes nothing.
#[utoipa::path(post, path = "/deployments/{id}/preview", operation_id = "preview_change", tag = "deployments", params(("id" = DeploymentId, Path)), request_body = DeploymentChange, responses((status = 200, body = DeploymentPreview), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn preview_change(Caller(ctx): Caller, Id(id): Id<DeploymentId>, Body(change): Body<DeploymentChange>) -> Answer<Json<DeploymentPreview>> {
    Ok(Json(deployments::preview_change(&ctx, id, &change).await?))
}

/// Deletes a deployment with everything that was made for it.
#[utoipa::path(delete, path = "/deployments/{id}", operation_id = "delete_deployment", tag = "deployments", params(("id" = DeploymentId, Path)), responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(Caller(ctx): Caller, Id(id): Id<DeploymentId>) -> Answer<Begun> {
    Ok(Begun(deployments::delete(&ctx, id).await.or_replay()?))
}

/// Lists a deployment's revisions, newest first.
#[utoipa::path(get, path = "/deployments/{id}/revisions", operation_id = "list_revisions", tag = "deployments", params(("id" = DeploymentId, Path)), responses((status = 200, body = Vec<Revision>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn revisions(Caller(ctx): Caller, Id(id): Id<DeploymentId>) -> Answer<Json<Vec<Revision>>> {
    Ok(Json(deployments::revisions(&ctx, id).await?))
}

/// Rolls a deployment back to an earlier revision, as a new one.
#[utoipa::path(post, path = "/deployments/{id}/rollback", operation_id = "roll_back_deployment", tag = "deployments", params(("id" = DeploymentId, Path)), request_body = Rollback, responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn roll_back(Caller(ctx): Caller, Id(id): Id<DeploymentId>, Body(rollback): Body<Rollback>) -> Answer<Begun> {
    Ok(Begun(deployments::roll_back(&ctx, id, &rollback).await.or_replay()?))
}

/// Sends a request to a ready replica and gives the model's answer. An answer of the model that is no success is a problem with its status and cause in `detail` and the whole of it in `answer`: `model_refused` (422) for a 4xx of the model's, else `model_error` (502).
#[utoipa::path(post, path = "/deployments/{id}/predict", operation_id = "predict", tag = "deployments", params(("id" = DeploymentId, Path)), request_body = PredictRequest, responses((status = 200, body = Prediction), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn predict(Caller(ctx): Caller, Id(id): Id<DeploymentId>, Body(request): Body<PredictRequest>) -> Answer<Response> {
    let answer = deployments::predict(&ctx, id, &request).await?;
    Ok(if (200..300).contains(&answer.status) { Json(answer).into_response() } else { Problem::of_model(answer).into_response() })
}

/// Streams what the replicas write: lines of text, or events for whoever accepts `text/event-stream`.
#[utoipa::path(get, path = "/deployments/{id}/logs", operation_id = "read_logs", tag = "deployments", params(("id" = DeploymentId, Path), LogQuery), responses((status = 200, content_type = "text/plain", body = String), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn logs(State(state): State<AppState>, Caller(ctx): Caller, Id(id): Id<DeploymentId>, Query(query): Query<LogQuery>, headers: HeaderMap) -> Answer<Response> {
    let place = Place::take(&state, &ctx)?;
    let lines = deployments::logs(&ctx, id, &query).await?;
    let lines = lines.map(move |line| {
        let _held_while_it_is_read = &place;
        line
    });
    let events = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/event-stream"));
    Ok(if events { as_events(lines) } else { as_text(lines) })
}

type Lines = control::Result<domain::deployment::LogLine>;

fn as_text(lines: impl Stream<Item = Lines> + Send + 'static) -> Response {
    let text = lines.map(|line| {
        Ok::<_, std::convert::Infallible>(match line {
            Ok(line) => format!("{} {}\n", line.pod, line.text),
            Err(error) => format!("-- {}\n", said(&error)),
        })
    });
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], HttpBody::from_stream(text)).into_response()
}

/// Each line is an event `line`; why the stream ends early is an event `end`, after which nobody need come back.
fn as_events(lines: impl Stream<Item = Lines> + Send + 'static) -> Response {
    let events = lines.map(|line| match line {
        Ok(line) => Event::default().event("line").json_data(line),
        Err(error) => Ok(Event::default().event("end").data(said(&error))),
    });
    let end = futures::stream::once(async { Ok(Event::default().event("end").data("")) });
    Sse::new(events.chain(end)).keep_alive(KeepAlive::default()).into_response()
}

/// What a reader of logs is told; what is ours stays in the log.
fn said(error: &control::Error) -> String {
    match error.rejected() {
        Some(rejected) => rejected.message.clone(),
        None => {
            tracing::error!(%error, "a log stream broke off");
            "The stream broke off on our side.".into()
        }
    }
}
