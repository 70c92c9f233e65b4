//! Bands of a feature map, copied with a border of zeros, so that inner loops know no borders.

use super::micro::SLACK;
use super::pool::Scratch;
use std::ops::Range;

/// One map, or two that lie next to each other along channels (the second may have none).
pub type Sources<'a> = [&'a [f32]; 2];

/// How windows of a source map belong to the pixels of a grid: pixel (y, x) sees the `window` by
/// `window` source pixels from (y * stride - pad, x * stride - pad) on; outside the map lie zeros.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub stride: usize,
    pub window: usize,
    pub pad: usize,
}

/// The source pixels that a band of grid rows sees.
pub(super) struct Patch {
    pub data: Scratch,
    /// For each grid row, where the window of its first pixel starts in `data`.
    pub starts: Vec<u32>,
}

impl Grid {
    /// Rows over the whole batch.
    pub fn rows(&self) -> usize {
        self.batch * self.height
    }

    /// Pixels in a row of a patch.
    pub fn patch_width(&self) -> usize {
        (self.width - 1) * self.stride + self.window
    }

    /// The rows of a band, cut at image ends: (image, rows in it).
    fn pieces(&self, band: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let height = self.height;
        (band.start / height..band.end.div_ceil(height)).map(move |image| {
            let first = image * height;
            (image, band.start.max(first) - first..band.end.min(first + height) - first)
        })
    }

    /// Copies what a band sees.
    pub fn patch(&self, sources: Sources, channels: [usize; 2], band: Range<usize>) -> Patch {
        let row_len = self.patch_width() * (channels[0] + channels[1]);
        let patch_rows = |rows: &Range<usize>| (rows.len() - 1) * self.stride + self.window;
        let total: usize = self.pieces(band.clone()).map(|(_, rows)| patch_rows(&rows)).sum();
        let mut data = Scratch::new(total * row_len + SLACK);
        let mut starts = Vec::with_capacity(band.len());
        let (body, slack) = data.split_at_mut(total * row_len);
        slack.fill(0.0);
        let mut lines = body.chunks_exact_mut(row_len);
        let mut line = 0;
        for (image, rows) in self.pieces(band) {
            let count = patch_rows(&rows);
            starts.extend((0..rows.len()).map(|r| ((line + r * self.stride) * row_len) as u32));
            for (i, to) in lines.by_ref().take(count).enumerate() {
                self.copy_row(to, sources, channels, image, rows.start * self.stride + i);
            }
            line += count;
        }
        Patch { data, starts }
    }

    /// One padded row; `y` counts from the top padding on.
    fn copy_row(&self, to: &mut [f32], sources: Sources, channels: [usize; 2], image: usize, y: usize) {
        let (height, width) = (self.height * self.stride, self.width * self.stride);
        let all = channels[0] + channels[1];
        if y < self.pad || y - self.pad >= height {
            to.fill(0.0);
            return;
        }
        let (before, rest) = to.split_at_mut(self.pad * all);
        let seen = width.min(rest.len() / all);
        let (inside, after) = rest.split_at_mut(seen * all);
        before.fill(0.0);
        after.fill(0.0);
        let first = (image * height + y - self.pad) * width;
        if channels[1] == 0 {
            inside.copy_from_slice(&sources[0][first * all..(first + seen) * all]);
            return;
        }
        let left = sources[0][first * channels[0]..].chunks_exact(channels[0]);
        let right = sources[1][first * channels[1]..].chunks_exact(channels[1]);
        for ((to, left), right) in inside.chunks_exact_mut(all).zip(left).zip(right) {
            to[..channels[0]].copy_from_slice(left);
            to[channels[0]..].copy_from_slice(right);
        }
    }
}

/// Rows in each band: patches that fit the second-level cache, enough bands for many threads, and
/// enough pixels in a band to use its weights well. Depends on shapes alone.
pub(super) fn band_rows(rows: usize, width: usize, row_floats: usize) -> usize {
    const PATCH: usize = 48 * 1024;
    const PIXELS: usize = 64;
    const BANDS: usize = 16;
    let most = (PATCH / row_floats).max(1);
    let least = PIXELS.div_ceil(width);
    rows.div_ceil(BANDS).min(most).max(least).min(rows)
}
