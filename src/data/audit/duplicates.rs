//! Images that are the same or nearly so, and names that tell of tiles cut from one picture.

use std::collections::BTreeSet;

use crate::{data::table::file_of, domain::limits::NEAR_BITS};

use super::image::{Doubt, ImageFacts};

/// Two images that are the same or look the same.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Duplicate {
    /// The first of them by name.
    pub image: String,
    /// The other.
    pub other: String,
    /// Whether every value is the same.
    pub exact: bool,
    /// Bits of 64 in which their difference hashes differ.
    pub distance: u32,
    /// Whether one group holds both, so that no split can separate them.
    pub same_group: bool,
}

/// All pairs, by the places of their images.
pub(super) fn pairs(facts: &[ImageFacts]) -> Vec<(usize, usize, bool, u32)> {
    let mut found = Vec::new();
    for (i, first) in facts.iter().enumerate() {
        for (j, second) in facts.iter().enumerate().skip(i + 1) {
            let distance = (first.look ^ second.look).count_ones();
            if distance > NEAR_BITS {
                continue;
            }
            let exact = first.content == second.content;
            // Empty images look alike without being copies.
            let telling = ![Some(Doubt::Constant), Some(Doubt::Blank)].contains(&first.doubt);
            if exact || telling {
                found.push((i, j, exact, distance));
            }
        }
    }
    found
}

/// The pictures that the images seem to be tiles or slices of, by their names: `a_y0_x128` and `a_y128_x0` are of `a`.
/// `None` if the names tell nothing: all different or all the same.
pub(super) fn sources(names: &[String]) -> Option<Vec<String>> {
    let sources: Vec<String> = names.iter().map(|name| source(name)).collect();
    let distinct = sources.iter().collect::<BTreeSet<_>>().len();
    (distinct > 1 && 2 * distinct <= names.len()).then_some(sources)
}

/// The name without extension and without trailing counters: parts of at most two letters and digits.
fn source(name: &str) -> String {
    let file = file_of(name);
    let mut stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    while let Some((before, last)) = stem.rsplit_once(['_', '-', ' ', '.']) {
        let letters = last.chars().take_while(char::is_ascii_alphabetic).count();
        let digits = &last[letters..];
        if letters > 2 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || before.is_empty() {
            break;
        }
        stem = before;
    }
    stem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_cut_off_names() {
        for (name, expected) in [
            ("Sandstone_Versa0000_y0128_x0256.png", "Sandstone_Versa0000"),
            ("field-003.png", "field"),
            ("p1/slide 2-07.tif#12", "p1/slide"),
            ("00071198d059ba7f.png", "00071198d059ba7f"),
            ("cell_left.png", "cell_left"),
        ] {
            assert_eq!(source(name), expected);
        }
    }
}
