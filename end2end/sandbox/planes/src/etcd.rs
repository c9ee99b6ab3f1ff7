//! The one etcd of a sandbox; each cluster has a prefix of its own in it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::api::Api;
use crate::config::{PlanesConfig, ensure_free, private_folder};
use crate::keeper::Keeper;
use crate::part::{GRACE, Part, Recipe};
use crate::pki::{Authority, Leaf, Subject};
use crate::wait;

/// How API servers reach etcd.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) url: String,
    pub(crate) ca: std::path::PathBuf,
    pub(crate) client: Leaf,
}

#[derive(Debug)]
pub(crate) struct Etcd {
    part: Part,
    api: Api,
    store: Store,
}

impl Etcd {
    pub(crate) async fn start(keeper: &Keeper, config: &PlanesConfig, authority: &Authority) -> Result<Self> {
        let (port, peers) = (config.etcd_client_port(), config.etcd_peer_port());
        ensure_free(port, "etcd")?;
        ensure_free(peers, "etcd's members")?;
        let folder = config.folder("etcd");
        private_folder(&folder)?;
        let server = authority.issue("etcd", "etcd", &Subject::Both(&["127.0.0.1", "localhost"]))?;
        let client = authority.issue("etcd-client", "kube-apiserver", &Subject::Client { group: None })?;
        let (url, peer_url) = (format!("https://127.0.0.1:{port}"), format!("https://127.0.0.1:{peers}"));
        let path = |path: std::path::PathBuf| path.display().to_string();
        let arguments = [
            "etcd".to_owned(),
            "--name=sandbox".to_owned(),
            format!("--data-dir={}", path(folder.join("data"))),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=sandbox={peer_url}"),
            format!("--cert-file={}", path(server.certificate.clone())),
            format!("--key-file={}", path(server.key.clone())),
            format!("--trusted-ca-file={}", path(authority.certificate())),
            "--client-cert-auth".to_owned(),
            format!("--peer-cert-file={}", path(server.certificate)),
            format!("--peer-key-file={}", path(server.key)),
            format!("--peer-trusted-ca-file={}", path(authority.certificate())),
            "--peer-client-cert-auth".to_owned(),
            // A sandbox's data need not survive a power cut, and waiting for the disk costs most of its time.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        let api = Api::new(url.clone(), authority.pem(), &client)?;
        let part =
            Part::start(keeper, Recipe { name: "etcd".into(), program: config.programs.kube.clone(), arguments: arguments.into(), environment: Vec::new(), folder, grace: GRACE })
                .await?;
        wait::until(Duration::from_secs(60), &[&part], || api.healthy("/health")).await.context("etcd did not come up")?;
        Ok(Self { part, api, store: Store { url, ca: authority.certificate(), client } })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Forgets everything below a prefix, which ends in `/`.
    pub(crate) async fn forget(&self, prefix: &str) -> Result<()> {
        // etcd calls everything below a prefix the range up to its last byte plus one; after `/` comes `0`.
        let end = format!("{}0", prefix.strip_suffix('/').context("a prefix ends in a slash")?);
        let range = json!({ "key": BASE64_STANDARD.encode(prefix), "range_end": BASE64_STANDARD.encode(end) });
        let (status, answer) = self.api.post("/v3/kv/deleterange", &range).await?;
        ensure!(status.is_success(), "etcd answered {status} when it was to forget {prefix}: {answer}");
        Ok(())
    }

    pub(crate) async fn stop(&self) {
        self.part.stop().await;
    }
}
