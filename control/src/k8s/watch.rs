//! Being told of changes: a list, then what changed since, for as long as the API server remembers.
//!
//! kube's own watcher hides bookmarks. They are what tells a quiet cluster from a dead one, so this one shows them.

use std::{fmt::Debug, pin::Pin, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;

use super::error::{Error, Kind, Result};

/// How many objects one answer of a list holds.
const PAGE: u32 = 500;
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
    /// Nothing changed, up to now.
    Quiet,
}

/// A watch of one kind of object.
pub struct Watch<K> {
    api: Api<K>,
    selector: Option<String>,
    version: Option<String>,
    events: Option<Events<K>>,
}

type Events<K> = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<K>>> + Send>>;

impl<K> Watch<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// Asks nothing yet.
    #[must_use]
    pub fn new(api: Api<K>, selector: Option<&str>) -> Self {
        Self { api, selector: selector.map(str::to_owned), version: None, events: None }
    }

    /// Waits for what is said next. After an error the watch goes on where it was; the caller decides how long to wait.
    ///
    /// # Errors
    /// Whatever the cluster says; `Unreachable` also after a long silence.
    pub async fn next(&mut self) -> Result<Seen<K>> {
        loop {
            let Some(version) = self.version.clone() else { return self.list().await };
            let events = match &mut self.events {
                Some(events) => events,
                none => match begin(&self.api, self.selector.as_deref(), &version).await {
                    Ok(events) => none.insert(events),
                    Err(error) => {
                        self.fail(error)?;
                        continue;
                    }
                },
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
        let mut found = Vec::new();
        loop {
            let page = self.api.list(&params).await?;
            found.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => {
                    self.version = Some(page.metadata.resource_version.unwrap_or_default());
                    return Ok(Seen::All(found));
                }
            }
        }
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
        Err(error.into())
    }
}

async fn begin<K>(api: &Api<K>, selector: Option<&str>, version: &str) -> kube::Result<Events<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let params = WatchParams { label_selector: selector.map(str::to_owned), timeout: Some(WATCH_SECONDS), bookmarks: true, ..WatchParams::default() };
    Ok(Box::pin(api.watch(&params, version).await?))
}
