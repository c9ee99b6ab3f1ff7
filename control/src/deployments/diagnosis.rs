//! Why replicas do not come up, in the words of the person who deployed.
//!
//! A function from what Kubernetes, the container and its log say to a verdict. Definite causes come before circumstantial
//! ones, and what may still turn out well is said without ending the rollout.

use domain::{
    operation::{Failure, Remedy},
    size::Size,
};

mod image;
mod words;

pub use words::short;
use words::{exit_in_words, next_size};

/// All there is to judge by.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub size: Size,
    pub port: i32,
    pub health_path: String,
    pub image: String,
    pub workspace: String,
    /// How long a model may load, in seconds.
    pub startup_seconds: i64,
    /// How long Kubernetes waits for progress, in seconds.
    pub patience_seconds: i64,
    /// Why Kubernetes could not make replicas, as it says on the Deployment or its newest ReplicaSet.
    pub not_created: Option<String>,
    /// Whether Kubernetes has given up on progress.
    pub deadline_exceeded: bool,
    /// The replicas of the wanted revision.
    pub pods: Vec<Replica>,
}

/// What is known of one replica.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    pub name: String,
    /// Seconds since a node took it; before that, since it was made.
    pub age: i64,
    pub ready: bool,
    /// Why no node takes it, as the scheduler says.
    pub unschedulable: Option<String>,
    /// Why its container waits: reason and message.
    pub waiting: Option<(String, String)>,
    /// Seconds since its container was started, while it runs.
    pub running: Option<i64>,
    /// How the container ended just now, or the time before.
    pub exit: Option<Exit>,
    /// How often the container ended.
    pub exits: i32,
    /// What happened to it, oldest first.
    pub events: Vec<Happening>,
    /// The end of its log, of the run that ended if one did.
    pub last_words: Option<String>,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// `OOMKilled`, `Error`, `Completed`, …
    pub reason: String,
    pub code: i32,
}

/// An event about a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    pub reason: String,
    pub message: String,
}

/// What it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will not come up like this.
    Fatal(Failure),
    /// It may still come up; this is what goes on.
    Passing(String),
    /// Nothing to say.
    Nothing,
}

/// An image may fail to be pulled for this long for reasons that pass, in seconds.
const MAY_WAIT_FOR_THE_REGISTRY: i64 = 120;

/// Judges.
#[must_use]
pub fn diagnose(evidence: &Evidence) -> Verdict {
    if let Some(message) = &evidence.not_created {
        return Verdict::Fatal(not_created(evidence, message));
    }
    let judged: Vec<Verdict> = evidence.pods.iter().filter(|pod| !pod.ready).map(|pod| replica(evidence, pod)).collect();
    if let Some(fatal) = judged.iter().find(|verdict| matches!(verdict, Verdict::Fatal(_))) {
        return fatal.clone();
    }
    if evidence.deadline_exceeded {
        return Verdict::Fatal(out_of_time(evidence));
    }
    judged.into_iter().find(|verdict| matches!(verdict, Verdict::Passing(_))).unwrap_or(Verdict::Nothing)
}

/// The code of a failure for which a quota has no room.
pub(super) const QUOTA_EXCEEDED: &str = "quota_exceeded";

/// The ReplicaSet's attempt to make a pod was refused.
fn not_created(evidence: &Evidence, message: &str) -> Failure {
    if message.contains("exceeded quota") {
        return failure(
            QUOTA_EXCEEDED,
            format!("The quota of {} has no room for another replica. An update needs room for one more than there are.", evidence.workspace),
            "Choose a smaller size or fewer replicas, or ask a platform admin for a larger quota.",
            message,
        );
    }
    if message.contains("violates PodSecurity") {
        return failure(
            "pod_security",
            format!("The cluster's pod security level for {} does not allow these replicas.", evidence.workspace),
            "Ask a platform admin to look at the namespace's pod-security label.",
            message,
        );
    }
    failure("not_created", "Kubernetes refused to make the replicas.".into(), "Ask a platform admin to look at what Kubernetes said.", message)
}

fn replica(evidence: &Evidence, pod: &Replica) -> Verdict {
    if let Some(message) = &pod.unschedulable {
        return unschedulable(evidence, pod, message);
    }
    if let Some((reason, message)) = &pod.waiting {
        match reason.as_str() {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "RegistryUnavailable" => return image::judge(evidence, pod, message),
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => return Verdict::Fatal(cannot_start(pod, message)),
            _ => {}
        }
    }
    match &pod.exit {
        Some(exit) => ended(evidence, pod, exit),
        None => loading(evidence, pod),
    }
}

