//! The EC2 instances behind a node group: started and ended in the emulator, with a profile that gives them the node role.

use serde_json::{Value, json};

use crate::answer::AwsError;
use crate::cloud::{Cloud, CloudError};
use crate::clusters::NodeGroupRecord;
use crate::instance_types::capacity;
use crate::planes_api::Instance;
use crate::principals::Principal;
use crate::sandbox::Sandbox;
use crate::xml;

const EC2: &str = "2016-11-15";
const IAM: &str = "2010-05-08";

/// The emulator's Amazon Linux 2023 image; nothing boots from it.
const IMAGE: &str = "ami-0a1b2c3d4e5f60002";

/// A subnet to start instances in.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// `subnet-…`
    pub id: String,
    /// Its availability zone.
    pub zone: String,
    /// Its addresses.
    pub cidr: String,
}

/// Those of the named subnets that exist.
///
/// # Errors
/// When the emulator fails.
pub async fn subnets(cloud: &Cloud, names: &[String]) -> Result<Vec<Subnet>, CloudError> {
    let answer = cloud.query("ec2", EC2, "DescribeSubnets", &[]).await?;
    let all = xml::records(&answer, "item", &["subnetId", "availabilityZone", "cidrBlock"]);
    Ok(all
        .into_iter()
        .filter_map(|record| <[String; 3]>::try_from(record).ok())
        .map(|[id, zone, cidr]| Subnet { id, zone, cidr })
        .filter(|subnet| names.contains(&subnet.id))
        .collect())
}

/// Makes the instance profile that EKS makes for a node group.
///
/// # Errors
/// When the role does not exist, or the emulator fails.
pub async fn create_profile(cloud: &Cloud, profile: &str, role_arn: &str) -> Result<(), CloudError> {
    let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
    let name = ("InstanceProfileName".to_owned(), profile.to_owned());
    match cloud.query("iam", IAM, "CreateInstanceProfile", std::slice::from_ref(&name)).await {
        Ok(_) => {}
        Err(error) if error.code() == "EntityAlreadyExists" => return Ok(()),
        Err(error) => return Err(error),
    }
    match cloud.query("iam", IAM, "AddRoleToInstanceProfile", &[name.clone(), ("RoleName".into(), role.into())]).await {
        Ok(_) => Ok(()),
        Err(error) => {
            cloud.query("iam", IAM, "DeleteInstanceProfile", &[name]).await?;
            Err(error)
        }
    }
}

