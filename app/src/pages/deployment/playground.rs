//! What a model asks for, as a form; what was typed, as its request; its answer, as people read it.

use domain::{
    Rejected,
    error::Checks,
    serving::{ModelMetadata, Protocol, TensorMetadata},
};
use serde_json::{Value, json};

use crate::form::Typed;

/// More fields than this are a textarea instead.
const MOST_FIELDS: usize = 40;

/// The form that a model gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// One field per feature.
    Features(Vec<Feature>),
    /// The whole request as JSON, beginning with this.
    Json(String),
}

/// One number or text that the model wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// The form field's name.
    pub field: String,
    pub label: String,
    /// What it is measured in, and between which bounds the model knows it.
    pub hint: String,
    /// Between which numbers the model knows it.
    pub bounds: Option<(f64, f64)>,
    pub default: String,
    /// `any`, or the distance between values.
    pub step: String,
    pub numeric: bool,
}

/// The form for what the model says about itself.
#[must_use]
pub fn form(protocol: Protocol, metadata: Option<&ModelMetadata>) -> Form {
    let Some(metadata) = metadata.filter(|_| protocol == Protocol::OpenInferenceV2) else {
        let empty = if protocol == Protocol::OpenInferenceV2 { "{\n  \"inputs\": []\n}" } else { "{}" };
        return Form::Json(empty.into());
    };
    let features: Option<Vec<Vec<Feature>>> = metadata.inputs.iter().enumerate().map(|(at, input)| of_input(at, input)).collect();
    match features.map(|features| features.concat()) {
        Some(features) if !features.is_empty() && features.len() <= MOST_FIELDS => Form::Features(features),
        _ => Form::Json(example(metadata)),
    }
}

/// The features of an input, if it is a row of a known length.
fn of_input(at: usize, input: &TensorMetadata) -> Option<Vec<Feature>> {
    let count = length(input).filter(|count| *count <= MOST_FIELDS)?;
    let numeric = is_numeric(&input.datatype);
    if !numeric && input.datatype != "BYTES" {
        return None;
    }
    let described = input.parameters.get("features").and_then(Value::as_array).filter(|features| features.len() == count);
    let one = |n: usize| {
        let about = described.and_then(|features| features.get(n));
        let text = |key: &str| about.and_then(|about| about.get(key)).map(plain);
        let label = text("name").unwrap_or_else(|| if count == 1 { input.name.clone() } else { format!("{} {}", input.name, n + 1) });
        let bounds = match (text("minimum"), text("maximum")) {
            (Some(low), Some(high)) => Some(format!("{low} to {high}")),
            _ => None,
        };
        let number = |key: &str| about.and_then(|about| about.get(key)).and_then(Value::as_f64);
        let whole = input.datatype.contains("INT");
        Feature {
            field: format!("input.{at}.{n}"),
            label,
            hint: text("unit").into_iter().chain(bounds).collect::<Vec<_>>().join(", "),
            bounds: number("minimum").zip(number("maximum")),
            default: text("default").unwrap_or_default(),
            step: if whole { "1".into() } else { "any".into() },
            numeric,
        }
    };
    Some((0..count).map(one).collect())
}

/// How many values one row of it has, when all but the number of rows is fixed.
fn length(input: &TensorMetadata) -> Option<usize> {
    let row = input.shape.iter().skip(1).try_fold(1_i64, |all, size| (*size > 0).then(|| all.saturating_mul(*size)))?;
    match input.shape.first() {
        None | Some(-1 | 1) => usize::try_from(row).ok(),
        Some(_) => None,
    }
}

/// What of the typed is outside of what the model knows, a sentence each. It answers all the same.
#[must_use]
pub fn unfamiliar(features: &[Feature], typed: &Typed) -> Vec<String> {
    let outside = |feature: &Feature| {
        let (low, high) = feature.bounds?;
        let text = typed.text(&feature.field).trim();
        let number: f64 = text.parse().ok()?;
        (!(low..=high).contains(&number)).then(|| format!("{} is {text}, and the model knows it from {low} to {high}.", feature.label))
    };
    features.iter().filter_map(outside).collect()
}

