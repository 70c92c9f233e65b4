//! The rules: each a small function from prepared evidence to findings.
//!
//! Thresholds marked [H] in the rules are heuristics, to be calibrated on healthy and deliberately broken runs.

mod advice;
mod beyond;
mod curves;
mod data;
mod failures;
mod groups;
mod images;
mod network;
mod rules;
mod scores;
mod settings;
mod splits;
mod training;
mod unjudged;

use rayon::prelude::*;
use serde::Serialize;

use super::{
    aggregate::{Run, Sweep},
    evidence::Evidence,
    standings::Standing,
};
use crate::{domain::Severity, statistics::Component};
pub use curves::EMA;
pub use groups::{Group, grouped, loud};
pub use images::HALF_WIDTH;
pub use rules::{LABELS_EXCHANGED, NOTHING_LEARNED, RULES, Rule};
pub use settings::variance;
pub use splits::{Balance, ClassBalance};
pub use unjudged::{Unjudged, unjudged};

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The run; `None`: the whole sweep.
    pub run: Option<String>,
    /// Which rule.
    #[serde(serialize_with = "rule_name")]
    pub rule: &'static Rule,
    /// How bad.
    pub severity: Severity,
    /// The class, where it is about one.
    pub class: Option<String>,
    /// What was seen, in a sentence.
    pub evidence: String,
    /// The figure that was held against the threshold.
    pub value: Option<f64>,
    /// The threshold.
    pub threshold: Option<f64>,
    /// What to do.
    pub advice: String,
    /// Where the rule or its threshold is from.
    pub source: &'static str,
}

fn rule_name<S: serde::Serializer>(rule: &&'static Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.name)
}

impl Finding {
    /// A finding of rule `number` with its usual advice.
    fn new(number: usize, severity: Severity, evidence: String) -> Self {
        Self::by(&RULES[number - 1], severity, evidence)
    }

    /// A finding of a rule that has something else to say than usual.
    fn by(rule: &'static Rule, severity: Severity, evidence: String) -> Self {
        let advice = rule.advice.to_owned();
        let source = rule.source;
        Self { run: None, rule, severity, class: None, evidence, value: None, threshold: None, advice, source }
    }

    fn of(mut self, class: &str) -> Self {
        self.class = Some(class.to_owned());
        self
    }

    fn against(mut self, value: f64, threshold: f64) -> Self {
        (self.value, self.threshold) = (Some(value), Some(threshold));
        self
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// A rule that looks at one run.
type RunRule = fn(&Sweep, &Evidence<'_>) -> Vec<Finding>;

const RUN_RULES: [RunRule; 24] = [
    scores::pooled_hides_classes,
    scores::background_carries,
    scores::class_never_predicted,
    data::class_missing,
    data::leak,
    curves::noisy_validation,
    curves::lucky_best,
    curves::overfitting,
    curves::gap_grows,
    training::wrong_monitor,
    curves::best_lost,
    network::batch_norm,
    training::rate_too_high,
    training::rate_too_low,
    images::too_few_validation_images,
    network::resizing_destroys,
    scores::soft_and_hard,
    network::miscalibrated,
    images::bad_images,
    images::exchanged_labels,
    scores::classes_confused,
    images::batch_dependent,
    training::jump_at_resume,
    images::undefined_score,
];

/// Every finding, and how each split deals out the classes. The sweep's come first, then the runs' in the plan's order,
/// each in the order of the rules. `evidence` has an entry a run, in the sweep's order; `variance` is what [`variance()`]
/// says.
pub fn diagnose(
    sweep: &Sweep,
    evidence: &[Option<Evidence<'_>>],
    standings: &[Standing<'_>],
    variance: Option<&[Component]>,
) -> (Vec<Finding>, Vec<Balance>) {
    let mut findings = settings::all(sweep, standings, variance);
    let (balances, of_splits) = splits::compare(sweep, evidence);
    let of_run = |((run, evidence), of_split): ((&Run, &Option<Evidence<'_>>), Vec<Finding>)| {
        let mut found = failures::not_finite(run);
        if let Some(evidence) = evidence {
            found.extend(RUN_RULES.iter().flat_map(|rule| rule(sweep, evidence)));
        }
        found.extend(of_split);
        for finding in &mut found {
            finding.run = Some(run.name.clone());
        }
        found.sort_by_key(|finding| finding.rule.number);
        found
    };
    let mut found: Vec<Vec<Finding>> = sweep.runs.par_iter().zip(evidence).zip(of_splits).map(of_run).collect();
    let unsteady = advice::unsteady_rate(sweep, &found);
    for (run, findings) in sweep.runs.iter().zip(&mut found) {
        findings.iter_mut().for_each(|finding| advice::fit(sweep, run, unsteady, finding));
    }
    findings.extend(found.into_iter().flatten());
    (findings, balances)
}
