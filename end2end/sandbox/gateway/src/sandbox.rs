//! The running sandbox, shared by everything that answers a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::book::Book;
use crate::cloud::Cloud;
use crate::ecr::blobs::Blobs;
use crate::eks::addresses::Addresses;
use crate::eks::replay::Answers;
use crate::eks::tokens::KnownTokens;
use crate::faults::Faults;
use crate::http_client::HttpClient;
use crate::planes_api::ControlPlanes;

/// The running sandbox.
pub struct Sandbox {
    /// Where clients reach the gateway.
    pub listen: SocketAddr,
    /// The emulator, as root.
    pub cloud: Cloud,
    /// The client that requests are forwarded with.
    pub http: HttpClient,
    /// What is kept.
    pub book: Book,
    /// The registry's layers.
    pub blobs: Blobs,
    /// The Kubernetes side.
    pub planes: Arc<dyn ControlPlanes>,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// EKS tokens verified before.
    pub tokens: KnownTokens,
    /// Answers given to EKS requests that may be repeated.
    pub answers: Answers,
    /// Private addresses given to instances.
    pub addresses: Addresses,
    ready: AtomicBool,
}

impl Sandbox {
    /// A sandbox in front of `cloud`, not ready yet.
    ///
    /// # Errors
    /// When the state folder's book or registry cannot be read.
    pub fn new(listen: SocketAddr, state: &std::path::Path, cloud: Cloud, http: HttpClient, planes: Arc<dyn ControlPlanes>) -> Result<Self> {
        Ok(Self {
            listen,
            cloud,
            http,
            book: Book::open(state)?,
            blobs: Blobs::open(&state.join("registry")).context("open the registry's folder")?,
            planes,
            faults: Faults::default(),
            tokens: KnownTokens::default(),
            answers: Answers::default(),
            addresses: Addresses::default(),
            ready: AtomicBool::new(false),
        })
    }

    /// Whether what the sandbox was started with is in place.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Says that everything is in place.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// The registry's address as images name it.
    pub fn registry(&self) -> String {
        self.listen.to_string()
    }
}
