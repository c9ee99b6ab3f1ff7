//! Becoming a role: with its external id, once for all who share it, and again before its session ends.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use control::aws::{AccountAccess, Aws, sts};
use domain::Code;

use crate::emulator::{ACCOUNT, Checking, Emulator, REGION, allow, trust};

const NAME: &str = "0192f0c1-7b6e-7cc0-8000-000000000001";

fn access(external_id: &str) -> AccountAccess {
    AccountAccess { role_arn: Some(format!("arn:aws:iam::{ACCOUNT}:role/slipway")), external_id: external_id.into(), on_behalf_of: NAME.into() }
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_names_the_person() {
    let emulator = Emulator::start(Checking::Everything).await;
    let user = emulator.user("portal", &allow(&["sts:*"], "*")).await;
    emulator.role("slipway", &trust(&user.arn, "secret-id"), &allow(&["sts:GetCallerIdentity"], "*")).await;
    let aws = emulator.aws(&user);
    let own = sts::identity(&aws.ambient(REGION)).await.unwrap();
    assert_eq!(own.arn, user.arn);
    let role = sts::identity(&aws.config(&access("secret-id"), REGION)).await.unwrap();
    assert_eq!((role.account.as_str(), role.arn.as_str()), (ACCOUNT, format!("arn:aws:sts::{ACCOUNT}:assumed-role/slipway/slipway-{NAME}").as_str()));

    let refused = sts::identity(&aws.config(&access("guessed"), REGION)).await.unwrap_err();
    assert_eq!(refused.code, Code::AwsDenied, "{refused:?}");
    assert!(refused.message.contains("role/slipway") && refused.message.contains("external id"), "{}", refused.message);
    assert!(refused.raw.as_deref().unwrap().contains("AccessDenied"), "{:?}", refused.raw);
}

#[tokio::test]
async fn wrong_keys_are_a_refusal_and_a_closed_port_is_not() {
    let emulator = Emulator::start(Checking::Everything).await;
    let user = emulator.user("portal", &allow(&["sts:*"], "*")).await;
    let wrong = Aws::over(emulator.keys(&user.key, "not-the-secret"));
    let refused = sts::identity(&wrong.ambient(REGION)).await.unwrap_err();
    assert_eq!(refused.code, Code::AwsDenied, "{refused:?}");
    assert!(refused.raw.unwrap().contains("SignatureDoesNotMatch"));

    let nowhere = Aws::over(emulator.keys("test", "test").into_builder().endpoint_url("http://127.0.0.1:9").build());
    let away = sts::identity(&nowhere.config(&access("secret-id"), REGION)).await.unwrap_err();
    assert_eq!(away.code, Code::AwsUnavailable, "{away:?}");
    assert!(away.raw.is_some());
}

#[derive(Debug)]
struct NoKeys;

impl ProvideCredentials for NoKeys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nothing in the environment")))
    }
}

#[tokio::test]
async fn a_process_without_credentials_says_so() {
    let emulator = Emulator::start(Checking::Everything).await;
    let aws = Aws::over(emulator.root().into_builder().credentials_provider(SharedCredentialsProvider::new(NoKeys)).build());
    for config in [aws.ambient(REGION), aws.config(&access("secret-id"), REGION)] {
        let refused = sts::identity(&config).await.unwrap_err();
        assert_eq!(refused.code, Code::AwsDenied, "{refused:?}");
        assert!(refused.message.contains("no AWS credentials of its own"), "{}", refused.message);
    }
}

/// Sees every request on its way: counts how often the role is assumed, and may refuse source identities, which the emulator never does.
#[derive(Clone, Debug)]
struct Watching<T> {
    inner: T,
    assumed: Arc<AtomicUsize>,
    source_identity: SourceIdentity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceIdentity {
    Allowed,
    Refused,
}

impl HttpClient for Watching<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Watching { inner, assumed: Arc::clone(&self.assumed), source_identity: self.source_identity })
    }
}

