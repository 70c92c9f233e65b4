//! Weights laid out for the inner loops: panels of a few vectors of columns.

use super::isa::Isa;
use super::micro::most_vectors;
use super::pool::Scratch;
use super::transpose::transpose8;
use rayon::prelude::*;

/// A stretch of columns that one inner loop keeps in registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// Its first column.
    pub first: usize,
    /// Columns that exist; the last vector may have more lanes.
    pub columns: usize,
    pub vectors: usize,
}

/// Splits columns into panels of nearly equal width.
pub(super) fn panels(isa: Isa, columns: usize) -> Vec<Panel> {
    let lanes = isa.lanes();
    let vectors = columns.div_ceil(lanes);
    let count = vectors.div_ceil(most_vectors(isa));
    (0..count)
        .map(|i| {
            let (from, to) = (vectors * i / count, vectors * (i + 1) / count);
            let first = from * lanes;
            Panel { first, columns: columns.min(to * lanes) - first, vectors: to - from }
        })
        .collect()
}

/// Weights as the model stores them, and which packed row and column each becomes.
pub(super) struct Stored<'a> {
    pub weight: &'a [f32],
    /// Floats from one column to the next.
    pub column_stride: usize,
    pub columns: usize,
    /// Floats from one run of rows to the next; a run's rows lie next to each other.
    pub run_stride: usize,
    pub run: usize,
    /// The packed row of each stored one, run after run.
    pub rows: &'a [usize],
    /// Copies of the columns, side by side, each moved down by `group_rows`.
    pub group: usize,
    pub group_rows: usize,
}

/// A matrix of `depth` rows, panel after panel, each `[depth][vectors * lanes]`.
pub(super) struct Packed {
    pub panels: Vec<Panel>,
    depth: usize,
    lanes: usize,
    data: Scratch,
}

/// Stored rows that are packed together, so that their packed lines stay close.
const ROWS: usize = 144;

impl Packed {
    /// Packs `stored` into `depth` rows.
    pub fn new(isa: Isa, depth: usize, stored: &Stored) -> Self {
        let lanes = isa.lanes();
        let columns = stored.group * stored.columns;
        let panels = panels(isa, columns);
        let mut data = Scratch::new(columns.next_multiple_of(lanes) * depth);
        let mut rest: &mut [f32] = &mut data;
        let mut parts = Vec::with_capacity(panels.len());
        for p in &panels {
            let (part, after) = rest.split_at_mut(p.vectors * lanes * depth);
            parts.push((p, part));
            rest = after;
        }
        parts.into_par_iter().for_each(|(p, part)| {
            let width = p.vectors * lanes;
            if stored.group > 1 || p.columns < width {
                part.fill(0.0);
            }
            if stored.group == 1 {
                stored.pack(isa, part, width, p.first..p.first + p.columns, 0);
            } else {
                // Groups fill one vector at most.
                for g in 0..stored.group {
                    let shift = g * (stored.group_rows * width + stored.columns);
                    stored.pack(isa, part, width, 0..stored.columns, shift);
                }
            }
        });
        Self { panels, depth, lanes, data }
    }

    /// A panel from row `from` on.
    pub fn panel(&self, p: &Panel, from: usize) -> &[f32] {
        let width = p.vectors * self.lanes;
        &self.data[p.first * self.depth + from * width..p.first * self.depth + self.depth * width]
    }
}

impl Stored<'_> {
    /// Some of the columns, where no pixels share them.
    pub fn part(&self, columns: std::ops::Range<usize>) -> Self {
        Self { weight: &self.weight[columns.start * self.column_stride..], columns: columns.len(), ..*self }
    }

    /// Packs some columns into lines of `width`, all moved on by `shift` floats.
    fn pack(&self, isa: Isa, to: &mut [f32], width: usize, columns: std::ops::Range<usize>, shift: usize) {
        for (r, rows) in self.rows.chunks(self.run).enumerate() {
            for (b, rows) in rows.chunks(ROWS).enumerate() {
                let first = r * self.run_stride + b * ROWS;
                for column in columns.clone().step_by(8) {
                    let count = (columns.end - column).min(8);
                    let from = first + column * self.column_stride;
                    self.pack_columns(isa, to, width, (from, count), rows, column - columns.start + shift);
                }
            }
        }
    }

    /// Packs up to eight columns of some rows.
    fn pack_columns(
        &self,
        isa: Isa,
        to: &mut [f32],
        width: usize,
        (from, count): (usize, usize),
        rows: &[usize],
        shift: usize,
    ) {
        let whole = if count == 8 { rows.len() / 8 * 8 } else { 0 };
        for k in (0..whole).step_by(8) {
            let starts = std::array::from_fn(|i| from + i * self.column_stride + k);
            let ends = std::array::from_fn(|j| rows[k + j] * width + shift);
            transpose8(isa, self.weight, &starts, to, &ends);
        }
        for (k, row) in rows.iter().enumerate().skip(whole) {
            let line = &mut to[row * width + shift..][..count];
            for (i, to) in line.iter_mut().enumerate() {
                *to = self.weight[from + i * self.column_stride + k];
            }
        }
    }
}

/// Repeats `values` to fill `len` columns, then zeros up to whole vectors.
pub(super) fn padded(isa: Isa, values: &[f32], len: usize) -> Vec<f32> {
    let mut out: Vec<f32> = values.iter().copied().cycle().take(len).collect();
    out.resize(len.next_multiple_of(isa.lanes()), 0.0);
    out
}
