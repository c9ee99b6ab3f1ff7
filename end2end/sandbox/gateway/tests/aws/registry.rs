//! The image registry behind ECR's tokens.

use crate::support::{ACCOUNT, Running, allow, allow_each};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway::client::Client;
use http::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PULL: [&str; 4] = ["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"];

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

async fn login(client: &Client) -> String {
    let given = client.ecr("GetAuthorizationToken", &json!({})).await.unwrap().success().unwrap().json();
    format!("Basic {}", given["authorizationData"][0]["authorizationToken"].as_str().unwrap())
}

async fn request(running: &Running, login: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> Response<Bytes> {
    let headers = [("authorization", login), ("content-type", kind)];
    running.plain(method, path, &headers, Bytes::copy_from_slice(body)).await
}

async fn push_blob(running: &Running, login: &str, repository: &str, blob: &[u8]) {
    let started = request(running, login, "POST", &format!("/v2/{repository}/blobs/uploads/"), "application/octet-stream", b"").await;
    assert_eq!(started.status().as_u16(), 202, "{:?}", started.body());
    let location = started.headers()["location"].to_str().unwrap().to_owned();
    let sent = request(running, login, "PATCH", &location, "application/octet-stream", blob).await;
    assert_eq!(sent.status().as_u16(), 202);
    let finish = format!("{location}?digest={}", digest(blob).replace(':', "%3A"));
    let done = request(running, login, "PUT", &finish, "application/octet-stream", b"").await;
    assert_eq!(done.status().as_u16(), 201, "{:?}", done.body());
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Pushes an image of one layer and returns its digest.
async fn push(running: &Running, login: &str, repository: &str, tag: &str) -> String {
    let (config, layer) = (b"{\"architecture\":\"amd64\",\"os\":\"linux\"}".as_slice(), b"a layer".as_slice());
    push_blob(running, login, repository, config).await;
    push_blob(running, login, repository, layer).await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(), "digest": digest(config) },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "size": layer.len(), "digest": digest(layer) }],
    })
    .to_string();
    let put = request(running, login, "PUT", &format!("/v2/{repository}/manifests/{tag}"), MANIFEST, manifest.as_bytes()).await;
    assert_eq!(put.status().as_u16(), 201, "{:?}", put.body());
    digest(manifest.as_bytes())
}

#[tokio::test]
async fn an_image_is_pushed_and_pulled_by_those_who_may() {
    let running = Running::start().await;
    let root = running.root();
    let made = root.ecr("CreateRepository", &json!({ "repositoryName": "forecasting/iris" })).await.unwrap().success().unwrap().json();
    assert_eq!(made["repository"]["repositoryUri"], format!("{}/forecasting/iris", running.gateway));
    let given = root.ecr("GetAuthorizationToken", &json!({})).await.unwrap().success().unwrap().json();
    assert_eq!(given["authorizationData"][0]["proxyEndpoint"], format!("http://{}", running.gateway));

    let repository = format!("arn:aws:ecr:*:{ACCOUNT}:repository/forecasting/*");
    let push_policy = allow_each(&[(&["ecr:*"], repository.as_str()), (&["ecr:GetAuthorizationToken"], "*")]);
    let pusher = running.user("pusher", Some(&push_policy)).await;
    let pushed = push(&running, &login(&pusher).await, "forecasting/iris", "v1").await;
    let images = root.ecr("DescribeImages", &json!({ "repositoryName": "forecasting/iris" })).await.unwrap().success().unwrap().json();
    assert_eq!((&images["imageDetails"][0]["imageDigest"], &images["imageDetails"][0]["imageTags"][0]), (&json!(pushed), &json!("v1")));

    let (config, layer) = (37, 7);
    assert_eq!(images["imageDetails"][0]["imageSizeInBytes"], config + layer, "the layers' size, not the manifest's");

    let puller = running.user("puller", Some(&allow(&PULL, "*"))).await;
    let pull = login(&puller).await;
    let manifest = request(&running, &pull, "GET", "/v2/forecasting/iris/manifests/v1", "", b"").await;
    assert_eq!((manifest.status().as_u16(), digest(manifest.body())), (200, pushed));
    let layer = request(&running, &pull, "GET", &format!("/v2/forecasting/iris/blobs/{}", digest(b"a layer")), "", b"").await;
    assert_eq!(layer.body().as_ref(), b"a layer");
    let refused = request(&running, &pull, "POST", "/v2/forecasting/iris/blobs/uploads/", "", b"").await;
    let refusal: Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!((refused.status().as_u16(), &refusal["errors"][0]["code"]), (403, &json!("DENIED")));
    assert!(refusal["errors"][0]["message"].as_str().unwrap().contains("ecr:InitiateLayerUpload"));

    // Rights are those of the moment, not of the login.
    root.query("iam", "DeleteUserPolicy", &[("UserName", "puller"), ("PolicyName", "inline")]).await.unwrap().success().unwrap();
    assert_eq!(request(&running, &pull, "GET", "/v2/forecasting/iris/manifests/v1", "", b"").await.status().as_u16(), 403);
    running.stop().await;
}

