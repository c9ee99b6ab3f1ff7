//! One replica's log, over the runs of its container.

use std::time::Duration;

use domain::{Timestamp, deployment::LogLine};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::mpsc;

use crate::{
    Result, clock,
    k8s::{
        self, Kind, labels,
        logs::{Begin, Container, Lines, MOST, Read, Then, stream},
    },
};

/// Where lines go.
pub(super) type Out = mpsc::Sender<Result<LogLine>>;

/// The replicas whose logs are read, and what of them is wanted.
#[derive(Clone)]
pub(super) struct Replicas {
    pub pods: Api<Pod>,
    /// In lower case.
    pub search: Option<String>,
    /// Whether what was written before the last restart is wanted, too.
    pub previous: bool,
    /// How soon a log that came to its end is looked at again; longer while nothing comes.
    pub pace: Duration,
}

/// Why no more of a log is read.
pub(super) enum Stop {
    /// Nobody listens any more.
    Closed,
    /// The replica is gone.
    Gone,
    /// Its container has not started.
    NotYet,
    Outside(k8s::Error),
}

/// The longest time without a look, in paces.
const SLOWEST: u32 = 8;

impl Replicas {
    /// Reads what one run of the container wrote, or from where it was left, with `first` before its first line. Moves `newest` along; gives how many lines there were.
    pub async fn run(&self, pod: &str, lines: Lines, newest: &mut Option<Timestamp>, mut first: Option<LogLine>, out: &Out) -> Result<usize, Stop> {
        let read = stream(&self.pods, pod, labels::MODEL_CONTAINER, lines).await.map_err(|error| match error.kind {
            Kind::NotFound => Stop::Gone,
            Kind::Invalid => Stop::NotYet,
            _ => Stop::Outside(error),
        })?;
        let mut read = std::pin::pin!(read);
        let (from, mut count) = (*newest, 0);
        while let Some(read) = read.next().await {
            let line = match read.map_err(Stop::Outside)? {
                Read::Line(line) => parse(pod, &line),
                Read::More => {
                    let more = notice(pod, format!("There is more than {} MiB: the rest is left out. Ask for fewer lines.", MOST >> 20));
                    out.send(Ok(more)).await.map_err(|_| Stop::Closed)?;
                    break;
                }
            };
            // A log is read again by the second, so its last lines come once more.
            if line.at.zip(from).is_some_and(|(at, from)| at <= from) {
                continue;
            }
            if let Some(first) = first.take() {
                out.send(Ok(first)).await.map_err(|_| Stop::Closed)?;
            }
            count += 1;
            *newest = line.at.max(*newest);
            if wanted(&line, self.search.as_deref()) && out.send(Ok(line)).await.is_err() {
                return Err(Stop::Closed);
            }
        }
        Ok(count)
    }

    /// Reads what the container wrote before it was started again, if that is wanted and there is any. Moves `newest` along.
    /// That it cannot be read is a line of its own. Gives what to say before the first line of the run of now: while that has written nothing, its log is the same.
    pub async fn before(&self, pod: &str, tail: i64, newest: &mut Option<Timestamp>, out: &Out) -> Result<Option<LogLine>, Stop> {
        if !self.previous || tail == 0 {
            return Ok(None);
        }
        match self.run(pod, Lines { of: Container::Before, begin: Begin::Last(tail), then: Then::End }, newest, None, out).await {
            // There was no run before.
            Ok(0) | Err(Stop::NotYet) => Ok(None),
            // With the time of the last line, after which it belongs.
            Ok(_) => Ok(Some(LogLine { at: *newest, ..notice(pod, "The container ended here and was started again.".into()) })),
            Err(Stop::Outside(error)) => {
                let says = notice(pod, format!("What it wrote before it was started again could not be read: {}", error.sentence()));
                out.send(Ok(says)).await.map_err(|_| Stop::Closed)?;
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Follows a replica for as long as it is there: when its container ends, what it writes next is read, too.
    pub async fn follow(self, pod: String, tail: i64, out: Out) {
        // Whoever wants no earlier lines still wants those of the next run.
        let mut newest = None;
        let begun = (tail == 0).then(clock::now);
        let mut begin = Begin::Last(tail);
        let (mut paces, mut said) = (1, None);
        let mut first = match self.before(&pod, tail, &mut newest, &out).await {
            Ok(first) => first,
            Err(Stop::Closed) => return,
            // The run of now says so, too.
            Err(Stop::Gone | Stop::NotYet | Stop::Outside(_)) => None,
        };
        loop {
            let before = newest;
            let now = first.clone();
            let run = self.run(&pod, Lines { of: Container::Now, begin, then: Then::Follow }, &mut newest, now, &out).await;
            if newest != before {
                first = None;
            }
            match run {
                Ok(0) => paces = (paces * 2).min(SLOWEST),
                Ok(_) => (paces, said) = (1, None),
                Err(Stop::Closed) => return,
                Err(Stop::Gone) => {
                    if newest.is_some() {
                        // The reader may be gone already.
                        let _ = out.send(Ok(notice(&pod, "This replica is gone.".into()))).await;
                    }
                    return;
                }
                Err(Stop::NotYet) => {}
                Err(Stop::Outside(error)) => {
                    paces = if newest == before { (paces * 2).min(SLOWEST) } else { 1 };
                    let says = format!("This log cannot be read just now: {} Slipway tries again.", error.sentence());
                    if said.as_ref() != Some(&says) && out.send(Ok(notice(&pod, says.clone()))).await.is_err() {
                        return;
                    }
                    said = Some(says);
                }
            }
            begin = newest.or(begun).map_or(Begin::Last(tail), Begin::Since);
            tokio::time::sleep(self.pace * paces).await;
        }
    }
}

/// What Slipway itself says about a replica's log: a line without a time.
pub(super) fn notice(pod: &str, says: String) -> LogLine {
    LogLine { pod: pod.into(), at: None, text: format!("-- {says}") }
}

/// Whether a line has the text in it that was asked for, which is in lower case.
pub(super) fn wanted(line: &LogLine, search: Option<&str>) -> bool {
    search.is_none_or(|search| line.text.to_lowercase().contains(search))
}

/// A line begins with the time at which it was written.
pub(super) fn parse(pod: &str, line: &str) -> LogLine {
    let (at, text) = match line.split_once(' ') {
        Some((time, text)) => match OffsetDateTime::parse(time, &Rfc3339) {
            Ok(time) => (Some(Timestamp(time)), text),
            Err(_) => (None, line),
        },
        None => (OffsetDateTime::parse(line, &Rfc3339).ok().map(Timestamp), ""),
    };
    LogLine { pod: pod.into(), at, text: text.trim_end_matches('\r').to_owned() }
}
