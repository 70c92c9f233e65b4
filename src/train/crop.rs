//! Windows of the network's size in images of their own size: where training looks, and how evaluation covers all.

use rand::{Rng, RngExt};

use crate::data::IGNORED;

/// Share of crops that are placed so that they hold a pixel of a foreground class drawn at random (nnU-Net: a third).
const ON_FOREGROUND: f64 = 1.0 / 3.0;

/// How many crops of `window` an epoch takes from an image: enough to see about all of it.
pub fn crops(size: [usize; 2], window: [usize; 2]) -> usize {
    (size[0] * size[1]).div_ceil(window[0] * window[1]).max(1)
}

/// The first row and column of a random crop.
pub fn place(
    random: &mut impl Rng,
    mask: &[u8],
    size: [usize; 2],
    window: [usize; 2],
    background: Option<usize>,
) -> [usize; 2] {
    let room = [0, 1].map(|axis| size[axis].saturating_sub(window[axis]));
    let anywhere = room.map(|room| random.random_range(0..=room));
    let wants_foreground = random.random_bool(ON_FOREGROUND);
    let Some(pixel) = wants_foreground.then(|| foreground_pixel(random, mask, background)).flatten() else {
        return anywhere;
    };
    let at = [pixel / size[1], pixel % size[1]];
    [0, 1].map(|axis| {
        let first = (at[axis] + 1).saturating_sub(window[axis]).min(room[axis]);
        random.random_range(first..=at[axis].min(room[axis]))
    })
}

/// A pixel of a class drawn among the foreground classes that the mask has.
fn foreground_pixel(random: &mut impl Rng, mask: &[u8], background: Option<usize>) -> Option<usize> {
    let mut pixels = [0usize; 256];
    mask.iter().for_each(|label| pixels[usize::from(*label)] += 1);
    let is_foreground = |class: &usize| pixels[*class] > 0 && Some(*class) != background;
    let classes: Vec<usize> = (0..usize::from(IGNORED)).filter(is_foreground).collect();
    let class = *classes.get(random.random_range(0..classes.len().max(1)))?;
    let nth = random.random_range(0..pixels[class]);
    mask.iter().enumerate().filter(|(_, label)| usize::from(**label) == class).nth(nth).map(|(at, _)| at)
}

/// Copies the window at `first` out of each plane of `values`; what lies outside the image becomes `fill`.
pub fn cut<T: Copy>(values: &[T], size: [usize; 2], first: [usize; 2], window: [usize; 2], fill: T, out: &mut Vec<T>) {
    let columns = window[1].min(size[1] - first[1]);
    for plane in values.chunks(size[0] * size[1]) {
        for row in first[0]..first[0] + window[0] {
            if row < size[0] {
                out.extend_from_slice(&plane[row * size[1] + first[1]..][..columns]);
            }
            let missing = if row < size[0] { window[1] - columns } else { window[1] };
            out.extend(std::iter::repeat_n(fill, missing));
        }
    }
}

/// Windows that cover an image, each overlapping the next by at least half.
pub fn windows(size: [usize; 2], window: [usize; 2]) -> Vec<[usize; 2]> {
    let along = |axis: usize| -> Vec<usize> {
        let room = size[axis].saturating_sub(window[axis]);
        let steps = room.div_ceil((window[axis] / 2).max(1));
        (0..=steps).map(|step| (room * step).checked_div(steps).unwrap_or(0)).collect()
    };
    let columns = along(1);
    along(0).into_iter().flat_map(|row| columns.iter().map(move |column| [row, *column])).collect()
}

/// Weight of a place within a window: 1 at its border, more towards its middle, where the network sees most.
pub fn weight(place: usize, side: usize) -> f32 {
    (place.min(side - 1 - place) + 1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::seed;

    #[test]
    fn windows_cover_every_pixel_and_stay_inside() {
        for (size, window) in [([100, 64], [64, 64]), ([33, 129], [32, 32]), ([20, 20], [32, 32]), ([65, 64], [64, 32])]
        {
            let mut seen = vec![false; size[0] * size[1]];
            for [row, column] in windows(size, window) {
                assert!(row + window[0] <= size[0].max(window[0]) && column + window[1] <= size[1].max(window[1]));
                for y in row..(row + window[0]).min(size[0]) {
                    seen[y * size[1] + column..y * size[1] + (column + window[1]).min(size[1])].fill(true);
                }
            }
            assert!(seen.iter().all(|seen| *seen), "{size:?} {window:?}");
        }
    }

    #[test]
    fn crops_stay_inside_and_favour_a_rare_class() {
        let (size, window) = ([64, 48], [16, 16]);
        let mut mask = vec![0; 64 * 48];
        mask[40 * 48 + 30] = 3;
        let mut hits = 0;
        for number in 0..300 {
            let mut random = seed::generator(0, "crop", &[number]);
            let [row, column] = place(&mut random, &mask, size, window, Some(0));
            assert!(row <= 48 && column <= 32);
            hits += u32::from((row..row + 16).contains(&40) && (column..column + 16).contains(&30));
        }
        assert!(hits > 90, "{hits} of 300 crops hold the rare pixel; by chance alone it would be about 40");
    }

    #[test]
    fn a_cut_is_filled_up_beyond_the_image() {
        let mut out = Vec::new();
        cut(&[1, 2, 3, 4, 5, 6], [2, 3], [0, 1], [3, 3], 9, &mut out);
        assert_eq!(out, [2, 3, 9, 5, 6, 9, 9, 9, 9]);
    }
}
