//! A portal over a database of its own, in front of the sandbox.

use std::{collections::HashMap, time::Duration};

use control::{
    Actor, Control, Ctx, Request,
    aws::AccountAccess,
    aws::eks,
    clusters, reconcile,
    testing::{aws_as, settings},
};
use domain::{
    access::PlatformRole,
    audit::Source,
    cluster::{Cluster, NewCluster},
    ids::{AccountId, ClusterId, OperationId, UserId},
};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use sqlx::PgPool;

const WORKER: &str = "test-worker";

pub struct Sandbox {
    env: HashMap<String, String>,
}

impl Sandbox {
    pub fn new() -> Self {
        let path = std::env::var("SANDBOX_ENV").expect("SANDBOX_ENV names the sandbox's env file");
        let text = std::fs::read_to_string(path).expect("the sandbox's env file");
        let line = |line: &str| line.strip_prefix("export ")?.split_once('=').map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()));
        Self { env: text.lines().filter_map(line).collect() }
    }

    pub fn get(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("{name} is not in the sandbox's env file"))
    }

    /// The break-glass administrator of a cluster.
    pub async fn admin(&self, context: &str) -> kube::Client {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.get("KUBECONFIG")).expect("the sandbox's kubeconfig");
        let options = kube::config::KubeConfigOptions { context: Some(context.into()), ..Default::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a context");
        kube::Client::try_from(config).expect("a client")
    }
}

/// Faults of the sandbox; they end with this.
pub struct Fault<'a>(&'a Sandbox);

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        self.0.control("DELETE", "");
    }
}

impl Sandbox {
    pub fn strike(&self, fault: serde_json::Value) -> Fault<'_> {
        self.control("POST", &fault.to_string());
        Fault(self)
    }

    pub fn control(&self, method: &str, body: &str) {
        use std::io::{Read as _, Write as _};
        let address = self.get("AWS_ENDPOINT_URL").trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).expect("the sandbox");
        write!(stream, "{method} /_sandbox/faults HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
}

pub struct Scene {
    pub sandbox: Sandbox,
    pub control: Control,
    pub admin: Ctx,
    pub access: AccountAccess,
}

