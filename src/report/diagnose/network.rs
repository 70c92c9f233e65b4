//! Rules about the network and its input: 13, 20, 22.

use super::{Finding, Severity};
use crate::{
    domain::{
        Norm, Split,
        limits::{LOST, LOW_CEILING},
    },
    report::{aggregate::Sweep, evidence::Evidence, words::score},
};

/// Rule 13: running statistics that still hold their initial values, that come from single images, or with which
/// the Dice differs from that with statistics measured anew. [H]
pub fn batch_norm(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const RESIDUAL: f64 = 0.1;
    const GAP: f64 = 0.02;
    let Some(config) = evidence.run.file.as_ref().map(|file| &file.config) else { return vec![] };
    // What an outside trainer's network is like is not known.
    if config.model.norm != Norm::Batch || config.trainer.is_some() {
        return vec![];
    }
    let mut findings = Vec::new();
    let train = evidence.run.split.iter().filter(|row| row.split == Split::Train).count();
    let steps = evidence.best * train.div_ceil(config.train.batch_size.max(1));
    let residual = config.model.bn_momentum.powf(steps as f64);
    if train > 0 && residual > RESIDUAL {
        let text = format!(
            "After {steps} steps with bn_momentum {} the running statistics still hold {:.0} % of their initial values.",
            config.model.bn_momentum,
            residual * 100.0
        );
        findings.push(Finding::new(13, Severity::Warn, text).against(residual, RESIDUAL));
    }
    if config.train.batch_size == 1 {
        let text = "Batch norm normalises each image by itself (batch_size 1) in training, by running statistics in evaluation.";
        findings.push(Finding::new(13, Severity::Warn, text.into()).against(1.0, 2.0));
    }
    let precise = evidence.extra(Split::Val, "precise_bn_dice_macro").next().map(|(.., value)| value);
    let running = evidence.run.best_row(sweep.monitor, Split::Val).and_then(|row| row.dice_macro);
    if let Some((precise, running)) = precise.zip(running).filter(|(precise, running)| precise - running > GAP) {
        let text = format!(
            "Val Dice is {} with running statistics and {} with ones measured anew.",
            score(running),
            score(precise)
        );
        findings.push(Finding::new(13, Severity::Warn, text).against(precise - running, GAP));
    }
    findings
}

/// Rule 20: what scaling the truth down and up again leaves of a foreground class. [H]
pub fn resizing_destroys(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What falls to pieces between the structures is none of them.
    let foreground = |figure| evidence.extra(Split::Val, figure).filter(|(class, ..)| !sweep.is_background(class));
    for (class, _, ceiling) in foreground("resize_ceiling").filter(|(.., value)| *value < LOW_CEILING) {
        let text =
            format!("At this input size even a perfect network reaches only Dice {} for {class}.", score(ceiling));
        findings.push(Finding::new(20, Severity::Warn, text).of(class).against(ceiling, LOW_CEILING));
    }
    for (class, _, lost) in foreground("resize_lost").filter(|(.., value)| *value > LOST) {
        let text = format!("Scaling to the input size loses {:.0} % of the separate pieces of {class}.", lost * 100.0);
        findings.push(Finding::new(20, Severity::Warn, text).of(class).against(lost, LOST));
    }
    findings
}

/// Rule 22: expected calibration error of foreground pixels. [H]
pub fn miscalibrated(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const ERROR: f64 = 0.05;
    let error = evidence.extra(Split::Val, "ece").next().map(|(.., value)| value).filter(|&value| value > ERROR);
    let text =
        |error: f64| format!("Probabilities of foreground pixels are off by {} on average (15 bins).", score(error));
    error.map(|error| Finding::new(22, Severity::Info, text(error)).against(error, ERROR)).into_iter().collect()
}
