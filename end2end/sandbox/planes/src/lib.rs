//! The Kubernetes side of the sandbox.
//!
//! Control planes are real: etcd, kube-apiserver, kube-controller-manager and
//! kube-scheduler as processes of this machine. Nodes are real (a kubelet on
//! containerd, one per machine) or simulated (kwok). Whatever happens to the process
//! that uses this, nothing of it keeps running.

mod api;
mod aws_auth;
mod config;
mod egress;
mod etcd;
mod keeper;
mod kubeconfig;
mod labels;
mod leftovers;
mod node;
mod part;
mod pki;
mod plane;
mod planes;
mod relay;
mod simulated;
mod spec;
mod version;
mod wait;
mod webhook;

pub use config::{PlanesConfig, Programs};
pub use planes::{Planes, clean_up};
pub use spec::{Instance, NodeGroup, NodeKind, PlaneFault, PlaneInfo, PlaneSpec, PlaneStatus, Taint};
