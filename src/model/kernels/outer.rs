//! Weight gradients: sums over all pixels of window times gradient.

use super::isa::Isa;
use super::micro::{Outer, outer};
use super::pack::{Panel, panels};
use super::patch::{Grid, Patch, Sources, band_rows};
use super::pool::{self, Scratch};
use super::transpose::transpose8;
use rayon::prelude::*;
use std::ops::Range;

/// Sums over all grid pixels of `window value * right value`, where `right` is a map on the grid.
pub(super) struct WindowSums<'a> {
    pub isa: Isa,
    pub grid: Grid,
    pub sources: Sources<'a>,
    pub channels: [usize; 2],
    pub right: &'a [f32],
    pub right_channels: usize,
    /// Neighbouring grid pixels that share one row of columns.
    pub group: usize,
}

/// The sums, `[panel][window row][window column, channel][panel's columns]`.
pub(super) struct Sums {
    isa: Isa,
    data: Scratch,
    panels: Vec<Panel>,
    lanes: usize,
    window: usize,
    /// Floats in a window row, neighbours of the group included.
    depth: usize,
    group: usize,
    /// Floats from a grid pixel's window to its neighbour's.
    step: usize,
    channels: usize,
    right_channels: usize,
}

/// Pixels that one pass of the inner loop sums over, and rows of sums that stay close meanwhile.
const PIXELS: usize = 192;
const HEIGHT: usize = 96;
/// The most floats of partial sums, over all chunks of the batch.
const PARTIAL: usize = 1 << 20;
/// Chunks of the batch that have sums of their own: enough for many threads.
const FEWEST_CHUNKS: usize = 4;
const MOST_CHUNKS: usize = 16;
/// Floats in the patch of a band that threads share.
const SHARED_PATCH: usize = 1 << 21;
/// Rows of sums that are brought into the weights' layout together.
const ROWS: usize = 144;

impl WindowSums<'_> {
    fn depth(&self) -> usize {
        let window = self.grid.window + (self.group - 1) * self.grid.stride;
        window * (self.channels[0] + self.channels[1])
    }

    /// Bands are summed in a fixed number of chunks, each in order, so that no thread count shows.
    pub fn run(&self) -> Sums {
        let (grid, lanes) = (&self.grid, self.isa.lanes());
        let panels = panels(self.isa, self.group * self.right_channels);
        let columns = (self.group * self.right_channels).next_multiple_of(lanes);
        let size = grid.window * self.depth() * columns;
        let step = grid.stride * (self.channels[0] + self.channels[1]);
        let row_floats = grid.patch_width() * (self.channels[0] + self.channels[1]) * grid.stride;
        // Where sums are too large for many copies, threads share a band and divide the sums instead.
        let chunks = (PARTIAL / size).min(MOST_CHUNKS);
        let shared = chunks < FEWEST_CHUNKS;
        let chunks = if shared { 1 } else { chunks };
        let rows = if shared {
            (SHARED_PATCH / row_floats).clamp(1, grid.rows())
        } else {
            band_rows(grid.rows(), grid.width, row_floats)
        };
        let bands = grid.rows().div_ceil(rows);
        let chunks = chunks.min(bands);
        let mut partial = Scratch::new(size * chunks);
        partial.par_chunks_mut(size).enumerate().for_each(|(i, sums)| {
            sums.fill(0.0);
            for band in bands * i / chunks..bands * (i + 1) / chunks {
                let band = band * rows..((band + 1) * rows).min(grid.rows());
                self.add_band(band, &panels, sums, shared);
            }
        });
        let (total, others) = partial.split_at_mut(size);
        for other in others.chunks_exact(size) {
            total.iter_mut().zip(other).for_each(|(a, b)| *a += b);
        }
        Sums {
            isa: self.isa,
            data: partial,
            panels,
            lanes,
            window: grid.window,
            depth: self.depth(),
            group: self.group,
            step,
            channels: self.channels[0] + self.channels[1],
            right_channels: self.right_channels,
        }
    }

    fn add_band(&self, band: Range<usize>, panels: &[Panel], sums: &mut [f32], in_parallel: bool) {
        let lanes = self.isa.lanes();
        let patch = self.grid.patch(self.sources, self.channels, band.clone());
        let right = self.pack_right(band, panels);
        let pixels = patch.starts.len() * self.grid.width / self.group;
        let mut tasks = Vec::new();
        let mut rest = sums;
        for p in panels {
            let width = p.vectors * lanes;
            let right = &right[p.first * pixels..(p.first + width) * pixels];
            for i in 0..self.grid.window {
                let (part, after) = rest.split_at_mut(self.depth() * width);
                rest = after;
                tasks.push((p.vectors, right, i, part));
            }
        }
        let run = |(vectors, right, i, part): (usize, &[f32], usize, &mut [f32])| {
            self.add_row(&patch, i, vectors, right, part);
        };
        if in_parallel {
            tasks.into_par_iter().for_each(run);
        } else {
            tasks.into_iter().for_each(run);
        }
    }

    /// Adds one window row's sums for one panel.
    fn add_row(&self, patch: &Patch, i: usize, vectors: usize, right: &[f32], sums: &mut [f32]) {
        let channels = self.channels[0] + self.channels[1];
        let line = self.grid.patch_width() * channels;
        let columns = vectors * self.isa.lanes();
        let width = self.grid.width / self.group;
        let rows_at_once = (PIXELS / width).max(1);
        for (k, sums) in sums.chunks_mut(HEIGHT * columns).enumerate() {
            for (j, rows) in patch.starts.chunks(rows_at_once).enumerate() {
                let product = Outer {
                    a: &patch.data,
                    rows,
                    width,
                    step: self.grid.stride * channels * self.group,
                    b: &right[j * rows_at_once * width * columns..],
                    vectors,
                    offset: i * line + k * HEIGHT,
                    depth: sums.len() / columns,
                    c_stride: columns,
                };
                outer(self.isa, &product, sums);
            }
        }
    }

    /// The band of the right map, panel after panel, with zeros in lanes that do not exist.
    fn pack_right(&self, band: Range<usize>, panels: &[Panel]) -> Scratch {
        let (lanes, len) = (self.isa.lanes(), self.group * self.right_channels);
        let row = self.grid.width * self.right_channels;
        let right = &self.right[band.start * row..band.end * row];
        let pixels = right.len() / len;
        let mut packed = Scratch::new(pixels * len.next_multiple_of(lanes));
        for p in panels {
            let width = p.vectors * lanes;
            let to = &mut packed[p.first * pixels..(p.first + width) * pixels];
            for (to, from) in to.chunks_exact_mut(width).zip(right.chunks_exact(len)) {
                to[..p.columns].copy_from_slice(&from[p.first..p.first + p.columns]);
                to[p.columns..].fill(0.0);
            }
        }
        packed
    }
}

