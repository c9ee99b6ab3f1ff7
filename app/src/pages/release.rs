//! `/releases/{id}`

use control::{Ctx, Result, access, releases};
use domain::{
    access::{Decision, TeamAction},
    ids::ReleaseId,
    model::Release,
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        code::CopyBlock,
        confirm::Confirm,
        facts::{Fact, Facts},
        notice::FormRejection,
        when::{Ago, exact},
    },
    form::Typed,
    page::{Nav, Page},
};

/// One release: what it pins, and for an owner the way to delete it.
///
/// # Errors
/// Those of [`releases::get`].
pub async fn show(ctx: &Ctx, id: ReleaseId, typed: Typed) -> Result<Page> {
    let release = releases::get(ctx, id).await?;
    let role = access::membership(&mut *ctx.read().await?, ctx.actor(), release.team).await?;
    let may = |action| ctx.actor().rights(release.team, role).on_team(action) == Decision::Allowed;
    let (may_deploy, may_delete) = (may(TeamAction::Deploy), may(TeamAction::Delete));
    let answer = typed.answer();
    let name = name(&release);
    let drawn = Page::new(name.clone(), Nav::Models, move || {
        view! {
            <div class="head">
                <div>
                    <div class="crumbs"><a href="/models">"Models"</a>" / "<a href=format!("/models/{}", release.model)>{release.model_name.clone()}</a></div>
                    <h1>{name.clone()}</h1>
                </div>
                {may_deploy.then(|| view! { <a class="button primary" href=format!("/deployments/new?release={id}")>"Deploy model"</a> })}
            </div>
            <FormRejection typed=typed.clone()/>
            <About release/>
            {may_delete.then(|| view! {
                // A release has no version: it never changes.
                <Confirm name title="Delete this release" button="Delete release" operation=buttons::Release::Delete.word() version=1 typed
                    note="A release that a deployment uses, or can be rolled back to, cannot be deleted. The image stays in ECR, and the number is not given again."/>
            })}
        }
    });
    Ok(drawn.answer(answer).with_islands())
}

/// `iris 2`, which is also what has to be typed to delete it.
#[must_use]
pub fn name(release: &Release) -> String {
    format!("{} {}", release.model_name, release.number)
}

#[component]
fn About(release: Release) -> impl IntoView {
    let same = release.same_as;
    view! {
        <section class="card"><header><h2>"What runs"</h2></header><div class="in">
            <CopyBlock id="image" label="the image" text=format!("{}@{}", release.repository_uri, release.digest)/>
            {same.map(|first| view! { <p>"The image is that of "<a href=format!("/models/{}#release-{first}", release.model)>{format!("{} {first}", release.model_name)}</a>"; what differs is how it is run."</p> })}
            <p class="small muted">{format!("The tag {} pointed at this when the release was registered. Wherever the tag goes, this stays.", release.tag)}</p>
            <Facts>
                <Fact term="Team"><a href=format!("/teams/{}", release.team)>{release.team_name}</a></Fact>
                <Fact term="Repository">{format!("{} ({})", release.repository, release.region)}</Fact>
                <Fact term="Protocol">{release.protocol.title()}</Fact>
                <Fact term="Port">{release.port}</Fact>
                <Fact term="Ready when"><code>{release.health_path}</code>" answers 200"</Fact>
                <Fact term="Size that suits">{format!("{} ({})", release.size.as_str(), release.size.summary())}</Fact>
                <Fact term="Registered"><Ago at=release.created_at/>{format!(" by {}, {}", release.created_by, exact(release.created_at))}</Fact>
            </Facts>
            {(!release.notes.is_empty()).then(|| view! { <p class="prose lines">{release.notes}</p> })}
        </div></section>
    }
}
