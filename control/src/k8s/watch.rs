//! Being told of changes: a list, then what changed since, for as long as the API server remembers.
//!
//! kube's own watcher hides bookmarks. They are what tells a quiet cluster from a dead one, so this one shows them.

use std::{error::Error as StdError, fmt::Debug, pin::Pin, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
    core::{ObjectList, Request},
};
use serde::de::DeserializeOwned;

use super::{
    error::{Error, Kind, Result},
    lines::TooLong,
};

/// How many objects one answer of a list holds.
const PAGE: u32 = 500;
/// What a list may hold: far more than any cluster does that works, and no more than this process can bear.
const LIMITS: Limits = Limits { objects: 200_000, bytes: 512 << 20 };
/// The API server ends a watch after so long; another one follows where it ended.
const WATCH_SECONDS: u32 = 280;
/// The API server sends a bookmark about once a minute. After so long without a word nobody is there.
const SILENCE: Duration = Duration::from_secs(150);

/// What a watch says.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<K> {
    /// Everything there is; whatever was known before and is not in it is gone.
    All(Vec<K>),
    /// Made or changed.
    Applied(K),
    Deleted(K),
    /// The API server is there, and has nothing to say.
    Quiet,
}

#[derive(Clone, Copy)]
struct Limits {
    objects: usize,
    bytes: usize,
}

/// A watch of one kind of object.
pub struct Watch<K> {
    api: Api<K>,
    limits: Limits,
    selector: Option<String>,
    version: Option<String>,
    events: Option<Events<K>>,
}

type Events<K> = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<K>>> + Send>>;

