//! `/models/{id}/releases/new`

use control::{Ctx, Error, Result, access, accounts::repositories, deployments, models, releases};
use domain::{
    Rejected,
    access::TeamAction,
    account::{Image, ImageQuery, Repository, RepositoryQuery},
    deployment::DeploymentChange,
    error::Checks,
    ids::{DeploymentId, ModelId},
    model::{Model, NewRelease, Release},
    names::{HttpPath, ImageTag, RepositoryName},
    page::PageQuery,
    serving::Protocol,
    size::Size,
    state::Tone,
};
use leptos::prelude::*;

use super::model::short;
use crate::{
    buttons::{self, Button as _},
    components::{
        field::{Choice, Field, Once, TextField},
        notice::{FormRejection, Rejection},
        status::Status,
        when::Ago,
    },
    form::Typed,
    page::{Nav, Page},
};

/// As many as can be scanned beside a form; the search above them narrows.
const SHOWN: u16 = 25;

/// What ECR has, as far as it answers: the form can be filled in without.
struct Offer {
    repositories: Result<Vec<Repository>, Rejected>,
    /// None when no repository was named yet.
    images: Option<Result<Vec<Image>, Rejected>>,
}

/// The form that registers a release, beside what ECR has. A link may fill it in: `?repository=…&tag=…`.
///
/// # Errors
/// `not_found` and `forbidden` for whoever may not register one.
pub async fn show(ctx: &Ctx, id: ModelId, typed: Typed) -> Result<Page> {
    let model = models::get(ctx, id).await?;
    let role = access::membership(&mut *ctx.read().await?, ctx.actor(), model.team).await?;
    ctx.actor().check_team(model.team, role, TeamAction::Deploy, "model")?;
    let offer = offer(ctx, &model, &typed).await?;
    let answer = typed.answer();
    let drawn = Page::new("Register a release", Nav::Models, move || {
        let here = format!("/models/{id}/releases/new");
        let to = here.clone();
        let places = known_places(&offer);
        let deployment = typed.filled(FOR_DEPLOYMENT).map(|id| view! { <input type="hidden" name=FOR_DEPLOYMENT value=id.to_owned()/> });
        let images = offer.images.map(|found| view! { <Images found typed=typed.clone() here=here.clone()/> });
        view! {
            <div class="head"><div>
                <div class="crumbs"><a href="/models">"Models"</a>" / "<a href=format!("/models/{id}")>{model.name.clone()}</a></div>
                <h1>"Register a release"</h1>
                <p class="muted">"The tag is looked up once, now. The release keeps the image it points at."</p>
            </div></div>
            <FormRejection typed=typed.clone() fields=Some(FIELDS)/>
            // One form: what is chosen beside it is sent with everything that was typed.
            <form class="cols" method="post" action=to>
                <Once/>{deployment}
                // The first button is the one that the Enter key presses, wherever it is pressed.
                <button class="hidden" name="do" value=buttons::NewRelease::Enter.word() tabindex="-1" aria-hidden="true">"Go on"</button>
                <Fields typed=typed.clone() places here=here.clone()/>
                <aside class="stack" aria-label="What ECR has"><Repositories found=offer.repositories typed here/>{images}</aside>
            </form>
        }
    });
    Ok(drawn.answer(answer))
}

/// The field with the deployment that the release is registered for, if it is for one: it goes on there.
pub const FOR_DEPLOYMENT: &str = "deployment";

/// The fields that show what is wrong with them.
const FIELDS: &[&str] = &["account", "region", "repository", "tag", "port", "health_path", "protocol", "size", "notes"];

const PROTOCOLS: [Protocol; 2] = [Protocol::OpenInferenceV2, Protocol::Http];

/// How the form sends a protocol.
#[must_use]
pub fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::OpenInferenceV2 => "open_inference_v2",
        Protocol::Http => "http",
    }
}

