//! The sizes a replica can have, each with whether there is room for it.

use domain::{
    deployment::{Finding, FindingTone},
    size::Size,
};
use leptos::prelude::*;

use super::{status::Status, steps::finding_tone};
use crate::form::Typed;

/// One choice for each size. What does not fit can be chosen all the same: the reason then stands in the preview.
#[component]
pub fn SizeChoice(typed: Typed, value: Size, sizes: Vec<(Size, Finding)>) -> impl IntoView {
    let chosen = typed.text_or("size", value.as_str());
    let why = typed.why("size");
    let wrong = why.is_some();
    let choices = Size::ALL
        .into_iter()
        .map(|size| {
            let finding = sizes.iter().find(|(known, _)| *known == size).map(|(_, finding)| finding.clone());
            let (checked, name) = (chosen == size.as_str(), size.title());
            let room = finding.map(|finding| {
                let word = if finding.tone == FindingTone::Good { "Fits now".to_owned() } else { finding.title };
                view! { <Status tone=finding_tone(finding.tone) word/> }
            });
            view! {
                <label class="choice">
                    <input type="radio" name="size" value=size.as_str() checked=checked/>
                    <strong>{name}</strong><span class="small">{size.summary()}</span>{room}
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset id="sizes" class:wrong=wrong aria-describedby=wrong.then_some("size-why")>
            <legend>"Size of each replica"</legend>
            <div class="choices">{choices}</div>
            {why.map(|why| view! { <span class="why" id="size-why">{why}</span> })}
        </fieldset>
    }
}
