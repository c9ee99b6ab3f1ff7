//! The whole sandbox as a program: it starts, survives a kill, stops, and leaves nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use gateway::client::{Client, Keys};
use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const READY_LIMIT: Duration = Duration::from_secs(170);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A port with the next 16 free as well; each call looks further on, so that tests at the same time do not meet.
fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    loop {
        let first = NEXT.fetch_add(20, Ordering::Relaxed);
        assert!(first < 30_000, "no 16 free ports in a row");
        if (0..16).all(|offset| TcpListener::bind(("127.0.0.1", first + offset)).is_ok()) {
            return first;
        }
    }
}

fn command(state: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.args(["up", "--nodes", "simulated", "--listen", &format!("127.0.0.1:{port}"), "--state"]).arg(state);
    command
}

/// A sandbox that is killed when a test fails.
struct Running(Child);

impl Running {
    /// Starts a sandbox and waits until it says it is ready.
    fn start(state: &Path, port: u16) -> Self {
        for variable in ["SANDBOX_KUBE", "SANDBOX_KWOK", "SANDBOX_TOOLS", "SANDBOX_MODEL_SERVER"] {
            assert!(std::env::var_os(variable).is_some(), "{variable} is not set; go-tools and build-model-server print it");
        }
        let log = std::fs::File::create(state.with_extension("log")).unwrap();
        let mut running = Self(command(state, port).stderr(log).stdin(Stdio::null()).spawn().unwrap());
        let deadline = Instant::now() + READY_LIMIT;
        while !is_ready(port) {
            let log = || std::fs::read_to_string(state.with_extension("log")).unwrap();
            assert!(running.0.try_wait().unwrap().is_none(), "it ended: {}", log());
            assert!(Instant::now() < deadline, "it is not ready after {READY_LIMIT:?}: {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
        running
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }

    /// Asks it to stop and returns whether it said that all went well.
    fn stop(&mut self, signal: Signal) -> bool {
        self.signal(signal);
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < deadline, "it did not stop in {STOP_LIMIT:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_ready(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    let asked = stream.write_all(b"GET /_sandbox/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// The processes that have the state folder in their command line.
fn processes_of(state: &Path) -> Vec<String> {
    let folder = state.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(folder)).collect()
}

fn environment(state: &Path) -> BTreeMap<String, String> {
    let file = state.join("env");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it holds keys");
    let text = std::fs::read_to_string(file).unwrap();
    let pairs = text.lines().map(|line| line.strip_prefix("export ").unwrap().split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

fn kubectl(environment: &BTreeMap<String, String>, arguments: &[&str]) -> Output {
    let program = std::env::var_os("SANDBOX_KUBE").unwrap();
    Command::new(program).arg("kubectl").arg("--kubeconfig").arg(&environment["KUBECONFIG"]).args(arguments).output().unwrap()
}

fn node_count(environment: &BTreeMap<String, String>, cluster: &str) -> usize {
    let listed = kubectl(environment, &["--context", cluster, "get", "nodes", "-o", "json"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let nodes: Value = serde_json::from_slice(&listed.stdout).unwrap();
    nodes["items"].as_array().unwrap().len()
}

fn keys(environment: &BTreeMap<String, String>, id: &str, secret: &str) -> Keys {
    Keys { id: environment[id].clone(), secret: environment[secret].clone(), token: None }
}

/// The portal's role, taken as the portal takes it.
async fn slipway(environment: &BTreeMap<String, String>, port: u16) -> Client {
    let user = Client::new(([127, 0, 0, 1], port).into(), "us-east-1", keys(environment, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"));
    let refused = user.eks(Method::GET, "/clusters", None).await.unwrap();
    assert_eq!(refused.error_code(), "AccessDeniedException", "the user may only take its role");
    let role = environment["SLIPWAY_AWS_ROLE_ARN"].as_str();
    let without_id = user.query("sts", "AssumeRole", &[("RoleArn", role), ("RoleSessionName", "portal")]).await.unwrap();
    assert_eq!(without_id.error_code(), "AccessDenied", "the role wants its external id");
    let parameters = [("RoleArn", role), ("RoleSessionName", "portal"), ("ExternalId", environment["SLIPWAY_AWS_EXTERNAL_ID"].as_str()), ("SourceIdentity", "somebody")];
    let taken = user.query("sts", "AssumeRole", &parameters).await.unwrap().success().unwrap();
    user.with_keys(taken.keys().unwrap())
}

async fn simulated(slipway: &Client, role: &str, action: &str, resource: &str) -> String {
    let parameters = [("PolicySourceArn", role), ("ActionNames.member.1", action), ("ResourceArns.member.1", resource)];
    let answer = slipway.query("iam", "SimulatePrincipalPolicy", &parameters).await.unwrap().success().unwrap();
    answer.xml("EvalDecision").unwrap()
}

/// The demo's promise to the portal: it may find everything, map only itself, and check what it may do.
async fn portal_may_attach(environment: &BTreeMap<String, String>, port: u16) {
    let slipway = slipway(environment, port).await;
    let listed = slipway.eks(Method::GET, "/clusters", None).await.unwrap().success().unwrap().json();
    assert_eq!(listed["clusters"], json!(["fleet", "lab"]));
    let lab = slipway.eks(Method::GET, "/clusters/lab", None).await.unwrap().success().unwrap().json();
    assert_eq!((&lab["cluster"]["status"], &lab["cluster"]["version"]), (&json!("ACTIVE"), &json!("1.35")));
    let images = slipway.ecr("DescribeImages", &json!({ "repositoryName": "forecasting/iris" })).await.unwrap().success().unwrap().json();
    assert!(images["imageDetails"].as_array().unwrap().len() >= 2, "{images}");

    let role = environment["SLIPWAY_AWS_ROLE_ARN"].as_str();
    let cluster = lab["cluster"]["arn"].as_str().unwrap();
    assert_eq!(simulated(&slipway, role, "eks:CreateAccessEntry", cluster).await, "allowed");
    let entries = format!("{}/*", cluster.replace(":cluster/", ":access-entry/"));
    assert_eq!(simulated(&slipway, role, "eks:AssociateAccessPolicy", &entries).await, "allowed");
    assert_eq!(simulated(&slipway, role, "eks:UpdateAccessEntry", &entries).await, "allowed");
    assert_eq!(simulated(&slipway, role, "eks:DeleteCluster", cluster).await, "implicitDeny");
    assert_eq!(slipway.eks(Method::DELETE, "/clusters/lab", None).await.unwrap().error_code(), "AccessDeniedException");

    let encode = |arn: &str| arn.replace(':', "%3A").replace('/', "%2F");
    let admin = json!({
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy", "accessScope": { "type": "cluster" },
    });
    let nodes = role.replace("slipway", "eks-node");
    let another = json!({ "principalArn": nodes.replace("eks-node", "intruder") });
    let refused = slipway.eks(Method::POST, "/clusters/lab/access-entries", Some(&another)).await.unwrap();
    assert_eq!(refused.error_code(), "AccessDeniedException", "nobody else's entry");
    let path = format!("/clusters/lab/access-entries/{}/access-policies", encode(&nodes));
    let refused = slipway.eks(Method::POST, &path, Some(&admin)).await.unwrap();
    assert_eq!(refused.error_code(), "AccessDeniedException", "only its own entry");
    slipway.eks(Method::POST, "/clusters/lab/access-entries", Some(&json!({ "principalArn": role }))).await.unwrap().success().unwrap();
    let path = format!("/clusters/lab/access-entries/{}/access-policies", encode(role));
    let viewer = json!({ "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", "accessScope": { "type": "cluster" } });
    let refused = slipway.eks(Method::POST, &path, Some(&viewer)).await.unwrap();
    assert_eq!(refused.error_code(), "AccessDeniedException", "only the policy it needs");
    slipway.eks(Method::POST, &path, Some(&admin)).await.unwrap().success().unwrap();

    let token = slipway.eks_token("lab", std::time::SystemTime::now(), Duration::from_secs(60)).unwrap();
    let entered = || kubectl_with_token(environment, &token, &["auth", "can-i", "create", "clusterrolebindings"]);
    assert_eq!(String::from_utf8_lossy(&entered().stdout).trim(), "yes");
    let policy = encode("arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy");
    slipway.eks(Method::DELETE, &format!("{path}/{policy}"), None).await.unwrap().success().unwrap();
    within_ten_seconds("the Kubernetes side asks anew", || String::from_utf8_lossy(&entered().stdout).trim() == "no");
}

/// Looks again and again, and panics if it comes to nothing.
fn within_ten_seconds(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn kubectl_with_token(environment: &BTreeMap<String, String>, token: &str, arguments: &[&str]) -> Output {
    // The file's own user is a break-glass administrator, so a file without users is made of it.
    let mut config: Value = serde_json::from_slice(&std::fs::read(&environment["KUBECONFIG"]).unwrap()).unwrap();
    config["users"] = json!([]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    let program = std::env::var_os("SANDBOX_KUBE").unwrap();
    Command::new(program).arg("kubectl").arg("--kubeconfig").arg(file.path()).args(["--token", token]).args(arguments).output().unwrap()
}

#[tokio::test]
async fn a_sandbox_starts_survives_a_kill_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let port = free_ports();

    let running = Running::start(&state, port);
    let first = environment(&state);
    assert_eq!(first["AWS_ENDPOINT_URL"], format!("http://127.0.0.1:{port}"));
    assert_eq!((node_count(&first, "lab"), node_count(&first, "fleet")), (1, 12));
    portal_may_attach(&first, port).await;

    running.signal(Signal::SIGKILL);
    drop(running);
    within_ten_seconds("a killed sandbox leaves no process", || processes_of(&state).is_empty());
    assert!(state.join("env").exists());
    let cleaned = Command::new(env!("CARGO_BIN_EXE_sandbox")).args(["clean", "--state"]).arg(&state).output().unwrap();
    assert!(cleaned.status.success(), "{cleaned:?}");
    assert!(!state.join("env").exists(), "keys that open nothing");

    let mut running = Running::start(&state, port);
    let second = environment(&state);
    assert_eq!(first["AWS_SECRET_ACCESS_KEY"], second["AWS_SECRET_ACCESS_KEY"], "the keys stay");
    assert_eq!((node_count(&second, "lab"), node_count(&second, "fleet")), (1, 12));
    let slipway = slipway(&second, port).await;
    let entries = slipway.eks(Method::GET, "/clusters/lab/access-entries", None).await.unwrap().success().unwrap().json();
    assert!(entries["accessEntries"].as_array().unwrap().contains(&json!(second["SLIPWAY_AWS_ROLE_ARN"])), "{entries}");

    let busy = command(&folder.path().join("other"), port).output().unwrap();
    assert!(!busy.status.success());
    assert!(String::from_utf8_lossy(&busy.stderr).contains(&format!("port {port} is busy")), "{busy:?}");
    let taken = command(&state, free_ports()).output().unwrap();
    assert!(String::from_utf8_lossy(&taken.stderr).contains("another sandbox uses the state folder"), "{taken:?}");

    assert!(running.stop(Signal::SIGTERM), "stopping went wrong");
    assert_eq!(processes_of(&state), Vec::<String>::new());
    assert!(!state.join("env").exists(), "keys that open nothing");
    let free = TcpListener::bind(("127.0.0.1", port));
    assert!(free.is_ok(), "the port is free again");
}

#[test]
fn a_missing_program_and_a_public_address_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let missing = command(folder.path(), free_ports()).env("SANDBOX_FAKECLOUD", "/nowhere/fakecloud").output().unwrap();
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && said.contains("set SANDBOX_FAKECLOUD"), "{said}");

    let mut public = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    let public = public.args(["up", "--nodes", "simulated", "--listen", "0.0.0.0:4566", "--state"]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&public.stderr).into_owned();
    assert!(!public.status.success() && said.contains("not a loopback address"), "{said}");
}
