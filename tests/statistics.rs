//! The statistics against SciPy, NumPy and statsmodels on random tables with ties and missing cells.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::process::Command;

use serde_json::Value;
use sweepscope::{
    domain::seed,
    statistics::{self, Factor},
};

/// The tables kept in the repository.
const STORED: &str = include_str!("stats/reference.json");

#[test]
fn every_statistic_equals_the_reference_on_the_stored_tables() {
    check(&serde_json::from_str(STORED).unwrap());
}

#[test]
fn every_statistic_equals_the_reference_on_fresh_tables() {
    let python = std::env::var("SWEEPSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stats/reference.py");
    match Command::new(&python).args([script, "20240229"]).output() {
        Ok(output) if output.status.success() => check(&serde_json::from_slice(&output.stdout).unwrap()),
        _ => skip(&format!("{python} with numpy, scipy, statsmodels and pandas is not there")),
    }
}

#[expect(clippy::print_stdout, reason = "a skipped check is said aloud")]
fn skip(reason: &str) {
    println!("skipped: {reason}");
}

fn check(cases: &Value) {
    for (name, one) in [
        ("describe", describe as fn(&Value)),
        ("paired", paired),
        ("bca", bca),
        ("anova", anova),
        ("permutation", permutation),
        ("middle", middle),
        ("images", images),
    ] {
        let all = cases[name].as_array().unwrap();
        assert_eq!(all.len(), 20, "{name}");
        all.iter().for_each(one);
    }
}

fn describe(case: &Value) {
    let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
    near(statistics::mean(&x), &case["mean"], "mean");
    near(statistics::deviation(&x), &case["deviation"], "deviation");
    near(statistics::quantile(&x, case["share"].as_f64().unwrap()), &case["quantile"], "quantile");
    near(statistics::interquartile_mean(&x), &case["interquartile_mean"], "interquartile mean");
    let points: Vec<_> = x.iter().enumerate().map(|(place, &value)| (place as f64, value)).collect();
    near(statistics::slope(&points), &case["slope"], "slope");
    near(statistics::robust_sigma(&x), &case["sigma"], "sigma");
    for (found, expected) in statistics::ema(&x, 0.9).into_iter().zip(case["ema"].as_array().unwrap()) {
        near(Some(found), expected, "ema");
    }
    let divergence = statistics::jensen_shannon(&[numbers(&case["p"]), numbers(&case["q"])]);
    near(divergence, &case["jensen_shannon"], "Jensen-Shannon");
    near(statistics::kolmogorov_smirnov(&x, &y), &case["kolmogorov_smirnov"], "Kolmogorov-Smirnov");
}

fn paired(case: &Value) {
    let differences = numbers(&case["differences"]);
    let test = statistics::nadeau_bengio(&differences, case["val_share"].as_f64().unwrap()).unwrap();
    near(Some(test.difference), &case["difference"], "difference");
    near(Some(test.t), &case["t"], "t");
    near(Some(test.p), &case["p"], "p");
    near(Some(test.interval.low), &case["low"], "low");
    near(Some(test.interval.high), &case["high"], "high");
    let needed = statistics::splits_needed(&differences, case["val_share"].as_f64().unwrap());
    assert_eq!(needed, case["splits_needed"].as_u64().map(|needed| needed as usize), "splits needed");
    let corrected = statistics::holm(&numbers(&case["p_values"]));
    for (found, expected) in corrected.into_iter().zip(case["holm"].as_array().unwrap()) {
        near(Some(found), expected, "Holm");
    }
    let superiority = statistics::superiority(&differences).unwrap();
    near(Some(superiority.share), &case["superiority"], "superiority");
    near(Some(superiority.interval.low), &case["superiority_low"], "superiority's low end");
    near(Some(superiority.interval.high), &case["superiority_high"], "superiority's high end");
}

fn bca(case: &Value) {
    let observed = case["observed"].as_f64().unwrap();
    let interval =
        statistics::bca_of_draws(observed, &mut numbers(&case["draws"]), &numbers(&case["left_out"])).unwrap();
    near(Some(interval.low), &case["low"], "BCa's low end");
    near(Some(interval.high), &case["high"], "BCa's high end");
}

