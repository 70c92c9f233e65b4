//! Limits that the audit of the data, the trainer and the report hold the same figures against.

/// Bits of the difference hash, of 64, in which near duplicates may differ [heuristic].
pub const NEAR_BITS: u32 = 5;

/// Images of a class below which a split's figures for it are chance [heuristic].
pub const FEW_IMAGES: u32 = 5;

/// Dice of a perfect model below which an input size costs too much [heuristic].
pub const LOW_CEILING: f64 = 0.95;

/// Share of lost components above which an input size costs too much [heuristic].
pub const LOST: f64 = 0.05;
