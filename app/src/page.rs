//! A page: what is loaded, how it is dressed, how it becomes HTML.

use std::sync::Arc;

use control::Actor;
use domain::Rejected;
use hydration_context::SsrSharedContext;
use leptos::{
    config::LeptosOptions,
    nonce::{provide_nonce, use_nonce},
    prelude::*,
};

use crate::{components::layout::Layout, said::Said};

/// Where in the navigation a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nav {
    Home,
    Deployments,
    Models,
    Workspaces,
    Teams,
    Clusters,
    Accounts,
    Users,
    Operations,
    Audit,
    Reference,
    Profile,
    /// Outside: sign-in, one-time links, errors.
    None,
}

/// A loaded page, ready to be drawn.
pub struct Page {
    title: String,
    answer: Answer,
    nav: Nav,
    islands: Islands,
    body: Box<dyn FnOnce() -> AnyView + Send>,
}

/// What a page's answer says besides the page.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Why the form on it is drawn again.
    pub rejected: Option<Rejected>,
    /// The version that the form was filled in for, when there is a newer one.
    pub stale: Option<i64>,
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        Self { status, rejected: None, stale: None }
    }
}

/// Whether the page has anything to wake in the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Islands {
    None,
    Some,
}

impl Page {
    /// `body` is drawn later, when everything is loaded.
    pub fn new<V: IntoView + 'static>(title: impl Into<String>, nav: Nav, body: impl FnOnce() -> V + Send + 'static) -> Self {
        Self { title: title.into(), answer: 200.into(), nav, islands: Islands::None, body: Box::new(move || body().into_any()) }
    }

    /// Answers with this HTTP status, or as [`Typed::answer`](crate::form::Typed::answer) says.
    #[must_use]
    pub fn answer(mut self, answer: impl Into<Answer>) -> Self {
        self.answer = answer.into();
        self
    }

    /// Loads the script that wakes islands.
    #[must_use]
    pub fn with_islands(mut self) -> Self {
        self.islands = Islands::Some;
        self
    }
}

/// What every page is dressed with.
#[derive(Clone)]
pub struct Chrome {
    pub actor: Actor,
    /// The page's own address, with its query.
    pub address: String,
    /// What was just done.
    pub said: Option<Said>,
    /// Whether a form was posted for it.
    pub posted: bool,
    pub options: LeptosOptions,
    /// The style sheet's address, with its version.
    pub style_sheet: Arc<str>,
}

/// A drawn page.
pub struct Drawn {
    pub html: String,
    pub status: u16,
    /// Why the form on it is drawn again.
    pub rejected: Option<Rejected>,
    /// The only scripts that may run are those that carry it.
    pub nonce: String,
}

/// Draws a page, whole.
#[must_use]
pub fn draw(page: Page, chrome: Chrome) -> Drawn {
    let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new_islands())));
    owner.with(|| {
        provide_nonce();
        let nonce = use_nonce().map(|nonce| nonce.to_string()).unwrap_or_default();
        let Page { title, answer: Answer { status, rejected, stale }, nav, islands, body } = page;
        let Chrome { actor, address, said, posted, options, style_sheet } = chrome;
        provide_context(Here(address));
        provide_context(Stale(stale));
        let view = view! {
            <!DOCTYPE html>
            <html lang="en">
                <head>
                    <meta charset="utf-8"/>
                    <meta name="viewport" content="width=device-width, initial-scale=1"/>
                    <meta name="color-scheme" content="light dark"/>
                    <title>{format!("{title} · Slipway")}</title>
                    <link rel="icon" href="/icon.svg" type="image/svg+xml"/>
                    <link rel="stylesheet" href=style_sheet.to_string()/>
                    {posted.then(|| view! { <script nonce=nonce.clone() inner_html=READ_AGAIN></script> })}
                    {(islands == Islands::Some).then(|| view! { <HydrationScripts options islands=true/> })}
                </head>
                <body>
                    <Layout actor nav said>{body()}</Layout>
                </body>
            </html>
        };
        Drawn { html: view.to_html(), status, rejected, nonce }
    })
}

/// Makes a page that answers a form an ordinary one for the browser: going back to it, or loading it again, reads the page and
/// does not ask whether to send the form once more.
const READ_AGAIN: &str = "history.replaceState(null, \"\", location.href)";

#[derive(Clone)]
struct Here(String);

#[derive(Clone, Copy)]
struct Stale(Option<i64>);

/// The version that forms on the page that is drawn stand for, when the present one is not what their reader has seen: until the
/// page is loaded anew, pressing again is refused again.
#[must_use]
pub fn stale() -> Option<i64> {
    use_context::<Stale>().and_then(|Stale(version)| version)
}

/// The address of the page that is drawn, for its forms. Without one a browser posts to what its address bar shows, with the part
/// after the `#`: there no field gets the focus by itself, and that part goes along to the pages after it. None where nothing says
/// which page a part belongs to.
#[must_use]
pub fn here() -> Option<String> {
    use_context::<Here>().map(|Here(address)| address)
}

/// Draws what a live island puts in place of what it shows, for the page at this address.
#[must_use]
pub fn draw_live<V: IntoView + 'static>(address: String, part: impl FnOnce() -> V) -> String {
    draw_part(move || {
        provide_context(Here(address));
        part()
    })
}

/// Draws a part of a page.
#[must_use]
pub fn draw_part<V: IntoView + 'static>(part: impl FnOnce() -> V) -> String {
    let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new_islands())));
    owner.with(|| part().into_view().to_html())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_live_posts_to_its_page() {
        let form = || view! { <form method="post" action=here()></form> };
        assert_eq!(draw_live("/clusters/7".into(), form), "<form method=\"post\" action=\"/clusters/7\"></form>");
        assert_eq!(draw_part(form), "<form method=\"post\"></form>");
    }
}
