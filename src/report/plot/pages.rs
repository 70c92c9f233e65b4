//! Several charts of rows below one another as one picture, such as that of a data audit.

use plotters::{coord::Shift, prelude::*};

use super::{
    Chart, DrawError, Picture, Render, Svg,
    rows::{Reach, Row, Rows},
    style::{self, px},
};
use crate::report::ReportError;

/// Height of a row in pixels.
const ROW: f64 = 16.0;

/// Height of the title and of each line of text below it, in pixels.
const TITLE: f64 = 30.0;
const LINE: f64 = 16.0;

/// Free space at the left and at the right of the text, in pixels.
const MARGIN: f64 = 12.0;

/// One of the charts: a heading, the scale's name with its unit, and rows.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub heading: String,
    /// The scale's name with its unit.
    pub scale: String,
    /// How far the scale reaches.
    pub reach: Reach,
    /// From top to bottom.
    pub entries: Vec<Entry>,
}

/// One row of a panel.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// At the left.
    pub label: String,
    /// At the right.
    pub note: String,
    /// Drawn as a dot; `None` where undefined.
    pub value: Option<f64>,
    /// Drawn as a line with ends.
    pub interval: Option<(f64, f64)>,
    /// Which class, which gives it its colour.
    pub class: usize,
    /// Whether a rule separates it from the row above.
    pub opens_group: bool,
}

struct Page {
    title: String,
    lines: Vec<String>,
    charts: Vec<Rows>,
}

/// Draws the title, lines of text below it, and the panels that have anything to show; classes have the colours that
/// they have in reports, where `background` is the one that is left out of means.
///
/// # Errors
/// If plotters cannot.
pub fn page(
    title: &str,
    lines: Vec<String>,
    panels: Vec<Panel>,
    background: Option<usize>,
) -> Result<Picture, ReportError> {
    let charts = panels.into_iter().filter_map(|panel| rows(panel, background).if_any()).collect();
    Svg.render(&Page { title: title.to_owned(), lines, charts })
}

fn rows(panel: Panel, background: Option<usize>) -> Rows {
    let row = |entry: Entry| Row {
        label: entry.label,
        note: entry.note,
        points: entry.value.into_iter().collect(),
        interval: entry.interval,
        color: style::class(entry.class, background),
        opens_group: entry.opens_group,
        ..Row::default()
    };
    Rows {
        title: panel.heading.clone(),
        scale: panel.scale,
        legend: Some((panel.heading, Vec::new())),
        rows: panel.entries.into_iter().map(row).collect(),
        height: ROW,
        reach: panel.reach,
        ..Rows::default()
    }
}

impl Page {
    /// Height of the text above the charts.
    fn head(&self) -> f64 {
        TITLE + self.lines.len() as f64 * LINE + MARGIN
    }
}

impl Chart for Page {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size(&self) -> (u32, u32) {
        let sizes = self.charts.iter().map(Chart::size);
        sizes.fold((960, self.head() as u32), |(width, height), size| (width.max(size.0), height + size.1))
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError> {
        area.draw(&Text::new(self.title.as_str(), (px(MARGIN), px(MARGIN)), style::bold(14.0)))?;
        let room = f64::from(self.size().0) - 2.0 * MARGIN;
        for (place, line) in self.lines.iter().enumerate() {
            let at = (px(MARGIN), px(TITLE + place as f64 * LINE));
            area.draw(&Text::new(style::fitted(line, 11.0, room), at, style::text(11.0)))?;
        }
        let (_, mut below) = area.split_vertically(px(self.head()));
        for chart in &self.charts {
            let (here, rest) = below.split_vertically(px(f64::from(chart.size().1)));
            chart.draw(&here)?;
            below = rest;
        }
        Ok(())
    }
}
