//! 3x3 convolution of many channels by Winograd's F(4x4, 3x3): 36 products where the plain way has 144.

use super::gather::{Finish, depth_blocks};
use super::isa::Isa;
use super::lines::{Strides, Transform, transform};
use super::micro::{Epilogue, Gather, Outer, SLACK, Segment, gather, most_vectors, outer};
use super::outer::Sums;
use super::pack::{Packed, Stored, panels};
use super::patch::{Grid, Sources};
use super::pool::{self, Scratch};
use rayon::prelude::*;
use std::ops::Range;

/// Values in a transformed tile.
const TILE: usize = 36;
/// Pixels along a side of an output tile.
const SIDE: usize = 4;
/// Pixels of the whole batch; fewer do not repay the transformed weights.
const FEWEST_PIXELS: usize = 512;
/// The most floats of partial sums of a weight gradient.
const PARTIAL: usize = 1 << 20;
/// The most floats of transformed weights, or of their gradient, at once: four times the weights themselves would be
/// the largest memory of a wide network.
const PART: usize = 5 << 20;

/// The maps of a 3x3 "same" convolution.
#[derive(Clone, Copy)]
pub(super) struct Winograd<'a> {
    pub isa: Isa,
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub sources: Sources<'a>,
    pub channels: [usize; 2],
    pub outputs: usize,
}

