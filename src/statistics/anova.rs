//! What moves the score: analysis of variance over the axes of a sweep, and its permutation null.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::describe::mean;

/// One axis: the level of each run.
#[derive(Clone, Debug)]
pub struct Factor {
    /// The axis, or two joined by `:`.
    pub name: String,
    /// The index of each run's level.
    pub levels: Vec<usize>,
}

/// What one axis explains.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The axis; two joined by `:` for a pairwise term; `residual` last.
    pub name: String,
    /// Type II sum of squares: over and above every term that does not contain this one.
    pub squares: f64,
    /// Degrees of freedom.
    pub freedom: usize,
    /// Variance of the axis's effect, by equating mean squares to their expectation; never below 0.
    pub variance: f64,
    /// The F test's p value, against the residual; that of the residual is 1.
    pub p: f64,
}

/// Type II analysis of variance of `scores` over main effects and, with `pairs`, all pairwise terms. In a full grid
/// each sum of squares is exact and they add up to the total; with missing cells they are what least squares leaves.
/// `None` if there are no degrees of freedom for the residual.
pub fn components(scores: &[f64], factors: &[Factor], pairs: bool) -> Option<Vec<Component>> {
    let mut terms: Vec<(Vec<usize>, Factor)> =
        factors.iter().enumerate().map(|(index, factor)| (vec![index], factor.clone())).collect();
    if pairs {
        for a in 0..factors.len() {
            for b in a + 1..factors.len() {
                terms.push((vec![a, b], joined(&factors[a], &factors[b])));
            }
        }
    }
    let mut full = Basis::of_mean(scores.len());
    terms.iter().for_each(|(_, factor)| full.add(factor));
    let freedom = scores.len().checked_sub(full.rank()).filter(|&freedom| freedom > 0)?;
    let rest = full.rest(scores);
    let noise = rest / freedom as f64;
    let component = |(term, factor): &(Vec<usize>, Factor)| {
        let contains = |parts: &[usize]| term.iter().all(|part| parts.contains(part));
        let mut basis = Basis::of_mean(scores.len());
        terms.iter().filter(|(parts, _)| !contains(parts)).for_each(|(_, other)| basis.add(other));
        let (without, rank) = (basis.rest(scores), basis.rank());
        basis.add(factor);
        let (squares, gained) = ((without - basis.rest(scores)).max(0.0), basis.rank() - rank);
        let mean_square = if gained > 0 { squares / gained as f64 } else { 0.0 };
        let variance = ((mean_square - noise) / runs_a_level(&factor.levels)).max(0.0);
        let p = f_test(mean_square / noise, gained, freedom);
        Component { name: factor.name.clone(), squares, freedom: gained, variance, p }
    };
    let mut components: Vec<Component> = terms.par_iter().map(component).collect();
    components.push(Component { name: "residual".into(), squares: rest, freedom, variance: noise, p: 1.0 });
    Some(components)
}

/// The p value of a ratio of mean squares; 1 where there is none.
fn f_test(ratio: f64, freedom: usize, of_residual: usize) -> f64 {
    if ratio.is_nan() {
        return 1.0;
    }
    FisherSnedecor::new(freedom as f64, of_residual as f64).map_or(1.0, |distribution| distribution.sf(ratio))
}

/// (N − Σ n²/N) / (levels − 1): the runs a level, exact where all levels have as many.
fn runs_a_level(levels: &[usize]) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for level in levels {
        *counts.entry(level).or_insert(0.0) += 1.0;
    }
    let total = levels.len() as f64;
    let squares: f64 = counts.values().map(|count: &f64| count * count).sum();
    if counts.len() > 1 { (total - squares / total) / (counts.len() - 1) as f64 } else { total }
}

fn joined(a: &Factor, b: &Factor) -> Factor {
    let width = b.levels.iter().max().map_or(1, |&highest| highest + 1);
    let levels = a.levels.iter().zip(&b.levels).map(|(a, b)| a * width + b).collect();
    Factor { name: format!("{}:{}", a.name, b.name), levels }
}

/// Columns of unit length at right angles to one another that span a design.
struct Basis(Vec<Vec<f64>>);

impl Basis {
    /// The intercept alone.
    fn of_mean(runs: usize) -> Self {
        let mut basis = Self(Vec::new());
        basis.take(vec![1.0; runs]);
        basis
    }

    /// Adds a factor's indicator columns.
    fn add(&mut self, factor: &Factor) {
        for level in 0..=factor.levels.iter().copied().max().unwrap_or(0) {
            self.take(factor.levels.iter().map(|&l| f64::from(u8::from(l == level))).collect());
        }
    }

