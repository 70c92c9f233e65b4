//! Rotation, scaling and elastic shifts as one resampling, so that an image is blended only once: bilinear for images,
//! nearest neighbour for masks, mirrored at the border.

use rand::{Rng, RngExt};

use crate::domain::AugmentConfig;

/// Nodes of the elastic grid along each side; shifts between them are interpolated.
const NODES: usize = 9;

/// Where each pixel comes from (row, column), in pixels.
pub struct Warp {
    size: [usize; 2],
    sources: Vec<[f32; 2]>,
}

impl Warp {
    /// Draws a warp; `None` if the settings ask for none.
    pub fn draw(config: &AugmentConfig, random: &mut impl Rng, size: [usize; 2]) -> Option<Self> {
        if config.rotate == 0.0 && config.scale == 0.0 && config.elastic == 0.0 {
            return None;
        }
        let mut within = |limit: f64| (random.random_range(-1.0..=1.0) * limit) as f32;
        let angle = within(config.rotate.to_radians());
        let zoom = 1.0 + within(config.scale);
        let shifts: Vec<[f32; 2]> =
            (0..NODES * NODES).map(|_| [within(config.elastic), within(config.elastic)]).collect();
        let (sin, cos) = angle.sin_cos();
        let centre = size.map(|side| (side - 1) as f32 / 2.0);
        let source = |at: usize| {
            let (row, column) = ((at / size[1]) as f32, (at % size[1]) as f32);
            let (y, x) = ((row - centre[0]) / zoom, (column - centre[1]) / zoom);
            let [down, right] = shift(&shifts, row / size[0] as f32, column / size[1] as f32);
            [centre[0] + cos * y + sin * x + down, centre[1] - sin * y + cos * x + right]
        };
        Some(Self { size, sources: (0..size[0] * size[1]).map(source).collect() })
    }

    /// Resamples an image plane.
    pub fn image(&self, plane: &mut [f32]) {
        let old = plane.to_vec();
        let at = |row: isize, column: isize| old[self.place(row, column)];
        for (value, [y, x]) in plane.iter_mut().zip(&self.sources) {
            let (row, column) = (y.floor() as isize, x.floor() as isize);
            let (down, right) = (y - y.floor(), x - x.floor());
            let upper = at(row, column) * (1.0 - right) + at(row, column + 1) * right;
            let lower = at(row + 1, column) * (1.0 - right) + at(row + 1, column + 1) * right;
            *value = upper * (1.0 - down) + lower * down;
        }
    }

    /// Resamples a mask.
    pub fn mask(&self, mask: &mut [u8]) {
        let old = mask.to_vec();
        for (label, [y, x]) in mask.iter_mut().zip(&self.sources) {
            *label = old[self.place(y.round() as isize, x.round() as isize)];
        }
    }

    /// Index of a pixel, mirrored into the image.
    fn place(&self, row: isize, column: isize) -> usize {
        mirrored(row, self.size[0]) * self.size[1] + mirrored(column, self.size[1])
    }
}

/// −1 → 0, −2 → 1, …; `side` → `side` − 1, ….
fn mirrored(place: isize, side: usize) -> usize {
    let side = side as isize;
    let folded = place.rem_euclid(2 * side);
    (if folded < side { folded } else { 2 * side - 1 - folded }) as usize
}

/// The elastic shift at a place given as shares of the sides.
fn shift(nodes: &[[f32; 2]], down: f32, right: f32) -> [f32; 2] {
    let split = |share: f32| {
        let place = share * (NODES - 1) as f32;
        let first = (place as usize).min(NODES - 2);
        (first, place - first as f32)
    };
    let ((row, v), (column, u)) = (split(down), split(right));
    let node = |row: usize, column: usize, axis: usize| nodes[row * NODES + column][axis];
    [0, 1].map(|axis| {
        let upper = node(row, column, axis) * (1.0 - u) + node(row, column + 1, axis) * u;
        let lower = node(row + 1, column, axis) * (1.0 - u) + node(row + 1, column + 1, axis) * u;
        upper * (1.0 - v) + lower * v
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::seed;

    fn warp(config: &AugmentConfig, size: [usize; 2]) -> Warp {
        Warp::draw(config, &mut seed::generator(4, "warp", &[]), size).unwrap()
    }

    #[test]
    fn masks_keep_their_labels_and_images_their_range() {
        let config = AugmentConfig { rotate: 30.0, scale: 0.2, elastic: 3.0, ..AugmentConfig::default() };
        let warp = warp(&config, [24, 40]);
        let mut mask: Vec<u8> = (0..24 * 40).map(|at| if at % 7 < 3 { 2 } else { 255 }).collect();
        let mut image: Vec<f32> = mask.iter().map(|label| f32::from(*label)).collect();
        let before = mask.clone();
        warp.mask(&mut mask);
        warp.image(&mut image);
        assert_ne!(mask, before);
        assert!(mask.iter().all(|label| [2, 255].contains(label)));
        assert!(image.iter().all(|value| (2.0..=255.0).contains(value)));
    }

    #[test]
    fn a_turn_keeps_the_centre_and_turns_the_rest() {
        let config = AugmentConfig { rotate: 45.0, ..AugmentConfig::default() };
        let warp = warp(&config, [5, 5]);
        let distance = |[y, x]: [f32; 2]| ((y - 2.0).powi(2) + (x - 2.0).powi(2)).sqrt();
        assert!(distance(warp.sources[12]) < 1e-6);
        assert!((distance(warp.sources[0]) - 8f32.sqrt()).abs() < 1e-5);
        assert!(warp.sources[0][0].abs() > 1e-3);
    }

    #[test]
    fn places_outside_are_mirrored() {
        assert_eq!([-2, -1, 0, 4, 5, 6].map(|place| mirrored(place, 5)), [1, 0, 0, 4, 4, 3]);
    }
}
