//! Charts of filled cells: class heatmap, confusion matrix, the bar of variance.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, VPos},
};

use super::{
    Chart, DrawError,
    style::{self, INK, Mark, px},
};
use crate::{
    domain::Split,
    report::{
        Analysis,
        aggregate::{Run, Sweep},
        confusion,
        evidence::Evidence,
        labels::Labels,
        standings::Standing,
    },
    statistics,
};

/// A table of shares from 0 to 1 with a ground that darkens with them.
pub struct Grid {
    title: String,
    columns: Vec<String>,
    /// Under each column's name.
    notes: Vec<String>,
    rows: Vec<GridRow>,
    /// What the columns are, where it is not plain.
    across: String,
}

struct GridRow {
    label: String,
    values: Vec<Option<f64>>,
    /// Whether it stands apart from the row above.
    opens_group: bool,
}

impl Grid {
    /// Runs up to which each has a row; from there on each setting has one.
    const RUNS: usize = 40;

    /// Dice of each run (or setting) and class on val at the best epoch, with the images that have the class; the
    /// best setting first.
    pub fn classes(sweep: &Sweep, analysis: &Analysis<'_>) -> Option<Self> {
        let scored: Vec<&Run> = sweep.runs.iter().filter(|run| run.best_epoch(sweep.monitor).is_some()).collect();
        let by_run = scored.len() <= Self::RUNS;
        let rows: Vec<GridRow> = if by_run {
            let labels = Labels::of(sweep);
            analysis.standings.iter().flat_map(|standing| run_rows(sweep, &labels, standing)).collect()
        } else {
            analysis.standings.iter().map(|standing| setting_row(sweep, standing)).collect()
        };
        let of = if by_run { "each run" } else { "each setting (mean over its runs)" };
        (!rows.is_empty() && !sweep.classes.is_empty()).then(|| Self {
            title: format!(
                "Dice of {of} and class on val at the best epoch; under each class the val images that have it"
            ),
            notes: sweep.classes.iter().map(|class| images_with(sweep, &scored, class)).collect(),
            columns: sweep.classes.clone(),
            rows,
            across: String::new(),
        })
    }

    /// Confusion of the best setting's runs, from evidence.csv: each true class's pixels by predicted class. `None`
    /// where there is one run alone, whose details say the same.
    pub fn confusion(sweep: &Sweep, analysis: &Analysis<'_>) -> Option<Self> {
        let best = analysis.standings.first().filter(|_| sweep.runs.len() > 1)?;
        let of_best = |evidence: &&Evidence<'_>| best.cell.runs.iter().any(|run| run.name == evidence.run.name);
        let shares = confusion::shares(sweep, analysis.evidence.iter().flatten().filter(of_best))?;
        Some(Self {
            title: "Confusion on val in the runs of the best setting: where the pixels of each true class (rows) went"
                .into(),
            columns: sweep.classes.clone(),
            notes: vec![String::new(); sweep.classes.len()],
            rows: sweep
                .classes
                .iter()
                .zip(shares)
                .map(|(class, values)| GridRow { label: class.clone(), values, opens_group: false })
                .collect(),
            across: "predicted as".into(),
        })
    }
}

/// A row a run of one setting: the first says which setting, the others what tells them from it.
fn run_rows(sweep: &Sweep, labels: &Labels<'_>, standing: &Standing<'_>) -> Vec<GridRow> {
    let row = |(place, run): (usize, &&Run)| GridRow {
        label: if place == 0 { labels.run(run) } else { labels.repetition(run) },
        values: sweep.classes.iter().map(|class| dice(sweep, run, class)).collect(),
        opens_group: place == 0,
    };
    let scored = standing.cell.runs.iter().filter(|run| run.best_epoch(sweep.monitor).is_some());
    scored.enumerate().map(row).collect()
}

/// The mean over a setting's runs.
fn setting_row(sweep: &Sweep, standing: &Standing<'_>) -> GridRow {
    let of = |class: &String| standing.cell.runs.iter().filter_map(|run| dice(sweep, run, class)).collect::<Vec<_>>();
    GridRow {
        label: standing.cell.label(sweep),
        values: sweep.classes.iter().map(|class| statistics::mean(&of(class))).collect(),
        opens_group: false,
    }
}

fn dice(sweep: &Sweep, run: &Run, class: &str) -> Option<f64> {
    run.class(Split::Val, class)?.at(run.best_epoch(sweep.monitor)?)?.dice()
}

/// `10 images`, `9–11 images`: over the runs.
fn images_with(sweep: &Sweep, runs: &[&Run], class: &str) -> String {
    let images = |run: &&Run| Some(run.class(Split::Val, class)?.at(run.best_epoch(sweep.monitor)?)?.images);
    let counts: Vec<u32> = runs.iter().filter_map(images).collect();
    match (counts.iter().min(), counts.iter().max()) {
        (Some(low), Some(high)) if low == high => format!("{low} images"),
        (Some(low), Some(high)) => format!("{low}–{high} images"),
        _ => String::new(),
    }
}

const CELL: (f64, f64) = (84.0, 22.0);
const TOP: f64 = 44.0;
/// Free space above a group of rows.
const APART: f64 = 6.0;