impl<K> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// Asks nothing yet.
    #[must_use]
    pub fn new(api: Api<K>, selector: Option<&str>) -> Self {
        Self { api, limits: LIMITS, selector: selector.map(str::to_owned), version: None, events: None }
    }

    /// Waits for what is said next. After an error the watch goes on where it was; the caller decides how long to wait.
    ///
    /// # Errors
    /// Whatever the cluster says; `Unreachable` also after a long silence, `Other` when it says more than can be held.
    pub async fn next(&mut self) -> Result<Seen<K>> {
        loop {
            let Some(version) = self.version.clone() else { return self.list().await };
            let Some(events) = &mut self.events else {
                match begin(&self.api, self.selector.as_deref(), &version).await {
                    Ok(events) => {
                        self.events = Some(events);
                        // The API server took it up from where it was: what it has to say follows at once, if there is anything.
                        return Ok(Seen::Quiet);
                    }
                    Err(error) => {
                        self.fail(error)?;
                        continue;
                    }
                }
            };
            let Ok(event) = tokio::time::timeout(SILENCE, events.next()).await else {
                self.events = None;
                return Err(Error::new(Kind::Unreachable, format!("the watch said nothing for {} seconds", SILENCE.as_secs())));
            };
            if let Some(seen) = self.take(event)? {
                return Ok(seen);
            }
        }
    }

    /// What was said meanwhile, without waiting.
    ///
    /// # Errors
    /// Those of [`Watch::next`].
    pub fn ready(&mut self) -> Result<Option<Seen<K>>> {
        while let Some(event) = self.events.as_mut().and_then(|events| events.next().now_or_never()) {
            if let Some(seen) = self.take(event)? {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    async fn list(&mut self) -> Result<Seen<K>> {
        let mut params = ListParams { label_selector: self.selector.clone(), limit: Some(PAGE), ..ListParams::default() };
        let client = self.api.clone().into_client();
        let (mut found, mut bytes) = (Vec::new(), 0);
        // A page may be empty and say that there are more.
        for _ in 0..self.limits.objects.div_ceil(PAGE as usize) {
            let request = Request::new(self.api.resource_url()).list(&params).map_err(kube::Error::BuildRequest)?;
            let text = client.request_text(request).await?;
            bytes += text.len();
            if bytes > self.limits.bytes {
                break;
            }
            let page: ObjectList<K> = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
            found.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => {
                    self.version = Some(page.metadata.resource_version.unwrap_or_default());
                    return Ok(Seen::All(found));
                }
            }
        }
        let Limits { objects, bytes } = self.limits;
        Err(Error::new(Kind::Other, format!("the list of {} is longer than {objects} objects or {} MiB, and was not read to its end", K::plural(&()), bytes >> 20)))
    }

    /// What an event says; nothing when the watch ended and has to be begun again.
    fn take(&mut self, event: Option<kube::Result<WatchEvent<K>>>) -> Result<Option<Seen<K>>> {
        match event {
            Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                self.version = object.resource_version().or(self.version.take());
                Ok(Some(Seen::Applied(object)))
            }
            Some(Ok(WatchEvent::Deleted(object))) => {
                self.version = object.resource_version().or(self.version.take());
                Ok(Some(Seen::Deleted(object)))
            }
            Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                self.version = Some(bookmark.metadata.resource_version);
                Ok(Some(Seen::Quiet))
            }
            Some(Ok(WatchEvent::Error(status))) => self.fail(kube::Error::Api(status)),
            Some(Err(error)) => self.fail(error),
            None => {
                self.events = None;
                Ok(None)
            }
        }
    }

    fn fail(&mut self, error: kube::Error) -> Result<Option<Seen<K>>> {
        self.events = None;
        if let kube::Error::Api(status) = &error
            && status.code == 410
        {
            // Too long ago for the API server to remember: list again.
            self.version = None;
            return Ok(None);
        }
        if let Some(long) = std::iter::successors(Some(&error as &(dyn StdError + 'static)), |error| (*error).source()).find(|error| error.is::<TooLong>()) {
            // Whoever followed from here would read the same line again.
            self.version = None;
            return Err(Error::new(Kind::Other, format!("the watch sent {long}, which is no object that Kubernetes stores")));
        }
        Err(error.into())
    }
}

async fn begin<K>(api: &Api<K>, selector: Option<&str>, version: &str) -> kube::Result<Events<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let params = WatchParams { label_selector: selector.map(str::to_owned), timeout: Some(WATCH_SECONDS), bookmarks: true, ..WatchParams::default() };
    Ok(Box::pin(api.watch(&params, version).await?))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
    };

    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::k8s::{client::LINE_LIMIT, lines::Lines};

    type Asked = Arc<Mutex<Vec<String>>>;

    /// An API server that gives these answers, one after the other.
    fn server(answers: Vec<Vec<Value>>) -> (Watch<ConfigMap>, Asked) {
        let (answers, asked) = (Arc::new(Mutex::new(VecDeque::from(answers))), Asked::default());
        let seen = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            seen.lock().unwrap().push(request.uri().query().unwrap_or_default().to_owned());
            let lines = answers.lock().unwrap().pop_front().expect("asked more often than expected");
            let code = lines.first().and_then(|line| line["code"].as_u64()).and_then(|code| u16::try_from(code).ok()).unwrap_or(200);
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let body = Lines::new(Body::from(text.into_bytes()), LINE_LIMIT);
            async move { Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap()) }
        });
        (Watch::new(Api::all(kube::Client::new(service, "default")), Some("a=b")), asked)
    }

    fn list(version: &str, next: &str, names: &[&str]) -> Vec<Value> {
        let items: Vec<Value> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        vec![json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": version, "continue": next}, "items": items})]
    }

    fn event(kind: &str, name: &str, version: &str) -> Value {
        json!({"type": kind, "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "resourceVersion": version}}})
    }

    fn said(seen: &Seen<ConfigMap>) -> String {
        match seen {
            Seen::All(all) => format!("all {}", all.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>().join(" ")),
            Seen::Applied(one) => format!("applied {}", one.name_any()),
            Seen::Deleted(one) => format!("deleted {}", one.name_any()),
            Seen::Quiet => "quiet".into(),
        }
    }

    #[tokio::test]
    async fn a_list_of_many_pages_is_one_and_changes_follow_it() {
        let changes = vec![
            event("ADDED", "c", "8"),
            event("DELETED", "a", "9"),
            json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"resourceVersion": "30"}}}),
        ];
        let (mut watch, asked) = server(vec![list("6", "more", &["a"]), list("7", "", &["b"]), changes, Vec::new()]);
        let mut heard = Vec::new();
        for _ in 0..6 {
            heard.push(said(&watch.next().await.unwrap()));
        }
        assert_eq!(heard, ["all a b", "quiet", "applied c", "deleted a", "quiet", "quiet"]);
        let asked = asked.lock().unwrap();
        assert!(asked[1].contains("continue=more") && asked.iter().all(|query| query.contains("labelSelector=a%3Db")), "{asked:?}");
        assert!(asked[2].contains("resourceVersion=7") && asked[2].contains("allowWatchBookmarks=true"), "{asked:?}");
        assert!(asked[3].contains("resourceVersion=30"), "the bookmark moved it: {asked:?}");
    }

    #[tokio::test]
    async fn what_the_api_server_has_forgotten_is_listed_again() {
        let gone = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410}});
        let (mut watch, _) = server(vec![list("7", "", &["a"]), vec![gone], list("90", "", &["z"]), Vec::new()]);
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(said(&watch.next().await.unwrap()));
        }
        assert_eq!(heard, ["all a", "quiet", "all z"]);
    }

    #[tokio::test]
    async fn a_list_that_does_not_end_is_given_up() {
        let endless = |names: &'static [&'static str]| {
            let (mut watch, asked) = server(vec![list("7", "more", names); 4]);
            watch.limits = Limits { objects: 2000, bytes: 1000 };
            (watch, asked)
        };
        for (names, pages) in [(&[][..], 4), (&["a-name-of-some-length"; 10][..], 2)] {
            let (mut watch, asked) = endless(names);
            let error = watch.next().await.unwrap_err();
            assert!(matches!(error.kind, Kind::Other) && error.raw().contains("configmaps is longer than 2000 objects"), "{error}");
            assert_eq!(asked.lock().unwrap().len(), pages);
        }
    }

    #[tokio::test]
    async fn a_line_that_does_not_end_is_given_up_and_everything_is_listed_again() {
        let (mut watch, _) = server(vec![list("7", "", &["a"]), vec![json!("x".repeat(LINE_LIMIT * 2))], list("90", "", &["z"])]);
        let mut heard = Vec::new();
        for _ in 0..2 {
            heard.push(said(&watch.next().await.unwrap()));
        }
        let error = watch.next().await.unwrap_err();
        assert!(matches!(error.kind, Kind::Other) && error.raw().contains("a line of more than"), "{error}");
        heard.push(said(&watch.next().await.unwrap()));
        assert_eq!(heard, ["all a", "quiet", "all z"]);
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_and_the_watch_goes_on_after_it() {
        let denied = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403});
        let (mut watch, _) = server(vec![list("7", "", &["a"]), vec![denied], Vec::new()]);
        assert_eq!(said(&watch.next().await.unwrap()), "all a");
        assert!(matches!(watch.next().await.unwrap_err().kind, Kind::Forbidden));
        assert_eq!(said(&watch.next().await.unwrap()), "quiet");
    }
}
