//! The node's container runtime.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::config::{PlanesConfig, private_file, private_folder};
use crate::node::RUN;
use crate::node::host::{self, BRIDGE, CNI_PLUGINS, Network};

/// What every pod's sandbox container runs. It is imported, never pulled.
const PAUSE: &str = "slipway.sandbox/pause:1";

pub(super) fn socket() -> String {
    format!("{RUN}/containerd.sock")
}

/// Writes its configuration and the network of pods.
pub(super) fn configure(folder: &Path, network: &Network) -> Result<()> {
    let networks = folder.join("cni/net.d");
    private_folder(Path::new(RUN))?;
    private_folder(&networks)?;
    let root = folder.join("containerd/root");
    // Debian's containerd is 1.6. Not every machine lets it lower scores below its own, and an
    // AppArmor profile that it loads would stay in the kernel when the node is gone.
    let config = format!(
        r#"version = 2
root = {root:?}
state = "{RUN}/containerd"

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
disable_apparmor = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"

[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = {networks:?}
"#,
        socket = socket(),
    );
    private_file(&folder.join("containerd.toml"), &config)?;
    let (first, last) = network.pods();
    let conflist = json!({
        "cniVersion": "1.0.0",
        "name": "slipway",
        "plugins": [{
            "type": "bridge",
            "bridge": BRIDGE,
            // Node and pods are neighbours, as with EKS's own plugin: no routes, no address translation.
            "isGateway": false,
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "dataDir": format!("{RUN}/addresses"),
                "ranges": [[{ "subnet": network.subnet(), "rangeStart": first, "rangeEnd": last, "gateway": network.node }]],
            },
        }],
    });
    private_file(&networks.join("10-slipway.conflist"), &conflist.to_string())
}

pub(super) fn command(folder: &Path) -> Vec<String> {
    vec!["containerd".to_owned(), "--config".to_owned(), folder.join("containerd.toml").display().to_string()]
}

pub(super) async fn answers() -> bool {
    host::run("ctr", &["--address", &socket(), "version"]).await.is_ok()
}

/// Makes the pause image and puts it where pods find it.
pub(super) async fn import_pause(config: &PlanesConfig, folder: &Path) -> Result<()> {
    let archive = folder.join("pause.tar").display().to_string();
    let tools = config.programs.tools.display().to_string();
    let binary = format!("--binary={}", config.programs.pause().display());
    host::run(&tools, &["pause-image", &binary, &format!("--name={PAUSE}"), &format!("--out={archive}")]).await?;
    host::run("ctr", &["--address", &socket(), "--namespace", "k8s.io", "images", "import", &archive]).await
}
