//! Statistics, apart from what they are used for. Held against SciPy, NumPy and statsmodels by
//! `tests/statistics.rs`.

mod anova;
mod bootstrap;
mod describe;
mod distance;
mod noise;
mod paired;

pub use anova::{Chance, Component, Factor, components, permutation_p};
pub use bootstrap::{Estimate, Interval, bca, bca_of_draws, stratified_percentile};
pub use describe::{deviation, interquartile_mean, mean, mean_of, median, quantile, slope};
pub use distance::{jensen_shannon, kolmogorov_smirnov};
pub use noise::{ema, robust_sigma};
pub use paired::{
    NOETHER_PAIRS, Paired, Superiority, corrected_interval, holm, nadeau_bengio, splits_needed, superiority,
};

/// The level of every interval.
pub const LEVEL: f64 = 0.95;
