//! `/users`

use control::{Ctx, Result, links, users};
use domain::{
    access::{PlatformAction, PlatformRole, TeamRole},
    page::{Direction, PageQuery},
    state::Tone,
    user::{Invitation, OpenInvitation, User, UserQuery},
};
use leptos::prelude::*;

use super::team_choice::{TeamChoice, Teams};
use crate::{
    buttons::{self, Button as _},
    components::{
        code::CopyBlock,
        field::{Choice, Field, Once},
        list::{Asked, Filter, NoMatch, Pager, Search, SortBy},
        notice::{FormRejection, Notice},
        status::Status,
        table::Table,
        when::{Ago, Day, exact},
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// As many invitations as one page shows; REST has the rest.
const OPEN: u16 = 100;

/// Everybody, the open invitations, and for an admin the form that makes one. `made` is an invitation that was just made: its link is shown this once.
///
/// # Errors
/// Those of [`users::list`].
pub async fn list(ctx: &Ctx, query: UserQuery, typed: Typed, made: Option<Invitation>) -> Result<Page> {
    let page = users::list(ctx, &query).await?;
    let open = links::invitations(ctx, &PageQuery { page_size: Some(OPEN), ..PageQuery::default() }).await?;
    let may_invite = ctx.actor().check_platform(PlatformAction::Manage, "page").is_ok();
    let teams = if may_invite { Some(Teams::load(ctx).await?) } else { None };
    let asked = Asked::new("/users", &query);
    let answer = typed.answer();
    let copies = made.is_some();
    let drawn = Page::new("Users", Nav::Users, move || {
        let rows = page.items.into_iter().map(|user| view! { <UserRow user/> }).collect_view();
        let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
        let name = view! { <SortBy asked=asked.clone() field="name" label="Name" default=Direction::Ascending/> };
        let seen = view! { <SortBy asked=asked.clone() field="last_seen_at" label="Last seen" first=Direction::Descending class="extra"/> };
        let since = view! { <SortBy asked=asked.clone() field="created_at" label="Since" first=Direction::Descending class="extra"/> };
        view! {
            <div class="head">
                <div><h1>"Users"</h1><p class="muted">"Everybody who can sign in, and who was invited to."</p></div>
                {may_invite.then(|| view! { <a class="button primary" href="#invite">"Invite somebody"</a> })}
            </div>
            <FormRejection typed=typed.clone()/>
            {made.map(|made| view! { <Made made/> })}
            <section class="card">
                <Search asked=asked.clone() placeholder="Search by name or e-mail address" filters=filters()/>
                <Table label="Users">
                    <thead><tr>{name}<th scope="col">"On the platform"</th><th scope="col" class="extra">"Teams"</th>{seen}{since}</tr></thead>
                    <tbody>{rows}{none}</tbody>
                </Table>
                <Pager asked next=page.next_page_token/>
            </section>
            <OpenInvitations open=open.items may_revoke=may_invite/>
            {teams.map(|teams| view! { <Invite typed teams/> })}
        }
    })
    .answer(answer);
    Ok(if copies { drawn.with_islands() } else { drawn })
}

fn filters() -> Vec<Filter> {
    let words = |pairs: &[(&str, &str)]| pairs.iter().map(|(value, words)| ((*value).to_owned(), (*words).to_owned())).collect();
    vec![
        Filter { name: "platform_role", label: "Platform role", any: "Any platform role", options: words(&[("admin", "Platform admins"), ("auditor", "Auditors")]) },
        Filter { name: "state", label: "Status", any: "Active or not", options: words(&[("active", "Active"), ("disabled", "Disabled")]) },
    ]
}

/// What a platform role is called.
pub(super) fn platform_word(role: Option<PlatformRole>) -> &'static str {
    match role {
        Some(PlatformRole::Admin) => "platform admin",
        Some(PlatformRole::Auditor) => "auditor",
        None => "—",
    }
}

#[component]
fn UserRow(user: User) -> impl IntoView {
    let teams = user.teams.iter().map(|team| format!("{} ({})", team.name, team.role.as_str())).collect::<Vec<_>>().join(", ");
    view! {
        <tr>
            <td><a href=format!("/users/{}", user.id)>{user.name}</a><br/><span class="small muted">{user.email}</span></td>
            <td>{platform_word(user.platform_role)}" "{user.disabled.then(|| view! { <Status tone=Tone::Idle word="Disabled"/> })}</td>
            <td class="extra">{teams}</td>
            <td class="extra">{user.last_seen_at.map(|at| view! { <Ago at/> })}</td>
            <td class="extra"><Ago at=user.created_at/></td>
        </tr>
    }
}

/// The link of a new invitation, this once.
#[component]
fn Made(made: Invitation) -> impl IntoView {
    let words = format!("Send this link to {}. It works once, until {}, and cannot be shown again.", made.email, exact(made.expires_at));
    view! {
        <Notice tone=Tone::Good title="The invitation is ready">
            <p>{words}</p>
            <CopyBlock id="invitation-link" label="The invitation's link" text=made.url/>
        </Notice>
    }
}

#[component]
fn OpenInvitations(open: Vec<OpenInvitation>, may_revoke: bool) -> impl IntoView {
    (!open.is_empty()).then(|| {
        let rows = open
            .into_iter()
            .map(|invitation| {
                let gives = invitation.gives();
                let label = format!("Withdraw the invitation of {}", invitation.email);
                // Asks without a name to type: an invitation is made again in a moment.
                let revoke = may_revoke.then(|| {
                    view! {
                        <details class="sure">
                            <summary class="small" aria-label=label.clone()>"Withdraw"</summary>
                            <form method="post" action=here() class="stack tight"><Once/><input type="hidden" name="link" value=invitation.id.to_string()/>
                                <p class="small muted">"The link that was sent opens nothing from then on."</p>
                                <div class="row"><button class="small danger" name="do" value=buttons::Users::RevokeInvitation.word() aria-label=label>"Withdraw"</button></div>
                            </form>
                        </details>
                    }
                });
                view! {
                    <tr>
                        <td class="breaks">{invitation.email}</td>
                        <td>{gives}</td>
                        <td class="extra">{invitation.invited_by}</td>
                        <td class="extra"><Day at=invitation.expires_at/></td>
                        <td class="act">{revoke}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <section class="card"><header><h2>"Open invitations"</h2></header>
                <Table label="Open invitations">
                    <thead><tr><th scope="col">"E-mail address"</th><th scope="col">"Gives"</th><th scope="col" class="extra">"Invited by"</th><th scope="col" class="extra">"Works until"</th><th scope="col"><span class="hidden">"Actions"</span></th></tr></thead>
                    <tbody>{rows}</tbody>
                </Table>
            </section>
        }
    })
}

#[component]
fn Invite(typed: Typed, teams: Teams) -> impl IntoView {
    let roles = TeamRole::ALL.map(|role| (role.as_str().to_owned(), role.as_str().to_owned())).to_vec();
    // Asked only where it matters.
    let why = typed.why("earlier");
    let wrong = why.is_some();
    let earlier = (wrong || typed.has("earlier")).then(|| {
        let checked = typed.text("earlier") == "replace";
        view! {
            <div class="field" class:wrong=wrong>
                <label class="check"><input type="checkbox" id="earlier" name="earlier" value="replace" checked=checked autofocus=wrong aria-describedby=wrong.then_some("earlier-why")/>"Replace the open invitation"</label>
                {why.map(|why| view! { <span class="why" id="earlier-why">{why}</span> })}
            </div>
        }
    });
    let platform = [("", "none"), ("auditor", "auditor"), ("admin", "platform admin")].map(|(value, words)| (value.to_owned(), words.to_owned())).to_vec();
    view! {
        <section class="card" id="invite"><header><h2>"Invite somebody"</h2></header><form class="in" method="post" action=here()>
            <Once/>
            <Field name="email" label="E-mail address" kind="email" typed=typed.clone() autocomplete="off" hint="You get a link to send to them: Slipway sends no mail."/>
            <div class="fields">
                <TeamChoice typed=typed.clone() teams none="No team" hint="They are in it from the start."/>
                <Choice name="team_role" label="Role in the team" typed=typed.clone() options=roles hint="Viewers see, deployers deploy, owners also delete and manage members."/>
                <Choice name="platform_role" label="On the platform" typed options=platform hint="Admins run everything, auditors read everything."/>
            </div>
            {earlier}
            <div class="row"><button class="primary" name="do" value=buttons::Users::Invite.word()>"Make an invitation"</button></div>
        </form></section>
    }
}
