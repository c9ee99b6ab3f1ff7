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
    // What is done says so itself.
    let (title, word) = match (step.state, past(&step.title)) {
        (StepState::Done, Some(past)) => (past, None),
        _ => (step.title, Some(word)),
    };
    view! {
        <li>
            <Dot tone/>
            <span class:later=later>
                {title}{word.map(|word| view! { <span class="hidden">", "{word}</span> })}
                {step.detail.map(|detail| view! { <br/><span class="small muted">{detail}</span> })}
            </span>
            <span class="took">{time}</span>
        </li>
    }
}

/// What a step's title says of it once it is done: `Start replicas` becomes `Started replicas`.
fn past(title: &str) -> Option<String> {
    const VERBS: [(&str, &str); 14] = [
        ("Apply", "Applied"),
        ("Ask", "Asked"),
        ("Bind", "Bound"),
        ("Borrow", "Borrowed"),
        ("Check", "Checked"),
        ("Create", "Created"),
        ("Delete", "Deleted"),
        ("Give", "Gave"),
        ("Let", "Let"),
        ("Look", "Looked"),
        ("Remove", "Removed"),
        ("Set", "Set"),
        ("Start", "Started"),
        ("Wait", "Waited"),
    ];
    let (verb, rest) = title.split_once(' ')?;
    let (_, past) = VERBS.into_iter().find(|(known, _)| *known == verb)?;
    Some(format!("{past} {}", rest.replace(" is gone", " was gone").replace(" are gone", " were gone")))
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

    fn drawn(title: &str, state: StepState) -> String {
        let step = OperationStep { number: 1, title: title.into(), state, detail: Some("2 of 2 ready".into()), started_at: None, finished_at: None };
        draw_part(move || view! { <OneStep step/> })
    }

    #[test]
    fn what_is_done_is_told_in_the_past() {
        for (title, past) in [
            ("Start replicas", "Started replicas"),
            ("Apply as the team's deployer", "Applied as the team's deployer"),
            ("Wait until they are gone", "Waited until they were gone"),
            ("Wait until it is gone", "Waited until it was gone"),
            ("Bind the team's roles", "Bound the team's roles"),
        ] {
            let done = drawn(title, StepState::Done);
            assert!(done.contains(&past.replace('\'', "&#39;")) || done.contains(past), "{done}");
            assert!(!done.contains("done"), "{done}");
            let running = drawn(title, StepState::Running);
            assert!(running.contains("running") && (running.contains(title) || running.contains(&title.replace('\'', "&#39;"))), "{running}");
        }
        assert!(drawn("Something new", StepState::Done).contains("done"), "what has no past tense still says that it is done");
    }
}
