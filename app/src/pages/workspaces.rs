//! `/workspaces`

use control::{Ctx, Result, clusters, teams, workspaces};
use domain::{
    Rejected,
    access::PlatformAction,
    cluster::ClusterQuery,
    page::{Direction, MAX_PAGE_SIZE, PageQuery},
    workspace::{Adopt, NewWorkspace, Quota, Workspace, WorkspaceQuery},
};
use leptos::prelude::*;

use crate::{
    components::{
        empty::EmptyState,
        field::{Choice, Field, Once},
        list::{Asked, Filter, NoMatch, Pager, Search, SortBy},
        meter::Meter,
        notice::FormRejection,
        status::Status,
        table::Table,
    },
    form::Typed,
    page::{Nav, Page},
};

/// The workspaces of the reader's teams, and for an admin the form that makes one.
///
/// # Errors
/// Those of [`workspaces::list`].
pub async fn list(ctx: &Ctx, query: WorkspaceQuery, typed: Typed) -> Result<Page> {
    let page = workspaces::list(ctx, &query).await?;
    let may_create = ctx.actor().check_platform(PlatformAction::Manage, "page").is_ok();
    let most = PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() };
    let teams: Vec<String> = teams::list(ctx, &most).await?.items.into_iter().map(|team| team.name).collect();
    let clusters: Vec<String> = match may_create {
        true => clusters::list(ctx, &ClusterQuery { page: most, ..ClusterQuery::default() }).await?.items.into_iter().map(|cluster| cluster.name).collect(),
        false => Vec::new(),
    };
    let asked = Asked::new("/workspaces", &query);
    let status = typed.status();
    let drawn = Page::new("Workspaces", Nav::Workspaces, move || {
        let empty = page.items.is_empty() && !asked.is_narrowed();
        let body = if empty {
            let text = match may_create {
                true => "A workspace is a team's place on a cluster: a namespace with a quota. Attach a cluster, make a team, then make a workspace for it.",
                false => "A workspace is your team's place on a cluster, with a quota. A platform admin makes it; ask for one to deploy models.",
            };
            view! { <EmptyState title="No workspaces yet" text/> }.into_any()
        } else {
            let rows = page.items.into_iter().map(|workspace| view! { <Row workspace/> }).collect_view();
            let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
            let filters = vec![Filter { name: "team", label: "Team", any: "Any team", options: pairs(&teams) }];
            let name = view! { <SortBy asked=asked.clone() field="name" label="Name" default=Direction::Ascending/> };
            view! {
                <section class="card">
                    <Search asked=asked.clone() placeholder="Search by name, team or cluster" filters/>
                    <Table label="Workspaces">
                        <thead><tr>{name}<th scope="col">"Status"</th><th scope="col">"Team"</th><th scope="col">"Used"</th><th scope="col" class="n">"Deployments"</th></tr></thead>
                        <tbody>{rows}{none}</tbody>
                    </Table>
                    <Pager asked next=page.next_page_token/>
                </section>
            }
            .into_any()
        };
        view! {
            <div class="head">
                <div><h1>"Workspaces"</h1><p class="muted">"Where your teams' models run: a namespace on a cluster, with a quota."</p></div>
                {(may_create && !empty).then(|| view! { <a class="button primary" href="#new">"New workspace"</a> })}
            </div>
            <FormRejection typed=typed.clone()/>
            {body}
            {may_create.then(|| view! { <New typed teams clusters/> })}
        }
    });
    Ok(drawn.status(status))
}

#[component]
fn Row(workspace: Workspace) -> impl IntoView {
    let cpu = format!("{} of {} CPU", workspaces::cpus(workspace.used.cpu_millis), workspaces::cpus(workspace.quota.cpu_millis));
    view! {
        <tr>
            <td><a href=format!("/workspaces/{}", workspace.id)>{workspace.name}</a><br/><span class="small muted">{format!("{} · {}", workspace.cluster_name, workspace.region)}</span></td>
            <td><Status tone=workspace.state.tone() word=workspace.state.title()/></td>
            <td><a href=format!("/teams/{}", workspace.team)>{workspace.team_name}</a></td>
            <td><Meter label="CPU" used=workspace.used.cpu_millis limit=workspace.quota.cpu_millis words=cpu/></td>
            <td class="n">{workspace.deployments}</td>
        </tr>
    }
}

