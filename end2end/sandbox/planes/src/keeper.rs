//! Starts processes that cannot outlive this one.
//!
//! Linux ends a process when the *thread* that started it ends, if the process
//! asked for that. So one thread starts them all, and lives as long as the keeper.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

struct Order {
    command: Command,
    started: oneshot::Sender<io::Result<Child>>,
}

/// The thread that starts processes. When the last clone of its handle goes, or
/// this process is killed, so does everything it started.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    orders: mpsc::Sender<Order>,
}

/// A process that was started.
pub(crate) struct Started {
    /// Its process id.
    pub(crate) pid: i32,
    /// How it ended, once it has.
    pub(crate) ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Keeper {
    pub(crate) fn new() -> Result<Self> {
        let (orders, queue) = mpsc::channel::<Order>();
        thread::Builder::new()
            .name("keeper".into())
            .spawn(move || {
                for mut order in queue {
                    // Whoever ordered it may have been cancelled; then nobody would ever stop it.
                    if let Err(Ok(mut orphan)) = order.started.send(order.command.spawn()) {
                        let _already_gone = orphan.kill();
                        let _ended = orphan.wait();
                    }
                }
            })
            .context("starting the thread that keeps processes")?;
        Ok(Self { orders })
    }

    /// Starts `program` with `arguments` so that it is killed when the keeper goes.
    /// `prepare` sets environment, output and folder.
    pub(crate) async fn start(&self, program: &std::path::Path, arguments: &[String], prepare: impl FnOnce(&mut Command)) -> Result<Started> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments);
        // Ctrl-C in a terminal reaches the whole group; the parts are stopped in order instead.
        command.process_group(0);
        prepare(&mut command);
        let (started, answer) = oneshot::channel();
        self.orders.send(Order { command, started }).ok().context("the thread that keeps processes is gone")?;
        let mut child = answer.await.context("the thread that keeps processes is gone")?.with_context(|| format!("starting {}", program.display()))?;
        let pid = i32::try_from(child.id()).context("a process id fits in 31 bits")?;
        let (tell, ended) = oneshot::channel();
        thread::Builder::new()
            .name(format!("wait-{pid}"))
            .spawn(move || {
                let _nobody_asks_any_more = tell.send(child.wait());
            })
            .context("starting a thread that waits for a process")?;
        Ok(Started { pid, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_it_started_ends_with_it() {
        let keeper = Keeper::new().unwrap();
        let started = keeper.start("sleep".as_ref(), &["60".to_owned()], |_| {}).await.unwrap();
        // Give setpriv the moment it takes to become the program.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        drop(keeper);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), started.ended).await.expect("it was left running");
        assert!(!ended.unwrap().unwrap().success());
    }
}
