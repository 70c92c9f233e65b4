//! Rules about how the run was trained: 11, 14, 15, 26.

use super::{
    Finding, Severity,
    rules::{HARDLY_LEARNED, RATE_MAY_BE_TOO_HIGH},
};
use crate::{
    domain::{Figure, LossKind, LrSchedule, Split},
    report::{
        aggregate::Sweep,
        evidence::{Evidence, values},
        words::{self, score},
    },
    statistics,
};

/// Rule 11: what stops the run or picks the epoch is a training figure, or costs macro Dice.
pub fn wrong_monitor(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = evidence.run.file.as_ref().map(|file| &file.config).filter(|config| config.trainer.is_none());
    let stopping = config.and_then(|config| config.train.early_stopping.as_ref());
    if let Some(monitor) = stopping.map(|rule| rule.monitor).filter(|monitor| monitor.split == Split::Train) {
        let text = format!("Early stopping watches {monitor}, which keeps rising while the network overfits.");
        findings.push(Finding::new(11, Severity::Fail, text));
    }
    let (monitor, error) = (sweep.monitor, evidence.error());
    if matches!(monitor.figure, Figure::DiceMacro | Figure::IouMacro) && monitor.split == Split::Val {
        return findings;
    }
    let dice = evidence.dice(Split::Val);
    let top = dice.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    let picked = dice.iter().find(|point| point.0 == evidence.best);
    if let Some((top, picked)) = top.zip(picked).filter(|(top, picked)| top.1 - picked.1 > error) {
        let text = format!(
            "{} picks epoch {} with macro Dice {}; epoch {} has {}.",
            words::metric(monitor),
            picked.0,
            score(picked.1),
            top.0,
            score(top.1)
        );
        findings.push(Finding::new(11, Severity::Warn, text).against(top.1 - picked.1, error));
    }
    findings
}

/// Rule 14: the training loss rises in many early epochs, or hardly falls, or jumps from epoch to epoch to the end, or
/// is worse than a guess's after an epoch, or the best epoch comes at once and the training score falls from there. [H]
pub fn rate_too_high(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const EPOCHS: usize = 8;
    let loss = values(&evidence.loss(Split::Train));
    if loss.len() < EPOCHS {
        return vec![];
    }
    let found = rises(&loss).or_else(|| jumps(&loss)).or_else(|| worse_than_a_guess(sweep, evidence));
    found.or_else(|| best_at_once(evidence, loss.len())).into_iter().collect()
}

/// How far a curve moves from epoch to epoch: the median of |ln ratio|.
fn movement(loss: &[f64]) -> Option<f64> {
    let positive = loss.windows(2).filter(|pair| pair.iter().all(|loss| *loss > 0.0));
    statistics::median(&positive.map(|pair| (pair[1] / pair[0]).ln().abs()).collect::<Vec<_>>())
}

/// Below this a loss that does not fall stands still: its rate is too low, not too high. [H]
const STILL: f64 = 0.02;

/// The share of steps from epoch to epoch in which the training loss rises by more than standing still. A converged
/// loss wavers: what counts is the first half, eight steps at least, or all of it where the loss never fell much.
fn rises(loss: &[f64]) -> Option<Finding> {
    const RISES: f64 = 0.4;
    const FALL: f64 = 0.3;
    const STEPS: usize = 8;
    let (first, lowest) = (loss[0], loss.iter().copied().fold(f64::INFINITY, f64::min));
    let stuck = first - lowest < FALL * first;
    let steps = if stuck { loss.len() - 1 } else { (loss.len().div_ceil(2) - 1).max(STEPS) };
    let counted = loss.get(..=steps).filter(|_| steps >= STEPS)?;
    let risen = counted.windows(2).filter(|pair| pair[0] > 0.0 && (pair[1] / pair[0]).ln() > STILL).count();
    let share = risen as f64 / steps as f64;
    let text = format!(
        "The train loss rises in {risen} of {}{steps} steps from epoch to epoch; its lowest is {}, its first {}.",
        if stuck { "" } else { "the first " },
        score(lowest),
        score(first)
    );
    (share > RISES).then(|| Finding::by(&RATE_MAY_BE_TOO_HIGH, Severity::Warn, text).against(share, RISES))
}

/// The training loss, measured over the whole split, still moves far from epoch to epoch in the last half: steps that
/// are too long throw the weights about without end.
fn jumps(loss: &[f64]) -> Option<Finding> {
    const JUMP: f64 = 0.2;
    let jump = movement(&loss[loss.len() / 2..]).filter(|jump| *jump > JUMP)?;
    let text = format!(
        "From epoch to epoch the train loss still changes by a factor of {:.2} (median of the last half).",
        jump.exp()
    );
    Some(Finding::new(14, Severity::Warn, text).against(jump, JUMP))
}

/// After the first epoch the network knows less than nothing: the first steps threw its weights far out.
fn worse_than_a_guess(sweep: &Sweep, evidence: &Evidence<'_>) -> Option<Finding> {
    const TIMES: f64 = 3.0;
    // Until then the network is evaluated with statistics that are still mostly the initial ones.
    const INITIAL_STATISTICS: f64 = 0.3;
    let config = evidence.run.file.as_ref().map(|file| &file.config).filter(|config| config.trainer.is_none())?;
    let guess = (sweep.classes.len() as f64).ln();
    let guess = match config.loss.kind {
        LossKind::Ce => guess,
        LossKind::DiceCe => guess + 1.0,
        _ => return None,
    };
    let first = evidence.run.rows(Split::Train).iter().find(|row| row.epoch == 1)?;
    let steps = first.images as f64 / config.train.batch_size as f64;
    let loss = first.loss.filter(|loss| *loss > TIMES * guess)?;
    let text = format!(
        "After the first epoch the train loss is {}; a guess that knows nothing has {}.",
        score(loss),
        score(guess)
    );
    (config.model.bn_momentum.powf(steps) < INITIAL_STATISTICS)
        .then(|| Finding::new(14, Severity::Warn, text).against(loss / guess, TIMES))
}