#[component]
fn New(typed: Typed, teams: Vec<String>, clusters: Vec<String>) -> impl IntoView {
    if teams.is_empty() || clusters.is_empty() {
        let (to, word) = if clusters.is_empty() { ("/clusters/new", "Attach a cluster") } else { ("/teams#new", "Make a team") };
        return view! {
            <section class="card" id="new"><header><h2>"New workspace"</h2></header><div class="in">
                <p class="muted">"A workspace needs a team and a cluster."</p><div class="row"><a class="button" href=to>{word}</a></div>
            </div></section>
        }
        .into_any();
    }
    let adopt = typed.text("adopt") == "existing";
    view! {
        <section class="card" id="new"><header><h2>"New workspace"</h2></header><form class="in" method="post">
            <Once/>
            <div class="fields">
                <Choice name="team" label="Team" typed=typed.clone() options=pairs(&teams) hint="Who deploys into it."/>
                <Choice name="cluster" label="Cluster" typed=typed.clone() options=pairs(&clusters)/>
                <Field name="name" label="Name" typed=typed.clone() autocomplete="off" hint="The namespace's name: lower-case letters, digits and dashes."/>
            </div>
            <QuotaFields typed=typed.clone() quota=Quota { cpu_millis: 8000, memory_mib: 16_384, gpus: 0, pods: 50 }/>
            <label class="check"><input type="checkbox" name="adopt" value="existing" checked=adopt/>
                <span>"Take over the namespace if it exists already"<br/><span class="small muted">"What is in it stays. Slipway adds its quota, network policies and roles, and leaves the namespace when the workspace is deleted."</span></span></label>
            <div class="row"><button class="primary" name="do" value="create">"Make workspace"</button></div>
        </form></section>
    }
    .into_any()
}

/// The fields of a quota, in the units people think in.
#[component]
pub fn QuotaFields(typed: Typed, quota: Quota) -> impl IntoView {
    view! {
        <div class="fields">
            <Field name="quota.cpu_millis" label="CPU" typed=typed.clone() value=workspaces::cpus(quota.cpu_millis) hint="What all replicas together may ask for."/>
            <Field name="quota.memory_mib" label="Memory in GiB" typed=typed.clone() value=format!("{}", quota.memory_mib as f64 / 1024.0)/>
            <Field name="quota.gpus" label="GPUs" typed=typed.clone() value=quota.gpus.to_string()/>
            <Field name="quota.pods" label="Pods" typed value=quota.pods.to_string()/>
        </div>
    }
}

/// The quota that was typed.
///
/// # Errors
/// `invalid_input` naming every field that is not a number.
pub fn quota(typed: &Typed) -> Result<Quota, Rejected> {
    let mut checks = domain::error::Checks::new();
    let mut scaled = |field: &str, scale: f64| {
        let number = typed.text(field).trim().replace(',', ".").parse::<f64>().ok().filter(|number| number.is_finite() && (0.0..1e9).contains(number));
        // Rounded to the unit that is kept, a thousandth of a CPU or a MiB; in range, so nothing is cut off.
        checks.take(field, number.map(|number| (number * scale).round() as i64).ok_or_else(|| "Enter a number.".to_owned())).unwrap_or_default()
    };
    let quota =
        Quota { cpu_millis: scaled("quota.cpu_millis", 1000.0), memory_mib: scaled("quota.memory_mib", 1024.0), gpus: scaled("quota.gpus", 1.0), pods: scaled("quota.pods", 1.0) };
    checks.finish()?;
    Ok(quota)
}

/// The request that was typed.
///
/// # Errors
/// `invalid_input` naming every field of the quota that is not a number.
pub fn request(typed: &Typed) -> Result<NewWorkspace, Rejected> {
    Ok(NewWorkspace {
        name: typed.text("name").into(),
        team: typed.text("team").into(),
        cluster: typed.text("cluster").into(),
        quota: quota(typed)?,
        adopt: if typed.text("adopt") == "existing" { Adopt::Existing } else { Adopt::Never },
    })
}

fn pairs(names: &[String]) -> Vec<(String, String)> {
    names.iter().map(|name| (name.clone(), name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(values: &[(&str, &str)]) -> Typed {
        Typed::new(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn quotas_are_typed_in_the_units_people_think_in() {
        let read = quota(&typed(&[("quota.cpu_millis", "1.5"), ("quota.memory_mib", "0,5"), ("quota.gpus", "0"), ("quota.pods", " 20 ")])).unwrap();
        assert_eq!(read, Quota { cpu_millis: 1500, memory_mib: 512, gpus: 0, pods: 20 });
        let wrong = quota(&typed(&[("quota.cpu_millis", "many"), ("quota.memory_mib", "-1"), ("quota.gpus", "NaN"), ("quota.pods", "1e99")])).unwrap_err();
        assert_eq!(wrong.errors.len(), 4);
    }

    #[test]
    fn hostile_text_in_the_form_stays_text() {
        let typed = typed(&[("name", "\"><script>alert(1)</script>"), ("quota.pods", "</textarea><script>alert(2)</script>")]);
        let html = crate::page::draw_part(|| view! { <New typed teams=vec!["</select><script>alert(3)</script>".into()] clusters=vec!["lab".into()]/> });
        assert!(!html.contains("<script>"), "{html}");
    }
}
