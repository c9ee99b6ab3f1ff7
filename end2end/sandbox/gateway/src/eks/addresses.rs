//! Private addresses of instances: the emulator gives the same one again and again, a network each only once.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use crate::book::Book;

/// AWS keeps the first four addresses of a subnet; a few more are left for load balancers and the like.
const FIRST: u32 = 10;

/// Addresses that were given out in this run, even if their instance is not in the book yet.
#[derive(Default)]
pub struct Addresses(Mutex<BTreeSet<Ipv4Addr>>);

impl Addresses {
    /// Takes a free address of a subnet; none when it is full or not a network.
    pub fn take(&self, book: &Book, cidr: &str) -> Option<Ipv4Addr> {
        let (first, last) = range(cidr)?;
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use: BTreeSet<Ipv4Addr> = book.read(|entries| {
            let groups = entries.clusters.values().flat_map(|record| record.node_groups.values());
            groups.flat_map(|group| &group.instances).filter_map(|instance| instance.private_ip.parse().ok()).collect()
        });
        let free = (first..last).map(Ipv4Addr::from_bits).find(|address| !taken.contains(address) && !in_use.contains(address))?;
        taken.insert(free);
        Some(free)
    }
}

/// The first and the last address (the broadcast one) that instances may not go beyond.
fn range(cidr: &str) -> Option<(u32, u32)> {
    let (network, length) = cidr.split_once('/')?;
    let network: Ipv4Addr = network.parse().ok()?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 28)?;
    let size = 1_u32.checked_shl(32 - length)?;
    let base = network.to_bits() & !(size - 1);
    Some((base + FIRST, base + (size - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_once_until_none_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let addresses = Addresses::default();
        let given: Vec<String> = std::iter::from_fn(|| addresses.take(&book, "10.0.0.16/28")).map(|address| address.to_string()).collect();
        assert_eq!(given, ["10.0.0.26", "10.0.0.27", "10.0.0.28", "10.0.0.29", "10.0.0.30"]);
        assert_eq!(addresses.take(&book, "10.0.1.0/24"), Some(Ipv4Addr::new(10, 0, 1, 10)));
        assert_eq!(addresses.take(&book, "nonsense"), None);
    }
}
