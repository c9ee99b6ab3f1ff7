//! `/users/{id}`

use control::{Ctx, Result, users};
use domain::{
    access::{PlatformAction, PlatformRole},
    ids::UserId,
    state::Tone,
    user::User,
};
use leptos::prelude::*;

use super::users::platform_word;
use crate::{
    buttons::{self, Button as _},
    components::{
        confirm::Confirm,
        facts::{Fact, Facts},
        field::{Choice, Field, Once, Overwrite, Seen},
        notice::FormRejection,
        status::Status,
        table::Table,
        when::{Ago, exact},
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// One person, and for an admin the forms that change them.
///
/// # Errors
/// Those of [`users::get`].
pub async fn show(ctx: &Ctx, id: UserId, typed: Typed) -> Result<Page> {
    let user = users::get(ctx, id).await?;
    let may_manage = ctx.actor().check_platform(PlatformAction::Manage, "user").is_ok();
    let may_list = ctx.actor().check_platform(PlatformAction::See, "user").is_ok();
    let oneself = ctx.actor().person() == Some(id);
    let answer = typed.answer();
    Ok(Page::new(user.name.clone(), Nav::Users, move || {
        let state = if user.disabled {
            view! { <Status tone=Tone::Idle word="Disabled"/> }
        } else {
            view! { <Status tone=Tone::Good word="Active"/> }
        };
        let crumbs = may_list.then(|| view! { <div class="crumbs"><a href="/users">"Users"</a></div> });
        let head = view! { <div class="head"><div>{crumbs}<h1>{user.name.clone()}" "{state}</h1><p class="muted">{user.email.clone()}</p></div></div> };
        view! {
            {head}
            <FormRejection typed=typed.clone()/>
            <section class="card"><div class="in"><Facts>
                <Fact term="On the platform">{platform_word(user.platform_role)}</Fact>
                <Fact term="Last seen">{match user.last_seen_at { Some(at) => view! { <Ago at/> }.into_any(), None => "never".into_any() }}</Fact>
                <Fact term="Here since">{exact(user.created_at)}</Fact>
                <Fact term="Record"><a href=format!("/audit?actor_id={}", user.id)>"What they did"</a></Fact>
            </Facts></div></section>
            <Teams user=user.clone()/>
            {may_manage.then(|| view! { <Change user=user.clone() typed=typed.clone()/> })}
            {(may_manage && !oneself).then(|| view! { <Access user=user.clone() typed=typed.clone()/> })}
        }
    })
    .answer(answer))
}

#[component]
fn Teams(user: User) -> impl IntoView {
    let rows = user
        .teams
        .into_iter()
        .map(|team| {
            let role = match (user.disabled, team.sole_owner) {
                (true, true) => "owner: the team has no owner who can sign in. Make somebody else one on its page.",
                (false, true) => "owner, the only one who can sign in",
                (_, false) => team.role.as_str(),
            };
            view! { <tr><td><a href=format!("/teams/{}", team.id)>{team.name}</a></td><td>{role}</td></tr> }
        })
        .collect_view();
    let body = if rows.is_empty() {
        view! { <div class="in"><p class="muted">"In no team. An owner of a team, or an admin, adds them on the team's page."</p></div> }.into_any()
    } else {
        view! { <Table label="Teams"><thead><tr><th scope="col">"Team"</th><th scope="col">"Role"</th></tr></thead><tbody>{rows}</tbody></Table> }.into_any()
    };
    view! { <section class="card"><header><h2>"Teams"</h2></header>{body}</section> }
}

#[component]
fn Change(user: User, typed: Typed) -> impl IntoView {
    let options = [("none", "none"), ("auditor", "auditor"), ("admin", "platform admin")].map(|(value, words)| (value.to_owned(), words.to_owned())).to_vec();
    let role = user.platform_role.map_or("none", PlatformRole::as_str);
    view! {
        <section class="card"><header><h2>"Change"</h2></header><form class="in" method="post" action=here()>
            <Once/><Seen version=user.version/>
            <Field name="name" label="Name" typed=typed.clone() value=user.name autocomplete="off"/>
            <Choice name="platform_role" label="On the platform" typed=typed.clone() options value=role hint="Admins run everything, auditors read everything."/>
            <Overwrite version=user.version typed operation=buttons::User::Update.word()/>
            <div class="row"><button name="do" value=buttons::User::Update.word()>"Save"</button></div>
        </form></section>
    }
}

/// Disabling and enabling.
#[component]
fn Access(user: User, typed: Typed) -> impl IntoView {
    if user.disabled {
        return view! {
            <section class="card"><header><h2>"Let them in again"</h2></header><form class="in" method="post" action=here()>
                <Once/><Seen version=user.version/>
                <p class="muted">"They can sign in again with their password. Their old sessions and tokens stay dead."</p>
                <div class="row"><button name="do" value=buttons::User::Enable.word()>"Enable"</button></div>
            </form></section>
        }
        .into_any();
    }
    let mut goes = vec!["every session of theirs".to_owned(), "their personal tokens".to_owned()];
    if user.platform_role == Some(PlatformRole::Admin) {
        goes.push("the open invitations they made".into());
    }
    let reset = format!("slipway admin reset-password {}", user.email);
    goes.extend(user.teams.iter().filter(|team| team.sole_owner).map(|team| format!("the only owner of {} who can sign in: the team needs another one", team.name)));
    view! {
        <section class="card"><header><h2>"Forgotten password"</h2></header><div class="in">
            <p class="muted">"Nobody sets another person's password here. This, on the portal's machine, prints a link with which they set a new one:"</p>
            <p><code>{reset}</code></p>
        </div></section>
        <Confirm name=user.email title="Shut them out" button="Disable" operation=buttons::User::Disable.word() version=user.version typed goes
            note="Their teams and what they made stay. They can be enabled again; what went stays gone."/>
    }
    .into_any()
}
