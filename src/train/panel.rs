//! A picture of one image: image | truth | prediction | error, side by side.

use crate::{
    data::encode_png,
    domain::palette::{self, Rgb},
    loss::IGNORED,
};

/// Shortest side of a tile, in pixels.
const LEAST_SIDE: usize = 192;

/// Transparent columns between tiles.
const GAP: usize = 8;

/// Wrong pixels, over the image in grey.
const WRONG: Rgb = [220, 30, 30];

/// A PNG of the four tiles, each enlarged by nearest neighbour. `picture` is RGB [height, width, 3], the labels
/// [height, width].
///
/// # Errors
/// If it cannot be encoded.
pub fn png(
    picture: &[u8],
    truth: &[u8],
    predicted: &[u8],
    size: [usize; 2],
    background: Option<usize>,
) -> Result<Vec<u8>, png::EncodingError> {
    let class =
        |label: u8| if label == IGNORED { palette::IGNORED } else { palette::class(usize::from(label), background) };
    let pixel = |at: usize| [picture[3 * at], picture[3 * at + 1], picture[3 * at + 2]];
    let error = |at: usize| {
        if truth[at] != IGNORED && truth[at] != predicted[at] {
            return WRONG;
        }
        [(pixel(at).iter().map(|v| u16::from(*v)).sum::<u16>() / 3) as u8; 3]
    };
    let tiles: [&dyn Fn(usize) -> Rgb; 4] = [&pixel, &|at| class(truth[at]), &|at| class(predicted[at]), &error];
    let scale = LEAST_SIDE.div_ceil(size[0].min(size[1])).max(1);
    let mut rgba = Vec::new();
    for row in 0..size[0] * scale {
        for (place, tile) in tiles.iter().enumerate() {
            if place > 0 {
                rgba.extend([0; 4 * GAP]);
            }
            let line = row / scale * size[1];
            let pixels = (0..size[1] * scale).map(|column| tile(line + column / scale));
            rgba.extend(pixels.flat_map(|[r, g, b]| [r, g, b, 255]));
        }
    }
    let width = tiles.len() * size[1] * scale + (tiles.len() - 1) * GAP;
    encode_png(&rgba, [size[0] * scale, width], png::ColorType::Rgba, None)
}
