//! A gateway in front of a really started emulator.

pub mod planes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use gateway::client::{Answer, Client, Keys};
use gateway::cloud::Cloud;
use gateway::config::{Nodes, Options, Seed};
use gateway::control;
use gateway::emulator::Emulator;
use gateway::http_client::HttpClient;
use gateway::planes_api::ControlPlanes;
use gateway::sandbox::Sandbox;
use http::{Request, Response};
use planes::PaperPlanes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const ACCOUNT: &str = "111122223333";
/// How long a token's URL says it is good for, when the AWS CLI makes it.
pub const MINUTE: Duration = Duration::from_secs(60);
pub const REGION: &str = "us-east-1";

/// The assume-role policy of a role for `service`.
pub fn trust_service(service: &str) -> String {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }] }).to_string()
}

/// A policy that allows `actions` on `resource`.
pub fn allow(actions: &[&str], resource: &str) -> String {
    allow_each(&[(actions, resource)])
}

/// A policy that allows each set of actions on its resource.
pub fn allow_each(grants: &[(&[&str], &str)]) -> String {
    let statement = |(actions, resource): &(&[&str], &str)| json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
    json!({ "Version": "2012-10-17", "Statement": grants.iter().map(statement).collect::<Vec<_>>() }).to_string()
}

/// A running gateway and emulator on free ports, with paper planes.
pub struct Running {
    pub sandbox: Arc<Sandbox>,
    pub planes: Arc<PaperPlanes>,
    pub gateway: SocketAddr,
    pub state: TempDir,
    emulator: Option<Emulator>,
    server: JoinHandle<()>,
    http: HttpClient,
}

impl Running {
    /// Starts both; fails loudly where the emulator is not installed.
    pub async fn start() -> Self {
        Self::start_on(tempfile::tempdir().unwrap(), Arc::new(PaperPlanes::default())).await
    }

    /// Starts both on a state folder that may have been used before.
    pub async fn start_on(state: TempDir, planes: Arc<PaperPlanes>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        let emulator_address = free_address();
        let http = HttpClient::new();
        let options = options(state.path().to_owned(), gateway);
        let emulator = Emulator::start(&options, emulator_address, &http).await.expect("the tests need the AWS emulator");
        let cloud = Cloud::new(http.clone(), emulator_address, ACCOUNT, REGION);
        let sandbox = Arc::new(Sandbox::new(gateway, state.path(), cloud, http.clone(), Arc::clone(&planes) as Arc<dyn ControlPlanes>).unwrap());
        gateway::eks::resume::resume(&sandbox).await.unwrap();
        let router = control::router(Arc::clone(&sandbox));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { sandbox, planes, gateway, state, emulator: Some(emulator), server, http }
    }

    /// Stops both and gives the state folder back.
    pub async fn stop(mut self) -> (TempDir, Arc<PaperPlanes>) {
        self.server.abort();
        self.emulator.take().unwrap().stop().await;
        (self.state, self.planes)
    }

    /// A client with root's rights.
    pub fn root(&self) -> Client {
        self.client(Keys { id: "test".into(), secret: "test".into(), token: None })
    }

    pub fn client(&self, keys: Keys) -> Client {
        Client::new(self.gateway, REGION, keys)
    }

    /// Makes a user with an inline policy and returns a client that signs as it.
    pub async fn user(&self, name: &str, policy: Option<&str>) -> Client {
        let root = self.root();
        root.query("iam", "CreateUser", &[("UserName", name)]).await.unwrap().success().unwrap();
        if let Some(policy) = policy {
            let parameters = [("UserName", name), ("PolicyName", "inline"), ("PolicyDocument", policy)];
            root.query("iam", "PutUserPolicy", &parameters).await.unwrap().success().unwrap();
        }
        let made = root.query("iam", "CreateAccessKey", &[("UserName", name)]).await.unwrap().success().unwrap();
        self.client(made.keys().unwrap())
    }

    /// Makes a role and returns its ARN.
    pub async fn role(&self, name: &str, trust: &str, policy: Option<&str>) -> String {
        let root = self.root();
        let made = root.query("iam", "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", trust)]).await.unwrap().success().unwrap();
        if let Some(policy) = policy {
            let parameters = [("RoleName", name), ("PolicyName", "inline"), ("PolicyDocument", policy)];
            root.query("iam", "PutRolePolicy", &parameters).await.unwrap().success().unwrap();
        }
        made.xml("Arn").unwrap()
    }

    /// Creates a cluster as `creator` and waits until it is active.
    pub async fn cluster(&self, creator: &Client, name: &str, mode: &str) {
        let answer = create_cluster(creator, name, json!({ "authenticationMode": mode }), "1.34").await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        self.until_status(&format!("/clusters/{name}"), "cluster", "ACTIVE").await;
    }

    /// Waits until the thing at `path` has `status`, and returns its description.
    pub async fn until_status(&self, path: &str, field: &str, status: &str) -> Value {
        let root = self.root();
        let mut last = Value::Null;
        for _ in 0..100 {
            last = root.eks(http::Method::GET, path, None).await.unwrap().json();
            if last[field]["status"] == status {
                return last[field].clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} did not become {status}: {last}");
    }

    /// A subnet of the default VPC in each of three zones.
    pub async fn subnets(&self) -> Vec<String> {
        let answer = self.root().query("ec2", "DescribeSubnets", &[]).await.unwrap().success().unwrap();
        gateway::xml::records(&answer.text(), "item", &["subnetId"]).into_iter().take(3).map(|mut record| record.remove(0)).collect()
    }

    /// A request that is not signed.
    pub async fn plain(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.gateway)).header("host", self.gateway.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.http.fetch(request.body(Body::from(body.into())).unwrap()).await.unwrap()
    }

    /// A request under another host's name.
    pub async fn request(&self, method: &str, path: &str, host: &str, body: &'static str) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.gateway)).header("host", host);
        self.http.fetch(request.body(Body::from(body)).unwrap()).await.unwrap()
    }

    /// A request to the control API.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.plain(method, path, &[("content-type", "application/json")], body).await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or(Value::Null))
    }
}

pub async fn create_cluster(client: &Client, name: &str, access: Value, version: &str) -> Answer {
    let body = json!({
        "name": name,
        "version": version,
        "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/eks-cluster"),
        "resourcesVpcConfig": { "subnetIds": [] },
        "accessConfig": access,
    });
    client.eks(http::Method::POST, "/clusters", Some(&body)).await.unwrap()
}

fn options(state: PathBuf, listen: SocketAddr) -> Options {
    Options {
        state,
        listen,
        nodes: Nodes::Simulated,
        seed: Seed::None,
        account: ACCOUNT.into(),
        region: REGION.into(),
        fakecloud: std::env::var_os("SANDBOX_FAKECLOUD").map(PathBuf::from),
        kube: None,
        kwok: None,
        tools: None,
        models: PathBuf::new(),
        model_server: None,
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
