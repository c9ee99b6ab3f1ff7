//! Tokens, on the pages of whoever has them.

use control::clock;
use domain::{
    page::Direction,
    state::Tone,
    token::{CreatedToken, Token, TokenKind},
};
use leptos::prelude::*;

use super::{
    code::CopyBlock,
    confirm::ConfirmRow,
    list::{Asked, NoMatch, Pager, Search, SortBy},
    notice::Notice,
    status::Status,
    table::Table,
    when::{Ago, Day, exact},
};
use crate::{
    buttons::{self, Button as _},
    form::Typed,
};

/// A new token's secret, this once.
#[component]
pub fn NewSecret(created: CreatedToken) -> impl IntoView {
    let words = format!("Copy it now: it cannot be shown again. It works until {}.", exact(created.token.expires_at));
    view! {
        <Notice tone=Tone::Good title=format!("The token {} is ready", created.token.name)>
            <p>{words}</p>
            <CopyBlock id="token-secret" label="The token" text=created.secret/>
            <p class="small">"Send it as "<code>"Authorization: Bearer …"</code>". "<a href="/reference">"What the API can do"</a></p>
        </Notice>
    }
}

/// A list of tokens, each with the button that revokes it. Posts `do=revoke_token`, `token` and `confirm`.
#[component]
pub fn Tokens(asked: Asked, tokens: Vec<Token>, next: Option<String>, typed: Typed) -> impl IntoView {
    let rows = tokens.into_iter().map(|token| view! { <Row token typed=typed.clone()/> }).collect_view();
    let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="4"/> });
    let name = view! { <SortBy asked=asked.clone() field="name" label="Name"/> };
    let ends = view! { <SortBy asked=asked.clone() field="expires_at" label="Ends"/> };
    let made = view! { <SortBy asked=asked.clone() field="created_at" label="Made" default=Direction::Descending first=Direction::Descending class="extra"/> };
    view! {
        <Search asked=asked.clone() placeholder="Search by name or first letters"/>
        <Table label="Tokens">
            <thead><tr>{name}<th scope="col" class="extra">"May do"</th>{ends}{made}</tr></thead>
            <tbody>{rows}{none}</tbody>
        </Table>
        <Pager asked next/>
    }
}

#[component]
fn Row(token: Token, typed: Typed) -> impl IntoView {
    let may = match (&token.team_name, token.role, token.kind) {
        (Some(team), Some(role), TokenKind::Personal) => format!("what you may in {team}, as {} at most", role.as_str()),
        // These are listed on the page of their team.
        (_, Some(role), TokenKind::Team) => role.as_str().to_owned(),
        _ => "everything you may".to_owned(),
    };
    let used = match token.last_used_at {
        Some(at) => view! { "last used "<Ago at/> }.into_any(),
        None => "never used".into_any(),
    };
    let over = token.expires_at <= clock::now();
    let ends = if over { view! { <Status tone=Tone::Idle word="Expired"/> }.into_any() } else { view! { <Day at=token.expires_at/> }.into_any() };
    let label = format!("Revoke {}", token.name);
    let note = "Whatever uses it is refused from then on, for good.";
    view! {
        <tr class="top">
            <td class="breaks">{token.name.clone()}<br/><span class="small muted"><code>{token.prefix}"…"</code>" · "{used}</span><span class="instead small muted">{may.clone()}</span>
                <ConfirmRow name=token.name.clone() button="Revoke" label operation=buttons::Profile::RevokeToken.word() field="token" value=token.id.to_string() typed note/></td>
            <td class="extra">{may}</td>
            <td>{ends}</td>
            <td class="extra"><Ago at=token.created_at/>" by "{token.created_by}</td>
        </tr>
    }
}
