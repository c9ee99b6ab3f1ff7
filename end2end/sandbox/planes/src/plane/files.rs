//! The files of a control plane: certificates, kubeconfigs, policies.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::config::{private_file, private_folder};
use crate::kubeconfig::{self, Server};
use crate::pki::{Authority, Leaf, Subject};
use crate::plane::Shared;

/// Where each file is.
pub(super) struct Files {
    pub(super) ca: PathBuf,
    pub(super) ca_key: PathBuf,
    pub(super) ca_pem: String,
    pub(super) server: Leaf,
    /// What the API server shows to kubelets.
    pub(super) kubelet_client: Leaf,
    /// An administrator nobody can lock out.
    pub(super) admin: Leaf,
    pub(super) service_account: Leaf,
    pub(super) controller_manager: PathBuf,
    pub(super) scheduler: PathBuf,
    /// For the webhooks, which read aws-auth.
    pub(super) authenticator: PathBuf,
    /// For kwok.
    pub(super) simulator: PathBuf,
    pub(super) authenticate: PathBuf,
    pub(super) authorize: PathBuf,
    pub(super) egress: PathBuf,
    pub(super) audit_policy: PathBuf,
    pub(super) audit_log: PathBuf,
}

/// Kubernetes gives this group every right, before any other authorizer is asked.
const MASTERS: &str = "system:masters";
/// What the webhooks read aws-auth as; [`super::bootstrap`] gives it the right to.
pub(super) const AUTHENTICATOR: &str = "eks:authenticator";

impl Files {
    /// Writes all of them. The authority and the key of service accounts stay from an
    /// earlier run; the rest is made anew.
    pub(super) fn write(folder: &Path, authority: &Authority, ports: (u16, u16), shared: &Shared, cluster: &str) -> Result<Self> {
        private_folder(folder)?;
        let (public, own) = ports;
        let (public_url, own_url) = (format!("https://127.0.0.1:{public}"), format!("https://127.0.0.1:{own}"));
        let inside = Server { url: &own_url, ca_pem: authority.pem() };
        let outside = Server { url: &public_url, ca_pem: authority.pem() };
        let server = authority.issue(
            "kube-apiserver",
            "kube-apiserver",
            &Subject::Server(&["127.0.0.1", "172.20.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]),
        )?;
        let config = |file: &str, user: &str, group: Option<&str>, server: &Server<'_>| -> Result<PathBuf> {
            let leaf = authority.issue(file, user, &Subject::Client { group })?;
            let path = folder.join(format!("{file}.kubeconfig"));
            private_file(&path, &kubeconfig::with_certificate(cluster, server, &leaf)?)?;
            Ok(path)
        };
        let (authenticate, authorize) = shared.webhook.configure(folder, cluster)?;
        let audit_policy = folder.join("audit-policy.json");
        private_file(&audit_policy, &audit().context("writing the audit policy")?)?;
        Ok(Self {
            ca: authority.certificate(),
            ca_key: authority.key(),
            ca_pem: authority.pem().to_owned(),
            kubelet_client: authority.issue("kubelet-client", "kube-apiserver-kubelet-client", &Subject::Client { group: Some(MASTERS) })?,
            admin: authority.issue("break-glass", "break-glass", &Subject::Client { group: Some(MASTERS) })?,
            service_account: authority.service_account_key()?,
            // Controllers and scheduler stay close to their API server, whatever happens to the way there.
            controller_manager: config("controller-manager", "system:kube-controller-manager", None, &inside)?,
            scheduler: config("scheduler", "system:kube-scheduler", None, &inside)?,
            authenticator: config("authenticator", AUTHENTICATOR, None, &inside)?,
            // Simulated nodes are as far away as real ones.
            simulator: config("kwok", "kwok", Some(MASTERS), &outside)?,
            server,
            authenticate,
            authorize,
            egress: shared.egress.configure(folder)?,
            audit_policy,
            audit_log: folder.join("audit.log"),
        })
    }
}

/// Records who changed what, and who was refused, without the chatter of controllers.
fn audit() -> serde_json::Result<String> {
    let quiet = |rule: serde_json::Value| {
        let mut rule = rule;
        rule["level"] = json!("None");
        rule
    };
    serde_json::to_string_pretty(&json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": true,
        "rules": [
            quiet(json!({ "nonResourceURLs": ["/*"] })),
            quiet(json!({ "resources": [{ "group": "coordination.k8s.io" }, { "group": "", "resources": ["events"] }, { "group": "events.k8s.io" }] })),
            quiet(json!({ "users": ["system:apiserver", "system:kube-scheduler", "system:kube-controller-manager", "kwok"] })),
            quiet(json!({ "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"] })),
            quiet(json!({ "verbs": ["watch", "list"] })),
            { "level": "Metadata" },
        ],
    }))
}
