//! The sizes a replica can have, each with whether there is room for it.

use control::deployments::SizeRoom;
use domain::{deployment::FindingTone, size::Size};
use leptos::prelude::*;

use super::{status::Status, steps::finding_tone};
use crate::form::Typed;

/// One choice for each size. What the quota leaves no room for cannot be chosen, and says why.
#[component]
pub fn SizeChoice(typed: Typed, value: Size, sizes: Vec<SizeRoom>) -> impl IntoView {
    let chosen = typed.text_or("size", value.as_str());
    let why = typed.why("size");
    let wrong = why.is_some();
    let choices = Size::ALL
        .into_iter()
        .map(|size| {
            let room = sizes.iter().find(|room| room.size == size).cloned();
            let (checked, name, over) = (chosen == size.as_str(), size.title(), room.as_ref().is_some_and(|room| !room.allowed));
            let room = room.map(|SizeRoom { finding, .. }| {
                let word = if finding.tone == FindingTone::Good { "Fits now".to_owned() } else { finding.title };
                let why = finding.detail.filter(|_| over).map(|why| view! { <span class="small">{why}</span> });
                view! { <Status tone=finding_tone(finding.tone) word/>{why} }
            });
            view! {
                <label class="choice">
                    <input type="radio" name="size" value=size.as_str() checked=checked disabled=over/>
                    <strong>{name}</strong><span class="small">{size.summary()}</span>{room}
                </label>
            }
        })
        .collect_view();
    // A choice that is disabled is not sent. It is kept until another one is made: the first value sent is the one that counts.
    let kept = sizes.iter().any(|room| room.size.as_str() == chosen && !room.allowed).then(|| view! { <input type="hidden" name="size" value=chosen/> });
    // Without scripts nothing follows what is chosen besides.
    let closed = sizes.iter().any(|room| !room.allowed).then(|| {
        view! { <noscript><p class="small muted">"After choosing another place or number of replicas, press Check: it says anew what there is room for."</p></noscript> }
    });
    view! {
        <fieldset id="sizes" class:wrong=wrong aria-describedby=wrong.then_some("size-why")>
            <legend>"Size of each replica"</legend>
            <div class="choices">{choices}</div>
            {kept}
            {closed}
            {why.map(|why| view! { <span class="why" id="size-why">{why}</span> })}
        </fieldset>
    }
}
