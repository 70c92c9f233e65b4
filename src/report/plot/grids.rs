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
        cells, confusion,
        evidence::Evidence,
    },
    statistics,
};

/// A table of shares from 0 to 1 with a ground that darkens with them.
pub struct Grid {
    title: String,
    columns: Vec<String>,
    /// Under each column's name.
    notes: Vec<String>,
    rows: Vec<(String, Vec<Option<f64>>)>,
    /// What the columns are, where it is not plain.
    across: String,
}

impl Grid {
    /// Runs up to which each has a row; from there on each setting has one.
    const RUNS: usize = 40;

    /// Dice of each run (or setting) and class on val at the best epoch, with the images that have the class.
    pub fn classes(sweep: &Sweep) -> Option<Self> {
        let scored: Vec<&Run> = sweep.runs.iter().filter(|run| run.best_epoch(sweep.monitor).is_some()).collect();
        let dice = |run: &Run, class: &str| run.class(Split::Val, class)?.at(run.best_epoch(sweep.monitor)?)?.dice();
        let images = |run: &&Run, class: &str| {
            run.best_epoch(sweep.monitor).and_then(|epoch| Some(run.class(Split::Val, class)?.at(epoch)?.images))
        };
        let note = |class: &String| {
            let counts: Vec<u32> = scored.iter().filter_map(|run| images(run, class)).collect();
            match (counts.iter().min(), counts.iter().max()) {
                (Some(low), Some(high)) if low == high => format!("{low} images"),
                (Some(low), Some(high)) => format!("{low}–{high} images"),
                _ => String::new(),
            }
        };
        let by_run = scored.len() <= Self::RUNS;
        let rows: Vec<(String, Vec<Option<f64>>)> = if by_run {
            let row = |run: &&Run| (run.name.clone(), sweep.classes.iter().map(|class| dice(run, class)).collect());
            scored.iter().map(row).collect()
        } else {
            let row = |cell: &cells::Cell<'_>| {
                let mean = |class: &String| {
                    statistics::mean(&cell.runs.iter().filter_map(|run| dice(run, class)).collect::<Vec<_>>())
                };
                (cell.label(sweep), sweep.classes.iter().map(mean).collect())
            };
            cells::cells(sweep).iter().map(row).collect()
        };
        let of = if by_run { "each run" } else { "each setting (mean over its runs)" };
        (!rows.is_empty() && !sweep.classes.is_empty()).then(|| Self {
            title: format!(
                "Dice of {of} and class on val at the best epoch; under each class the val images that have it"
            ),
            notes: sweep.classes.iter().map(note).collect(),
            columns: sweep.classes.clone(),
            rows,
            across: String::new(),
        })
    }

    /// Confusion of the best setting's runs, from evidence.csv: each true class's pixels by predicted class.
    pub fn confusion(sweep: &Sweep, analysis: &Analysis<'_>) -> Option<Self> {
        let best = analysis.standings.first()?;
        let of_best = |evidence: &&Evidence<'_>| best.cell.runs.iter().any(|run| run.name == evidence.run.name);
        let shares = confusion::shares(sweep, analysis.evidence.iter().flatten().filter(of_best))?;
        Some(Self {
            title: "Confusion on val in the runs of the best setting: where the pixels of each true class (rows) went"
                .into(),
            columns: sweep.classes.clone(),
            notes: vec![String::new(); sweep.classes.len()],
            rows: sweep.classes.iter().cloned().zip(shares).collect(),
            across: "predicted as".into(),
        })
    }
}

const CELL: (f64, f64) = (84.0, 22.0);
const TOP: f64 = 44.0;

impl Chart for Grid {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size(&self) -> (u32, u32) {
        let height = TOP + self.rows.len() as f64 * CELL.1 + 8.0;
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
        for (row, (label, values)) in self.rows.iter().enumerate() {
            let top = TOP + row as f64 * CELL.1;
            let middle = px(top + CELL.1 / 2.0);
            let label = style::fitted(label, 10.5, left - 16.0);
            area.draw(&Text::new(label, (px(left - 8.0), middle), style::anchored(10.5, HPos::Right, VPos::Center)))?;
            for (column, value) in values.iter().enumerate() {
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
        let widest = self.rows.iter().map(|(label, _)| style::width(label, 10.5)).fold(0.0, f64::max);
        (widest + 20.0).clamp(100.0, 430.0)
    }
}

/// What each axis explains of the score's variation, as one bar.
pub struct VarianceBar {
    parts: Vec<(String, f64, RGBColor)>,
}

impl VarianceBar {
    /// The shares of the sum of squares; `None` where there are too few runs to tell.
    pub fn of(analysis: &Analysis<'_>) -> Option<Self> {
        let components = analysis.variance.as_ref()?;
        let total: f64 = components.iter().map(|component| component.squares).sum();
        let part = |(index, component): (usize, &statistics::Component)| {
            let residual = component.name == "residual";
            let color = if residual { RGBColor(150, 150, 150) } else { style::series(index) };
            (component.name.replace(':', " × "), component.squares / total, color)
        };
        (total > 0.0).then(|| Self { parts: components.iter().enumerate().map(part).collect() })
    }
}

impl Chart for VarianceBar {
    fn title(&self) -> String {
        "What the score's variation over the runs goes with (share of the sum of squares)".into()
    }

    fn size(&self) -> (u32, u32) {
        (960, 40 + 16 * self.parts.len().div_ceil(3) as u32 + 16)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        let mut x = 12.0;
        for (_, share, color) in &self.parts {
            let width = share * 936.0;
            let corners = [(px(x), px(8.0)), (px(x + width), px(32.0))];
            area.draw(&Rectangle::new(corners, color.filled()))?;
            x += width;
        }
        let entry = |(name, share, color): &(String, f64, RGBColor)| {
            (format!("{name} {:.0} %", share * 100.0), color.mix(1.0), Mark::Dot)
        };
        style::legend(area, (12.0, 46.0), &self.parts.iter().map(entry).collect::<Vec<_>>())?;
        Ok(())
    }
}
