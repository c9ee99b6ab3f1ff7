//! What a node says about itself, real or simulated, as EKS's nodes do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::spec::{Instance, NodeGroup, Taint};

/// Labels of a node beside those the kubelet makes by itself.
pub(crate) fn of(instance: &Instance, group: &NodeGroup, region: &str) -> BTreeMap<String, String> {
    let mut labels = group.labels.clone();
    for (key, value) in [
        ("topology.kubernetes.io/region", region),
        ("topology.kubernetes.io/zone", &instance.zone),
        ("node.kubernetes.io/instance-type", &instance.instance_type),
        ("eks.amazonaws.com/nodegroup", &group.name),
        ("eks.amazonaws.com/capacityType", "ON_DEMAND"),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}

/// What ties a node to its instance.
pub(crate) fn provider_id(instance: &Instance) -> String {
    format!("aws:///{}/{}", instance.zone, instance.instance_id)
}

pub(crate) fn taints(taints: &[Taint]) -> Value {
    taints.iter().map(|taint| json!({ "key": taint.key, "value": taint.value, "effect": taint.effect })).collect()
}

/// What an instance can hold, and what EKS's images leave of it for pods.
pub(crate) struct Size {
    pub(crate) pods: u32,
    pub(crate) capacity: Value,
    pub(crate) allocatable: Value,
}

impl Size {
    pub(crate) fn of(instance: &Instance) -> Self {
        // The true number depends on the type's network interfaces; these are those of most types of the size.
        let pods: u32 = match instance.vcpus {
            0..=2 => 29,
            3..=8 => 58,
            _ => 110,
        };
        // EKS reserves 255 MiB and 11 MiB for each pod, and evicts below 100 MiB.
        let memory = instance.memory_mib.saturating_sub(255 + 11 * u64::from(pods) + 100);
        let cpu = u64::from(instance.vcpus) * 1000 - reserved_millicpu(instance.vcpus);
        let quantities = |cpu: String, memory: u64| {
            let mut all = json!({ "cpu": cpu, "memory": format!("{memory}Mi"), "pods": pods.to_string(), "ephemeral-storage": "80Gi", "hugepages-1Gi": "0", "hugepages-2Mi": "0" });
            if instance.gpus > 0 {
                all["nvidia.com/gpu"] = json!(instance.gpus.to_string());
            }
            all
        };
        Self { pods, capacity: quantities(instance.vcpus.to_string(), instance.memory_mib), allocatable: quantities(format!("{cpu}m"), memory) }
    }
}

/// 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest.
fn reserved_millicpu(vcpus: u32) -> u64 {
    (0..vcpus)
        .map(|core| match core {
            0 => 6_000,
            1 => 1_000,
            2 | 3 => 500,
            _ => 250,
        })
        .sum::<u64>()
        / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_of_an_instance_what_eks_leaves() {
        let instance = Instance {
            instance_id: "i-0123456789abcdef0".into(),
            private_dns_name: "ip-10-0-0-5.ec2.internal".into(),
            private_ip: "10.0.0.5".into(),
            zone: "us-east-1a".into(),
            instance_type: "m5.large".into(),
            vcpus: 2,
            memory_mib: 8192,
            gpus: 0,
        };
        let size = Size::of(&instance);
        assert_eq!(size.pods, 29);
        assert_eq!(size.allocatable["cpu"], "1930m");
        assert_eq!(size.allocatable["memory"], "7518Mi");
        assert!(size.capacity.get("nvidia.com/gpu").is_none());
        assert_eq!(Size::of(&Instance { gpus: 4, vcpus: 48, ..instance }).capacity["nvidia.com/gpu"], "4");
    }
}
