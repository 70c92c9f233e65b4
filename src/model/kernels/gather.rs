//! Convolution-like products over a whole map: windows of a source times packed weights.

use super::isa::Isa;
use super::micro::{Epilogue, Gather, Segment, gather};
use super::pack::{Packed, Panel, padded};
use super::patch::{Grid, Patch, Sources, band_rows};
use super::pool::{self, Scratch};
use rayon::prelude::*;

/// The most floats of depth in one go, so that a panel of weights stays in the second-level cache.
const DEPTH: usize = 640;
/// Bands that keep many threads busy.
const ENOUGH: usize = 8;

/// One set of weights and the output pixels it makes.
pub(super) struct Phase {
    /// Which part of a pixel's window the weights meet.
    pub segments: Vec<Segment>,
    /// The first row of its weights.
    pub first: usize,
    /// Output pixel within the `up` by `up` block of a grid pixel: (row, column).
    pub place: (usize, usize),
}

/// `relu(sum + bias) * scale + shift`, each per output channel.
#[derive(Clone, Copy, Default)]
pub struct Finish<'a> {
    /// Added first.
    pub bias: Option<&'a [f32]>,
    /// Whether negative values become zero.
    pub relu: bool,
    /// Multiplied and added last.
    pub affine: Option<(&'a [f32], &'a [f32])>,
}

/// A product over a map.
pub(super) struct Product<'a> {
    pub isa: Isa,
    pub grid: Grid,
    pub sources: Sources<'a>,
    pub channels: [usize; 2],
    pub phases: &'a [Phase],
    pub weights: Packed,
    /// Output pixels along each side of a grid pixel.
    pub up: usize,
    /// Neighbouring grid pixels of a row that share one row of weights' columns.
    pub group: usize,
    /// Output channels.
    pub outputs: usize,
    pub finish: Finish<'a>,
}

/// The finish, in whole vectors.
struct Ends {
    bias: Vec<f32>,
    affine: Option<(Vec<f32>, Vec<f32>)>,
}

impl Product<'_> {
    /// The output map, and what `each` says of every band of it, in order.
    pub fn run<T: Send>(&self, each: impl Fn(&mut [f32]) -> T + Sync) -> (Vec<f32>, Vec<T>) {
        let grid = &self.grid;
        let row_floats = grid.patch_width() * (self.channels[0] + self.channels[1]) * grid.stride;
        let rows = band_rows(grid.rows(), grid.width, row_floats);
        let row_len = grid.width * self.up * self.up * self.outputs;
        let mut out = pool::take(grid.rows() * row_len);
        let ends = self.ends();
        let said = out
            .par_chunks_mut(rows * row_len)
            .enumerate()
            .map(|(i, band)| {
                self.band(i * rows, band.len() / row_len, band, &ends);
                each(band)
            })
            .collect();
        (out, said)
    }

    fn ends(&self) -> Ends {
        let len = self.group * self.outputs;
        let pad = |v: &[f32]| padded(self.isa, v, len);
        Ends {
            bias: self.finish.bias.map_or_else(|| pad(&[0.0]), pad),
            affine: self.finish.affine.map(|(scale, shift)| (pad(scale), pad(shift))),
        }
    }

    /// Computes a band: `out` and all its columns at once, or, where bands are few, panel by panel in parallel.
    fn band(&self, first: usize, rows: usize, out: &mut [f32], ends: &Ends) {
        let (grid, up, outputs) = (&self.grid, self.up, self.outputs);
        let patch = grid.patch(self.sources, self.channels, first..first + rows);
        let step = grid.stride * (self.channels[0] + self.channels[1]);
        let mut places = Vec::with_capacity(rows * grid.width / self.group);
        for (r, start) in patch.starts.iter().enumerate() {
            for x in (0..grid.width).step_by(self.group) {
                places.push((start + (x * step) as u32, (r * up * grid.width * up + x * up) as u32));
            }
        }
        let panels = &self.weights.panels;
        if panels.len() == 1 || grid.rows() / rows >= ENOUGH {
            for p in panels {
                self.panel(p, &patch, &places, ends, out, (p.first, outputs));
            }
            return;
        }
        let pixels = out.len() / outputs;
        let mut apart = Scratch::new(out.len());
        let mut rest: &mut [f32] = &mut apart;
        let mut parts = Vec::with_capacity(panels.len());
        for p in panels {
            let (part, after) = rest.split_at_mut(p.columns * pixels);
            parts.push((p, part));
            rest = after;
        }
        parts.par_iter_mut().for_each(|(p, part)| self.panel(p, &patch, &places, ends, part, (0, p.columns)));
        for (p, part) in parts {
            for (to, from) in out.chunks_exact_mut(outputs).zip(part.chunks_exact(p.columns)) {
                to[p.first..p.first + p.columns].copy_from_slice(from);
            }
        }
    }

    /// Computes one panel of columns into `out`, whose pixels start at `offset` and lie `stride` apart.
    fn panel(
        &self,
        p: &Panel,
        patch: &Patch,
        places: &[(u32, u32)],
        ends: &Ends,
        out: &mut [f32],
        (offset, stride): (usize, usize),
    ) {
        let columns = p.first..p.first + p.vectors * self.isa.lanes();
        let epilogue = Epilogue {
            bias: &ends.bias[columns.clone()],
            relu: self.finish.relu,
            affine: ends.affine.as_ref().map(|(a, b)| (&a[columns.clone()], &b[columns.clone()])),
        };
        for phase in self.phases {
            let pixel = phase.place.0 * self.grid.width * self.up + phase.place.1;
            let blocks = depth_blocks(&phase.segments);
            let mut depth = phase.first;
            for (i, segments) in blocks.iter().enumerate() {
                let product = Gather {
                    a: &patch.data,
                    rows: places,
                    segments,
                    b: self.weights.panel(p, depth),
                    vectors: p.vectors,
                    columns: p.columns,
                    c_offset: offset + pixel * stride,
                    c_stride: stride,
                    accumulate: i > 0,
                    epilogue: (i + 1 == blocks.len()).then_some(epilogue),
                };
                gather(self.isa, &product, out);
                depth += segments.iter().map(|s| s.len).sum::<usize>();
            }
        }
    }
}

/// Cuts segments into blocks of at most [`DEPTH`] floats, nearly equal.
pub(super) fn depth_blocks(segments: &[Segment]) -> Vec<Vec<Segment>> {
    let total: usize = segments.iter().map(|s| s.len).sum();
    let size = total.div_ceil(total.div_ceil(DEPTH).max(1));
    let mut blocks = Vec::new();
    let (mut block, mut room) = (Vec::new(), size);
    for s in segments {
        let mut done = 0;
        while done < s.len {
            let len = room.min(s.len - done);
            block.push(Segment { offset: s.offset + done, len });
            done += len;
            room -= len;
            if room == 0 {
                blocks.push(std::mem::take(&mut block));
                room = size;
            }
        }
    }
    if !block.is_empty() {
        blocks.push(block);
    }
    blocks
}
