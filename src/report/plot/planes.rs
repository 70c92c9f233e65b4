//! Charts with two scales: pooled against macro, seed fans, parallel coordinates.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, VPos},
};

use super::{
    Chart, DrawError, settings,
    style::{self, Epochs, INK, Mark, px, wide},
};
use crate::{
    domain::Split,
    report::{
        Analysis,
        aggregate::Sweep,
        cells::{self, setting_axes, varies},
        words,
    },
    statistics::quantile,
};

/// Pooled against macro score: every run a point.
pub struct Scatter {
    points: Vec<(f64, f64, RGBColor)>,
    legend: Option<(String, Vec<(String, RGBColor)>)>,
}

impl Scatter {
    /// The runs of `sweep`; `None` if fewer than two have both scores.
    pub fn of(sweep: &Sweep) -> Option<Self> {
        let axis = settings::color_axis(sweep);
        let point = |run: &crate::report::aggregate::Run| {
            let row = run.best_row(sweep.monitor, Split::Val)?;
            Some((row.dice_coef?, row.dice_macro?, settings::color_of(run, &axis)))
        };
        let points: Vec<_> = sweep.runs.iter().filter_map(point).collect();
        (points.len() > 1).then(|| Self { points, legend: settings::legend_of(&axis) })
    }
}

impl Chart for Scatter {
    fn title(&self) -> String {
        "Pooled Dice (dice_coef, what Keras prints) against macro Dice of every run on val; on the line the two would agree".into()
    }

    fn size(&self) -> (u32, u32) {
        (480, 480)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        if let Some((heading, entries)) = &self.legend {
            area.draw(&Text::new(heading.as_str(), (px(12.0), px(9.0)), style::bold(11.0)))?;
            let entries: Vec<_> =
                entries.iter().map(|(text, color)| (text.clone(), color.mix(1.0), Mark::Dot)).collect();
            style::legend(area, (30.0 + style::width(heading, 12.0), 15.0), &entries)?;
        }
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(34.0))
            .margin_right(px(14.0))
            .margin_left(px(6.0))
            .margin_bottom(px(6.0))
            .x_label_area_size(px(38.0))
            .y_label_area_size(px(50.0))
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        let short = |value: &f64| format!("{value:.1}");
        style::axes(
            &mut chart,
            ("pooled val Dice (dice_coef, what Keras prints)", "val Dice (macro, foreground)"),
            (6, 6),
            (&short, &short),
        )?;
        let look = INK.mix(0.4).stroke_width(wide(1.0));
        chart.draw_series([PathElement::new([(0.0, 0.0), (1.0, 1.0)], look)])?;
        let dot = |&(x, y, color): &(f64, f64, RGBColor)| Circle::new((x, y), px(3.5), color.mix(0.75).filled());
        chart.draw_series(self.points.iter().map(dot))?;
        Ok(())
    }
}

/// Val score over the epochs of one setting's runs, with median and quartiles.
pub struct Fan {
    panels: Vec<FanPanel>,
    figure: String,
    epochs: usize,
}

struct FanPanel {
    label: String,
    color: RGBColor,
    runs: Vec<Vec<(f64, f64)>>,
    /// Epoch, lower quartile, median, upper quartile.
    middle: Vec<(f64, [f64; 3])>,
}

impl Fan {
    /// How many settings are shown: the best ones.
    const PANELS: usize = 4;

    /// The best settings of `sweep`; `None` if none ran twice or no curve has two points.
    pub fn of(sweep: &Sweep, analysis: &Analysis<'_>) -> Option<Self> {
        let axis = settings::color_axis(sweep);
        let panel = |standing: &crate::report::standings::Standing<'_>| {
            let curve = |run: &&crate::report::aggregate::Run| {
                let rows = run.rows(Split::Val).iter();
                rows.filter_map(|row| Some((row.epoch as f64, row.dice_macro?))).collect::<Vec<_>>()
            };
            let runs: Vec<_> = standing.cell.runs.iter().map(curve).collect();
            let color = standing.cell.runs.first().map_or(INK, |run| settings::color_of(run, &axis));
            FanPanel { label: standing.cell.label(sweep), color, middle: middle(&runs), runs }
        };
        let panels: Vec<_> = analysis.standings.iter().take(Self::PANELS).map(panel).collect();
        panels.iter().find(|panel| panel.runs.iter().filter(|run| !run.is_empty()).count() > 1)?;
        let epochs = panels.iter().flat_map(|panel| &panel.runs).map(Vec::len).max().filter(|&longest| longest > 1)?;
        Some(Self { panels, figure: "val Dice (macro)".into(), epochs })
    }
}

