//! Images and masks at another size.

/// A plane [height, width] resized with a triangle filter that widens as the plane shrinks, so that nothing is
/// skipped (antialiasing). Pixel centres are aligned and the edge is not padded, as in Pillow's `BILINEAR`.
pub(super) fn smooth(plane: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    if from == to {
        return plane.to_vec();
    }
    let rows = weights(from[0], to[0]);
    let columns = weights(from[1], to[1]);
    let mut tall = vec![0.0; to[0] * from[1]];
    for (target, (first, weights)) in tall.chunks_exact_mut(from[1]).zip(&rows) {
        for (row, &weight) in plane.chunks_exact(from[1]).skip(*first).zip(weights) {
            target.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * value);
        }
    }
    let narrow = |row: &[f32]| {
        let sum = |(first, weights): &(usize, Vec<f32>)| {
            row[*first..].iter().zip(weights).fold(0.0, |sum, (&value, &weight)| sum + weight * value)
        };
        columns.iter().map(sum).collect::<Vec<f32>>()
    };
    tall.chunks_exact(from[1]).flat_map(narrow).collect()
}

/// For each target pixel the first source pixel that counts, and the weights from there on, which sum to 1.
fn weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let of = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        let first = (centre - reach).floor().max(0.0) as usize;
        let last = ((centre + reach).ceil() as usize).min(from);
        let raw: Vec<f64> = (first..last).map(|j| (1.0 - ((j as f64 + 0.5 - centre) / reach).abs()).max(0.0)).collect();
        let total: f64 = raw.iter().sum();
        (first, raw.into_iter().map(|weight| (weight / total) as f32).collect())
    };
    (0..to).map(of).collect()
}

/// Labels [height, width] at another size: each pixel takes the label under its centre.
pub(super) fn nearest(labels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let source = |i: usize, from: usize, to: usize| (2 * i + 1) * from / (2 * to);
    let columns: Vec<usize> = (0..to[1]).map(|x| source(x, from[1], to[1])).collect();
    let row = |y: usize| {
        let row = &labels[source(y, from[0], to[0]) * from[1]..][..from[1]];
        columns.iter().map(|&x| row[x])
    };
    (0..to[0]).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_averages_with_the_triangle_of_pillow() {
        // Pillow 11: Image.fromarray(np.arange(8, dtype="f4")[None]).resize((4, 1), Image.BILINEAR)
        let row: Vec<f32> = (0..8).map(|v| v as f32).collect();
        let halved = smooth(&row, [1, 8], [1, 4]);
        let expected = [0.714_285_7, 2.5, 4.5, 6.285_714];
        halved.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{halved:?}"));
    }

    #[test]
    fn a_constant_stays_constant_at_any_size() {
        for to in [[1, 1], [3, 5], [7, 11], [20, 31]] {
            let resized = smooth(&[4.0; 77], [7, 11], to);
            assert_eq!(resized.len(), to[0] * to[1]);
            assert!(resized.iter().all(|v| (v - 4.0).abs() < 1e-5));
        }
    }

    #[test]
    fn labels_are_taken_under_the_pixel_centre() {
        assert_eq!(nearest(&[0, 1, 2, 3, 4, 5], [1, 6], [1, 2]), [1, 4]);
        assert_eq!(nearest(&[7, 8], [1, 2], [2, 4]), [7, 7, 8, 8, 7, 7, 8, 8]);
        assert_eq!(nearest(&[1, 2, 3, 4], [2, 2], [2, 2]), [1, 2, 3, 4]);
    }
}