#[tokio::test]
async fn a_login_outlives_a_restart_and_strangers_are_asked_to_log_in() {
    let running = Running::start().await;
    running.root().ecr("CreateRepository", &json!({ "repositoryName": "one" })).await.unwrap().success().unwrap();
    let user = running.user("ada", Some(&allow(&["ecr:*"], "*"))).await;
    let token = login(&user).await;
    let pushed = push(&running, &token, "one", "v1").await;
    let (state, planes) = running.stop().await;

    let again = Running::start_on(state, planes).await;
    let manifest = request(&again, &token, "GET", "/v2/one/manifests/v1", "", b"").await;
    assert_eq!((manifest.status().as_u16(), digest(manifest.body())), (200, pushed));
    let described = again.root().ecr("DescribeRepositories", &json!({})).await.unwrap().success().unwrap().json();
    assert_eq!(described["repositories"][0]["repositoryUri"], format!("{}/one", again.gateway), "the address of now");

    let forged = format!("Basic {}", STANDARD.encode("AWS:forged"));
    for login in [forged.as_str(), "Bearer x", ""] {
        let refused = request(&again, login, "GET", "/v2/", "", b"").await;
        assert_eq!(refused.status().as_u16(), 401);
        assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic realm="));
    }
    assert_eq!(request(&again, &token, "GET", "/v2/", "", b"").await.status().as_u16(), 200);
    assert_eq!(request(&again, &token, "GET", "/v2/_catalog", "", b"").await.status().as_u16(), 404);
    again.stop().await;
}

#[tokio::test]
async fn a_manifest_needs_its_layers_which_can_come_from_another_repository() {
    let running = Running::start().await;
    let root = running.root();
    for name in ["one", "two"] {
        root.ecr("CreateRepository", &json!({ "repositoryName": name })).await.unwrap().success().unwrap();
    }
    let token = login(&root).await;
    let pushed = push(&running, &token, "one", "v1").await;
    let manifest = request(&running, &token, "GET", "/v2/one/manifests/v1", "", b"").await.into_body();

    let refused = request(&running, &token, "PUT", "/v2/two/manifests/v1", MANIFEST, &manifest).await;
    let refusal: Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!((refused.status().as_u16(), &refusal["errors"][0]["code"]), (400, &json!("MANIFEST_BLOB_UNKNOWN")));
    let parsed: Value = serde_json::from_slice(&manifest).unwrap();
    for blob in [&parsed["config"], &parsed["layers"][0]] {
        let mount = format!("/v2/two/blobs/uploads/?mount={}&from=one", blob["digest"].as_str().unwrap());
        assert_eq!(request(&running, &token, "POST", &mount, "", b"").await.status().as_u16(), 201);
    }
    assert_eq!(request(&running, &token, "PUT", "/v2/two/manifests/v1", MANIFEST, &manifest).await.status().as_u16(), 201);

    root.ecr("DeleteRepository", &json!({ "repositoryName": "one", "force": true })).await.unwrap().success().unwrap();
    let layer = digest(b"a layer");
    let gone = request(&running, &token, "GET", &format!("/v2/one/blobs/{layer}"), "", b"").await;
    assert_eq!(gone.status().as_u16(), 404);
    let kept = request(&running, &token, "GET", &format!("/v2/two/blobs/{layer}"), "", b"").await;
    assert_eq!(kept.body().as_ref(), b"a layer");
    let images = root.ecr("DescribeImages", &json!({ "repositoryName": "two" })).await.unwrap().success().unwrap().json();
    assert_eq!(images["imageDetails"][0]["imageDigest"], pushed);
    running.stop().await;
}

#[tokio::test]
async fn an_upload_that_is_not_what_it_says_is_refused() {
    let running = Running::start().await;
    let root = running.root();
    root.ecr("CreateRepository", &json!({ "repositoryName": "one" })).await.unwrap().success().unwrap();
    let token = login(&root).await;
    let wrong = format!("/v2/one/blobs/uploads/?digest={}", digest(b"something else"));
    let refused = request(&running, &token, "POST", &wrong, "", b"a layer").await;
    let refusal: Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!((refused.status().as_u16(), &refusal["errors"][0]["code"]), (400, &json!("DIGEST_INVALID")));
    let right = format!("/v2/one/blobs/uploads/?digest={}", digest(b"a layer"));
    assert_eq!(request(&running, &token, "POST", &right, "", b"a layer").await.status().as_u16(), 201);
    for (method, path, status) in [
        ("PATCH", "/v2/one/blobs/uploads/..%2f..%2fx", 405),
        ("PATCH", "/v2/one/blobs/uploads/..", 404),
        ("PATCH", "/v2/one/blobs/uploads/00000000", 404),
        ("POST", "/v2/nothing/blobs/uploads/", 404),
    ] {
        assert_eq!(request(&running, &token, method, path, "", b"x").await.status().as_u16(), status, "{path}");
    }
    running.stop().await;
}
