//! A control plane with simulated nodes for a test, and kubectl to look at it with.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use planes::{Instance, NodeGroup, NodeKind, PlaneInfo, PlaneSpec, PlaneStatus, Planes, PlanesConfig, Programs, Taint};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::fake::Gateway;

/// Control planes are heavy, so tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());
/// Each sandbox gets ports of its own: connections of the last one may linger.
static TAKEN: AtomicU16 = AtomicU16::new(0);

pub struct Sandbox {
    planes: Option<Planes>,
    pub gateway: Gateway,
    pub folder: TempDir,
    pub port: u16,
    pub programs: Programs,
    _turn: MutexGuard<'static, ()>,
}

impl Sandbox {
    pub async fn start() -> Self {
        let turn = TURN.lock().await;
        Self::start_with(turn, Programs::from_env().unwrap()).await
    }

    /// With programs of one's own. The caller takes its turn first.
    pub async fn start_with(turn: MutexGuard<'static, ()>, programs: Programs) -> Self {
        let port = free_ports();
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::start(port).await;
        let planes = Some(open(folder.path(), port, &programs).await);
        Self { planes, gateway, folder, port, programs, _turn: turn }
    }

    pub async fn stop(&mut self) {
        self.planes.take().unwrap().shutdown().await;
    }

    /// Stops everything and starts again from the same folder.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.planes = Some(open(self.folder.path(), self.port, &self.programs).await);
    }

    pub fn planes(&self) -> &Planes {
        self.planes.as_ref().expect("only a restart is without")
    }

    /// A control plane that answers.
    pub async fn cluster(&self, name: &str, version: &str) -> Cluster<'_> {
        let info = self.planes().create(spec(name, version)).await.unwrap();
        eventually(Duration::from_secs(120), "the control plane is active", async || match self.planes().status(name) {
            PlaneStatus::Failed(why) => panic!("the control plane failed: {why}"),
            status => status == PlaneStatus::Active,
        })
        .await;
        let ca = self.folder.path().join(format!("{name}.ca"));
        std::fs::write(&ca, &info.ca_pem).unwrap();
        std::fs::write(self.folder.path().join(format!("{name}.admin")), self.planes().kubeconfig(name).unwrap()).unwrap();
        Cluster { sandbox: self, name: name.to_owned(), info }
    }
}

pub async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// A port with a dozen free ones behind it, below those that clients get. Another run
/// of these tests begins somewhere else.
fn free_ports() -> u16 {
    let begin = u16::try_from(std::process::id() % 200).unwrap() * 50;
    let free = |port: &u16| (*port..port + 14).all(|each| std::net::TcpListener::bind(("127.0.0.1", each)).is_ok());
    let candidates = std::iter::repeat_with(|| 20_000 + (begin + TAKEN.fetch_add(50, Ordering::SeqCst)) % 10_000);
    candidates.take(200).find(free).expect("some ports are free")
}

impl Drop for Sandbox {
    /// Leaves the logs of a test that failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("the parts' logs are in {}", self.folder.path().display());
        }
    }
}

async fn open(folder: &Path, gateway_port: u16, programs: &Programs) -> Planes {
    Planes::start(PlanesConfig { state: folder.join("state"), gateway_port, programs: programs.clone() }).await.unwrap()
}

pub fn spec(name: &str, version: &str) -> PlaneSpec {
    PlaneSpec {
        name: name.into(),
        arn: format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}"),
        region: "us-east-1".into(),
        account: "123456789012".into(),
        version: version.into(),
    }
}

pub struct Cluster<'a> {
    sandbox: &'a Sandbox,
    pub name: String,
    pub info: PlaneInfo,
}

impl Cluster<'_> {
    /// kubectl as the break-glass administrator.
    pub fn admin(&self, arguments: &[&str]) -> Answer {
        let config = self.sandbox.folder.path().join(format!("{}.admin", self.name));
        self.kubectl(&[&["--kubeconfig", config.to_str().unwrap()], arguments].concat())
    }

    /// kubectl with a bearer token.
    pub fn with_token(&self, token: &str, arguments: &[&str]) -> Answer {
        let ca = self.sandbox.folder.path().join(format!("{}.ca", self.name));
        let who = ["--kubeconfig=/dev/null", "--server", &self.info.endpoint, "--certificate-authority", ca.to_str().unwrap(), "--token", token];
        self.kubectl(&[&who, arguments].concat())
    }

    fn kubectl(&self, arguments: &[&str]) -> Answer {
        // A cache of its own: what another version served is not what this one does.
        let home = self.sandbox.folder.path();
        let Output { status, stdout, stderr } =
            // It blocks this thread, while the relay needs another: such tests run on several.
            Command::new(&self.sandbox.programs.kube).arg("kubectl").args(arguments).env("HOME", home).env_remove("KUBECONFIG").output().unwrap();
        Answer { ok: status.success(), out: String::from_utf8(stdout).unwrap(), err: String::from_utf8(stderr).unwrap() }
    }

    /// Makes or replaces objects as the administrator.
    pub fn apply(&self, object: &Value) {
        let file = self.sandbox.folder.path().join("apply.json");
        std::fs::write(&file, object.to_string()).unwrap();
        self.admin(&["apply", "-f", file.to_str().unwrap()]).expect_ok();
    }

    pub fn get(&self, arguments: &[&str]) -> Value {
        let answer = self.admin(&[&["get", "-o", "json"], arguments].concat());
        serde_json::from_str(answer.expect_ok()).unwrap()
    }
}

#[derive(Debug)]
pub struct Answer {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Answer {
    #[track_caller]
    pub fn expect_ok(&self) -> &str {
        assert!(self.ok, "kubectl failed: {}", self.err);
        &self.out
    }

    /// Whether the API server did not know who this was.
    pub fn unauthorized(&self) -> bool {
        !self.ok && (self.err.contains("Unauthorized") || self.err.contains("must be logged in"))
    }
}

/// Waits for something that takes a moment to show.
pub async fn eventually(most: Duration, what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + most;
    while !done().await {
        assert!(Instant::now() < deadline, "not within {} s: {what}", most.as_secs());
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// An instance in the zone with this letter.
pub fn instance(zone: char, number: u8, gpus: u32) -> Instance {
    Instance {
        instance_id: format!("i-0000000000000{number:04x}"),
        private_dns_name: format!("ip-10-77-{number}-10.ec2.internal"),
        private_ip: format!("10.77.{number}.10"),
        zone: format!("us-east-1{zone}"),
        instance_type: if gpus == 0 { "m5.xlarge".into() } else { "g5.2xlarge".into() },
        vcpus: 4,
        memory_mib: 16384,
        gpus,
    }
}

pub fn group(name: &str, instances: Vec<Instance>) -> NodeGroup {
    let taints = if instances.iter().any(|instance| instance.gpus > 0) {
        vec![Taint { key: "nvidia.com/gpu".into(), value: "true".into(), effect: "NoSchedule".into() }]
    } else {
        Vec::new()
    };
    NodeGroup { name: name.into(), kind: NodeKind::Simulated, instances, labels: BTreeMap::new(), taints, role_arn: "arn:aws:iam::123456789012:role/node".into() }
}

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}
