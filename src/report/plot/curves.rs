//! Learning curves of a run: loss, macro Dice and Dice a class, on train and val, with the best epoch; learning rate and
//! time of an epoch.

use std::collections::BTreeMap;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, VPos},
};

use super::{
    Chart, DrawError,
    style::{self, Epochs, INK, Mark, Marked, px, wide},
};
use crate::{
    domain::{EpochRow, Split, TimingRow},
    report::aggregate::{ClassHistory, Run, Sweep},
    statistics,
};

const WIDTH: u32 = 960;
const PANEL_HEIGHT: u32 = 300;

/// Epochs from which on a score's curve has a moving average.
const AVERAGED_FROM: usize = 60;

/// Epochs to each side of one that its average is over: it lags behind neither rise nor fall.
fn half_window(epochs: usize) -> usize {
    epochs / 30
}

/// Points (epoch, value), in order.
type Points = Vec<(f64, f64)>;

/// The chart of one run.
pub struct Curves {
    run: String,
    best: Option<usize>,
    last: usize,
    panels: Vec<Panel>,
}

struct Panel {
    title: String,
    y: String,
    scale: Scale,
    lines: Vec<Line>,
    /// A level to compare with, and what it is.
    baseline: Option<(f64, String)>,
}

/// How far the value axis reaches.
enum Scale {
    /// 0 to 1.
    Score,
    /// From 0 to the highest value.
    FromZero,
    /// From the lowest to the highest value, 0 included.
    Around,
}

struct Line {
    label: String,
    color: RGBColor,
    dashed: bool,
    points: Points,
    /// A mean over neighbouring epochs, where it is drawn.
    average: Points,
}

impl Line {
    fn averaged(self) -> Self {
        Self { average: average(&self.points), ..self }
    }
}

/// The mean over as many epochs before as after; nothing for a short curve.
fn average(points: &[(f64, f64)]) -> Points {
    if points.len() < AVERAGED_FROM {
        return Vec::new();
    }
    let half = half_window(points.len());
    let mean = |place: usize| {
        let reach = half.min(place).min(points.len() - 1 - place);
        let window = &points[place - reach..=place + reach];
        (points[place].0, window.iter().map(|point| point.1).sum::<f64>() / window.len() as f64)
    };
    (0..points.len()).map(mean).collect()
}

impl Curves {
    /// The curves of `run`; `None` if it recorded no epoch.
    pub fn of(sweep: &Sweep, run: &Run) -> Option<Self> {
        let last = run.epochs.values().flatten().map(|row| row.epoch).max()?;
        let panel = |title: &str, y: &str, scale, lines| Panel {
            title: title.into(),
            y: y.into(),
            scale,
            lines,
            baseline: None,
        };
        let both = |of: fn(&EpochRow) -> Option<f64>| {
            vec![figure(run, Split::Train, true, of).averaged(), figure(run, Split::Val, false, of).averaged()]
        };
        let classes = |split: Split| class_lines(sweep, run, split);
        let mut panels = vec![
            panel("Loss", "loss", Scale::FromZero, both(|row| row.loss)),
            panel("Dice (macro, foreground)", "Dice", Scale::Score, both(|row| row.dice_macro)),
            panel("Dice of each class, val", "Dice", Scale::Score, classes(Split::Val)),
            panel("Dice of each class, train", "Dice", Scale::Score, classes(Split::Train)),
            panel("Pooled Dice (dice_coef, what Keras prints)", "pooled Dice", Scale::Score, both(|row| row.dice_coef)),
        ];
        panels[4].baseline = majority(sweep, run);
        let gap = Some(gap(sweep, run)).filter(|line| !line.points.is_empty());
        let of_gap = |line| panel("Gap: train minus val Dice (macro)", "difference of Dice", Scale::Around, vec![line]);
        panels.extend(gap.map(of_gap));
        let rates = figure(run, Split::Train, false, |row| Some(row.learning_rate));
        if rates.points.iter().any(|point| point.1 != rates.points[0].1) {
            panels.push(panel("Learning rate", "learning rate", Scale::FromZero, vec![rates]));
        }
        panels.extend(durations(run).map(|lines| panel("Time of an epoch", "seconds", Scale::FromZero, lines)));
        Some(Self { run: run.name.clone(), best: run.best_epoch(sweep.monitor), last, panels })
    }
}

fn figure(run: &Run, split: Split, dashed: bool, of: fn(&EpochRow) -> Option<f64>) -> Line {
    let points = run.rows(split).iter().filter_map(|row| Some((row.epoch as f64, of(row)?))).collect();
    Line { label: split.to_string(), color: INK, dashed, points, average: Vec::new() }
}

