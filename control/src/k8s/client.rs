//! The connection to one API server: its own CA, a token that is renewed, limits on how long a call takes and on what is held of an answer.
//!
//! kube's own client takes tokens from files and exec plugins only. This one asks [`Tokens`] before each request. A request
//! that the API server answers with 401 is sent once more with a fresh token, since a token may be forgotten on the other
//! side before it ages here.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use domain::Timestamp;
use http::{
    Request, Response, StatusCode,
    header::{AUTHORIZATION, DATE},
};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::client::{Body, ConfigExt as _};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use tower::{BoxError, Layer as _, Service, ServiceExt as _, util::BoxCloneSyncService};

use super::{
    Target,
    error::{Error, Kind, Result},
    lines::Lines,
    token::Tokens,
};
use crate::clock;

/// The most a call takes, connecting and reading the whole answer included; for a stream, until its headers are there.
pub const CALL_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// A token that was made so shortly before is refused for a better reason than its age.
const FRESH: Duration = Duration::from_secs(5);
/// The most an answer may hold.
const BODY_LIMIT: usize = 64 << 20;
/// The most a stranger may say of itself.
const GREETING_LIMIT: usize = 1 << 20;
/// The longest line of a watch: a line is one object, and Kubernetes stores none of more than some 1.5 MiB.
pub(super) const LINE_LIMIT: usize = 8 << 20;

type Sends = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;
/// What comes back: read already, or read as it comes.
type Answer = Response<Either<Full<Bytes>, Lines<Incoming>>>;

/// Sends requests to one API server as Slipway itself.
#[derive(Clone)]
pub struct Connection {
    http: Sends,
    tokens: Arc<Tokens>,
    /// How far the other side's clock is ahead of this machine's, in seconds, as its last answer said.
    ahead: Arc<AtomicI64>,
}

impl Connection {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// A fault when what is stored of the cluster cannot be used.
    pub fn new(target: &Target, tokens: Tokens) -> Result<Self> {
        Ok(Self { http: sends(target)?, tokens: Arc::new(tokens), ahead: Arc::default() })
    }

    /// Now, by the API server's clock: what it says of times is compared with this, since two clocks need not agree.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(clock::now().0 + time::Duration::seconds(self.ahead.load(Ordering::Relaxed)))
    }

    async fn send(self, request: Request<Body>) -> Result<Answer> {
        let (parts, body) = request.into_parts();
        let again = body.try_clone().map(|body| Request::from_parts(parts.clone(), body));
        let (answer, signed_at) = self.once(Request::from_parts(parts, body)).await?;
        let age = clock::system_time().duration_since(signed_at).unwrap_or_default();
        if answer.status() != StatusCode::UNAUTHORIZED || age < FRESH {
            return Ok(answer);
        }
        self.tokens.forget(signed_at).await;
        match again {
            Some(again) => Ok(self.once(again).await?.0),
            None => Ok(answer),
        }
    }

    async fn once(&self, mut request: Request<Body>) -> Result<(Answer, SystemTime)> {
        let reads = Reads::of(&request);
        let call = async {
            let (authorization, signed_at) = self.tokens.authorization().await?;
            request.headers_mut().insert(AUTHORIZATION, authorization);
            let answer = self.http.clone().oneshot(request).await.map_err(|error| Error::new(Kind::Unreachable, chain(error.as_ref())))?;
            if let Some(said) = date(&answer) {
                self.ahead.store((said - clock::now().0).whole_seconds(), Ordering::Relaxed);
            }
            let begins = answer.status().is_success() || answer.status() == StatusCode::SWITCHING_PROTOCOLS;
            let answer = match reads {
                Reads::Lines if begins => answer.map(|body| Either::Right(Lines::new(body, LINE_LIMIT))),
                Reads::AsItComes if begins => answer.map(|body| Either::Right(Lines::new(body, usize::MAX))),
                Reads::Lines | Reads::AsItComes | Reads::Whole => {
                    let (parts, body) = answer.into_parts();
                    Response::from_parts(parts, Either::Left(Full::new(whole(body, BODY_LIMIT).await?)))
                }
            };
            Ok((answer, signed_at))
        };
        in_time(call).await
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Answer;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        // Each call waits on a clone of its own.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// When an answer was given, by the clock of whoever gave it.
fn date<B>(answer: &Response<B>) -> Option<OffsetDateTime> {
    let said = answer.headers().get(DATE)?.to_str().ok()?;
    OffsetDateTime::parse(said, &Rfc2822).ok()
}

/// Asks, without any token, whether there is an API server whose certificate is the right one.
///
/// # Errors
/// `Unreachable` when there is none; a fault when the target cannot be used.
pub async fn greet(target: &Target) -> Result<()> {
    let sends = sends(target)?;
    let request = Request::get("/version").body(Body::empty()).map_err(Error::fault)?;
    let call = async {
        let answer = sends.oneshot(request).await.map_err(|error| Error::new(Kind::Unreachable, chain(error.as_ref())))?;
        let status = answer.status();
        let said = whole(answer.into_body(), GREETING_LIMIT).await?;
        // It says no more to strangers.
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Ok(());
        }
        match serde_json::from_slice::<Info>(&said) {
            Ok(_) if status.is_success() => Ok(()),
            _ => Err(Error::new(Kind::Unreachable, format!("{status} {}", String::from_utf8_lossy(&said)))),
        }
    };
    in_time(call).await
}