/// Whether the search beside the form holds something else than what the page showed for it: then Enter was pressed there.
#[must_use]
pub fn searches(typed: &Typed) -> bool {
    typed.text("search").trim() != typed.text("searched").trim()
}

/// The request that the form stands for.
///
/// # Errors
/// `invalid_input` naming what cannot be read.
pub fn request(model: ModelId, typed: &Typed) -> Result<NewRelease, Rejected> {
    let mut checks = Checks::new();
    let port = typed.filled("port").and_then(|text| checks.take("port", text.parse().map_err(|_| "Enter a port from 1024 to 65535.".into()).and_then(releases::check_port)));
    let size: Option<Size> = typed.filled("size").and_then(|text| checks.take("size", text.parse()));
    let protocol = typed.filled("protocol").and_then(|word| {
        let known = PROTOCOLS.into_iter().find(|protocol| protocol_word(*protocol) == word);
        checks.take("protocol", known.ok_or_else(|| "Choose one of the protocols.".into()))
    });
    // The operation says these, too, but only of a request that can be read as a whole.
    checks.take("repository", RepositoryName::parse(typed.text("repository")));
    checks.take("tag", ImageTag::parse(typed.text("tag")));
    if let Some(path) = typed.filled("health_path") {
        checks.take("health_path", HttpPath::parse(path));
    }
    checks.finish()?;
    let text = |name| typed.filled(name).map(str::to_owned);
    Ok(NewRelease {
        model,
        account: text("account"),
        region: text("region"),
        repository: typed.text("repository").into(),
        tag: typed.text("tag").into(),
        port,
        health_path: text("health_path"),
        protocol: protocol.unwrap_or_default(),
        size,
        notes: typed.text("notes").into(),
    })
}

