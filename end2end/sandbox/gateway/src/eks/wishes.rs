//! What IAM has to allow for an EKS call.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Call;
use super::failed;
use super::route::ItemKind;
use crate::answer::AwsError;
use crate::authorize::Wish;
use crate::cloud::CloudError;

/// The wishes of a call: its own action, and passing the roles it names.
///
/// # Errors
/// When the emulator cannot be asked for an ARN.
pub async fn of(call: &Call<'_>) -> Result<Vec<Wish>, AwsError> {
    let action = format!("eks:{}", call.route.action);
    let mut wish = Wish::new(action, resource(call).await?).with_request_tags(&tags(&call.body["tags"]));
    wish.context.extend(conditions(call));
    if !call.route.cluster.is_empty()
        && let Some(cluster) = lookup(call, &format!("/clusters/{}", encode(&call.route.cluster))).await?
    {
        wish = wish.with_resource_tags(&cluster["cluster"]["tags"]);
    }
    let mut wishes = vec![wish];
    let passed = match call.route.action {
        "CreateCluster" => Some((&call.body["roleArn"], "eks.amazonaws.com")),
        "CreateNodegroup" => Some((&call.body["nodeRole"], "ec2.amazonaws.com")),
        "CreatePodIdentityAssociation" => Some((&call.body["roleArn"], "pods.eks.amazonaws.com")),
        _ => None,
    };
    if let Some((Value::String(role), service)) = passed {
        let mut pass = Wish::new("iam:PassRole", role);
        pass.context.push(("iam:PassedToService".into(), vec![service.into()]));
        wishes.push(pass);
    }
    Ok(wishes)
}

async fn resource(call: &Call<'_>) -> Result<String, AwsError> {
    let arn = |kind: &str, rest: &str| format!("arn:aws:eks:{}:{}:{kind}/{rest}", call.region, call.sandbox.cloud.account);
    let route = &call.route;
    if let Some(kind) = route.item_kind() {
        return item_arn(call, kind).await;
    }
    Ok(match route.action {
        "CreateCluster" => arn("cluster", call.body["name"].as_str().unwrap_or_default()),
        "ListClusters" => arn("cluster", "*"),
        "ListTagsForResource" | "TagResource" | "UntagResource" => route.item.clone(),
        _ if route.cluster.is_empty() => "*".to_owned(),
        _ => arn("cluster", &route.cluster),
    })
}

/// The full ARN, whose last part only EKS knows; of a thing that is not there, the ARN with a star.
async fn item_arn(call: &Call<'_>, kind: ItemKind) -> Result<String, AwsError> {
    let (cluster, item) = (encode(&call.route.cluster), encode(&call.route.item));
    let (path, field, name) = match kind {
        ItemKind::Nodegroup => (format!("/clusters/{cluster}/node-groups/{item}"), "/nodegroup/nodegroupArn", "nodegroup"),
        ItemKind::AccessEntry => (format!("/clusters/{cluster}/access-entries/{item}"), "/accessEntry/accessEntryArn", "access-entry"),
        ItemKind::Addon => (format!("/clusters/{cluster}/addons/{item}"), "/addon/addonArn", "addon"),
        ItemKind::FargateProfile => (format!("/clusters/{cluster}/fargate-profiles/{item}"), "/fargateProfile/fargateProfileArn", "fargateprofile"),
        ItemKind::PodIdentityAssociation => (format!("/clusters/{cluster}/pod-identity-associations/{item}"), "/association/associationArn", "podidentityassociation"),
    };
    if let Some(found) = lookup(call, &path).await?
        && let Some(arn) = found.pointer(field).and_then(Value::as_str)
    {
        return Ok(arn.to_owned());
    }
    // An access entry's ARN spells its principal as TYPE/ACCOUNT/NAME.
    let tail = match (kind, call.route.item.split(':').collect::<Vec<_>>().as_slice()) {
        (ItemKind::AccessEntry, [_, _, _, _, account, resource]) => {
            let (principal_type, principal) = resource.split_once('/').unwrap_or((resource, "*"));
            format!("{principal_type}/{account}/{}", principal.rsplit('/').next().unwrap_or(principal))
        }
        _ => call.route.item.clone(),
    };
    Ok(format!("arn:aws:eks:{}:{}:{name}/{}/{tail}/*", call.region, call.sandbox.cloud.account, call.route.cluster))
}

async fn lookup(call: &Call<'_>, path: &str) -> Result<Option<Value>, AwsError> {
    match call.sandbox.cloud.rest("eks", &call.region, Method::GET, path, None).await {
        Ok(found) => Ok(Some(found)),
        Err(CloudError::Refused { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The condition keys that EKS itself supplies.
fn conditions(call: &Call<'_>) -> Vec<(String, Vec<String>)> {
    let mut conditions = Vec::new();
    let mut add = |key: &str, values: Vec<String>| {
        if !values.is_empty() {
            conditions.push((format!("eks:{key}"), values));
        }
    };
    let text = |field: &str| call.body[field].as_str().map(str::to_owned).into_iter().collect::<Vec<_>>();
    let list = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    if !call.route.cluster.is_empty() {
        add("clusterName", vec![call.route.cluster.clone()]);
    }
    match call.route.action {
        "CreateAccessEntry" => {
            add("principalArn", text("principalArn"));
            add("kubernetesGroups", list(&call.body["kubernetesGroups"]));
            add("username", text("username"));
            add("accessEntryType", vec![call.body["type"].as_str().unwrap_or("STANDARD").to_owned()]);
        }
        "UpdateAccessEntry" => {
            add("principalArn", vec![call.route.item.clone()]);
            add("kubernetesGroups", list(&call.body["kubernetesGroups"]));
            add("username", text("username"));
        }
        "AssociateAccessPolicy" => {
            add("principalArn", vec![call.route.item.clone()]);
            add("policyArn", text("policyArn"));
            add("accessScope", call.body["accessScope"]["type"].as_str().map(str::to_owned).into_iter().collect());
            add("namespaces", list(&call.body["accessScope"]["namespaces"]));
        }
        "DescribeAccessEntry" | "DeleteAccessEntry" | "ListAssociatedAccessPolicies" | "DisassociateAccessPolicy" => {
            add("principalArn", vec![call.route.item.clone()]);
        }
        _ => {}
    }
    conditions
}

fn tags(tags: &Value) -> Vec<(String, String)> {
    let pairs = tags.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A path segment with everything but letters and digits encoded.
pub fn encode(segment: &str) -> String {
    utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string()
}
