//! Tensors as they travel (names, shapes and JSON numbers) and as tract runs them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tract_onnx::prelude::{DatumType, Tensor};

/// The datatypes this server takes and gives, by their Open Inference Protocol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Datatype {
    /// 32-bit float.
    FP32,
    /// 64-bit float.
    FP64,
    /// 32-bit signed integer.
    INT32,
    /// 64-bit signed integer.
    INT64,
}

impl Datatype {
    /// The protocol's datatype for tract's; none when this server does not speak it.
    #[must_use]
    pub fn of(datum: DatumType) -> Option<Self> {
        match datum {
            DatumType::F32 => Some(Self::FP32),
            DatumType::F64 => Some(Self::FP64),
            DatumType::I32 => Some(Self::INT32),
            DatumType::I64 => Some(Self::INT64),
            _ => None,
        }
    }

    /// The protocol's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::FP32 => "FP32",
            Self::FP64 => "FP64",
            Self::INT32 => "INT32",
            Self::INT64 => "INT64",
        }
    }
}

/// Something with a name, as the protocol lists inputs and outputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Named<T> {
    /// The tensor's name.
    pub name: String,
    /// What is so called.
    #[serde(flatten)]
    pub value: T,
}

/// A tensor in a request or response. The datatype is a plain word here, so
/// that an unknown one is refused with the input's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WireTensor {
    /// Length of each dimension.
    pub shape: Vec<i64>,
    /// See [`Datatype`].
    pub datatype: String,
    /// Numbers, in rows: flat, or nested as `shape` says.
    pub data: Value,
}

/// What a model's metadata says about one tensor.
#[derive(Clone, Debug, Serialize)]
pub struct TensorFacts {
    /// The datatype that is taken or given.
    pub datatype: Datatype,
    /// Length of each dimension, -1 where any is taken.
    pub shape: Vec<i64>,
    /// What the card says about it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
}

impl WireTensor {
    /// Makes the tensor that `facts` ask for.
    ///
    /// # Errors
    /// Says how the tensor differs from what is asked for; the caller adds its name.
    pub fn to_tract(&self, facts: &TensorFacts) -> Result<Tensor, String> {
        if self.datatype != facts.datatype.word() {
            return Err(format!("has datatype {}, not {}", self.datatype, facts.datatype.word()));
        }
        let fits = self.shape.len() == facts.shape.len() && self.shape.iter().zip(&facts.shape).all(|(&given, &asked)| if asked < 0 { given > 0 } else { given == asked });
        if !fits {
            return Err(format!("has shape {:?}, not {:?}", self.shape, facts.shape));
        }
        let shape: Vec<usize> = self.shape.iter().map(|&length| usize::try_from(length).map_err(|_| format!("has shape {:?}", self.shape))).collect::<Result<_, _>>()?;
        let expected = shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length)).ok_or_else(|| format!("has shape {:?}, which is too large", self.shape))?;
        let values = flatten(&self.data, &shape)?;
        if values.len() != expected {
            return Err(format!("has {} values, but its shape {:?} needs {expected}", values.len(), self.shape));
        }
        let tensor = match facts.datatype {
            Datatype::FP32 => Tensor::from_shape(&shape, &convert(&values, as_f32)?),
            Datatype::FP64 => Tensor::from_shape(&shape, &convert(&values, Value::as_f64)?),
            Datatype::INT32 => Tensor::from_shape(&shape, &convert(&values, as_i32)?),
            Datatype::INT64 => Tensor::from_shape(&shape, &convert(&values, Value::as_i64)?),
        };
        tensor.map_err(|error| format!("cannot be made: {error:#}"))
    }

    /// Writes `tensor` as the protocol does.
    ///
    /// # Errors
    /// When its datatype is not one of [`Datatype`].
    pub fn from_tract(tensor: &Tensor) -> anyhow::Result<Self> {
        let datatype = Datatype::of(tensor.datum_type()).ok_or_else(|| anyhow::anyhow!("{:?} cannot be answered", tensor.datum_type()))?;
        let data = match datatype {
            Datatype::FP32 => Value::from(tensor.as_slice::<f32>()?.to_vec()),
            Datatype::FP64 => Value::from(tensor.as_slice::<f64>()?.to_vec()),
            Datatype::INT32 => Value::from(tensor.as_slice::<i32>()?.to_vec()),
            Datatype::INT64 => Value::from(tensor.as_slice::<i64>()?.to_vec()),
        };
        let shape = tensor.shape().iter().map(|&length| i64::try_from(length)).collect::<Result<_, _>>()?;
        Ok(Self { shape, datatype: datatype.word().to_owned(), data })
    }
}

/// Lists the values of `data` in rows: flat as they are, or nested exactly as `shape` says.
fn flatten<'a>(data: &'a Value, shape: &[usize]) -> Result<Vec<&'a Value>, String> {
    let rows = data.as_array().ok_or("has data that is not a list")?;
    if !rows.iter().any(Value::is_array) {
        return Ok(rows.iter().collect());
    }
    let mut values = Vec::new();
    unnest(data, shape, &mut values)?;
    Ok(values)
}

fn unnest<'a>(data: &'a Value, shape: &[usize], values: &mut Vec<&'a Value>) -> Result<(), String> {
    let Some((&length, rest)) = shape.split_first() else {
        values.push(data);
        return Ok(());
    };
    match data.as_array() {
        Some(rows) if rows.len() == length => rows.iter().try_for_each(|row| unnest(row, rest, values)),
        _ => Err("has lists that are nested differently from its shape".to_owned()),
    }
}

fn convert<T>(values: &[&Value], one: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, String> {
    values.iter().enumerate().map(|(index, value)| one(value).ok_or_else(|| format!("has {value} as value {index}, which does not fit"))).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "a model of 32-bit floats asks for the nearest one")]
fn as_f32(value: &Value) -> Option<f32> {
    let narrowed = value.as_f64()? as f32;
    narrowed.is_finite().then_some(narrowed)
}

fn as_i32(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}