impl Chart for Grid {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size(&self) -> (u32, u32) {
        let height = self.top_of(self.rows.len()) + 8.0;
        ((self.left() + self.columns.len() as f64 * CELL.0 + 8.0).ceil() as u32, height.ceil() as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        let left = self.left();
        let centre = |column: usize| px(left + (column as f64 + 0.5) * CELL.0);
        area.draw(&Text::new(
            self.across.as_str(),
            (px(12.0), px(16.0)),
            style::anchored(11.0, HPos::Left, VPos::Center),
        ))?;
        for (index, (name, note)) in self.columns.iter().zip(&self.notes).enumerate() {
            let name = style::fitted(name, 11.0, CELL.0 - 4.0);
            area.draw(&Text::new(name, (centre(index), px(16.0)), style::anchored(11.0, HPos::Center, VPos::Center)))?;
            area.draw(&Text::new(
                note.as_str(),
                (centre(index), px(32.0)),
                style::anchored(9.5, HPos::Center, VPos::Center),
            ))?;
        }
        for (place, row) in self.rows.iter().enumerate() {
            let top = self.top_of(place);
            let middle = px(top + CELL.1 / 2.0);
            let label = style::fitted(&row.label, 10.5, left - 16.0);
            area.draw(&Text::new(label, (px(left - 8.0), middle), style::anchored(10.5, HPos::Right, VPos::Center)))?;
            for (column, value) in row.values.iter().enumerate() {
                let x = left + column as f64 * CELL.0;
                let corners = [(px(x + 1.0), px(top + 1.0)), (px(x + CELL.0 - 1.0), px(top + CELL.1 - 1.0))];
                let at = (centre(column), middle);
                let Some(value) = value else {
                    area.draw(&Rectangle::new(corners, INK.mix(0.15)))?;
                    area.draw(&Text::new("absent", at, style::anchored(9.5, HPos::Center, VPos::Center)))?;
                    continue;
                };
                area.draw(&Rectangle::new(corners, ground(*value).filled()))?;
                let ink = if *value > 0.68 { NEARLY_WHITE } else { NEARLY_BLACK };
                let look = style::anchored(10.5, HPos::Center, VPos::Center).color(&ink);
                area.draw(&Text::new(format!("{value:.2}"), at, look))?;
            }
        }
        Ok(())
    }
}

/// Text on a filled ground keeps its colour in the dark theme, as the ground does: not the ink's black.
const NEARLY_BLACK: RGBColor = RGBColor(20, 20, 24);
const NEARLY_WHITE: RGBColor = RGBColor(250, 250, 250);

/// One hue from pale to deep blue, in even steps of lightness.
fn ground(share: f64) -> RGBColor {
    let share = share.clamp(0.0, 1.0);
    let mix = |pale: f64, deep: f64| (pale + (deep - pale) * share).round() as u8;
    RGBColor(mix(232.0, 8.0), mix(241.0, 69.0), mix(250.0, 126.0))
}

impl Grid {
    fn left(&self) -> f64 {
        let widest = self.rows.iter().map(|row| style::width(&row.label, 10.5)).fold(0.0, f64::max);
        (widest + 20.0).clamp(100.0, 430.0)
    }

    fn top_of(&self, row: usize) -> f64 {
        let groups = self.rows.iter().take(row + 1).filter(|row| row.opens_group).count();
        TOP + row as f64 * CELL.1 + groups.saturating_sub(1) as f64 * APART
    }
}

/// What each axis explains of the score's variation, as one bar.
pub struct VarianceBar {
    /// The largest parts, then the rest.
    parts: Vec<(String, f64)>,
}

impl VarianceBar {
    /// Parts that are named.
    const NAMED: usize = 3;
    /// How dark each part is: these colours are no setting's.
    const SHADES: [f64; 4] = [0.38, 0.27, 0.18, 0.1];
    const WIDTH: f64 = 936.0;

    /// The shares of the sum of squares; `None` where there are too few runs to tell.
    pub fn of(analysis: &Analysis<'_>) -> Option<Self> {
        let components = analysis.variance.as_ref()?;
        let total: f64 = components.iter().map(|component| component.squares).sum();
        let part = |of: &statistics::Component| (of.name.replace(':', " × "), of.squares / total);
        let named = components.iter().filter(|component| component.name != "residual");
        let mut parts: Vec<(String, f64)> = named.map(part).filter(|(_, share)| *share >= 0.005).collect();
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        parts.truncate(Self::NAMED);
        let rest = 1.0 - parts.iter().map(|(_, share)| share).sum::<f64>();
        let rest = Some(("rest".into(), rest)).filter(|(_, share)| *share >= 0.005);
        parts.extend(rest);
        (total > 0.0).then_some(Self { parts })
    }

    /// A part's label, its left edge and width, how dark it is, and whether the label fits in.
    fn placed(&self) -> impl Iterator<Item = (String, f64, f64, f64, bool)> {
        let mut left = 12.0;
        self.parts.iter().zip(Self::SHADES).map(move |((name, share), shade)| {
            let (label, start, width) = (format!("{name} {:.0} %", share * 100.0), left, share * Self::WIDTH);
            left += width;
            let fits = style::width(&label, 11.0) + 10.0 < width;
            (label, start, width, shade, fits)
        })
    }
}

impl Chart for VarianceBar {
    fn title(&self) -> String {
        "What the score's variation over the runs goes with (share of the sum of squares)".into()
    }

    fn size(&self) -> (u32, u32) {
        (960, if self.placed().all(|part| part.4) { 46 } else { 66 })
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        let mut narrow = Vec::new();
        for (label, left, width, shade, fits) in self.placed() {
            let corners = [(px(left), px(8.0)), (px(left + width), px(38.0))];
            area.draw(&Rectangle::new(corners, INK.mix(shade).filled()))?;
            if fits {
                let at = (px(left + width / 2.0), px(23.0));
                area.draw(&Text::new(label, at, style::anchored(11.0, HPos::Center, VPos::Center)))?;
            } else {
                narrow.push((label, INK.mix(shade), Mark::Dot));
            }
        }
        style::legend(area, (12.0, 54.0), &narrow)?;
        Ok(())
    }
}
