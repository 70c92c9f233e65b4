//! Rules about what the scores say and hide: 1, 2, 3, 21, 24.

use super::{
    Finding, Severity,
    rules::{NOTHING_LEARNED, WORSE_THAN_ONE_CLASS},
};
use crate::{
    domain::{Counts, Split},
    report::{
        aggregate::{ClassPoint, Sweep},
        evidence::Evidence,
        words::score,
    },
    statistics,
};

/// Rule 1: pooled Dice minus macro Dice of the foreground. [H]
pub fn pooled_hides_classes(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const GAP: f64 = 0.10;
    let figures = || {
        let row = evidence.run.best_row(sweep.monitor, Split::Val)?;
        Some((row.dice_coef?, row.dice_macro?))
    };
    let Some((pooled, macro_dice)) = figures().filter(|(pooled, macro_dice)| pooled - macro_dice > GAP) else {
        return vec![];
    };
    let text = format!(
        "val dice_coef over all pixels reads {}; the mean over the foreground classes is {}.",
        score(pooled),
        score(macro_dice)
    );
    vec![Finding::new(1, Severity::Warn, text).against(pooled - macro_dice, GAP)]
}

/// Rule 2: hardly a pixel of the foreground is right; or how far the pooled score lies above that of predicting the
/// commonest class everywhere, as a share of what is left to gain. [H]
pub fn background_carries(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const WEAK: f64 = 0.5;
    const NOTHING: f64 = 0.05;
    let dice = evidence.run.best_row(sweep.monitor, Split::Val).and_then(|row| row.dice_macro);
    if let Some(dice) = dice.filter(|&dice| dice < NOTHING) {
        let text = format!("The macro Dice of the foreground is {} even at the best epoch.", score(dice));
        return vec![Finding::by(&NOTHING_LEARNED, Severity::Fail, text).against(dice, NOTHING)];
    }
    let Some((skill, pooled, majority, class)) = skill(sweep, evidence).filter(|found| found.0 <= WEAK) else {
        return vec![];
    };
    // A network that is right but unsure scores lower from its probabilities than from its labels.
    let accuracy = evidence.run.best_row(sweep.monitor, Split::Val).and_then(|row| row.accuracy);
    let is_worse = skill <= 0.0 && accuracy.is_none_or(|accuracy| accuracy <= majority);
    let (pooled, majority) = (score(pooled), score(majority));
    if is_worse {
        let text = format!("val dice_coef is {pooled}; predicting {class} everywhere would score {majority}.");
        return vec![Finding::by(&WORSE_THAN_ONE_CLASS, Severity::Fail, text).against(skill, 0.0)];
    }
    let text = format!(
        "val dice_coef is {pooled}, but predicting {class}, the commonest class, everywhere would already score {majority}."
    );
    vec![Finding::new(2, Severity::Warn, text).of(class).against(skill, WEAK)]
}

/// Skill, pooled score, the score of the commonest class everywhere (with one-hot masks its share), and that class.
fn skill<'a>(sweep: &'a Sweep, evidence: &Evidence<'_>) -> Option<(f64, f64, f64, &'a str)> {
    let pooled = evidence.run.best_row(sweep.monitor, Split::Val)?.dice_coef?;
    let support = |class: &String| {
        evidence
            .class(Split::Val, class)
            .and_then(|history| history.at(evidence.best))
            .map_or(0, |p| p.counts.support())
    };
    let supports: Vec<u64> = sweep.classes.iter().map(support).collect();
    let (place, most) = supports.iter().enumerate().max_by_key(|(_, support)| **support)?;
    let share = *most as f64 / supports.iter().sum::<u64>() as f64;
    (share < 1.0).then(|| ((pooled - share) / (1.0 - share), pooled, share, sweep.classes[place].as_str()))
}

/// Rule 3: hardly a pixel predicted (fewer than a fiftieth of those that the class has) although the class occurs, at
/// the best epoch and in three epochs in a row or more, or in the last three. [H]
pub fn class_never_predicted(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const EPOCHS: usize = 3;
    const HARDLY: f64 = 0.02;
    let predicted = |counts: Counts| counts.tp + counts.fp;
    let finding = |class: &String| {
        let history = evidence.class(Split::Val, class)?;
        let points: Vec<_> = history.points.iter().filter(|point| point.images > 0).collect();
        let is_absent = |point: &&ClassPoint| predicted(point.counts) as f64 <= HARDLY * point.counts.support() as f64;
        let last = points.iter().rev().take_while(|point| is_absent(point)).count();
        let best = points.iter().position(|point| point.epoch as usize == evidence.best)?;
        let before = points[..best].iter().rev().take_while(|point| is_absent(point)).count();
        let after = points[best..].iter().take_while(|point| is_absent(point)).count();
        let around_best = if after == 0 { best..best } else { best - before..best + after };
        let streak = if last >= around_best.len() { points.len() - last..points.len() } else { around_best };
        let epochs = streak.len();
        // Runs shorter than three epochs are judged by all they have.
        let needed = EPOCHS.min(points.len());
        if epochs < needed {
            return None;
        }
        let when = if epochs == points.len() { "in any epoch".into() } else { format!("for {epochs} epochs in a row") };
        let most = points[streak].iter().map(|point| predicted(point.counts)).max();
        let what = if most == Some(0) { "No pixel is" } else { "Hardly any pixel is" };
        let text = format!("{what} predicted as {class} {when}, though val has it.");
        Some(Finding::new(3, Severity::Fail, text).of(class).against(epochs as f64, needed as f64))
    };
    sweep.foreground().filter_map(finding).collect()
}

/// Rule 21: macro soft Dice minus macro hard Dice. [H]
pub fn soft_and_hard(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const GAP: f64 = 0.05;
    let soft: Vec<f64> = evidence
        .extra(Split::Val, "soft_dice")
        .filter(|(class, ..)| !sweep.is_background(class))
        .map(|(.., value)| value)
        .collect();
    let hard = evidence.run.best_row(sweep.monitor, Split::Val).and_then(|row| row.dice_macro);
    match statistics::mean(&soft).zip(hard) {
        Some((soft, hard)) if (soft - hard).abs() > GAP => {
            let text = format!("Macro Dice is {} from probabilities and {} from labels.", score(soft), score(hard));
            vec![Finding::new(21, Severity::Info, text).against((soft - hard).abs(), GAP)]
        }
        _ => vec![],
    }
}

/// Rule 24: share of a class's pixels that are predicted as one other foreground class. [H]
pub fn classes_confused(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const SHARE: f64 = 0.3;
    let cells: Vec<_> = evidence.extra(Split::Val, "confusion").collect();
    let row = |class: &str| cells.iter().filter(|(truth, ..)| *truth == class).map(|(.., n)| n).sum::<f64>();
    let finding = |&(truth, predicted, pixels): &(&str, &str, f64)| {
        let share = pixels / row(truth);
        let counts =
            truth != predicted && !sweep.is_background(truth) && !sweep.is_background(predicted) && share > SHARE;
        let text = format!("{:.0} % of the pixels of {truth} are predicted as {predicted}.", share * 100.0);
        counts.then(|| Finding::new(24, Severity::Warn, text).of(truth).against(share, SHARE))
    };
    cells.iter().filter_map(finding).collect()
}
