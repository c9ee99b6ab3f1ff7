//! An ONNX model, ready to answer.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use tract_onnx::{prelude::*, tract_hir::infer::Factoid};

use crate::{
    card::{Card, SelfTest},
    tensor::{Datatype, Named, TensorFacts, WireTensor},
};

/// A loaded model. Running it needs no lock.
pub struct Model {
    card: Card,
    inputs: Vec<Named<TensorFacts>>,
    outputs: Vec<Named<TensorFacts>>,
    plan: TypedRunnableModel<TypedModel>,
}

/// Why a request was not answered.
#[derive(Debug)]
pub enum InferError {
    /// The request is wrong; the text says where and how.
    Asked(String),
    /// The model failed.
    Failed(anyhow::Error),
}

impl Model {
    /// Loads the model that `card`, read from `folder`, describes.
    ///
    /// # Errors
    /// When the file is missing, is no ONNX model, uses operators or datatypes
    /// that cannot be served, or lacks a tensor that the card names.
    pub fn load(folder: &Path, card: Card) -> Result<Self> {
        let path = folder.join(&card.file);
        let file = std::fs::read(&path).with_context(|| format!("cannot read the model {}", path.display()))?;
        let mut graph = tract_onnx::onnx().model_for_read(&mut file.as_slice()).with_context(|| format!("{} is not an ONNX model", path.display()))?;
        let input_names = open_first_dimension(&mut graph)?;
        let output_names: Vec<String> = graph.output_outlets()?.iter().map(|&outlet| graph.outlet_label(outlet).unwrap_or(&graph.node(outlet.node).name).to_owned()).collect();
        let typed = graph.into_optimized().context("the model uses something this server cannot run")?;
        let inputs = describe(&typed, input_names, &card.inputs, |model, at| model.input_fact(at))?;
        let outputs = describe(&typed, output_names, &card.outputs, |model, at| model.output_fact(at))?;
        let plan = typed.into_runnable()?;
        Ok(Self { card, inputs, outputs, plan })
    }

    /// The card the model was loaded with.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// What the model takes.
    #[must_use]
    pub fn inputs(&self) -> &[Named<TensorFacts>] {
        &self.inputs
    }

    /// What the model gives.
    #[must_use]
    pub fn outputs(&self) -> &[Named<TensorFacts>] {
        &self.outputs
    }

    /// Runs the model on `given`, which must hold each input once, in any order.
    ///
    /// # Errors
    /// [`InferError::Asked`] names the input that is missing, unknown, given
    /// twice, or of the wrong datatype, shape or values.
    pub fn infer(&self, given: &[Named<WireTensor>]) -> Result<Vec<Named<WireTensor>>, InferError> {
        for tensor in given {
            if !self.inputs.iter().any(|input| input.name == tensor.name) {
                let known: Vec<_> = self.inputs.iter().map(|input| input.name.as_str()).collect();
                return Err(InferError::Asked(format!("there is no input {:?}: this model takes {}", tensor.name, known.join(", "))));
            }
        }
        let mut values = TVec::new();
        for input in &self.inputs {
            let mut named = given.iter().filter(|tensor| tensor.name == input.name);
            let tensor = named.next().ok_or_else(|| InferError::Asked(format!("input {:?} is missing", input.name)))?;
            if named.next().is_some() {
                return Err(InferError::Asked(format!("input {:?} is given twice", input.name)));
            }
            let value = tensor.value.to_tract(&input.value).map_err(|how| InferError::Asked(format!("input {:?} {how}", input.name)))?;
            values.push(value.into());
        }
        let answers = self.plan.run(values).map_err(InferError::Failed)?;
        self.outputs
            .iter()
            .zip(answers)
            .map(|(output, answer)| {
                let value = WireTensor::from_tract(&answer).map_err(InferError::Failed)?;
                Ok(Named { name: output.name.clone(), value })
            })
            .collect()
    }

    /// Asks the card's question and compares the answer, to within 0.01 %.
    ///
    /// # Errors
    /// Says which output differs and how.
    pub fn self_test(&self) -> Result<()> {
        let Some(SelfTest { inputs, outputs }) = &self.card.self_test else {
            return Ok(());
        };
        let answers = match self.infer(inputs) {
            Ok(answers) => answers,
            Err(InferError::Asked(how)) => bail!("the self-test cannot be asked: {how}"),
            Err(InferError::Failed(error)) => return Err(error.context("the self-test failed")),
        };
        for expected in outputs {
            let answer = answers.iter().find(|answer| answer.name == expected.name).with_context(|| format!("the self-test expects an output {:?}", expected.name))?;
            ensure!(close(&answer.value.data, &expected.value.data), "the self-test got {} for {:?}, expected {}", answer.value.data, expected.name, expected.value.data);
        }
        Ok(())
    }
}

/// Makes an unknown leading dimension a symbol, so that any number of rows is taken. Returns the inputs' names.
fn open_first_dimension(graph: &mut InferenceModel) -> Result<Vec<String>> {
    let outlets = graph.input_outlets()?.to_vec();
    let mut names = Vec::with_capacity(outlets.len());
    for (at, outlet) in outlets.into_iter().enumerate() {
        names.push(graph.node(outlet.node).name.clone());
        let mut fact = graph.input_fact(at)?.clone();
        let open = fact.shape.dims().next().is_some_and(|first| first.concretize().is_none());
        if open {
            let rows = graph.symbols.new_with_prefix("rows");
            fact.shape.set_dim(0, rows.into());
            graph.set_input_fact(at, fact)?;
        }
    }
    Ok(names)
}

/// Puts together what the model and its card say about its inputs or outputs.
fn describe<'m>(
    model: &'m TypedModel,
    names: Vec<String>,
    said: &BTreeMap<String, Map<String, Value>>,
    fact: impl Fn(&'m TypedModel, usize) -> TractResult<&'m TypedFact>,
) -> Result<Vec<Named<TensorFacts>>> {
    if let Some(unknown) = said.keys().find(|name| !names.contains(name)) {
        bail!("the card describes {unknown:?}, but the model has only {names:?}");
    }
    names
        .into_iter()
        .enumerate()
        .map(|(at, name)| {
            let fact = fact(model, at)?;
            let datatype = Datatype::of(fact.datum_type).with_context(|| format!("{name:?} is of {:?}, which cannot be served", fact.datum_type))?;
            let shape = fact.shape.iter().map(|dim| dim.to_i64().unwrap_or(-1)).collect();
            let parameters = said.get(&name).cloned().unwrap_or_default();
            Ok(Named { name, value: TensorFacts { datatype, shape, parameters } })
        })
        .collect()
}

fn close(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        (Value::Array(got), Value::Array(expected)) => got.len() == expected.len() && got.iter().zip(expected).all(|(got, expected)| close(got, expected)),
        _ => match (got.as_f64(), expected.as_f64()) {
            (Some(got), Some(expected)) => (got - expected).abs() <= 1e-4 * expected.abs().max(1.0),
            _ => false,
        },
    }
}
