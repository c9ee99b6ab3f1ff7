//! The process that answers TokenReviews and SubjectAccessReviews for every cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::api::Api;
use crate::config::{PlanesConfig, ensure_free, private_file, private_folder};
use crate::keeper::Keeper;
use crate::kubeconfig::{self, Server};
use crate::part::{GRACE, Part, Recipe};
use crate::pki::{Authority, Subject};
use crate::wait;

#[derive(Debug)]
pub(crate) struct Webhook {
    part: Part,
    url: String,
    ca_pem: String,
    clusters: PathBuf,
}

impl Webhook {
    pub(crate) async fn start(keeper: &Keeper, config: &PlanesConfig, authority: &Authority) -> Result<Self> {
        let port = config.webhook_port();
        ensure_free(port, "the webhooks")?;
        let folder = config.folder("webhook");
        let clusters = folder.join("clusters");
        // A cluster's file says that it answers, which after a restart none does yet.
        match std::fs::remove_dir_all(&clusters) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("forgetting an earlier run's clusters"),
            Ok(()) | Err(_) => {}
        }
        private_folder(&clusters)?;
        let server = authority.issue("webhook", "webhook", &Subject::Server(&["127.0.0.1"]))?;
        let probe = authority.issue("webhook-probe", "probe", &Subject::Client { group: None })?;
        let url = format!("https://127.0.0.1:{port}");
        let arguments = vec![
            "webhook".to_owned(),
            format!("--listen=127.0.0.1:{port}"),
            format!("--tls-cert={}", server.certificate.display()),
            format!("--tls-key={}", server.key.display()),
            format!("--clusters={}", clusters.display()),
            format!("--gateway={}", config.gateway()),
        ];
        let part = Part::start(keeper, Recipe { name: "webhook".into(), program: config.programs.tools.clone(), arguments, environment: Vec::new(), folder, grace: GRACE }).await?;
        let api = Api::new(url.clone(), authority.pem(), &probe)?;
        wait::until(Duration::from_secs(30), &[&part], || api.healthy("/healthz")).await.context("the webhooks did not come up")?;
        Ok(Self { part, url, ca_pem: authority.pem().to_owned(), clusters })
    }

    /// Writes how an API server asks whose token something is, and what policies allow.
    pub(crate) fn configure(&self, folder: &Path, cluster: &str) -> Result<(PathBuf, PathBuf)> {
        let write = |what: &str| {
            let url = format!("{}/clusters/{cluster}/{what}", self.url);
            kubeconfig::write_for_webhook(folder.join(format!("{what}.kubeconfig")), &Server { url: &url, ca_pem: &self.ca_pem })
        };
        Ok((write("authenticate")?, write("authorize")?))
    }

    /// Tells the webhooks that a cluster answers, and which instances are its nodes.
    pub(crate) fn announce(&self, cluster: &str, kubeconfig: &Path, instances: &BTreeMap<String, String>) -> Result<()> {
        private_file(&self.file(cluster), &json!({ "kubeconfig": kubeconfig, "instances": instances }).to_string())
    }

    /// Tells them that a cluster is gone.
    pub(crate) fn forget(&self, cluster: &str) -> Result<()> {
        match std::fs::remove_file(self.file(cluster)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(|| format!("forgetting cluster {cluster}")),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn file(&self, cluster: &str) -> PathBuf {
        self.clusters.join(format!("{cluster}.json"))
    }

    pub(crate) async fn stop(&self) {
        self.part.stop().await;
    }
}
