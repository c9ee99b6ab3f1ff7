//! One control plane with nodes, without the gateway.
//!
//! `cargo run -p planes --example one -- [real|simulated] [FOLDER]`, with the programs
//! in the environment as `go-tools` prints them. It prints a kubeconfig's path and
//! stays up until Ctrl-C.

#[path = "../tests/planes/fake.rs"]
mod fake;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use planes::{Instance, NodeGroup, NodeKind, PlaneSpec, PlaneStatus, Planes, PlanesConfig, Programs};
use serde_json::json;

const PORT: u16 = 27000;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let kind = match arguments.next().as_deref() {
        Some("real") => NodeKind::Real,
        Some("simulated") | None => NodeKind::Simulated,
        Some(other) => bail!("{other} is neither real nor simulated"),
    };
    let state = arguments.next().map_or_else(|| std::env::temp_dir().join("slipway-one"), PathBuf::from);
    let gateway = fake::Gateway::start(PORT).await;
    let (_, role) = gateway.role_token("node", "unused");
    gateway.set_access(json!({
        "authenticationMode": "API_AND_CONFIG_MAP",
        "entries": [{ "principalArn": role, "username": "system:node:{{EC2PrivateDNSName}}", "groups": ["system:nodes"], "type": "EC2_LINUX", "policies": [] }],
        "creator": "",
    }));

    let planes = Planes::start(PlanesConfig { state: state.clone(), gateway_port: PORT, programs: Programs::from_env()? }).await?;
    let up = up(&planes, kind, role, &state).await;
    if up.is_ok() {
        tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
    }
    planes.shutdown().await;
    up
}

async fn up(planes: &Planes, kind: NodeKind, role_arn: String, state: &std::path::Path) -> Result<()> {
    let started = std::time::Instant::now();
    let spec = PlaneSpec {
        name: "lab".into(),
        arn: "arn:aws:eks:us-east-1:123456789012:cluster/lab".into(),
        region: "us-east-1".into(),
        account: "123456789012".into(),
        version: "1.35".into(),
    };
    let info = planes.create(spec).await?;
    while planes.status("lab") != PlaneStatus::Active {
        if let PlaneStatus::Failed(why) = planes.status("lab") {
            bail!("the control plane failed: {why}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("control plane at {} after {:.1} s", info.endpoint, started.elapsed().as_secs_f32());
    let kubeconfig = state.join("kubeconfig");
    std::fs::write(&kubeconfig, planes.kubeconfig("lab")?).context("writing the kubeconfig")?;
    println!("KUBECONFIG={}", kubeconfig.display());

    let zones: &[char] = if kind == NodeKind::Real { &['a'] } else { &['a', 'b', 'c'] };
    let instances = zones.iter().zip(1..).map(|(zone, number)| instance(*zone, number)).collect();
    let group = NodeGroup { name: "workers".into(), kind, instances, labels: BTreeMap::new(), taints: Vec::new(), role_arn };
    planes.add_nodes("lab", group).await?;
    println!("nodes ready after {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}

fn instance(zone: char, number: u8) -> Instance {
    Instance {
        instance_id: format!("i-0000000000000000{number}"),
        private_dns_name: format!("ip-10-77-{number}-10.ec2.internal"),
        private_ip: format!("10.77.{number}.10"),
        zone: format!("us-east-1{zone}"),
        instance_type: "m5.xlarge".into(),
        vcpus: 4,
        memory_mib: 16384,
        gpus: 0,
    }
}
