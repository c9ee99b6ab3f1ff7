//! An AWS emulator as a process, and what a test sets up in it.

use std::{net::TcpListener, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use control::{
    Ctx,
    aws::Aws,
    testing::{self, World},
};
use domain::access::PlatformRole;
use sqlx::PgPool;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

/// The emulator's account.
pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";
const VERSION: &str = "0.51.0";

/// Whether the emulator checks signatures and policies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Checking {
    Everything,
    Nothing,
}

/// A running emulator, ended when dropped.
pub struct Emulator {
    pub endpoint: String,
    _process: Child,
}

impl Emulator {
    pub async fn start(checking: Checking) -> Arc<Self> {
        let program = program();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&program);
        command.args(["--addr", &format!("127.0.0.1:{port}"), "--account-id", ACCOUNT, "--region", REGION, "--log-level", "error"]);
        if checking == Checking::Everything {
            command.args(["--verify-sigv4", "--iam", "strict"]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
        let process = process.unwrap_or_else(|error| panic!("{} does not start: {error}. scripts/install.sh installs it.", program.display()));
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Arc::new(Self { endpoint: format!("http://127.0.0.1:{port}"), _process: process });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the emulator did not come up within ten seconds");
    }

    /// What the tests themselves set things up with: root, who bypasses every check.
    pub fn root(&self) -> SdkConfig {
        self.keys("test", "test")
    }

    /// AWS as whoever has these keys.
    pub fn keys(&self, key: &str, secret: &str) -> SdkConfig {
        let keys = SharedCredentialsProvider::new(Credentials::new(key, secret, None, None, "tests"));
        SdkConfig::builder().behavior_version(BehaviorVersion::latest()).region(Region::from_static(REGION)).endpoint_url(&self.endpoint).credentials_provider(keys).build()
    }

    /// A portal whose process runs as this user.
    pub async fn world(&self, pool: PgPool, user: &User) -> World {
        let aws = testing::aws_as(&self.endpoint, &user.key, &user.secret);
        World { control: control::Control::with_aws(pool, testing::settings(), aws).await.unwrap() }
    }

    /// A portal whose process is the account's root user.
    pub async fn world_of_root(&self, pool: PgPool) -> World {
        World { control: testing::control_at(pool, &self.endpoint).await }
    }

    /// AWS as this user.
    pub fn aws(&self, user: &User) -> Aws {
        Aws::over(self.keys(&user.key, &user.secret))
    }

    /// A user with keys and one policy.
    pub async fn user(&self, name: &str, policy: &str) -> User {
        let iam = aws_sdk_iam::Client::new(&self.root());
        iam.create_user().user_name(name).send().await.unwrap();
        let user = User { arn: format!("arn:aws:iam::{ACCOUNT}:user/{name}"), name: name.into(), ..self.access_key(name).await };
        self.allow_user(&user, "tests", policy).await;
        user
    }

    async fn access_key(&self, name: &str) -> User {
        let made = aws_sdk_iam::Client::new(&self.root()).create_access_key().user_name(name).send().await.unwrap();
        let made = made.access_key().unwrap();
        User { name: String::new(), arn: String::new(), key: made.access_key_id().into(), secret: made.secret_access_key().into() }
    }

    pub async fn allow_user(&self, user: &User, policy_name: &str, policy: &str) {
        aws_sdk_iam::Client::new(&self.root()).put_user_policy().user_name(&user.name).policy_name(policy_name).policy_document(policy).send().await.unwrap();
    }

    /// A role with this trust policy and one policy.
    pub async fn role(&self, name: &str, trust: &str, policy: &str) {
        let iam = aws_sdk_iam::Client::new(&self.root());
        iam.create_role().role_name(name).assume_role_policy_document(trust).send().await.unwrap();
        iam.put_role_policy().role_name(name).policy_name("tests").policy_document(policy).send().await.unwrap();
    }

    /// Pushes a manifest that is this text's own; gives its digest.
    pub async fn push(&self, repository: &str, tag: &str, content: &str) -> String {
        let ecr = aws_sdk_ecr::Client::new(&self.root());
        // It may be there from an earlier push.
        let _ = ecr.create_repository().repository_name(repository).send().await;
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{}", "0".repeat(64)), "size": 2 },
            "layers": [],
            "annotations": { "content": content },
        });
        let put = ecr.put_image().repository_name(repository).image_manifest(manifest.to_string()).image_tag(tag).send().await.unwrap();
        put.image().and_then(|image| image.image_id()).and_then(|id| id.image_digest()).unwrap().to_owned()
    }
}

/// Somebody with keys.
pub struct User {
    pub name: String,
    pub arn: String,
    pub key: String,
    pub secret: String,
}

/// A platform admin.
pub async fn admin(world: &World) -> Ctx {
    world.user("admin", Some(PlatformRole::Admin)).await
}

/// A policy with one statement.
pub fn allow(actions: &[&str], resource: &str) -> String {
    serde_json::json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": resource }] }).to_string()
}

/// A trust policy that asks for an external id.
pub fn trust(arn: &str, external_id: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": arn }, "Action": "sts:AssumeRole", "Condition": { "StringEquals": { "sts:ExternalId": external_id } } }],
    })
    .to_string()
}

fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("SANDBOX_FAKECLOUD") {
        return program.into();
    }
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    cache.join(format!("slipway/tools/fakecloud-{VERSION}/bin/fakecloud"))
}
