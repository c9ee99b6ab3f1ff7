//! What a watch does, for tests of others.

use std::time::Duration;

use domain::ids::ClusterId;
use k8s_openapi::api::core::v1::Service;

use super::{
    batch::Batch,
    rows::{self, PieceRow},
    store::{self, Kept as _, Lease},
};
use crate::{Control, k8s::watch::Seen};

/// A cluster's watches, in whose place a test writes.
pub struct Watch {
    control: Control,
    lease: Lease,
}

impl Watch {
    /// Takes the cluster's lease.
    pub async fn of(control: &Control, cluster: ClusterId) -> Self {
        let epoch = store::acquire(&control.pool, cluster, "fixture", Duration::from_secs(600)).await.unwrap().expect("a free lease");
        Self { control: control.clone(), lease: Lease { cluster, epoch } }
    }

    /// Writes that a Service was deleted, or that a list has none.
    pub async fn miss_service(&self, deleted: Option<&str>) {
        let seen = match deleted {
            Some(name) => {
                let service: Service = serde_json::from_value(serde_json::json!({"metadata": {"name": name, "namespace": "forecasting"}})).unwrap();
                Seen::Deleted(rows::piece(&service).expect("it has a name"))
            }
            None => Seen::All(Vec::new()),
        };
        let batch = Batch::new(seen, PieceRow::key, |row: &PieceRow<Service>| Some(row.clone()));
        assert!(store::write(&self.control.pool, self.lease, &batch).await.unwrap(), "the lease is held");
    }
}
