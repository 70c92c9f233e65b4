//! Connected pixels of one label: 8-connected, as microscopists count objects.

/// The component of each pixel of `labels` [height, width], numbered from 0, and each component's label and pixels.
pub(super) fn components(labels: &[u8], [height, width]: [usize; 2]) -> (Vec<u32>, Vec<(u8, u64)>) {
    const NONE: u32 = u32::MAX;
    let mut of_pixel = vec![NONE; labels.len()];
    let mut found: Vec<(u8, u64)> = Vec::new();
    let mut open = Vec::new();
    for start in 0..labels.len() {
        if of_pixel[start] != NONE {
            continue;
        }
        let number = found.len() as u32;
        let label = labels[start];
        let mut pixels = 0;
        of_pixel[start] = number;
        open.push(start);
        while let Some(pixel) = open.pop() {
            pixels += 1;
            let (y, x) = (pixel / width, pixel % width);
            for near_y in y.saturating_sub(1)..(y + 2).min(height) {
                for near in near_y * width + x.saturating_sub(1)..near_y * width + (x + 2).min(width) {
                    if of_pixel[near] == NONE && labels[near] == label {
                        of_pixel[near] = number;
                        open.push(near);
                    }
                }
            }
        }
        found.push((label, pixels));
    }
    (of_pixel, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_that_touch_at_a_corner_are_one_component() {
        #[rustfmt::skip]
        let labels = [
            1, 0, 0, 2,
            0, 1, 0, 2,
            0, 0, 0, 0,
            1, 0, 2, 2,
        ];
        let (of_pixel, mut found) = components(&labels, [4, 4]);
        assert_eq!((of_pixel[0], of_pixel[1]), (of_pixel[5], of_pixel[14 - 1]));
        found.sort_unstable();
        assert_eq!(found, [(0, 9), (1, 1), (1, 2), (2, 2), (2, 2)]);
    }
}
