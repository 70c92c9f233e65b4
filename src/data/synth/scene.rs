//! One made-up field of view: structures on a background, and the camera that blurs, shades and adds noise.
//!
//! Only arithmetic and square roots are used, which give the same bits on every machine.

use rand::{Rng, RngExt};

/// How much of each structure there is, 1 on average.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prevalence {
    pub(super) cells: f64,
    pub(super) vesicles: f64,
    pub(super) crystals: f64,
    pub(super) fibres: f64,
    /// At least one of each.
    pub(super) all: bool,
}

/// Brightness of the background and of each class, 0 to 255, before the camera.
const BRIGHTNESS: [f64; 5] = [88.0, 140.0, 205.0, 36.0, 108.0];

/// Standard deviation of the camera's noise.
const NOISE: f64 = 9.0;

const CELL: u8 = 1;
const VESICLE: u8 = 2;
const CRYSTAL: u8 = 3;
const FIBRE: u8 = 4;

/// What is where.
pub(super) struct Scene {
    size: [usize; 2],
    /// Class of each pixel, [height, width].
    pub(super) labels: Vec<u8>,
}

type Point = [f64; 2];

impl Scene {
    /// Puts structures at random places; later ones lie on top. Counts are per 96 x 96 pixels.
    pub(super) fn draw(size: [usize; 2], prevalence: Prevalence, draw: &mut impl Rng) -> Self {
        let mut scene = Self { size, labels: vec![0; size[0] * size[1]] };
        let area = (size[0] * size[1]) as f64 / (96.0 * 96.0);
        let least = u32::from(prevalence.all);
        let mut times = |mean: f64| ((mean * area + draw.random_range(-0.5..0.5)).round().max(0.0) as u32).max(least);
        let counts = [
            times(5.5 * prevalence.cells),
            times(4.5 * prevalence.crystals),
            times(10.0 * prevalence.vesicles),
            times(1.6 * prevalence.fibres),
        ];
        for _ in 0..counts[0] {
            let half = [draw.random_range(7.0..12.0), draw.random_range(6.0..9.0)];
            scene.stamp(scene.place(draw), direction(draw), half, CELL, |[a, b]| a * a + b * b <= 1.0);
        }
        for _ in 0..counts[1] {
            let half = [draw.random_range(3.0..7.0), draw.random_range(2.5..5.0)];
            scene.stamp(scene.place(draw), direction(draw), half, CRYSTAL, |_| true);
        }
        for _ in 0..counts[2] {
            let half = [draw.random_range(1.8..3.5); 2];
            scene.stamp(scene.place(draw), [1.0, 0.0], half, VESICLE, |[a, b]| a * a + b * b <= 1.0);
        }
        for _ in 0..counts[3] {
            scene.fibre(draw);
        }
        scene
    }

    /// A chain of short thin pieces, each a little turned against the one before.
    fn fibre(&mut self, draw: &mut impl Rng) {
        let mut at = self.place(draw);
        let mut along = direction(draw);
        for _ in 0..draw.random_range(8..14) {
            self.stamp(at, along, [2.4, 0.75], FIBRE, |_| true);
            at = [at[0] + 3.0 * along[0], at[1] + 3.0 * along[1]];
            let turn = direction(draw);
            along = unit([along[0] + 0.25 * turn[0], along[1] + 0.25 * turn[1]]);
        }
    }

    fn place(&self, draw: &mut impl Rng) -> Point {
        self.size.map(|side| draw.random_range(0.0..side as f64))
    }

    /// Labels the pixels within `half` lengths along and across a direction, where `inside` agrees; it gets the
    /// position in units of these lengths.
    fn stamp(&mut self, at: Point, along: Point, half: [f64; 2], label: u8, inside: impl Fn([f64; 2]) -> bool) {
        let reach = half[0] + half[1];
        let span = |axis: usize| {
            let low = (at[axis] - reach).max(0.0) as usize;
            low..((at[axis] + reach).max(0.0) as usize + 1).min(self.size[axis])
        };
        let (rows, columns) = (span(0), span(1));
        for y in rows {
            for x in columns.clone() {
                let [dy, dx] = [y as f64 + 0.5 - at[0], x as f64 + 0.5 - at[1]];
                let place = [(dy * along[0] + dx * along[1]) / half[0], (dx * along[0] - dy * along[1]) / half[1]];
                if place.iter().all(|p| p.abs() <= 1.0) && inside(place) {
                    self.labels[y * self.size[1] + x] = label;
                }
            }
        }
    }

    /// The scene through a microscope: blurred, unevenly lit, noisy; 8-bit grey.
    pub(super) fn photograph(&self, draw: &mut impl Rng) -> Vec<u8> {
        let sharp = self.labels.iter().map(|&label| BRIGHTNESS[usize::from(label)]).collect();
        let blurred = blur(blur(sharp, self.size), self.size);
        let slope = direction(draw);
        let [strength, gain] = [draw.random_range(0.0..0.25), draw.random_range(0.9..1.1)];
        let lit = |i: usize| {
            let [y, x] = [i / self.size[1], i % self.size[1]];
            let across =
                slope[0] * (y as f64 / self.size[0] as f64 - 0.5) + slope[1] * (x as f64 / self.size[1] as f64 - 0.5);
            gain * (1.0 + strength * across)
        };
        let shot = |(i, value): (usize, f64)| (value * lit(i) + NOISE * gaussian(draw)).round().clamp(0.0, 255.0) as u8;
        blurred.into_iter().enumerate().map(shot).collect()
    }
}

/// The mean of each pixel (twice) and its four neighbours.
fn blur(values: Vec<f64>, [height, width]: [usize; 2]) -> Vec<f64> {
    let at = |y: usize, x: usize| values[y * width + x];
    let mean = |i: usize| {
        let (y, x) = (i / width, i % width);
        let (up, down) = (y.saturating_sub(1), (y + 1).min(height - 1));
        let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
        (2.0 * at(y, x) + at(up, x) + at(down, x) + at(y, left) + at(y, right)) / 6.0
    };
    (0..height * width).map(mean).collect()
}

/// A direction, all equally likely.
fn direction(draw: &mut impl Rng) -> Point {
    loop {
        let point: Point = [draw.random_range(-1.0..1.0), draw.random_range(-1.0..1.0)];
        let squared = point[0] * point[0] + point[1] * point[1];
        if (0.01..=1.0).contains(&squared) {
            return unit(point);
        }
    }
}

fn unit(point: Point) -> Point {
    let length = (point[0] * point[0] + point[1] * point[1]).sqrt();
    point.map(|part| part / length)
}

/// Nearly Gaussian: the sum of twelve uniform draws has mean 6 and variance 1.
fn gaussian(draw: &mut impl Rng) -> f64 {
    (0..12).map(|_| draw.random_range(0.0..1.0)).sum::<f64>() - 6.0
}
