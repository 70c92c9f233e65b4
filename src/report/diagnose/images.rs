//! Rules about single images and how many there are: 17, 23, 25.

use std::collections::BTreeMap;

use super::{Finding, Severity, rules::LABELS_EXCHANGED};
use crate::{
    domain::{Counts, Split},
    report::{
        aggregate::Sweep,
        evidence::{self, Drawn, Evidence},
        words::{self, score},
    },
    statistics,
};

/// Half the width of the macro Dice's interval that enough validation images give [heuristic].
pub const HALF_WIDTH: f64 = 0.02;

/// Rule 17: half the width of the macro Dice's interval over images, or over groups of them. Fewer than ten images warn
/// whatever it is: the bootstrap of so few makes it too narrow. [H]
pub fn too_few_validation_images(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const LEAST: usize = 10;
    let images = evidence.val.len();
    let few = (1..LEAST).contains(&images);
    let Some(estimate) = evidence.macro_dice.filter(|e| few || e.interval.half_width() > HALF_WIDTH) else {
        let text = format!("There are only {}.", words::count(images, "validation image"));
        let finding = || Finding::new(17, Severity::Warn, text).against(images as f64, LEAST as f64);
        return few.then(finding).into_iter().collect();
    };
    let half = estimate.interval.half_width();
    let needed = (images as f64 * (half / HALF_WIDTH).powi(2)).ceil().max(LEAST as f64);
    let (of_groups, caveat) = match evidence.drawn {
        Drawn::Images => (String::new(), ""),
        Drawn::Groups(groups) => (format!(" of {groups} groups"), ""),
        Drawn::ImagesOfGroups(groups) => (
            format!(" of {}", words::count(groups, "group")),
            " That takes them for unlike one another; those of a group are not, so it is known less well.",
        ),
    };
    let text = format!(
        "From {}{of_groups} the macro Dice {} is known to within {} to {} (95 %).{caveat}",
        words::count(images, "validation image"),
        score(estimate.value),
        score(estimate.interval.low),
        score(estimate.interval.high)
    );
    let advice = format!(
        "About {needed} validation images would make it ± {HALF_WIDTH}; or pool the folds of several split seeds."
    );
    let (severity, value, threshold) =
        if few { (Severity::Warn, images as f64, LEAST as f64) } else { (Severity::Info, half, HALF_WIDTH) };
    vec![Finding::new(17, severity, text).against(value, threshold).advise(advice)]
}

/// Rule 23: the images whose macro Dice is below half the median, by name. [H]
pub fn bad_images(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const SHARE: f64 = 0.5;
    const IMAGES: usize = 5;
    const NAMED: usize = 20;
    let mut scores: Vec<(f64, &str)> =
        evidence.val.iter().filter_map(|(name, counts)| Some((evidence::macro_dice(sweep, counts)?, *name))).collect();
    let Some(median) = statistics::median(&scores.iter().map(|(dice, _)| *dice).collect::<Vec<_>>()) else {
        return vec![];
    };
    scores.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    let bad = scores.partition_point(|(dice, _)| *dice < SHARE * median);
    if bad == 0 || scores.len() < IMAGES {
        return vec![];
    }
    let named: Vec<String> =
        scores[..bad.min(NAMED)].iter().map(|(dice, name)| format!("{name} ({})", score(*dice))).collect();
    let text = format!(
        "{bad} of {} {} below half the median Dice, {}: {}{}.",
        words::count(scores.len(), "val image"),
        if bad == 1 { "scores" } else { "score" },
        score(median),
        words::list(&named),
        if bad > NAMED { format!("; and {} more", bad - NAMED) } else { String::new() }
    );
    vec![Finding::new(23, Severity::Warn, text).against(scores[0].0, SHARE * median)]
}

/// Rule 23's other half: images of either split in whose masks two classes seem to be exchanged, because the network,
/// which tells the two apart elsewhere, predicts each as the other. [H]
pub fn exchanged_labels(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut pairs: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    for split in [Split::Train, Split::Val] {
        for (image, classes, share) in evidence.extra(split, "exchanged") {
            pairs.entry(classes).or_default().push((image, share));
        }
    }
    let finding = |(classes, mut images): (&str, Vec<(&str, f64)>)| {
        images.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        let named: Vec<String> =
            images.iter().take(5).map(|(name, share)| format!("{name} ({:.0} %)", share * 100.0)).collect();
        let text = format!(
            "In the masks of {} the labels of {classes} seem to be exchanged: most pixels of each are predicted as the \
             other, though elsewhere the network tells them apart. {}{}.",
            words::count(images.len(), "image"),
            if images.len() > named.len() { "The surest: " } else { "" },
            words::list(&named)
        );
        Finding::by(&LABELS_EXCHANGED, Severity::Warn, text).of(classes).against(images.len() as f64, 0.0)
    };
    pairs.into_iter().map(finding).collect()
}

/// Rule 25: macro Dice from summed counts against the mean of batches, the images taken in order. [H]
pub fn batch_dependent(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const GAP: f64 = 0.005;
    let Some(batch) = evidence.run.file.as_ref().map(|file| file.config.train.batch_size) else { return vec![] };
    let sum = |images: &[(&str, Vec<Counts>)]| {
        evidence::macro_dice(sweep, &evidence::total(sweep, images.iter().map(|(_, counts)| counts)))
    };
    let batches: Vec<f64> = evidence.val.chunks(batch.max(1)).filter_map(sum).collect();
    let Some((whole, batches)) = sum(&evidence.val).zip(statistics::mean(&batches)) else { return vec![] };
    if (whole - batches).abs() <= GAP {
        return vec![];
    }
    let text =
        format!("Macro Dice is {whole:.3} from summed counts; a mean over batches of {batch} would read {batches:.3}.");
    vec![Finding::new(25, Severity::Info, text).against((whole - batches).abs(), GAP)]
}

/// Rule 4's companion: no foreground class occurs in val at all, so that there is no score.
pub fn undefined_score(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    let row = evidence.run.row(Split::Val, evidence.best);
    let undefined = row.is_some_and(|row| row.dice_macro.is_none() && row.images > 0);
    let text = "The macro Dice is undefined: no validation image has a foreground class.".to_owned();
    undefined.then(|| Finding::new(4, Severity::Fail, text)).into_iter().collect()
}
