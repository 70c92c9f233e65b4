//! Every run's score, grouped by setting and coloured by one axis, with each setting's mean.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, VPos},
};

use super::{
    Chart, DrawError,
    style::{self, INK, Mark, px, wide},
};
use crate::report::{
    aggregate::Sweep,
    cells::{cells, levels, setting_axes},
    words,
};

const WIDTH: u32 = 960;
const ROW: f64 = 24.0;
const BELOW: f64 = 46.0;

/// The chart over a sweep.
pub struct Comparison {
    figure: String,
    /// The axis that gives the colours, and its levels.
    color: Option<(String, Vec<String>)>,
    rows: Vec<Row>,
    range: (f64, f64),
}

struct Row {
    label: String,
    level: usize,
    scores: Vec<f64>,
    missing: usize,
}

impl Comparison {
    /// The runs of `sweep`; `None` if none has a score.
    pub fn of(sweep: &Sweep) -> Option<Self> {
        let axes = setting_axes(sweep);
        let color = axes.iter().map(|axis| ((*axis).to_owned(), levels(sweep, axis))).find(|(_, l)| l.len() > 1);
        let color_place = color.as_ref().and_then(|(axis, _)| axes.iter().position(|a| a == axis));
        let rows: Vec<Row> = cells(sweep)
            .iter()
            .map(|cell| {
                let scores = cell.scores(sweep);
                let level = color_place
                    .zip(color.as_ref())
                    .and_then(|(place, (_, levels))| levels.iter().position(|level| *level == cell.setting[place]));
                let missing = cell.runs.len() - scores.len();
                Row { label: cell.label(sweep), level: level.unwrap_or(0), scores, missing }
            })
            .collect();
        let all = || rows.iter().flat_map(|row| row.scores.iter().copied());
        let (low, high) = (all().reduce(f64::min)?, all().reduce(f64::max)?);
        let margin = ((high - low) * 0.06).max(0.005);
        Some(Self { figure: words::metric(sweep.monitor), color, rows, range: (low - margin, high + margin) })
    }

    fn top(&self) -> f64 {
        if self.color.is_some() { 34.0 } else { 12.0 }
    }
}

impl Chart for Comparison {
    fn title(&self) -> String {
        format!("{} of every run at its best epoch, by setting; the bar is the setting's mean", self.figure)
    }

    fn size(&self) -> (u32, u32) {
        (WIDTH, (self.top() + self.rows.len() as f64 * ROW + BELOW).ceil() as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        let count = self.rows.len() as f64;
        let widest = self.rows.iter().map(|row| style::width(&row.label, 11.0)).fold(0.0, f64::max);
        let left = (widest + 14.0).min(f64::from(WIDTH) * 0.5);
        if let Some((axis, levels)) = &self.color {
            area.draw(&Text::new(axis.as_str(), (px(12.0), px(9.0)), style::bold(11.0)))?;
            let entries: Vec<_> = levels
                .iter()
                .enumerate()
                .map(|(index, level)| (level.clone(), style::series(index).mix(1.0), Mark::Dot))
                .collect();
            style::legend(area, (30.0 + style::width(axis, 12.0), 15.0), &entries)?;
        }
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(self.top()))
            .margin_right(px(60.0))
            .margin_left(px(left))
            .x_label_area_size(px(BELOW))
            .build_cartesian_2d(self.range.0..self.range.1, count..0.0)?;
        let figure = format!("{} at the best epoch", self.figure);
        style::axes(&mut chart, (&figure, ""), (8, 0), (&|x: &f64| format!("{x:.2}"), &|_| String::new()))?;
        for (index, row) in self.rows.iter().enumerate() {
            let y = index as f64 + 0.5;
            self.draw_row(&mut chart, row, y)?;
            let baseline = (px(left - 8.0), px(self.top() + y * ROW));
            area.draw(&Text::new(row.label.as_str(), baseline, style::anchored(11.0, HPos::Right, VPos::Center)))?;
            let missing =
                if row.missing > 0 { format!(" of {}", row.scores.len() + row.missing) } else { String::new() };
            let count = format!("n = {}{missing}", row.scores.len());
            let place = (px(f64::from(WIDTH) - 54.0), px(self.top() + y * ROW));
            area.draw(&Text::new(count, place, style::anchored(10.0, HPos::Left, VPos::Center)))?;
        }
        Ok(())
    }
}

impl Comparison {
    fn draw_row<DB: DrawingBackend>(
        &self,
        chart: &mut ChartContext<
            '_,
            DB,
            Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
        >,
        row: &Row,
        y: f64,
    ) -> Result<(), DrawError> {
        let ends = [(self.range.0, y), (self.range.1, y)];
        chart.draw_series([PathElement::new(ends, INK.mix(0.12).stroke_width(wide(0.75)))])?;
        if row.scores.is_empty() {
            return Ok(());
        }
        let color = if self.color.is_some() { style::series(row.level) } else { INK };
        let mean = row.scores.iter().sum::<f64>() / row.scores.len() as f64;
        let bar = [(mean, y - 0.32), (mean, y + 0.32)];
        chart.draw_series([PathElement::new(bar, color.stroke_width(wide(3.0)))])?;
        chart
            .draw_series(row.scores.iter().map(|&score| Circle::new((score, y), px(4.0), color.mix(0.75).filled())))?;
        Ok(())
    }
}
