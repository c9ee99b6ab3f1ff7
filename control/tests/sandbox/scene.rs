//! A portal over a database of its own, in front of the sandbox.

use std::time::Duration;

use control::{
    Actor, Control, Ctx, Request, Settings,
    aws::{AccountAccess, eks},
    clusters, operations,
    reconcile::{self, Times},
    testing::{aws_as, settings},
};
use domain::{
    access::PlatformRole,
    audit::Source,
    cluster::{Cluster, ClusterState, NewCluster},
    ids::{AccountId, ClusterId, OperationId, UserId},
    operation::Operation,
};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use sqlx::PgPool;
use tokio::sync::{Mutex, MutexGuard};

use crate::sandbox::Sandbox;

const WORKER: &str = "test-worker";
/// There is one sandbox: its clusters and faults are for one test at a time.
static SANDBOX: Mutex<()> = Mutex::const_new(());

pub struct Scene {
    pub sandbox: Sandbox,
    pub control: Control,
    pub admin: Ctx,
    pub account: AccountId,
    pub access: AccountAccess,
    _alone: MutexGuard<'static, ()>,
}

/// A portal's control over a database.
pub async fn portal(pool: PgPool, sandbox: &Sandbox, times: Times) -> Control {
    // One of the tests of this process was first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let aws = aws_as(sandbox.get("AWS_ENDPOINT_URL"), sandbox.get("AWS_ACCESS_KEY_ID"), sandbox.get("AWS_SECRET_ACCESS_KEY"));
    Control::with_aws(pool, Settings { times, ..settings() }, aws).await.unwrap()
}

impl Scene {
    /// Failures are waited out for seconds instead of minutes.
    pub async fn new(pool: PgPool) -> Self {
        let times = Times { breaker: Duration::from_secs(1), backoff: Duration::from_secs(2), watch: Duration::from_secs(4), ..Times::default() };
        Self::with_times(pool, times).await
    }

    /// Workers die here: their claims end soon, too.
    pub async fn deadly(pool: PgPool) -> Self {
        let soon = Duration::from_secs(3);
        Self::with_times(pool, Times { lease: soon, breaker: Duration::from_secs(1), backoff: Duration::from_secs(2), watch: soon }).await
    }

    async fn with_times(pool: PgPool, times: Times) -> Self {
        let alone = SANDBOX.lock().await;
        let sandbox = Sandbox::new();
        let control = portal(pool, &sandbox, times).await;
        let access = AccountAccess {
            role_arn: Some(sandbox.get("SLIPWAY_AWS_ROLE_ARN").into()),
            external_id: sandbox.get("SLIPWAY_AWS_EXTERNAL_ID").into(),
            on_behalf_of: control::access::WORKER.into(),
        };
        let account = AccountId::generate();
        sqlx::query("insert into accounts (id, name, role_arn, external_id, regions) values ($1, 'main', $2, $3, $4)")
            .bind(account.0)
            .bind(&access.role_arn)
            .bind(&access.external_id)
            .bind([sandbox.get("AWS_REGION")])
            .execute(&control.pool)
            .await
            .unwrap();
        let admin = person(&control, "admin", Some(PlatformRole::Admin)).await;
        Self { sandbox, control, admin, account, access, _alone: alone }
    }

    /// Somebody without a platform role.
    pub async fn person(&self, name: &str) -> Ctx {
        person(&self.control, name, None).await
    }

    pub fn config(&self) -> aws_config::SdkConfig {
        self.control.aws.config(&self.access, self.sandbox.get("AWS_REGION"))
    }

    /// The principal that the portal works as.
    pub fn principal(&self) -> &str {
        self.access.role_arn.as_deref().unwrap()
    }

    pub async fn attach(&self, name: &str) -> Cluster {
        let new = NewCluster { account: "main".into(), region: self.sandbox.get("AWS_REGION").into(), eks_name: name.into(), name: None };
        clusters::attach(&self.admin, &new).await.unwrap()
    }

    /// Attaches a cluster that does not know Slipway.
    pub async fn stranger(&self, name: &str) -> Cluster {
        self.clean(name).await;
        let cluster = self.attach(name).await;
        self.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await
    }

    /// Attaches a cluster, and sets up access unless an earlier test has left it.
    pub async fn connect(&self, name: &str) -> Cluster {
        let cluster = self.attach(name).await;
        let seen = self.until(cluster.id, "it was looked at", |cluster| matches!(cluster.state, ClusterState::NeedsAccess | ClusterState::Connected)).await;
        if seen.state == ClusterState::NeedsAccess {
            self.set_up(cluster.id).await;
        }
        self.until(cluster.id, "it is connected", |cluster| cluster.state == ClusterState::Connected).await
    }

    /// Takes away whatever an earlier test left of Slipway's access.
    pub async fn clean(&self, name: &str) {
        self.revoke(name).await;
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

    /// Deletes Slipway's access entry, if there is one, as an administrator of the account would.
    pub async fn revoke(&self, name: &str) {
        let gone = aws_sdk_eks::Client::new(&self.sandbox.administrator()).delete_access_entry().cluster_name(name).principal_arn(self.principal()).send().await;
        if let Err(error) = gone {
            assert!(error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()), "{error:?}");
        }
    }

    /// One look of the reconciler; with `dies`, the worker dies so long into it.
    pub async fn look(&self, dies: Option<Duration>) {
        let (pool, times) = (&self.control.pool, self.control.settings.times);
        sqlx::query("update reconcile set not_before = now()").execute(pool).await.unwrap();
        for claim in reconcile::claim(pool, WORKER, 10, times).await.unwrap() {
            let work = async {
                let next = clusters::reconcile::run(&self.control, &claim).await.unwrap();
                reconcile::settle(pool, &claim, &next, times).await.unwrap();
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
            if self.operation(id).await.state.is_over() {
                return self.look(None).await;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("the setup does not end: {:?}", self.operation(id).await);
    }

    pub async fn operation(&self, id: OperationId) -> Operation {
        operations::get(&self.admin, id).await.unwrap()
    }

    pub async fn is_admin(&self, name: &str) -> bool {
        eks::entry(&self.config(), name, self.principal()).await.unwrap().is_some_and(|entry| entry.is_admin)
    }
}

async fn person(control: &Control, name: &str, platform: Option<PlatformRole>) -> Ctx {
    let id = UserId::generate();
    sqlx::query("insert into users (id, email, name, password_hash, platform_role) values ($1, $2, $3, 'none', $4::platform_role)")
        .bind(id.0)
        .bind(format!("{name}@example.com"))
        .bind(name)
        .bind(platform.map(|_| "admin"))
        .execute(&control.pool)
        .await
        .unwrap();
    Ctx::new(control.clone(), Actor::user(id, name.into(), platform), Source::Api, Request::default())
}

/// A typed object from its JSON.
pub fn object<K: serde::de::DeserializeOwned>(value: serde_json::Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// Waits until it has come to that, at most so many seconds.
pub async fn within(seconds: u64, what: &str, reached: impl AsyncFn() -> bool) {
    let came = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(seconds), came).await.is_err() {
        panic!("within {seconds} s: {what}");
    }
}
