//! The table of rules: number, name, what it says, where it is from, what to do.

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// From 1.
    pub number: usize,
    /// The name in findings.csv.
    pub name: &'static str,
    /// What it says, for headings.
    pub title: &'static str,
    /// Where the rule or its threshold is from.
    pub source: &'static str,
    /// What to do, unless the finding knows better.
    pub advice: &'static str,
}

const fn rule(
    number: usize,
    name: &'static str,
    title: &'static str,
    source: &'static str,
    advice: &'static str,
) -> Rule {
    Rule { number, name, title, source, advice }
}

/// Every rule in the order of its number.
#[rustfmt::skip]
pub const RULES: [Rule; 27] = [
    rule(1, "pooled_score_hides_classes", "The pooled score hides classes",
        "Metrics Reloaded (Maier-Hein 2024); Wang et al., NeurIPS 2023",
        "Report the macro Dice and each class's; dice_coef is the mean probability of the true class over all pixels."),
    rule(2, "background_carries_the_score", "The commonest class carries the score", "derived",
        "Quote the macro Dice of the foreground, not dice_coef."),
    rule(3, "class_never_predicted", "A class is never predicted", "nnU-Net issue 2623",
        "Check the masks' coding of this class; train with loss.kind = \"dice_ce\"; give the class more weight or more images."),
    rule(4, "class_missing_from_split", "A class is missing from a split", "Sechidis et al. 2011",
        "Split anew with split.strategy = \"stratified\" or another split.seed; a missing class has no score, not 0."),
    rule(5, "splits_differ", "Training and validation images differ", "permutation test",
        "Use split.strategy = \"stratified\"."),
    rule(6, "leak", "The same material is in two splits", "Barz & Denzler 2020",
        "Name the groups in data.groups, so that a group is never split."),
    rule(7, "noisy_validation", "The validation score is noisy", "derived",
        "Pick the epoch on a smoothed score, use more validation images, or lower the learning rate."),
    rule(8, "lucky_best_epoch", "The best epoch is partly luck", "nnU-Net selects on the moving average",
        "Quote the moving average at the best epoch, not the highest raw score."),
    rule(9, "overfitting", "The run overfits", "Prechelt 1998",
        "Stop early, augment, or use a smaller network."),
    rule(10, "gap_grows", "The gap between training and validation grows", "derived",
        "Stop early, augment, or use a smaller network."),
    rule(11, "wrong_monitor", "The wrong figure picks the epoch", "Keras issue 18798",
        "Monitor val_dice_macro."),
    rule(12, "best_lost", "The final weights are not the best ones", "Keras issue 12511",
        "Set train.early_stopping.restore_best = true, or predict from checkpoints/best."),
    rule(13, "batch_norm_statistics_wrong", "Batch norm's running statistics are off", "Wu & Johnson 2021",
        "Use larger batches, model.norm = \"group\", or a smaller model.bn_momentum."),
    rule(14, "learning_rate_too_high", "The learning rate is too high", "derived",
        "Divide train.learning_rate by 3, or warm up (train.warmup_epochs)."),
    rule(15, "learning_rate_too_low", "The run had not finished learning", "derived",
        "Multiply train.learning_rate by 3 to 10, or train for more epochs."),
    rule(16, "optimum_on_the_edge", "The best value is at the grid's edge", "derived", "Extend the grid."),
    rule(17, "too_few_validation_images", "Too few validation images", "El Jurdi & Colliot 2023; Andre et al. 2023",
        "Use more validation images, or pool the folds of several split seeds."),
    rule(18, "split_matters_most", "Repetitions of a setting differ mostly by their split", "Bouthillier et al. 2021",
        "Quote a setting's mean over splits with its interval, never the score of one split."),
    rule(19, "effect_within_noise", "An axis makes no difference that can be told from noise", "nnU-Net Revisited (Isensee 2024)",
        "Do not rank its values."),
    rule(20, "resizing_destroys_structures", "Resizing destroys structures", "Metrics Reloaded (Maier-Hein 2024)",
        "Use a larger data.input_size, or crops at the images' own size."),
    rule(21, "soft_and_hard_differ", "Soft and hard Dice differ", "derived", "Report the hard Dice, from counts."),
    rule(22, "miscalibrated", "Probabilities are not calibrated", "Guo et al. 2017; Mehrtash et al. 2020",
        "Add cross-entropy to the loss, or scale the logits by a temperature found on validation images."),
    rule(23, "bad_images", "Some images are far worse than the rest", "Wang et al., NeurIPS 2023",
        "Look at their panels; check their masks."),
    rule(24, "classes_confused", "Two classes are confused", "derived",
        "Check that the masks tell them apart; merge them, or train on one alone (data.keep) to see whether it can be learned."),
    rule(25, "batch_dependent_metric", "A mean over batches would read otherwise", "segmentation_models.pytorch issue 207",
        "Keep to scores from summed counts when comparing with other programs."),
    rule(26, "jump_at_resume", "The curve jumps where the run was resumed", "nnU-Net issue 901",
        "Save optimiser, schedule and random state with the weights; run again from the start."),
    rule(27, "tuned_on_validation", "The best score was picked on the validation images", "Dodge et al. 2019; Tang et al. 2021",
        "Keep a test split (split.fractions.test) and evaluate the chosen setting on it once."),
];

/// Rule `number` where it has something else to say than usual.
const fn variant(number: usize, title: &'static str, advice: &'static str) -> Rule {
    let usual = &RULES[number - 1];
    Rule { number, name: usual.name, title, source: usual.source, advice }
}

/// Rule 2 where the score lies below that of one class everywhere.
pub static WORSE_THAN_ONE_CLASS: Rule = variant(
    2,
    "Worse than predicting one class everywhere",
    "Look at the panels and the masks; try another train.learning_rate and more train.epochs.",
);
/// Rule 2 where hardly a pixel of the foreground is right.
pub static NOTHING_LEARNED: Rule = variant(
    2,
    "Nothing was learned",
    "Look at the panels: check masks, classes and train.learning_rate before comparing settings.",
);
/// Rule 4 where there are some.
pub static FEW_IMAGES: Rule =
    variant(4, "Few images have a class", "Add images of the class; its score hangs on these few.");
/// Rule 14 where nothing but rises speaks for it.
pub static RATE_MAY_BE_TOO_HIGH: Rule = variant(
    14,
    "The learning rate may be too high",
    "Try a third of train.learning_rate, or warm up (train.warmup_epochs).",
);
/// Rule 15 where the network is no better than a guess.
pub static HARDLY_LEARNED: Rule = variant(
    15,
    "The run has learned next to nothing",
    "Try ten times train.learning_rate, or train for more epochs; check the masks.",
);
/// Rule 23 about masks.
pub static LABELS_EXCHANGED: Rule = variant(23, "Labels seem exchanged in some masks", "Look at these masks.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_numbered_in_order_and_named_apart() {
        let names: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
        assert!(RULES.iter().enumerate().all(|(place, rule)| rule.number == place + 1));
    }
}