impl Winograd<'_> {
    /// Whether it applies, and pays: whole tiles and vectors, and enough pixels for the transformed weights.
    pub fn suits(&self, kernel: usize) -> bool {
        let whole = [self.height, self.width].iter().all(|n| n.is_multiple_of(SIDE));
        let inputs = self.channels[0] + self.channels[1];
        let vectors = [inputs, self.outputs].iter().all(|n| n.is_multiple_of(self.isa.lanes()));
        kernel == 3 && whole && vectors && self.batch * self.height * self.width >= FEWEST_PIXELS
    }

    fn inputs(&self) -> usize {
        self.channels[0] + self.channels[1]
    }

    /// A grid pixel for each tile.
    fn grid(&self) -> Grid {
        let (height, width) = (self.height / SIDE, self.width / SIDE);
        Grid { batch: self.batch, height, width, stride: SIDE, window: SIDE + 2, pad: 1 }
    }

    /// Output channels in parts that are computed one after the other.
    fn parts(&self) -> Vec<Range<usize>> {
        let panel = self.isa.lanes() * most_vectors(self.isa);
        let size = (PART / (TILE * self.inputs()) / panel * panel).max(panel);
        (0..self.outputs).step_by(size).map(|first| first..(first + size).min(self.outputs)).collect()
    }

    /// Rows of tiles in a band: more where channels are many, since all products' weights pass by for each band.
    fn band_rows(&self) -> usize {
        let tiles = (self.inputs() / 2).max(32);
        (tiles / self.grid().width).clamp(1, self.grid().rows())
    }

    /// The output map, and what `each` says of every band of it, in order.
    pub fn run<T: Send>(
        &self,
        stored: &Stored,
        finish: &Finish,
        each: impl Fn(&mut [f32]) -> T + Sync,
    ) -> (Vec<f32>, Vec<T>) {
        let zeros = vec![0.0; self.outputs];
        let rows = self.band_rows();
        let row_len = SIDE * self.width * self.outputs;
        let mut out = pool::take(self.batch * self.height * self.width * self.outputs);
        let mut said = Vec::new();
        for part in self.parts() {
            let weights = self.weights(&stored.part(part.clone()));
            let epilogue = Epilogue {
                bias: &finish.bias.unwrap_or(&zeros)[part.clone()],
                relu: finish.relu,
                affine: finish.affine.map(|(scale, shift)| (&scale[part.clone()], &shift[part.clone()])),
            };
            let bands = out.par_chunks_mut(rows * row_len).enumerate().map(|(i, band)| {
                self.band(i * rows..i * rows + band.len() / row_len, &part, &weights, &epilogue, band);
                (part.end == self.outputs).then(|| each(band))
            });
            said = bands.collect::<Vec<Option<T>>>();
        }
        (out, said.into_iter().flatten().collect())
    }

    /// Transformed weights, `[panel][36][inputs][panel's columns]`.
    fn weights(&self, stored: &Stored) -> Scratch {
        let (inputs, lanes) = (self.inputs(), self.isa.lanes());
        let plain = Packed::new(self.isa, 9 * inputs, stored);
        let mut all = Scratch::new(TILE * inputs * stored.columns);
        let mut rest: &mut [f32] = &mut all;
        let mut parts = Vec::new();
        for p in &plain.panels {
            let (part, after) = rest.split_at_mut(TILE * inputs * p.vectors * lanes);
            parts.push((p, part));
            rest = after;
        }
        parts.into_par_iter().for_each(|(p, part)| {
            let len = inputs * p.vectors * lanes;
            let (from, to) = (Strides { row: 3 * len, column: len }, Strides { row: 6 * len, column: len });
            transform(self.isa, Transform::Weight, (plain.panel(p, 0), from), (part, to), len, None);
        });
        all
    }

    /// The source's tiles of a band, `[tile][36][inputs]`.
    fn source_tiles(&self, band: Range<usize>) -> Scratch {
        let (grid, inputs) = (self.grid(), self.inputs());
        let patch = grid.patch(self.sources, self.channels, band);
        let tiles = patch.starts.len() * grid.width;
        let mut all = Scratch::new(tiles * TILE * inputs + SLACK);
        let from = Strides { row: grid.patch_width() * inputs, column: inputs };
        let to = Strides { row: 6 * inputs, column: inputs };
        let (body, slack) = all.split_at_mut(tiles * TILE * inputs);
        slack.fill(0.0);
        body.par_chunks_mut(TILE * inputs).enumerate().with_min_len(8).for_each(|(t, tile)| {
            let start = patch.starts[t / grid.width] as usize + t % grid.width * SIDE * inputs;
            transform(self.isa, Transform::Source, (&patch.data[start..], from), (tile, to), inputs, None);
        });
        all
    }

    /// Computes a part of the output channels of a band.
    fn band(&self, band: Range<usize>, part: &Range<usize>, weights: &[f32], epilogue: &Epilogue, out: &mut [f32]) {
        let (width, inputs, outputs) = (self.grid().width, self.inputs(), part.len());
        let tiles = band.len() * width;
        let source = self.source_tiles(band);
        let places: Vec<(u32, u32)> = (0..tiles).map(|t| ((t * TILE * inputs) as u32, t as u32)).collect();
        let mut products = Scratch::new(TILE * tiles * outputs);
        products.par_chunks_mut(tiles * outputs).enumerate().with_min_len(4).for_each(|(e, products)| {
            let blocks = depth_blocks(&[Segment { offset: e * inputs, len: inputs }]);
            for p in panels(self.isa, outputs) {
                let columns = p.vectors * self.isa.lanes();
                let mut at = (p.first * TILE + e * columns) * inputs;
                for (i, segments) in blocks.iter().enumerate() {
                    let product = Gather {
                        a: &source,
                        rows: &places,
                        segments,
                        b: &weights[at..],
                        vectors: p.vectors,
                        columns: p.columns,
                        c_offset: p.first,
                        c_stride: outputs,
                        accumulate: i > 0,
                        epilogue: None,
                    };
                    gather(self.isa, &product, products);
                    at += segments.iter().map(|s| s.len).sum::<usize>() * columns;
                }
            }
        });
        let from = Strides { row: 6 * tiles * outputs, column: tiles * outputs };
        let to = Strides { row: self.width * self.outputs, column: self.outputs };
        out.par_chunks_mut(SIDE * self.width * self.outputs).enumerate().for_each(|(row, out)| {
            for x in 0..width {
                let products = &products[(row * width + x) * outputs..];
                let out = &mut out[x * SIDE * self.outputs + part.start..];
                transform(self.isa, Transform::Output, (products, from), (out, to), outputs, Some(epilogue));
            }
        });
    }

    /// The weights' gradient, in their layout.
    pub fn weight_gradient(&self, gradient: &[f32]) -> Vec<f32> {
        let row = 9 * self.inputs();
        let mut out = pool::take(row * self.outputs);
        for part in self.parts() {
            let weights = self.part_gradient(&part, gradient);
            out[row * part.start..row * part.end].copy_from_slice(&weights);
            pool::give(weights);
        }
        out
    }

    /// The gradient of the weights of a part of the output channels.
    fn part_gradient(&self, part: &Range<usize>, gradient: &[f32]) -> Vec<f32> {
        let size = TILE * self.inputs() * part.len();
        let rows = self.band_rows();
        let grid = self.grid();
        let bands = grid.rows().div_ceil(rows);
        let chunks = (PARTIAL / size).clamp(1, 8).min(bands);
        let mut partial = Scratch::new(size * chunks);
        partial.par_chunks_mut(size).enumerate().for_each(|(i, sums)| {
            sums.fill(0.0);
            for band in bands * i / chunks..bands * (i + 1) / chunks {
                self.add_band(band * rows..((band + 1) * rows).min(grid.rows()), part, gradient, sums);
            }
        });
        let (total, others) = partial.split_at_mut(size);
        for other in others.chunks_exact(size) {
            total.iter_mut().zip(other).for_each(|(a, b)| *a += b);
        }
        self.untransformed(total, part.len()).into_weights()
    }

    /// The gradient's tiles of a band, `[tile][36][channels of the part]`.
    fn gradient_tiles(&self, band: Range<usize>, part: &Range<usize>, gradient: &[f32]) -> Scratch {
        let (width, outputs) = (self.grid().width, part.len());
        let mut all = Scratch::new(band.len() * width * TILE * outputs);
        let from = Strides { row: self.width * self.outputs, column: self.outputs };
        let to = Strides { row: 6 * outputs, column: outputs };
        all.par_chunks_mut(TILE * outputs).enumerate().with_min_len(8).for_each(|(t, tile)| {
            let (row, x) = (band.start + t / width, t % width);
            let start = (row * SIDE * self.width + x * SIDE) * self.outputs + part.start;
            transform(self.isa, Transform::Gradient, (&gradient[start..], from), (tile, to), outputs, None);
        });
        all
    }

    /// Adds a band's products to `sums`, `[panel][36][inputs][panel's columns]`.
    fn add_band(&self, band: Range<usize>, part: &Range<usize>, gradient: &[f32], sums: &mut [f32]) {
        let (inputs, outputs, lanes) = (self.inputs(), part.len(), self.isa.lanes());
        let tiles = band.len() * self.grid().width;
        let right = self.gradient_tiles(band.clone(), part, gradient);
        let left = self.source_tiles(band);
        let mut tasks = Vec::new();
        let mut rest = sums;
        for p in panels(self.isa, outputs) {
            for e in 0..TILE {
                let (sums, after) = rest.split_at_mut(inputs * p.vectors * lanes);
                rest = after;
                tasks.push((p, e, sums));
            }
        }
        tasks.into_par_iter().with_min_len(4).for_each(|(p, e, sums)| {
            let columns = p.vectors * lanes;
            let mut packed = Scratch::new(tiles * columns);
            for (to, from) in packed.chunks_exact_mut(columns).zip(right.chunks_exact(TILE * outputs)) {
                to.copy_from_slice(&from[e * outputs + p.first..][..columns]);
            }
            let product = Outer {
                a: &left,
                rows: &[0],
                width: tiles,
                step: TILE * inputs,
                b: &packed,
                vectors: p.vectors,
                offset: e * inputs,
                depth: inputs,
                c_stride: columns,
            };
            outer(self.isa, &product, sums);
        });
    }

    fn untransformed(&self, sums: &[f32], outputs: usize) -> Sums {
        let (inputs, lanes) = (self.inputs(), self.isa.lanes());
        let panels = panels(self.isa, outputs);
        let mut data = Scratch::new(9 * inputs * outputs);
        let mut rest: &mut [f32] = &mut data;
        let mut parts = Vec::new();
        for p in &panels {
            let (part, after) = rest.split_at_mut(9 * inputs * p.vectors * lanes);
            parts.push((p, part));
            rest = after;
        }
        parts.into_par_iter().for_each(|(p, part)| {
            let len = inputs * p.vectors * lanes;
            let (from, to) = (Strides { row: 6 * len, column: len }, Strides { row: 3 * len, column: len });
            let sums = &sums[p.first * TILE * inputs..][..TILE * len];
            transform(self.isa, Transform::WeightGradient, (sums, from), (part, to), len, None);
        });
        Sums::of_window(self.isa, data, panels, inputs, outputs)
    }
}
