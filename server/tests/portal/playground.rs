//! What a deployment's page says of a model's answer. No model runs here: what it answers is made up, the page is the portal's own.

use app::pages::deployment::{self, Asked};
use axum::{Router, routing::post};
use control::testing;
use domain::{ids::DeploymentId, serving::Prediction};
use serde_json::json;
use server::{
    forms::{posted::Posted, shown::PageResult},
    rest::extract::Id,
};
use sqlx::PgPool;

use crate::{
    common::World,
    place::{CLUSTER, Place},
};

async fn answered(Id(id): Id<DeploymentId>, Posted(ctx, typed): Posted) -> PageResult {
    let body = json!({ "outputs": [{ "name": "label", "datatype": "INT64", "shape": [1], "data": [2] }] });
    let asked = Asked { body: json!({}), path: None, answer: Prediction { status: 200, body, latency_ms: 1.5, pod: "iris-1".into(), revision: 1 } };
    Ok(deployment::show(&ctx, id, typed, Some(asked)).await?.into())
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_answer_about_what_the_model_never_saw_comes_with_a_warning(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    let metadata = json!({ "name": "iris", "inputs": [{ "name": "features", "datatype": "FP32", "shape": [-1, 2], "parameters": { "features": [
        { "name": "petal length", "unit": "cm", "minimum": 1.0, "maximum": 6.9 }, { "name": "petal <width>", "minimum": 0.1, "maximum": 2.5 }] } }] });
    sqlx::query("update deployments set state = 'live', metadata = $2 where id = $1").bind(id.0).bind(metadata).execute(&pool).await.unwrap();
    let pod = format!(
        "insert into observed_pods (cluster_id, namespace, name, uid, deployment_id, revision, phase, ready, terminating, restarts, created_at)
         values ('{CLUSTER}', 'forecasting', 'iris-1', 'a', '{id}', 1, 'Running', true, false, 0, now())"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(pod)).execute(&pool).await.unwrap();
    let world = World::around(testing::World::new(pool).await, Router::new().route("/deployments/{id}", post(answered)));
    let ask = async |length: &str, width: &str| {
        let form = [("do", "predict"), ("input.0.0", length), ("input.0.1", width)];
        world.post(&place.deployer.browser, &format!("/deployments/{id}"), &form).await.expect(200).body
    };
    let care = "Take this answer with care";
    let known = ask("6.9", "0.1").await;
    assert!(known.contains("id=\"answer\"") && !known.contains(care), "{known}");
    let strange = ask("-5", "7e3").await;
    let answer = &strange[strange.find("id=\"answer\"").unwrap()..];
    for text in [care, "petal length is -5, and the model knows it from 1 to 6.9.", "petal &lt;width&gt; is 7e3, and the model knows it from 0.1 to 2.5."] {
        assert!(answer.contains(text), "{text} is not in {answer}");
    }
    assert!(strange.contains("value=\"-5\""), "what was typed stands in the form");
}
