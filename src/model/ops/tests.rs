//! Our operations and their gradients against stock burn ones.
#![expect(clippy::unwrap_used)]

use burn::{
    backend::{Autodiff, Flex},
    prelude::*,
    tensor::{DType, FloatDType},
};

use super::{BlockOutput, BlockWeights, ConvOps, Source};
use crate::{domain::seed, model::ops::stock};
use rand::RngExt;

type A = Autodiff<Flex>;

/// Values derived from `name`, from −1 to 1.
fn random<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<A, D> {
    let mut generator = seed::generator(5, name, &[]);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| generator.random_range(-1.0..1.0)).collect();
    Tensor::<A, D>::from_data(TensorData::new(values, shape), &Default::default()).require_grad()
}

#[track_caller]
fn close<const D: usize>(what: &str, found: Tensor<Flex, D>, expected: Tensor<Flex, D>) {
    let scale = expected.clone().abs().max().into_scalar().max(1e-3);
    let error = (found - expected).abs().max().into_scalar() / scale;
    assert!(error < 2e-5, "{what}: relative error {error}");
}

/// From [batch, channels, height, width] to our maps; burn's own operation, so that gradients flow back.
fn last(x: &Tensor<A, 4>) -> Tensor<A, 4> {
    x.clone().permute([0, 2, 3, 1])
}

fn first(x: Tensor<A, 4>) -> Tensor<A, 4> {
    x.permute([0, 3, 1, 2])
}

/// Our block, with maps laid out as burn's.
fn own_block(source: Source<A>, weights: BlockWeights<A>) -> BlockOutput<A> {
    let source = match source {
        Source::Map(x) => Source::Map(last(&x)),
        Source::Joined(x, y) => Source::Joined(last(&x), last(&y)),
        Source::Upsampled(x) => Source::Upsampled(last(&x)),
    };
    let output = <A as ConvOps>::block(source, weights);
    BlockOutput { map: first(output.map), ..output }
}

/// A block's map, moments and all gradients. Each call makes its own graph.
fn all_of(
    block: fn(Source<A>, BlockWeights<A>) -> BlockOutput<A>,
    make: fn(Vec<Tensor<A, 4>>) -> Source<A>,
    sources: &[[usize; 4]],
    [outputs, side]: [usize; 2],
) -> Vec<(String, Tensor<Flex, 1>)> {
    let inputs: usize = sources.iter().map(|shape| shape[1]).sum();
    let leaves: Vec<_> =
        (0..).zip(sources).map(|(i, shape): (i32, _)| random(&format!("source {i}"), *shape)).collect();
    let weights = BlockWeights {
        weight: random("weight", [outputs, inputs, side, side]),
        bias: random("bias", [outputs]),
        gamma: random("gamma", [outputs]),
        beta: random("beta", [outputs]),
    };
    let output = block(make(leaves.clone()), weights.clone());
    let mut found = vec![
        ("map".to_owned(), flat(output.map.clone().inner())),
        ("mean".to_owned(), output.mean.inner()),
        ("variance".to_owned(), output.variance.inner()),
    ];
    let pull = random("pull", output.map.dims()).detach();
    let gradients = (output.map * pull).sum().backward();
    found.extend(leaves.iter().map(|x| ("source".to_owned(), flat(x.grad(&gradients).unwrap()))));
    found.push(("weight".to_owned(), flat(weights.weight.grad(&gradients).unwrap())));
    for (name, parameter) in [("bias", weights.bias), ("gamma", weights.gamma), ("beta", weights.beta)] {
        found.push((name.to_owned(), parameter.grad(&gradients).unwrap()));
    }
    found
}

fn flat<const D: usize>(x: Tensor<Flex, D>) -> Tensor<Flex, 1> {
    x.flatten(0, D - 1)
}

#[test]
fn blocks_and_their_gradients_agree_with_stock_operations() {
    type Make = fn(Vec<Tensor<A, 4>>) -> Source<A>;
    let map: Make = |x| Source::Map(x[0].clone());
    let upsampled: Make = |x| Source::Upsampled(x[0].clone());
    let joined: Make = |x| Source::Joined(x[0].clone(), x[1].clone());
    for (batch, inputs, outputs, height, width) in [(1, 1, 3, 6, 10), (2, 5, 8, 8, 4), (3, 17, 4, 2, 6)] {
        let x = [batch, inputs, height, width];
        let skip = [batch, 3, height, width];
        let cases: [(Make, &[[usize; 4]], usize); 3] = [(map, &[x], 3), (upsampled, &[x], 2), (joined, &[x, skip], 3)];
        for (make, sources, side) in cases {
            let own = all_of(own_block, make, sources, [outputs, side]);
            let expected = all_of(stock::block, make, sources, [outputs, side]);
            for ((name, own), (_, expected)) in own.into_iter().zip(expected) {
                close(&format!("{name} of {sources:?}"), own, expected);
            }
        }
    }
}

