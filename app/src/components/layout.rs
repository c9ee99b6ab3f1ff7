//! The frame around every page: brand, navigation, who is signed in.

use control::Actor;
use leptos::prelude::*;

use crate::{page::Nav, said::Said};

/// Whoever has not signed in gets the page without navigation.
#[component]
pub fn Layout(
    actor: Actor,
    nav: Nav,
    /// What was just done, said above the page.
    said: Option<Said>,
    children: Children,
) -> impl IntoView {
    let signed_in = actor.check_signed_in().is_ok();
    let platform = actor.platform_role();
    let link = move |to: &'static str, word: &'static str, here: Nav| {
        view! { <a href=to aria-current=(nav == here).then_some("page")>{word}</a> }
    };
    let aside = signed_in.then(|| {
        view! {
            <header class="side"><div>
                <Brand/>
                <nav aria-label="Main">
                    {link("/", "Home", Nav::Home)}
                    {link("/deployments", "Deployments", Nav::Deployments)}
                    {link("/models", "Models", Nav::Models)}
                    {link("/workspaces", "Workspaces", Nav::Workspaces)}
                    {link("/teams", "Teams", Nav::Teams)}
                    {platform.map(|_| view! {
                        <p>"Platform"</p>
                        {link("/clusters", "Clusters", Nav::Clusters)}
                        {link("/accounts", "Accounts", Nav::Accounts)}
                        {link("/users", "Users", Nav::Users)}
                    })}
                    <p>"Record"</p>
                    {link("/operations", "Operations", Nav::Operations)}
                    {link("/audit", "Audit", Nav::Audit)}
                    <p>"Automation"</p>
                    {link("/reference", "API", Nav::Reference)}
                </nav>
                <div class="who">
                    <a href="/profile" aria-current=(nav == Nav::Profile).then_some("page")>{actor.name().to_owned()}</a>
                    {platform.map(|role| view! { <span class="small muted">{format!("platform {}", role.as_str())}</span> })}
                    <form method="post" action="/sign-out"><button class="quiet small">"Sign out"</button></form>
                </div>
            </div></header>
        }
    });
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        {aside}
        <main id="main" tabindex="-1" class:alone=!signed_in>{(!signed_in).then(|| view! { <div class="head"><Brand/></div> })}
            {said.map(|said| view! { <section class="notice good" role="status"><p>{said.sentence()}</p></section> })}
            {children()}
        </main>
    }
}

/// Name and sign.
#[component]
fn Brand() -> impl IntoView {
    view! {
        <a class="brand" href="/">
            <svg width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
                <path d="M3 13h14l4-4v4c0 4-3 6-6 6H9c-3 0-6-2-6-6Z"></path>
                <path d="M8 13V6l5 3"></path>
            </svg>
            "Slipway"
        </a>
    }
}
