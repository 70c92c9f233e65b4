//! Bilinear resizing with pixel centres at half-integers, as PyTorch's `interpolate(align_corners=False)`.

/// Where an output pixel reads: two input pixels and the share of the second.
type Tap = (usize, usize, f32);

/// Resizes each plane of `values` [planes, from] to `to` (height, width).
pub fn resize_bilinear(values: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let (rows, columns) = (taps(from[0], to[0]), taps(from[1], to[1]));
    let mut out = Vec::with_capacity(values.len() / (from[0] * from[1]) * to[0] * to[1]);
    for plane in values.chunks(from[0] * from[1]) {
        for &(top, bottom, share) in &rows {
            let (top, bottom) = (&plane[top * from[1]..][..from[1]], &plane[bottom * from[1]..][..from[1]]);
            out.extend(columns.iter().map(|&(left, right, across)| {
                let upper = top[left] + (top[right] - top[left]) * across;
                let lower = bottom[left] + (bottom[right] - bottom[left]) * across;
                upper + (lower - upper) * share
            }));
        }
    }
    out
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let tap = |index: usize| {
        let place = ((index as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (place as usize).min(from - 1);
        (first, (first + 1).min(from - 1), (place - first as f64) as f32)
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_a_row_gives_pytorchs_values() {
        // torch.nn.functional.interpolate(tensor([[[[0., 4.]]]]), (1, 4), mode="bilinear")
        assert_eq!(resize_bilinear(&[0.0, 4.0], [1, 2], [1, 4]), [0.0, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn a_constant_stays_constant_and_equal_sizes_change_nothing() {
        assert_eq!(resize_bilinear(&[7.0; 6], [2, 3], [5, 4]), [7.0; 20]);
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        assert_eq!(resize_bilinear(&values, [3, 2], [3, 2]), values);
    }
}
