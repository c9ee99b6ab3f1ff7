//! Where a sandbox's Kubernetes side lives: folders, ports, programs.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The programs the planes are made of.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `kube`: etcd and every Kubernetes program.
    pub kube: PathBuf,
    /// `kwok`: simulated nodes.
    pub kwok: PathBuf,
    /// `sandboxtools`: webhooks and a node's AWS identity. `pause` lies beside it.
    pub tools: PathBuf,
}

impl Programs {
    /// Takes the paths from `SANDBOX_KUBE`, `SANDBOX_KWOK` and `SANDBOX_TOOLS`.
    ///
    /// # Errors
    /// When one is not set, or names no file.
    pub fn from_env() -> Result<Self> {
        let path = |variable: &str| -> Result<PathBuf> {
            let path = PathBuf::from(std::env::var_os(variable).with_context(|| format!("{variable} is not set; `go-tools` prints it"))?);
            ensure!(path.is_file(), "{variable} is {}, which is no file", path.display());
            Ok(path)
        };
        Ok(Self { kube: path("SANDBOX_KUBE")?, kwok: path("SANDBOX_KWOK")?, tools: path("SANDBOX_TOOLS")? })
    }

    /// What every pod's sandbox container runs.
    pub(crate) fn pause(&self) -> PathBuf {
        self.tools.with_file_name("pause")
    }
}

/// What [`crate::Planes`] needs to know before it starts.
#[derive(Clone, Debug)]
pub struct PlanesConfig {
    /// A folder of its own, made if need be. Everything the planes write is in it.
    pub state: PathBuf,
    /// The gateway's port P. The planes use P+2 and P+3 (etcd), P+4 (webhooks) and
    /// P+10 upward (two for each API server), all on loopback.
    pub gateway_port: u16,
    /// The programs.
    pub programs: Programs,
}

impl PlanesConfig {
    pub(crate) fn gateway(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port)
    }

    pub(crate) fn registry(&self) -> String {
        format!("127.0.0.1:{}", self.gateway_port)
    }

    pub(crate) fn etcd_client_port(&self) -> u16 {
        self.gateway_port + 2
    }

    pub(crate) fn etcd_peer_port(&self) -> u16 {
        self.gateway_port + 3
    }

    pub(crate) fn webhook_port(&self) -> u16 {
        self.gateway_port + 4
    }

    /// The port clients use, and the one the API server itself listens on.
    pub(crate) fn plane_ports(&self, slot: u16) -> (u16, u16) {
        let first = self.gateway_port + 10 + 2 * slot;
        (first, first + 1)
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }
}

/// Makes a folder that only this user may look into.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("making {}", path.display()))
}

/// Writes a file that only this user may read, whole or not at all.
pub(crate) fn private_file(path: &Path, body: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(body.as_bytes())?;
        std::fs::rename(&draft, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// Fails with a sentence when a port is taken, rather than letting the part that
/// needs it die with its own words later.
pub(crate) fn ensure_free(port: u16, what: &str) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).map(drop).with_context(|| format!("port {port}, needed for {what}, is busy"))
}