impl Scene {
    pub async fn new(pool: PgPool) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sandbox = Sandbox::new();
        let aws = aws_as(sandbox.get("AWS_ENDPOINT_URL"), sandbox.get("AWS_ACCESS_KEY_ID"), sandbox.get("AWS_SECRET_ACCESS_KEY"));
        let control = Control::with_aws(pool, settings(), aws).await.unwrap();
        let user = UserId::generate();
        sqlx::query("insert into users (id, email, name, password_hash, platform_role) values ($1, 'admin@example.com', 'admin', 'none', 'admin')")
            .bind(user.0)
            .execute(&control.pool)
            .await
            .unwrap();
        let access = AccountAccess {
            role_arn: Some(sandbox.get("SLIPWAY_AWS_ROLE_ARN").into()),
            external_id: sandbox.get("SLIPWAY_AWS_EXTERNAL_ID").into(),
            on_behalf_of: "slipway-worker".into(),
        };
        sqlx::query("insert into accounts (id, name, role_arn, external_id, regions) values ($1, 'main', $2, $3, $4)")
            .bind(AccountId::generate().0)
            .bind(&access.role_arn)
            .bind(&access.external_id)
            .bind([sandbox.get("AWS_REGION")])
            .execute(&control.pool)
            .await
            .unwrap();
        let admin = Ctx::new(control.clone(), Actor::user(user, "admin".into(), Some(PlatformRole::Admin)), Source::Api, Request::default());
        Self { sandbox, control, admin, access }
    }

    pub fn config(&self) -> aws_config::SdkConfig {
        self.control.aws.config(&self.access, self.sandbox.get("AWS_REGION"))
    }

    pub async fn attach(&self, name: &str) -> Cluster {
        let new = NewCluster { account: "main".into(), region: self.sandbox.get("AWS_REGION").into(), eks_name: name.into(), name: None };
        clusters::attach(&self.admin, &new).await.unwrap()
    }

    /// Takes away whatever an earlier test left of Slipway's access.
    pub async fn clean(&self, name: &str) {
        let principal = self.access.role_arn.as_deref().unwrap();
        let key = self.sandbox.get("SANDBOX_ADMIN_ACCESS_KEY_ID");
        let as_admin = aws_as(self.sandbox.get("AWS_ENDPOINT_URL"), key, self.sandbox.get("SANDBOX_ADMIN_SECRET_ACCESS_KEY")).ambient(self.sandbox.get("AWS_REGION"));
        let gone = aws_sdk_eks::Client::new(&as_admin).delete_access_entry().cluster_name(name).principal_arn(principal).send().await;
        if let Err(error) = gone {
            assert!(error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()), "{error:?}");
        }
        let client = self.sandbox.admin(name).await;
        let params = DeleteParams::foreground();
        for role in ["slipway", "slipway-viewer", "slipway-deployer", "slipway-owner"] {
            drop(Api::<ClusterRole>::all(client.clone()).delete(role, &params).await);
        }
        drop(Api::<ClusterRoleBinding>::all(client.clone()).delete("slipway", &params).await);
        for binding in Api::<RoleBinding>::all(client.clone()).list(&ListParams::default().labels("slipway-test=yes")).await.unwrap() {
            let namespace = binding.metadata.namespace.clone().unwrap();
            drop(Api::<RoleBinding>::namespaced(client.clone(), &namespace).delete(binding.metadata.name.as_deref().unwrap(), &params).await);
        }
    }

    /// One look of the reconciler; with `dies`, the worker dies so long into it.
    pub async fn look(&self, dies: Option<Duration>) {
        let pool = &self.control.pool;
        sqlx::query("update reconcile set not_before = now()").execute(pool).await.unwrap();
        for claim in reconcile::claim(pool, WORKER, 10).await.unwrap() {
            let work = async {
                let next = clusters::reconcile::run(&self.control, &claim).await.unwrap();
                reconcile::settle(pool, &claim, &next).await.unwrap();
            };
            match dies {
                None => work.await,
                Some(after) => {
                    let _ = tokio::time::timeout(after, work).await;
                    // Its claim ends by itself; nobody waits a minute for that here.
                    sqlx::query("update reconcile set lease_until = now()").execute(pool).await.unwrap();
                    sqlx::query("delete from scopes").execute(pool).await.unwrap();
                }
            }
        }
    }

    pub async fn until(&self, id: ClusterId, what: &str, reached: impl Fn(&Cluster) -> bool) -> Cluster {
        for _ in 0..40 {
            self.look(None).await;
            let cluster = clusters::get(&self.admin, id).await.unwrap();
            if reached(&cluster) {
                return cluster;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{what}: {:?}", clusters::get(&self.admin, id).await.unwrap());
    }

    /// Sets up access and waits until that is over.
    pub async fn set_up(&self, id: ClusterId) {
        let started = clusters::set_up_access(&self.admin, id).await.unwrap();
        self.over(started.operation).await;
    }

    /// Looks until the operation is over, and once more.
    pub async fn over(&self, id: OperationId) {
        for _ in 0..60 {
            self.look(None).await;
            if control::operations::get(&self.admin, id).await.unwrap().state.is_over() {
                return self.look(None).await;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("the setup does not end: {:?}", control::operations::get(&self.admin, id).await.unwrap());
    }

    pub async fn is_admin(&self, name: &str) -> bool {
        eks::entry(&self.config(), name, self.access.role_arn.as_deref().unwrap()).await.unwrap().is_some_and(|entry| entry.is_admin)
    }
}

/// A typed object from its JSON.
pub fn object<K: serde::de::DeserializeOwned>(value: serde_json::Value) -> K {
    serde_json::from_value(value).unwrap()
}
