//! Tags and images that are not there, or not any more.

use aws_sdk_ecr::types::ImageIdentifier;
use control::deployments;
use domain::{Code, deployment::NewDeployment, operation::OperationState};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    nodes::Closed,
    place::{Place, REPOSITORY, release},
    scene::{Scene, object},
    stage::Stage,
};

/// No other test uses this image.
const TAG: &str = "slow";

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_tag_that_is_not_there_is_refused_at_its_field(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let place = Place::new(&scene).await;
    let before = scene.count("select count(*) from releases").await;
    let error = release(&place.deployer, place.model, "vanished").await.unwrap_err();
    let rejected = error.rejected().expect("the person is told");
    assert_eq!((rejected.code, rejected.errors[0].field.as_str()), (Code::ImageNotFound, "tag"));
    assert_eq!(rejected.message, "In main, us-east-1: forecasting/iris has no image tagged vanished. Push it first, or choose another tag.");
    assert_eq!(scene.count("select count(*) from releases").await, before);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_deployment_whose_image_was_deleted_after_its_release_says_so(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let released = release(&place.deployer, place.model, TAG).await.unwrap();
    let image = Image::delete(scene, &released.digest).await;
    let error = release(&place.deployer, place.model, TAG).await.unwrap_err();
    assert!(error.is(Code::ImageNotFound));

    let closed = Closed::new(scene, "fleet").await;
    let new = NewDeployment { release: released.id, ..place.wanted(workspace.id, "slow") };
    let deployed = deployments::create(&place.deployer, &new).await.unwrap().operation;
    scene.says(deployed, "waits for a node").await;
    // Simulated nodes pull nothing: what a kubelet says of such an image is said for them.
    for pod in Api::<Pod>::namespaced(admin.clone(), &workspace.namespace).list(&ListParams::default()).await.unwrap() {
        as_kubelet(admin, &pod, &released.digest).await;
    }
    // From here on nothing asks the registry; other tests find it as it was.
    image.push_again().await;
    let failed = scene.ends(deployed).await;
    let failure = failed.failure.expect("a cause");
    assert_eq!((failed.state, failure.code.as_str()), (OperationState::Failed, "image_not_found"));
    let cause = format!("The image {REPOSITORY}@{}… is not in its registry any more.", &released.digest[.."sha256:".len() + 8]);
    assert_eq!((failure.cause, failure.next.as_str()), (cause, "Push it again, or deploy another release."));
    assert!(failure.raw.is_some_and(|raw| raw.contains(&released.digest)));
    drop(closed);
    worker.stop().await;
}

/// An image that was deleted, and can be pushed again.
struct Image {
    ecr: aws_sdk_ecr::Client,
    manifest: String,
    media_type: Option<String>,
}

impl Image {
    async fn delete(scene: &Scene, digest: &str) -> Self {
        let ecr = aws_sdk_ecr::Client::new(&scene.sandbox.administrator());
        let id = ImageIdentifier::builder().image_digest(digest).build();
        let found = ecr.batch_get_image().repository_name(REPOSITORY).image_ids(id.clone()).send().await.unwrap();
        let [image] = found.images() else { panic!("{found:?}") };
        let (manifest, media_type) = (image.image_manifest().unwrap().to_owned(), image.image_manifest_media_type().map(str::to_owned));
        let gone = ecr.batch_delete_image().repository_name(REPOSITORY).image_ids(id).send().await.unwrap();
        assert!(gone.failures().is_empty(), "{gone:?}");
        Self { ecr, manifest, media_type }
    }

    async fn push_again(self) {
        let put = self.ecr.put_image().repository_name(REPOSITORY).image_tag(TAG).image_manifest(self.manifest).set_image_manifest_media_type(self.media_type);
        put.send().await.unwrap();
    }
}

/// What a kubelet says of a pod whose image its registry does not have.
async fn as_kubelet(admin: &kube::Client, pod: &Pod, digest: &str) {
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap());
    let image = pod.spec.as_ref().unwrap().containers[0].image.clone().unwrap();
    assert!(image.ends_with(digest), "{image} is what was released");
    let status = json!({"status": {
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}],
        "containerStatuses": [{
            "name": "model", "image": image, "imageID": "", "ready": false, "started": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": format!("Back-off pulling image \"{image}\"")}},
        }],
    }});
    Api::<Pod>::namespaced(admin.clone(), &namespace).patch_status(&name, &PatchParams::default(), &Patch::Strategic(&status)).await.unwrap();
    let event: Event = object(json!({
        "metadata": {"name": format!("{name}.pull"), "namespace": namespace},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": name, "uid": pod.uid()},
        "reason": "Failed", "type": "Warning",
        "message": format!("Failed to pull image \"{image}\": rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"),
    }));
    Api::<Event>::namespaced(admin.clone(), &namespace).create(&PostParams::default(), &event).await.unwrap();
}
