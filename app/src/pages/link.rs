//! What is behind a one-time link.

use control::{Control, Result, links, passwords::MIN_LENGTH};
use domain::{
    access::PlatformRole,
    user::{LinkInfo, LinkPurpose},
};
use leptos::prelude::*;

use crate::{
    components::{field::Field, notice::FormRejection, when::exact},
    form::Typed,
    page::{Nav, Page, here},
};

/// Who the link is for and what it gives; looking does not use it. The form posts to its own address, which holds the secret.
///
/// # Errors
/// Those of [`links::look`].
pub async fn show(control: &Control, secret: &str, typed: Typed) -> Result<Page> {
    let info = links::look(control, secret).await?;
    let answer = typed.answer();
    let (title, button) = match info.purpose {
        LinkPurpose::FirstAdmin => ("Become the first admin", "Create account"),
        LinkPurpose::Invitation => ("Welcome to Slipway", "Create account"),
        LinkPurpose::PasswordReset => ("Set a new password", "Set password"),
    };
    Ok(Page::new(title, Nav::None, move || {
        let first = info.purpose == LinkPurpose::FirstAdmin;
        let named = info.purpose != LinkPurpose::PasswordReset;
        view! {
            <section class="card"><header><h1>{title}</h1></header><form class="in" method="post" action=here()>
                <p>{purpose(&info)}</p>
                <FormRejection typed=typed.clone()/>
                {if first {
                    view! { <Field name="email" label="E-mail address" kind="email" typed=typed.clone() autocomplete="username" required=true/> }.into_any()
                } else {
                    // Password managers read the address from here.
                    view! { <input type="hidden" name="email" value=info.email.clone() autocomplete="username"/> }.into_any()
                }}
                {named.then(|| view! { <Field name="name" label="Your name" typed=typed.clone() autocomplete="name" required=true/> })}
                <Field name="password" label="New password" kind="password" typed=typed.clone() autocomplete="new-password" required=true
                    hint=format!("At least {MIN_LENGTH} characters. A few random words do well.")/>
                <Field name="password_again" label="New password, again" kind="password" typed=typed.clone() autocomplete="new-password" required=true/>
                <div class="row"><button class="primary">{button}</button></div>
                <p class="small muted">{format!("This link works once, until {}.", exact(info.expires_at))}</p>
            </form></section>
        }
    })
    .answer(answer))
}

fn purpose(info: &LinkInfo) -> String {
    match info.purpose {
        LinkPurpose::FirstAdmin => "Nobody administers this portal yet. Whoever creates this account does.".into(),
        LinkPurpose::PasswordReset => format!("For {}. Setting a new password ends every session that is still open.", info.email),
        LinkPurpose::Invitation => {
            let mut words = format!("{} invites {}", info.made_by, info.email);
            if let Some((team, role)) = info.team.as_ref().zip(info.team_role) {
                words.push_str(&format!(" into the team {team}, as {}", role.as_str()));
            }
            words.push_str(match info.platform_role {
                Some(PlatformRole::Admin) => ". You will be a platform admin.",
                Some(PlatformRole::Auditor) => ". You will see everything on the platform, as an auditor.",
                None => ".",
            });
            words
        }
    }
}
