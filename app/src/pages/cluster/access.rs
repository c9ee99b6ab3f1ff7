//! How Slipway gets into a cluster: what it may do there, and how to let it in.

use domain::{
    cluster::{AccessHelp, Cluster, ClusterCheck},
    state::Tone,
};
use leptos::prelude::*;

use crate::buttons::{self, Button as _};
use crate::components::{
    code::CopyBlock,
    facts::{Fact, Facts},
    field::{Once, Seen},
    status::Status,
    table::Table,
};
use crate::page::here;

/// Everything about access; folded where there is nothing to do.
#[component]
pub(super) fn Access(cluster: Cluster, help: Result<AccessHelp, String>, may_manage: bool, busy: bool, open: bool) -> impl IntoView {
    let version = cluster.version;
    let mode = cluster.authentication_mode.unwrap_or_else(|| "not known yet".into());
    let inside = match help {
        Err(why) => view! { <div class="in"><p class="muted">{why}</p></div> }.into_any(),
        Ok(help) => {
            let (principal, one_click) = (help.principal_arn.clone(), help.one_click && may_manage && !busy);
            view! {
            <div class="in">
                <p class="muted">"Slipway's IAM principal has to be mapped to the Kubernetes group "<code>{help.group.clone()}</code>", and the group needs Slipway's own roles. They let it make workspaces and act as teams; they make it no admin."</p>
                <Facts>
                    <Fact term="IAM principal"><code>{principal}</code></Fact>
                    <Fact term="Authentication mode"><code>{mode}</code></Fact>
                </Facts>
                {one_click.then(|| view! { <OneClick version/> })}
                <ByHand help/>
            </div>
            }
            .into_any()
        }
    };
    view! {
        <section class="card" id="access">
            <details open=open>
                <summary><h2>"Access"</h2></summary>
                {inside}
                {(!cluster.access.is_empty()).then(|| view! { <Checks checks=cluster.access/> })}
            </details>
        </section>
    }
}

/// Says before it is pressed what the button does.
#[component]
fn OneClick(version: i64) -> impl IntoView {
    view! {
        <form method="post" action=here() class="stack">
            <Once/><Seen version/>
            <h3>"With one click"</h3>
            <ol>
                <li>"Creates an access entry for Slipway's IAM principal, unless it has one."</li>
                <li>"Associates "<code>"AmazonEKSClusterAdminPolicy"</code>" with it, for the moment in which the next step needs it."</li>
                <li>"Applies the manifest below."</li>
                <li>"Takes the policy away again, whatever happened."</li>
                <li>"Checks what Slipway may do."</li>
            </ol>
            <div class="row"><button class="primary" name="do" value=buttons::Cluster::SetUpAccess.word()>"Set up access"</button></div>
        </form>
    }
}

#[component]
fn ByHand(help: AccessHelp) -> impl IntoView {
    let with = if help.access_entry_commands.is_some() { "Or with" } else { "With" };
    view! {
        <h3>"By hand"</h3>
        {help.access_entry_commands.map(|text| view! { <p>"With an access entry:"</p><CopyBlock id="access-commands" label="commands for the AWS CLI" text/> })}
        {help.aws_auth_commands.map(|text| view! {
            <p>{with}" the ConfigMap "<code>"aws-auth"</code>" of "<code>"kube-system"</code>":"</p>
            <CopyBlock id="aws-auth-commands" label="commands for kubectl" text/>
        })}
        {help.aws_auth_lines.map(|text| view! {
            <p>"The lines, for the list of a ConfigMap that is there:"</p>
            <CopyBlock id="aws-auth-lines" label="lines for aws-auth" text/>
        })}
        <details>
            <summary>"The manifest, "<code>"slipway-access.yaml"</code></summary>
            <CopyBlock id="manifest" label="manifest" text=help.manifest/>
        </details>
    }
}

#[component]
fn Checks(checks: Vec<ClusterCheck>) -> impl IntoView {
    let rows = checks
        .into_iter()
        .map(|check| {
            let (tone, word) = if check.allowed { (Tone::Good, "Allowed") } else { (Tone::Bad, "Denied") };
            view! { <tr><td><code>{check.right}</code></td><td>{check.purpose}</td><td><Status tone word/></td></tr> }
        })
        .collect_view();
    view! {
        <Table label="What Slipway may do">
            <thead><tr><th scope="col">"Right"</th><th scope="col">"What for"</th><th scope="col">"Slipway"</th></tr></thead>
            <tbody>{rows}</tbody>
        </Table>
    }
}
