//! What a node changes on its machine, and how all of it is put back.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::config::{private_file, private_folder};
use crate::node::RUN;
use crate::spec::Instance;

/// The node's bridge, which pods hang on.
pub(super) const BRIDGE: &str = "slipway0";
/// Debian's place for CNI plugins.
pub(super) const CNI_PLUGINS: &str = "/usr/lib/cni";

/// Where the node's programs insist on writing, and the folder of the node that
/// takes each place inside its mount namespace.
pub(super) const PLACES: [(&str, &str); 4] = [("/var/lib/kubelet", "kubelet"), ("/var/lib/cni", "cni/lib"), ("/run/containerd", "containerd/run"), ("/var/log", "log")];

/// Kernel settings that kubelet changes for the whole machine.
const SETTINGS: [&str; 6] = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"];

/// The part of the VPC the node and its pods are in.
pub(super) struct Network {
    pub(super) node: Ipv4Addr,
}

impl Network {
    pub(super) fn of(instance: &Instance) -> Result<Self> {
        let node: Ipv4Addr = instance.private_ip.parse().with_context(|| format!("{} is no IPv4 address", instance.private_ip))?;
        ensure!(node.is_private(), "{node} is no private address");
        Ok(Self { node })
    }

    fn last(&self) -> u8 {
        self.node.octets()[3]
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.node.octets();
        Ipv4Addr::new(a, b, c, last)
    }

    pub(super) fn subnet(&self) -> String {
        format!("{}/24", self.address(0))
    }

    /// First and last address of pods: the half of the subnet the node is not in.
    pub(super) fn pods(&self) -> (Ipv4Addr, Ipv4Addr) {
        if self.last() < 128 { (self.address(128), self.address(254)) } else { (self.address(2), self.address(127)) }
    }

    fn overlaps(&self, other: Ipv4Addr, length: u32) -> bool {
        let mask = u32::MAX.checked_shl(32 - length.min(24)).unwrap_or(0);
        self.node.to_bits() & mask == other.to_bits() & mask
    }
}

/// Fails when this machine lacks what a node is made of.
pub(super) fn ensure_able() -> Result<()> {
    for (file, package) in [
        ("/usr/bin/containerd", "containerd"),
        ("/usr/bin/ctr", "containerd"),
        ("/usr/sbin/runc", "runc"),
        ("/usr/lib/cni/bridge", "containernetworking-plugins"),
        ("/usr/sbin/ip", "iproute2"),
    ] {
        ensure!(Path::new(file).exists(), "a real node needs {file}, of Debian's package {package}");
    }
    Ok(())
}

/// Makes the node's folders and its bridge, and remembers how the machine was.
pub(super) async fn prepare(folder: &Path, network: &Network) -> Result<()> {
    for entry in serde_json::from_str::<Value>(&output("ip", &["-4", "-j", "addr"]).await?).context("reading this machine's addresses")?.as_array().into_iter().flatten() {
        for address in entry["addr_info"].as_array().into_iter().flatten() {
            if let (Some(local), Some(length)) = (address["local"].as_str().and_then(|local| local.parse().ok()), address["prefixlen"].as_u64()) {
                let length = u32::try_from(length).context("a prefix is at most 32 bits")?;
                ensure!(!network.overlaps(local, length), "the node's subnet {} is in use on this machine: {local}/{length} of {}", network.subnet(), entry["ifname"]);
            }
        }
    }
    let mut was = Vec::new();
    for setting in SETTINGS {
        let path = Path::new("/proc/sys").join(setting);
        was.push((setting, std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?.trim().to_owned()));
    }
    let made: Vec<&str> = PLACES.iter().map(|(place, _)| *place).filter(|place| !Path::new(place).exists()).collect();
    // Written before anything changes, so that whoever finds it can put all of it back.
    let trace = serde_json::json!({ "settings": was, "made": made, "folder": folder });
    private_file(&Path::new(RUN).join(TRACE), &trace.to_string())?;
    for (place, own) in PLACES {
        std::fs::create_dir_all(place).with_context(|| format!("making {place}"))?;
        private_folder(&folder.join(own))?;
    }
    run("ip", &["link", "add", BRIDGE, "type", "bridge"]).await?;
    run("ip", &["addr", "add", &format!("{}/24", network.node), "dev", BRIDGE]).await?;
    run("ip", &["link", "set", BRIDGE, "up"]).await
}

