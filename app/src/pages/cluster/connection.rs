//! Where a cluster's API server is reached, and the form that overrides it.

use domain::cluster::{Cluster, ClusterConnection};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::field::{Field, Once, Seen, TextField},
    form::Typed,
    page::here,
};

/// The form, folded while EKS' word holds and nothing was wrong with it.
#[component]
pub(super) fn Connection(cluster: Cluster, connection: ClusterConnection, typed: Typed) -> impl IntoView {
    let open = connection != ClusterConnection::default() || typed.operation() == buttons::Cluster::SetConnection.word();
    let (server, authority, name) = (connection.server.unwrap_or_default(), connection.certificate_authority.unwrap_or_default(), connection.tls_server_name.unwrap_or_default());
    view! {
        <section class="card" id="connection">
            <details open=open>
                <summary><h2>"How it is reached"</h2></summary>
                <form class="in" method="post" action=here()>
                    <Once/><Seen version=cluster.version/>
                    <p class="muted">"EKS says where the API server is and by which certificate authority it is known. Fill these in only where it is reached another way. Whoever answers there receives Slipway's tokens, so the address has to show the right certificate before any is sent, and to know Slipway before it is kept."</p>
                    <Field name="server" label="Address" typed=typed.clone() value=server autocomplete="off" placeholder=cluster.endpoint.unwrap_or_default() hint="https:// and a host, with a port if it is not 443. Empty: as EKS says."/>
                    <TextField name="certificate_authority" label="Certificate authority" typed=typed.clone() value=authority rows=4 code=true hint="The certificate itself, as PEM. Empty: as EKS says."/>
                    <Field name="tls_server_name" label="Name in its certificate" typed value=name autocomplete="off" hint="Only when the certificate carries another name than the address."/>
                    <div class="row"><button name="do" value=buttons::Cluster::SetConnection.word()>"Check and save"</button></div>
                </form>
            </details>
        </section>
    }
}
