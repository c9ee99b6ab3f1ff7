//! The card beside a model: what it is called and what its numbers mean.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::tensor::{Named, WireTensor};

/// `model.json`. Names of tensors refer to those in the ONNX file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The model's name in URLs.
    pub name: String,
    /// The version, a word of its author's choosing.
    pub version: String,
    /// The ONNX file, relative to the card.
    pub file: String,
    /// Shown as it is in the model's metadata.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Shown as they are in the metadata of the input with that name.
    #[serde(default)]
    pub inputs: BTreeMap<String, Map<String, Value>>,
    /// Shown as they are in the metadata of the output with that name.
    #[serde(default)]
    pub outputs: BTreeMap<String, Map<String, Value>>,
    /// A question whose answer is known; the model is ready only once it gives that answer.
    pub self_test: Option<SelfTest>,
}

/// A request and the outputs it must lead to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    /// What is asked.
    pub inputs: Vec<Named<WireTensor>>,
    /// What must be answered; outputs that are not listed may be anything.
    pub outputs: Vec<Named<WireTensor>>,
}

impl Card {
    /// Reads the card in `folder`.
    ///
    /// # Errors
    /// Names the file, and the place in it when it cannot be understood.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("model.json");
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot understand {}", path.display()))
    }
}
