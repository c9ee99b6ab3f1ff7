//! A cluster that holds newer things than the database, and the decision it waits for.

use domain::{
    cluster::{Cluster, NewerThing},
    state::Tone,
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{confirm::Confirm, notice::Notice, table::Table, when::Ago},
    form::Typed,
};

/// That nothing is changed there, since when, and because of what.
#[component]
pub(super) fn ReadOnly(cluster: Cluster, newer: Vec<NewerThing>) -> impl IntoView {
    cluster.read_only_since.map(|since| {
        let rows = newer.into_iter().map(|thing| view! { <Row thing/> }).collect_view();
        view! {
            <Notice tone=Tone::Bad title="This cluster is read-only until you decide">
                <p>"It holds newer things than Slipway's database, which was probably restored from a backup. Noticed "<Ago at=since/>". What runs goes on; nothing is applied, healed or deleted here meanwhile."</p>
                <p>"If a newer database exists, stop Slipway and restore that one. If this database is the right one, accept it below: what it says is then applied again over what is newer here."</p>
            </Notice>
            <section class="card" id="newer">
                <header><h2>"Newer in the cluster"</h2></header>
                <Table label="Newer in the cluster">
                    <thead><tr><th scope="col">"What"</th><th scope="col">"Workspace"</th><th scope="col" class="n">"Database"</th><th scope="col" class="n">"Cluster"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </Table>
            </section>
        }
    })
}

#[component]
fn Row(thing: NewerThing) -> impl IntoView {
    view! {
        <tr>
            <td>{thing.kind.as_str()}" "<a href=format!("/{}s/{}", thing.kind.as_str(), thing.id)>{thing.name}</a></td>
            <td>{thing.workspace}</td>
            <td class="n">{format!("generation {}", thing.ours)}</td>
            <td class="n">{format!("generation {}", thing.there)}</td>
        </tr>
    }
}

/// The decision for this database.
#[component]
pub(super) fn Accept(cluster: Cluster, newer: Vec<NewerThing>, typed: Typed) -> impl IntoView {
    cluster.read_only_since.map(|_| {
        let goes = newer.into_iter().map(|thing| format!("whatever was changed in the {} {} after the backup", thing.kind.as_str(), thing.name)).collect::<Vec<_>>();
        view! {
            <Confirm name=cluster.name title="Accept this database" button="Accept this database" operation=buttons::Cluster::AcceptDatabase.word() version=cluster.version typed goes
                note="What was running and whole by this database is applied again. What this database does not know of is left alone."/>
        }
    })
}
