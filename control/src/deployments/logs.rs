//! What the replicas write, merged into one stream.

mod replica;

use std::{collections::HashMap, time::Duration};

use domain::{
    Rejected,
    access::{TeamAction, TeamRole},
    deployment::{LogLine, LogQuery},
    ids::DeploymentId,
};
use futures::{Stream, StreamExt as _, stream};
use kube::Api;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::{authorize, store};
use crate::{
    Ctx, Result,
    k8s::{
        self,
        logs::{Begin, Container, Lines, Then},
    },
    sessions,
};
use replica::{Out, Replicas, Stop, notice};

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
    let replica = Replicas { pods: Api::namespaced(client, &found.workspace_name), search, previous: query.previous == Some(true), pace: LOOK };
    let reader = Reader { ctx: ctx.clone(), id, only, replica, then };
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
    replica: Replicas,
    then: Then,
}

impl Reader {
    async fn read(self, replicas: Vec<String>, tail: i64, lines: Out) {
        match self.then {
            Then::End => self.once(replicas, tail, lines).await,
            Then::Follow => self.follow(replicas, tail, lines).await,
        }
    }

    /// What is there, of a few replicas at a time.
    async fn once(&self, replicas: Vec<String>, tail: i64, lines: Out) {
        let (read, left_out) = choose(replicas, self.only.as_deref(), |_| false, MAX_REPLICAS);
        let all = read.len();
        let ends: Vec<(String, Result<usize, Stop>)> = stream::iter(read)
            .map(|pod| async {
                let mut newest = None;
                let end = match self.replica.before(&pod, tail, &mut newest, &lines).await {
                    Err(Stop::Closed) => Err(Stop::Closed),
                    // The run of now is read in any case.
                    before => {
                        let now = Lines { of: Container::Now, begin: Begin::Last(tail), then: Then::End };
                        self.replica.run(&pod, now, &mut newest, before.unwrap_or_default(), &lines).await
                    }
                };
                (pod, end)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let failed: Vec<(String, k8s::Error)> = ends
            .into_iter()
            .filter_map(|(pod, end)| match end {
                Err(Stop::Outside(error)) => Some((pod, error)),
                Ok(_) | Err(Stop::Closed | Stop::Gone | Stop::NotYet) => None,
            })
            .collect();
        // Where nothing can be read it is not about one of them.
        let whole = all > 0 && failed.len() == all;
        for (pod, error) in failed {
            let said = if whole { Err(error.into()) } else { Ok(notice(&pod, format!("This log could not be read: {}", error.sentence()))) };
            let over = said.is_err();
            // The reader may be gone already.
            if lines.send(said).await.is_err() || over {
                return;
            }
        }
        if let Some(left_out) = says_left_out(left_out) {
            let _ = lines.send(Ok(left_out)).await;
        }
    }

    /// Follows the replicas that there are and those that come, until the right to is lost.
    async fn follow(&self, replicas: Vec<String>, tail: i64, lines: Out) {
        let (mut readers, mut running) = (JoinSet::new(), HashMap::<String, AbortHandle>::new());
        let (mut replicas, mut tail, mut said) = (replicas, tail, 0);
        loop {
            while readers.try_join_next().is_some() {}
            running.retain(|_, reader| !reader.is_finished());
            let (fresh, left_out) = choose(replicas, self.only.as_deref(), |pod| running.contains_key(pod), MAX_REPLICAS.saturating_sub(running.len()));
            for pod in fresh {
                let reader = self.replica.clone().follow(pod.clone(), tail, lines.clone());
                running.insert(pod, readers.spawn(reader));
            }
            if std::mem::replace(&mut said, left_out) != left_out
                && let Some(left_out) = says_left_out(left_out)
                && lines.send(Ok(left_out)).await.is_err()
            {
                return;
            }
            tokio::time::sleep(LOOK).await;
            let seen = async {
                let now = sessions::again(&self.ctx).await?;
                let mut conn = self.ctx.read().await?;
                authorize(&mut conn, &now, self.id, TeamAction::See).await?;
                store::replica_names(&mut conn, self.id).await
            };
            (replicas, tail) = match seen.await {
                Ok(replicas) => (replicas, MAX_TAIL),
                Err(error) => {
                    readers.abort_all();
                    // The reader may be gone already.
                    let _ = lines.send(Err(error)).await;
                    return;
                }
            };
        }
    }
}

/// The replicas to begin with now, and how many there is no room for.
fn choose(replicas: Vec<String>, only: Option<&str>, running: impl Fn(&str) -> bool, room: usize) -> (Vec<String>, usize) {
    let mut fresh: Vec<String> = replicas.into_iter().filter(|pod| only.is_none_or(|only| only == pod) && !running(pod)).collect();
    let left_out = fresh.len().saturating_sub(room);
    fresh.truncate(room);
    (fresh, left_out)
}

fn says_left_out(count: usize) -> Option<LogLine> {
    let replicas = match count {
        0 => return None,
        1 => "1 more replica is".to_owned(),
        n => format!("{n} more replicas are"),
    };
    Some(notice("slipway", format!("{replicas} left out: {MAX_REPLICAS} are read at once. Choose one to read its log.")))
}

#[cfg(test)]
mod tests;