/// bfloat16 keeps 8 bits: each product is off by 2⁻⁸ at most, and sums of many less; the gradients that pass through
/// the norm are differences and off by some more, most of all the bias's: all but a little of its sum cancels.
#[test]
fn half_precision_rounds_the_convolution_alone_and_gradients_stay_in_32_bits() {
    let block = |x: &[Tensor<A, 4>], half: bool| {
        let [bias, gamma, beta] = [2, 3, 4].map(|i| x[i].clone().reshape([8]));
        let weights = BlockWeights { weight: x[1].clone(), bias, gamma, beta };
        let weights = if half { weights.rounded(FloatDType::BF16) } else { weights };
        stock::block(Source::Upsampled(x[0].clone()), weights).map
    };
    let shapes = [[2, 6, 8, 8], [8, 6, 2, 2], [1, 8, 1, 1], [1, 8, 1, 1], [1, 8, 1, 1]];
    let full = outcome(&|x| block(x, false), &shapes);
    let half = outcome(&|x| block(x, true), &shapes);
    let errors: Vec<f32> = half
        .into_iter()
        .zip(full)
        .map(|(half, full)| {
            let (half, full) = (half.unwrap(), full.unwrap());
            assert_eq!(half.dtype(), DType::F32);
            (half - full.clone()).abs().mean().into_scalar() / full.abs().mean().into_scalar()
        })
        .collect();
    let [map, source, weight, bias, gamma, beta] = <[f32; 6]>::try_from(&errors[..]).unwrap();
    assert!(map > 1e-5, "the map was not rounded: {errors:?}");
    assert!([map, source, weight, gamma, beta].iter().all(|&error| error < 5e-2) && bias < 0.2, "{errors:?}");
}

#[test]
fn group_norm_and_frozen_blocks_agree_with_stock_operations() {
    let shapes = [[2, 3, 4, 6], [2, 5, 4, 6], [6, 8, 3, 3], [1, 6, 1, 1], [1, 6, 1, 1], [1, 6, 1, 1]];
    let weights = |x: &[Tensor<A, 4>]| BlockWeights {
        weight: x[2].clone(),
        bias: x[3].clone().reshape([6]),
        gamma: x[4].clone().reshape([6]),
        beta: x[5].clone().reshape([6]),
    };
    let own_source = |x: &[Tensor<A, 4>]| Source::Joined(last(&x[0]), last(&x[1]));
    let source = |x: &[Tensor<A, 4>]| Source::Joined(x[0].clone(), x[1].clone());
    let own = outcome(&|x| first(A::group_block(own_source(x), weights(x), 2)), &shapes);
    let expected = outcome(&|x| stock::group_block(source(x), weights(x), 2), &shapes);
    for (own, expected) in own.into_iter().zip(expected) {
        close("group norm", own.unwrap(), expected.unwrap());
    }
    let own = outcome(&|x| first(A::block_folded(own_source(x), weights(x))), &shapes);
    let expected = outcome(&|x| stock::block_folded(source(x), weights(x)), &shapes);
    // The output and the gradients of both sources; the weights get none.
    for (own, expected) in own.iter().zip(&expected).take(3) {
        close("frozen", own.clone().unwrap(), expected.clone().unwrap());
    }
    assert!(own[3..].iter().all(Option::is_none));
}

/// The output and gradients of an operation over leaves with these shapes.
fn outcome(operation: &dyn Fn(&[Tensor<A, 4>]) -> Tensor<A, 4>, shapes: &[[usize; 4]]) -> Vec<Option<Tensor<Flex, 4>>> {
    let leaves: Vec<_> = (0..).zip(shapes).map(|(i, shape): (i32, _)| random(&format!("leaf {i}"), *shape)).collect();
    let y = operation(&leaves);
    let pull = random("pull", y.dims()).detach();
    let gradients = (y.clone() * pull).sum().backward();
    std::iter::once(Some(y.inner())).chain(leaves.iter().map(|x| x.grad(&gradients))).collect()
}

#[test]
fn pooling_and_the_head_agree_with_stock_operations() {
    let pairs = [
        (
            outcome(&|x| first(<A as ConvOps>::pool(last(&x[0]))), &[[2, 5, 6, 8]]),
            outcome(&|x| stock::pool(x[0].clone()), &[[2, 5, 6, 8]]),
        ),
        {
            let shapes = [[2, 5, 6, 8], [3, 5, 1, 1], [1, 3, 1, 1]];
            let own = outcome(&|x| <A as ConvOps>::head(last(&x[0]), x[1].clone(), x[2].clone().reshape([3])), &shapes);
            (own, outcome(&|x| stock::head(x[0].clone(), x[1].clone(), x[2].clone().reshape([3])), &shapes))
        },
    ];
    for (own, expected) in pairs {
        for (own, expected) in own.into_iter().zip(expected) {
            close("output or gradient", own.unwrap(), expected.unwrap());
        }
    }
}

#[test]
fn the_folded_block_is_the_stock_one() {
    let (x, skip) = (random("x", [2, 3, 4, 6]).inner(), random("skip", [2, 2, 4, 6]).inner());
    let weights = BlockWeights {
        weight: random("weight", [7, 5, 3, 3]).inner(),
        bias: random("bias", [7]).inner(),
        gamma: random("gamma", [7]).inner(),
        beta: random("beta", [7]).inner(),
    };
    let last = |x: &Tensor<Flex, 4>| x.clone().permute([0, 2, 3, 1]);
    let own = Flex::block_folded(Source::Joined(last(&skip), last(&x)), weights.clone());
    close("folded", own.permute([0, 3, 1, 2]), stock::block_folded(Source::Joined(skip, x), weights));
}
