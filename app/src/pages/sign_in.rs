//! Signing in.

use leptos::prelude::*;

use crate::{
    components::{field::Field, notice::Rejection},
    form::Typed,
    page::{Nav, Page, here},
};

/// The form, again with what was typed when it was turned down. It posts to its own address, which carries where to go afterwards.
#[must_use]
pub fn show(typed: Typed) -> Page {
    let answer = typed.answer();
    Page::new("Sign in", Nav::None, move || {
        view! {
            <section class="card"><header><h1>"Sign in"</h1></header><form class="in" method="post" action=here()>
                {typed.rejection().filter(|r| r.errors.is_empty()).cloned().map(|rejected| view! { <Rejection rejected/> })}
                <Field name="email" label="E-mail address" kind="email" typed=typed.clone() autocomplete="username" required=true/>
                <Field name="password" label="Password" kind="password" typed=typed.clone() autocomplete="current-password" required=true/>
                <div class="row"><button class="primary">"Sign in"</button></div>
                <p class="small muted">"No account yet, or forgot your password? Ask a platform admin for a link."</p>
            </form></section>
        }
    })
    .answer(answer)
}
