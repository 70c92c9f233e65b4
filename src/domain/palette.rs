//! Colours of classes and series, the same in every chart and panel, told apart by colour-blind eyes.

/// Red, green, blue, 0 to 255.
pub type Rgb = [u8; 3];

/// Okabe & Ito (2008), without black, in an order whose neighbours differ in lightness too.
const SERIES: [Rgb; 7] =
    [[0, 114, 178], [230, 159, 0], [0, 158, 115], [213, 94, 0], [204, 121, 167], [86, 180, 233], [240, 228, 66]];

/// The background of masks and what is not counted.
pub const BACKGROUND: Rgb = [38, 38, 42];

/// Pixels with the ignored mask value.
pub const IGNORED: Rgb = [150, 150, 150];

/// The colour of series `index`; after seven the colours repeat darker.
pub fn series(index: usize) -> Rgb {
    let round = (index / SERIES.len()).min(3) as u16;
    SERIES[index % SERIES.len()].map(|channel| (u16::from(channel) * (4 - round) / 4) as u8)
}

/// The colour of class `index` in masks: dark for the background, else the series colours in order.
pub fn class(index: usize, background: Option<usize>) -> Rgb {
    match background {
        Some(b) if b == index => BACKGROUND,
        Some(b) if b < index => series(index - 1),
        _ => series(index),
    }
}
