//! Words for what happened.

use domain::size::Size;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Exit;

/// A failure's code in a few words, for lists.
#[must_use]
pub fn short(code: &str) -> &'static str {
    match code {
        "out_of_memory" => "ran out of memory",
        "crashed" => "crashed",
        "exited" => "ended by itself",
        "image_not_found" => "the image is gone",
        "image_denied" => "the image may not be pulled",
        "image_pull_failed" => "the image cannot be pulled",
        "wrong_platform" => "the image is for other nodes",
        "wrong_port" => "nothing answers on its port",
        "wrong_health_path" => "wrong health path",
        "never_ready" => "never became ready",
        "does_not_fit" => "no node has room",
        "quota_exceeded" => "the quota has no room",
        "pod_security" => "not allowed by pod security",
        "runs_as_root" => "the image wants to be root",
        "cannot_start" => "cannot be started",
        "not_created" => "refused by the cluster",
        "right_lost" => "the right to deploy was lost",
        "name_taken" => "the name is taken in the cluster",
        "changed_by_others" => "others changed it in the cluster",
        "workspace_failed" => "the workspace could not be made",
        "cluster_gone" => "the cluster is gone",
        "cluster_denied" => "the cluster refused it",
        "cluster_error" => "the cluster answers with errors",
        _ => "did not come up",
    }
}

/// The next larger size with more memory.
pub(super) fn next_size(size: Size) -> Option<Size> {
    Size::ALL.into_iter().find(|larger| larger.memory_mib() > size.memory_mib() && larger.gpus() == size.gpus())
}

/// Exit codes with a known meaning carry it.
pub(super) fn exit_in_words(exit: &Exit) -> String {
    let meaning = match exit.code {
        126 => " (its program may not be run)",
        127 => " (its program was not found)",
        134 => " (aborted)",
        137 => " (killed)",
        139 => " (it touched memory that is not its own)",
        143 => " (asked to stop)",
        _ => "",
    };
    format!("exit code {}{meaning}", exit.code)
}

/// A port that the log says the model listens on.
pub(super) fn listens_on(log: &str) -> Option<u16> {
    let line = log.lines().rev().find(|line| line.to_ascii_lowercase().contains("listening"))?;
    let (_, after) = line.rsplit_once(':')?;
    let digits = after.trim_start().chars().take_while(char::is_ascii_digit).collect::<String>();
    digits.parse().ok()
}

/// A line that fits into a sentence: without the time that many loggers begin with.
pub(super) fn one_line(line: &str) -> String {
    const MAX: usize = 200;
    let line = line.trim();
    let line = match line.split_once(' ') {
        Some((first, rest)) if OffsetDateTime::parse(first, &Rfc3339).is_ok() => rest.trim_start(),
        _ => line,
    };
    let line: String = line.chars().filter(|c| !domain::names::is_deceptive(*c)).collect();
    if line.chars().count() <= MAX {
        return line;
    }
    line.chars().take(MAX).chain(['…']).collect()
}
