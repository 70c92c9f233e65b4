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
    style::{self, Epochs, INK, Mark, px, wide},
};
use crate::{
    domain::{EpochRow, Split, TimingRow},
    report::{
        aggregate::{Run, Sweep},
        diagnose,
    },
    statistics,
};

const WIDTH: u32 = 960;
const PANEL_HEIGHT: u32 = 300;

/// Epochs from which on a curve has a moving average.
const SMOOTHED_FROM: usize = 20;

/// What the moving average keeps of the past over `epochs`: so much that it lags by a twentieth of them, at most what
/// the rules' average keeps. (An average that keeps k lags a steady rise by k / (1 − k) epochs.)
fn kept(epochs: usize) -> f64 {
    let lag = epochs as f64 / 20.0;
    (lag / (1.0 + lag)).min(diagnose::EMA)
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
            vec![figure(run, Split::Train, true, of), figure(run, Split::Val, false, of)]
        };
        let classes = |split: Split| class_lines(sweep, run, split);
        let mut panels = vec![
            panel("Loss", "loss", Scale::FromZero, both(|row| row.loss)),
            panel("Dice (macro, foreground)", "Dice", Scale::Score, both(|row| row.dice_macro)),
            panel("Dice of each class, val", "Dice", Scale::Score, classes(Split::Val)),
            panel("Dice of each class, train", "Dice", Scale::Score, classes(Split::Train)),
            panel("dice_coef (pooled over all pixels)", "dice_coef", Scale::Score, both(|row| row.dice_coef)),
            panel("Gap: train minus val Dice (macro)", "difference of Dice", Scale::Around, vec![gap(run)]),
        ];
        panels[4].baseline = majority(sweep, run);
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
    Line { label: split.to_string(), color: INK, dashed, points }
}

fn gap(run: &Run) -> Line {
    let gap =
        |val: &EpochRow| Some((val.epoch as f64, run.row(Split::Train, val.epoch)?.dice_macro? - val.dice_macro?));
    let points = run.rows(Split::Val).iter().filter_map(gap).collect();
    Line { label: "train − val".into(), color: INK, dashed: false, points }
}

/// Seconds of training and of the whole epoch, as the last attempt at each took; `None` where none was timed.
fn durations(run: &Run) -> Option<Vec<Line>> {
    let last: BTreeMap<usize, &TimingRow> = run.timing.iter().map(|row| (row.epoch, row)).collect();
    let line = |label: &str, dashed, seconds: fn(&TimingRow) -> f64| Line {
        label: label.into(),
        color: INK,
        dashed,
        points: last.iter().map(|(epoch, row)| (*epoch as f64, seconds(row))).collect(),
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
        Some(Line { label, color: style::class(index, background), dashed: false, points })
    };
    sweep.classes.iter().enumerate().filter_map(line).collect()
}

impl Chart for Curves {
    fn title(&self) -> String {
        format!(
            "Learning curves of {}: loss, macro, class and pooled Dice on train and val, time of an epoch{}",
            self.run,
            if self.last >= SMOOTHED_FROM { "; every epoch faint, a moving average bold" } else { "" }
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
        let mut entries: Vec<_> = panel
            .lines
            .iter()
            .map(|line| {
                let mark = if line.dashed { Mark::Dashes } else { Mark::Line };
                (line.label.clone(), line.color.mix(1.0), mark)
            })
            .collect();
        entries.extend(panel.baseline.iter().map(|(_, label)| (label.clone(), INK.mix(0.6), Mark::Dots)));
        let used = style::legend(area, (12.0, 34.0), &entries)?;
        let (bottom, top) = reach(panel);
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(30.0 + used))
            .margin_right(px(14.0))
            .margin_bottom(px(6.0))
            .margin_left(px(6.0))
            .x_label_area_size(px(36.0))
            .y_label_area_size(px(54.0))
            .build_cartesian_2d(Epochs(0.5..self.last as f64 + 0.5), bottom..top)?;
        style::axes(&mut chart, ("epoch", &panel.y), (8, 6), (&|x: &f64| format!("{x}"), &tick))?;
        if let Some((height, _)) = &panel.baseline {
            let ends = [(0.5, *height), (self.last as f64 + 0.5, *height)];
            chart.draw_series(DashedLineSeries::new(
                ends,
                wide(1.5),
                wide(3.0),
                INK.mix(0.6).stroke_width(wide(1.0)),
            ))?;
        }
        if let Some(best) = self.best {
            let x = best as f64;
            chart.draw_series([PathElement::new([(x, bottom), (x, top)], INK.mix(0.45).stroke_width(wide(1.0)))])?;
            // Where the curves are not: scores end high.
            let is_high = matches!(panel.scale, Scale::Score) || height_at(panel, x) > (bottom + top) / 2.0;
            let (level, rise, v) = if is_high { (bottom, -4.0, VPos::Bottom) } else { (top, 3.0, VPos::Top) };
            let (side, shift) = if x > self.last as f64 * 0.7 { (HPos::Right, -4.0) } else { (HPos::Left, 4.0) };
            let text = Text::new(format!("best epoch {best}"), (px(shift), px(rise)), style::anchored(10.0, side, v));
            chart.draw_series([EmptyElement::at((x, level)) + text])?;
        }
        for line in &panel.lines {
            draw_line(&mut chart, line)?;
        }
        Ok(())
    }
}

fn draw_line<DB: DrawingBackend>(
    chart: &mut ChartContext<'_, DB, Cartesian2d<Epochs, plotters::coord::types::RangedCoordf64>>,
    line: &Line,
) -> Result<(), DrawError> {
    let points = || line.points.iter().copied();
    if let [only] = line.points.as_slice() {
        chart.draw_series([Circle::new(*only, px(2.5), line.color.filled())])?;
    } else if line.dashed {
        let look = line.color.mix(0.75).stroke_width(wide(1.25));
        chart.draw_series(DashedLineSeries::new(points(), px(4.0) as u32, px(3.0) as u32, look))?;
    } else {
        let smoothed = line.points.len() >= SMOOTHED_FROM;
        let raw =
            if smoothed { line.color.mix(0.35).stroke_width(wide(1.0)) } else { line.color.stroke_width(wide(1.75)) };
        chart.draw_series(LineSeries::new(points(), raw))?;
        if smoothed {
            let (epochs, values): (Vec<f64>, Vec<f64>) = points().unzip();
            let average = epochs.into_iter().zip(statistics::ema(&values, kept(line.points.len())));
            chart.draw_series(LineSeries::new(average, line.color.stroke_width(wide(2.0))))?;
        }
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

/// A tick's label without trailing noise.
fn tick(value: &f64) -> String {
    // Steps of a range around 0 miss it by rounding.
    if value.abs() < 1e-9 {
        return "0".into();
    }
    if value.abs() < 0.001 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
