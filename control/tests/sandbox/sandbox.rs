//! A sandbox that runs already, and what goes wrong in it on purpose.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use control::testing::aws_as;

pub struct Sandbox {
    state: PathBuf,
    env: HashMap<String, String>,
}

impl Sandbox {
    pub fn new() -> Self {
        let path = std::env::var("SANDBOX_ENV").expect("SANDBOX_ENV names the env file of a running sandbox: scripts/sandbox.sh --run COMMAND sets it");
        let text = std::fs::read_to_string(&path).expect("the sandbox's env file");
        let line = |line: &str| line.strip_prefix("export ")?.split_once('=').map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()));
        let state = Path::new(&path).parent().expect("the state folder").to_owned();
        Self { state, env: text.lines().filter_map(line).collect() }
    }

    pub fn get(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("{name} is not in the sandbox's env file"))
    }

    /// AWS as the account's administrator.
    pub fn administrator(&self) -> aws_config::SdkConfig {
        let keys = (self.get("SANDBOX_ADMIN_ACCESS_KEY_ID"), self.get("SANDBOX_ADMIN_SECRET_ACCESS_KEY"));
        aws_as(self.get("AWS_ENDPOINT_URL"), keys.0, keys.1).ambient(self.get("AWS_REGION"))
    }

    /// What the cluster's own record says of requests that concern a namespace, one JSON object each.
    pub fn record(&self, cluster: &str, namespace: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.state.join(format!("kubernetes/planes/{cluster}/audit.log"))).expect("the cluster's audit log");
        let events = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an audit event"));
        events.filter(|event| event["objectRef"]["namespace"] == namespace).collect()
    }

    /// The break-glass administrator of a cluster.
    pub async fn admin(&self, context: &str) -> kube::Client {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.get("KUBECONFIG")).expect("the sandbox's kubeconfig");
        let options = kube::config::KubeConfigOptions { context: Some(context.into()), ..Default::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a context");
        kube::Client::try_from(config).expect("a client")
    }
}

/// A fault of the sandbox; it ends with this.
pub struct Fault<'a> {
    sandbox: &'a Sandbox,
    id: u64,
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        let (status, answer) = self.sandbox.control("DELETE", &format!("/{}", self.id), "");
        // It may have struck as often as it was to, or been in force for long enough.
        assert!(std::thread::panicking() || matches!(status, 200 | 404), "{status}: {answer}");
    }
}

impl Sandbox {
    pub fn strike(&self, fault: serde_json::Value) -> Fault<'_> {
        let (status, answer) = self.control("POST", "", &fault.to_string());
        let id = answer["id"].as_u64().unwrap_or_else(|| panic!("{status}: {answer}"));
        Fault { sandbox: self, id }
    }

    /// The faults in force.
    pub fn faults(&self) -> serde_json::Value {
        self.control("GET", "", "").1
    }

    fn control(&self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        use std::io::{Read as _, Write as _};
        let address = self.get("AWS_ENDPOINT_URL").trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).expect("the sandbox");
        write!(stream, "{method} /_sandbox/faults{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {answer}"));
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }
}
