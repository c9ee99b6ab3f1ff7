//! `/deployments/{id}`, where the same is tried once more: after a conflict, after a hold, with another release.

use app::{form::Typed, pages::register};
use control::{deployments, operations, releases};
use domain::{
    deployment::DeploymentChange,
    ids::{DeploymentId, ReleaseId},
};
use sqlx::PgPool;

use crate::{
    common::Person,
    place::{CLUSTER, Place, RELEASES},
};

async fn run(pool: &PgPool, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

/// The wanted revision came up.
async fn comes_up(pool: &PgPool, id: DeploymentId) {
    let sql = format!(
        "update operations set state = 'succeeded', finished_at = now() where object_id = '{id}' and state = 'running';
         update deployments set state = 'live', state_message = null, live_revision = revision where id = '{id}'"
    );
    run(pool, sql).await;
}

async fn seen(place: &Place, who: &Person, id: DeploymentId) -> String {
    place.world.get(&who.browser, &format!("/deployments/{id}")).await.expect(200).body
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_others_hold_is_taken_over_by_one_click(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    comes_up(&pool, id).await;
    deployments::change(&place.deployer.ctx, id, &DeploymentChange { replicas: Some(2), ..DeploymentChange::default() }).await.unwrap();
    let failure = serde_json::json!({"code": "changed_by_others", "cause": "Others manage some of these fields.", "next": "Take these fields over.", "raw": null,
        "remedy": {"size": null, "port": null, "take_over": true, "fields": [{"field": ".spec.replicas", "manager": "\"kubectl\" using apps/v1"}]}});
    let sql = format!(
        "update operations set state = 'failed', finished_at = now(), failure = '{failure}' where object_id = '{id}' and state = 'running';
         update deployments set state = 'failed', state_message = 'others changed it in the cluster' where id = '{id}';
         insert into inventory (object_id, kind, namespace, name, generation) values ('{id}', 'Deployment', 'forecasting', 'iris', 1);
         insert into observed_pods (cluster_id, namespace, name, uid, deployment_id, revision, phase, ready, terminating, restarts, created_at) values
             ('{CLUSTER}', 'forecasting', 'old', 'a', '{id}', 1, 'Running', true, false, 0, now());"
    );
    run(&pool, sql).await;
    let page = seen(&place, &place.deployer, id).await;
    for text in ["Take these fields over and try again", "revision 1 still serves: 1 replica is live. There is no replica of revision 2."] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert!(!page.contains("at most every five minutes"), "nothing was applied: {page}");
    assert!(!seen(&place, &place.viewer, id).await.contains("value=\"take_over\""));
    let form = place.world.get(&place.deployer.browser, &format!("/deployments/{id}/change")).await.expect(200).body;
    assert!(form.contains("revision 1 answers until they are ready"), "{form}");

    let path = format!("/deployments/{id}");
    assert_eq!(place.world.post(&place.deployer.browser, &path, &[("do", "take_over")]).await.expect(303).header("location"), path);
    let revisions = place.world.get(&place.viewer.browser, &format!("/api/v1{path}/revisions")).await.expect(200).json();
    assert_eq!((&revisions[0]["take_over"], &revisions[0]["replicas"]), (&true.into(), &2.into()), "{revisions}");
    assert!(seen(&place, &place.viewer, id).await.contains("took fields over"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_somebody_scaled_by_hand_is_set_again_by_one_click(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    comes_up(&pool, id).await;
    let sql = format!(
        "update deployments set state = 'degraded', state_message = 'Somebody set 2 replicas in the cluster; revision 1 wants 1.' where id = '{id}';
         insert into observed_deployments (cluster_id, namespace, name, deployment_id, uid, resource_version, installation, slipway_generation, revision, observed_by_controller,
             asked_replicas, replicas, updated_replicas, ready_replicas, available_replicas)
         values ('{CLUSTER}', 'forecasting', 'iris', '{id}', 'd', '1', 'x', 1, 1, true, 2, 2, 2, 2, 2)"
    );
    run(&pool, sql).await;
    let page = seen(&place, &place.deployer, id).await;
    assert!(page.contains("Somebody set 2 replicas in the cluster") && page.contains("Take it over: set 1 replica again"), "{page}");
    assert!(!seen(&place, &place.viewer, id).await.contains("value=\"take_over\""));
    let change = serde_json::json!({"take_over": true});
    let path = format!("/api/v1/deployments/{id}");
    let etag = place.world.get(&place.deployer.browser, &path).await.expect(200).header("etag").to_owned();
    place.world.json(&place.deployer.browser, http::Method::PATCH, &path, &[("if-match", &etag)], &change).await.expect(202);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_on_hold_is_resumed_where_it_says_so(pool: PgPool) {
    let place = Place::new(pool.clone()).await;
    let id = place.deployed(1).await;
    comes_up(&pool, id).await;
    let change = DeploymentChange { release: Some(ReleaseId(RELEASES[1])), ..DeploymentChange::default() };
    let started = deployments::change(&place.deployer.ctx, id, &change).await.unwrap();
    operations::cancel(&place.deployer.ctx, started.operation).await.unwrap();
    let page = seen(&place, &place.deployer, id).await;
    assert_eq!(page.matches("value=\"resume_rollout\"").count(), 1, "{page}");
    assert!(!seen(&place, &place.viewer, id).await.contains("value=\"resume_rollout\""));
    place.world.post(&place.deployer.browser, &format!("/deployments/{id}"), &[("do", "resume_rollout")]).await.expect(303);
    comes_up(&pool, id).await;
    let page = seen(&place, &place.deployer, id).await;
    assert!(page.contains("<td>resumed") && page.matches("<td>first").count() == 1, "{page}");
    // The way back leads past the revision that is the same.
    assert!(page.contains("href=\"#back-1\"") && !page.contains("href=\"#back-2\""), "{page}");
    assert!(page.contains("Roll back to revision 1") && !page.contains("Roll back to revision 2"), "{page}");
    let refused = place.world.post(&place.deployer.browser, &format!("/deployments/{id}"), &[("do", "roll_back"), ("revision", "2")]).await.expect(409).body;
    assert!(refused.contains("there is nothing to roll back"), "{refused}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_release_registered_for_a_deployment_leads_back_to_it(pool: PgPool) {
    let place = Place::new(pool).await;
    let id = place.deployed(1).await;
    let release = releases::get(&place.viewer.ctx, ReleaseId(RELEASES[1])).await.unwrap();
    let to = |deployment: String| Typed::new(vec![(register::FOR_DEPLOYMENT.to_owned(), deployment)]);
    let model = format!("/models/{}#release-2", release.model);
    let form = format!("/deployments/{id}/change?release={}", release.id);
    assert_eq!(register::leads_to(&place.deployer.ctx, &to(id.to_string()), &release).await.unwrap(), form);
    for (who, deployment) in
        [(&place.viewer, id.to_string()), (&place.deployer, uuid::Uuid::from_u128(9).to_string()), (&place.deployer, "//evil".to_owned()), (&place.deployer, String::new())]
    {
        assert_eq!(register::leads_to(&who.ctx, &to(deployment), &release).await.unwrap(), model);
    }
    let filled = place.world.get(&place.deployer.browser, &form).await.expect(200).body;
    assert!(filled.contains(&format!("<option value=\"{}\" selected>", release.id)) && filled.contains("<ins class=\"lines\">iris 2</ins>"), "{filled}");
    let register = place.world.get(&place.deployer.browser, &format!("/models/{}/releases/new?deployment={id}", release.model)).await.expect(200).body;
    assert!(register.contains(&format!("<input type=\"hidden\" name=\"deployment\" value=\"{id}\"")), "{register}");
}
