//! `/teams` and `/teams/{id}`.

use control::{Ctx, Result, teams};
use domain::{
    access::{Decision, PlatformAction, PlatformRole, TeamAction, TeamRole},
    ids::TeamId,
    page::PageQuery,
    team::Member,
};
use leptos::prelude::*;

use crate::{
    components::{
        field::{Choice, Field, Once, Seen, TextField},
        notice::Rejection,
    },
    form::Typed,
    page::{Nav, Page},
};

/// The teams somebody may see, and for an admin the form that makes one.
///
/// # Errors
/// Those of [`teams::list`].
pub async fn list(ctx: &Ctx, query: PageQuery, typed: Typed) -> Result<Page> {
    let page = teams::list(ctx, &query).await?;
    let may_create = ctx.actor().check_platform(PlatformAction::Manage, "page").is_ok();
    let is_admin = ctx.actor().platform_role() == Some(PlatformRole::Admin);
    let status = typed.status();
    Ok(Page::new("Teams", Nav::Teams, move || {
        let rows = page
            .items
            .iter()
            .map(|team| {
                view! {
                    <tr>
                        <td><a href=format!("/teams/{}", team.id)>{team.name.clone()}</a><br/><span class="small muted">{team.description.clone()}</span></td>
                        <td>{team.your_role.map_or("", TeamRole::as_str)}</td>
                        <td class="n">{team.members}</td>
                        <td class="n">{team.models}</td>
                        <td class="n">{team.deployments}</td>
                    </tr>
                }
            })
            .collect_view();
        let table = if page.items.is_empty() && query.search.is_none() {
            view! {
                <section class="card"><div class="in">
                    <h2>"You are in no team yet"</h2>
                    <p class="muted">{if is_admin { "Teams own models, workspaces and deployments. Create the first one below." } else { "Teams own models and deployments. Ask an owner of your team, or a platform admin, to add you by your e-mail address." }}</p>
                </div></section>
            }
            .into_any()
        } else {
            view! {
                <section class="card">
                    <form class="in row" role="search" method="get"><input class="grow" name="search" value=query.search.clone().unwrap_or_default() placeholder="Search by name" aria-label="Search"/><button>"Search"</button></form>
                    <div class="scroll"><table>
                        <thead><tr><th>"Name"</th><th>"You are"</th><th class="n">"Members"</th><th class="n">"Models"</th><th class="n">"Deployments"</th></tr></thead>
                        <tbody>{rows}</tbody>
                    </table></div>
                </section>
            }
            .into_any()
        };
        view! {
            <div class="head"><div><h1>"Teams"</h1></div></div>
            {typed.rejection().filter(|r| r.errors.is_empty()).cloned().map(|rejected| view! { <Rejection rejected/> })}
            {table}
            {may_create.then(|| view! {
                <section class="card" id="new"><header><h2>"New team"</h2></header><form class="in" method="post">
                    <Once/>
                    <Field name="name" label="Name" typed=typed.clone() hint="Lower-case letters, digits and dashes."/>
                    <TextField name="description" label="Description" typed=typed.clone()/>
                    <Field name="owner" label="First owner" kind="email" typed=typed.clone() hint="Their e-mail address; you, when left empty."/>
                    <div class="row"><button class="primary" name="do" value="create">"Create team"</button></div>
                </form></section>
            })}
        }
    })
    .status(status))
}

/// One team: members and settings.
///
/// # Errors
/// Those of [`teams::get`].
pub async fn show(ctx: &Ctx, id: TeamId, typed: Typed) -> Result<Page> {
    let team = teams::get(ctx, id).await?;
    let members = teams::members(ctx, id).await?;
    let may_manage = ctx.actor().rights(id, team.your_role).on_team(TeamAction::Manage) == Decision::Allowed;
    let may_manage_tokens = ctx.actor().rights(id, team.your_role).on_team(TeamAction::ManageTokens) == Decision::Allowed;
    let may_delete = ctx.actor().check_platform(PlatformAction::Manage, "team").is_ok();
    let status = typed.status();
    Ok(Page::new(team.name.clone(), Nav::Teams, move || {
        let rows = members.iter().map(|member| view! { <MemberRow member=member.clone() may_manage version=team.version/> }).collect_view();
        let roles = TeamRole::ALL.map(|role| (role.as_str().to_owned(), role.as_str().to_owned())).to_vec();
        view! {
            <div class="head">
                <div><div class="crumbs"><a href="/teams">"Teams"</a></div><h1>{team.name.clone()}</h1><p class="muted">{team.description.clone()}</p></div>
                {may_manage_tokens.then(|| view! { <a class="button" href=format!("/teams/{id}/tokens")>"Tokens"</a> })}
            </div>
            {typed.rejection().filter(|r| r.errors.is_empty()).cloned().map(|rejected| view! { <Rejection rejected/> })}
            <section class="card"><header><h2>"Members"</h2></header>
                <div class="scroll"><table><thead><tr><th>"Name"</th><th>"Role"</th><th scope="col"><span class="hidden">"Actions"</span></th></tr></thead><tbody>{rows}</tbody></table></div>
            </section>
            {may_manage.then(|| view! {
                <section class="card"><header><h2>"Add a member"</h2></header><form class="in" method="post">
                    <Once/>
                    <Field name="email" label="E-mail address" kind="email" typed=typed.clone() hint="They need to have been invited to Slipway."/>
                    <Choice name="role" label="Role" typed=typed.clone() options=roles value="viewer" hint="Viewers see, deployers deploy, owners also delete and manage members."/>
                    <div class="row"><button class="primary" name="do" value="set_member">"Add member"</button></div>
                </form></section>
                <section class="card"><header><h2>"Settings"</h2></header><form class="in" method="post">
                    <Once/><Seen version=team.version/>
                    <TextField name="description" label="Description" typed=typed.clone() value=team.description.clone()/>
                    <div class="row"><button name="do" value="update">"Save"</button></div>
                </form></section>
            })}
            {may_delete.then(|| view! {
                <section class="card"><header><h2>"Delete this team"</h2></header><form class="in" method="post">
                    <Once/><Seen version=team.version/>
                    <p class="muted">"Only an empty team can be deleted: its models, workspaces and deployments go first."</p>
                    <Field name="confirm" label=format!("Type {} to confirm", team.name) typed=typed.clone()/>
                    <div class="row"><button class="danger" name="do" value="delete">"Delete team"</button></div>
                </form></section>
            })}
        }
    })
    .status(status))
}

#[component]
fn MemberRow(member: Member, may_manage: bool, version: i64) -> impl IntoView {
    view! {
        <tr>
            <td>{member.name.clone()}<br/><span class="small muted">{member.email}</span></td>
            <td>{member.role.as_str()}</td>
            <td>{may_manage.then(|| view! {
                <form method="post"><Once/><Seen version/><input type="hidden" name="user" value=member.user.to_string()/>
                <button class="quiet" name="do" value="remove_member" aria-label=format!("Remove {}", member.name)>"Remove"</button></form>
            })}</td>
        </tr>
    }
}
