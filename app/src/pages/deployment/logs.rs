//! `/deployments/{id}/logs`

use std::time::Duration;

use control::{Ctx, Error, Result, deployments};
use domain::{
    Code, Rejected,
    deployment::{Deployment, LogLine, LogQuery},
    ids::DeploymentId,
};
use futures::StreamExt as _;
use leptos::prelude::*;

use crate::{
    components::notice::Rejection,
    islands::log::{Log, clock, said::said},
    page::{Nav, Page},
};

/// As long as somebody waits for a page; what has come until then is shown.
const PATIENCE: Duration = Duration::from_secs(8);
/// So much is put into one page or file: of every replica an equal part.
const MOST: usize = 5000;
const MOST_BYTES: usize = 8 << 20;
const TAIL: i64 = 200;

/// What the replicas wrote last; an awake page follows on.
///
/// # Errors
/// Those of [`deployments::get`]; what the cluster says stands on the page.
pub async fn show(ctx: &Ctx, id: DeploymentId, query: LogQuery) -> Result<Page> {
    let deployment = deployments::get(ctx, id).await?;
    let query = fair(&deployment, query);
    let (read, rejected) = match read(ctx, id, &query).await {
        Ok(read) => (read, None),
        Err(Error::Rejected(rejected)) if rejected.code != Code::Unauthenticated => (Read::default(), Some(*rejected)),
        Err(error) => return Err(error),
    };
    Ok(Page::new(format!("Logs of {}", deployment.summary.name), Nav::Deployments, move || view! { <Body deployment query read rejected/> }).with_islands())
}

/// What the replicas wrote last, as a file.
pub struct File {
    pub name: String,
    pub text: String,
}

/// The same lines as on the page, each with its time and replica, as a file to keep.
///
/// # Errors
/// Those of [`deployments::logs`].
pub async fn file(ctx: &Ctx, id: DeploymentId, query: LogQuery) -> Result<File> {
    let deployment = deployments::get(ctx, id).await?;
    let query = fair(&deployment, query);
    let Read { lines, cut } = read(ctx, id, &query).await?;
    Ok(File { name: format!("{}.log", deployment.summary.name), text: written(&lines, cut) })
}

fn written(lines: &[LogLine], cut: bool) -> String {
    let mut text: String = lines.iter().map(|line| format!("{} {} {}\n", line.at.map_or_else(|| "-".to_owned(), |at| at.to_string()), line.pod, line.text)).collect();
    if cut {
        text.push_str("-- There is more: not everything came in time, or fitted.\n");
    }
    text
}

/// No replica's lines may crowd out another's, so each gives an equal part of what there is room for.
fn fair(deployment: &Deployment, query: LogQuery) -> LogQuery {
    let replicas = if query.pod.as_deref().is_some_and(|pod| !pod.is_empty()) { 1 } else { deployment.pods.len().max(1) };
    let each = i64::try_from(MOST / replicas).unwrap_or(1).max(1);
    LogQuery { follow: None, tail: Some(query.tail.map_or(TAIL.min(each), |tail| if tail > each && tail <= MOST as i64 { each } else { tail })), ..query }
}

/// Lines in the order of their time.
#[derive(Default)]
struct Read {
    lines: Vec<LogLine>,
    /// Whether there was more than what came in time and fitted.
    cut: bool,
}

async fn read(ctx: &Ctx, id: DeploymentId, query: &LogQuery) -> Result<Read> {
    let stream = deployments::logs(ctx, id, query).await?;
    let mut stream = std::pin::pin!(stream);
    let (mut lines, mut bytes) = (Vec::new(), 0);
    let read = async {
        while let Some(line) = stream.next().await {
            let line = line?;
            bytes += line.text.len();
            if lines.len() == MOST || bytes > MOST_BYTES {
                return Ok(true);
            }
            lines.push(line);
        }
        Ok::<bool, Error>(false)
    };
    // A replica that does not answer in time is left out; an open page goes on asking.
    let cut = match tokio::time::timeout(PATIENCE, read).await {
        Ok(cut) => cut?,
        Err(_) => true,
    };
    lines.sort_by_key(|line| line.at);
    Ok(Read { lines, cut })
}

