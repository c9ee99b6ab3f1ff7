//! One program that is kept running: started, watched, started again when it dies,
//! and stopped for good.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

use crate::keeper::{Keeper, Started};
use crate::leftovers;

/// How many deaths within [`WINDOW`] make a part count as failed. It is started again all the same.
const TOO_MANY: usize = 4;
const WINDOW: Duration = Duration::from_secs(90);
/// How long a failed part has to live to count as well again.
const STABLE: Duration = Duration::from_secs(15);
/// How long most parts may take to stop when asked.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// The most that is read of a log to find its last line.
const TAIL: u64 = 8 * 1024;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// What people call it, and its files too.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Only these variables, and `PATH`.
    pub(crate) environment: Vec<(String, String)>,
    /// Where its log and its pid file go.
    pub(crate) folder: PathBuf,
    /// How long it may take to stop when asked, before it is killed.
    pub(crate) grace: Duration,
}

impl Recipe {
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join(format!("{}.pid", self.name))
    }
}

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It runs, as this process.
    Running(i32),
    /// It died and is started again soon.
    Restarting,
    /// It dies again and again; its last words.
    Failing(String),
    /// It was stopped.
    Stopped,
}

/// A part that is kept running until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Part {
    recipe: Recipe,
    stop: watch::Sender<bool>,
    health: watch::Receiver<Health>,
}

impl Part {
    /// Starts it. The first start has to work; later ones are tried again.
    pub(crate) async fn start(keeper: &Keeper, recipe: Recipe) -> Result<Self> {
        let first = launch(keeper, &recipe).await?;
        let (stop, stopped) = watch::channel(false);
        let (tell, health) = watch::channel(Health::Running(first.pid));
        tokio::spawn(watch_over(keeper.clone(), recipe.clone(), first, stopped, tell));
        Ok(Self { recipe, stop, health })
    }

    pub(crate) fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    pub(crate) fn name(&self) -> &str {
        &self.recipe.name
    }

    /// The last line it logged, or why there is none.
    pub(crate) fn last_line(&self) -> String {
        last_line(&self.recipe.log())
    }

    /// Stops it and waits until it is gone.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        if self.health.clone().wait_for(|health| *health == Health::Stopped).await.is_err() {
            tracing::error!(part = self.recipe.name, "whoever watched a part is gone");
        }
    }
}

async fn launch(keeper: &Keeper, recipe: &Recipe) -> Result<Started> {
    let log = OpenOptions::new().create(true).append(true).open(recipe.log()).with_context(|| format!("opening {}", recipe.log().display()))?;
    let errors = log.try_clone().context("sharing a log between output and errors")?;
    let environment = recipe.environment.clone();
    let folder = recipe.folder.clone();
    let started = keeper
        .start(&recipe.program, &recipe.arguments, move |command| {
            command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").envs(environment);
            command.current_dir(folder).stdin(Stdio::null()).stdout(log).stderr(errors);
        })
        .await?;
    leftovers::note(&recipe.pid_file(), started.pid)?;
    Ok(started)
}

async fn watch_over(keeper: Keeper, recipe: Recipe, first: Started, mut stopped: watch::Receiver<bool>, tell: watch::Sender<Health>) {
    let mut deaths: VecDeque<Instant> = VecDeque::new();
    let mut running = Some(first);
    loop {
        if let Some(started) = running.take() {
            match until_it_ends(&recipe, started, &mut stopped, &tell).await {
                Ended::Stopped => break,
                Ended::Died(how) => tracing::warn!(part = recipe.name, how, last = last_line(&recipe.log()), "a part died; starting it again"),
            }
        }
        let now = Instant::now();
        deaths.push_back(now);
        deaths.retain(|death| now.duration_since(*death) < WINDOW);
        let failing = deaths.len() >= TOO_MANY;
        tell.send_replace(if failing { Health::Failing(last_line(&recipe.log())) } else { Health::Restarting });
        let pause = Duration::from_millis(500 * u64::try_from(deaths.len().pow(2)).unwrap_or(1)).min(Duration::from_secs(15));
        tokio::select! {
            () = wanted(&mut stopped) => break,
            () = tokio::time::sleep(pause) => {}
        }
        match launch(&keeper, &recipe).await {
            Ok(started) => {
                // A part that keeps dying is not well because it was started once more.
                if !failing {
                    tell.send_replace(Health::Running(started.pid));
                }
                running = Some(started);
            }
            Err(error) => tracing::error!(part = recipe.name, error = format!("{error:#}"), "a part could not be started again"),
        }
    }
    leftovers::forget(&recipe.pid_file());
    tell.send_replace(Health::Stopped);
}

enum Ended {
    Stopped,
    Died(String),
}

/// Waits for a running part to be stopped or to die. One that was failing counts as
/// well again once it has lived for a while.
async fn until_it_ends(recipe: &Recipe, mut started: Started, stopped: &mut watch::Receiver<bool>, tell: &watch::Sender<Health>) -> Ended {
    loop {
        tokio::select! {
            () = wanted(stopped) => {
                end(recipe, started).await;
                return Ended::Stopped;
            }
            ended = &mut started.ended => {
                return Ended::Died(match ended {
                    Ok(Ok(status)) => status.to_string(),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "nobody saw how".to_owned(),
                });
            }
            () = tokio::time::sleep(STABLE) => {
                tell.send_replace(Health::Running(started.pid));
            }
        }
    }
}

/// Waits until the part is to stop, or nobody holds it any more.
async fn wanted(stopped: &mut watch::Receiver<bool>) {
    let _dropped_counts_too = stopped.wait_for(|stop| *stop).await;
}

async fn end(recipe: &Recipe, mut started: Started) {
    if !recipe.grace.is_zero() {
        signal(started.pid, Signal::SIGTERM);
        if tokio::time::timeout(recipe.grace, &mut started.ended).await.is_ok() {
            return;
        }
        tracing::debug!(part = recipe.name, "did not stop in time; killing it");
    }
    signal(started.pid, Signal::SIGKILL);
    let _gone = started.ended.await;
}

/// Sends a signal; a process that is already gone is what was wanted.
pub(crate) fn signal(pid: i32, what: Signal) {
    match kill(Pid::from_raw(pid), what) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(error) => tracing::error!(pid, signal = what.as_str(), %error, "could not signal a process"),
    }
}

/// The last line of a log that says anything.
pub(crate) fn last_line(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    match read() {
        Ok(tail) => String::from_utf8_lossy(&tail).lines().rfind(|line| !line.trim().is_empty()).map_or_else(|| "it logged nothing".to_owned(), str::to_owned),
        Err(error) => format!("its log {} cannot be read: {error}", log.display()),
    }
}
