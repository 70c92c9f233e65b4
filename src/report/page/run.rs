//! What the page says of one run.

use super::{
    panels::{Panels, url},
    ranking,
};
use crate::{
    domain::{EpochRow, Figure, Metric, Split},
    report::{
        aggregate::{Run, Sweep},
        confusion,
        evidence::{Drawn, Evidence},
        labels::{self, Labels},
        plot::Picture,
        words,
    },
    statistics::Estimate,
    store::SweepDir,
};

/// A run's row in the table of runs.
pub struct RunRow {
    /// From 1, in the order of the plan.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// The end of it, which no other run has.
    pub id: String,
    /// Where the run stands.
    pub state: &'static str,
    /// Why it failed.
    pub failure: String,
    /// Its values on the axes that vary.
    pub axes: Vec<String>,
    /// Epochs recorded.
    pub epochs: usize,
    /// The best of them.
    pub best_epoch: String,
    /// The monitored figure there.
    pub score: String,
    /// The other figures there, in the order of [`others`].
    pub others: Vec<String>,
}

/// A figure beside the monitored one: its name, what it is of a row.
type Other = (&'static str, fn(&EpochRow) -> Option<f64>);

/// The figures that the table of runs shows beside the monitored one.
pub fn others(monitor: Metric) -> impl Iterator<Item = Other> {
    let all: [(Figure, Other); 2] = [
        (Figure::DiceMacro, ("val Dice (macro)", |row| row.dice_macro)),
        (Figure::DiceCoef, ("pooled val Dice (dice_coef, what Keras prints)", |row| row.dice_coef)),
    ];
    let is_monitored = move |figure: Figure| monitor.split == Split::Val && monitor.figure == figure;
    all.into_iter().filter(move |(figure, _)| !is_monitored(*figure)).map(|(_, other)| other)
}

/// A run's row and its details.
pub struct RunView {
    /// What the table of runs shows too.
    pub row: RunRow,
    /// Figures of each class: on val, and on test where it was evaluated.
    pub tables: Vec<ClassTable>,
    /// Where the pixels of each true class went.
    pub confusion: Vec<ConfusionRow>,
    /// Learning curves, where they are in the page itself.
    pub curves: Option<String>,
    /// Their file beside the page.
    pub plot: Option<String>,
    /// Example images.
    pub panels: Panels,
}

/// The classes on one split.
pub struct ClassTable {
    /// Which split and epoch.
    pub caption: String,
    /// Whether the intervals are known.
    pub intervals: bool,
    /// A row a class.
    pub classes: Vec<ClassView>,
}

/// A class on one split.
pub struct ClassView {
    /// Its name.
    pub name: String,
    /// Dice.
    pub dice: String,
    /// Its 95 % interval.
    pub interval: String,
    /// Precision.
    pub precision: String,
    /// Recall.
    pub recall: String,
    /// Images with the class.
    pub images: u32,
    /// Pixels of the class.
    pub pixels: u64,
}

/// A true class.
pub struct ConfusionRow {
    /// Its name.
    pub name: String,
    /// The share of its pixels that was predicted as each class; `None` where val does not have it.
    pub shares: Option<Vec<Share>>,
}

/// A share as text, and how dark its ground is, in per cent.
pub struct Share {
    /// Two decimals.
    pub text: String,
    /// 0 to 100.
    pub percent: u32,
}

impl RunRow {
    /// The row of the run at `place`.
    pub fn of(data: &Sweep, labels: &Labels<'_>, place: usize) -> Self {
        let run = &data.runs[place];
        let best = run.best_epoch(data.monitor);
        let val = run.best_row(data.monitor, Split::Val);
        Self {
            number: place + 1,
            name: run.name.clone(),
            id: labels::short(&run.name).to_owned(),
            state: run.state.state.name(),
            failure: run.state.failure.as_ref().map(ToString::to_string).unwrap_or_default(),
            axes: labels.values(run),
            epochs: run.state.epoch,
            best_epoch: best.map(|epoch| epoch.to_string()).unwrap_or_default(),
            score: words::cell(run.best_score(data.monitor)),
            others: others(data.monitor).map(|(_, of)| words::cell(val.and_then(of))).collect(),
        }
    }
}

impl RunView {
    /// The run at `place` with all that is known of it.
    pub fn of(
        sweep: &SweepDir,
        data: &Sweep,
        labels: &Labels<'_>,
        place: usize,
        evidence: Option<&Evidence<'_>>,
        curves: Option<&Picture>,
        is_inline: bool,
    ) -> Self {
        let run = &data.runs[place];
        Self {
            row: RunRow::of(data, labels, place),
            tables: evidence
                .map(|evidence| val_table(data, evidence))
                .into_iter()
                .chain(test_table(data, run))
                .collect(),
            confusion: evidence.map(|evidence| confusion_rows(data, evidence)).unwrap_or_default(),
            curves: curves.filter(|_| is_inline).map(Picture::inline),
            plot: curves.map(|_| format!("plots/{}.svg", url(&run.name))),
            panels: Panels::of(sweep, data, run, evidence),
        }
    }

    /// The run at `place`, its details still to be looked up.
    pub fn brief(data: &Sweep, labels: &Labels<'_>, place: usize) -> Self {
        let row = RunRow::of(data, labels, place);
        Self { row, tables: Vec::new(), confusion: Vec::new(), curves: None, plot: None, panels: Panels::default() }
    }
}

fn val_table(data: &Sweep, evidence: &Evidence<'_>) -> ClassTable {
    let classes = class_views(data, evidence.run, Split::Val, evidence.best, &evidence.class_dice);
    ClassTable {
        caption: format!("Validation at the best epoch, {}; 95 % intervals {}", evidence.best, over(evidence.drawn)),
        intervals: true,
        classes,
    }
}

fn over(drawn: Drawn) -> String {
    match drawn {
        Drawn::Images => "over images".into(),
        Drawn::Groups(groups) => format!("over {groups} groups of images"),
        Drawn::ImagesOfGroups(_) => "over images, as if those of a group were unlike one another".into(),
    }
}

fn test_table(data: &Sweep, run: &Run) -> Option<ClassTable> {
    let row = run.test_row()?;
    Some(ClassTable {
        caption: format!(
            "{} with the weights of epoch {}: Dice (macro) {}, pooled Dice (dice_coef, what Keras prints) {}",
            words::count(row.images, "test image"),
            row.epoch,
            words::cell(row.dice_macro),
            words::cell(row.dice_coef)
        ),
        intervals: false,
        classes: class_views(data, run, Split::Test, row.epoch, &[]),
    })
}

fn class_views(data: &Sweep, run: &Run, split: Split, epoch: usize, estimates: &[Option<Estimate>]) -> Vec<ClassView> {
    let view = |(place, class): (usize, &String)| {
        let point = run.class(split, class)?.at(epoch)?;
        let occurs = point.images > 0;
        let estimate = estimates.get(place).copied().flatten();
        Some(ClassView {
            name: class.clone(),
            dice: words::cell(point.dice()),
            interval: estimate.map(|estimate| ranking::interval(estimate.interval)).unwrap_or_default(),
            precision: words::cell(point.counts.precision().filter(|_| occurs)),
            recall: words::cell(point.counts.recall()),
            images: point.images,
            pixels: point.counts.support(),
        })
    };
    data.classes.iter().enumerate().filter_map(view).collect()
}

fn confusion_rows(data: &Sweep, evidence: &Evidence<'_>) -> Vec<ConfusionRow> {
    let share = |share: f64| Share { text: format!("{share:.2}"), percent: (100.0 * share).round() as u32 };
    let row = |(name, shares): (&String, Vec<Option<f64>>)| ConfusionRow {
        name: name.clone(),
        shares: shares.into_iter().map(|of| of.map(share)).collect(),
    };
    let shares = confusion::shares(data, std::iter::once(evidence)).unwrap_or_default();
    data.classes.iter().zip(shares).map(row).collect()
}
