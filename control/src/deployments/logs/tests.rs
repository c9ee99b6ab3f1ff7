use std::sync::{Arc, Mutex};

use domain::{
    Code,
    deployment::NewDeployment,
    ids::TokenId,
    token::{NewToken, TokenKind},
};
use sqlx::PgPool;

use super::{
    replica::{parse, wanted},
    *,
};
use crate::{Credential, Request, deployments, testing::World, tokens, workspaces::fixture::Place};

#[test]
fn a_line_is_taken_apart() {
    let line = parse("iris-1", "2026-11-24T10:00:00.123456789Z </textarea><script>\r");
    assert_eq!((line.pod.as_str(), line.text.as_str()), ("iris-1", "</textarea><script>"));
    assert!(line.at.is_some());
    assert_eq!(parse("iris-1", "no time here").text, "no time here");
    assert_eq!(parse("iris-1", "2026-11-24T10:00:00Z ").text, "");
}

/// A context as the server makes it of a request with this credential.
async fn with(world: &World, credential: Credential) -> Ctx {
    let actor = sessions::holder(&world.control, &credential).await.unwrap().expect("it is good");
    world.ctx(actor).with_request(Request { credential, ..Request::default() })
}

async fn session(ada: &Ctx) -> Credential {
    let user = ada.actor().user_id().unwrap();
    Credential::Session(sessions::open(&mut ada.write().await.unwrap(), ada, user, "a browser").await.unwrap())
}