/// Over the foreground classes that both splits have: one that val lacks says nothing of how well train generalises.
fn gap(sweep: &Sweep, run: &Run) -> Line {
    let histories: Vec<_> = sweep
        .foreground()
        .filter_map(|class| run.class(Split::Train, class).zip(run.class(Split::Val, class)))
        .collect();
    let at = |row: &EpochRow| {
        let gaps = histories.iter().filter_map(|(train, val)| {
            let dice = |history: &ClassHistory| history.at(row.epoch)?.dice();
            Some(dice(train)? - dice(val)?)
        });
        Some((row.epoch as f64, statistics::mean(&gaps.collect::<Vec<_>>())?))
    };
    let points = run.rows(Split::Val).iter().filter_map(at).collect();
    Line {
        label: "train − val, classes that both have".into(), color: INK, dashed: false, points, average: Vec::new()
    }
}

/// Seconds of training and of the whole epoch, as the last attempt at each took; `None` where none was timed.
fn durations(run: &Run) -> Option<Vec<Line>> {
    let last: BTreeMap<usize, &TimingRow> = run.timing.iter().map(|row| (row.epoch, row)).collect();
    let line = |label: &str, dashed, seconds: fn(&TimingRow) -> f64| Line {
        label: label.into(),
        color: INK,
        dashed,
        points: last.iter().map(|(epoch, row)| (*epoch as f64, seconds(row))).collect(),
        average: Vec::new(),
    };
    let whole = line("training and evaluation", false, |row| row.train_seconds + row.eval_seconds);
    (!last.is_empty()).then(|| vec![whole, line("training", true, |row| row.train_seconds)])
}

/// What predicting the commonest class everywhere scores.
fn majority(sweep: &Sweep, run: &Run) -> Option<(f64, String)> {
    let epoch = run.best_epoch(sweep.monitor)?;
    let support = |class: &String| run.class(Split::Val, class)?.at(epoch).map(|point| point.counts.support());
    let supports: Vec<u64> = sweep.classes.iter().map(|class| support(class).unwrap_or(0)).collect();
    let (place, most) = supports.iter().enumerate().max_by_key(|(_, support)| **support)?;
    let total: u64 = supports.iter().sum();
    (total > 0).then(|| (*most as f64 / total as f64, format!("{} everywhere", sweep.classes[place])))
}

fn class_lines(sweep: &Sweep, run: &Run, split: Split) -> Vec<Line> {
    let background = sweep.background_index();
    let line = |(index, class): (usize, &String)| {
        let history = run.class(split, class)?;
        let points: Points =
            history.points.iter().filter_map(|point| Some((f64::from(point.epoch), point.dice()?))).collect();
        let label = if points.is_empty() { format!("{class} (absent)") } else { class.clone() };
        let color = style::class(index, background);
        Some(Line { label, color, dashed: false, points, average: Vec::new() }.averaged())
    };
    sweep.classes.iter().enumerate().filter_map(line).collect()
}

impl Chart for Curves {
    fn title(&self) -> String {
        format!(
            "Learning curves of {}: loss, macro, class and pooled Dice on train and val, time of an epoch",
            self.run
        )
    }

