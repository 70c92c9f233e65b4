//! "Same" convolution of stride 1, its gradients, from one map or two that lie next to each other.

use super::block::Convolution;
use super::gather::{Finish, Phase, Product};
use super::isa::Isa;
use super::micro::Segment;
use super::outer::WindowSums;
use super::pack::{Packed, Stored};
use super::patch::{Grid, Sources};
use super::winograd::Winograd;

/// A convolution's shape. Maps are `[batch, height, width, channels]`, weights
/// `[outputs, inputs, kernel, kernel]`. Even kernels pad after, as Keras's "same" does.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    /// Images.
    pub batch: usize,
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// Channels of the first and the second source; the second may be 0.
    pub inputs: [usize; 2],
    /// Output channels.
    pub outputs: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// The instructions to use.
    pub isa: Isa,
}

impl Conv {
    /// Channels of both sources.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.inputs[0] + self.inputs[1]
    }

    fn grid(&self, pad: usize) -> Grid {
        Grid { batch: self.batch, height: self.height, width: self.width, stride: 1, window: self.kernel, pad }
    }

    fn winograd<'a>(&self, sources: Sources<'a>, channels: [usize; 2], outputs: usize) -> Winograd<'a> {
        let Self { isa, batch, height, width, .. } = *self;
        Winograd { isa, batch, height, width, sources, channels, outputs }
    }

    /// Few output channels would leave lanes idle: pixels of a row share a vector then.
    fn group(&self, outputs: usize) -> usize {
        let mut group = 1;
        while self.kernel > 1 && 2 * group * outputs <= self.isa.lanes() && self.width.is_multiple_of(2 * group) {
            group *= 2;
        }
        group
    }

    fn run<T: Send>(
        &self,
        x: Sources,
        inputs: [usize; 2],
        pad: usize,
        stored: &Stored,
        finish: Finish,
        each: impl Fn(&mut [f32]) -> T + Sync,
    ) -> (Vec<f32>, Vec<T>) {
        let winograd = self.winograd(x, inputs, stored.columns);
        if winograd.suits(self.kernel) {
            return winograd.run(stored, &finish, each);
        }
        let (k, c) = (self.kernel, inputs[0] + inputs[1]);
        let grid = self.grid(pad);
        let (line, wide) = (grid.patch_width() * c, (k + stored.group - 1) * c);
        let segments = (0..k).map(|i| Segment { offset: i * line, len: wide }).collect();
        Product {
            isa: self.isa,
            grid,
            sources: x,
            channels: inputs,
            phases: &[Phase { segments, first: 0, place: (0, 0) }],
            weights: Packed::new(self.isa, k * wide, stored),
            up: 1,
            group: stored.group,
            outputs: stored.columns,
            finish,
        }
        .run(each)
    }
}

impl Convolution for Conv {
    fn isa(&self) -> Isa {
        self.isa
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn product<T: Send>(
        &self,
        x: Sources,
        weight: &[f32],
        finish: Finish,
        each: impl Fn(&mut [f32]) -> T + Sync,
    ) -> (Vec<f32>, Vec<T>) {
        let (k, c) = (self.kernel, self.channels());
        let group = self.group(self.outputs);
        let wide = k + group - 1;
        let rows: Vec<usize> = (0..c * k * k).map(|q| (q % (k * k) / k * wide + q % k) * c + q / (k * k)).collect();
        let stored = Stored {
            weight,
            column_stride: c * k * k,
            columns: self.outputs,
            run_stride: 0,
            run: c * k * k,
            rows: &rows,
            group,
            group_rows: c,
        };
        self.run(x, self.inputs, (k - 1) / 2, &stored, finish, each)
    }

    fn input_gradient(&self, weight: &[f32], gradient: &[f32]) -> [Vec<f32>; 2] {
        let (k, c) = (self.kernel, self.channels());
        let part = |first: usize, count: usize| {
            if count == 0 {
                return Vec::new();
            }
            let group = self.group(count);
            let wide = k + group - 1;
            let flipped = |t: usize| (k - 1 - t / k) * wide + k - 1 - t % k;
            let rows: Vec<usize> =
                (0..self.outputs * k * k).map(|q| flipped(q % (k * k)) * self.outputs + q / (k * k)).collect();
            let stored = Stored {
                weight: &weight[first * k * k..],
                column_stride: k * k,
                columns: count,
                run_stride: c * k * k,
                run: k * k,
                rows: &rows,
                group,
                group_rows: self.outputs,
            };
            self.run([gradient, &[]], [self.outputs, 0], k / 2, &stored, Finish::default(), |_| ()).0
        };
        [part(0, self.inputs[0]), part(self.inputs[0], self.inputs[1])]
    }

    fn weight_gradient(&self, x: Sources, gradient: &[f32]) -> Vec<f32> {
        let winograd = self.winograd(x, self.inputs, self.outputs);
        if winograd.suits(self.kernel) {
            return winograd.weight_gradient(gradient);
        }
        WindowSums {
            isa: self.isa,
            grid: self.grid((self.kernel - 1) / 2),
            sources: x,
            channels: self.inputs,
            right: gradient,
            right_channels: self.outputs,
            group: self.group(self.outputs),
        }
        .run()
        .into_weights()
    }
}
