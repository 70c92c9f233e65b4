//! Weights by name, to and from safetensors. Names follow the structure: `encoder.0.first.weight`,
//! `decoder.0.up.gamma`, `head.bias`; convolution weights are [out, in, k, k] as in PyTorch.
//!
//! | name | values |
//! | --- | --- |
//! | `encoder.LEVEL.first`, `.second` | the two blocks of a level; level 0 sees the image |
//! | `decoder.STEP.up`, `.join.first`, `.join.second` | a step up, step 0 the deepest: 2 × 2 block after upsampling, then two blocks over (skipped map, map) |
//! | `keras` | the 3 × 3 block before the head, where `model.head` is `keras` |
//! | `head.weight`, `head.bias` | 1 × 1 convolution to logits |
//! | a block's `weight`, `bias` | convolution, padded "same" (a 2 × 2 kernel after the map), then ReLU |
//! | a block's `gamma`, `beta` | norm after the ReLU, ε = 10⁻⁵ |
//! | a block's `running_mean`, `running_variance` | batch norm; absent with group norm (8 groups, or the most of 4, 2, 1 that divides the channels) |

use std::collections::{BTreeMap, HashMap};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    prelude::*,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// Values with the extent of each axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extent of each axis.
    pub shape: Vec<usize>,
    /// Values, last axis fastest.
    pub values: Vec<f32>,
}

/// Where a file's metadata say what it is.
const ABOUT: &str = "sweepscope";

/// Arrays by name.
pub type Arrays = BTreeMap<String, Array>;

/// Why weights could not be read or do not fit.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// A value of another type than 32-bit float.
    #[error("`{name}` holds {dtype:?} values; 32-bit floats are needed")]
    Type {
        /// Which array.
        name: String,
        /// What it holds.
        dtype: Dtype,
    },
    /// Arrays that are missing or have another shape than the network's.
    #[error("the weights do not fit the network: {}", .0.join("; "))]
    Misfit(Vec<String>),
}

/// Every weight and running statistic of a network.
///
/// # Errors
/// Never on backends that hold 32-bit floats.
pub fn collect<B: Backend>(module: &impl Module<B>) -> Result<Arrays, WeightsError> {
    let mut collector = Collector { path: Vec::new(), arrays: Arrays::new() };
    module.visit(&mut collector);
    Ok(collector.arrays)
}

/// The same network with the values of `arrays`.
///
/// # Errors
/// If an array is missing or has another shape; all of them are named.
pub fn load<B: Backend, M: Module<B>>(module: M, arrays: &Arrays) -> Result<M, WeightsError> {
    let mut loader = Loader { path: Vec::new(), arrays, problems: Vec::new() };
    let module = module.map(&mut loader);
    if loader.problems.is_empty() { Ok(module) } else { Err(WeightsError::Misfit(loader.problems)) }
}

/// A tensor's values as 32-bit floats, last axis fastest.
pub fn floats<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    let data = x.into_data().convert::<f32>();
    // Burn's own iterator takes a virtual call a value.
    data.to_vec().unwrap_or_else(|_| data.iter().collect())
}

/// A safetensors file.
///
/// # Errors
/// If an array's values and shape disagree.
pub fn to_bytes(arrays: &Arrays) -> Result<Vec<u8>, WeightsError> {
    write(arrays, None)
}

/// A safetensors file that says `about` under the name `sweepscope` in its metadata.
///
/// # Errors
/// If an array's values and shape disagree.
pub fn to_bytes_about(arrays: &Arrays, about: String) -> Result<Vec<u8>, WeightsError> {
    write(arrays, Some(HashMap::from([(ABOUT.to_owned(), about)])))
}

fn write(arrays: &Arrays, metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>, WeightsError> {
    let bytes: Vec<(&String, &Array, Vec<u8>)> = arrays
        .iter()
        .map(|(name, array)| (name, array, array.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views: Vec<(&String, TensorView<'_>)> = bytes
        .iter()
        .map(|(name, array, bytes)| Ok((*name, TensorView::new(Dtype::F32, array.shape.clone(), bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()?;
    Ok(safetensors::serialize(views, metadata)?)
}

/// The arrays of a safetensors file. PyTorch's whole-number counters of batches are left out.
///
/// # Errors
/// If it is none, or holds anything but 32-bit floats.
pub fn from_bytes(bytes: &[u8]) -> Result<Arrays, WeightsError> {
    let file = SafeTensors::deserialize(bytes)?;
    let counter = |name: &str| name.ends_with(".num_batches_tracked");
    file.iter()
        .filter(|(name, _)| !counter(name))
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(WeightsError::Type { name: name.to_owned(), dtype: view.dtype() });
            }
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok((name.to_owned(), Array { shape: view.shape().to_vec(), values }))
        })
        .collect()
}

/// What a file says of itself as [`to_bytes_about`] writes it; `None` where it says nothing.
pub fn about(bytes: &[u8]) -> Option<String> {
    let (_, file) = SafeTensors::read_metadata(bytes).ok()?;
    file.metadata().as_ref()?.get(ABOUT).cloned()
}

/// Where in a module a walk stands: the field names, without the wrappers that are no fields.
fn enter(path: &mut Vec<String>, name: &str) {
    path.push(name.to_owned());
}

struct Collector {
    path: Vec<String>,
    arrays: Arrays,
}

impl<B: Backend> ModuleVisitor<B> for Collector {
    fn enter_module(&mut self, name: &str, _: &str) {
        enter(&mut self.path, name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let array = Array { shape: param.shape().to_vec(), values: floats(param.val()) };
        self.arrays.insert(self.path.join("."), array);
    }
}

struct Loader<'a> {
    path: Vec<String>,
    arrays: &'a Arrays,
    problems: Vec<String>,
}

impl<B: Backend> ModuleMapper<B> for Loader<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        enter(&mut self.path, name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let name = self.path.join(".");
        let shape = param.shape().to_vec();
        match self.arrays.get(&name) {
            Some(array) if array.shape == shape => param.map(|old| {
                let new = Tensor::from_data(TensorData::new(array.values.clone(), shape), &old.device());
                new.set_require_grad(old.is_require_grad())
            }),
            Some(array) => {
                self.problems.push(format!("`{name}` is {:?} in the file and {shape:?} in the network", array.shape));
                param
            }
            None => {
                self.problems.push(format!("`{name}` is missing from the file"));
                param
            }
        }
    }
}
