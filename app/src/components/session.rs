//! Sessions, on the profile page.

use domain::{state::Tone, user::Session};
use leptos::prelude::*;

use super::{field::Once, status::Status, table::Table, when::Ago};
use crate::{
    buttons::{self, Button as _},
    page::here,
};

/// The browsers somebody is signed in with, each with the button that ends it. Posts `do=revoke_session` and `session`.
#[component]
pub fn Sessions(open: Vec<Session>) -> impl IntoView {
    let rows = open.into_iter().map(|session| view! { <Row session/> }).collect_view();
    view! {
        <Table label="Sessions">
            <thead><tr><th scope="col">"Browser"</th><th scope="col" class="extra">"Address"</th><th scope="col">"Last seen"</th><th scope="col" class="extra">"Signed in"</th><th scope="col"><span class="hidden">"What can be done"</span></th></tr></thead>
            <tbody>{rows}</tbody>
        </Table>
    }
}

#[component]
fn Row(session: Session) -> impl IntoView {
    let name = browser(&session.user_agent);
    let end = (!session.current).then(|| {
        view! {
            <form method="post" action=here()><Once/><input type="hidden" name="session" value=session.id.to_string()/>
            <button class="quiet" name="do" value=buttons::Profile::RevokeSession.word() aria-label=format!("End the session of {name}")>"End"</button></form>
        }
    });
    view! {
        <tr>
            <td title=session.user_agent>{name.clone()}" "{session.current.then(|| view! { <Status tone=Tone::Good word="This one"/> })}</td>
            <td class="extra">{session.address}</td>
            <td><Ago at=session.last_seen_at/></td>
            <td class="extra"><Ago at=session.created_at/></td>
            <td class="act">{end}</td>
        </tr>
    }
}

/// What people call the browser that calls itself `agent`. Browsers name their forebears, too, so the order matters.
fn browser(agent: &str) -> String {
    const BROWSERS: [(&str, &str); 6] = [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome"), ("Safari/", "Safari")];
    const SYSTEMS: [(&str, &str); 7] =
        [("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")];
    let find = |known: &[(&str, &'static str)]| known.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.into(),
        _ => match agent.split(['/', ' ']).next() {
            Some(name) if !name.is_empty() => name.chars().take(40).collect(),
            _ => "An unnamed browser".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browsers_have_the_names_people_know() {
        for (agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari on macOS"),
            ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
            ("curl/7.88.1", "curl"),
            ("<script>alert(1)</script>", "<script>alert(1)<"),
            ("", "An unnamed browser"),
        ] {
            assert_eq!(browser(agent), name);
        }
    }
}
