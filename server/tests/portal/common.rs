//! A portal to send requests to, with people, teams and tokens in it.

use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    response::Response,
};
use control::{Ctx, sessions, testing};
use domain::{
    access::{PlatformRole, TeamRole},
    ids::{TeamId, UserId},
    team::{MemberChange, NewTeam},
};
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use server::{router, serve, session::proxies::TrustedProxies, state::AppState};
use sqlx::PgPool;
use tower::ServiceExt as _;

pub use testing::PASSWORD;

/// The portal and what it runs on.
pub struct World {
    pub inner: testing::World,
    router: Router,
}

/// Who sends a request.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A browser without a session.
    Stranger,
    /// A browser with a session's secret.
    Browser(String),
    /// Automation with a token, right or wrong.
    Token(String),
}

/// A person with a session.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub email: String,
    /// For calling operations directly.
    pub ctx: Ctx,
    /// For sending requests.
    pub browser: Caller,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl World {
    /// One trusted proxy, so that tests can say where a request comes from.
    pub async fn new(pool: PgPool) -> Self {
        Self::over(testing::World::new(pool).await, Path::new("/nonexistent"), TrustedProxies(1))
    }

    /// With these files, behind so many proxies.
    pub fn over(inner: testing::World, site: &Path, proxies: TrustedProxies) -> Self {
        let router = router::router(serve::state(inner.control.clone(), site, proxies));
        Self { inner, router }
    }

    /// With other pages than the portal's own.
    pub fn around(inner: testing::World, pages: Router<AppState>) -> Self {
        let router = router::around(pages, serve::state(inner.control.clone(), Path::new("/nonexistent"), TrustedProxies(0)));
        Self { inner, router }
    }

    /// With a portal that gives up after this long.
    pub async fn hasty(pool: PgPool, patience: Duration) -> Self {
        let inner = testing::World::new(pool).await;
        let mut state = serve::state(inner.control.clone(), Path::new("/nonexistent"), TrustedProxies(0));
        Arc::get_mut(&mut state.web).expect("nobody has it yet").patience = patience;
        Self { inner, router: router::router(state) }
    }

    /// `<name>@example.com`, signed in.
    pub async fn person(&self, name: &str, platform: Option<PlatformRole>) -> Person {
        let ctx = self.inner.user(name, platform).await;
        let id = ctx.actor().user_id().expect("a user");
        let secret = sessions::open(&mut ctx.write().await.unwrap(), &ctx, id, "tests").await.unwrap();
        Person { id, email: format!("{name}@example.com"), ctx, browser: Caller::Browser(secret) }
    }

    /// A team with these members; `admin` is a platform admin and no member.
    pub async fn team(&self, admin: &Person, name: &str, owner: &Person, others: &[(&Person, TeamRole)]) -> TeamId {
        let team = control::teams::create(&admin.ctx, &NewTeam { name: name.into(), owner: Some(owner.email.clone()), ..NewTeam::default() }).await.unwrap();
        for (person, role) in others {
            control::teams::set_member(&admin.ctx, team.id, &MemberChange { email: person.email.clone(), role: *role }).await.unwrap();
        }
        team.id
    }

    /// Opens a page or reads over REST.
    pub async fn get(&self, caller: &Caller, path: &str) -> Answer {
        self.send(caller, Method::GET, path, &[], Body::empty()).await
    }

    /// Posts a form as a browser does from the portal's own page.
    pub async fn post(&self, caller: &Caller, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(caller, path, fields, &[("sec-fetch-site", "same-origin")]).await
    }

    /// Posts a form with other headers than the portal's own page would send.
    pub async fn post_from(&self, caller: &Caller, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(caller, Method::POST, path, &all, Body::from(body)).await
    }

    /// Sends JSON to REST.
    pub async fn json(&self, caller: &Caller, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("content-type", "application/json"), ("sec-fetch-site", "same-origin")];
        all.extend_from_slice(headers);
        self.send(caller, method, path, &all, Body::from(body.to_string())).await
    }

    /// Opens a stream, which goes on for as long as what is given is held.
    pub async fn open(&self, caller: &Caller, path: &str) -> Response {
        self.respond(caller, Method::GET, path, &[], Body::empty()).await
    }

    /// Sends anything.
    pub async fn send(&self, caller: &Caller, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let response = self.respond(caller, method, path, headers, body).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 16 * 1024 * 1024).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn respond(&self, caller: &Caller, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Response {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "slipway.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request = match caller {
            Caller::Stranger => request,
            Caller::Browser(secret) => request.header(header::COOKIE, format!("slipway={secret}")),
            Caller::Token(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        };
        self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }
}

impl Answer {
    /// Insists on a status and shows the body when it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// A header's text; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The browser that this answer signs in.
    #[track_caller]
    pub fn browser(&self) -> Caller {
        let cookie = self.header("set-cookie");
        let secret = cookie.strip_prefix("slipway=").and_then(|rest| rest.split(';').next()).filter(|secret| !secret.is_empty());
        Caller::Browser(secret.unwrap_or_else(|| panic!("no session in {cookie:?}: {}", self.body)).to_owned())
    }
}
