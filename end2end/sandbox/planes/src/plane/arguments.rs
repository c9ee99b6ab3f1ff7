//! The command lines of a control plane's programs.

use std::path::Path;

use crate::etcd::Store;
use crate::plane::files::Files;
use crate::spec::PlaneSpec;
use crate::version::Minor;

/// What the programs of one plane are told.
pub(super) struct Setting<'a> {
    pub(super) spec: &'a PlaneSpec,
    pub(super) version: Minor,
    pub(super) files: &'a Files,
    pub(super) store: &'a Store,
    pub(super) port: u16,
}

fn path(flag: &str, path: &Path) -> String {
    format!("--{flag}={}", path.display())
}

fn owned(flags: &[&str]) -> impl Iterator<Item = String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>().into_iter()
}

impl Setting<'_> {
    fn emulated(&self) -> String {
        format!("--emulated-version={}", self.version)
    }

    /// EKS gives every cluster an issuer of its own, by an id nobody chooses.
    fn issuer(&self) -> String {
        // FNV-1a: stable, and two clusters' ARNs do not meet in it by accident.
        let id = self.spec.arn.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("https://oidc.eks.{}.amazonaws.com/id/{id:032X}", self.spec.region)
    }

    pub(super) fn api_server(&self) -> Vec<String> {
        let Files { ca, server, kubelet_client, service_account, authenticate, authorize, egress, audit_policy, audit_log, .. } = self.files;
        owned(&[
            "kube-apiserver",
            "--bind-address=127.0.0.1",
            // Nothing listens here: without Service addresses nobody uses it, and loopback is refused.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=172.20.0.0/16",
            "--allow-privileged=true",
            "--enable-admission-plugins=NodeRestriction",
            "--kubelet-preferred-address-types=InternalIP",
            // As on EKS: RBAC first, then the access policies.
            "--authorization-mode=Node,RBAC,Webhook",
            "--authentication-token-webhook-version=v1",
            // EKS's API shows its changes within seconds, so nothing is remembered for longer.
            "--authentication-token-webhook-cache-ttl=1s",
            "--authorization-webhook-version=v1",
            "--authorization-webhook-cache-authorized-ttl=1s",
            "--authorization-webhook-cache-unauthorized-ttl=1s",
            "--audit-log-maxsize=50",
            "--audit-log-maxbackup=1",
            "--shutdown-delay-duration=0s",
            "--profiling=false",
        ])
        .chain([
            format!("--secure-port={}", self.port),
            self.emulated(),
            format!("--etcd-servers={}", self.store.url),
            format!("--etcd-prefix=/{}", self.spec.name),
            path("etcd-cafile", &self.store.ca),
            path("etcd-certfile", &self.store.client.certificate),
            path("etcd-keyfile", &self.store.client.key),
            path("tls-cert-file", &server.certificate),
            path("tls-private-key-file", &server.key),
            path("client-ca-file", ca),
            path("kubelet-certificate-authority", ca),
            path("kubelet-client-certificate", &kubelet_client.certificate),
            path("kubelet-client-key", &kubelet_client.key),
            format!("--service-account-issuer={}", self.issuer()),
            path("service-account-key-file", &service_account.certificate),
            path("service-account-signing-key-file", &service_account.key),
            path("authentication-token-webhook-config-file", authenticate),
            path("authorization-webhook-config-file", authorize),
            path("egress-selector-config-file", egress),
            path("audit-policy-file", audit_policy),
            path("audit-log-path", audit_log),
        ])
        .collect()
    }

    pub(super) fn controller_manager(&self) -> Vec<String> {
        let Files { ca, ca_key, service_account, controller_manager, .. } = self.files;
        owned(&["kube-controller-manager", "--secure-port=0", "--leader-elect=false", "--use-service-account-credentials=true", "--allocate-node-cidrs=false", "--profiling=false"])
            .chain([
                self.emulated(),
                path("kubeconfig", controller_manager),
                path("root-ca-file", ca),
                path("cluster-signing-cert-file", ca),
                path("cluster-signing-key-file", ca_key),
                path("service-account-private-key-file", &service_account.key),
            ])
            .collect()
    }

    pub(super) fn scheduler(&self) -> Vec<String> {
        owned(&["kube-scheduler", "--secure-port=0", "--leader-elect=false", "--profiling=false"]).chain([self.emulated(), path("kubeconfig", &self.files.scheduler)]).collect()
    }
}