async fn token(ada: &Ctx) -> (TokenId, Credential) {
    let new = NewToken { name: "ci".into(), kind: TokenKind::Personal, team: None, role: None, days: 1 };
    let made = tokens::create(ada, &new).await.unwrap();
    (made.token.id, Credential::Token(made.secret))
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_followed_stream_ends_with_the_session_or_token_it_was_opened_with(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let place = Place::new(&world).await;
    sqlx::query("update clusters set endpoint = 'https://127.0.0.1:9', certificate_authority = $1").bind(include_str!("../../clusters/test_ca.pem")).execute(&pool).await.unwrap();
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
    let id = DeploymentId(deployments::create(&ada, &new).await.unwrap().object);

    let (out, old) = (session(&ada).await, session(&ada).await);
    let ((revoked, revoked_token), (expired, expired_token)) = (token(&ada).await, token(&ada).await);
    let Credential::Session(secret) = &out else { unreachable!() };
    let secret = secret.clone();
    let mut streams = Vec::new();
    for credential in [out, old, revoked_token, expired_token] {
        let follow = LogQuery { follow: Some(true), ..LogQuery::default() };
        streams.push(Box::pin(logs(&with(&world, credential).await, id, &follow).await.unwrap()));
    }
    // Nothing is written, and everybody is who they were.
    let quiet = streams.iter_mut().map(|stream| tokio::time::timeout(LOOK + Duration::from_secs(1), stream.next()));
    assert!(futures::future::join_all(quiet).await.iter().all(Result::is_err), "they go on");

    sessions::sign_out(&ada, &secret).await.unwrap();
    tokens::revoke(&ada, revoked).await.unwrap();
    sqlx::query("update sessions set expires_at = now()").execute(&pool).await.unwrap();
    sqlx::query("update tokens set expires_at = now() where id = $1").bind(expired.0).execute(&pool).await.unwrap();
    for (n, mut stream) in streams.into_iter().enumerate() {
        let last = tokio::time::timeout(LOOK * 2, stream.next()).await.unwrap_or_else(|_| panic!("stream {n} goes on"));
        assert!(last.unwrap().unwrap_err().is(Code::Unauthenticated), "stream {n}");
        assert!(stream.next().await.is_none(), "stream {n} goes on");
    }
}

#[test]
fn only_lines_with_the_text_are_wanted() {
    let line = parse("iris-1", "2026-11-24T10:00:00Z POST /v2/models/Iris/infer 200");
    assert!(wanted(&line, None) && wanted(&line, Some("iris/infer")));
    assert!(!wanted(&line, Some("500")) && !wanted(&line, Some("2026")), "what the node says of it is not part of the line");
}

/// Pods of a cluster whose API server answers like this, request by request. Whoever asks for more is not answered.
fn pods(answers: Vec<(u16, &'static str)>) -> (Api<k8s_openapi::api::core::v1::Pod>, Arc<Mutex<Vec<String>>>) {
    let (answers, asked) = (Arc::new(Mutex::new(answers.into_iter())), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&asked);
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        seen.lock().unwrap().push(request.uri().to_string());
        let answer = answers.lock().unwrap().next();
        async move {
            let Some((status, text)) = answer else { return std::future::pending().await };
            let text = if status == 200 { text.to_owned() } else { format!(r#"{{"kind":"Status","status":"Failure","message":"{text}","reason":"x","code":{status}}}"#) };
            Ok::<_, k8s::Error>(http::Response::builder().status(status).body(kube::client::Body::from(text.into_bytes())).unwrap())
        }
    });
    (Api::namespaced(kube::Client::new(service, "default"), "forecasting"), asked)
}

async fn followed(answers: Vec<(u16, &'static str)>, lines: usize) -> (Vec<String>, Vec<String>) {
    followed_of(false, answers, lines).await
}

async fn followed_of(previous: bool, answers: Vec<(u16, &'static str)>, lines: usize) -> (Vec<String>, Vec<String>) {
    let (pods, asked) = pods(answers);
    let replicas = Replicas { pods, search: None, previous, pace: Duration::from_millis(1) };
    let (sender, mut receiver) = mpsc::channel(BACKLOG);
    let reader = tokio::spawn(replicas.follow("iris-1".into(), 200, sender));
    let mut said = Vec::new();
    while said.len() < lines {
        let line = tokio::time::timeout(Duration::from_secs(10), receiver.recv()).await.unwrap_or_else(|_| panic!("it went quiet after {said:?}"));
        said.push(line.expect("more lines").unwrap().text);
    }
    assert!(tokio::time::timeout(Duration::from_secs(10), receiver.recv()).await.expect("an end").is_none());
    reader.await.unwrap();
    let asked = asked.lock().unwrap().clone();
    (said, asked)
}

#[tokio::test]
async fn the_run_before_is_begun_with_where_there_was_one() {
    let (said, asked) =
        followed_of(true, vec![(200, "2026-11-24T10:00:00Z one\n2026-11-24T10:00:01Z crashed\n"), (200, "2026-11-24T10:00:05Z again\n"), (404, "pods iris-1 not found")], 5).await;
    assert_eq!(said, ["one", "crashed", "-- The container ended here and was started again.", "again", "-- This replica is gone."]);
    assert!(asked[0].contains("previous=true") && !asked[0].contains("follow=true") && !asked[1].contains("previous=true"), "{asked:?}");

    let waits = vec![(200, "2026-11-24T10:00:00Z one\n"), (200, "2026-11-24T10:00:00Z one\n"), (404, "pods iris-1 not found")];
    assert_eq!(followed_of(true, waits, 2).await.0, ["one", "-- This replica is gone."], "it was not started again yet");

    let never = vec![(400, "previous terminated container not found"), (200, "2026-11-24T10:00:05Z first\n"), (404, "pods iris-1 not found")];
    assert_eq!(followed_of(true, never, 2).await.0, ["first", "-- This replica is gone."]);
}

#[tokio::test]
async fn a_crash_loop_is_followed_from_run_to_run() {
    let (said, asked) = followed(
        vec![
            (400, "container is waiting to start"),
            (200, "2026-11-24T10:00:00.5Z one\n2026-11-24T10:00:00.7Z crashed\n"),
            (200, "2026-11-24T10:00:00.5Z one\n2026-11-24T10:00:00.7Z crashed\n2026-11-24T10:00:09Z two\n"),
            (200, ""),
            (200, "2026-11-24T10:00:20Z three\n"),
            (404, "pods iris-1 not found"),
        ],
        5,
    )
    .await;
    assert_eq!(said, ["one", "crashed", "two", "three", "-- This replica is gone."], "nothing twice");
    assert!(asked[0].contains("tailLines=200") && asked[0].contains("follow=true"), "{}", asked[0]);
    assert!(asked[2].contains("sinceTime=2026-11-24T10%3A00%3A00Z") && !asked[2].contains("tailLines"), "{}", asked[2]);
}

#[tokio::test]
async fn what_is_the_matter_with_one_replica_is_said_once_and_it_is_tried_again() {
    let (said, _) = followed(vec![(500, "boom"), (500, "boom"), (200, "2026-11-24T10:00:00Z one\n"), (404, "gone")], 3).await;
    let says = "-- This log cannot be read just now: The node of this replica does not answer the cluster's API server. If that lasts, a platform admin has to look at the node. Slipway tries again.";
    assert_eq!(said, [says, "one", "-- This replica is gone."]);
}

#[test]
fn only_running_readers_take_places_and_who_is_left_out_is_told() {
    let names = |range: std::ops::Range<usize>| range.map(|n| format!("iris-{n}")).collect::<Vec<_>>();
    let (fresh, left_out) = choose(names(0..25), None, |_| false, MAX_REPLICAS);
    assert_eq!((fresh, left_out), (names(0..20), 5));
    // Three went; as many that were left out come in.
    let (fresh, left_out) = choose(names(3..25), None, |pod| names(3..20).contains(&pod.to_owned()), 3);
    assert_eq!((fresh, left_out), (names(20..23), 2));
    assert_eq!(choose(names(0..25), Some("iris-24"), |_| false, MAX_REPLICAS), (vec!["iris-24".to_owned()], 0));
    assert_eq!(says_left_out(0), None);
    assert!(says_left_out(5).unwrap().text.contains("5 more replicas are left out: 20 are read at once."));
}
