//! The deployment's name in the form: until somebody edits it, it follows the release and the workspace.

use control::{Ctx, Error, Result, deployments};
use domain::{
    Code,
    ids::{ReleaseId, WorkspaceId},
};
use leptos::prelude::*;

use crate::{components::field::Field, form::Typed};

/// The name that the form suggested, while nobody has edited it.
const SUGGESTED: &str = "suggested";
/// The release and the workspace it was suggested for.
const FOR: &str = "suggested_for";

/// The form with the name that suits what is chosen now: a suggested one that nobody edited gives way to the one suggested next.
///
/// # Errors
/// `unauthenticated`; a fault when the database fails.
pub async fn follow(ctx: &Ctx, typed: Typed) -> Result<Typed> {
    let chosen = typed.text("release").parse::<ReleaseId>().ok().zip(typed.text("workspace").parse::<WorkspaceId>().ok());
    let Some((release, workspace)) = chosen.filter(|_| is_suggested(&typed)) else { return Ok(typed) };
    let place = place(release, workspace);
    if typed.text(FOR) == place {
        return Ok(typed);
    }
    Ok(match suggest(ctx, release, workspace).await? {
        Some(name) => typed.filled_in(vec![("name".into(), name.clone()), (SUGGESTED.into(), name), (FOR.into(), place)]),
        None => typed,
    })
}

/// A name that is free; none where they cannot be used, and the preview says why.
pub(super) async fn suggest(ctx: &Ctx, release: ReleaseId, workspace: WorkspaceId) -> Result<Option<String>> {
    match deployments::free_name(ctx, release, workspace).await {
        Ok(name) => Ok(Some(name)),
        Err(Error::Rejected(rejected)) if rejected.code != Code::Unauthenticated => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_suggested(typed: &Typed) -> bool {
    typed.has(SUGGESTED) && typed.text(SUGGESTED) == typed.text("name")
}

pub(super) fn place(release: ReleaseId, workspace: WorkspaceId) -> String {
    format!("{release} {workspace}")
}

/// The field, with what was suggested beside it: `name`, before anything was typed.
#[component]
pub(super) fn Name(typed: Typed, name: String, suggested_for: String) -> impl IntoView {
    // Once edited, it is theirs: what was suggested is not sent again.
    let edited = typed.has("name") && !is_suggested(&typed);
    view! {
        <div id="naming">
            <input type="hidden" name=SUGGESTED value=typed.text_or(SUGGESTED, &name) disabled=edited/>
            <input type="hidden" name=FOR value=typed.text_or(FOR, &suggested_for) disabled=edited/>
            <Field name="name" label="Name" typed value=name autocomplete="off" hint="Lower-case letters, digits and dashes. Its address inside the cluster begins with it."/>
        </div>
    }
}
