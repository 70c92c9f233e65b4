//! Which rules cannot judge a sweep, because no run recorded what they need: an outside trainer may tell little.

use super::{RULES, Rule};
use crate::{
    domain::{EpochRow, Split},
    report::aggregate::{Run, Sweep},
};

/// What no run recorded, and the rules that need it.
#[derive(Clone, Debug)]
pub struct Unjudged {
    /// What is missing, and where it would stand.
    pub missing: &'static str,
    /// The rules.
    pub rules: Vec<&'static Rule>,
}

/// What is missing, how it is known to be there, and the numbers of the rules that need it.
type Need = (&'static str, fn(&Run) -> bool, &'static [usize]);

const NEEDS: [Need; 12] = [
    ("dice_coef on val", |run| has(run, Split::Val, |row| row.dice_coef), &[1, 2]),
    ("counts of each class on val", |run| run.classes.iter().any(|class| class.split == Split::Val), &[3, 4]),
    (
        "counts of each train and val image (images.csv)",
        |run| [Split::Train, Split::Val].iter().all(|split| has_images(run, *split)),
        &[5],
    ),
    ("split.csv", |run| !run.split.is_empty(), &[6]),
    ("the loss on val", |run| has(run, Split::Val, |row| row.loss), &[9]),
    ("macro Dice on train", |run| has(run, Split::Train, |row| row.dice_macro), &[7, 10]),
    ("the loss on train", |run| has(run, Split::Train, |row| row.loss), &[14, 26]),
    ("counts of each val image (images.csv)", |run| has_images(run, Split::Val), &[17, 23, 25]),
    ("soft_dice (evidence.csv)", |run| has_evidence(run, "soft_dice"), &[21]),
    ("ece (evidence.csv)", |run| has_evidence(run, "ece"), &[22]),
    ("confusion (evidence.csv)", |run| has_evidence(run, "confusion"), &[24]),
    ("resize_ceiling (evidence.csv)", |run| has_evidence(run, "resize_ceiling"), &[20]),
];

fn has(run: &Run, split: Split, figure: fn(&EpochRow) -> Option<f64>) -> bool {
    run.rows(split).iter().any(|row| figure(row).is_some())
}

fn has_images(run: &Run, split: Split) -> bool {
    run.images.rows.iter().any(|row| row.split == split)
}

fn has_evidence(run: &Run, figure: &str) -> bool {
    run.evidence.iter().any(|row| row.figure == figure)
}

/// The needs that no run meets; none while no run has recorded an epoch.
pub fn unjudged(sweep: &Sweep) -> Vec<Unjudged> {
    let begun: Vec<&Run> = sweep.runs.iter().filter(|run| !run.epochs.is_empty()).collect();
    let is_missing = |need: &&Need| !begun.is_empty() && !begun.iter().any(|run| need.1(run));
    let of = |(missing, _, numbers): &Need| Unjudged {
        missing,
        rules: numbers.iter().filter_map(|number| RULES.get(number - 1)).collect(),
    };
    NEEDS.iter().filter(is_missing).map(of).collect()
}

impl std::fmt::Display for Unjudged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let titles: Vec<&str> = self.rules.iter().map(|rule| rule.title).collect();
        write!(f, "no run recorded {}, so this was not looked for: {}", self.missing, titles.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_the_rules_in_question_and_nothing_before_there_is_a_figure() {
        assert!(unjudged(&Sweep::default()).is_empty());
        let mut run = Run::default();
        let row = EpochRow {
            epoch: 1,
            split: Split::Val,
            loss: None,
            accuracy: None,
            dice_coef: None,
            iou_coef: None,
            dice_macro: Some(0.5),
            iou_macro: None,
            learning_rate: 0.1,
            images: 0,
        };
        run.epochs.insert(Split::Val, vec![row]);
        let mut sweep = Sweep { runs: vec![Run::default(), run], ..Sweep::default() };
        assert_eq!(unjudged(&sweep).len(), NEEDS.len(), "macro Dice on val alone is a run that can be ranked");
        let rows = sweep.runs[1].epochs.get_mut(&Split::Val);
        rows.into_iter().flatten().for_each(|row| row.dice_coef = Some(0.9));
        assert!(unjudged(&sweep).iter().all(|one| one.missing != "dice_coef on val"));
        let text = unjudged(&sweep).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(
            text.contains("no run recorded the loss on val, so this was not looked for: The run overfits"),
            "{text}"
        );
    }
}
