//! A request to the model, from the page.

use domain::{
    deployment::Deployment,
    ids::DeploymentId,
    serving::{Prediction, Protocol},
};
use leptos::prelude::*;
use serde_json::Value;
use url::Url;

use super::{
    playground::{Form, Output, form, outputs, unfamiliar},
    snippets,
};
use crate::{
    buttons::{self, Button as _},
    components::{
        code::CopyBlock,
        facts::{Fact, Facts},
        field::{Field, TextField},
        meter::Meter,
        notice::Rejection,
    },
    form::Typed,
    page::here,
};

/// What was asked and answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub body: Value,
    pub path: Option<String>,
    pub answer: Prediction,
}

/// The form from the model's own metadata, and the answer below it.
#[component]
pub fn TryIt(deployment: Deployment, typed: Typed, asked: Option<Asked>, portal: Url) -> impl IntoView {
    let id = deployment.summary.id;
    // Without replicas nobody answers.
    let ready = deployment.pods.iter().any(|pod| pod.ready);
    if !ready && asked.is_none() {
        return view! {
            <section class="card" id="try"><header><h2>"Try it"</h2></header><div class="in"><p class="muted">"As soon as a replica is ready, you can send it a request here."</p></div></section>
        }
        .into_any();
    }
    let mut unknown = Vec::new();
    let fields = match form(deployment.protocol, deployment.metadata.as_ref()) {
        Form::Features(features) => {
            unknown = unfamiliar(&features, &typed);
            let fields = features
                .into_iter()
                .map(|feature| {
                    let kind = if feature.numeric { "number" } else { "text" };
                    let hint = Some(feature.hint).filter(|hint| !hint.is_empty()).unwrap_or_default();
                    view! { <FeatureField name=feature.field label=feature.label typed=typed.clone() value=feature.default hint kind step=feature.step/> }
                })
                .collect_view();
            view! { <div class="fields">{fields}</div> }.into_any()
        }
        Form::Json(example) => {
            let path =
                (deployment.protocol == Protocol::Http).then(|| view! { <Field name="path" label="Path" typed=typed.clone() value="/" hint="Where the model takes requests."/> });
            view! {
                {path}
                <TextField name="body" label="Request" typed=typed.clone() value=example rows=8 code=true hint="JSON, as the model's protocol wants it."/>
            }
            .into_any()
        }
    };
    let refused = typed
        .rejection()
        .filter(|rejected| rejected.errors.is_empty() && typed.operation() == buttons::Deployment::Predict.word())
        .cloned()
        .map(|rejected| view! { <div tabindex="-1" autofocus=true><Rejection rejected/></div> });
    let said = asked.as_ref().map(|asked| format!("revision {} answered in {:.1} ms", asked.answer.revision, asked.answer.latency_ms));
    let answer = asked.map(|asked| {
        let read = outputs(deployment.metadata.as_ref(), &asked.answer.body);
        view! { <Answer asked read unknown portal id/> }
    });
    view! {
        <section class="card" id="try">
            <header><h2>"Try it"</h2>{said.map(|said| view! { <span class="small muted">{said}</span> })}</header>
            <form class="in" method="post" action=here()>
                {fields}
                {refused}
                <div class="row"><button class="primary" name="do" value=buttons::Deployment::Predict.word()>"Predict"</button></div>
                {answer}
            </form>
        </section>
    }
    .into_any()
}

#[component]
fn FeatureField(name: String, label: String, typed: Typed, value: String, hint: String, kind: &'static str, step: String) -> impl IntoView {
    let why = typed.why(&name);
    let wrong = why.is_some();
    let ids = (format!("{name}-why"), format!("{name}-hint"));
    let described = format!("{} {}", if wrong { &ids.0 } else { "" }, ids.1);
    let value = typed.text_or(&name, &value);
    view! {
        <div class="field" class:wrong=wrong>
            <label for=name.clone()>{label}</label>
            <input id=name.clone() name=name type=kind step=(kind == "number").then_some(step) value=value aria-describedby=described aria-invalid=wrong.then_some("true") autofocus=wrong autocomplete="off"/>
            {why.map(|why| view! { <span class="why" id=ids.0>{why}</span> })}
            <span class="hint" id=ids.1>{hint}</span>
        </div>
    }
}

#[component]
fn Answer(asked: Asked, read: Vec<Output>, unknown: Vec<String>, portal: Url, id: DeploymentId) -> impl IntoView {
    let Asked { body, path, answer } = asked;
    let raw = match &answer.body {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    let refused = (answer.status >= 400).then(|| view! { <section class="notice warn"><p>{format!("The model answered with status {}.", answer.status)}</p></section> });
    let unknown = (!unknown.is_empty()).then(|| {
        let lines = unknown.into_iter().map(|line| view! { <li>{line}</li> }).collect_view();
        view! { <section class="notice warn"><p>"Take this answer with care: it is a guess about what the model was not made for."</p><ul>{lines}</ul></section> }
    });
    let plain = read.is_empty();
    let read = (!plain).then(|| view! { <div role="status"><Facts>{read.into_iter().map(|output| view! { <Read output/> }).collect_view()}</Facts></div> });
    view! {
        <hr/>
        // The page is drawn anew for it: this is where to go on reading.
        <div class="stack tight" id="answer" tabindex="-1" autofocus=true>
            {refused}
            {unknown}
            {read}
        </div>
        <details open=plain><summary class="small">"As JSON"</summary><CopyBlock id="as-json" label="the answer" text=raw/></details>
        <details><summary class="small">"The same with curl"</summary><CopyBlock id="as-curl" label="the curl command" text=snippets::curl(&portal, id, &body, path.as_deref())/></details>
        <details><summary class="small">"The same in Python"</summary><CopyBlock id="as-python" label="the Python program" text=snippets::python(&portal, id, &body, path.as_deref())/></details>
        <p class="small muted">{format!("Answered by {}.", answer.pod)}</p>
    }
}

#[component]
fn Read(output: Output) -> impl IntoView {
    match output {
        Output::One { name, value } => view! { <Fact term=name><strong>{value}</strong></Fact> }.into_any(),
        Output::Shares { name, shares } => {
            // Shares may be of any size; a bar shows each against the largest, or against one.
            let whole = shares.iter().map(|(_, share)| *share).fold(1.0, f64::max);
            let bars = shares
                .into_iter()
                .map(|(label, share)| {
                    let parts = (share / whole * 1000.0).clamp(0.0, 1000.0).round() as i64;
                    view! { <Meter label used=parts limit=1000 words=format!("{share:.3}") warns=false/> }
                })
                .collect_view();
            view! { <Fact term=name><div class="stack tight">{bars}</div></Fact> }.into_any()
        }
    }
}
