//! Why an image cannot be pulled.

use super::{Evidence, MAY_WAIT_FOR_THE_REGISTRY, Replica, Verdict, failure};

pub(super) fn judge(evidence: &Evidence, pod: &Replica, message: &str) -> Verdict {
    // The back-off's own message says nothing; the event of the attempt does.
    let said = pod.events.iter().rev().find(|event| event.reason == "Failed" && event.message.contains("pull")).map_or(message, |event| event.message.as_str());
    let lower = said.to_lowercase();
    let raw = format!("pod {}: {said}", pod.name);
    let says = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
    if says(&["403", "401", "unauthorized", "denied", "authorization failed", "no basic auth"]) {
        let cause = "The node may not pull the image from its registry.".to_owned();
        return Verdict::Fatal(failure("image_denied", cause, "Ask a platform admin to let the node role pull from this repository.", &raw));
    }
    if says(&["not found", "manifest unknown", "no such manifest", "name unknown"]) {
        let cause = format!("The image {} is not in its registry any more.", name(&evidence.image));
        return Verdict::Fatal(failure("image_not_found", cause, "Push it again, or deploy another release.", &raw));
    }
    if says(&["invalidimagename", "invalid reference format"]) {
        return Verdict::Fatal(failure("image_not_found", "The image's name is not one.".into(), "Register the release again.", &raw));
    }
    if says(&["no match for platform", "exec format error", "unsupported architecture"]) {
        return Verdict::Fatal(failure(
            "wrong_platform",
            "The image was not built for the nodes of this cluster.".into(),
            "Build it for the nodes' architecture and register a new release.",
            &raw,
        ));
    }
    if pod.age < MAY_WAIT_FOR_THE_REGISTRY {
        return Verdict::Passing("The image could not be pulled yet; the node tries again.".into());
    }
    Verdict::Fatal(failure(
        "image_pull_failed",
        "The node could not pull the image.".into(),
        "Ask a platform admin whether the nodes reach the registry. The rollout goes on by itself when they do.",
        &raw,
    ))
}

/// `iris@sha256:103f9107…` of a whole reference.
fn name(image: &str) -> String {
    let (repository, digest) = image.split_once('@').unwrap_or((image, ""));
    let short: String = digest.chars().take("sha256:".len() + 8).collect();
    let repository = repository.split_once('/').map_or(repository, |(_, rest)| rest);
    if short.is_empty() { repository.to_owned() } else { format!("{repository}@{short}…") }
}
