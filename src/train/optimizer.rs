//! Adam, AdamW and SGD over a network's parameters, keyed by name so that their state is saved like weights.
//! Adam: Kingma & Ba 2015 with epsilon 1e-7 as in Keras; AdamW: Loshchilov & Hutter 2019.

use std::collections::BTreeMap;

use burn::{
    module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param},
    prelude::*,
    tensor::{TensorPrimitive, backend::AutodiffBackend, ops::FloatTensor},
};

use crate::{
    domain::{Optimizer as Rule, TrainConfig},
    model::{
        ConvOps,
        ops::AdamStep,
        weights::{Array, Arrays, floats},
    },
};

const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-7;

/// Gradients by parameter name.
pub type Gradients<B> = BTreeMap<String, FloatTensor<B>>;

/// The update rule and what it remembers of each parameter.
#[derive(Clone)]
pub struct Optimizer<B: Backend> {
    rule: Rule,
    weight_decay: f64,
    momentum: f64,
    clip: f64,
    steps: u64,
    moments: BTreeMap<String, [FloatTensor<B>; 2]>,
}

impl<B: ConvOps> Optimizer<B> {
    /// A fresh optimiser that remembers nothing.
    pub fn new(config: &TrainConfig) -> Self {
        Self {
            rule: config.optimizer,
            weight_decay: config.weight_decay,
            momentum: config.momentum,
            clip: config.gradient_clip,
            steps: 0,
            moments: BTreeMap::new(),
        }
    }

    /// One update of `module` by `gradients`, clipped to the largest norm first.
    pub fn step<A, M>(&mut self, module: M, mut gradients: Gradients<B>, rate: f64) -> M
    where
        A: AutodiffBackend<InnerBackend = B>,
        M: AutodiffModule<A>,
    {
        self.steps += 1;
        if self.clip > 0.0 {
            clip::<B>(&mut gradients, self.clip);
        }
        module.map(&mut Update { optimizer: self, gradients, rate, path: Vec::new() })
    }

    /// What it remembers, as arrays; moments lie flat.
    pub fn state(&self) -> Arrays {
        let mut arrays = Arrays::new();
        // Two 24-bit halves, which 32-bit floats hold exactly.
        let steps = vec![(self.steps >> 24) as f32, (self.steps & 0xff_ffff) as f32];
        arrays.insert("steps".into(), Array { shape: vec![2], values: steps });
        for (name, moments) in &self.moments {
            for (prefix, moment) in ["first", "second"].iter().zip(moments) {
                let values = floats(tensor::<B, 1>(moment.clone()));
                arrays.insert(format!("{prefix}/{name}"), Array { shape: vec![values.len()], values });
            }
        }
        arrays
    }

    /// Goes on from what [`Self::state`] gave; `None` if the arrays are not such a state.
    pub fn with_state(mut self, arrays: &Arrays, device: &B::Device) -> Option<Self> {
        let steps = &arrays.get("steps")?.values;
        self.steps = ((*steps.first()? as u64) << 24) | *steps.get(1)? as u64;
        let moment = |array: &Array| primitive(Tensor::<B, 1>::from_floats(array.values.as_slice(), device));
        for (key, first) in arrays {
            if let Some(name) = key.strip_prefix("first/") {
                let second = arrays.get(&format!("second/{name}"))?;
                self.moments.insert(name.to_owned(), [moment(first), moment(second)]);
            }
        }
        Some(self)
    }

    /// The new value of a flat parameter.
    fn update(&mut self, name: &str, value: Tensor<B, 1>, g: Tensor<B, 1>, rate: f64) -> Tensor<B, 1> {
        let moments = self.moments.remove(name).map(|moments| moments.map(tensor::<B, 1>));
        let [first, second] = moments.unwrap_or_else(|| [g.zeros_like(), g.zeros_like()]);
        let g = if self.rule == Rule::Adamw || self.weight_decay == 0.0 {
            g
        } else {
            g + value.clone() * self.weight_decay
        };
        let (value, moments) = match self.rule {
            Rule::Sgd => {
                let velocity = first * self.momentum + g;
                (value - velocity.clone() * rate, [velocity, second])
            }
            Rule::Adam | Rule::Adamw => {
                let weight_decay = if self.rule == Rule::Adamw { self.weight_decay } else { 0.0 };
                let step = AdamStep { rate, betas: BETAS, epsilon: EPSILON, weight_decay, step: self.steps };
                B::adam(step, value, g, [first, second])
            }
        };
        self.moments.insert(name.to_owned(), moments.map(primitive));
        value
    }
}

/// Takes the gradients of `module`'s parameters out of a backward pass.
pub fn gradients<A: AutodiffBackend, M: Module<A>>(module: &M, mut found: A::Gradients) -> Gradients<A::InnerBackend> {
    let mut collector =
        Collector::<A> { found: &mut found, gradients: Gradients::<A::InnerBackend>::new(), path: Vec::new() };
    module.visit(&mut collector);
    collector.gradients
}

/// The mean over all images of two sets of gradients, each with the images that it is the mean over.
pub fn mean<B: Backend>(
    (mut a, of_a): (Gradients<B>, usize),
    (b, of_b): (Gradients<B>, usize),
) -> (Gradients<B>, usize) {
    let images = of_a + of_b;
    let share = |part: usize| part as f64 / images as f64;
    for (name, b) in b {
        let mean = match a.remove(&name) {
            Some(a) => primitive(tensor::<B, 1>(a) * share(of_a) + tensor(b) * share(of_b)),
            None => b,
        };
        a.insert(name, mean);
    }
    (a, images)
}

/// Scales all gradients so that their common norm is at most `largest`.
fn clip<B: Backend>(gradients: &mut Gradients<B>, largest: f64) {
    let square = |g: &FloatTensor<B>| {
        let g = tensor::<B, 1>(g.clone());
        (g.clone() * g).sum().into_scalar().elem::<f64>()
    };
    let norm = gradients.values().map(square).sum::<f64>().sqrt();
    if norm > largest {
        for gradient in gradients.values_mut() {
            *gradient = primitive(tensor::<B, 1>(gradient.clone()) * (largest / norm));
        }
    }
}

fn tensor<B: Backend, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

fn primitive<B: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

struct Collector<'a, A: AutodiffBackend> {
    found: &'a mut A::Gradients,
    gradients: Gradients<A::InnerBackend>,
    path: Vec<String>,
}

impl<A: AutodiffBackend> ModuleVisitor<A> for Collector<'_, A> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<A, D>>) {
        if let Some(g) = param.val().grad_remove(self.found) {
            let length = g.shape().num_elements();
            self.gradients.insert(self.path.join("."), primitive(g.reshape::<1, _>([length])));
        }
    }
}

struct Update<'a, B: Backend> {
    optimizer: &'a mut Optimizer<B>,
    gradients: Gradients<B>,
    rate: f64,
    path: Vec<String>,
}

impl<B: ConvOps, A: AutodiffBackend<InnerBackend = B>> ModuleMapper<A> for Update<'_, B> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<A, D>>) -> Param<Tensor<A, D>> {
        let name = self.path.join(".");
        let Some(g) = self.gradients.remove(&name) else { return param };
        let (id, value, mapper) = param.consume();
        let value = value.inner();
        let shape = value.shape();
        let flat = value.reshape::<1, _>([shape.num_elements()]);
        let value = self.optimizer.update(&name, flat, tensor(g), self.rate).reshape::<D, _>(shape);
        Param::from_mapped_value(id, Tensor::from_inner(value).require_grad(), mapper)
    }
}
