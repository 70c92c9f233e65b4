//! Numeric kernels over plain slices: no burn in here. Every result is the same on any number of threads, because
//! work is cut into pieces by the shapes alone and partial sums are added in a fixed order.
//!
//! | file | does |
//! | --- | --- |
//! | `conv` | "same" convolution, stride 1: forward, gradients of input and weights |
//! | `norm` | batch norm over batch and space: forward, and backward through it and the ReLU before it |
//! | `resample` | 2×2 max pooling, nearest upsampling, concatenation along channels |
//!
//! Maps are laid out [batch, channels, height, width].

pub mod conv;
pub mod norm;
pub mod resample;

/// Extent of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Images.
    pub batch: usize,
    /// Feature channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Extent {
    /// Pixels of one channel.
    pub fn plane(self) -> usize {
        self.height * self.width
    }

    /// Values of one image.
    pub fn image(self) -> usize {
        self.channels * self.plane()
    }

    /// Values of the whole map.
    pub fn len(self) -> usize {
        self.batch * self.image()
    }

    /// The same batch and space with another number of channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

/// A sum in sixteen lanes: quick, and the same wherever it runs.
pub(crate) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; 16];
    for chunk in values.chunks(16) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum()
}
