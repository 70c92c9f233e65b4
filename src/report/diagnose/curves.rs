//! Rules about the shape of the curves: 7, 8, 9, 10, 12.

use rand::RngExt;

use super::{Finding, Severity};
use crate::{
    domain::{EpochRow, Split, seed},
    report::{
        aggregate::Sweep,
        evidence::{Evidence, values},
        words::score,
    },
    statistics,
};

/// Share of the past that the moving average keeps, as in nnU-Net.
pub const EMA: f64 = 0.9;

/// Rule 7: the noise of the validation score over the last half against the training score's and against the
/// images' standard error. [H]
pub fn noisy_validation(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const RATIO: f64 = 3.0;
    /// Below this no choice of epoch hangs on the noise.
    const VISIBLE: f64 = 0.01;
    /// A ratio that is no longer worth a figure.
    const MANY: f64 = 100.0;
    let sigma = |split| {
        let curve = values(&evidence.dice(split));
        let half = &curve[curve.len() / 2..];
        statistics::robust_sigma(half).filter(|_| half.len() >= 6)
    };
    let Some((val, train)) = sigma(Split::Val).zip(sigma(Split::Train)) else { return vec![] };
    let error = evidence.error();
    if val < VISIBLE || (val <= RATIO * train && val <= error) {
        return vec![];
    }
    let finding = |compared: String| {
        let moved = score(val);
        let text =
            format!("From epoch to epoch the val Dice moves by {moved} (robust standard deviation), {compared}.");
        Finding::new(7, Severity::Warn, text)
    };
    vec![if val > error {
        let compared = format!("further than another draw of validation images would ({})", score(error));
        finding(compared).against(val, error)
    } else if train * MANY < val {
        finding("while the train Dice stands still".into())
    } else {
        finding(format!("{:.1} times as far as the train Dice", val / train)).against(val / train, RATIO)
    }]
}

/// Rule 8: the highest raw score minus the highest moving average, less what the average lags behind. [H]
pub fn lucky_best(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    let raw = values(&evidence.dice(Split::Val));
    let Some(optimism) = optimism(&raw).filter(|_| raw.len() >= 10) else { return vec![] };
    let error = evidence.error();
    if optimism <= error {
        return vec![];
    }
    let smooth = statistics::ema(&raw, EMA);
    let chosen =
        evidence.dice(Split::Val).iter().zip(&smooth).max_by(|a, b| a.1.total_cmp(b.1)).map(|(point, _)| point.0);
    let text = format!(
        "The best val Dice lies {} above its moving average, which is highest at epoch {}; the images' standard error is \
         {}.",
        score(optimism),
        chosen.unwrap_or(evidence.best),
        score(error)
    );
    vec![Finding::new(8, Severity::Warn, text).against(optimism, error)]
}

/// How much the best epoch owes to noise. A rising curve's average lags by keep / (1 − keep) steps, which is no luck.
pub fn optimism(raw: &[f64]) -> Option<f64> {
    let smooth = statistics::ema(raw, EMA);
    let highest = |curve: &[f64]| curve.iter().copied().reduce(f64::max);
    let quarter = (raw.len() / 4).max(1);
    let late = smooth.len().checked_sub(quarter + 1)?;
    let step = ((smooth.last()? - smooth[late]) / quarter as f64).max(0.0);
    Some(highest(raw)? - highest(&smooth)? - step * EMA / (1.0 - EMA))
}

/// Rule 9: the validation loss rises while the training loss falls, or at the end the training score lies far above
/// the validation score.
pub fn overfitting(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    loss_rises(evidence).or_else(|| wide_gap(sweep, evidence)).into_iter().collect()
}

/// Generalisation loss GL above 5 with a rising last strip (Prechelt 1998), while the training loss falls.
/// Both are taken of means over strips of five epochs: the lowest of many noisy values lies too low to compare with.
fn loss_rises(evidence: &Evidence<'_>) -> Option<Finding> {
    const LOSS: f64 = 5.0;
    const STRIP: usize = 5;
    let (val, train) = (values(&evidence.loss(Split::Val)), values(&evidence.loss(Split::Train)));
    if val.len() < 3 * STRIP || train.len() != val.len() {
        return None;
    }
    // The last strip first.
    let means = |curve: &[f64]| curve.rchunks_exact(STRIP).filter_map(statistics::mean).collect::<Vec<_>>();
    let (val_strips, train_strips) = (means(&val), means(&train));
    let lowest = val_strips.iter().copied().fold(f64::INFINITY, f64::min);
    let place = val_strips.iter().position(|&loss| loss == lowest).filter(|_| lowest > 0.0)?;
    let generalisation = 100.0 * (val_strips[0] / lowest - 1.0);
    let noise = 2.0 * statistics::robust_sigma(&val).unwrap_or(0.0) / (STRIP as f64).sqrt();
    let rises = val_strips[0] > val_strips[1] && val_strips[0] - lowest > noise;
    if !(generalisation > LOSS && rises && train_strips[0] < train_strips[place]) {
        return None;
    }
    // Prechelt's P_5: how much the training loss still moves within the last strip, in thousandths.
    let last = &train[train.len() - STRIP..];
    let least = last.iter().copied().fold(f64::INFINITY, f64::min);
    let progress = 1000.0 * (train_strips[0] / least - 1.0);
    let text = format!(
        "The val loss rose {generalisation:.0} % above its lowest, {} epochs ago, while the train loss fell on from {} to \
         {} (GL {generalisation:.1}, PQ {:.2}).",
        place * STRIP,
        score(train_strips[place]),
        score(train_strips[0]),
        generalisation / progress.max(f64::MIN_POSITIVE),
    );
    Some(Finding::new(9, Severity::Warn, text).against(generalisation, LOSS))
}

