//! What can be done about a workspace that is not as it should be, each with its button.

use domain::{operation::ChangedField, state::Tone};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        field::{Once, Seen},
        notice::Notice,
        set_by_others::SetByOthers,
    },
    page::here,
};

/// Says before it is pressed what the button does.
#[component]
fn Press(version: i64, button: buttons::Workspace, word: &'static str, does: &'static str) -> impl IntoView {
    view! {
        <form method="post" action=here() class="stack tight">
            <Once/><Seen version/>
            <p class="small">{does}</p>
            <div class="row"><button name="do" value=button.word()>{word}</button></div>
        </form>
    }
}

#[component]
pub(super) fn TakeOver(version: i64) -> impl IntoView {
    let does = "What is in the namespace stays. Slipway adds the quota, its defaults, its network policies and the team's rights, and has new pods keep to the pod security level restricted: all of that holds for what others run there, too.";
    view! { <Press version button=buttons::Workspace::Adopt word="Take it over" does/> }
}

/// What others changed, field by field, and the way to set it back.
#[component]
pub(super) fn Changed(
    fields: Vec<ChangedField>,
    /// The version that is seen, of whoever may set it back.
    version: Option<i64>,
) -> impl IntoView {
    view! {
        <Notice tone=Tone::Warn title="Others changed what Slipway made here">
            <SetByOthers fields/>
            {version.map(|version| view! { <Repair version/> })}
        </Notice>
    }
}

#[component]
pub(super) fn Repair(version: i64) -> impl IntoView {
    let does = "Slipway writes all of it again as it wants it, and sets back what others are shown to have changed. What runs here goes on.";
    view! { <Press version button=buttons::Workspace::Repair word="Repair" does/> }
}

/// A deletion may wait for long, say for a cluster that does not answer.
#[component]
pub(super) fn CallOff(version: i64, name: String) -> impl IntoView {
    view! {
        <Notice tone=Tone::Warn title=format!("{name} is being deleted")>
            <Press version button=buttons::Workspace::Keep word="Keep it" does="You can call that off as long as it is not over. What was deleted already is made again, empty."/>
        </Notice>
    }
}