fn is_numeric(datatype: &str) -> bool {
    datatype.starts_with("FP") || datatype.starts_with("INT") || datatype.starts_with("UINT")
}

fn one_row(input: &TensorMetadata) -> Vec<i64> {
    input.shape.iter().map(|size| if *size < 0 { 1 } else { *size }).collect()
}

fn example(metadata: &ModelMetadata) -> String {
    let inputs: Vec<Value> = metadata.inputs.iter().map(|input| json!({ "name": input.name, "shape": one_row(input), "datatype": input.datatype, "data": [] })).collect();
    serde_json::to_string_pretty(&json!({ "inputs": inputs })).expect("JSON can be written")
}

/// The request for what was typed.
///
/// # Errors
/// `invalid_input` naming every field that holds something else than the model wants.
pub fn request(protocol: Protocol, metadata: Option<&ModelMetadata>, typed: &Typed) -> Result<Value, Rejected> {
    let (Form::Features(_), Some(metadata)) = (form(protocol, metadata), metadata) else {
        return serde_json::from_str(typed.text("body")).map_err(|error| Rejected::field("body", format!("This is not JSON: {error}.")));
    };
    let mut checks = Checks::new();
    let mut inputs = Vec::new();
    for (at, input) in metadata.inputs.iter().enumerate() {
        let mut data = Vec::new();
        for n in 0..length(input).unwrap_or_default() {
            let field = format!("input.{at}.{n}");
            if let Some(value) = checks.take(&field, value(&input.datatype, typed.text(&field))) {
                data.push(value);
            }
        }
        inputs.push(json!({ "name": input.name, "shape": one_row(input), "datatype": input.datatype, "data": data }));
    }
    checks.finish()?;
    Ok(json!({ "inputs": inputs }))
}

fn value(datatype: &str, text: &str) -> Result<Value, String> {
    let text = text.trim();
    if datatype == "BYTES" {
        return Ok(text.into());
    }
    if datatype.contains("INT") {
        return text.parse::<i64>().map(Value::from).map_err(|_| "Enter a whole number.".into());
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from).ok_or_else(|| "Enter a number.".into())
}

/// One output as people read it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A label, a number, a text.
    One { name: String, value: String },
    /// A share for each label, largest first.
    Shares { name: String, shares: Vec<(String, f64)> },
}

/// The outputs of an answer, when it is one of the Open Inference Protocol.
#[must_use]
pub fn outputs(metadata: Option<&ModelMetadata>, body: &Value) -> Vec<Output> {
    let Some(outputs) = body.get("outputs").and_then(Value::as_array) else { return Vec::new() };
    outputs
        .iter()
        .filter_map(|output| {
            let name = output.get("name")?.as_str()?;
            let data = output.get("data")?.as_array()?;
            let labels: Vec<String> = metadata
                .and_then(|metadata| metadata.outputs.iter().find(|known| known.name == name))
                .and_then(|known| known.parameters.get("labels"))
                .and_then(Value::as_array)
                .map(|labels| labels.iter().map(plain).collect())
                .unwrap_or_default();
            Some(read(name, data, &labels))
        })
        .collect()
}

