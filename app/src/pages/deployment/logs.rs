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
    islands::log::Log,
    page::{Nav, Page},
};

/// As long as somebody waits for a page; what has come until then is shown.
const PATIENCE: Duration = Duration::from_secs(8);
const MOST: usize = 5000;

/// What the replicas wrote last; an awake page follows on.
///
/// # Errors
/// Those of [`deployments::get`]; what the cluster says stands on the page.
pub async fn show(ctx: &Ctx, id: DeploymentId, query: LogQuery) -> Result<Page> {
    let deployment = deployments::get(ctx, id).await?;
    let query = LogQuery { follow: None, ..query };
    let (lines, rejected) = match lines(ctx, id, &query).await {
        Ok(lines) => (lines, None),
        Err(Error::Rejected(rejected)) if rejected.code != Code::Unauthenticated => (Vec::new(), Some(*rejected)),
        Err(error) => return Err(error),
    };
    Ok(Page::new(format!("Logs of {}", deployment.summary.name), Nav::Deployments, move || view! { <Body deployment query lines rejected/> }).with_islands())
}

async fn lines(ctx: &Ctx, id: DeploymentId, query: &LogQuery) -> Result<Vec<LogLine>> {
    let stream = deployments::logs(ctx, id, query).await?;
    let mut stream = std::pin::pin!(stream);
    let mut lines = Vec::new();
    let read = async {
        while let Some(line) = stream.next().await {
            lines.push(line?);
            if lines.len() == MOST {
                break;
            }
        }
        Ok::<(), Error>(())
    };
    // A replica that does not answer in time is left out of this page; the stream goes on asking.
    if let Ok(outcome) = tokio::time::timeout(PATIENCE, read).await {
        outcome?;
    }
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

#[component]
fn Body(deployment: Deployment, query: LogQuery, lines: Vec<LogLine>, rejected: Option<Rejected>) -> impl IntoView {
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
    let tails = [50, 200, 1000, 5000]
        .map(|tail| {
            let selected = query.tail.unwrap_or(200) == tail;
            view! { <option value=tail.to_string() selected=selected>{format!("last {tail} lines of each")}</option> }
        })
        .collect_view();
    let mut address = url::form_urlencoded::Serializer::new(String::new());
    address.append_pair("follow", "true");
    for (name, value) in [("pod", query.pod), ("tail", query.tail.map(|tail| tail.to_string()))] {
        if let Some(value) = value {
            address.append_pair(name, &value);
        }
    }
    let source = format!("/api/v1/deployments/{}/logs?{}", summary.id, address.finish());
    let empty = lines.is_empty().then(|| view! { <p class="said">"No line yet."</p> });
    let rows = lines.into_iter().map(line).collect_view();
    view! {
        <div class="head"><div>
            <div class="crumbs"><a href="/deployments">"Deployments"</a>" / "<a href=here>{summary.name.clone()}</a>" / Logs"</div>
            <h1>{format!("Logs of {}", summary.name)}</h1>
        </div></div>
        {rejected.map(|rejected| view! { <Rejection rejected/> })}
        <section class="card">
            <form class="search" method="get">
                <select name="pod" aria-label="Replica"><option value="">"Every replica"</option>{replicas}</select>
                <select name="tail" aria-label="How many lines">{tails}</select>
                <button>"Show"</button>
            </form>
            <div class="in"><Log source>{rows}{empty}</Log></div>
        </section>
    }
}

fn line(line: LogLine) -> impl IntoView {
    let name = line.pod.clone();
    view! { <p><span title=line.pod>{name}</span><span title=line.at.map(|at| at.to_string())>{line.text}</span></p> }
}
