//! Asks a model what it takes, once its replicas are up.

use domain::{Code, Rejected, serving::ModelMetadata};
use http::Method;
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};
use serde::Deserialize;
use serde_json::Value;

use super::{observe, reach, subject::Subject};
use crate::{Control, Result};

/// More than this of what a model says about itself is not kept, in bytes.
const MOST: usize = 64 << 10;

/// What the model says about itself. Its name in its own server need not be ours, so the likely ones are tried, and then the
/// server's index, which some servers have.
///
/// # Errors
/// `model_unavailable` when it does not say.
pub(super) async fn ask(control: &Control, subject: &Subject) -> Result<ModelMetadata> {
    let own = control.k8s.own(control, subject.cluster).await?;
    let pods: Api<Pod> = Api::namespaced(own, &subject.blueprint.namespace);
    let pods = observe::list_pods(&pods, subject).await?;
    let pod = pods
        .iter()
        .find(|pod| observe::is_ready(pod) && observe::revision(pod) == subject.desired.template_revision)
        .ok_or_else(|| Rejected::new(Code::ModelUnavailable, "No replica is ready."))?;
    let (name, person) = (pod.name_any(), subject.person());
    let replica = reach::Replica {
        cluster: subject.cluster,
        team: subject.team,
        namespace: &subject.blueprint.namespace,
        pod: &name,
        port: u16::try_from(subject.blueprint.port).map_err(|error| anyhow::anyhow!(error))?,
        person: &person,
    };
    for name in names(&subject.model_name, &subject.repository) {
        if let Some(metadata) = read(control, &replica, &name).await? {
            return Ok(metadata);
        }
    }
    for name in index(control, &replica).await? {
        if let Some(metadata) = read(control, &replica, &name).await? {
            return Ok(metadata);
        }
    }
    Err(Rejected::new(Code::ModelUnavailable, "The model does not say what it takes.").into())
}

/// Names under which the server may know its model.
fn names(model: &str, repository: &str) -> Vec<String> {
    let last = repository.rsplit('/').next().unwrap_or(repository);
    let mut names = vec![model.to_owned()];
    if last != model {
        names.push(last.to_owned());
    }
    names
}

async fn read(control: &Control, replica: &reach::Replica<'_>, name: &str) -> Result<Option<ModelMetadata>> {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let answer = reach::send(control, replica, Method::GET, &format!("/v2/models/{name}"), None).await?;
    let said = (answer.status == 200).then(|| serde_json::from_slice(&answer.body).ok()).flatten();
    said.map(keepable).transpose()
}

/// Refuses what cannot be kept as it is: a name that was mended would not be the model's any more.
fn keepable(metadata: ModelMetadata) -> Result<ModelMetadata> {
    let unkept = |why: &str| Rejected::new(Code::ModelUnavailable, format!("What the model says about itself cannot be kept: {why}."));
    let value = serde_json::to_value(&metadata)?;
    if has_nul(&value) {
        return Err(unkept("it has a NUL character in it").into());
    }
    if value.to_string().len() > MOST {
        return Err(unkept(&format!("it is longer than {} KiB", MOST / 1024)).into());
    }
    Ok(metadata)
}

/// The database takes no NUL.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[derive(Deserialize)]
struct Indexed {
    name: String,
}

async fn index(control: &Control, replica: &reach::Replica<'_>) -> Result<Vec<String>> {
    let answer = reach::send(control, replica, Method::POST, "/v2/repository/index", Some(Bytes::from_static(b"{}"))).await?;
    let found: Vec<Indexed> = if answer.status == 200 { serde_json::from_slice(&answer.body).unwrap_or_default() } else { Vec::new() };
    Ok(found.into_iter().map(|model| model.name).take(3).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_database_would_refuse_is_not_kept() {
        let says = |name: &str, parameters: Value| {
            serde_json::from_value::<ModelMetadata>(json!({"name": "iris", "inputs": [{"name": name, "datatype": "FP32", "shape": [-1, 4], "parameters": parameters}]})).unwrap()
        };
        assert!(keepable(says("features", json!({"unit": "cm\\u0000"}))).is_ok());
        for said in [says("a\0b", Value::Null), says("features", json!({"a\0b": 1})), says("features", json!([["\0"]])), says(&"x".repeat(MOST), Value::Null)] {
            assert!(keepable(said).unwrap_err().is(Code::ModelUnavailable));
        }
    }

    #[test]
    fn the_repository_is_a_second_guess() {
        assert_eq!(names("iris", "forecasting/iris"), ["iris"]);
        assert_eq!(names("petals", "forecasting/iris"), ["petals", "iris"]);
    }
}
