//! `/teams/{id}/tokens`

use control::{Ctx, Result, teams, tokens};
use domain::{access::TeamRole, ids::TeamId, page::PageQuery, token::CreatedToken};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        field::{Choice, Field, Once},
        list::Asked,
        notice::FormRejection,
        token::{NewSecret, Tokens},
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// A team's tokens, for its owners. `created` is one that was just made: its secret is shown this once.
///
/// # Errors
/// Those of [`tokens::list_of_team`].
pub async fn show(ctx: &Ctx, id: TeamId, query: PageQuery, typed: Typed, created: Option<CreatedToken>) -> Result<Page> {
    let page = tokens::list_of_team(ctx, id, &query).await?;
    let team = teams::get(ctx, id).await?;
    let asked = Asked::new(format!("/teams/{id}/tokens"), &query);
    let answer = typed.answer();
    let copies = created.is_some();
    let drawn = Page::new(format!("Tokens of {}", team.name), Nav::Teams, move || {
        let has_tokens = !page.items.is_empty() || asked.is_narrowed();
        let list = has_tokens.then(|| view! { <section class="card"><Tokens asked tokens=page.items next=page.next_page_token typed=typed.clone()/></section> });
        let roles = TeamRole::ALL.map(|role| (role.as_str().to_owned(), role.as_str().to_owned())).to_vec();
        let crumbs = view! { <div class="crumbs"><a href="/teams">"Teams"</a>" / "<a href=format!("/teams/{id}")>{team.name.clone()}</a></div> };
        view! {
            <div class="head"><div>{crumbs}<h1>"Tokens"</h1><p class="muted">"A team's token stays when people leave. It has one role, in this team alone."</p></div></div>
            <FormRejection typed=typed.clone()/>
            {created.map(|created| view! { <NewSecret created/> })}
            {list}
            <section class="card"><header><h2>"New token"</h2></header><form class="in" method="post" action=here()>
                <Once/>
                <div class="fields">
                    <Field name="name" label="What it is for" typed=typed.clone() autocomplete="off"/>
                    <Choice name="role" label="Role" typed=typed.clone() options=roles value="deployer"/>
                    <Field name="days" label="Ends after, in days" kind="number" typed value="90" hint="1 to 365."/>
                </div>
                <div class="row"><button class="primary" name="do" value=buttons::TeamTokens::CreateToken.word()>"Make token"</button></div>
            </form></section>
        }
    })
    .answer(answer);
    Ok(if copies { drawn.with_islands() } else { drawn })
}
