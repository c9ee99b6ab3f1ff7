//! Serves one ONNX model over the Open Inference Protocol v2.
//!
//! The image holds the model and a card that describes it (`model.json`); the
//! environment holds the few settings that differ between images.

pub mod card;
pub mod load;
pub mod metrics;
pub mod model;
pub mod routes;
pub mod settings;
pub mod state;
pub mod tensor;