/// Where it goes on once the release is registered: at the deployment that it is for, with the release chosen, as far as they may change that one; otherwise at the model.
///
/// # Errors
/// A fault when the database fails.
pub async fn leads_to(ctx: &Ctx, typed: &Typed, release: &Release) -> Result<String> {
    let deployment = match typed.filled(FOR_DEPLOYMENT).and_then(|id| id.parse::<DeploymentId>().ok()) {
        Some(id) => match deployments::preview_change(ctx, id, &DeploymentChange { release: Some(release.id), ..DeploymentChange::default() }).await {
            Ok(_) => Some(id),
            Err(Error::Rejected(_)) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    Ok(match deployment {
        Some(id) => format!("/deployments/{id}/change?release={}", release.id),
        None => format!("/models/{}#release-{}", release.model, release.number),
    })
}

async fn offer(ctx: &Ctx, model: &Model, typed: &Typed) -> Result<Offer> {
    let text = |name| typed.filled(name).map(str::to_owned);
    let page = |search| PageQuery { page_size: Some(SHOWN), search, ..PageQuery::default() };
    let wanted = RepositoryQuery { page: page(text("search")), team: model.team_name.clone(), ..RepositoryQuery::default() };
    let images = async {
        let repository = text("repository")?;
        let query = ImageQuery { page: page(None), team: model.team_name.clone(), account: text("account"), region: text("region"), repository };
        Some(repositories::images(ctx, &query).await.map(|page| page.items))
    };
    let (repositories, images) = futures::join!(repositories::list(ctx, &wanted), images);
    Ok(Offer { repositories: told(repositories.map(|page| page.items))?, images: images.map(told).transpose()? })
}

/// What AWS did not give is shown in its place; faults are faults.
fn told<T>(outcome: Result<T>) -> Result<Result<T, Rejected>> {
    match outcome {
        Ok(found) => Ok(Ok(found)),
        Err(error) => match error.rejected() {
            Some(rejected) => Ok(Err(rejected.clone())),
            None => Err(error),
        },
    }
}

/// Accounts and regions among the repositories that were found; each is asked for only where there are several, or where the operation asks.
fn known_places(offer: &Offer) -> (Vec<String>, Vec<String>) {
    let of = |place: fn(&Repository) -> &String| {
        let mut places: Vec<String> = offer.repositories.iter().flatten().map(|repository| place(repository).clone()).collect();
        places.sort();
        places.dedup();
        places
    };
    (of(|repository| &repository.account_name), of(|repository| &repository.region))
}

#[component]
fn Fields(typed: Typed, places: (Vec<String>, Vec<String>), here: String) -> impl IntoView {
    let (accounts, regions) = places;
    let asked = |name: &str, places: &[String]| places.len() > 1 || typed.filled(name).is_some() || typed.why(name).is_some();
    let account = asked("account", &accounts).then(|| view! { <Field name="account" label="AWS account" typed=typed.clone() autocomplete="off" hint="Its name or id here. Needed only where your team has repositories in several."/> });
    let region = asked("region", &regions)
        .then(|| view! { <Field name="region" label="Region" typed=typed.clone() autocomplete="off" placeholder="us-east-1" hint="Needed only where the account has several."/> });
    let place = (account.is_some() || region.is_some()).then(|| view! { <div class="fields">{account}{region}</div> });
    let protocols = PROTOCOLS.map(|protocol| (protocol_word(protocol).to_owned(), protocol.title().to_owned())).to_vec();
    let sizes = Size::ALL.map(|size| (size.as_str().to_owned(), format!("{} · {}", size.as_str(), size.summary()))).to_vec();
    view! {
        <div class="stack">
            <section class="card" id="image"><header><h2>"Image"</h2></header><div class="in">
                <Field name="repository" label="Repository" typed=typed.clone() autocomplete="off" placeholder="forecasting/iris" hint="As ECR names it, without the registry."/>
                <div class="row"><button class="small" name="do" value=buttons::NewRelease::Look.word() formaction=format!("{here}#images")>"Show its images"</button></div>
                <Field name="tag" label="Tag" typed=typed.clone() autocomplete="off"/>
                {place}
            </div></section>
            <section class="card"><header><h2>"How it serves"</h2></header><div class="in">
                <Choice name="protocol" label="Protocol" typed=typed.clone() options=protocols value=protocol_word(Protocol::default())/>
                <div class="fields">
                    <Field name="port" label="Port" kind="number" typed=typed.clone() value="8080" autocomplete="off"/>
                    <Field name="health_path" label="Health path" typed=typed.clone() autocomplete="off" placeholder="/v2/health/ready" hint="Empty: the protocol's own."/>
                </div>
                <Choice name="size" label="Size that suits it" typed=typed.clone() options=sizes value="small" hint="The default when it is deployed."/>
                <TextField name="notes" label="Notes" typed hint="What is new in it."/>
                <div class="row"><button class="primary" name="do" value=buttons::NewRelease::Register.word()>"Register release"</button></div>
            </div></section>
        </div>
    }
}

/// A button that fills these fields of the form in, and shows the part of the page with this id.
#[component]
fn Pick(here: String, pairs: Vec<(&'static str, String)>, then: &'static str, #[prop(into)] word: String) -> impl IntoView {
    let to = format!("{here}?{}#{then}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    view! { <button class="link" name="do" value=buttons::NewRelease::Choose.word() formaction=to>{word}</button> }
}

#[component]
fn Repositories(found: Result<Vec<Repository>, Rejected>, typed: Typed, here: String) -> impl IntoView {
    let body = match found {
        Err(rejected) => view! { <div class="in"><Rejection rejected/></div> }.into_any(),
        Ok(found) if found.is_empty() => {
            view! { <p class="in muted">"None. A platform admin gives your team prefixes of ECR repository names on the account's page; an image pushed under one shows here."</p> }
                .into_any()
        }
        Ok(found) => {
            let full = found.len() >= usize::from(SHOWN);
            let links = found
                .into_iter()
                .map(|repository| {
                    let pairs = vec![("repository", repository.name.clone()), ("account", repository.account_name.clone()), ("region", repository.region.clone())];
                    let chosen = (typed.text("repository") == repository.name).then(|| view! { " "<Status tone=Tone::Idle word="Chosen"/> });
                    view! { <div><Pick here=here.clone() pairs then="images" word=repository.name/>{chosen}<br/><span class="small muted">{format!("{} · {}", repository.account_name, repository.region)}</span></div> }
                })
                .collect_view();
            view! { <div class="in">{links}</div>{full.then(|| view! { <p class="in small muted">"There are more: search for them."</p> })} }.into_any()
        }
    };
    let search = typed.text("search").to_owned();
    view! {
        <section class="card" id="repositories"><header><h2>"Your repositories"</h2></header>
            <div class="search" role="search">
                <input type="hidden" name="searched" value=search.clone()/>
                <input type="search" name="search" value=search placeholder="Search repositories" aria-label="Search repositories" maxlength="100"/>
                <button name="do" value=buttons::NewRelease::Look.word() formaction=format!("{here}#repositories")>"Search"</button>
            </div>
            {body}
        </section>
    }
}

#[component]
fn Images(found: Result<Vec<Image>, Rejected>, typed: Typed, here: String) -> impl IntoView {
    let repository = typed.text("repository").to_owned();
    let body = match found {
        Err(rejected) => view! { <div class="in"><Rejection rejected/></div> }.into_any(),
        Ok(found) if found.is_empty() => view! { <p class="in muted">"No tagged image. Push one, then press Show its images again."</p> }.into_any(),
        Ok(found) => {
            let items = found
                .into_iter()
                .map(|image| {
                    let tags = image
                        .tags
                        .iter()
                        .map(|tag| {
                            let mut pairs = vec![("repository", repository.clone()), ("tag", tag.clone())];
                            pairs.extend(["account", "region"].into_iter().filter_map(|name| Some((name, typed.filled(name)?.to_owned()))));
                            let chosen = (typed.text("tag") == tag).then(|| view! { <Status tone=Tone::Idle word="Chosen"/>" " });
                            view! { <Pick here=here.clone() pairs then="image" word=tag.clone()/>" "{chosen} }
                        })
                        .collect_view();
                    let size = image.size_bytes.map(|bytes| format!(" · {:.0} MB", bytes as f64 / 1e6));
                    view! { <div>{tags}<br/><span class="small muted"><code>{short(&image.digest)}</code>{size}{image.pushed_at.map(|at| view! { " · "<Ago at/> })}</span></div> }
                })
                .collect_view();
            view! { <div class="in">{items}</div> }.into_any()
        }
    };
    view! { <section class="card" id="images"><header><h2>"Images, newest first"</h2></header>{body}</section> }
}

#[cfg(test)]
mod tests {
    use domain::ids::AccountId;

    use super::*;
    use crate::page::draw_part;

    #[test]
    fn choosing_sends_the_form_instead_of_leaving_it() {
        let typed = Typed::new(vec![("repository".into(), "forecasting/iris".into()), ("region".into(), "eu-west-1".into()), ("notes".into(), "long ones".into())]);
        let repository = Repository { account: AccountId(uuid::Uuid::nil()), account_name: "main".into(), region: "eu-west-1".into(), name: "forecasting/a&b".into() };
        let image = Image { digest: format!("sha256:{}", "a".repeat(64)), tags: vec!["v7".into()], pushed_at: None, size_bytes: None };
        let html = draw_part(move || {
            view! { <Repositories found=Ok(vec![repository]) typed=typed.clone() here="/here".into()/><Images found=Ok(vec![image]) typed here="/here".into()/> }
        });
        assert!(!html.contains("<a ") && !html.contains("<form"), "{html}");
        let to = html.replace("&amp;", "&");
        assert!(to.contains("formaction=\"/here?repository=forecasting%2Fa%26b&account=main&region=eu-west-1#images\""), "{html}");
        assert!(to.contains("formaction=\"/here?repository=forecasting%2Firis&tag=v7&region=eu-west-1#image\""), "{html}");
    }
}