    /// Adds what a column has that the others have not.
    fn take(&mut self, mut column: Vec<f64>) {
        let before = dot(&column, &column);
        self.remove_from(&mut column);
        let after = dot(&column, &column);
        if after > 1e-10 * before {
            let length = after.sqrt();
            column.iter_mut().for_each(|value| *value /= length);
            self.0.push(column);
        }
    }

    /// Twice, for accuracy.
    fn remove_from(&self, column: &mut [f64]) {
        for _ in 0..2 {
            for known in &self.0 {
                let share = dot(column, known);
                column.iter_mut().zip(known).for_each(|(value, known)| *value -= share * known);
            }
        }
    }

    fn rank(&self) -> usize {
        self.0.len()
    }

    /// The residual sum of squares.
    fn rest(&self, scores: &[f64]) -> f64 {
        let mut rest = scores.to_vec();
        self.remove_from(&mut rest);
        dot(&rest, &rest)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// How often chance explains as much as was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// The p value.
    pub p: f64,
    /// The least that it could have been with these levels and strata, however large the effect.
    pub least: f64,
}

/// How often as much is explained by chance, and the most that can be.
struct Tally {
    observed: f64,
    as_much: usize,
    most: f64,
    at_most: usize,
}

impl Tally {
    fn add(&mut self, explained: f64) {
        let tolerance = 1e-12 * (1.0 + self.observed);
        self.as_much += usize::from(explained >= self.observed - tolerance);
        if explained > self.most + tolerance {
            (self.most, self.at_most) = (explained, 0);
        }
        self.at_most += usize::from(explained >= self.most - tolerance);
    }
}

/// The p value of a factor's effect: how often its levels, dealt out anew within each stratum (runs that are alike in
/// everything else, the split included), explain as much as they did. At most `draws` permutations; all of them where
/// there are fewer. `None` if no stratum has two runs.
pub fn permutation_p(
    scores: &[f64],
    factor: &[usize],
    strata: &[usize],
    draws: usize,
    random: &mut ChaCha8Rng,
) -> Option<Chance> {
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); strata.iter().max()? + 1];
    for (run, &stratum) in strata.iter().enumerate() {
        groups[stratum].push(run);
    }
    groups.retain(|group| group.len() > 1);
    if groups.is_empty() {
        return None;
    }
    let mut centred = vec![0.0; scores.len()];
    for group in &groups {
        let centre = mean(&group.iter().map(|&run| scores[run]).collect::<Vec<_>>())?;
        group.iter().for_each(|&run| centred[run] = scores[run] - centre);
    }
    let observed = explained(&centred, factor);
    let mut tally = Tally { observed, as_much: 0, most: observed, at_most: 0 };
    let total = permutations(&groups);
    if total <= draws as f64 {
        each_permutation(&mut centred, &groups, &mut |dealt| tally.add(explained(dealt, factor)));
        return Some(Chance { p: tally.as_much as f64 / total, least: tally.at_most as f64 / total });
    }
    for _ in 0..draws {
        for group in &groups {
            let mut order = group.clone();
            order.shuffle(random);
            let dealt: Vec<f64> = order.iter().map(|&run| centred[run]).collect();
            group.iter().zip(dealt).for_each(|(&run, value)| centred[run] = value);
        }
        tally.add(explained(&centred, factor));
    }
    let share = |count: usize| (count + 1) as f64 / (draws + 1) as f64;
    Some(Chance { p: share(tally.as_much), least: share(tally.at_most) })
}

/// The sum of squares between levels of values that are centred within strata.
fn explained(centred: &[f64], factor: &[usize]) -> f64 {
    let width = factor.iter().max().map_or(0, |&highest| highest + 1);
    let (mut sums, mut counts) = (vec![0.0; width], vec![0.0; width]);
    for (&value, &level) in centred.iter().zip(factor) {
        sums[level] += value;
        counts[level] += 1.0;
    }
    sums.iter().zip(&counts).filter(|(_, count)| **count > 0.0).map(|(sum, count)| sum * sum / count).sum()
}

fn permutations(groups: &[Vec<usize>]) -> f64 {
    groups.iter().map(|group| (1..=group.len()).map(|n| n as f64).product::<f64>()).product()
}

/// Visits every arrangement of the values within the groups.
fn each_permutation(values: &mut [f64], groups: &[Vec<usize>], visit: &mut dyn FnMut(&[f64])) {
    fn arrange(values: &mut [f64], groups: &[Vec<usize>], place: usize, visit: &mut dyn FnMut(&[f64])) {
        let Some((group, rest)) = groups.split_first() else { return visit(values) };
        if place + 1 >= group.len() {
            return arrange(values, rest, 0, visit);
        }
        for other in place..group.len() {
            values.swap(group[place], group[other]);
            arrange(values, groups, place + 1, visit);
            values.swap(group[place], group[other]);
        }
    }
    arrange(values, groups, 0, visit);
}
