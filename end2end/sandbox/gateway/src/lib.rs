//! The AWS side of the sandbox.
//!
//! A gateway in front of an AWS emulator. Signed requests pass it unchanged; answers are completed with what an emulator
//! cannot know; EKS clusters get a real control plane, and EKS and ECR calls are refused where IAM would refuse them.

pub mod answer;
pub mod authorize;
pub mod book;
pub mod call;
pub mod client;
pub mod cloud;
pub mod clusters;
pub mod config;
pub mod control;
pub mod ecr;
pub mod eks;
pub mod emulator;
pub mod faults;
pub mod http_client;
pub mod instance_types;
pub mod planes_api;
pub mod principals;
pub mod proxy;
pub mod sandbox;
pub mod seed;
pub mod up;
pub mod xml;