    fn size(&self) -> (u32, u32) {
        (WIDTH, PANEL_HEIGHT * self.panels.len().div_ceil(2) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        for (place, panel) in area.split_evenly((self.panels.len().div_ceil(2), 2)).iter().zip(&self.panels) {
            self.draw_panel(place, panel)?;
        }
        Ok(())
    }
}

impl Curves {
    fn draw_panel<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, panel: &Panel) -> Result<(), DrawError> {
        area.draw(&Text::new(panel.title.as_str(), (px(12.0), px(8.0)), style::bold(12.5)))?;
        let used = style::legend(area, (12.0, 34.0), &legend(panel))?;
        let (bottom, top) = reach(panel);
        let (axis, write) = Marked::round((bottom, top), 6);
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(30.0 + used))
            .margin_right(px(14.0))
            .margin_bottom(px(6.0))
            .margin_left(px(6.0))
            .x_label_area_size(px(36.0))
            .y_label_area_size(px(54.0))
            .build_cartesian_2d(Epochs(0.5..self.last as f64 + 0.5), axis)?;
        style::axes(&mut chart, ("epoch", &panel.y), (8, 6), (&|x: &f64| format!("{x}"), &write))?;
        if let Some((height, _)) = &panel.baseline {
            let ends = [(0.5, *height), (self.last as f64 + 0.5, *height)];
            chart.draw_series(DashedLineSeries::new(
                ends,
                wide(1.5),
                wide(3.0),
                INK.mix(0.6).stroke_width(wide(1.0)),
            ))?;
        }
        self.mark_best(&mut chart, panel, (bottom, top))?;
        for line in &panel.lines {
            draw_line(&mut chart, line)?;
        }
        Ok(())
    }

    fn mark_best<DB: DrawingBackend>(
        &self,
        chart: &mut Plane<'_, DB>,
        panel: &Panel,
        (bottom, top): (f64, f64),
    ) -> Result<(), DrawError> {
        let Some(best) = self.best else { return Ok(()) };
        let x = best as f64;
        chart.draw_series([PathElement::new([(x, bottom), (x, top)], INK.mix(0.45).stroke_width(wide(1.0)))])?;
        // Where the curves are not: scores end high.
        let is_high = matches!(panel.scale, Scale::Score) || height_at(panel, x) > (bottom + top) / 2.0;
        let (level, rise, v) = if is_high { (bottom, -4.0, VPos::Bottom) } else { (top, 3.0, VPos::Top) };
        let (side, shift) = if x > self.last as f64 * 0.7 { (HPos::Right, -4.0) } else { (HPos::Left, 4.0) };
        let text = Text::new(format!("best epoch {best}"), (px(shift), px(rise)), style::anchored(10.0, side, v));
        chart.draw_series([EmptyElement::at((x, level)) + text])?;
        Ok(())
    }
}

/// The lines; where they have averages, which is which.
fn legend(panel: &Panel) -> Vec<(String, RGBAColor, Mark)> {
    let entry =
        |line: &Line| (line.label.clone(), line.color.mix(1.0), if line.dashed { Mark::Dashes } else { Mark::Line });
    let mut entries: Vec<_> = panel.lines.iter().map(entry).collect();
    entries.extend(panel.baseline.iter().map(|(_, label)| (label.clone(), INK.mix(0.6), Mark::Dots)));
    if let Some(line) = panel.lines.iter().find(|line| !line.average.is_empty()) {
        let window = 2 * half_window(line.points.len()) + 1;
        entries.push(("every epoch".into(), INK.mix(0.35), Mark::Line));
        entries.push((format!("average of {window} epochs"), INK.mix(1.0), Mark::Line));
    }
    entries
}

type Plane<'a, DB> = ChartContext<'a, DB, Cartesian2d<Epochs, Marked>>;

fn draw_line<DB: DrawingBackend>(chart: &mut Plane<'_, DB>, line: &Line) -> Result<(), DrawError> {
    if let [only] = line.points.as_slice() {
        chart.draw_series([Circle::new(*only, px(2.5), line.color.filled())])?;
        return Ok(());
    }
    let bold = if line.average.is_empty() {
        &line.points
    } else {
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), line.color.mix(0.35).stroke_width(wide(1.0))))?;
        &line.average
    };
    if line.dashed {
        let look = line.color.mix(0.75).stroke_width(wide(1.5));
        chart.draw_series(DashedLineSeries::new(bold.iter().copied(), px(4.0) as u32, px(3.0) as u32, look))?;
    } else {
        chart.draw_series(LineSeries::new(bold.iter().copied(), line.color.stroke_width(wide(1.75))))?;
    }
    Ok(())
}

fn reach(panel: &Panel) -> (f64, f64) {
    let values = || panel.lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    match panel.scale {
        Scale::Score => (0.0, 1.0),
        Scale::FromZero => (0.0, if high > 0.0 { high * 1.05 } else { 1.0 }),
        Scale::Around => {
            let margin = ((high - low) * 0.05).max(0.01);
            (low - margin, high + margin)
        }
    }
}

/// The mean of a panel's lines at an epoch.
fn height_at(panel: &Panel, epoch: f64) -> f64 {
    let at = |line: &Line| line.points.iter().find(|point| point.0 == epoch).map(|point| point.1);
    statistics::mean(&panel.lines.iter().filter_map(at).collect::<Vec<_>>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_lags_behind_neither_rise_nor_fall() {
        let steep: Points = (1..=60).map(|epoch| (f64::from(epoch), 3.0 * f64::from(epoch))).collect();
        assert!(average(&steep).iter().zip(&steep).all(|(mean, point)| (mean.1 - point.1).abs() < 1e-9));
        assert!(average(&steep[..59]).is_empty());
    }
}
