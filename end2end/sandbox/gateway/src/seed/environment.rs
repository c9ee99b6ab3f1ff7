//! `env` and `kubeconfig` in the state folder: what a shell needs to use the sandbox.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::identities::{ADMINISTRATOR, EXTERNAL_ID, SLIPWAY};
use crate::book::write_private;
use crate::config::{Options, Seed};
use crate::sandbox::Sandbox;

/// The cluster that kubectl talks to unless told otherwise.
const CURRENT: &str = "lab";

/// Writes both files, readable for their owner only.
///
/// # Errors
/// When the state folder cannot be written to, or a control plane has no kubeconfig.
pub fn write(options: &Options, sandbox: &Sandbox) -> Result<()> {
    let kubeconfig = options.state.join("kubeconfig");
    let clusters: Vec<String> = sandbox.book.read(|entries| entries.clusters.keys().cloned().collect());
    let documents = clusters.iter().map(|name| sandbox.planes.kubeconfig(name)).collect::<Result<Vec<_>>>()?;
    write_private(&kubeconfig, merged(&documents)?.to_string().as_bytes())?;

    let key = |name: &str| sandbox.book.read(|entries| entries.seed_keys.get(name).cloned()).with_context(|| format!("the seed made no keys for {name}"));
    let administrator = key(ADMINISTRATOR)?;
    let user = if options.seed == Seed::Demo { key(SLIPWAY)? } else { administrator.clone() };
    let mut lines: Vec<(&str, String)> = vec![
        ("AWS_ENDPOINT_URL", format!("http://{}", options.listen)),
        ("AWS_REGION", options.region.clone()),
        ("AWS_DEFAULT_REGION", options.region.clone()),
        ("AWS_ACCESS_KEY_ID", user.id),
        ("AWS_SECRET_ACCESS_KEY", user.secret),
        ("SANDBOX_ADMIN_ACCESS_KEY_ID", administrator.id),
        ("SANDBOX_ADMIN_SECRET_ACCESS_KEY", administrator.secret),
        ("KUBECONFIG", std::path::absolute(&kubeconfig).context("find the kubeconfig")?.display().to_string()),
    ];
    if options.seed == Seed::Demo {
        lines.push(("SLIPWAY_AWS_ROLE_ARN", format!("arn:aws:iam::{}:role/{SLIPWAY}", sandbox.cloud.account)));
        lines.push(("SLIPWAY_AWS_EXTERNAL_ID", EXTERNAL_ID.to_owned()));
    }
    let mut text = String::new();
    for (name, value) in lines {
        writeln!(text, "export {name}={}", quoted(&value)).context("write the environment")?;
    }
    write_private(&options.state.join("env"), text.as_bytes())
}

/// A word for a shell: nothing in it means anything.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// One kubeconfig with a context for each cluster.
fn merged(documents: &[String]) -> Result<Value> {
    let mut all = json!({ "apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": [], "current-context": "" });
    for document in documents {
        let document: Value = serde_json::from_str(document).context("a control plane's kubeconfig is not JSON")?;
        for list in ["clusters", "users", "contexts"] {
            if let (Some(into), Some(from)) = (all[list].as_array_mut(), document[list].as_array()) {
                into.extend(from.iter().cloned());
            }
        }
        let context = &document["current-context"];
        if all["current-context"] == "" || context == CURRENT {
            all["current-context"] = context.clone();
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfigs_are_merged_and_lab_is_current() {
        let one = |name: &str| {
            json!({
                "clusters": [{ "name": name }], "users": [{ "name": name }], "contexts": [{ "name": name }], "current-context": name,
            })
            .to_string()
        };
        let all = merged(&[one("fleet"), one("lab"), one("zoo")]).unwrap();
        assert_eq!(all["current-context"], "lab");
        assert_eq!(all["contexts"].as_array().unwrap().len(), 3);
        assert_eq!(merged(&[one("fleet")]).unwrap()["current-context"], "fleet");
        assert!(merged(&["garbage".into()]).is_err());
    }

    #[test]
    fn values_mean_nothing_to_a_shell() {
        assert_eq!(quoted("a'b$(c)"), r"'a'\''b$(c)'");
    }
}