/// The way to an API server, with nothing of who asks.
fn sends(target: &Target) -> Result<Sends> {
    let config = config(target)?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_LIMIT));
    // Streams have no read limit, so the network is asked whether the other end is still there.
    tcp.set_keepalive(Some(Duration::from_secs(20)));
    tcp.set_keepalive_interval(Some(Duration::from_secs(10)));
    tcp.set_keepalive_retries(Some(3));
    let https = config.rustls_https_connector_with_connector(tcp)?;
    let http = Http::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(60)).build(https);
    Ok(BoxCloneSyncService::new(config.base_uri_layer().layer(http).map_err(BoxError::from)))
}

/// All of a body, if that is not more than `most` bytes.
async fn whole(body: Incoming, most: usize) -> Result<Bytes> {
    let body = Limited::new(body, most).collect().await.map_err(|error| Error::new(Kind::Unreachable, chain(error.as_ref())))?;
    Ok(body.to_bytes())
}

async fn in_time<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::new(Kind::Unreachable, format!("no answer within {} seconds", CALL_LIMIT.as_secs()))),
    }
}

/// Where to connect to, and what its certificate has to be; nothing of who asks.
fn config(target: &Target) -> Result<kube::Config> {
    let server: http::Uri = target.server.parse().map_err(Error::fault)?;
    if server.scheme_str() != Some("https") {
        // Whoever is at the other end receives a token.
        return Err(Error::fault(anyhow::anyhow!("the API server's address {} is not https", target.server)));
    }
    let mut config = kube::Config::new(server);
    config.root_cert = Some(certificates(&target.certificate_authority)?);
    config.tls_server_name.clone_from(&target.tls_server_name);
    Ok(config)
}

/// Whether a text holds certificates, as PEM, and no other section: a private key that came along must not be kept.
#[must_use]
pub fn is_authority(pem: &str) -> bool {
    pem.matches("-----BEGIN ").count() == pem.matches("-----BEGIN CERTIFICATE-----").count() && certificates(pem).is_ok()
}

/// How the body of an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Whole,
    /// A watch: for as long as both ends want, line by line.
    Lines,
    /// Followed logs and upgraded connections: for as long as both ends want. Whoever reads them keeps little.
    AsItComes,
}

impl Reads {
    fn of(request: &Request<Body>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let asks = |what: &str| url::form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == what && value == "true");
        if asks("watch") {
            Self::Lines
        } else if asks("follow") || request.headers().contains_key(http::header::UPGRADE) {
            Self::AsItComes
        } else {
            Self::Whole
        }
    }
}

