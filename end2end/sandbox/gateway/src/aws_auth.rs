//! `aws-auth`: the config map that maps people and nodes where a cluster has no access entries.
//!
//! EKS writes a managed node group's role into it, so that the nodes can join.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, Identity, Method, StatusCode};
use serde_json::{Value, json};

const COLLECTION: &str = "/api/v1/namespaces/kube-system/configmaps";
const NAME: &str = "aws-auth";
/// How often a change is tried that someone else's change got in the way of.
const TRIES: u32 = 5;

/// Adds a node role to a cluster's `aws-auth`, unless it is there.
///
/// # Errors
/// When the API server refuses, or the map holds something that is not a list of mappings.
pub async fn add_node_role(kubeconfig: &str, role_arn: &str) -> Result<()> {
    let server = Server::of(kubeconfig)?;
    for _ in 0..TRIES {
        let (status, found) = server.call(Method::GET, &format!("{COLLECTION}/{NAME}"), None).await?;
        let (method, path, mut object) = match status {
            StatusCode::NOT_FOUND => (Method::POST, COLLECTION.to_owned(), empty()),
            status if status.is_success() => (Method::PUT, format!("{COLLECTION}/{NAME}"), found),
            status => bail!("reading {NAME} was answered with {status}: {found}"),
        };
        let Some(roles) = with_role(object["data"]["mapRoles"].as_str().unwrap_or_default(), role_arn)? else { return Ok(()) };
        object["data"]["mapRoles"] = roles.into();
        match server.call(method, &path, Some(&object)).await? {
            (StatusCode::CONFLICT, _) => {}
            (status, _) if status.is_success() => return Ok(()),
            (status, answer) => bail!("writing {NAME} was answered with {status}: {answer}"),
        }
    }
    bail!("{NAME} is changed by someone else again and again")
}

fn empty() -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": NAME, "namespace": "kube-system" }, "data": {} })
}

/// The role mappings with a node role among them; none when it is there already.
fn with_role(roles: &str, role_arn: &str) -> Result<Option<String>> {
    let mut mappings: Vec<Value> = match roles.trim() {
        "" => Vec::new(),
        text => serde_norway::from_str(text).context("mapRoles is not a list of mappings")?,
    };
    // Sessions have lost the path of their role, and so has what is mapped.
    let (account, role) = role_arn.split_once(":role/").context("a node role's ARN has no role")?;
    let canonical = format!("{account}:role/{}", role.rsplit('/').next().unwrap_or(role));
    if mappings.iter().any(|mapping| mapping["rolearn"] == canonical.as_str()) {
        return Ok(None);
    }
    mappings.push(json!({
        "groups": ["system:bootstrappers", "system:nodes"],
        "rolearn": canonical,
        "username": "system:node:{{EC2PrivateDNSName}}",
    }));
    Ok(Some(serde_norway::to_string(&mappings)?))
}

/// An API server and the break-glass certificate for it.
struct Server {
    url: String,
    client: Client,
}

impl Server {
    fn of(kubeconfig: &str) -> Result<Self> {
        let config: Value = serde_json::from_str(kubeconfig).context("the kubeconfig is not JSON")?;
        let text =
            |pointer: &str| config.pointer(pointer).and_then(Value::as_str).with_context(|| format!("the kubeconfig has no {pointer}"));
        let pem = |pointer: &str| STANDARD.decode(text(pointer)?).with_context(|| format!("{pointer} is not base64"));
        let mut identity = pem("/users/0/user/client-key-data")?;
        identity.extend(pem("/users/0/user/client-certificate-data")?);
        let client = Client::builder()
            .use_rustls_tls()
            .no_proxy()
            .tls_built_in_root_certs(false)
            .add_root_certificate(Certificate::from_pem(&pem("/clusters/0/cluster/certificate-authority-data")?)?)
            .identity(Identity::from_pem(&identity)?)
            .timeout(std::time::Duration::from_secs(15))
            .build()?;
        Ok(Self { url: text("/clusters/0/cluster/server")?.to_owned(), client })
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("ask the API server for {path}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_role_is_added_once_beside_what_others_wrote() {
        let others = "- rolearn: arn:aws:iam::1:role/admins\n  username: admin\n  groups: [system:masters]\n";
        let roles = with_role(others, "arn:aws:iam::1:role/team/eks-node").unwrap().unwrap();
        let parsed: Value = serde_norway::from_str(&roles).unwrap();
        assert_eq!(parsed[0]["groups"], json!(["system:masters"]));
        assert_eq!(
            parsed[1],
            json!({
                "rolearn": "arn:aws:iam::1:role/eks-node",
                "username": "system:node:{{EC2PrivateDNSName}}",
                "groups": ["system:bootstrappers", "system:nodes"],
            })
        );
        assert_eq!(with_role(&roles, "arn:aws:iam::1:role/team/eks-node").unwrap(), None);
        assert!(with_role("not: a list", "arn:aws:iam::1:role/x").is_err());
    }
}
