//! Taking up what an earlier run of the sandbox had, even one that was killed between the emulator's record and ours.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::clusters::{self, spec};
use super::nodes;
use super::wishes::encode;
use crate::cloud::CloudError;
use crate::clusters::{ClusterRecord, GroupState, NodeGroupRecord, Progress};
use crate::planes_api::PlaneStatus;
use crate::sandbox::Sandbox;

/// How long nodes wait for a control plane that is still starting.
const PATIENCE: Duration = Duration::from_secs(120);

/// Takes up the control planes and nodes that an earlier run had.
///
/// # Errors
/// When a control plane cannot be started again.
pub async fn resume(sandbox: &Arc<Sandbox>) -> Result<()> {
    let region = sandbox.cloud.region.clone();
    let listed = sandbox.cloud.rest("eks", &region, Method::GET, "/clusters?maxResults=100", None).await?;
    let recorded = names(&listed["clusters"]);
    let records = sandbox.book.read(|entries| entries.clusters.clone());
    for stray in recorded.iter().filter(|name| !records.contains_key(*name)) {
        tracing::warn!(cluster = stray, "an earlier run was stopped while it made this cluster; it is taken back");
        sandbox.cloud.rest("eks", &region, Method::DELETE, &format!("/clusters/{}", encode(stray)), None).await?;
    }
    for (name, record) in records {
        if record.deleting.is_some() || !recorded.contains(&name) {
            tokio::spawn(clusters::finish_deletion(Arc::clone(sandbox), name));
            continue;
        }
        let info = sandbox.planes.create(spec(sandbox, &name, &record)).await.with_context(|| format!("start {name} again"))?;
        sandbox.book.change(|entries| {
            if let Some(record) = entries.clusters.get_mut(&name) {
                record.endpoint = info.endpoint;
                record.ca_pem = info.ca_pem;
                for progress in record.updates.values_mut().filter(|progress| **progress == Progress::InProgress) {
                    *progress = Progress::Failed("the sandbox was stopped meanwhile".to_owned());
                }
            }
        });
        for (group, group_record) in &record.node_groups {
            resume_group(sandbox, &name, &record, group, group_record).await?;
        }
    }
    Ok(())
}

async fn resume_group(sandbox: &Arc<Sandbox>, cluster: &str, record: &ClusterRecord, name: &str, group: &NodeGroupRecord) -> Result<()> {
    let path = format!("/clusters/{}/node-groups/{}", encode(cluster), encode(name));
    let described = match sandbox.cloud.rest("eks", &record.region, Method::GET, &path, None).await {
        Ok(described) => described,
        Err(CloudError::Refused { .. }) => Value::Null,
        Err(error) => return Err(error.into()),
    };
    let wanted = described["nodegroup"]["scalingConfig"]["desiredSize"].as_u64().and_then(|size| usize::try_from(size).ok());
    nodes::change(sandbox, cluster, name, |group| {
        if group.deleting.is_none() {
            group.state = GroupState::Updating;
        }
    });
    let (sandbox, cluster, name, group) = (Arc::clone(sandbox), cluster.to_owned(), name.to_owned(), group.clone());
    tokio::spawn(async move {
        let result = async {
            until_active(&sandbox, &cluster).await?;
            if let Some(wanted) = wanted {
                sandbox.planes.add_nodes(&cluster, nodes::node_group(&name, &group, group.instances.clone())).await?;
                nodes::resize(&sandbox, &cluster, &name, wanted).await?;
            }
            Ok(())
        };
        let result: Result<()> = result.await;
        // A group that the emulator has forgotten was being deleted, or never told to anyone.
        if wanted.is_none() {
            nodes::finish_deletion(sandbox, cluster, name).await;
            return;
        }
        let state = match result {
            Ok(()) => GroupState::Active,
            Err(error) => {
                tracing::error!(cluster, group = name, error = format!("{error:#}"), "the nodes could not be started again");
                GroupState::Degraded(format!("{error:#}"))
            }
        };
        nodes::set_state(&sandbox, &cluster, &name, state);
    });
    Ok(())
}

async fn until_active(sandbox: &Sandbox, cluster: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while sandbox.planes.status(cluster) != PlaneStatus::Active {
        if Instant::now() > deadline {
            bail!("the control plane of {cluster} did not come up in {PATIENCE:?}");
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