/// The certificates in a PEM text, as DER.
fn certificates(pem: &str) -> Result<Vec<Vec<u8>>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).map(|certificate| certificate.map(|certificate| certificate.to_vec())).collect::<std::result::Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::fault(anyhow::anyhow!("the cluster's certificate authority is empty"))),
        Err(error) => Err(Error::fault(anyhow::anyhow!("the cluster's certificate authority cannot be read: {error}"))),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::k8s::lines::TooLong;

    /// A connection to a server that answers with these, one after the other, and notes what it was asked.
    async fn connection(answers: Vec<&'static str>) -> (Connection, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (server, asked) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let http = kube::Config::new(server.parse().unwrap()).base_uri_layer().layer(Http::builder(TokioExecutor::new()).build(HttpConnector::new())).map_err(BoxError::from);
        let keys = SharedCredentialsProvider::new(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"));
        let tokens = Tokens::new(aws_config::SdkConfig::builder().credentials_provider(keys).build(), "eu-west-1", "lab");
        (Connection { http: BoxCloneSyncService::new(http), tokens: Arc::new(tokens), ahead: Arc::default() }, asked)
    }

    const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    const VERSION: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

    fn token(request: &str) -> &str {
        request.lines().find_map(|line| line.strip_prefix("authorization: Bearer k8s-aws-v1.")).expect("a token")
    }

    #[tokio::test]
    async fn a_token_that_was_forgotten_there_is_made_anew_once() {
        let (connection, asked) = connection(vec![UNAUTHORIZED, VERSION]).await;
        connection.tokens.sign_earlier(Duration::from_secs(600)).await;
        let answer = connection.send(request("/version")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let asked = asked.lock().unwrap().clone();
        assert_ne!(token(&asked[0]), token(&asked[1]));
    }

    #[tokio::test]
    async fn whoever_is_not_known_at_all_is_told_so() {
        let (connection, asked) = connection(vec![UNAUTHORIZED, UNAUTHORIZED, UNAUTHORIZED]).await;
        connection.tokens.sign_earlier(Duration::from_secs(600)).await;
        assert_eq!(connection.clone().send(request("/version")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(asked.lock().unwrap().len(), 2, "tried twice, no more");
        assert_eq!(connection.send(request("/version")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(asked.lock().unwrap().len(), 3, "the token was fresh: once is enough");
    }

    #[tokio::test]
    async fn the_api_servers_clock_is_known_from_its_answers() {
        let later = "HTTP/1.1 200 OK\r\nconnection: close\r\ndate: Sun, 06 Nov 2044 08:49:37 GMT\r\ncontent-length: 2\r\n\r\n{}";
        let (connection, _) = connection(vec![later]).await;
        assert!((connection.now().0 - clock::now().0).abs() < time::Duration::seconds(2), "nothing else is known yet");
        connection.clone().send(request("/version")).await.unwrap();
        let off = connection.now().0 - time::macros::datetime!(2044-11-06 08:49:37 UTC);
        assert!(off.abs() < time::Duration::seconds(5), "{off}");
    }

    #[tokio::test]
    async fn a_watch_whose_line_does_not_end_is_ended_and_a_log_is_not() {
        let endless: &'static str = Box::leak(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(LINE_LIMIT + 1)).into_boxed_str());
        let (connection, _) = connection(vec![endless, endless]).await;
        let read = async |path: &str| connection.clone().send(request(path)).await.unwrap().into_body().collect().await;
        let error = read("/api/v1/nodes?watch=true").await.unwrap_err();
        assert!(error.is::<TooLong>(), "{error}");
        assert_eq!(read("/api/v1/namespaces/a/pods/b/log?follow=true").await.unwrap().to_bytes().len(), LINE_LIMIT + 1, "whoever reads it cuts its lines");
    }

    #[tokio::test]
    async fn a_closed_port_is_an_unreachable_cluster() {
        let (connection, _) = connection(Vec::new()).await;
        // The listener went with its task, which had nothing to answer.
        tokio::task::yield_now().await;
        let error = connection.send(request("/version")).await.unwrap_err();
        assert!(matches!(error.kind, Kind::Unreachable), "{error}");
    }

    #[tokio::test]
    async fn a_team_is_named_whatever_the_request_says() {
        let (connection, asked) = connection(vec![VERSION]).await;
        let team = domain::ids::TeamId::generate();
        let client = crate::k8s::impersonate::as_team(connection, team, domain::access::TeamRole::Deployer, "somebody").unwrap();
        let forged = Request::get("/version").header("impersonate-user", "system:admin").body(Vec::new()).unwrap();
        client.request_text(forged).await.unwrap();
        let asked = asked.lock().unwrap().join("");
        assert!(asked.contains(&format!("impersonate-user: system:serviceaccount:slipway-access:{team}-deployer\r\n")), "{asked}");
        assert!(asked.contains("impersonate-extra-slipway-user: somebody\r\n") && !asked.contains("system:admin"), "{asked}");
    }

    #[test]
    fn a_token_never_goes_out_in_the_clear() {
        let keys = SharedCredentialsProvider::new(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"));
        let tokens = Tokens::new(aws_config::SdkConfig::builder().credentials_provider(keys).build(), "eu-west-1", "lab");
        let access = crate::aws::AccountAccess { role_arn: None, external_id: String::new(), on_behalf_of: String::new() };
        let target =
            Target { server: "http://lab.example".into(), certificate_authority: String::new(), tls_server_name: None, access, region: "eu-west-1".into(), eks_name: "lab".into() };
        assert!(Connection::new(&target, tokens).is_err());
    }

    fn request(path: &str) -> Request<Body> {
        Request::get(path).body(Body::empty()).unwrap()
    }

    #[test]
    fn only_streams_may_last() {
        let upgrade = Request::get("/api/v1/namespaces/a/pods/b/portforward").header("upgrade", "websocket").body(Body::empty()).unwrap();
        assert_eq!(Reads::of(&request("/api/v1/nodes?watch=true&resourceVersion=1")), Reads::Lines);
        assert_eq!(Reads::of(&request("/api/v1/namespaces/a/pods/b/log?follow=true")), Reads::AsItComes);
        assert_eq!(Reads::of(&upgrade), Reads::AsItComes);
        assert_eq!(Reads::of(&request("/api/v1/nodes?labelSelector=watch%3Dtrue")), Reads::Whole);
        assert_eq!(Reads::of(&request("/api/v1/namespaces/a/pods/b/log?follow=false")), Reads::Whole);
    }

    #[test]
    fn a_certificate_authority_that_is_none_is_refused() {
        assert!(certificates("").is_err());
        assert!(certificates("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n").is_err());
    }
}