/// Train minus val Dice of the last epochs, both measured in evaluation mode, above what another draw of validation
/// images could explain. [H]
fn wide_gap(sweep: &Sweep, evidence: &Evidence<'_>) -> Option<Finding> {
    const EPOCHS: usize = 5;
    const GAP: f64 = 0.05;
    const ERRORS: f64 = 2.0;
    let both = train_and_val(sweep, evidence);
    let end = &both[both.len().saturating_sub(EPOCHS)..];
    let train = statistics::mean(&end.iter().map(|(_, train, _)| *train).collect::<Vec<_>>())?;
    let val = statistics::mean(&end.iter().map(|(.., val)| *val).collect::<Vec<_>>())?;
    let (gap, threshold) = (train - val, GAP.max(ERRORS * evidence.error()));
    let text = format!(
        "At the end train Dice is {} and val Dice {}: images that it was not trained on are segmented much worse.",
        score(train),
        score(val)
    );
    (gap > threshold).then(|| Finding::new(9, Severity::Warn, text).against(gap, threshold))
}

/// Epoch, train Dice and val Dice where both are known: the mean over the foreground classes that both splits have, so
/// that a class that one of them lacks makes no gap.
fn train_and_val(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<(usize, f64, f64)> {
    let has = |split, class: &&String| {
        let point = evidence.class(split, class).and_then(|history| history.at(evidence.best));
        point.is_some_and(|point| point.images > 0)
    };
    let (train, val): (Vec<&String>, Vec<&String>) = (
        sweep.foreground().filter(|class| has(Split::Train, class)).collect(),
        sweep.foreground().filter(|class| has(Split::Val, class)).collect(),
    );
    let shared: Vec<&String> = train.iter().filter(|class| val.contains(class)).copied().collect();
    let dice = |split, epoch| {
        if train == val {
            return evidence.run.row(split, epoch)?.dice_macro;
        }
        let of_class = |class: &&String| evidence.class(split, class)?.at(epoch)?.dice();
        statistics::mean(&shared.iter().filter_map(of_class).collect::<Vec<_>>())
    };
    let both = |row: &EpochRow| Some((row.epoch, dice(Split::Train, row.epoch)?, dice(Split::Val, row.epoch)?));
    evidence.run.rows(Split::Val).iter().filter_map(both).collect()
}

/// Rule 10: the slope of train minus val Dice after the best epoch; its bootstrap interval lies above 0. A gap that
/// ends below 0, or grows by less than can be seen, is none. [H]
pub fn gap_grows(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const POINTS: usize = 8;
    const DRAWS: usize = 500;
    const VISIBLE: f64 = 0.01;
    let gap: Vec<(f64, f64)> = train_and_val(sweep, evidence)
        .into_iter()
        .filter(|(epoch, ..)| *epoch >= evidence.best)
        .map(|(epoch, train, val)| (epoch as f64, train - val))
        .collect();
    let Some(slope) = statistics::slope(&gap).filter(|slope| gap.len() >= POINTS && *slope > 0.0) else {
        return vec![];
    };
    let (first, last) = (gap[0].0, gap[gap.len() - 1].0);
    let growth = slope * (last - first);
    let middle = statistics::mean(&gap.iter().map(|(_, gap)| *gap).collect::<Vec<_>>()).unwrap_or_default();
    // What the line through the gap reaches at the end.
    if growth <= evidence.error().max(VISIBLE) || middle + growth / 2.0 <= 0.0 {
        return vec![];
    }
    let mut random = seed::generator(0, "report/gap", &[gap.len() as u64]);
    let slopes: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            let draw: Vec<_> = (0..gap.len()).map(|_| gap[random.random_range(0..gap.len())]).collect();
            statistics::slope(&draw)
        })
        .collect();
    let Some(low) = statistics::quantile(&slopes, 0.025).filter(|low| *low > 0.0) else { return vec![] };
    let text = format!("Train minus val Dice grew by {} after the best epoch, {}.", score(growth), evidence.best);
    vec![Finding::new(10, Severity::Warn, text).against(low, 0.0)]
}

/// Rule 12: the final epoch is worse than the best by more than the images' standard error, and it is what is kept.
pub fn best_lost(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    let stopping = evidence.run.file.as_ref().and_then(|file| file.config.train.early_stopping.as_ref());
    if stopping.is_none_or(|rule| rule.restore_best) {
        return vec![];
    }
    let dice = evidence.dice(Split::Val);
    let best = dice.iter().find(|point| point.0 == evidence.best);
    let Some((best, last)) = best.zip(dice.last()) else { return vec![] };
    let error = evidence.error();
    if best.1 - last.1 <= error {
        return vec![];
    }
    let text = format!("Val Dice is {} at epoch {} and {} at the end.", score(best.1), best.0, score(last.1));
    vec![Finding::new(12, Severity::Warn, text).against(best.1 - last.1, error)]
}