impl Sums {
    /// Sums of a 3x3 window that were made elsewhere.
    pub fn of_window(isa: Isa, data: Scratch, panels: Vec<Panel>, channels: usize, right_channels: usize) -> Self {
        let (window, depth, lanes) = (3, 3 * channels, isa.lanes());
        Self { isa, data, panels, lanes, window, depth, group: 1, step: 0, channels, right_channels }
    }

    /// The sums in the layout `[right channel][channel][window row][window column]`.
    pub fn into_weights(self) -> Vec<f32> {
        let window = self.window * self.window;
        let row_len = self.channels * window;
        let mut out = pool::take(self.right_channels * row_len);
        if self.group > 1 {
            out.par_chunks_mut(row_len).enumerate().for_each(|(n, out)| {
                for (q, to) in out.iter_mut().enumerate() {
                    *to = self.folded(self.row_of(q), n);
                }
            });
            return out;
        }
        let rows: Vec<usize> = (0..row_len).map(|q| self.row_of(q)).collect();
        out.par_chunks_mut(16 * row_len).enumerate().for_each(|(b, out)| {
            for (k, rows) in rows.chunks(ROWS).enumerate() {
                for (n, out) in out.chunks_mut(8 * row_len).enumerate() {
                    self.copy_columns(b * 16 + n * 8, rows, &mut out[k * ROWS..], row_len);
                }
            }
        });
        out
    }

    /// The row of sums for place `q` of `[channel][window row][window column]`.
    fn row_of(&self, q: usize) -> usize {
        let (tap, c) = (q % (self.window * self.window), q / (self.window * self.window));
        tap / self.window * self.depth + tap % self.window * self.channels + c
    }

    /// Where column `n` starts, and floats from one of its rows to the next.
    fn column(&self, n: usize) -> (usize, usize) {
        let p = self.panels.iter().rfind(|p| p.first <= n);
        p.map_or((0, 1), |p| (p.first * self.window * self.depth + n - p.first, p.vectors * self.lanes))
    }

    /// A sum over the neighbours of a group.
    fn folded(&self, row: usize, n: usize) -> f32 {
        let neighbour = |g| {
            let (start, width) = self.column(g * self.right_channels + n);
            self.data[start + (row + g * self.step) * width]
        };
        (0..self.group).map(neighbour).sum()
    }

    /// Copies up to eight columns from `n` on, for some rows.
    fn copy_columns(&self, n: usize, rows: &[usize], out: &mut [f32], row_len: usize) {
        let (start, width) = self.column(n);
        let count = (self.right_channels - n).min(8);
        let whole = if count == 8 { rows.len() / 8 * 8 } else { 0 };
        for k in (0..whole).step_by(8) {
            let starts = std::array::from_fn(|i| start + rows[k + i] * width);
            let ends = std::array::from_fn(|j| j * row_len + k);
            transpose8(self.isa, &self.data, &starts, out, &ends);
        }
        for (k, row) in rows.iter().enumerate().skip(whole) {
            for i in 0..count {
                out[i * row_len + k] = self.data[start + row * width + i];
            }
        }
    }

    /// The sums of one window place and channel over panels of right channels: (first, its sums).
    pub fn line(&self, row: usize) -> impl Iterator<Item = (usize, &[f32])> {
        self.panels.iter().map(move |p| {
            let (start, width) = self.column(p.first);
            (p.first, &self.data[start + row * width..][..p.columns])
        })
    }
}
