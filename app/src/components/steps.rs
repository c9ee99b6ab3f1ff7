//! Steps: of an operation, with the time each took, and of what was checked before.

use control::clock;
use domain::{
    deployment::{Finding, FindingTone},
    operation::{Operation, OperationStep, StepState},
    state::Tone,
};
use leptos::prelude::*;

use super::{status::Dot, when::took};

/// The steps of an operation.
#[component]
pub fn OperationSteps(operation: Operation) -> impl IntoView {
    let steps = operation.steps.into_iter().map(|step| view! { <OneStep step/> }).collect_view();
    view! { <ol class="steps">{steps}</ol> }
}

#[component]
fn OneStep(step: OperationStep) -> impl IntoView {
    let (tone, word) = match step.state {
        StepState::Waiting => (Tone::Idle, "waiting"),
        StepState::Running => (Tone::Busy, "running"),
        StepState::Done => (Tone::Good, "done"),
        StepState::Failed => (Tone::Bad, "failed"),
        StepState::Skipped => (Tone::Idle, "skipped"),
    };
    let time = match (step.state, step.started_at, step.finished_at) {
        (StepState::Waiting | StepState::Skipped, ..) => String::new(),
        (_, Some(start), Some(end)) => took(end.since(start)),
        (_, Some(start), None) => took(clock::now().since(start)),
        (_, None, _) => String::new(),
    };
    let later = matches!(step.state, StepState::Waiting | StepState::Skipped);
    view! {
        <li>
            <Dot tone/>
            <span class:later=later>
                {step.title}<span class="hidden">", "{word}</span>
                {step.detail.map(|detail| view! { <br/><span class="small muted">{detail}</span> })}
            </span>
            <span class="took">{time}</span>
        </li>
    }
}

/// What was found before a deployment.
#[component]
pub fn Findings(findings: Vec<Finding>) -> impl IntoView {
    let items = findings
        .into_iter()
        .map(|finding| {
            let tone = finding_tone(finding.tone);
            let word = match finding.tone {
                FindingTone::Good => "fine",
                FindingTone::Warn => "to think about",
                FindingTone::Bad => "to fix",
            };
            view! {
                <li>
                    <Dot tone/>
                    <span>
                        {finding.title}<span class="hidden">", "{word}</span>
                        {finding.detail.map(|detail| view! { <br/><span class="small muted">{detail}</span> })}
                    </span>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="steps">{items}</ul> }
}

/// How a finding is shown.
#[must_use]
pub fn finding_tone(tone: FindingTone) -> Tone {
    match tone {
        FindingTone::Good => Tone::Good,
        FindingTone::Warn => Tone::Warn,
        FindingTone::Bad => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::draw_part;

    #[test]
    fn every_step_says_in_a_word_how_it_stands() {
        for (state, dot, word) in [
            (StepState::Waiting, "dot idle", "waiting"),
            (StepState::Running, "dot busy", "running"),
            (StepState::Done, "dot good", "done"),
            (StepState::Failed, "dot bad", "failed"),
            (StepState::Skipped, "dot idle", "skipped"),
        ] {
            for title in ["Start replicas", "Let earlier replicas go", "Set quota, defaults and network policies"] {
                let step = OperationStep { number: 1, title: title.into(), state, detail: Some("2 of 2 ready".into()), started_at: None, finished_at: None };
                let html = draw_part(move || view! { <OneStep step/> });
                assert!(html.contains(&format!("{title}<span class=\"hidden\">, <!>{word}</span>")), "{html}");
                assert!(html.contains(&format!("class=\"{dot}\"")), "{html}");
            }
        }
    }
}
