//! How a replica is told of, wherever it is seen.

use domain::state::Tone;

/// It was told to end: it is being replaced, or one fewer is wanted.
#[must_use]
pub fn is_stopping(reason: Option<&str>) -> bool {
    reason == Some("Terminating")
}

/// How it stands, in the reader's words; `reason`, Kubernetes' own, stands where there are none.
#[must_use]
pub fn status(ready: bool, reason: Option<&str>, restarts: i32) -> (Tone, String) {
    if is_stopping(reason) {
        return (Tone::Idle, "Stopping".into());
    }
    if ready {
        return (Tone::Good, "Ready".into());
    }
    let word = match reason {
        Some("CrashLoopBackOff") => "Keeps restarting",
        Some("OOMKilled") => "Out of memory",
        Some("ErrImagePull" | "ImagePullBackOff") => "Image cannot be pulled",
        Some("Unschedulable") => "No node fits",
        Some("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => "Cannot be started",
        None if restarts > 0 => "Started again, not ready",
        Some("ContainerCreating" | "PodInitializing") | None => return (Tone::Busy, "Starting".into()),
        Some(other) => other,
    };
    (Tone::Bad, word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::map::PodLook;

    #[test]
    fn word_and_map_agree() {
        for (ready, reason, restarts, tone, look) in [
            (true, None, 2, Tone::Good, PodLook::Ready),
            (false, None, 0, Tone::Busy, PodLook::Rising),
            (false, Some("ContainerCreating"), 0, Tone::Busy, PodLook::Rising),
            (false, None, 2, Tone::Bad, PodLook::Ill),
            (false, Some("CrashLoopBackOff"), 2, Tone::Bad, PodLook::Ill),
            (true, Some("Terminating"), 0, Tone::Idle, PodLook::Stopping),
        ] {
            let told = status(ready, reason, restarts).0;
            assert_eq!((told, PodLook::from(told)), (tone, look), "{ready} {reason:?} {restarts}");
        }
    }
}
