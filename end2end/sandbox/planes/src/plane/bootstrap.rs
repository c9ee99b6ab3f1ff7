//! What EKS puts into a new cluster before anyone sees it.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::api::Api;
use crate::plane::files::AUTHENTICATOR;

/// Makes the objects, waiting for kube-system, which the API server makes by itself.
pub(super) async fn bootstrap(api: &Api) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while api.get("/api/v1/namespaces/kube-system").await?.is_none() {
        anyhow::ensure!(Instant::now() < deadline, "the API server did not make kube-system");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (path, object) in objects() {
        api.ensure(path, &object).await?;
    }
    Ok(())
}

/// The authenticator may read aws-auth and nothing else.
fn objects() -> [(&'static str, Value); 2] {
    let named = json!({ "name": AUTHENTICATOR, "namespace": "kube-system" });
    [
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles",
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": named.clone(),
                "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["aws-auth"], "verbs": ["get", "list", "watch"] }],
            }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings",
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": named,
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": AUTHENTICATOR },
                "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": AUTHENTICATOR }],
            }),
        ),
    ]
}
