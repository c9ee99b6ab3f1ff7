//! What the replicas write, merged into one stream.

use std::{sync::Arc, time::Duration};

use domain::{
    Rejected, Timestamp,
    access::{TeamAction, TeamRole},
    deployment::{LogLine, LogQuery},
    ids::DeploymentId,
};
use futures::{Stream, StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::{Semaphore, mpsc};

use super::{authorize, store};
use crate::{
    Ctx, Result,
    k8s::{
        Kind, labels,
        logs::{Begin, Lines, MOST, Read, Then},
    },
    sessions,
};

const TAIL: i64 = 200;
const MAX_TAIL: i64 = *domain::limits::LOG_TAIL.end();
const MAX_SEARCH: usize = domain::limits::SEARCH;
/// So many replicas at most are followed at once.
const MAX_REPLICAS: usize = 20;
/// So many replicas at once are read to their end, each of which takes memory.
const AT_ONCE: usize = 4;
/// How often the right to read is checked again, and new replicas are looked for, while lines are followed.
const LOOK: Duration = Duration::from_secs(3);
/// Lines that wait for a slow reader.
const BACKLOG: usize = 256;

/// Streams what the replicas write, each line with the pod it is from. While following, replicas that come are joined in, and
/// sign-in and the right to read are checked every few seconds: the stream ends when the session or token it was opened with does, or the right is lost.
///
/// # Errors
/// `not_found` if the actor may not see the deployment, or there is no such replica; `invalid_input`; what the cluster says.
pub async fn logs(ctx: &Ctx, id: DeploymentId, query: &LogQuery) -> Result<impl Stream<Item = Result<LogLine>> + Send + use<>> {
    let tail = query.tail.unwrap_or(TAIL);
    if !(0..=MAX_TAIL).contains(&tail) {
        return Err(Rejected::field("tail", format!("Ask for 0 to {MAX_TAIL} lines.")).into());
    }
    let search = query.search.as_deref().filter(|text| !text.is_empty()).map(str::to_lowercase);
    if search.as_ref().is_some_and(|text| text.chars().count() > MAX_SEARCH) {
        return Err(Rejected::field("search", format!("Search for at most {MAX_SEARCH} characters.")).into());
    }
    let mut conn = ctx.read().await?;
    let found = authorize(&mut conn, ctx, id, TeamAction::See).await?;
    let only = query.pod.clone().filter(|pod| !pod.is_empty());
    let replicas = store::replica_names(&mut conn, id).await?;
    if let Some(pod) = &only
        && !replicas.contains(pod)
    {
        return Err(Rejected::not_found("replica").into());
    }
    drop(conn);
    let client = ctx.control().k8s.as_team(ctx.control(), found.cluster, found.team, TeamRole::Viewer, &ctx.actor().kubernetes_name()).await?;
    let then = if query.follow == Some(true) { Then::Follow } else { Then::End };
    let reader = Reader { ctx: ctx.clone(), id, only, search, pods: Api::namespaced(client, &found.workspace_name), then };
    let (sender, receiver) = mpsc::channel(BACKLOG);
    // Ends when the receiver is dropped: every send fails from then on.
    tokio::spawn(async move {
        let gone = sender.clone();
        tokio::select! {
            () = gone.closed() => {}
            () = reader.read(replicas, tail, sender) => {}
        }
    });
    Ok(stream::unfold(receiver, async |mut receiver: mpsc::Receiver<Result<LogLine>>| receiver.recv().await.map(|line| (line, receiver))))
}

struct Reader {
    ctx: Ctx,
    id: DeploymentId,
    only: Option<String>,
    /// In lower case.
    search: Option<String>,
    pods: Api<Pod>,
    then: Then,
}

impl Reader {
    async fn read(self, replicas: Vec<String>, tail: i64, sender: mpsc::Sender<Result<LogLine>>) {
        let mut reading: tokio::task::JoinSet<()> = tokio::task::JoinSet::new();
        let mut known: Vec<String> = Vec::new();
        let places = Arc::new(Semaphore::new(if self.then == Then::End { AT_ONCE } else { MAX_REPLICAS }));
        let mut join = |reading: &mut tokio::task::JoinSet<()>, replicas: Vec<String>, tail: i64| {
            for pod in replicas {
                let wanted = self.only.as_ref().is_none_or(|only| *only == pod);
                if wanted && known.len() < MAX_REPLICAS && !known.contains(&pod) {
                    known.push(pod.clone());
                    let (lines, place) = (Lines { begin: Begin::Last(tail), then: self.then }, Arc::clone(&places));
                    let read = replica(self.pods.clone(), pod, lines, self.search.clone(), sender.clone());
                    reading.spawn(async move {
                        let Ok(_place) = place.acquire_owned().await else { return };
                        read.await;
                    });
                }
            }
        };
        join(&mut reading, replicas, tail);
        if self.then == Then::End {
            while reading.join_next().await.is_some() {}
            return;
        }
        loop {
            tokio::time::sleep(LOOK).await;
            while reading.try_join_next().is_some() {}
            let seen = async {
                let now = sessions::again(&self.ctx).await?;
                let mut conn = self.ctx.read().await?;
                authorize(&mut conn, &now, self.id, TeamAction::See).await?;
                store::replica_names(&mut conn, self.id).await
            };
            match seen.await {
                Ok(replicas) => join(&mut reading, replicas, MAX_TAIL),
                Err(error) => {
                    reading.abort_all();
                    // The reader may be gone already.
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        }
    }
}

/// One replica's lines. Before its container has started there are none, so it is tried again while lines are followed.
async fn replica(pods: Api<Pod>, pod: String, lines: Lines, search: Option<String>, sender: mpsc::Sender<Result<LogLine>>) {
    loop {
        match crate::k8s::logs::stream(&pods, &pod, labels::MODEL_CONTAINER, lines).await {
            Ok(stream) => {
                let mut stream = std::pin::pin!(stream);
                while let Some(line) = stream.next().await {
                    let line = match line {
                        Ok(Read::Line(line)) => Ok(parse(&pod, &line)),
                        Ok(Read::More) => Ok(notice(&pod, format!("There is more than {} MiB: the rest is left out. Ask for fewer lines.", MOST >> 20))),
                        Err(error) => Err(error.into()),
                    };
                    if line.as_ref().is_ok_and(|line| !wanted(line, search.as_deref())) {
                        continue;
                    }
                    if sender.send(line).await.is_err() {
                        return;
                    }
                }
                return;
            }
            Err(error) if lines.then == Then::Follow && matches!(error.kind, Kind::Invalid) => tokio::time::sleep(LOOK).await,
            // A replica that went meanwhile, or never started, has nothing to say.
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Invalid) => return,
            Err(error) => {
                // The reader may be gone already.
                let _ = sender.send(Err(error.into())).await;
                return;
            }
        }
    }
}

/// What Slipway itself says about a replica's log: a line without a time.
fn notice(pod: &str, says: String) -> LogLine {
    LogLine { pod: pod.into(), at: None, text: format!("-- {says}") }
}

/// Whether a line has the text in it that was asked for, which is in lower case.
fn wanted(line: &LogLine, search: Option<&str>) -> bool {
    line.at.is_none() || search.is_none_or(|search| line.text.to_lowercase().contains(search))
}

/// A line begins with the time at which it was written.
fn parse(pod: &str, line: &str) -> LogLine {
    let (at, text) = match line.split_once(' ') {
        Some((time, text)) => match OffsetDateTime::parse(time, &Rfc3339) {
            Ok(time) => (Some(Timestamp(time)), text),
            Err(_) => (None, line),
        },
        None => (OffsetDateTime::parse(line, &Rfc3339).ok().map(Timestamp), ""),
    };
    LogLine { pod: pod.into(), at, text: text.trim_end_matches('\r').to_owned() }
}

#[cfg(test)]
mod tests;
