use domain::{
    Code,
    deployment::NewDeployment,
    ids::TokenId,
    token::{NewToken, TokenKind},
};
use sqlx::PgPool;

use super::*;
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
    Credential::Session(sessions::open(&mut ada.read().await.unwrap(), ada, user, "a browser").await.unwrap())
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