/// What a node changed on the machine. It lies in [`RUN`], where whoever comes next
/// finds it, whatever state folder they use.
const TRACE: &str = "machine.json";

/// Puts everything back, once the node's processes, killed just now, are really gone.
pub(super) async fn restore_after_processes() -> Result<()> {
    let mut tries = 0;
    loop {
        match restore() {
            Err(error) if tries < 50 => {
                tracing::debug!(error = format!("{error:#}"), "the real node is not all gone yet");
                tries += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            done => return done,
        }
    }
}

/// Removes bridge, cgroups and folders of a node whose processes are gone. Without a
/// trace of one there is nothing to do; doing it again does no harm.
pub(super) fn restore() -> Result<()> {
    let path = Path::new(RUN).join(TRACE);
    if path.exists() {
        let body = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        undo(&serde_json::from_slice(&body).with_context(|| format!("reading {}", path.display()))?)?;
    }
    // The trace goes last.
    remove_folder(Path::new(RUN))
}

fn undo(trace: &Value) -> Result<()> {
    if Path::new("/sys/class/net").join(BRIDGE).exists() {
        let deleted = std::process::Command::new("ip").args(["link", "del", BRIDGE]).output().context("running ip")?;
        ensure!(deleted.status.success(), "removing {BRIDGE}: {}", String::from_utf8_lossy(&deleted.stderr));
    }
    remove_cgroups()?;
    for setting in trace["settings"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (setting[0].as_str(), setting[1].as_str()) {
            std::fs::write(Path::new("/proc/sys").join(name), value).with_context(|| format!("putting back {name}"))?;
        }
    }
    for place in trace["made"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        // Somebody else may have begun to use it meanwhile.
        let _in_use_stays = std::fs::remove_dir(place);
    }
    trace["folder"].as_str().map_or(Ok(()), |folder| remove_folder(Path::new(folder)))
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(|| format!("removing {}", folder.display())),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes the cgroups of pods, under each controller, the inner ones first.
fn remove_cgroups() -> Result<()> {
    let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
    for entry in std::fs::read_dir("/sys/fs/cgroup").context("reading /sys/fs/cgroup")? {
        roots.push(entry.context("reading /sys/fs/cgroup")?.path());
    }
    for root in roots {
        let pods = root.join("kubepods");
        if pods.is_dir() {
            remove_cgroup(&pods)?;
        }
    }
    Ok(())
}

fn remove_cgroup(path: &Path) -> Result<()> {
    for entry in std::fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
        let entry = entry.with_context(|| format!("reading {}", path.display()))?;
        if entry.file_type().with_context(|| format!("reading {}", path.display()))?.is_dir() {
            remove_cgroup(&entry.path())?;
        }
    }
    std::fs::remove_dir(path).with_context(|| format!("removing the cgroup {}", path.display()))
}

/// Runs a command that should succeed.
pub(super) async fn run(program: &str, arguments: &[&str]) -> Result<()> {
    output(program, arguments).await.map(drop)
}

/// Runs a command that should succeed, and gives what it printed.
pub(super) async fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let done = tokio::process::Command::new(program).args(arguments).kill_on_drop(true).output().await.with_context(|| format!("running {program}"))?;
    if !done.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_get_the_half_of_the_subnet_the_node_is_not_in() {
        let low = Network { node: Ipv4Addr::new(10, 0, 3, 17) };
        assert_eq!((low.subnet().as_str(), low.pods()), ("10.0.3.0/24", (Ipv4Addr::new(10, 0, 3, 128), Ipv4Addr::new(10, 0, 3, 254))));
        assert_eq!(Network { node: Ipv4Addr::new(10, 0, 3, 200) }.pods().0, Ipv4Addr::new(10, 0, 3, 2));
    }

    #[test]
    fn sees_that_a_subnet_is_taken() {
        let network = Network { node: Ipv4Addr::new(10, 0, 3, 17) };
        assert!(network.overlaps(Ipv4Addr::new(10, 0, 0, 1), 16), "a wider network holds ours");
        assert!(network.overlaps(Ipv4Addr::new(10, 0, 3, 1), 30), "a narrower one is inside ours");
        assert!(!network.overlaps(Ipv4Addr::new(10, 0, 4, 1), 24));
        assert!(!network.overlaps(Ipv4Addr::new(127, 0, 0, 1), 8));
    }
}
