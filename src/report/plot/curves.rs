//! Learning curves of a run: loss, macro Dice and Dice a class, on train and val, with the best epoch.

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
    domain::Split,
    report::aggregate::{Run, Sweep},
};

const SIZE: (u32, u32) = (960, 640);

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
    /// Scores share the axis 0 to 1; a loss has its own.
    score: bool,
    lines: Vec<Line>,
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
        let figure = |title: &str, y: &str, score, of: fn(&crate::domain::EpochRow) -> Option<f64>| {
            let line = |split, dashed| Line {
                label: format!("{split}"),
                color: INK,
                dashed,
                points: run.rows(split).iter().filter_map(|row| Some((row.epoch as f64, of(row)?))).collect(),
            };
            Panel {
                title: title.into(),
                y: y.into(),
                score,
                lines: vec![line(Split::Train, true), line(Split::Val, false)],
            }
        };
        let classes = |split: Split| Panel {
            title: format!("Dice of each class, {split}"),
            y: "Dice".into(),
            score: true,
            lines: class_lines(sweep, run, split),
        };
        let panels = vec![
            figure("Loss", "loss", false, |row| row.loss),
            figure("Dice (macro, foreground)", "Dice", true, |row| row.dice_macro),
            classes(Split::Val),
            classes(Split::Train),
        ];
        Some(Self { run: run.name.clone(), best: run.best_epoch(sweep.monitor), last, panels })
    }
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
        format!("Learning curves of {}: loss, macro Dice and Dice of each class on train and val", self.run)
    }

    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        for (place, panel) in area.split_evenly((2, 2)).iter().zip(&self.panels) {
            self.draw_panel(place, panel)?;
        }
        Ok(())
    }
}

impl Curves {
    fn draw_panel<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, panel: &Panel) -> Result<(), DrawError> {
        area.draw(&Text::new(panel.title.as_str(), (px(12.0), px(8.0)), style::bold(12.5)))?;
        let entries: Vec<_> = panel
            .lines
            .iter()
            .map(|line| {
                let mark = if line.dashed { Mark::Dashes } else { Mark::Line };
                (line.label.clone(), line.color.mix(1.0), mark)
            })
            .collect();
        let used = style::legend(area, (12.0, 34.0), &entries)?;
        let top = if panel.score { 1.0 } else { top_of(panel) };
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(30.0 + used))
            .margin_right(px(14.0))
            .margin_bottom(px(6.0))
            .margin_left(px(6.0))
            .x_label_area_size(px(36.0))
            .y_label_area_size(px(50.0))
            .build_cartesian_2d(Epochs(0.5..self.last as f64 + 0.5), 0.0..top)?;
        style::axes(&mut chart, ("epoch", &panel.y), (8, 6), (&|x: &f64| format!("{x}"), &tick))?;
        if let Some(best) = self.best {
            let x = best as f64;
            chart.draw_series([PathElement::new([(x, 0.0), (x, top)], INK.mix(0.45).stroke_width(wide(1.0)))])?;
            let (side, shift) = if x > self.last as f64 * 0.7 { (HPos::Right, -4.0) } else { (HPos::Left, 4.0) };
            let label = EmptyElement::at((x, if panel.score { 0.0 } else { top }))
                + Text::new(
                    format!("best epoch {best}"),
                    (px(shift), if panel.score { px(-4.0) } else { px(3.0) }),
                    style::anchored(10.0, side, if panel.score { VPos::Bottom } else { VPos::Top }),
                );
            chart.draw_series([label])?;
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
        chart.draw_series(LineSeries::new(points(), line.color.stroke_width(wide(1.75))))?;
    }
    Ok(())
}

fn top_of(panel: &Panel) -> f64 {
    let highest = panel.lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(0.0, f64::max);
    if highest > 0.0 { highest * 1.05 } else { 1.0 }
}

/// A tick's label without trailing noise.
fn tick(value: &f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
