//! Rows of points on one scale: what most charts over settings come down to.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, VPos},
};

use super::{
    Chart, DrawError,
    style::{self, INK, Mark, Marked, px, wide},
};

/// Room for ticks and the scale's name, and below them.
const BELOW: f64 = 40.0;
/// Room for a label above its row.
const ABOVE: f64 = 14.0;
/// Least room at the right, where the notes stand.
const NOTES: f64 = 64.0;

type Plane<'a, DB> = ChartContext<'a, DB, Cartesian2d<Marked, RangedCoordf64>>;

/// How far the scale reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    /// From the lowest to the highest value.
    Values,
    /// From 0.
    FromZero,
    /// As far to either side of a value, which is marked.
    Around(f64),
    /// From 1; the values are powers of ten.
    Powers,
}

/// A chart of rows.
#[derive(Clone, Debug)]
pub struct Rows {
    /// What it shows, in a sentence.
    pub title: String,
    /// The scale's name with its unit.
    pub scale: String,
    /// A heading and its entries.
    pub legend: Option<(String, Vec<(String, RGBColor)>)>,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Height of a row in pixels.
    pub height: f64,
    /// Width of the chart in pixels.
    pub width: f64,
    /// Whether labels stand above their rows: for charts that have to be narrow.
    pub labels_above: bool,
    /// How far the scale reaches.
    pub reach: Reach,
}

impl Default for Rows {
    fn default() -> Self {
        let (title, scale) = (String::new(), String::new());
        Self {
            title,
            scale,
            legend: None,
            rows: Vec::new(),
            height: 24.0,
            width: 960.0,
            labels_above: false,
            reach: Reach::Values,
        }
    }
}

/// One row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// At the left.
    pub label: String,
    /// At the right.
    pub note: String,
    /// Drawn as dots.
    pub points: Vec<f64>,
    /// Drawn as a bar across the row.
    pub mean: Option<f64>,
    /// Drawn as a line with ends.
    pub interval: Option<(f64, f64)>,
    /// The colour of all of it.
    pub color: RGBColor,
    /// Whether the row has a tinted ground.
    pub shaded: bool,
    /// Whether a rule separates it from the row above.
    pub opens_group: bool,
}

impl Rows {
    /// `None` if no row has anything to show.
    pub fn if_any(self) -> Option<Self> {
        self.values().next()?;
        Some(self)
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().flat_map(|row| {
            let interval = row.interval.into_iter().flat_map(|(low, high)| [low, high]);
            row.points.iter().copied().chain(row.mean).chain(interval)
        })
    }

    fn range(&self) -> (f64, f64) {
        let low = self.values().fold(f64::INFINITY, f64::min);
        let high = self.values().fold(f64::NEG_INFINITY, f64::max);
        let margin = ((high - low) * 0.06).max(0.005);
        match self.reach {
            Reach::Values => (low - margin, high + margin),
            Reach::FromZero => (0.0f64.min(low), high + margin),
            Reach::Around(centre) => {
                let reach = (centre - low).max(high - centre) * 1.06 + 0.005;
                (centre - reach, centre + reach)
            }
            Reach::Powers => (0.0, high + margin),
        }
    }

    fn top(&self) -> f64 {
        if self.legend.is_some() { 34.0 } else { 12.0 }
    }
}

