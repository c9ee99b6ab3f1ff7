//! What an earlier run of the same state folder left behind, if it was killed in a
//! way the kernel's own cleaning did not cover.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::config::private_file;
use crate::part::signal;

/// A process as its pid file knows it. Ids are used again, so the start time tells
/// whether it is still the same one.
#[derive(Serialize, Deserialize)]
struct Note {
    pid: i32,
    started: u64,
}

/// Remembers a process that was started.
pub(crate) fn note(file: &Path, pid: i32) -> Result<()> {
    // A process that died at once has no start time; the part's watcher reports it.
    let Some(started) = started(pid) else { return Ok(()) };
    private_file(file, &serde_json::to_string(&Note { pid, started }).context("writing a pid file")?)
}

/// Forgets a process that ended.
pub(crate) fn forget(file: &Path) {
    match std::fs::remove_file(file) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::error!(file = %file.display(), %error, "could not remove a pid file"),
    }
}

/// Ends every process that a pid file anywhere below `folder` names.
///
/// # Errors
/// When the folder cannot be read, or a process will not end.
pub(crate) fn end_all(folder: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let path = entry.path();
        if entry.file_type().with_context(|| format!("reading {}", path.display()))?.is_dir() {
            end_all(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "pid") {
            end(&path)?;
        }
    }
    Ok(())
}

fn end(file: &Path) -> Result<()> {
    let body = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    if let Ok(note) = serde_json::from_str::<Note>(&body) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while started(note.pid) == Some(note.started) {
            tracing::warn!(pid = note.pid, file = %file.display(), "ending a process that an earlier run left");
            signal(note.pid, Signal::SIGKILL);
            std::thread::sleep(Duration::from_millis(100));
            anyhow::ensure!(Instant::now() < deadline, "process {} of an earlier run, named in {}, does not end", note.pid, file.display());
        }
    }
    forget(file);
    Ok(())
}

/// When a process started, in clock ticks since boot; nothing when it is gone or a zombie.
fn started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything, so fields are counted after it.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn ends_the_process_a_pid_file_names_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut mine = Command::new("sleep").arg("60").spawn().unwrap();
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = |child: &std::process::Child| i32::try_from(child.id()).unwrap();
        note(&folder.path().join("mine.pid"), pid(&mine)).unwrap();
        // The same id, but another start: a process that got a dead one's id.
        let reused = Note { pid: pid(&other), started: 1 };
        private_file(&folder.path().join("reused.pid"), &serde_json::to_string(&reused).unwrap()).unwrap();

        // A zombie counts as gone, and ours is one until waited for.
        end_all(folder.path()).unwrap();

        assert!(!mine.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "a process with a reused id was ended");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "pid files are left");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
