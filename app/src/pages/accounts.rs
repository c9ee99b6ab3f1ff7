//! `/accounts`

use control::{Ctx, Result, accounts};
use domain::{
    access::PlatformAction,
    account::{Account, Verdict},
    page::{Direction, PageQuery},
    state::Tone,
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        empty::EmptyState,
        field::{Field, Once},
        list::{Asked, NoMatch, Pager, Search, SortBy},
        notice::FormRejection,
        status::Status,
        table::Table,
        when::Ago,
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// The AWS accounts, and for an admin the form that adds one.
///
/// # Errors
/// Those of [`accounts::list`].
pub async fn list(ctx: &Ctx, query: PageQuery, typed: Typed) -> Result<Page> {
    let page = accounts::list(ctx, &query).await?;
    let may_add = ctx.actor().check_platform(PlatformAction::Manage, "page").is_ok();
    let asked = Asked::new("/accounts", &query);
    let answer = typed.answer();
    let drawn = Page::new("Accounts", Nav::Accounts, move || {
        let empty = page.items.is_empty() && !asked.is_narrowed();
        let body = if empty {
            view! { <EmptyState title="No AWS account yet" text="Clusters and images live in AWS accounts. Slipway uses its own credentials there, or a role that trusts it."/> }
                .into_any()
        } else {
            let rows = page.items.into_iter().map(|account| view! { <Row account/> }).collect_view();
            let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
            let name = view! { <SortBy asked=asked.clone() field="name" label="Name" default=Direction::Ascending/> };
            let since = view! { <SortBy asked=asked.clone() field="created_at" label="Since" first=Direction::Descending class="extra"/> };
            view! {
                <section class="card">
                    <Search asked=asked.clone() placeholder="Search by name, AWS account number or role"/>
                    <Table label="Accounts">
                        <thead><tr>{name}<th scope="col">"Rights"</th><th scope="col">"Regions"</th><th scope="col" class="n">"Clusters"</th>{since}</tr></thead>
                        <tbody>{rows}{none}</tbody>
                    </Table>
                    <Pager asked next=page.next_page_token/>
                </section>
            }
            .into_any()
        };
        view! {
            <div class="head">
                <div><h1>"Accounts"</h1><p class="muted">"The AWS accounts Slipway works in, and what it may do there."</p></div>
                {(may_add && !empty).then(|| view! { <a class="button primary" href="#new">"Add account"</a> })}
            </div>
            <FormRejection typed=typed.clone()/>
            {body}
            {may_add.then(|| view! { <New typed/> })}
        }
    });
    Ok(drawn.answer(answer))
}

/// How the last check went, in a tone and a few words.
pub(super) fn rights(account: &Account) -> (Tone, String) {
    let count = |verdict| account.checks.iter().filter(|check| check.verdict == verdict).count();
    match (account.checked_at, &account.check_error, count(Verdict::Denied), count(Verdict::Unknown)) {
        (None, ..) => (Tone::Idle, "Not checked yet".into()),
        (_, Some(_), ..) => (Tone::Bad, "No way in".into()),
        (_, _, 0, 0) => (Tone::Good, "All that is needed".into()),
        (_, _, 0, unknown) => (Tone::Warn, format!("{unknown} not known")),
        (_, _, denied, _) => (Tone::Warn, format!("{denied} denied")),
    }
}

#[component]
fn Row(account: Account) -> impl IntoView {
    let (tone, word) = rights(&account);
    let number = if account.aws_account_id.is_empty() { "number not known yet".to_owned() } else { account.aws_account_id };
    view! {
        <tr>
            <td><a href=format!("/accounts/{}", account.id)>{account.name}</a><br/><span class="small muted">{number}</span></td>
            <td><Status tone word/>{account.checked_at.map(|at| view! { <br/><span class="small muted">"checked "<Ago at/></span> })}</td>
            <td>{account.regions.join(", ")}</td>
            <td class="n">{account.clusters}</td>
            <td class="extra"><Ago at=account.created_at/></td>
        </tr>
    }
}

#[component]
fn New(typed: Typed) -> impl IntoView {
    view! {
        <section class="card" id="new"><header><h2>"Add an AWS account"</h2></header><form class="in" method="post" action=here()>
            <Once/>
            <Field name="name" label="Name" typed=typed.clone() autocomplete="off" hint="What people here call it. Lower-case letters, digits and dashes."/>
            <Field name="role_arn" label="Role to assume" typed=typed.clone() autocomplete="off" placeholder="arn:aws:iam::123456789012:role/slipway"
                hint="Leave it empty to use the credentials Slipway itself runs with. The role need not exist yet: its policies, with an external id of their own, are shown next."/>
            <Field name="regions" label="Regions" typed autocomplete="off" placeholder="us-east-1, eu-central-1" hint="Where to look for clusters and images."/>
            <div class="row"><button class="primary" name="do" value=buttons::Accounts::Create.word()>"Add account"</button></div>
        </form></section>
    }
}