fn unschedulable(evidence: &Evidence, pod: &Replica, message: &str) -> Verdict {
    let lacks: Vec<&str> = [("Insufficient cpu", "CPU"), ("Insufficient memory", "memory"), ("Insufficient nvidia.com/gpu", "GPUs"), ("Too many pods", "room for pods")]
        .into_iter()
        .filter(|(sign, _)| message.contains(sign))
        .map(|(_, word)| word)
        .collect();
    let why = match (lacks.as_slice(), message.contains("taint")) {
        ([], true) => "the nodes that are there are kept for something else".to_owned(),
        ([], false) => "no node takes it".to_owned(),
        (lacks, _) => format!("the nodes have not enough {} free", lacks.join(" and ")),
    };
    // Nodes are added meanwhile, or become free: a new one takes minutes.
    if !evidence.deadline_exceeded {
        return Verdict::Passing(format!(
            "A replica waits for a node: {why}. One may be added or become free; this is waited for up to {} minutes.",
            evidence.patience_seconds / 60
        ));
    }
    Verdict::Fatal(failure(
        "does_not_fit",
        format!("A replica of size {} ({}) finds no node: {why}.", evidence.size.as_str(), evidence.size.summary()),
        "Choose a smaller size or fewer replicas, or ask a platform admin for more nodes. It starts by itself when there is room.",
        &format!("pod {}: {message}", pod.name),
    ))
}

fn cannot_start(pod: &Replica, message: &str) -> Failure {
    let raw = format!("pod {}: {message}", pod.name);
    if message.contains("runAsNonRoot") || message.contains("will run as root") {
        return failure(
            "runs_as_root",
            "The image wants to run as root, which is not allowed.".into(),
            "Give the image a user of its own (USER 65532) and register a new release.",
            &raw,
        );
    }
    failure("cannot_start", "The container could not be started from this image.".into(), "Check the image's command and files, then register a new release.", &raw)
}

fn ended(evidence: &Evidence, pod: &Replica, exit: &Exit) -> Verdict {
    if exit.reason == "StartError" || exit.reason == "ContainerCannotRun" {
        return Verdict::Fatal(cannot_start(pod, &raw(pod, exit)));
    }
    if exit.reason == "OOMKilled" {
        if pod.exits < 2 {
            return Verdict::Passing("A replica ran out of memory; Kubernetes starts it once more.".into());
        }
        let larger = next_size(evidence.size);
        let next = match larger {
            Some(larger) => format!("Retry with size {} ({}).", larger.as_str(), larger.summary()),
            None => "There is no larger size: make the model smaller, or ask a platform admin for a larger one.".into(),
        };
        let cause = format!("The model ran out of memory, also after a restart. Each replica may use {} MiB.", evidence.size.memory_mib());
        return Verdict::Fatal(Failure { code: "out_of_memory".into(), cause, next, raw: Some(raw(pod, exit)), remedy: larger.map(Remedy::size) });
    }
    if let Some(why) = killed_by_startup_probe(pod) {
        return Verdict::Fatal(never_ready(evidence, pod, why));
    }
    if pod.exits < 2 {
        return Verdict::Passing(format!("A replica stopped ({}); Kubernetes starts it once more.", exit_in_words(exit)));
    }
    let last = last_line(pod).map(|line| format!(" Its last words: {line}")).unwrap_or_default();
    let (code, what) = if exit.code == 0 { ("exited", "ended by itself, though it should go on serving") } else { ("crashed", "stopped") };
    Verdict::Fatal(Failure {
        code: code.into(),
        // Kubernetes goes on starting it, so a number would soon be another than the one beside the replica.
        cause: format!("The model {what}, also after a restart ({}).{last}", exit_in_words(exit)),
        next: "Read its log, mend the model or its environment variables, then deploy again.".into(),
        raw: Some(raw(pod, exit)),
        remedy: None,
    })
}

/// The last line that it wrote of something being wrong, or else the last one: one that is told to stop often says only that.
fn last_line(pod: &Replica) -> Option<String> {
    const WRONG: [&str; 7] = ["error", "warn", "fail", "fatal", "panic", "exception", "not ready"];
    let lines = || pod.last_words.as_deref().into_iter().flat_map(str::lines).rev().filter(|line| !line.trim().is_empty());
    let tells = |line: &&str| WRONG.iter().any(|word| line.to_lowercase().contains(word));
    lines().find(tells).or_else(|| lines().next()).map(words::one_line)
}