fn anova(case: &Value) {
    let levels = case["levels"].as_array().unwrap();
    let factor = |(place, levels): (usize, &Value)| Factor {
        name: ["a", "b", "split"][place].into(),
        levels: numbers(levels).into_iter().map(|level| level as usize).collect(),
    };
    let factors: Vec<_> = levels.iter().enumerate().map(factor).collect();
    for (kind, pairs) in [("main", false), ("pairs", true)] {
        if case[kind].is_null() {
            continue;
        }
        let components = statistics::components(&numbers(&case["scores"]), &factors, pairs).unwrap();
        let (squares, variance) = (&case[kind]["squares"], &case[kind]["variance"]);
        let freedom = numbers(&case[kind]["freedom"]);
        assert_eq!(components.len(), freedom.len());
        for (place, component) in components.iter().enumerate() {
            near(Some(component.squares), &squares[place], &component.name);
            near(Some(component.variance), &variance[place], &component.name);
            assert_eq!(component.freedom, freedom[place] as usize, "{}", component.name);
            if let Some(p) = case[kind]["p"].get(place) {
                near(Some(component.p), p, &component.name);
            }
        }
    }
}

fn permutation(case: &Value) {
    let places = |name: &str| numbers(&case[name]).into_iter().map(|value| value as usize).collect::<Vec<_>>();
    let mut random = seed::generator(0, "test", &[]);
    let (scores, factor, strata) = (numbers(&case["scores"]), places("factor"), places("strata"));
    let chance = statistics::permutation_p(&scores, &factor, &strata, 5000, &mut random).unwrap();
    near(Some(chance.p), &case["p"], "permutation p");
    // Of the 2ⁿ arrangements of n pairs one and its mirror image explain most; a pair that ties may lie either way.
    let (first, second) = scores.split_at(scores.len() / 2);
    let differ = first.iter().zip(second).filter(|(a, b)| a != b).count();
    assert_eq!(chance.least, 2.0 / 2f64.powi(differ as i32), "{case}");
}

/// The interquartile mean's interval by bootstrap within strata.
fn middle(case: &Value) {
    let strata: Vec<Vec<f64>> = case["strata"].as_array().unwrap().iter().map(numbers).collect();
    let mut random = seed::generator(0, "test/middle", &[]);
    let interval =
        statistics::stratified_percentile(&strata, 2000, &mut random, statistics::interquartile_mean).unwrap();
    drawn(case, interval, "interquartile mean");
}

/// The BCa interval of a Dice whose counts are summed over images.
fn images(case: &Value) {
    let (hits, wrong) = (numbers(&case["hits"]), numbers(&case["wrong"]));
    let mut random = seed::generator(0, "test/images", &[]);
    let dice = |weights: &[u32], out: &mut [Option<f64>]| {
        let sum = |of: &[f64]| of.iter().zip(weights).map(|(of, &weight)| of * f64::from(weight)).sum::<f64>();
        out[0] = Some(2.0 * sum(&hits) / (2.0 * sum(&hits) + sum(&wrong)));
    };
    let estimate = statistics::bca(hits.len(), 2000, &mut random, 1, dice)[0].unwrap();
    near(Some(estimate.value), &case["value"], "Dice");
    drawn(case, estimate.interval, "Dice");
}

/// Both ends within four and a half Monte Carlo errors of those of the reference, and a step where values are tied.
fn drawn(case: &Value, found: statistics::Interval, what: &str) {
    for (end, name, error) in [(found.low, "low", "low_error"), (found.high, "high", "high_error")] {
        let (expected, error) = (case[name].as_f64().unwrap(), case[error].as_f64().unwrap());
        let step = case["step"].as_f64().unwrap();
        assert!((end - expected).abs() <= 4.5 * error + step, "{what}'s {name} end: {end} is not {expected} ± {error}");
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn near(found: Option<f64>, expected: &Value, what: &str) {
    let (found, expected) = (found.unwrap(), expected.as_f64().unwrap());
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{what}: {found} is not {expected}");
}
