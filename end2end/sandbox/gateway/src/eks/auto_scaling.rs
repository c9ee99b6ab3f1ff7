//! The Auto Scaling groups behind node groups: the emulator has them, without instances.

use crate::clusters::NodeGroupRecord;
use crate::planes_api::Instance;
use crate::sandbox::Sandbox;

/// Puts the instances into the description of node groups' Auto Scaling groups; none when there is nothing to add.
pub fn complete(sandbox: &Sandbox, answer: &str) -> Option<String> {
    let groups: Vec<NodeGroupRecord> = sandbox.book.read(|entries| entries.clusters.values().flat_map(|record| record.node_groups.values().cloned()).collect());
    let mut completed = answer.to_owned();
    for group in groups.iter().filter(|group| !group.instances.is_empty()) {
        let name = format!("<AutoScalingGroupName>{}</AutoScalingGroupName>", group.auto_scaling_group);
        let Some(start) = completed.find(&name) else { continue };
        const EMPTY: &str = "<Instances></Instances>";
        let Some(place) = completed[start..].find(EMPTY) else { continue };
        let members: String = group.instances.iter().map(member).collect();
        completed.replace_range(start + place..start + place + EMPTY.len(), &format!("<Instances>{members}</Instances>"));
    }
    (completed != answer).then_some(completed)
}

fn member(instance: &Instance) -> String {
    format!(
        "<member><InstanceId>{}</InstanceId><InstanceType>{}</InstanceType><AvailabilityZone>{}</AvailabilityZone>\
         <LifecycleState>InService</LifecycleState><HealthStatus>Healthy</HealthStatus><ProtectedFromScaleIn>false</ProtectedFromScaleIn></member>",
        instance.instance_id, instance.instance_type, instance.zone
    )
}
