//! What an instance type has: CPUs, memory and GPUs, as EC2 lists them. The emulator knows none.

/// The capacity of an instance type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPUs.
    pub gpus: u32,
}

/// Types that do not follow their family's ratio: name, vCPUs, memory in GiB, GPUs.
const SPECIAL: &[(&str, u32, u64, u32)] = &[
    ("t3.micro", 2, 1, 0),
    ("t3.small", 2, 2, 0),
    ("t3.medium", 2, 4, 0),
    ("t3.large", 2, 8, 0),
    ("g4dn.xlarge", 4, 16, 1),
    ("g4dn.2xlarge", 8, 32, 1),
    ("g4dn.4xlarge", 16, 64, 1),
    ("g4dn.12xlarge", 48, 192, 4),
    ("g5.xlarge", 4, 16, 1),
    ("g5.2xlarge", 8, 32, 1),
    ("g5.4xlarge", 16, 64, 1),
    ("g5.12xlarge", 48, 192, 4),
    ("g5.48xlarge", 192, 768, 8),
    ("g6.xlarge", 4, 16, 1),
    ("g6.2xlarge", 8, 32, 1),
    ("g6.12xlarge", 48, 192, 4),
    ("p3.2xlarge", 8, 61, 1),
    ("p3.8xlarge", 32, 244, 4),
    ("p4d.24xlarge", 96, 1152, 8),
    ("p5.48xlarge", 192, 2048, 8),
];

/// Families with so many GiB of memory for each vCPU.
const FAMILIES: &[(&str, u64)] = &[("m5", 4), ("m6i", 4), ("m7i", 4), ("c5", 2), ("c6i", 2), ("c7i", 2), ("r5", 8), ("r6i", 8), ("r7i", 8)];

const SIZES: &[(&str, u32)] = &[("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32), ("12xlarge", 48), ("16xlarge", 64), ("24xlarge", 96)];

/// The capacity of `instance_type`; none when the sandbox does not know it.
pub fn capacity(instance_type: &str) -> Option<Capacity> {
    let gib = 1024;
    if let Some((_, vcpus, memory, gpus)) = SPECIAL.iter().find(|(name, ..)| *name == instance_type) {
        return Some(Capacity { vcpus: *vcpus, memory_mib: memory * gib, gpus: *gpus });
    }
    let (family, size) = instance_type.split_once('.')?;
    let (_, ratio) = FAMILIES.iter().find(|(name, _)| *name == family)?;
    let (_, vcpus) = SIZES.iter().find(|(name, _)| *name == size)?;
    Some(Capacity { vcpus: *vcpus, memory_mib: u64::from(*vcpus) * ratio * gib, gpus: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_ec2s() {
        assert_eq!(capacity("m5.large"), Some(Capacity { vcpus: 2, memory_mib: 8192, gpus: 0 }));
        assert_eq!(capacity("r6i.2xlarge"), Some(Capacity { vcpus: 8, memory_mib: 65536, gpus: 0 }));
        assert_eq!(capacity("g5.12xlarge"), Some(Capacity { vcpus: 48, memory_mib: 196_608, gpus: 4 }));
        assert_eq!(capacity("m5.gigantic"), None);
        assert_eq!(capacity("x99"), None);
    }
}