#[component]
fn Body(deployment: Deployment, query: LogQuery, read: Read, rejected: Option<Rejected>) -> impl IntoView {
    let summary = deployment.summary;
    let here = format!("/deployments/{}", summary.id);
    let chosen = query.pod.clone().unwrap_or_default();
    let replicas = deployment
        .pods
        .iter()
        .map(|pod| {
            let selected = pod.name == chosen;
            view! { <option value=pod.name.clone() selected=selected>{pod.name.clone()}</option> }
        })
        .collect_view();
    let previous = query.previous == Some(true);
    let runs = (previous || deployment.pods.iter().any(|pod| pod.restarts > 0)).then(|| {
        view! {
            <select name="previous" aria-label="Which runs">
                <option value="" selected=!previous>"this run"</option>
                <option value="true" selected=previous>"and the run before"</option>
            </select>
        }
    });
    let tail = query.tail.unwrap_or(TAIL);
    let mut tails = vec![50, 200, 1000, 5000];
    if !tails.contains(&tail) {
        tails.push(tail);
        tails.sort_unstable();
    }
    let tails = tails.into_iter().map(|choice| view! { <option value=choice.to_string() selected=choice == tail>{format!("last {choice} lines of each")}</option> }).collect_view();
    let mut address = url::form_urlencoded::Serializer::new(String::new());
    let search = query.search.unwrap_or_default();
    for (name, value) in [("pod", chosen), ("search", search.clone()), ("tail", tail.to_string()), ("previous", if previous { "true".to_owned() } else { String::new() })] {
        if !value.is_empty() {
            address.append_pair(name, &value);
        }
    }
    let asked = address.finish();
    let source = format!("/api/v1/deployments/{}/logs?follow=true&{asked}", summary.id);
    let download = format!("{here}/logs/download?{asked}");
    let Read { lines, cut } = read;
    let none = if search.is_empty() { "No line yet." } else { "No line with this text yet." };
    let empty = (lines.is_empty() && rejected.is_none()).then(|| view! { <p class="said">{none}</p> });
    let more = cut.then(|| view! { <p class="in small muted">"Not everything came in time, or fitted. Choose one replica, or fewer lines."</p> });
    let rows = lines.into_iter().map(line).collect_view();
    view! {
        <div class="head">
            <div>
                <div class="crumbs"><a href="/deployments">"Deployments"</a>" / "<a href=here>{summary.name.clone()}</a>" / Logs"</div>
                <h1>{format!("Logs of {}", summary.name)}</h1>
                <p class="muted">"All replicas in the order of time, each line with the end of its replica's name."</p>
            </div>
            <a class="button" href=download>"Download"</a>
        </div>
        {rejected.map(|rejected| view! { <Rejection rejected/> })}
        <section class="card">
            <form class="search" method="get">
                <input type="search" name="search" value=search placeholder="Only lines with this text" aria-label="Only lines with this text" maxlength="100"/>
                <select name="pod" aria-label="Replica"><option value="">"Every replica"</option>{replicas}</select>
                <select name="tail" aria-label="How many lines">{tails}</select>
                {runs}
                <button>"Show"</button>
            </form>
            {more}
            <div class="in"><Log source>{rows}{empty}</Log></div>
        </section>
    }
}

fn line(line: LogLine) -> impl IntoView {
    let name = line.pod.clone();
    let at = line.at.map(|at| view! { <time datetime=at.to_string() title=at.to_string()>{clock(at)}</time> });
    let said = said(&line).to_owned();
    view! { <p><span title=line.pod>{name}</span>{at}<span>{said}</span></p> }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::page::draw_part;

    fn wrote(second: u8, pod: &str, text: &str) -> LogLine {
        LogLine { pod: pod.into(), at: Some(domain::Timestamp(datetime!(2026-11-24 09:00:00 UTC) + Duration::from_secs(second.into()))), text: text.into() }
    }

    #[test]
    fn a_file_has_time_and_replica_on_every_line() {
        let text = written(&[wrote(1, "iris-a", "one"), wrote(2, "iris-b", "</p><script>")], true);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("2026-11-24T09:00:01Z iris-a one") && lines[1].ends_with(" iris-b </p><script>") && lines[2].starts_with("-- There is more"), "{text}");
    }

    #[test]
    fn a_line_says_when_and_by_whom_and_stays_text() {
        let html = draw_part(|| line(wrote(7, "iris-a", "<script>")));
        assert!(html.contains("title=\"iris-a\"") && html.contains(">09:00:07.000</time>") && !html.contains("<script>"), "{html}");
    }

    #[test]
    fn a_time_of_the_line_s_own_is_in_the_file_alone() {
        let twice = || wrote(7, "iris-a", "2026-11-24T09:00:07.000123Z INFO ready");
        let html = draw_part(move || line(twice()));
        assert!(html.contains("<span>INFO ready</span>") && !html.contains("000123"), "{html}");
        assert!(written(&[twice()], false).ends_with(" iris-a 2026-11-24T09:00:07.000123Z INFO ready\n"));
    }
}