impl HttpConnector for Watching<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        if body.contains("Action=AssumeRole") {
            self.assumed.fetch_add(1, Ordering::SeqCst);
        }
        if body.contains("SourceIdentity=") && self.source_identity == SourceIdentity::Refused {
            let refusal =
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:SetSourceIdentity</Message></Error></ErrorResponse>";
            return HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(403).unwrap(), refusal.into())));
        }
        self.inner.call(request)
    }
}

/// A clock that a test moves.
#[derive(Clone, Debug)]
struct Clock(Arc<Mutex<SystemTime>>);

impl aws_smithy_async::time::TimeSource for Clock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

fn watched(config: SdkConfig, source_identity: SourceIdentity) -> (SdkConfig, Arc<AtomicUsize>) {
    let assumed = Arc::new(AtomicUsize::new(0));
    let inner = Aws::over(config.clone()).ambient(REGION).http_client().unwrap();
    (config.into_builder().http_client(Watching { inner, assumed: Arc::clone(&assumed), source_identity }).build(), assumed)
}

#[tokio::test]
async fn a_role_that_takes_no_source_identity_is_assumed_without_it_and_that_is_told() {
    let emulator = Emulator::start(Checking::Everything).await;
    let user = emulator.user("portal", &allow(&["sts:*"], "*")).await;
    emulator.role("slipway", &trust(&user.arn, "secret-id"), &allow(&["sts:GetCallerIdentity"], "*")).await;
    let (config, assumed) = watched(emulator.keys(&user.key, &user.secret), SourceIdentity::Refused);
    let aws = Aws::over(config);
    let role = sts::identity(&aws.config(&access("secret-id"), REGION)).await.unwrap();
    assert!(role.arn.ends_with(&format!("/slipway-{NAME}")), "the session's name still carries the person: {}", role.arn);
    assert_eq!(assumed.load(Ordering::SeqCst), 2);

    let (role_arn, ambient) = (access("").role_arn.unwrap(), aws.ambient(REGION));
    let told = sts::may_set_source_identity(&ambient, &role_arn, "secret-id", NAME).await.unwrap();
    assert!(told.unwrap().contains("sts:SetSourceIdentity"));
    let open = emulator.aws(&user).ambient(REGION);
    assert_eq!(sts::may_set_source_identity(&open, &role_arn, "secret-id", NAME).await.unwrap(), None);
    assert_eq!(sts::may_set_source_identity(&open, &role_arn, "guessed", NAME).await.unwrap_err().code, Code::AwsDenied);
}

#[tokio::test]
async fn a_session_is_shared_and_renewed_before_it_ends() {
    // Signatures are not checked: they would not fit the moved clock.
    let emulator = Emulator::start(Checking::Nothing).await;
    emulator.role("slipway", &trust("*", "secret-id"), &allow(&["*"], "*")).await;
    let clock = Clock(Arc::new(Mutex::new(control::clock::now().0.into())));
    let (config, assumed) = watched(emulator.root(), SourceIdentity::Allowed);
    let aws = Aws::over(config.into_builder().time_source(clock.clone()).build());
    let at_once = (0..8).map(|_| aws.config(&access("secret-id"), REGION)).collect::<Vec<_>>();
    futures::future::join_all(at_once.iter().map(sts::identity)).await.into_iter().for_each(|identity| assert!(identity.unwrap().arn.contains("assumed-role")));
    assert_eq!(assumed.load(Ordering::SeqCst), 1);

    let later = |minutes: u64| *clock.0.lock().unwrap() += Duration::from_secs(minutes * 60);
    later(50);
    sts::identity(&aws.config(&access("secret-id"), REGION)).await.unwrap();
    assert_eq!(assumed.load(Ordering::SeqCst), 1, "it is still good");
    later(8);
    sts::identity(&aws.config(&access("secret-id"), REGION)).await.unwrap();
    assert_eq!(assumed.load(Ordering::SeqCst), 2, "its last minutes are not used");
    aws.forget(&format!("arn:aws:iam::{ACCOUNT}:role/slipway"));
    sts::identity(&aws.config(&access("secret-id"), REGION)).await.unwrap();
    assert_eq!(assumed.load(Ordering::SeqCst), 3);
}
