//! The AWS emulator as a process of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::body::Body;
use http::Request;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::config::Options;
use crate::http_client::HttpClient;

/// The emulator answers a second after its start; a slow, busy machine gets more.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running emulator.
pub struct Emulator {
    child: Child,
    pid_file: PathBuf,
}

impl Emulator {
    /// Starts the emulator on `address`, keeping its data under the state folder, and waits until it answers.
    ///
    /// # Errors
    /// When its program is missing, its port is taken, or it stops or stays silent; its log says why.
    pub async fn start(options: &Options, address: SocketAddr, http: &HttpClient) -> Result<Self> {
        let program = options.fakecloud_program()?;
        let data = data_folder(&options.state);
        let log_path = options.state.join("logs/fakecloud.log");
        let pid_file = pid_file(&options.state);
        fs::create_dir_all(&data).with_context(|| format!("make {}", data.display()))?;
        fs::create_dir_all(options.state.join("logs")).context("make the log folder")?;
        Self::end_left_over(&options.state).await?;
        TcpListener::bind(address).with_context(|| format!("port {} is busy, and the AWS emulator needs it; choose another --listen", address.port()))?;
        let log = fs::File::create(&log_path).with_context(|| format!("make {}", log_path.display()))?;

        // The kernel ends the emulator with the thread that starts it here, which is the program's main one: a killed sandbox leaves none.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&program)
            .args(["--addr", &address.to_string(), "--region", &options.region, "--account-id", &options.account])
            .args(["--verify-sigv4", "--iam", "strict", "--log-level", "warn"])
            .args(["--storage-mode", "persistent", "--data-path"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log")?)
            .stderr(log)
            // Ctrl-C goes to a whole process group: the emulator is stopped by us, after its clients.
            .process_group(0);
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().with_context(|| format!("start {}", program.display()))?;
        if let Some(pid) = child.id() {
            fs::write(&pid_file, pid.to_string()).with_context(|| format!("write {}", pid_file.display()))?;
        }
        wait_until_healthy(&mut child, address, http, &log_path).await?;
        Ok(Self { child, pid_file })
    }

    /// Ends an emulator that a killed sandbox left behind on the same state folder; it would hold the port and the data.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn end_left_over(state: &Path) -> Result<()> {
        let data = data_folder(state);
        let Ok(text) = fs::read_to_string(pid_file(state)) else { return Ok(()) };
        let Ok(pid) = text.trim().parse::<u32>() else { return Ok(()) };
        let is_ours = || fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == data.as_os_str().as_encoded_bytes()));
        if !is_ours() {
            return Ok(());
        }
        tracing::warn!(pid, "ending the AWS emulator that an earlier sandbox left behind");
        signal(pid, Signal::SIGTERM);
        let deadline = Instant::now() + STOP_LIMIT;
        while is_ours() {
            if Instant::now() > deadline {
                signal(pid, Signal::SIGKILL);
                sleep(Duration::from_millis(200)).await;
                if is_ours() {
                    bail!("the AWS emulator of an earlier sandbox (process {pid}) cannot be ended");
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until the emulator ends by itself, which it never should.
    pub async fn ended(&mut self) -> std::io::Result<std::process::ExitStatus> {
        self.child.wait().await
    }

    /// Stops the emulator, politely first.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id() {
            signal(pid, Signal::SIGTERM);
        }
        if timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            tracing::warn!("the AWS emulator did not stop in {STOP_LIMIT:?}, ending it");
            if let Err(error) = self.child.kill().await {
                tracing::error!(%error, "the AWS emulator could not be ended");
            }
        }
        if let Err(error) = fs::remove_file(&self.pid_file) {
            tracing::warn!(%error, "the emulator's pid file could not be removed");
        }
    }
}

async fn wait_until_healthy(child: &mut Child, address: SocketAddr, http: &HttpClient, log: &Path) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(status) = child.try_wait().context("look after the AWS emulator")? {
            bail!("the AWS emulator ended at its start ({status}); its log is {}", log.display());
        }
        let request =
            Request::get(format!("http://{address}/_fakecloud/health")).header("host", address.to_string()).body(Body::empty()).context("ask for the emulator's health")?;
        if http.fetch(request).await.is_ok_and(|response| response.status().is_success()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the AWS emulator did not answer on {address} in {START_LIMIT:?}; its log is {}", log.display());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn data_folder(state: &Path) -> PathBuf {
    state.join("fakecloud")
}

fn pid_file(state: &Path) -> PathBuf {
    state.join("fakecloud.pid")
}

fn signal(pid: u32, signal: Signal) {
    let Ok(pid) = i32::try_from(pid) else { return };
    if let Err(error) = kill(Pid::from_raw(pid), signal) {
        tracing::warn!(%error, pid, "could not signal the AWS emulator");
    }
}
