//! `/profile`

use control::{Ctx, Result, passwords::MIN_LENGTH, sessions, tokens, users};
use domain::{access::TeamRole, page::PageQuery, token::CreatedToken, user::Me};
use leptos::prelude::*;

use super::users::platform_word;
use crate::{
    buttons::{self, Button as _},
    components::{
        facts::{Fact, Facts},
        field::{Choice, Field, Once},
        list::Asked,
        notice::FormRejection,
        session::Sessions,
        token::{NewSecret, Tokens},
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// Oneself: name, teams, password, sessions, tokens. `created` is a token that was just made: its secret is shown this once.
///
/// # Errors
/// `unauthenticated`.
pub async fn show(ctx: &Ctx, query: PageQuery, typed: Typed, created: Option<CreatedToken>) -> Result<Page> {
    let open = sessions::list(ctx).await?;
    let me = users::me(ctx).await?;
    let own = tokens::list(ctx, &query).await?;
    let asked = Asked::new("/profile", &query);
    let answer = typed.answer();
    let copies = created.is_some();
    let drawn = Page::new("Profile", Nav::Profile, move || {
        let has_tokens = !own.items.is_empty() || asked.is_narrowed();
        let list = has_tokens.then(|| view! { <Tokens asked tokens=own.items next=own.next_page_token typed=typed.clone()/> });
        view! {
            <div class="head"><div><h1>{me.name.clone()}</h1><p class="muted">{me.email.clone()}</p></div></div>
            <FormRejection typed=typed.clone()/>
            {created.map(|created| view! { <NewSecret created/> })}
            <div class="halves">
                <Oneself me=me.clone() typed=typed.clone()/>
                <Password typed=typed.clone()/>
            </div>
            <section class="card" id="tokens">
                <header><h2>"Your API tokens"</h2></header>
                {list}
                <NewToken me=me.clone() typed=typed.clone()/>
            </section>
            <section class="card"><header><h2>"Where you are signed in"</h2></header><Sessions open/></section>
        }
    })
    .answer(answer);
    Ok(if copies { drawn.with_islands() } else { drawn })
}

#[component]
fn Oneself(me: Me, typed: Typed) -> impl IntoView {
    let teams = me.teams.iter().map(|team| view! { <li><a href=format!("/teams/{}", team.id)>{team.name.clone()}</a>", "{team.role.as_str()}</li> }).collect_view();
    let teams = if teams.is_empty() {
        view! { <span class="muted">"none yet: ask an owner of your team, or a platform admin, to add you by your e-mail address"</span> }.into_any()
    } else {
        view! { <ul>{teams}</ul> }.into_any()
    };
    view! {
        <section class="card"><header><h2>"You"</h2></header><form class="in" method="post" action=here()>
            <Facts>
                <Fact term="On the platform">{platform_word(me.platform_role)}</Fact>
                <Fact term="Teams">{teams}</Fact>
            </Facts>
            <Once/>
            <Field name="name" label="Name" typed value=me.name autocomplete="name"/>
            <div class="row"><button name="do" value=buttons::Profile::Rename.word()>"Save"</button></div>
        </form></section>
    }
}

/// Without [`Once`]: what is kept for it would be a hash of the passwords.
#[component]
fn Password(typed: Typed) -> impl IntoView {
    let hint = format!("At least {MIN_LENGTH} characters. Your other sessions end.");
    view! {
        <section class="card"><header><h2>"Password"</h2></header><form class="in" method="post" action=here()>
            <Field name="current_password" label="Present password" kind="password" typed=typed.clone() autocomplete="current-password"/>
            <Field name="new_password" label="New password" kind="password" typed=typed.clone() autocomplete="new-password" hint/>
            <Field name="password_again" label="New password, again" kind="password" typed autocomplete="new-password"/>
            <div class="row"><button name="do" value=buttons::Profile::ChangePassword.word()>"Change password"</button></div>
        </form></section>
    }
}

#[component]
fn NewToken(me: Me, typed: Typed) -> impl IntoView {
    let everywhere = [(String::new(), "everything you may do".to_owned())];
    let teams = everywhere.into_iter().chain(me.teams.iter().map(|team| (team.name.clone(), format!("only in {}", team.name)))).collect();
    let roles = [(String::new(), "—".to_owned())].into_iter().chain(TeamRole::ALL.map(|role| (role.as_str().to_owned(), role.as_str().to_owned()))).collect();
    view! {
        <form class="in" method="post" action=here()>
            <h3>"New token"</h3>
            <p class="small muted">"For scripts and other automation. A token can never do more than you can at that moment."</p>
            <Once/>
            <div class="fields">
                <Field name="token_name" label="What it is for" typed=typed.clone() autocomplete="off"/>
                <Choice name="team" label="Good for" typed=typed.clone() options=teams/>
                <Choice name="role" label="As, at most" typed=typed.clone() options=roles hint="Only with a team."/>
                <Field name="days" label="Ends after, in days" kind="number" typed value="90" hint="1 to 365."/>
            </div>
            <div class="row"><button name="do" value=buttons::Profile::CreateToken.word()>"Make token"</button></div>
        </form>
    }
}
