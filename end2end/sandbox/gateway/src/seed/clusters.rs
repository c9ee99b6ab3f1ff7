//! The demo's clusters: `lab`, where models really run, and `fleet`, which is large.

use std::sync::Arc;

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::identities::{CLUSTER_ROLE, NODE_ROLE};
use super::{ensured, timed, until_active};
use crate::client::Client;
use crate::config::{Nodes, Options};
use crate::eks::nodegroups::KIND_TAG;
use crate::sandbox::Sandbox;
use crate::xml;

/// How many zones the demo's clusters use.
const ZONES: usize = 3;

struct Group {
    name: &'static str,
    instance_type: &'static str,
    count: u32,
    labels: &'static [(&'static str, &'static str)],
    taint: Option<&'static str>,
}

const LAB: [Group; 1] = [Group { name: "general", instance_type: "t3.large", count: 1, labels: &[], taint: None }];

const FLEET: [Group; 3] = [
    Group { name: "general", instance_type: "m5.2xlarge", count: 6, labels: &[("pool", "general")], taint: None },
    Group { name: "memory", instance_type: "r6i.xlarge", count: 3, labels: &[("pool", "memory")], taint: None },
    Group { name: "gpu", instance_type: "g5.xlarge", count: 3, labels: &[("pool", "gpu")], taint: Some("nvidia.com/gpu") },
];

/// Creates both clusters with their node groups and waits until they are active.
///
/// # Errors
/// When one cannot be created.
pub async fn create(options: &Options, sandbox: &Arc<Sandbox>, client: &Client) -> Result<()> {
    let subnets = subnets(client).await?;
    let real = options.nodes == Nodes::Real;
    tokio::try_join!(cluster(sandbox, client, "lab", "1.35", &subnets, &LAB, real), cluster(sandbox, client, "fleet", "1.34", &subnets, &FLEET, false),)?;
    Ok(())
}

/// A default subnet in each of the first zones.
async fn subnets(client: &Client) -> Result<Vec<String>> {
    let answer = client.query("ec2", "DescribeSubnets", &[]).await?.success()?;
    let mut found = xml::records(&answer.text(), "item", &["availabilityZone", "subnetId"]);
    found.sort();
    found.dedup_by(|next, previous| next.first() == previous.first());
    Ok(found.into_iter().take(ZONES).filter_map(|mut record| record.pop()).collect())
}

async fn cluster(sandbox: &Sandbox, client: &Client, name: &str, version: &str, subnets: &[String], groups: &[Group], real: bool) -> Result<()> {
    let account = &sandbox.cloud.account;
    let body = json!({
        "name": name,
        "version": version,
        "roleArn": format!("arn:aws:iam::{account}:role/{CLUSTER_ROLE}"),
        "resourcesVpcConfig": { "subnetIds": subnets, "endpointPublicAccess": true, "endpointPrivateAccess": true },
        "accessConfig": { "authenticationMode": "API_AND_CONFIG_MAP" },
        "tags": { "environment": "demo" },
    });
    ensured(client.eks(Method::POST, "/clusters", Some(&body)).await?)?;
    timed(&format!("control plane of {name}"), until_active(client, &format!("/clusters/{name}"), "cluster")).await?;
    for group in groups {
        let body = node_group(account, group, subnets, real);
        ensured(client.eks(Method::POST, &format!("/clusters/{name}/node-groups"), Some(&body)).await?)?;
    }
    let joined = async {
        for group in groups {
            until_active(client, &format!("/clusters/{name}/node-groups/{}", group.name), "nodegroup").await?;
        }
        Ok(())
    };
    timed(&format!("nodes of {name}"), joined).await
}

fn node_group(account: &str, group: &Group, subnets: &[String], real: bool) -> Value {
    let labels: serde_json::Map<String, Value> = group.labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let taints: Vec<Value> = group.taint.iter().map(|key| json!({ "key": key, "value": "present", "effect": "NO_SCHEDULE" })).collect();
    json!({
        "nodegroupName": group.name,
        "nodeRole": format!("arn:aws:iam::{account}:role/{NODE_ROLE}"),
        "subnets": subnets,
        "instanceTypes": [group.instance_type],
        "scalingConfig": { "minSize": 1, "desiredSize": group.count, "maxSize": group.count * 2 },
        "labels": labels,
        "taints": taints,
        "tags": { KIND_TAG: if real { "real" } else { "simulated" } },
    })
}
