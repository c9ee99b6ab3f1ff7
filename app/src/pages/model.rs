//! `/models/{id}`

use control::{Ctx, Result, access, models, releases};
use domain::{
    access::{Decision, TeamAction},
    ids::ModelId,
    model::{Model, Release, ReleaseQuery},
    page::PageQuery,
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        confirm::Confirm,
        empty::EmptyState,
        facts::{Fact, Facts},
        field::{Once, Overwrite, Seen, TextField},
        notice::FormRejection,
        table::Table,
        when::Ago,
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// One model with its releases, newest first. `page_token` is that of a later page of them.
///
/// # Errors
/// Those of [`models::get`] and [`releases::list`].
pub async fn show(ctx: &Ctx, id: ModelId, page_token: Option<String>, typed: Typed) -> Result<Page> {
    let model = models::get(ctx, id).await?;
    let role = access::membership(&mut *ctx.read().await?, ctx.actor(), model.team).await?;
    let may = |action| ctx.actor().rights(model.team, role).on_team(action) == Decision::Allowed;
    let (may_deploy, may_delete) = (may(TeamAction::Deploy), may(TeamAction::Delete));
    let later = page_token.is_some();
    let page = PageQuery { page_token, sort: Some("number".into()), ..PageQuery::default() };
    let releases = releases::list(ctx, &ReleaseQuery { page, model: Some(id) }).await?;
    let answer = typed.answer();
    let drawn = Page::new(model.name.clone(), Nav::Models, move || {
        let register = format!("/models/{id}/releases/new");
        let version = model.version;
        let newest = releases.items.first().filter(|_| may_deploy && !later).map(|release| format!("/deployments/new?release={}", release.id));
        let has_release = newest.is_some();
        let next = releases.next_page_token.map(|token| format!("/models/{id}?page_token={token}"));
        let list = if releases.items.is_empty() && !later {
            let text = match may_deploy {
                true => "A release pins an image of your team's ECR repository to its digest, so that what was tried is what runs.",
                false => "A deployer or owner of the team registers the first one.",
            };
            let to = register.clone();
            view! { <EmptyState title="No release yet" text>{may_deploy.then(|| view! { <a class="button primary" href=to>"Register a release"</a> })}</EmptyState> }.into_any()
        } else {
            let rows = releases.items.into_iter().map(|release| view! { <Row release may_deploy/> }).collect_view();
            view! {
                <section class="card"><header><h2>"Releases"</h2></header>
                    <Table label="Releases">
                        <thead><tr><th scope="col">"Release"</th><th scope="col">"Image"</th><th scope="col" class="extra">"Serves"</th><th scope="col" class="extra">"Registered"</th><th scope="col"><span class="hidden">"Actions"</span></th></tr></thead>
                        <tbody>{rows}</tbody>
                    </Table>
                    {(next.is_some() || later).then(|| view! {
                        <nav class="pager" aria-label="Pages"><span></span><div>
                            {later.then(|| view! { <a class="button small" href=format!("/models/{id}")>"First page"</a> })}
                            {next.map(|next| view! { <a class="button small" rel="next" href=next>"Next page"</a> })}
                        </div></nav>
                    })}
                </section>
            }
            .into_any()
        };
        view! {
            <div class="head">
                <div><div class="crumbs"><a href="/models">"Models"</a></div><h1>{model.name.clone()}</h1></div>
                {(may_deploy && has_release).then(|| view! { <a class="button" href=register>"Register release"</a> })}
                {newest.map(|to| view! { <a class="button primary" href=to>"Deploy model"</a> })}
            </div>
            <FormRejection typed=typed.clone()/>
            <About model=model.clone()/>
            {list}
            {may_deploy.then(|| view! {
                <section class="card"><header><h2>"Description"</h2></header><form class="in" method="post" action=here()>
                    <Once/><Seen version/>
                    <TextField name="description" label="What it predicts, from what, and whom to ask" typed=typed.clone() value=model.description.clone() rows=4/>
                    <Overwrite version typed=typed.clone() operation=buttons::Model::Update.word()/>
                    <div class="row"><button name="do" value=buttons::Model::Update.word()>"Save"</button></div>
                </form></section>
            })}
            {may_delete.then(|| view! {
                <Confirm name=model.name.clone() title="Delete this model" button="Delete model" operation=buttons::Model::Delete.word() version typed note="A model with releases or deployments cannot be deleted: they go first. Images stay in ECR."/>
            })}
        }
    });
    Ok(drawn.answer(answer))
}

#[component]
fn About(model: Model) -> impl IntoView {
    let running = format!("/deployments?model={}", model.id);
    view! {
        <section class="card"><div class="in">
            {(!model.description.is_empty()).then(|| view! { <p class="prose lines">{model.description.clone()}</p> })}
            <Facts>
                <Fact term="Team"><a href=format!("/teams/{}", model.team)>{model.team_name}</a></Fact>
                <Fact term="Releases">{model.releases}</Fact>
                <Fact term="Deployments"><a href=running>{model.deployments}</a></Fact>
                <Fact term="Since"><Ago at=model.created_at/></Fact>
            </Facts>
        </div></section>
    }
}

/// `sha256:103f9107…`: enough to tell two apart.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).chain(['…']).collect()
}

#[component]
fn Row(release: Release, may_deploy: bool) -> impl IntoView {
    let to = format!("/releases/{}", release.id);
    let same = release.same_as.map(|first| view! { <br/>"the same image as "<a href=format!("#release-{first}")>{format!("{} {first}", release.model_name)}</a> });
    let deploy = may_deploy.then(|| {
        let label = format!("Deploy {} {}", release.model_name, release.number);
        view! { <a class="button small" href=format!("/deployments/new?release={}", release.id) aria-label=label>"Deploy"</a> }
    });
    view! {
        <tr id=format!("release-{}", release.number)>
            <td><a href=to>{format!("{} {}", release.model_name, release.number)}</a></td>
            <td>{format!("{}:{}", release.repository, release.tag)}<br/><span class="small muted"><code>{short(&release.digest)}</code>{same}</span><span class="instead small muted"><Ago at=release.created_at/>" by "{release.created_by.clone()}</span></td>
            <td class="extra">{release.protocol.title()}<br/><span class="small muted">{format!("port {} · {}", release.port, release.size.as_str())}</span></td>
            <td class="extra"><Ago at=release.created_at/><br/><span class="small muted">{release.created_by}</span></td>
            <td class="act">{deploy}</td>
        </tr>
    }
}
