//! `/teams` and `/teams/{id}`.

use control::{Ctx, Result, accounts, teams};
use domain::{
    access::{Decision, PlatformAction, PlatformRole, TeamAction, TeamRole},
    account::TeamRepositories,
    ids::TeamId,
    page::{Direction, PageQuery},
    team::{Member, Team},
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        confirm::{Confirm, ConfirmRow},
        empty::EmptyState,
        field::{Choice, Field, Once, Overwrite, Seen, TextField},
        list::{Asked, NoMatch, Pager, Search, SortBy},
        notice::FormRejection,
        table::Table,
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// The teams somebody may see, and for an admin the form that makes one.
///
/// # Errors
/// Those of [`teams::list`].
pub async fn list(ctx: &Ctx, query: PageQuery, typed: Typed) -> Result<Page> {
    let page = teams::list(ctx, &query).await?;
    let may_create = ctx.actor().check_platform(PlatformAction::Manage, "page").is_ok();
    let is_admin = ctx.actor().platform_role() == Some(PlatformRole::Admin);
    let asked = Asked::new("/teams", &query);
    let answer = typed.answer();
    Ok(Page::new("Teams", Nav::Teams, move || {
        let empty = page.items.is_empty() && !asked.is_narrowed();
        let table = if empty {
            let (title, text) = match is_admin {
                true => ("No team yet", "Teams own models, workspaces and deployments. Create the first one below."),
                false => ("You are in no team yet", "Teams own models and deployments. Ask an owner of your team, or a platform admin, to add you by your e-mail address."),
            };
            view! { <EmptyState title text/> }.into_any()
        } else {
            let rows = page.items.into_iter().map(|team| view! { <Row team/> }).collect_view();
            let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
            let name = view! { <SortBy asked=asked.clone() field="name" label="Name" default=Direction::Ascending/> };
            view! {
                <section class="card">
                    <Search asked=asked.clone() placeholder="Search by name or description"/>
                    <Table label="Teams">
                        <thead><tr>{name}<th scope="col">"You are"</th><th scope="col" class="n extra">"Members"</th><th scope="col" class="n extra">"Models"</th><th scope="col" class="n">"Deployments"</th></tr></thead>
                        <tbody>{rows}{none}</tbody>
                    </Table>
                    <Pager asked next=page.next_page_token/>
                </section>
            }
            .into_any()
        };
        view! {
            <div class="head">
                <div><h1>"Teams"</h1><p class="muted">"Who owns models and what runs."</p></div>
                {(may_create && !empty).then(|| view! { <a class="button primary" href="#new">"New team"</a> })}
            </div>
            <FormRejection typed=typed.clone()/>
            {table}
            {may_create.then(|| view! {
                <section class="card" id="new"><header><h2>"New team"</h2></header><form class="in" method="post" action=here()>
                    <Once/>
                    <Field name="name" label="Name" typed=typed.clone() hint="Lower-case letters, digits and dashes."/>
                    <TextField name="description" label="Description" typed=typed.clone()/>
                    <Field name="owner" label="First owner" kind="email" typed=typed.clone() hint="Their e-mail address; you, when left empty."/>
                    <div class="row"><button class="primary" name="do" value=buttons::Teams::Create.word()>"Create team"</button></div>
                </form></section>
            })}
        }
    })
    .answer(answer))
}

#[component]
fn Row(team: Team) -> impl IntoView {
    view! {
        <tr>
            <td><a href=format!("/teams/{}", team.id)>{team.name}</a><br/><span class="small muted">{team.description}</span></td>
            <td>{team.your_role.map_or("—", TeamRole::as_str)}</td>
            <td class="n extra">{team.members}</td>
            <td class="n extra">{team.models}</td>
            <td class="n">{team.deployments}</td>
        </tr>
    }
}

/// One team: members and settings.
///
/// # Errors
/// Those of [`teams::get`].
pub async fn show(ctx: &Ctx, id: TeamId, typed: Typed) -> Result<Page> {
    let team = teams::get(ctx, id).await?;
    let members = teams::members(ctx, id).await?;
    let repositories = accounts::prefixes_of_team(ctx, id).await?;
    let sees_accounts = ctx.actor().check_platform(PlatformAction::See, "page").is_ok();
    let may_manage = ctx.actor().rights(id, team.your_role).on_team(TeamAction::Manage) == Decision::Allowed;
    let may_manage_tokens = ctx.actor().rights(id, team.your_role).on_team(TeamAction::ManageTokens) == Decision::Allowed;
    let may_delete = ctx.actor().check_platform(PlatformAction::Manage, "team").is_ok();
    let answer = typed.answer();
    Ok(Page::new(team.name.clone(), Nav::Teams, move || {
        let rows = members.iter().map(|member| view! { <MemberRow member=member.clone() team=team.name.clone() may_manage typed=typed.clone()/> }).collect_view();
        // What was chosen in a member's row is not what was typed into the form below.
        let in_row = typed.has("member");
        let adding = if in_row { Typed::default() } else { typed.clone() };
        let roles = TeamRole::ALL.map(|role| (role.as_str().to_owned(), role.as_str().to_owned())).to_vec();
        view! {
            <div class="head">
                <div><div class="crumbs"><a href="/teams">"Teams"</a></div><h1>{team.name.clone()}</h1><p class="muted">{team.description.clone()}</p></div>
                {may_manage_tokens.then(|| view! { <a class="button" href=format!("/teams/{id}/tokens")>"Tokens"</a> })}
            </div>
            <FormRejection typed=typed.clone() fields=in_row.then_some([].as_slice())/>
            <section class="card"><header><h2>"Members"</h2></header>
                <Table label="Members"><thead><tr><th scope="col">"Name"</th><th scope="col">"Role"</th></tr></thead><tbody>{rows}</tbody></Table>
            </section>
            <Repositories repositories=repositories.clone() sees_accounts/>
            {may_manage.then(|| view! {
                <section class="card"><header><h2>"Add a member"</h2></header><form class="in" method="post" action=here()>
                    <Once/>
                    <Field name="email" label="E-mail address" kind="email" typed=adding.clone() hint="They need to have been invited to Slipway."/>
                    <Choice name="role" label="Role" typed=adding options=roles.clone() value="viewer" hint="Viewers see, deployers deploy, owners also delete and manage members."/>
                    <div class="row"><button class="primary" name="do" value=buttons::Team::SetMember.word()>"Add member"</button></div>
                </form></section>
                <section class="card"><header><h2>"Settings"</h2></header><form class="in" method="post" action=here()>
                    <Once/><Seen version=team.version/>
                    <TextField name="description" label="Description" typed=typed.clone() value=team.description.clone()/>
                    <Overwrite version=team.version typed=typed.clone() operation=buttons::Team::Update.word()/>
                    <div class="row"><button name="do" value=buttons::Team::Update.word()>"Save"</button></div>
                </form></section>
            })}
            {may_delete.then(|| view! {
                <Confirm name=team.name.clone() title="Delete this team" button="Delete team" operation=buttons::Team::Delete.word() version=team.version typed=typed.clone()
                    note="Only an empty team can be deleted: its models, workspaces and deployments go first."/>
            })}
        }
    })
    .answer(answer))
}

/// Where the team's images are.
#[component]
fn Repositories(repositories: Vec<TeamRepositories>, sees_accounts: bool) -> impl IntoView {
    let empty = repositories.is_empty();
    let rows = repositories
        .into_iter()
        .map(|given| {
            let account = if sees_accounts { view! { <a href=format!("/accounts/{}", given.account)>{given.account_name}</a> }.into_any() } else { given.account_name.into_any() };
            let prefixes = given.prefixes.into_iter().map(|prefix| view! { <code>{prefix}</code><br/> }).collect_view();
            view! { <tr><td>{prefixes}</td><td>{account}</td><td>{given.regions.join(", ")}</td></tr> }
        })
        .collect_view();
    let body = if empty {
        view! { <div class="in"><p class="muted">"None yet. A platform admin gives the team a prefix of repository names, on an account's page; until then it cannot register releases."</p></div> }.into_any()
    } else {
        view! {
            <Table label="ECR repositories">
                <thead><tr><th scope="col">"Repositories that begin with"</th><th scope="col">"Account"</th><th scope="col">"Regions"</th></tr></thead>
                <tbody>{rows}</tbody>
            </Table>
        }
        .into_any()
    };
    view! { <section class="card" id="repositories"><header><h2>"ECR repositories"</h2></header>{body}</section> }
}

/// A member, with what whoever manages the team may do about them.
#[component]
fn MemberRow(member: Member, team: String, may_manage: bool, typed: Typed) -> impl IntoView {
    let (user, role) = (member.user.to_string(), member.role);
    let remove = may_manage.then(|| {
        let (label, note) = (format!("Remove {}", member.name), format!("What {} has in {team} ends at once. What they deployed stays.", member.name));
        view! { <ConfirmRow name=member.email.clone() button="Remove" label operation=buttons::Team::RemoveMember.word() field="user" value=user.clone() typed note/> }
    });
    let role = if may_manage {
        let options = TeamRole::ALL.map(|one| view! { <option value=one.as_str() selected=one == role>{one.as_str()}</option> }).collect_view();
        let (label, save) = (format!("Role of {}", member.name), format!("Save the role of {}", member.name));
        view! {
            <form method="post" action=here() class="row inline">
                <Once/><input type="hidden" name="member" value=user/><input type="hidden" name="email" value=member.email.clone()/>
                <select name="role" aria-label=label>{options}</select>
                <button class="small" name="do" value=buttons::Team::SetMember.word() aria-label=save>"Save"</button>
            </form>
        }
        .into_any()
    } else {
        role.as_str().into_any()
    };
    view! {
        <tr class="top">
            <td class="breaks">{member.name}<br/><span class="small muted">{member.email}</span>{remove}</td>
            <td>{role}</td>
        </tr>
    }
}
