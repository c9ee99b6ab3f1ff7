//! What a watch said in one go, with only the newest word on each object.

use std::collections::BTreeMap;

use super::store::Kept;
use crate::k8s::watch::Seen;

/// Changes to write together.
pub(super) struct Batch<R> {
    whole: bool,
    /// The row, or that the object is gone (or is not one to keep).
    rows: BTreeMap<String, Option<R>>,
}

impl<R: Kept> Batch<R> {
    /// Begins a batch. `row` makes the row of an object, if it is one to keep, and `key` names it as its row would.
    pub fn new<K>(seen: Seen<K>, key: impl Fn(&K) -> String, row: impl Fn(&K) -> Option<R>) -> Self {
        let mut batch = Self { whole: false, rows: BTreeMap::new() };
        batch.add(seen, key, row);
        batch
    }

    /// Adds what was said after.
    pub fn add<K>(&mut self, seen: Seen<K>, key: impl Fn(&K) -> String, row: impl Fn(&K) -> Option<R>) {
        match seen {
            Seen::All(objects) => {
                self.whole = true;
                self.rows = objects.iter().filter_map(row).map(|row| (row.key(), Some(row))).collect();
            }
            Seen::Applied(object) => {
                self.rows.insert(key(&object), row(&object));
            }
            Seen::Deleted(object) => {
                self.rows.insert(key(&object), None);
            }
            Seen::Quiet => {}
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Nothing changed.
    pub fn is_quiet(&self) -> bool {
        !self.whole && self.rows.is_empty()
    }

    /// The batch holds everything there is.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    pub fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.values().flatten()
    }

    pub fn gone(&self) -> Vec<String> {
        self.rows.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key.clone()).collect()
    }
}
