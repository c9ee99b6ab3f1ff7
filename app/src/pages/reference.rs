//! `/reference`: what the REST API does, from its own document.

mod document;
mod sample;

use control::{Ctx, Result};
use leptos::prelude::*;
use serde_json::Value;

use crate::{
    components::{code::CopyBlock, table::Table, thing::capitalized},
    page::{Nav, Page},
};
use document::{Endpoint, Field, Kind, Reference, Shape};

/// Every operation of `document`, which is OpenAPI, with what it takes and answers; works without any script.
///
/// # Errors
/// `unauthenticated`.
pub fn show(ctx: &Ctx, document: &Value) -> Result<Page> {
    ctx.actor().check_signed_in()?;
    let reference = Reference::read(document, ctx.control().settings.public_url.as_str());
    let example = format!("curl -H \"authorization: Bearer $SLIPWAY_TOKEN\" \\\n  {}api/v1/deployments", ctx.control().settings.public_url);
    let page = Page::new("API reference", Nav::Reference, move || {
        let Reference { about, groups, shapes } = reference;
        let contents = groups.iter().map(|(name, _)| view! { <a href=format!("#{name}")>{name.clone()}</a> }).collect_view();
        let groups = groups.into_iter().map(|(name, endpoints)| view! { <Group name endpoints/> }).collect_view();
        let shapes = shapes.into_iter().map(|shape| view! { <OneShape shape/> }).collect_view();
        view! {
            <div class="head">
                <div><h1>"API reference"</h1><p class="muted">"Whatever a page does, a program can do over REST."</p></div>
                <a class="button" href="/api/v1/openapi.json">"OpenAPI document"</a>
            </div>
            <section class="card"><header><h2>"How to ask"</h2></header><div class="in">
                <p class="prose">{words(&about)}</p>
                <CopyBlock id="example" label="an example" text=example/>
                <p class="small muted">"Make a token on "<a href="/profile#tokens">"your profile"</a>". Every address below begins with "<code>"/api/v1"</code>"."</p>
                <nav class="row contents" aria-label="Parts of the API">{contents}<a href="#shapes">"what is sent"</a></nav>
            </div></section>
            {groups}
            <section class="card" id="shapes"><header><h2>"What is sent"</h2></header>{shapes}</section>
        }
    });
    Ok(page.with_islands())
}

#[component]
fn Group(name: String, endpoints: Vec<Endpoint>) -> impl IntoView {
    let endpoints = endpoints.into_iter().map(|endpoint| view! { <OneEndpoint endpoint/> }).collect_view();
    let title = capitalized(&name);
    view! { <section class="card" id=name><header><h2>{title}</h2></header>{endpoints}</section> }
}

#[component]
fn OneEndpoint(endpoint: Endpoint) -> impl IntoView {
    let Endpoint { id, method, path, summary, takes, body, sample, curl, answers } = endpoint;
    let fields = (!takes.is_empty()).then(|| view! { <Fields label=format!("What {id} takes in its address and headers") fields=takes placed=true/> });
    let body = body.map(|kind| view! { <p>"Takes "<OneKind kind/>" as JSON, for instance"</p> });
    let sample = sample.map(|sample| view! { <CopyBlock id=format!("{id}-body") label=format!("a body for {id}") text=sample/> });
    let curl = view! { <CopyBlock id=format!("{id}-curl") label=format!("the curl command for {id}") text=curl/> };
    let answers = answers
        .into_iter()
        .map(|(status, kind)| {
            let kind = match kind {
                Some(kind) => view! { " with "<OneKind kind/> }.into_any(),
                None => ().into_any(),
            };
            let status = if status == "default" { "anything else".to_owned() } else { status };
            view! { <li><strong>{status}</strong>{kind}</li> }
        })
        .collect_view();
    view! {
        <details class="in">
            <summary class="endpoint"><span class="tag">{method}</span><code>{path}</code><span class="muted">{words(&summary)}</span></summary>
            <div class="stack tight" id=id>{fields}{body}{sample}<p>"In a shell"</p>{curl}<p>"Answers"</p><ul>{answers}</ul></div>
        </details>
    }
}

#[component]
fn OneShape(shape: Shape) -> impl IntoView {
    let Shape { name, about, fields, values, kind } = shape;
    let values = (!values.is_empty()).then(|| {
        let values = values.into_iter().map(|value| view! { <code class="tag">{value}</code> }).collect_view();
        view! { <p class="row">"One of "{values}</p> }
    });
    let plain = kind.map(|kind| view! { <p>"In JSON: "<OneKind kind/></p> });
    let fields = (!fields.is_empty()).then(|| view! { <Fields label=format!("Fields of {name}") fields placed=false/> });
    view! {
        <details class="in">
            <summary class="endpoint"><code>{name.clone()}</code><span class="muted">{words(&about)}</span></summary>
            // A fragment inside closed details opens them, without any script.
            <div class="stack tight" id=format!("shape-{name}")>{values}{plain}{fields}</div>
        </details>
    }
}

#[component]
fn Fields(label: String, fields: Vec<Field>, placed: bool) -> impl IntoView {
    let rows = fields
        .into_iter()
        .map(|field| {
            let place = placed.then(|| view! { <td class="extra">{field.place.clone()}</td> });
            let beside = placed.then(|| format!("in {}, ", field.place));
            let need = field.required.then(|| view! { <br/><span class="small muted">"required"</span> });
            view! {
                <tr class="top param">
                    <td><code>{field.name}</code>{need}<span class="instead small muted">{beside}<OneKind kind=field.kind.clone()/></span></td>
                    {place}
                    <td class="extra"><OneKind kind=field.kind/></td>
                    <td>{words(&field.about)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <Table label>
            <thead><tr><th scope="col">"Name"</th>{placed.then(|| view! { <th scope="col" class="extra">"In"</th> })}<th scope="col" class="extra">"Kind"</th><th scope="col">"What it is"</th></tr></thead>
            <tbody>{rows}</tbody>
        </Table>
    }
}

/// A kind, leading to what it is made of.
#[component]
fn OneKind(kind: Kind) -> impl IntoView {
    let Kind { many, name, shape } = kind;
    let name = if shape { view! { <a href=format!("#shape-{name}")>{name.clone()}</a> }.into_any() } else { name.into_any() };
    view! { {many.then_some("list of ")}{name} }
}

/// Text in which `this` is code.
fn words(text: &str) -> Vec<AnyView> {
    let part = |(at, part): (usize, &str)| if at % 2 == 1 { view! { <code>{part.to_owned()}</code> }.into_any() } else { part.to_owned().into_any() };
    text.split('`').enumerate().map(part).collect()
}