/// What the startup probe got, when it is why the kubelet ended the container.
fn killed_by_startup_probe(pod: &Replica) -> Option<&str> {
    let killed = pod.events.iter().any(|event| event.reason == "Killing" && event.message.contains("startup probe"));
    killed.then(|| probe_answer(pod)).flatten()
}

fn probe_answer(pod: &Replica) -> Option<&str> {
    pod.events.iter().rev().find(|event| event.reason == "Unhealthy" && event.message.starts_with("Startup probe failed")).map(|event| event.message.as_str())
}

/// Says what is wrong when the health path never answered 200.
fn never_ready(evidence: &Evidence, pod: &Replica, answer: &str) -> Failure {
    let (port, path, seconds) = (evidence.port, &evidence.health_path, evidence.startup_seconds);
    let said = match &pod.last_words {
        Some(words) => format!("pod {}: {answer}\nlast log: {words}", pod.name),
        None => format!("pod {}: {answer}", pod.name),
    };
    if answer.contains("connection refused") {
        let cause = format!("Nothing listens on port {port}: the startup probe asked for {path} there and found no server within {seconds} seconds.");
        return match pod.last_words.as_deref().and_then(words::listens_on).filter(|other| i32::from(*other) != port) {
            Some(other) => {
                let (cause, next) = (format!("{cause} Its log says that it listens on port {other}."), format!("Register a release with port {other} and deploy it."));
                Failure { remedy: Some(Remedy::port(other)), ..failure("wrong_port", cause, &next, &said) }
            }
            None => failure(
                "wrong_port",
                cause,
                "If the model listens on another port, register a release with that port and deploy it. If it loads longer, choose a larger size.",
                &said,
            ),
        };
    }
    if answer.contains("statuscode: 404") {
        return failure(
            "wrong_health_path",
            format!("The model has no {path}: it answers 404."),
            "Register a release with the path at which the model says that it is ready.",
            &said,
        );
    }
    let last = last_line(pod).map(|line| format!(" The last line of its log: {line}")).unwrap_or_default();
    failure(
        "never_ready",
        format!("The model runs but did not say that it is ready within {seconds} seconds (port {port}, {path}).{last}"),
        "Read its log. If it loads longer than this, choose a larger size, which also gives it more time.",
        &said,
    )
}

fn loading(evidence: &Evidence, pod: &Replica) -> Verdict {
    let Some(seconds) = pod.running else {
        return match &pod.waiting {
            Some((reason, _)) if reason == "ContainerCreating" && pod.age > 3 => {
                Verdict::Passing(format!("A node pulls the image and starts the container, {} s so far.", pod.age))
            }
            _ => Verdict::Nothing,
        };
    };
    if seconds < 3 {
        return Verdict::Nothing;
    }
    if probe_answer(pod).is_some_and(|answer| answer.contains("connection refused")) {
        return Verdict::Passing(format!("The model starts: nothing answers on port {} yet, {seconds} s of at most {} s.", evidence.port, evidence.startup_seconds));
    }
    Verdict::Passing(format!("The model loads, {seconds} s of at most {} s.", evidence.startup_seconds))
}

/// Kubernetes gave up, and no replica says why.
fn out_of_time(evidence: &Evidence) -> Failure {
    let Some(pod) = evidence.pods.iter().find(|pod| !pod.ready) else {
        return failure("never_ready", "The replicas did not become ready in time.".into(), "Read the log, then deploy again.", "the progress deadline was exceeded");
    };
    if let Some(answer) = probe_answer(pod) {
        return never_ready(evidence, pod, answer);
    }
    let last = pod.events.last().map_or("there are no events about it", |event| event.message.as_str());
    failure("never_ready", "A replica did not become ready in time.".into(), "Read the log, then deploy again.", &format!("pod {}: {last}", pod.name))
}

/// What Kubernetes and the container said about an end.
fn raw(pod: &Replica, exit: &Exit) -> String {
    let end = format!("pod {} container model: terminated {}, exit code {}", pod.name, exit.reason, exit.code);
    match &pod.last_words {
        Some(words) => format!("{end}\nlast log: {words}"),
        None => end,
    }
}

fn failure(code: &str, cause: String, next: &str, raw: &str) -> Failure {
    Failure { code: code.into(), cause, next: next.into(), raw: Some(raw.to_owned()), remedy: None }
}

#[cfg(test)]
mod tests;
