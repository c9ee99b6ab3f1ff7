//! `/clusters`, `/clusters/new` and `/clusters/{id}`.

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages,
    said::Said,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use control::{Ctx, OrReplay as _, clusters};
use domain::{
    cluster::{ClusterConnection, ClusterQuery, NewCluster},
    ids::ClusterId,
    page::PageQuery,
};

use super::{
    posted::{Posted, confirmed},
    shown::{FormResult, PageResult, Shown, again, saying, see_other},
};
use crate::{
    live,
    rest::{
        error::RestError,
        extract::{Id, Query},
    },
    session::Caller,
    state::AppState,
};

pub async fn list(Caller(ctx): Caller, Query(query): Query<ClusterQuery>) -> PageResult {
    Ok(pages::clusters::list(&ctx, query).await?.into())
}

pub async fn find(Caller(ctx): Caller) -> PageResult {
    Ok(pages::clusters::find(&ctx, Typed::default()).await?.into())
}

pub async fn attach(Posted(ctx, typed): Posted) -> FormResult {
    match attach_found(&ctx, &typed).await {
        Ok(next) => Ok(see_other(&next)),
        Err(error) => Ok(Shown::from(pages::clusters::find(&ctx, typed.rejected(again(error)?)).await?).into_response()),
    }
}

async fn attach_found(ctx: &Ctx, typed: &Typed) -> control::Result<String> {
    let buttons::FindClusters::Attach = buttons::FindClusters::pressed(typed)?;
    let new = NewCluster {
        account: typed.text("account").into(),
        region: typed.text("region").into(),
        eks_name: typed.text("eks_name").into(),
        name: typed.filled("name").map(str::to_owned),
    };
    let cluster = clusters::attach(ctx, &new).await.or_replay()?;
    Ok(format!("/clusters/{}", cluster.id))
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<ClusterId>, Query(query): Query<PageQuery>) -> PageResult {
    Ok(pages::cluster::show(&ctx, id, query, Typed::default()).await?.into())
}

pub async fn post(Id(id): Id<ClusterId>, Posted(ctx, typed): Posted) -> FormResult {
    match change(&ctx, id, &typed).await {
        Ok(done) => Ok(done),
        Err(error) => Ok(Shown::from(pages::cluster::show(&ctx, id, PageQuery::default(), typed.rejected(again(error)?)).await?).into_response()),
    }
}

/// Does what the pressed button names and leads on.
async fn change(ctx: &Ctx, id: ClusterId, typed: &Typed) -> control::Result<Response> {
    let here = format!("/clusters/{id}");
    match buttons::Cluster::pressed(typed)? {
        buttons::Cluster::Check => {
            clusters::check(ctx, id).await.or_replay()?;
            Ok(see_other(&here))
        }
        buttons::Cluster::SetUpAccess => {
            clusters::set_up_access(ctx, id).await.or_replay()?;
            Ok(see_other(&here))
        }
        buttons::Cluster::AcceptDatabase => {
            confirmed(typed, &clusters::get(ctx, id).await?.name)?;
            clusters::accept_database(ctx, id).await.or_replay()?;
            Ok(see_other(&here))
        }
        buttons::Cluster::SetConnection => {
            let field = |name: &str| typed.filled(name).map(str::to_owned);
            let new = ClusterConnection { server: field("server"), certificate_authority: field("certificate_authority"), tls_server_name: field("tls_server_name") };
            clusters::set_connection(ctx, id, &new).await.or_replay()?;
            Ok(saying(&here, Said::ConnectionSaved))
        }
        buttons::Cluster::Detach => {
            confirmed(typed, &clusters::get(ctx, id).await?.name)?;
            clusters::detach(ctx, id).await.or_replay()?;
            Ok(saying("/clusters", Said::ClusterDetached))
        }
    }
}

/// What an open page of the cluster shows, whenever that changes.
pub async fn follow(State(state): State<AppState>, Id(id): Id<ClusterId>, Query(query): Query<PageQuery>, caller: Caller) -> Result<Response, RestError> {
    let part = move |ctx: Ctx| {
        let query = query.clone();
        async move { pages::cluster::part(&ctx, id, query).await }
    };
    Ok(live::stream(state, caller, id.0, part).await?.into_response())
}
