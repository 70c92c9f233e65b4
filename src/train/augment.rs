//! Random changes of a training image and its mask, derived from (seed, epoch, image). Masks are only moved, never
//! blended.

use rand::{Rng, RngExt};

use super::warp::Warp;
use crate::domain::{AugmentConfig, seed};

/// Changes an image [channels, height, width] and its mask [height, width] in place; `place` is (epoch, image, crop).
pub fn apply(
    config: &AugmentConfig,
    init_seed: u64,
    place: &[u64],
    image: &mut [f32],
    mask: &mut [u8],
    (channels, size): (usize, [usize; 2]),
) {
    let mut random = seed::generator(init_seed, "augment", place);
    let plane = size[0] * size[1];
    let mirror = [random.random::<bool>(), random.random::<bool>()];
    let turns = random.random_range(0..4);
    let mut whole = |change: &dyn Fn(usize) -> usize| {
        for values in image.chunks_mut(plane) {
            gather(values, change);
        }
        gather(mask, change);
    };
    if config.flip && mirror[0] {
        whole(&|at| at / size[1] * size[1] + (size[1] - 1 - at % size[1]));
    }
    if config.flip && mirror[1] {
        whole(&|at| (size[0] - 1 - at / size[1]) * size[1] + at % size[1]);
    }
    if config.rotate90 {
        for _ in 0..turns {
            whole(&|at| at % size[1] * size[1] + (size[0] - 1 - at / size[1]));
        }
    }
    if let Some(warp) = Warp::draw(config, &mut random, size) {
        image.chunks_mut(plane).for_each(|values| warp.image(values));
        warp.mask(mask);
    }
    change_values(config, &mut random, image, channels);
    let deviation = (random.random::<f64>() * config.blur) as f32;
    if deviation > 0.0 {
        image.chunks_mut(plane).for_each(|values| blur(values, size, deviation));
    }
}

/// Gaussian blur, first along rows and then along columns; the border is repeated.
fn blur(values: &mut [f32], [height, width]: [usize; 2], deviation: f32) {
    let reach = (3.0 * deviation).ceil() as isize;
    let weights: Vec<f32> =
        (-reach..=reach).map(|d| (-((d * d) as f32) / (2.0 * deviation * deviation)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let mut pass = |step: usize, side: usize| {
        let old = values.to_vec();
        for (at, value) in values.iter_mut().enumerate() {
            let place = (at / step % side) as isize;
            let near = |d: isize| (place + d).clamp(0, side as isize - 1) - place;
            let taps = (-reach..=reach).map(|d| old[at.wrapping_add_signed(near(d) * step as isize)]);
            *value = taps.zip(&weights).map(|(v, w)| v * w).sum::<f32>() / total;
        }
    };
    pass(1, width);
    pass(width, height);
}

/// Value `at` comes from `source(at)`.
fn gather<T: Copy>(values: &mut [T], source: impl Fn(usize) -> usize) {
    let old = values.to_vec();
    values.iter_mut().enumerate().for_each(|(at, value)| *value = old[source(at)]);
}

/// Brightness, contrast and noise, the same for every channel but the noise.
fn change_values(config: &AugmentConfig, random: &mut impl Rng, image: &mut [f32], channels: usize) {
    let mut within = |limit: f64| random.random_range(-1.0..=1.0) * limit;
    let (brightness, contrast, noise) =
        (within(config.brightness) as f32, within(config.contrast) as f32, within(config.noise).abs() as f32);
    if config.brightness == 0.0 && config.contrast == 0.0 && config.noise == 0.0 {
        return;
    }
    let plane = image.len() / channels;
    for values in image.chunks_mut(plane) {
        let mean = values.iter().sum::<f32>() / plane as f32;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / plane as f32).sqrt();
        for value in values {
            let noise = if noise == 0.0 { 0.0 } else { noise * normal(random) };
            *value = mean + (*value - mean) * (1.0 + contrast) + deviation * (brightness + noise);
        }
    }
}

/// Box & Muller (1958).
fn normal(random: &mut impl Rng) -> f32 {
    let (a, b): (f32, f32) = (random.random(), random.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(config: &AugmentConfig, place: [u64; 2]) -> (Vec<f32>, Vec<u8>) {
        let (mut image, mut mask): (Vec<f32>, Vec<u8>) = ((0..16).map(|v| v as f32).collect(), (0..16).collect());
        apply(config, 1, &place, &mut image, &mut mask, (1, [4, 4]));
        (image, mask)
    }

    #[test]
    fn the_mask_moves_with_the_image_and_each_place_has_its_own_change() {
        let config = AugmentConfig { flip: true, rotate90: true, ..AugmentConfig::default() };
        let mut seen = std::collections::BTreeSet::new();
        for epoch in 0..64 {
            let (image, mask) = changed(&config, [epoch, 0]);
            assert!(image.iter().zip(&mask).all(|(a, b)| *a == f32::from(*b)));
            assert_eq!(changed(&config, [epoch, 0]).1, mask);
            seen.insert(mask);
        }
        assert_eq!(seen.len(), 8, "all symmetries of the square occur");
    }

    #[test]
    fn values_change_but_the_mask_does_not() {
        let config = AugmentConfig { brightness: 0.5, contrast: 0.5, noise: 0.1, ..AugmentConfig::default() };
        let (image, mask) = changed(&config, [1, 2]);
        assert_eq!(mask, (0..16).collect::<Vec<u8>>());
        assert!(image.iter().zip(&mask).any(|(a, b)| *a != f32::from(*b)));
    }

    #[test]
    fn blur_keeps_the_mean_of_an_even_image_and_spreads_a_point() {
        let mut even = vec![3.0; 20];
        blur(&mut even, [4, 5], 1.0);
        assert!(even.iter().all(|v| (v - 3.0f32).abs() < 1e-6));
        let mut point = vec![0.0; 81];
        point[40] = 1.0;
        blur(&mut point, [9, 9], 0.8);
        assert!((point.iter().sum::<f32>() - 1.0).abs() < 1e-5 && point[40] < 0.5 && point[31] > 0.0);
        assert_eq!(point[31], point[39]);
    }

    #[test]
    fn nothing_is_changed_unless_asked_for() {
        assert_eq!(changed(&AugmentConfig::default(), [1, 2]).0, (0..16).map(|v| v as f32).collect::<Vec<_>>());
    }
}
