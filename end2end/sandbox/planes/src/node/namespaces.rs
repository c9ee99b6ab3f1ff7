//! The process and mount namespaces of the node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::keeper::Keeper;
use crate::node::host;
use crate::part::{Health, Part, Recipe};
use crate::wait;

#[derive(Debug)]
pub(super) struct Namespaces {
    part: Part,
    /// Their first process, as this machine sees it.
    init: i32,
}

impl Namespaces {
    pub(super) async fn start(keeper: &Keeper, tools: &Path, folder: &Path) -> Result<Self> {
        let mut arguments: Vec<String> = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"].map(str::to_owned).into();
        arguments.extend([tools.display().to_string(), "node-init".to_owned()]);
        let recipe = Recipe { name: "node-init".into(), program: PathBuf::from("unshare"), arguments, environment: Vec::new(), folder: folder.to_owned(), grace: Duration::ZERO };
        let log = recipe.log();
        let part = Part::start(keeper, recipe).await?;
        wait::until(Duration::from_secs(20), &[&part], || std::future::ready(std::fs::read_to_string(&log).is_ok_and(|said| said.contains("node namespaces ready")))).await?;
        let Health::Running(unshare) = part.health() else { bail!("the node's namespaces ended at once: {}", part.last_line()) };
        let init = child_of(unshare)?.context("the node's namespaces have no first process")?;
        let made = Self { part, init };
        made.mount(folder).await?;
        Ok(made)
    }

    /// Puts folders of the node where its programs insist on writing, for them alone.
    async fn mount(&self, folder: &Path) -> Result<()> {
        // Volumes of pods have to be seen by the containers that start later.
        self.run("mount", &["--make-rshared", "/"]).await?;
        for (place, own) in host::PLACES {
            let own = folder.join(own).display().to_string();
            self.run("mount", &["--bind", &own, place]).await?;
        }
        Ok(())
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let init = self.init.to_string();
        let mut all = vec!["-t", &init, "-m", "-p", "--", program];
        all.extend(arguments);
        host::run("nsenter", &all).await
    }

    /// What runs a command inside. When the outer process ends, the inner one is killed.
    pub(super) fn recipe(&self, name: &str, command: Vec<String>, folder: &Path) -> Recipe {
        let init = self.init.to_string();
        let mut arguments: Vec<String> = ["-t", &init, "-m", "-p", "--", "setpriv", "--pdeathsig", "KILL", "--"].map(str::to_owned).into();
        arguments.extend(command);
        Recipe { name: name.to_owned(), program: PathBuf::from("nsenter"), arguments, environment: Vec::new(), folder: folder.to_owned(), grace: Duration::ZERO }
    }

    /// Ends every process inside.
    pub(super) async fn stop(&self) {
        self.part.stop().await;
    }
}

/// The one child of a process.
fn child_of(parent: i32) -> Result<Option<i32>> {
    for entry in std::fs::read_dir("/proc").context("reading /proc")? {
        let entry = entry.context("reading /proc")?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Processes end while we look.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let its_parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)).and_then(|field| field.parse::<i32>().ok());
        if its_parent == Some(parent) {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}
