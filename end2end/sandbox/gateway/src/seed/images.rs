//! The demo's repositories, and the models' images in them.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{ensured, text};
use crate::client::Client;
use crate::config::Options;

/// Makes a repository for each name in the list of images, and pushes the images.
///
/// # Errors
/// When the list cannot be read, ECR refuses, or the program that makes images fails.
pub async fn push(options: &Options, client: &Client) -> Result<()> {
    let (program, server) = options.image_programs()?;
    let list = std::fs::read_to_string(&options.models).with_context(|| format!("read {}", options.models.display()))?;
    let list: Value = serde_json::from_str(&list).with_context(|| format!("{} is not JSON", options.models.display()))?;
    for repository in repositories(&list) {
        // The part before the slash is the team whose models these are.
        let team = repository.split('/').next().unwrap_or_default();
        let body = json!({
            "repositoryName": repository,
            "imageTagMutability": "MUTABLE",
            "imageScanningConfiguration": { "scanOnPush": true },
            "tags": [{ "Key": "team", "Value": team }, { "Key": "environment", "Value": "demo" }],
        });
        ensured(client.ecr("CreateRepository", &body).await?)?;
    }

    let given = client.ecr("GetAuthorizationToken", &json!({})).await?.success()?.json();
    let token = STANDARD.decode(text(&given, "/authorizationData/0/authorizationToken")).context("decode the registry token")?;
    let token = String::from_utf8(token).context("decode the registry token")?;
    let password = token.strip_prefix("AWS:").context("the registry token is not for the user AWS")?;
    let output = tokio::process::Command::new(&program)
        .args(["image", "push", "--registry", &options.listen.to_string()])
        .arg("--catalogue")
        .arg(&options.models)
        .arg("--server")
        .arg(&server)
        .env("REGISTRY_PASSWORD", password)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("run {}", program.display()))?;
    if !output.status.success() {
        bail!("the images could not be pushed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn repositories(list: &Value) -> Vec<String> {
    let names = list["images"].as_array().into_iter().flatten().filter_map(|image| image["repository"].as_str());
    let unique: BTreeMap<&str, ()> = names.map(|name| (name, ())).collect();
    unique.into_keys().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repository_is_made_once() {
        let list = json!({ "images": [{ "repository": "b/x", "tag": "1" }, { "repository": "a/y" }, { "repository": "b/x", "tag": "2" }] });
        assert_eq!(repositories(&list), ["a/y", "b/x"]);
    }
}