/// Quartiles over the runs that reached an epoch.
fn middle(runs: &[Vec<(f64, f64)>]) -> Vec<(f64, [f64; 3])> {
    let mut by_epoch: std::collections::BTreeMap<u64, Vec<f64>> = std::collections::BTreeMap::new();
    for &(epoch, value) in runs.iter().flatten() {
        by_epoch.entry(epoch as u64).or_default().push(value);
    }
    let quartiles = |(epoch, values): (u64, Vec<f64>)| {
        let at = |share| quantile(&values, share);
        Some((epoch as f64, [at(0.25)?, at(0.5)?, at(0.75)?]))
    };
    by_epoch.into_iter().filter_map(quartiles).collect()
}

impl Fan {
    fn columns(&self) -> usize {
        self.panels.len().min(2)
    }
}

impl Chart for Fan {
    fn title(&self) -> String {
        let of = match self.panels.len() {
            1 => String::new(),
            settings => format!(" in the best {settings} settings"),
        };
        format!("{} over the epochs{of}: every run faint, median bold, quartiles tinted", self.figure)
    }

    fn size(&self) -> (u32, u32) {
        (480 * self.columns() as u32, 300 * self.panels.len().div_ceil(2) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        let places = area.split_evenly((self.panels.len().div_ceil(2), self.columns()));
        for (place, panel) in places.iter().zip(&self.panels) {
            let runs = panel.runs.iter().filter(|run| !run.is_empty()).count();
            let label =
                if self.panels.len() > 1 { style::fitted(&panel.label, 12.5, 380.0) } else { "Every run".into() };
            let heading = format!("{label} (n = {runs})");
            place.draw(&Text::new(heading, (px(12.0), px(8.0)), style::bold(12.0)))?;
            let mut chart = ChartBuilder::on(place)
                .margin_top(px(32.0))
                .margin_right(px(14.0))
                .margin_left(px(6.0))
                .margin_bottom(px(6.0))
                .x_label_area_size(px(36.0))
                .y_label_area_size(px(50.0))
                .build_cartesian_2d(Epochs(0.5..self.epochs as f64 + 0.5), 0.0..1.0)?;
            style::axes(
                &mut chart,
                ("epoch", &self.figure),
                (8, 6),
                (&|x: &f64| format!("{x}"), &|y: &f64| format!("{y:.1}")),
            )?;
            let band = panel.middle.iter().map(|&(x, [low, ..])| (x, low));
            let back = panel.middle.iter().rev().map(|&(x, [.., high])| (x, high));
            chart.draw_series([Polygon::new(band.chain(back).collect::<Vec<_>>(), panel.color.mix(0.2))])?;
            for run in &panel.runs {
                let look = panel.color.mix(0.45).stroke_width(wide(0.9));
                chart.draw_series(LineSeries::new(run.iter().copied(), look))?;
            }
            let median = panel.middle.iter().map(|&(x, [_, median, _])| (x, median));
            chart.draw_series(LineSeries::new(median, panel.color.stroke_width(wide(2.25))))?;
        }
        Ok(())
    }
}

/// Every run a line across its settings to its score; for sweeps too large for a row a setting.
pub struct Parallel {
    axes: Vec<(String, Vec<String>)>,
    figure: String,
    range: (f64, f64),
    /// Place on each axis (0 to 1), the score last, and the colour.
    lines: Vec<(Vec<f64>, RGBColor)>,
}

impl Parallel {
    /// Runs from which on it says more than rows.
    const RUNS: usize = 20;
    /// Share of the gap between two levels over which the runs of one lie.
    const SPREAD: f64 = 0.5;

