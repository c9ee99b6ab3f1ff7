//! Signing in.

use leptos::prelude::*;

use crate::{
    buttons::RESUME,
    components::{
        field::Field,
        notice::{FormRejection, Notice},
    },
    form::Typed,
    page::{Nav, Page},
};
use domain::state::Tone;

/// The field that carries what was typed elsewhere when the session ended, as a form sends it.
pub const KEPT: &str = "kept";

/// The form, again with what was typed when it was turned down. It posts to `to`, which carries where to go afterwards.
#[must_use]
pub fn show(to: String, typed: Typed) -> Page {
    let answer = typed.answer();
    Page::new("Sign in", Nav::None, move || {
        let ended = typed.has(KEPT).then(|| {
            view! {
                <Notice tone=Tone::Warn title="Your session ended">
                    <p>"Nothing was done. Sign in, then press again: what you typed is kept, except for passwords."</p>
                </Notice>
                <input type="hidden" name=KEPT value=typed.text(KEPT).to_owned()/>
            }
        });
        view! {
            <section class="card"><header><h1>"Sign in"</h1></header><form class="in" method="post" action=to>
                {ended}
                <FormRejection typed=typed.clone()/>
                <Field name="email" label="E-mail address" kind="email" typed=typed.clone() autocomplete="username" required=true/>
                <Field name="password" label="Password" kind="password" typed=typed.clone() autocomplete="current-password" required=true/>
                <div class="row"><button class="primary">"Sign in"</button></div>
                <p class="small muted">"No account yet? A platform admin makes you an invitation. Forgot your password? Whoever runs this portal makes you a link for a new one."</p>
            </form></section>
        }
    })
    .answer(answer)
}

/// The way back to the form at `to`, with what was typed there. Going back does nothing but draw it.
#[must_use]
pub fn go_on(to: String, fields: Vec<(String, String)>) -> Page {
    Page::new("Signed in", Nav::None, move || {
        let fields = fields.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view();
        view! {
            <section class="card"><header><h1>"You are signed in again"</h1></header><form class="in" method="post" action=to>
                <p>"What you typed is still there, and nothing was done with it yet."</p>
                {fields}
                <div class="row"><button class="primary" name="do" value=RESUME autofocus=true>"Back to what you typed"</button><a class="button" href="/">"Home"</a></div>
            </form></section>
        }
    })
}
