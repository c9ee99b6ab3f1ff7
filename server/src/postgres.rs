//! A Postgres of our own, for the all-in-one process when nobody gave it one: made from the system's binaries, in the data
//! folder, reachable through a socket in it and through nothing else.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, bail, ensure};
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;

const OLDEST: u32 = 15;
const DATABASE: &str = "slipway";

/// A running private Postgres. Call [`PrivatePostgres::stop`] at the end; one that a killed process left running is taken over at the next start.
pub struct PrivatePostgres {
    binaries: PathBuf,
    cluster: PathBuf,
    socket: PathBuf,
}

impl PrivatePostgres {
    /// Makes it if it is not there, and starts it.
    ///
    /// # Errors
    /// With a sentence that says what to do: as root, without Postgres' binaries, in a folder whose path is too long for a socket.
    pub async fn start(data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot make the data folder {}", data.display()))?;
        let own = Self::at(data)?;
        if !own.cluster.join("PG_VERSION").exists() {
            own.make().await?;
        }
        if !own.is_running().await? {
            own.launch().await?;
        }
        Ok(own)
    }

    /// Reaches the one that is there, for the command line beside a portal: starts it when the portal is down, and then `true` says that it has to be stopped again.
    ///
    /// # Errors
    /// With a sentence that says what to do: as another user, in a folder without one.
    pub async fn visit(data: &Path) -> anyhow::Result<(Self, bool)> {
        ensure!(data.join("postgres/PG_VERSION").exists(), "no portal keeps its data in {}. Set SLIPWAY_DATA to its folder, or DATABASE_URL.", data.display());
        let own = Self::at(data)?;
        let start = !own.is_running().await?;
        if start {
            own.launch().await?;
        }
        Ok((own, start))
    }

    fn at(data: &Path) -> anyhow::Result<Self> {
        let data = data.canonicalize()?;
        ensure!(std::fs::metadata("/proc/self")?.uid() != 0, "Postgres refuses to run as root. Start Slipway as a plain user, or set DATABASE_URL.");
        // A socket's path has to fit into 107 bytes, name included.
        ensure!(data.as_os_str().len() < 85, "the data folder's path is too long for a socket: {}. Choose a shorter SLIPWAY_DATA.", data.display());
        Ok(Self { binaries: find_binaries()?, cluster: data.join("postgres"), socket: data })
    }

    /// How to connect to it.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.socket).username("slipway").database(DATABASE)
    }

    /// Stops it; open connections end.
    ///
    /// # Errors
    /// When it does not stop within a minute.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.run("pg_ctl", &["-D", path(&self.cluster)?, "-m", "fast", "-w", "-t", "60", "stop"]).await
    }

    async fn make(&self) -> anyhow::Result<()> {
        tracing::info!(folder = %self.cluster.display(), "making a private Postgres");
        // Made aside and renamed, so that a half-made one is never taken for whole.
        let aside = self.cluster.with_extension("new");
        if aside.exists() {
            std::fs::remove_dir_all(&aside)?;
        }
        self.run("initdb", &["-D", path(&aside)?, "-U", "slipway", "--auth=peer", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]).await?;
        // The socket's permissions let in nobody but the user Slipway runs as.
        std::fs::write(aside.join("pg_hba.conf"), "local all slipway trust\n")?;
        std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o700))?;
        std::fs::rename(&aside, &self.cluster)?;
        self.launch().await?;
        self.run("createdb", &["-h", path(&self.socket)?, "-U", "slipway", DATABASE]).await
    }

    async fn launch(&self) -> anyhow::Result<()> {
        let options = format!("-c listen_addresses= -c unix_socket_directories='{}' -c unix_socket_permissions=0700", path(&self.socket)?);
        let log = self.socket.join("postgres.log");
        self.run("pg_ctl", &["-D", path(&self.cluster)?, "-l", path(&log)?, "-o", &options, "-w", "-t", "60", "start"]).await
    }

    async fn is_running(&self) -> anyhow::Result<bool> {
        let status = Command::new(self.binaries.join("pg_ctl")).args(["-D", path(&self.cluster)?, "status"]).stdout(Stdio::null()).stderr(Stdio::null()).status().await?;
        Ok(status.success())
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        // The server inherits what pg_ctl has: pipes of ours would keep us waiting for its end.
        let log = self.socket.join(format!("{program}.log"));
        let output = std::fs::File::create(&log)?;
        let status = Command::new(self.binaries.join(program))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .await
            .with_context(|| format!("cannot run {program}"))?;
        if status.success() {
            return Ok(());
        }
        bail!("{program} failed: {}", std::fs::read_to_string(&log).unwrap_or_default().trim())
    }
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not UTF-8", path.display()))
}

/// The newest installed version that is new enough.
fn find_binaries() -> anyhow::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, binaries)| *version >= OLDEST && binaries.join("initdb").exists())
        .collect();
    found.sort();
    if let Some((_, binaries)) = found.pop() {
        return Ok(binaries);
    }
    let on_path = std::env::var_os("PATH").and_then(|paths| std::env::split_paths(&paths).find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists()));
    on_path.with_context(|| format!("found no Postgres {OLDEST} or newer. Install it (apt install postgresql), or set DATABASE_URL."))
}