fn best_at_once(evidence: &Evidence<'_>, epochs: usize) -> Option<Finding> {
    const EPOCHS: usize = 10;
    let early = epochs.div_ceil(10);
    let at_best = |split| evidence.dice(split).into_iter().find(|point| point.0 == evidence.best).map(|point| point.1);
    let last = |split| evidence.dice(split).last().map(|point| point.1);
    let lost = at_best(Split::Val)? - last(Split::Val)?;
    // Where the training score still rises, the run overfits.
    let unlearned = at_best(Split::Train)? > last(Split::Train)?;
    let moves = movement(&values(&evidence.loss(Split::Train)))? > STILL;
    if epochs < EPOCHS || evidence.best > early || lost <= evidence.error() || !unlearned || !moves {
        return None;
    }
    let text = format!(
        "The best of {epochs} epochs is epoch {}; from there val Dice fell by {}, and train Dice fell too.",
        evidence.best,
        score(lost)
    );
    Some(Finding::new(14, Severity::Warn, text).against(evidence.best as f64, early as f64))
}

/// Rule 15: the last tenth of the epochs brought more than 5 % of the gain, or the network is hardly surer than at
/// the start. [H]
pub fn rate_too_low(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const SHARE: f64 = 0.05;
    const UNSURE: f64 = 0.9;
    let entropy = evidence.extra(Split::Val, "entropy").next().map(|(.., value)| value);
    if let Some(entropy) = entropy.filter(|&entropy| entropy > UNSURE) {
        let text = format!("The predictions' entropy is {:.0} % of that of a guess.", entropy * 100.0);
        return vec![Finding::by(&HARDLY_LEARNED, Severity::Warn, text).against(entropy, UNSURE)];
    }
    let guess = 1.0 / sweep.classes.len().max(1) as f64;
    let soft = evidence.run.rows(Split::Train).last().and_then(|row| row.dice_coef);
    if let Some(soft) = soft.filter(|&soft| soft < guess + 0.1 && sweep.classes.len() > 2) {
        let text = format!("Train dice_coef ends at {}; a uniform guess scores {}.", score(soft), score(guess));
        return vec![Finding::by(&HARDLY_LEARNED, Severity::Warn, text).against(soft, guess + 0.1)];
    }
    let dice = values(&evidence.dice(Split::Val));
    let width = (dice.len() / 10).max(3);
    if dice.len() < 3 * width {
        return vec![];
    }
    let windows: Vec<f64> = dice.rchunks_exact(width).filter_map(statistics::mean).collect();
    let (last, before) = (windows[0], windows[1]);
    let low = windows.iter().copied().fold(f64::INFINITY, f64::min).min(dice[0]);
    let (gain, total) = (last - before, last - low);
    // A gain within the noise of two such means is none.
    let noise = statistics::robust_sigma(&dice[dice.len() - 2 * width..]).unwrap_or(0.0) * (2.0 / width as f64).sqrt();
    if gain <= SHARE * total || gain <= 2.0 * noise {
        return vec![];
    }
    let text = format!(
        "The last {width} of {} epochs still raised val Dice by {}, {:.0} % of all it gained.",
        dice.len(),
        score(gain),
        100.0 * gain / total
    );
    vec![Finding::new(15, Severity::Warn, text).against(gain / total, SHARE)]
}

/// Rule 26: a step of the training loss, or of a constant learning rate, where a new attempt took over. The built-in
/// trainer goes on to the byte, so that its loss may rise there as anywhere.
pub fn jump_at_resume(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const SIGMAS: f64 = 3.0;
    let loss = evidence.loss(Split::Train);
    let Some(sigma) = statistics::robust_sigma(&values(&loss)).filter(|_| loss.len() >= 8) else { return vec![] };
    let steps: Vec<f64> = values(&loss).windows(2).map(|pair| pair[1] - pair[0]).collect();
    let usual = statistics::median(&steps).unwrap_or(0.0);
    let config = evidence.run.file.as_ref().map(|file| &file.config).filter(|config| config.trainer.is_none());
    let constant = config.is_some_and(|c| c.train.lr_schedule == LrSchedule::Constant && c.train.warmup_epochs == 0);
    let mut findings = Vec::new();
    for seam in
        evidence.run.timing.windows(2).filter(|pair| pair[1].attempt > pair[0].attempt).map(|pair| pair[1].epoch)
    {
        let row = |epoch| evidence.run.row(Split::Train, epoch);
        let Some((before, after)) = seam.checked_sub(1).and_then(row).zip(row(seam)) else { continue };
        if constant && before.learning_rate != after.learning_rate {
            let text = format!(
                "The learning rate went from {} to {} at epoch {seam}, where the run was resumed.",
                before.learning_rate, after.learning_rate
            );
            findings.push(Finding::new(26, Severity::Fail, text));
        }
        let Some((from, to)) = before.loss.zip(after.loss).filter(|_| config.is_none()) else { continue };
        let jump = (to - from - usual).abs() / sigma.max(f64::MIN_POSITIVE);
        // The first epochs fall by more than the noise anyway: only a rise counts there.
        if jump > SIGMAS * std::f64::consts::SQRT_2 && to > from {
            let text = format!(
                "The train loss went from {} to {} at epoch {seam}, where the run was resumed.",
                score(from),
                score(to)
            );
            findings.push(Finding::new(26, Severity::Warn, text).against(jump, SIGMAS * std::f64::consts::SQRT_2));
        }
    }
    findings
}
