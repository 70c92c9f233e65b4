//! Images that are stored turned or mirrored, as they are to be seen.

use super::{Raster, Samples};

/// `raster` as its orientation says that it is to be seen (Exif 2.32 and TIFF 6.0, tag 274): 1 as stored, 2 to 4
/// mirrored or turned by half, 5 to 8 with rows and columns exchanged.
pub(super) fn upright(raster: Raster, orientation: u16) -> Raster {
    if !(2..=8).contains(&orientation) {
        return raster;
    }
    let [height, width] = raster.size;
    let is_turned = orientation >= 5;
    let from_below = matches!(orientation, 3 | 4 | 6 | 7);
    let from_right = matches!(orientation, 2 | 3 | 7 | 8);
    let size = if is_turned { [width, height] } else { [height, width] };
    let stored = |place: usize| {
        let seen = [place / size[1], place % size[1]];
        let [row, column] = if is_turned { [seen[1], seen[0]] } else { seen };
        let row = if from_below { height - 1 - row } else { row };
        let column = if from_right { width - 1 - column } else { column };
        row * width + column
    };
    let channels = raster.channels;
    let samples = match raster.samples {
        Samples::U8(samples) => Samples::U8(moved(&samples, channels, stored)),
        Samples::U16(samples) => Samples::U16(moved(&samples, channels, stored)),
        Samples::F32(samples) => Samples::F32(moved(&samples, channels, stored)),
        Samples::F64(samples) => Samples::F64(moved(&samples, channels, stored)),
    };
    Raster { size, samples, ..raster }
}

/// Pixels taken from where `stored` says.
fn moved<T: Copy>(samples: &[T], channels: usize, stored: impl Fn(usize) -> usize) -> Vec<T> {
    let pixel = |place: usize| &samples[stored(place) * channels..][..channels];
    (0..samples.len() / channels).flat_map(pixel).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of three pixels, as each of the eight orientations shows them.
    #[test]
    fn each_orientation_is_seen_as_it_is_defined() {
        let stored = Raster { size: [2, 3], channels: 1, samples: Samples::U8(vec![1, 2, 3, 4, 5, 6]), palette: None };
        let seen: [([usize; 2], [u8; 6]); 8] = [
            ([2, 3], [1, 2, 3, 4, 5, 6]),
            ([2, 3], [3, 2, 1, 6, 5, 4]),
            ([2, 3], [6, 5, 4, 3, 2, 1]),
            ([2, 3], [4, 5, 6, 1, 2, 3]),
            ([3, 2], [1, 4, 2, 5, 3, 6]),
            ([3, 2], [4, 1, 5, 2, 6, 3]),
            ([3, 2], [6, 3, 5, 2, 4, 1]),
            ([3, 2], [3, 6, 2, 5, 1, 4]),
        ];
        for (orientation, (size, samples)) in (1..).zip(seen) {
            let raster = upright(stored.clone(), orientation);
            assert_eq!((raster.size, raster.samples), (size, Samples::U8(samples.into())), "{orientation}");
        }
    }
}