/// Removes a node group's instance profile; it may be gone already.
///
/// # Errors
/// When the emulator fails.
pub async fn delete_profile(cloud: &Cloud, profile: &str, role_arn: &str) -> Result<(), CloudError> {
    let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
    let name = ("InstanceProfileName".to_owned(), profile.to_owned());
    for (action, parameters) in [("RemoveRoleFromInstanceProfile", vec![name.clone(), ("RoleName".into(), role.into())]), ("DeleteInstanceProfile", vec![name])] {
        match cloud.query("iam", IAM, action, &parameters).await {
            Ok(_) => {}
            Err(error) if error.code() == "NoSuchEntity" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Starts `count` instances of a group, spread over its subnets so that the zones stay even.
///
/// # Errors
/// When the emulator refuses one; those started before it are ended again.
pub async fn start(sandbox: &Sandbox, cluster: &str, name: &str, group: &NodeGroupRecord, count: usize) -> Result<Vec<Instance>, CloudError> {
    let cloud = &sandbox.cloud;
    let subnets = subnets(cloud, &group.subnets).await?;
    let mut started: Vec<Instance> = Vec::new();
    for _ in 0..count {
        let used = |zone: &String| group.instances.iter().chain(&started).filter(|instance| instance.zone == *zone).count();
        let Some(subnet) = subnets.iter().min_by_key(|subnet| used(&subnet.zone)) else { break };
        let address = sandbox.addresses.take(&sandbox.book, &subnet.cidr);
        let one = match address {
            Some(address) => start_one(cloud, cluster, name, group, subnet, &address.to_string()).await,
            None => Err(anyhow::anyhow!("the subnet {} has no free address", subnet.id).into()),
        };
        match one {
            Ok(instance) => started.push(instance),
            Err(error) => {
                end(cloud, &started).await?;
                return Err(error);
            }
        }
    }
    Ok(started)
}

async fn start_one(cloud: &Cloud, cluster: &str, name: &str, group: &NodeGroupRecord, subnet: &Subnet, address: &str) -> Result<Instance, CloudError> {
    let instance_type = group.instance_types.first().map_or("t3.medium", String::as_str);
    let mut parameters: Vec<(String, String)> = [
        ("ImageId", IMAGE),
        ("InstanceType", instance_type),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("SubnetId", &subnet.id),
        ("PrivateIpAddress", address),
        ("Placement.AvailabilityZone", &subnet.zone),
        ("IamInstanceProfile.Name", &group.instance_profile),
        ("TagSpecification.1.ResourceType", "instance"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let owned = format!("kubernetes.io/cluster/{cluster}");
    let tags = [("Name", name), ("eks:cluster-name", cluster), ("eks:nodegroup-name", name), (owned.as_str(), "owned")];
    for (index, (key, value)) in tags.iter().enumerate() {
        let tag = format!("TagSpecification.1.Tag.{}", index + 1);
        parameters.push((format!("{tag}.Key"), (*key).to_owned()));
        parameters.push((format!("{tag}.Value"), (*value).to_owned()));
    }
    let answer = cloud.query("ec2", EC2, "RunInstances", &parameters).await?;
    let capacity = capacity(instance_type).ok_or_else(|| anyhow::anyhow!("the instance type {instance_type} is unknown"))?;
    let field = |tag: &str| xml::first(&answer, tag).ok_or_else(|| anyhow::anyhow!("RunInstances said no {tag}"));
    Ok(Instance {
        instance_id: field("instanceId")?,
        private_dns_name: field("privateDnsName")?,
        private_ip: field("privateIpAddress")?,
        zone: subnet.zone.clone(),
        instance_type: instance_type.to_owned(),
        vcpus: capacity.vcpus,
        memory_mib: capacity.memory_mib,
        gpus: capacity.gpus,
    })
}

/// Ends instances.
///
/// # Errors
/// When the emulator fails.
pub async fn end(cloud: &Cloud, instances: &[Instance]) -> Result<(), CloudError> {
    if instances.is_empty() {
        return Ok(());
    }
    let ids: Vec<(String, String)> = instances.iter().enumerate().map(|(index, instance)| (format!("InstanceId.{}", index + 1), instance.instance_id.clone())).collect();
    match cloud.query("ec2", EC2, "TerminateInstances", &ids).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == "InvalidInstanceID.NotFound" => Ok(()),
        Err(error) => Err(error),
    }
}

/// The instance with this id and its group, among all node groups.
pub fn find(sandbox: &Sandbox, id: &str) -> Option<(Instance, NodeGroupRecord)> {
    sandbox.book.read(|entries| {
        let groups = entries.clusters.values().flat_map(|record| record.node_groups.values());
        groups
            .filter_map(|group| {
                let instance = group.instances.iter().find(|instance| instance.instance_id == id)?;
                Some((instance.clone(), group.clone()))
            })
            .next()
    })
}

/// What the metadata service says about an instance.
///
/// # Errors
/// `not found` for an id that is no node's.
pub fn describe(sandbox: &Sandbox, id: &str) -> Result<Value, AwsError> {
    let (instance, group) = find(sandbox, id).ok_or_else(|| unknown(id))?;
    let mut description = json!(instance);
    description["state"] = "running".into();
    description["roleArn"] = group.role_arn.into();
    Ok(description)
}

/// Credentials of an instance's role, in a session named by the instance, as the metadata service gives them.
///
/// # Errors
/// `not found` for an id that is no node's; otherwise what keeps the role from being assumed.
pub async fn credentials(sandbox: &Sandbox, id: &str) -> Result<Value, AwsError> {
    let (_, group) = find(sandbox, id).ok_or_else(|| unknown(id))?;
    let role = group.role_arn.rsplit('/').next().unwrap_or_default();
    let answer = sandbox.cloud.query("iam", IAM, "GetRole", &[("RoleName".into(), role.into())]).await.map_err(super::failed)?;
    let trust = xml::first(&answer, "AssumeRolePolicyDocument").unwrap_or_default();
    if !trusts_ec2(&percent_encoding::percent_decode_str(&trust).decode_utf8_lossy()) {
        return Err(AwsError::denied("eks", format!("EC2 cannot assume the role {}: its trust policy does not allow ec2.amazonaws.com", group.role_arn)));
    }
    let path = format!("/_fakecloud/ec2/imds/{id}/latest/meta-data/iam/security-credentials/{role}");
    let given = sandbox.cloud.rest("ec2", &sandbox.cloud.region, http::Method::GET, &path, None).await.map_err(super::failed)?;
    let Some(key) = given["AccessKeyId"].as_str() else {
        return Err(AwsError::internal("the emulator gave no credentials to the instance"));
    };
    // The emulator calls every instance's session the same; EC2 calls it by the instance.
    let principal = Principal {
        arn: format!("arn:aws:sts::{}:assumed-role/{role}/{id}", sandbox.cloud.account),
        identity_arn: group.role_arn.clone(),
        user_id: format!("{}:{id}", xml::first(&answer, "RoleId").unwrap_or_default()),
        account: sandbox.cloud.account.clone(),
        session_policies: Vec::new(),
        secret: given["SecretAccessKey"].as_str().map(str::to_owned),
        expires: given["Expiration"].as_str().and_then(|at| time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).ok()),
    };
    sandbox.book.change(|entries| entries.principals.insert(key.to_owned(), principal));
    Ok(json!({
        "AccessKeyId": key,
        "SecretAccessKey": given["SecretAccessKey"],
        "Token": given["Token"],
        "Expiration": given["Expiration"],
        "RoleArn": group.role_arn,
    }))
}

fn trusts_ec2(trust: &str) -> bool {
    let Ok(trust) = serde_json::from_str::<Value>(trust) else { return false };
    let statements = match &trust["Statement"] {
        Value::Array(statements) => statements.clone(),
        statement => vec![statement.clone()],
    };
    statements.iter().any(|statement| {
        let services = match &statement["Principal"]["Service"] {
            Value::Array(services) => services.clone(),
            service => vec![service.clone()],
        };
        statement["Effect"] == "Allow" && services.iter().any(|service| service == "ec2.amazonaws.com")
    })
}

fn unknown(id: &str) -> AwsError {
    AwsError::not_found(format!("{id} is not an instance of a node group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_policy_has_to_name_ec2() {
        let trust = |service: &str| format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":{service}}},"Action":"sts:AssumeRole"}}]}}"#);
        assert!(trusts_ec2(&trust(r#""ec2.amazonaws.com""#)));
        assert!(trusts_ec2(&trust(r#"["eks.amazonaws.com","ec2.amazonaws.com"]"#)));
        assert!(!trusts_ec2(&trust(r#""eks.amazonaws.com""#)));
        assert!(!trusts_ec2("nonsense"));
    }
}
