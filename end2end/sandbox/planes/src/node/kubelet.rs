//! The node's kubelet: how it joins, what it says of itself, how it pulls.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::config::{PlanesConfig, private_file, private_folder};
use crate::labels::{self, Size};
use crate::node::containerd;
use crate::plane::Plane;
use crate::spec::{Instance, NodeGroup};

/// Where kubelet finds the program that gives it registry passwords, by this name.
const PROVIDER: &str = "ecr-credential-provider";

/// Writes its files and gives its command line.
pub(super) fn configure(config: &PlanesConfig, plane: &Plane, group: &NodeGroup, instance: &Instance, folder: &Path) -> Result<Vec<String>> {
    let files = folder.join("kubelet.d");
    private_folder(&files.join("providers"))?;
    let tools = &config.programs.tools;
    std::os::unix::fs::symlink(tools, files.join("providers").join(PROVIDER)).context("placing the credential provider")?;

    let region = plane.spec().region;
    let identity = vec![
        format!("--endpoint={}", config.gateway()),
        format!("--region={region}"),
        format!("--instance-id={}", instance.instance_id),
        format!("--cache={}", files.join("role.json").display()),
    ];
    let mut token = vec!["eks-token".to_owned(), format!("--cluster={}", plane.name())];
    token.extend(identity.clone());
    let mut provider = vec!["credential-provider".to_owned()];
    provider.extend(identity);

    let write = |name: &str, body: String| -> Result<String> {
        let path = files.join(name);
        private_file(&path, &body)?;
        Ok(path.display().to_string())
    };
    let kubeconfig = write("kubeconfig", plane.node_kubeconfig(tools, &token)?)?;
    let providers = write("providers.json", credential_providers(&config.registry(), &provider).to_string())?;
    write("resolv.conf", String::new())?;
    let settings = write("config.json", settings(plane, group, instance, &files)?.to_string())?;
    let labels: Vec<String> = labels::of(instance, group, &region).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    Ok(vec![
        config.programs.kube.display().to_string(),
        "kubelet".to_owned(),
        format!("--config={settings}"),
        format!("--kubeconfig={kubeconfig}"),
        "--root-dir=/var/lib/kubelet".to_owned(),
        format!("--hostname-override={}", instance.private_dns_name),
        format!("--node-ip={}", instance.private_ip),
        format!("--node-labels={}", labels.join(",")),
        format!("--image-credential-provider-config={providers}"),
        format!("--image-credential-provider-bin-dir={}", files.join("providers").display()),
    ])
}

fn settings(plane: &Plane, group: &NodeGroup, instance: &Instance, files: &Path) -> Result<Value> {
    let serving = plane.serving_certificate(&instance.private_dns_name, &instance.private_ip)?;
    Ok(json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": instance.private_ip,
        "port": 10250,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "tlsCertFile": serving.certificate,
        "tlsPrivateKeyFile": serving.key,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true, "cacheTTL": "5s" },
            "x509": { "clientCAFile": plane.ca() },
        },
        "authorization": { "mode": "Webhook", "webhook": { "cacheAuthorizedTTL": "5s", "cacheUnauthorizedTTL": "5s" } },
        "providerID": labels::provider_id(instance),
        "registerWithTaints": labels::taints(&group.taints),
        "maxPods": Size::of(instance).pods,
        // The address EKS gives cluster DNS. Nothing answers there, but pods look as they would.
        "clusterDNS": ["172.20.0.10"],
        "clusterDomain": "cluster.local",
        "resolvConf": files.join("resolv.conf"),
        "containerRuntimeEndpoint": format!("unix://{}", containerd::socket()),
        "cgroupDriver": "cgroupfs",
        // This machine may have cgroups of the first version, without systemd above them.
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        // The root device has no filesystem information here, so disk is neither counted nor a reason to evict.
        "localStorageCapacityIsolation": false,
        "evictionHard": { "memory.available": "100Mi" },
        "imageGCHighThresholdPercent": 100,
        // Chains in this machine's packet filter would outlive the node.
        "makeIPTablesUtilChains": false,
        "serializeImagePulls": false,
        "volumePluginDir": files.join("plugins"),
    }))
}

/// Kubelet asks the provider for images of our registry.
fn credential_providers(registry: &str, arguments: &[String]) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1",
        "kind": "CredentialProviderConfig",
        "providers": [{
            "name": PROVIDER,
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
            "matchImages": [registry],
            "defaultCacheDuration": "1h",
            "args": arguments,
        }],
    })
}
