//! `/models`

use control::{Ctx, Result, models, teams};
use domain::{
    access::TeamRole,
    model::{Model, ModelQuery},
    page::{Direction, MAX_PAGE_SIZE, PageQuery},
    team::Team,
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        empty::EmptyState,
        field::{Choice, Field, Once, TextField},
        list::{Asked, Filter, NoMatch, Pager, Search, SortBy},
        notice::FormRejection,
        table::Table,
        when::Ago,
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// The models of the reader's teams, and the form that makes one where they may.
///
/// # Errors
/// Those of [`models::list`].
pub async fn list(ctx: &Ctx, query: ModelQuery, typed: Typed) -> Result<Page> {
    let page = models::list(ctx, &query).await?;
    let teams = teams::list(ctx, &PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() }).await?.items;
    let asked = Asked::new("/models", &query);
    let answer = typed.answer();
    let drawn = Page::new("Models", Nav::Models, move || {
        let may: Vec<&Team> = teams.iter().filter(|team| team.your_role.is_some_and(|role| role >= TeamRole::Deployer)).collect();
        let may_create = !may.is_empty();
        let empty = page.items.is_empty() && !asked.is_narrowed();
        let body = if empty {
            let text = match may_create {
                true => "A model is a name for something your team runs. Create one, then register an image as its first release.",
                false => "Models belong to teams. You see those of the teams you are in; a team's deployers and owners create them.",
            };
            view! { <EmptyState title="No models yet" text/> }.into_any()
        } else {
            let rows = page.items.into_iter().map(|model| view! { <Row model/> }).collect_view();
            let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
            let filters = vec![Filter { name: "team", label: "Team", any: "Any team", options: teams.iter().map(|team| (team.name.clone(), team.name.clone())).collect() }];
            let name = view! { <SortBy asked=asked.clone() field="name" label="Name" default=Direction::Ascending/> };
            let latest = view! { <SortBy asked=asked.clone() field="latest_release" label="Latest release" first=Direction::Descending/> };
            let since = view! { <SortBy asked=asked.clone() field="created_at" label="Since" first=Direction::Descending class="extra"/> };
            view! {
                <section class="card">
                    <Search asked=asked.clone() placeholder="Search by name, description or team" filters/>
                    <Table label="Models">
                        <thead><tr>{name}<th scope="col">"Team"</th>{latest}<th scope="col" class="n">"Deployments"</th>{since}</tr></thead>
                        <tbody>{rows}{none}</tbody>
                    </Table>
                    <Pager asked next=page.next_page_token/>
                </section>
            }
            .into_any()
        };
        let options: Vec<(String, String)> = may.iter().map(|team| (team.name.clone(), team.name.clone())).collect();
        view! {
            <div class="head">
                <div><h1>"Models"</h1><p class="muted">"What your teams can deploy."</p></div>
                {(may_create && !empty).then(|| view! { <a class="button primary" href="#new">"New model"</a> })}
            </div>
            <FormRejection typed=typed.clone()/>
            {body}
            {may_create.then(|| view! { <New typed options/> })}
        }
    });
    Ok(drawn.answer(answer))
}

#[component]
fn Row(model: Model) -> impl IntoView {
    let latest = model.latest_release.map_or_else(|| view! { <span class="muted">"none yet"</span> }.into_any(), |number| number.into_any());
    view! {
        <tr>
            <td><a href=format!("/models/{}", model.id)>{model.name}</a><br/><span class="small muted">{first_line(&model.description)}</span></td>
            <td><a href=format!("/teams/{}", model.team)>{model.team_name}</a></td>
            <td>{latest}</td>
            <td class="n">{model.deployments}</td>
            <td class="extra"><Ago at=model.created_at/></td>
        </tr>
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(120).collect();
    if short.len() < line.len() { format!("{short}…") } else { short }
}

#[component]
fn New(typed: Typed, options: Vec<(String, String)>) -> impl IntoView {
    view! {
        <section class="card" id="new"><header><h2>"New model"</h2></header><form class="in" method="post" action=here()>
            <Once/>
            <div class="fields">
                <Field name="name" label="Name" typed=typed.clone() autocomplete="off" hint="Lower-case letters, digits and dashes."/>
                <Choice name="team" label="Team" typed=typed.clone() options hint="Who owns it, sees it and runs it."/>
            </div>
            <TextField name="description" label="Description" typed hint="What it predicts, from what, and whom to ask."/>
            <div class="row"><button class="primary" name="do" value=buttons::Models::Create.word()>"Create model"</button></div>
        </form></section>
    }
}