impl Chart for Rows {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size(&self) -> (u32, u32) {
        (self.width as u32, (self.top() + self.rows.len() as f64 * self.height + BELOW + 6.0).ceil() as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        let (low, high) = self.range();
        if self.reach == Reach::Powers {
            let (axis, write) = Marked::powers((low, high));
            return self.draw_on(area, axis, &write);
        }
        let (axis, write) = Marked::round((low, high), if self.width > 700.0 { 8 } else { 5 });
        self.draw_on(area, axis, &write)
    }
}

impl Rows {
    fn draw_on<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        axis: Marked,
        write: style::Format<'_>,
    ) -> Result<(), DrawError> {
        let widest = self.rows.iter().map(|row| style::width(&row.label, 11.0)).fold(0.0, f64::max);
        let left = if self.labels_above { 12.0 } else { (widest + 14.0).min(self.width * 0.5) };
        self.draw_legend(area)?;
        let notes = self.rows.iter().map(|row| style::width(&row.note, 10.0)).fold(0.0, f64::max);
        let right = self.width - (notes + 20.0).max(NOTES);
        let (low, high) = self.range();
        let count = self.rows.len() as f64;
        let mut plane = ChartBuilder::on(area)
            .margin_top(px(self.top()))
            .margin_right(px(self.width - right))
            .margin_left(px(left))
            .margin_bottom(px(6.0))
            .x_label_area_size(px(BELOW))
            .build_cartesian_2d(axis, count..0.0)?;
        for (index, _) in self.rows.iter().enumerate().filter(|(_, row)| row.shaded) {
            let corners = [(low, index as f64), (high, index as f64 + 1.0)];
            plane.draw_series([Rectangle::new(corners, INK.mix(0.07).filled())])?;
        }
        style::axes(&mut plane, (&self.scale, ""), (8, 0), (write, &|_| String::new()))?;
        if let Reach::Around(centre) = self.reach {
            let ends = [(centre, 0.0), (centre, count)];
            plane.draw_series([PathElement::new(ends, INK.mix(0.6).stroke_width(wide(1.0)))])?;
        }
        for (index, row) in self.rows.iter().enumerate() {
            let band = if self.labels_above { (ABOVE / self.height, 1.0) } else { (0.0, 1.0) };
            draw_row(&mut plane, row, index as f64, band, (low, high))?;
            let top = self.top() + index as f64 * self.height;
            let y = px(top + (band.0 + band.1) / 2.0 * self.height);
            if self.labels_above {
                let label = style::fitted(&row.label, 11.0, right - left);
                let look = style::anchored(11.0, HPos::Left, VPos::Center);
                area.draw(&Text::new(label, (px(left + 4.0), px(top + 9.0)), look))?;
            } else {
                let label = style::fitted(&row.label, 11.0, left - 12.0);
                area.draw(&Text::new(label, (px(left - 8.0), y), style::anchored(11.0, HPos::Right, VPos::Center)))?;
            }
            let note = (px(right + 8.0), y);
            area.draw(&Text::new(row.note.as_str(), note, style::anchored(10.0, HPos::Left, VPos::Center)))?;
        }
        Ok(())
    }

    fn draw_legend<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        let Some((heading, entries)) = &self.legend else { return Ok(()) };
        area.draw(&Text::new(heading.as_str(), (px(12.0), px(9.0)), style::bold(11.0)))?;
        let entries: Vec<_> = entries.iter().map(|(label, color)| (label.clone(), color.mix(1.0), Mark::Dot)).collect();
        style::legend(area, (30.0 + style::width(heading, 12.0), 15.0), &entries)?;
        Ok(())
    }
}

/// Draws a row in a part of its height, given as shares of it.
fn draw_row<DB: DrawingBackend>(
    plane: &mut Plane<'_, DB>,
    row: &Row,
    top: f64,
    (from, to): (f64, f64),
    (low, high): (f64, f64),
) -> Result<(), DrawError> {
    let (y, height) = (top + (from + to) / 2.0, to - from);
    let line = |ends: [(f64, f64); 2], look: ShapeStyle| PathElement::new(ends, look);
    let faint = INK.mix(0.12).stroke_width(wide(0.75));
    plane.draw_series([line([(low, y), (high, y)], faint)])?;
    if row.opens_group && top > 0.0 {
        plane.draw_series([line([(low, top), (high, top)], INK.mix(0.5).stroke_width(wide(0.75)))])?;
    }
    if let Some((from, to)) = row.interval {
        let (look, reach) = (row.color.stroke_width(wide(1.5)), 0.16 * height);
        plane.draw_series([line([(from, y), (to, y)], look)])?;
        plane.draw_series([from, to].map(|end| line([(end, y - reach), (end, y + reach)], look)))?;
    }
    if let Some(mean) = row.mean {
        let reach = 0.32 * height;
        plane.draw_series([line([(mean, y - reach), (mean, y + reach)], row.color.stroke_width(wide(3.0)))])?;
    }
    let look = row.color.mix(if row.points.len() > 12 { 0.5 } else { 0.75 }).filled();
    plane.draw_series(row.points.iter().map(|&point| Circle::new((point, y), px(3.5), look)))?;
    Ok(())
}