    /// The runs of `sweep`; `None` for fewer than twenty or fewer than two axes.
    pub fn of(sweep: &Sweep) -> Option<Self> {
        let axes: Vec<(String, Vec<String>)> = setting_axes(sweep)
            .into_iter()
            .filter(|axis| varies(sweep, axis))
            .map(|axis| (axis.to_owned(), cells::levels(sweep, axis)))
            .collect();
        let color = settings::color_axis(sweep);
        let scored: Vec<_> = sweep.runs.iter().filter_map(|run| Some((run, run.score(sweep.monitor)?))).collect();
        let low = scored.iter().map(|(_, score)| *score).reduce(f64::min)?;
        let high = scored.iter().map(|(_, score)| *score).reduce(f64::max)?;
        let line = |&(run, score): &(&crate::report::aggregate::Run, f64)| {
            let share = (score - low) / (high - low).max(f64::MIN_POSITIVE);
            // Runs of one level lie apart by their score, or their lines would hide one another.
            let place = |(axis, levels): &(String, Vec<String>)| {
                let value = run.axis(axis)?;
                let index = levels.iter().position(|level| *level == value)?;
                let gap = 1.0 / (levels.len() - 1).max(1) as f64;
                Some((index as f64 + Self::SPREAD * (share - 0.5)) * gap)
            };
            let mut places: Vec<f64> = axes.iter().map(place).collect::<Option<_>>()?;
            places.push(share);
            Some((places, settings::color_of(run, &color)))
        };
        let lines: Vec<_> = scored.iter().filter_map(line).collect();
        let enough = lines.len() >= Self::RUNS && axes.len() > 1;
        enough.then(|| Self { figure: words::metric(sweep.monitor), range: (low, high), lines, axes })
    }
}

impl Chart for Parallel {
    fn title(&self) -> String {
        format!("Every run a line across its settings to its {}, by which those of one setting lie apart", self.figure)
    }

    fn size(&self) -> (u32, u32) {
        (960, 480)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        let (left, right, top, bottom) = (90.0, 870.0, 110.0, 400.0);
        let x = |axis: usize| left + (right - left) * axis as f64 / self.axes.len() as f64;
        let y = |share: f64| bottom - (bottom - top) * share;
        let at = |axis: usize, share: f64| (px(x(axis)), px(y(share)));
        for (places, color) in &self.lines {
            let points: Vec<_> = places.iter().enumerate().map(|(axis, &share)| at(axis, share)).collect();
            let look = color.mix(if self.lines.len() > 200 { 0.15 } else { 0.4 }).stroke_width(wide(1.0));
            area.draw(&PathElement::new(points, look))?;
        }
        let (low, high) = self.range;
        let ends = vec![words::score(low), words::score((low + high) / 2.0), words::score(high)];
        let score = (self.figure.clone(), ends);
        for (index, (name, levels)) in self.axes.iter().chain([&score]).enumerate() {
            let rule = [at(index, 0.0), at(index, 1.0)];
            area.draw(&PathElement::new(rule, INK.mix(0.6).stroke_width(wide(1.0))))?;
            let heading = (px(x(index)), px(20.0));
            area.draw(&Text::new(name.as_str(), heading, style::anchored(11.5, HPos::Center, VPos::Center)))?;
            for (place, level) in levels.iter().enumerate() {
                let (x, y) = at(index, place as f64 / (levels.len() - 1).max(1) as f64);
                let last = index == self.axes.len();
                let (side, shift) = if last { (HPos::Left, 8.0) } else { (HPos::Right, -8.0) };
                let width = style::width(level, 10.5) + 4.0;
                let edge = if last { shift - 2.0 } else { shift + 2.0 - width };
                let ground = [(x + px(edge), y - px(8.0)), (x + px(edge + width), y + px(8.0))];
                area.draw(&Rectangle::new(ground, WHITE.mix(0.8).filled()))?;
                let label = Text::new(level.as_str(), (x + px(shift), y), style::anchored(10.5, side, VPos::Center));
                area.draw(&label)?;
            }
        }
        Ok(())
    }
}