fn read(name: &str, data: &[Value], labels: &[String]) -> Output {
    let numbers: Option<Vec<f64>> = data.iter().map(Value::as_f64).collect();
    if let Some(numbers) = numbers
        && numbers.len() == labels.len()
        && labels.len() > 1
    {
        let mut shares: Vec<(String, f64)> = labels.iter().cloned().zip(numbers).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        return Output::Shares { name: name.into(), shares };
    }
    let value = match data {
        // A class is given by its place among the labels.
        [one] => one.as_u64().and_then(|at| labels.get(usize::try_from(at).ok()?)).cloned().unwrap_or_else(|| plain(one)),
        many => many.iter().map(plain).collect::<Vec<_>>().join(", "),
    };
    Output::One { name: name.into(), value }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // No model knows more than seven digits of what it says.
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(|| number.to_string(), |number| (number as f32).to_string()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iris() -> ModelMetadata {
        serde_json::from_value(json!({
            "name": "iris",
            "inputs": [{ "name": "features", "datatype": "FP32", "shape": [-1, 2], "parameters": { "features": [
                { "name": "petal length", "unit": "cm", "minimum": 1.0, "maximum": 6.9, "default": 4.35 }, { "name": "petal width" } ] } }],
            "outputs": [{ "name": "label", "datatype": "INT64", "shape": [-1], "parameters": { "labels": ["setosa", "versicolor"] } },
                        { "name": "probabilities", "datatype": "FP32", "shape": [-1, 2], "parameters": { "labels": ["setosa", "versicolor"] } }]
        }))
        .unwrap()
    }

    fn typed(pairs: &[(&str, &str)]) -> Typed {
        Typed::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_row_of_features_is_a_field_each() {
        let Form::Features(features) = form(Protocol::OpenInferenceV2, Some(&iris())) else { panic!("a form of fields") };
        assert_eq!(features[0].label, "petal length");
        assert_eq!((features[0].hint.as_str(), features[0].default.as_str()), ("cm, 1 to 6.9", "4.35"));
        assert_eq!(features[1].field, "input.0.1");
    }

    #[test]
    fn what_has_no_fixed_length_is_json() {
        let mut metadata = iris();
        metadata.inputs[0].shape = vec![-1, -1];
        assert!(matches!(form(Protocol::OpenInferenceV2, Some(&metadata)), Form::Json(text) if text.contains("\"features\"")));
        metadata.inputs[0].shape = vec![-1, 4096];
        assert!(matches!(form(Protocol::OpenInferenceV2, Some(&metadata)), Form::Json(_)));
        assert_eq!(form(Protocol::Http, Some(&iris())), Form::Json("{}".into()));
    }

    #[test]
    fn the_request_is_what_the_protocol_wants() {
        let request = request(Protocol::OpenInferenceV2, Some(&iris()), &typed(&[("input.0.0", "4.7"), ("input.0.1", " 1.2 ")])).unwrap();
        assert_eq!(request, json!({ "inputs": [{ "name": "features", "shape": [1, 2], "datatype": "FP32", "data": [4.7, 1.2] }] }));
    }

    #[test]
    fn what_the_model_has_never_seen_is_said() {
        let Form::Features(features) = form(Protocol::OpenInferenceV2, Some(&iris())) else { panic!("a form of fields") };
        let said = unfamiliar(&features, &typed(&[("input.0.0", "-5"), ("input.0.1", "-5")]));
        assert_eq!(said, ["petal length is -5, and the model knows it from 1 to 6.9."], "nobody said what petal width can be");
        assert!(unfamiliar(&features, &typed(&[("input.0.0", "6.9")])).is_empty());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = request(Protocol::OpenInferenceV2, Some(&iris()), &typed(&[("input.0.0", "wide"), ("input.0.1", "NaN")])).unwrap_err();
        assert_eq!(wrong.errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["input.0.0", "input.0.1"]);
        let wrong = request(Protocol::Http, None, &typed(&[("body", "{")])).unwrap_err();
        assert!(wrong.message_for("body").is_some());
    }

    #[test]
    fn an_answer_reads_like_a_sentence() {
        let body = json!({ "outputs": [{ "name": "label", "data": [1] }, { "name": "probabilities", "data": [0.06, 0.94] }] });
        let read = outputs(Some(&iris()), &body);
        assert_eq!(read[0], Output::One { name: "label".into(), value: "versicolor".into() });
        assert_eq!(read[1], Output::Shares { name: "probabilities".into(), shares: vec![("versicolor".into(), 0.94), ("setosa".into(), 0.06)] });
        assert!(outputs(None, &json!({ "error": "no" })).is_empty());
    }
}
