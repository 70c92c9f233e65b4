//! The look that all charts share: units, fonts, colours, legends and axes.

use plotters::{
    coord::{
        Shift,
        ranged1d::{NoDefaultFormatting, Ranged, ValueFormatter},
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{DrawError, glyphs::FAMILY};
use crate::{
    domain::palette::{self, Rgb},
    report::aggregate::Sweep,
};

/// plotters places things on whole numbers; a quarter of a pixel is fine enough for smooth curves.
pub const UNIT: u32 = 4;

/// Text and axes; drawn in the page's own text colour.
pub const INK: RGBColor = BLACK;

/// A length in pixels.
pub fn px(pixels: f64) -> i32 {
    (pixels * f64::from(UNIT)).round() as i32
}

/// A stroke's width or a radius in pixels.
pub fn wide(pixels: f64) -> u32 {
    (pixels * f64::from(UNIT)).round() as u32
}

/// Text of a size in pixels.
pub fn text<'a>(size: f64) -> TextStyle<'a> {
    (FAMILY, px(size * 1.164)).into_font().color(&INK)
}

/// Text at an anchor.
pub fn anchored<'a>(size: f64, h: HPos, v: VPos) -> TextStyle<'a> {
    text(size).pos(Pos::new(h, v))
}

/// Bold text.
pub fn bold<'a>(size: f64) -> TextStyle<'a> {
    (FAMILY, px(size * 1.164)).into_font().style(FontStyle::Bold).color(&INK)
}

/// A palette colour for plotters.
pub fn rgb([r, g, b]: Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

/// The colour of a level of an axis.
pub fn series(index: usize) -> RGBColor {
    rgb(palette::series(index))
}

/// The colour of a class in lines and points; the background is drawn in ink.
pub fn class(index: usize, background: Option<usize>) -> RGBColor {
    if background == Some(index) { INK } else { rgb(palette::class(index, background)) }
}

/// The foreground classes with their colours.
pub fn class_legend(sweep: &Sweep) -> Vec<(String, RGBColor)> {
    let background = sweep.background_index();
    let foreground = sweep.classes.iter().enumerate().filter(|(place, _)| Some(*place) != background);
    foreground.map(|(place, name)| (name.clone(), class(place, background))).collect()
}

/// How a legend's entry looks.
#[derive(Clone, Copy)]
pub enum Mark {
    /// A filled circle.
    Dot,
    /// A solid line.
    Line,
    /// A dashed line.
    Dashes,
    /// A dotted line.
    Dots,
}

/// Draws entries in a row from `(x, y)` (centre line, in pixels), wrapping at the area's right edge; returns the
/// height used.
pub fn legend<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    (x, y): (f64, f64),
    entries: &[(String, RGBAColor, Mark)],
) -> Result<f64, DrawError> {
    let right = f64::from(area.dim_in_pixel().0) / f64::from(UNIT);
    let (mut left, mut line) = (x, y);
    for (label, color, mark) in entries {
        let width = 26.0 + width(label, 11.0);
        if left > x && left + width > right {
            left = x;
            line += 16.0;
        }
        let at = |dx: f64| (px(left + dx), px(line));
        match mark {
            Mark::Dot => area.draw(&Circle::new(at(8.0), px(3.5), color.filled()))?,
            Mark::Line => area.draw(&PathElement::new([at(0.0), at(16.0)], color.stroke_width(wide(2.0))))?,
            Mark::Dashes => broken(area, at, (6.0, 4.0), color)?,
            Mark::Dots => broken(area, at, (4.0, 1.5), color)?,
        }
        area.draw(&Text::new(label.as_str(), at(20.0), anchored(11.0, HPos::Left, VPos::Center)))?;
        left += width + 10.0;
    }
    Ok(line - y + 16.0)
}

/// A line that starts anew after each `step` pixels and is drawn for the first `drawn` of them.
fn broken<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    at: impl Fn(f64) -> (i32, i32),
    (step, drawn): (f64, f64),
    color: &RGBAColor,
) -> Result<(), DrawError> {
    let starts = (0..).map(|part| f64::from(part) * step).take_while(|start| start + drawn <= 16.0);
    for start in starts {
        area.draw(&PathElement::new([at(start), at(start + drawn)], color.stroke_width(wide(1.5))))?;
    }
    Ok(())
}

/// The width of a line of text in pixels.
pub fn width(text: &str, size: f64) -> f64 {
    super::glyphs::line(text, false).map_or(0.0, |line| f64::from(line.width / line.units_per_em) * size)
}

/// How a tick's value is written.
pub type Format<'a> = &'a dyn Fn(&f64) -> String;

/// The text, its middle left out where it is wider than `room` pixels; the whole is in the tables.
pub fn fitted(label: &str, size: f64, room: f64) -> String {
    if width(label, size) <= room {
        return label.to_owned();
    }
    let characters: Vec<char> = label.chars().collect();
    for kept in (2..characters.len()).rev() {
        let (head, tail) = (kept / 2, kept - kept / 2);
        let text: String =
            characters[..head].iter().chain(&['…']).chain(&characters[characters.len() - tail..]).collect();
        if width(&text, size) <= room {
            return text;
        }
    }
    "…".into()
}

/// Axes with a faint grid and their names, units included.
pub fn axes<DB: DrawingBackend, X, Y>(
    chart: &mut ChartContext<'_, DB, Cartesian2d<X, Y>>,
    (x, y): (&str, &str),
    (x_ticks, y_ticks): (usize, usize),
    (x_format, y_format): (Format<'_>, Format<'_>),
) -> Result<(), DrawError>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_labels(x_ticks)
        .y_labels(y_ticks)
        .x_label_formatter(&x_format)
        .y_label_formatter(&y_format)
        .max_light_lines(0)
        .bold_line_style(INK.mix(0.12).stroke_width(wide(0.75)))
        .axis_style(INK.mix(0.6).stroke_width(wide(0.75)))
        .label_style(text(10.5))
        .axis_desc_style(text(11.0))
        .set_all_tick_mark_size(px(3.0))
        .draw()
        .map_err(DrawError::from)
}

/// An axis with ticks where they are wanted.
pub struct Marked {
    range: std::ops::Range<f64>,
    marks: Vec<f64>,
}

impl Marked {
    /// Ticks at multiples of 1, 2 or 5 times a power of ten, `most` at most, and how their values are written: all of
    /// an axis alike, with as many decimals as their distance needs, or with an exponent where all are small.
    pub fn round((low, high): (f64, f64), most: usize) -> (Self, impl Fn(&f64) -> String + use<>) {
        let rough = (high - low).max(f64::MIN_POSITIVE) / most.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough * (1.0 - 1e-9));
        let step = step.unwrap_or(10.0 * power);
        let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
        let is_small = low.abs().max(high.abs()) < 0.01;
        let decimals = (-(step * 1.001).log10().floor()).max(0.0) as usize;
        let write = move |value: &f64| match value {
            // Steps of a range around 0 miss it by rounding.
            value if value.abs() < step / 1e3 => "0".into(),
            value if is_small => format!("{value:.1e}").replace(".0e", "e"),
            value => format!("{value:.decimals$}"),
        };
        (Self { range: low..high, marks: (first..=last).map(|place| place as f64 * step).collect() }, write)
    }

    /// Ticks at whole powers of ten of values whose logarithms are drawn: 1, 10, 100, 1,000.
    pub fn powers((low, high): (f64, f64)) -> (Self, impl Fn(&f64) -> String + use<>) {
        let marks = (low.ceil() as i64..=high.floor() as i64).map(|power| power as f64).collect();
        (Self { range: low..high, marks }, |power: &f64| thousands(10f64.powf(*power).round() as u64))
    }
}

/// `1,000`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<String> =
        digits.as_bytes().rchunks(3).rev().map(|group| group.iter().copied().map(char::from).collect()).collect();
    groups.join(",")
}

impl Ranged for Marked {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;
    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start).max(f64::MIN_POSITIVE);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }
    fn key_points<H: plotters::coord::ranged1d::KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.marks.clone()
    }
    fn range(&self) -> std::ops::Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Marked {
    fn format(value: &f64) -> String {
        format!("{value}")
    }
}

/// An axis of epochs: whole numbers from 1.
pub struct Epochs(pub std::ops::Range<f64>);

impl Ranged for Epochs {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;
    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.0.start) / (self.0.end - self.0.start).max(f64::MIN_POSITIVE);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }
    fn key_points<H: plotters::coord::ranged1d::KeyPointHint>(&self, hint: H) -> Vec<f64> {
        let span = self.0.end - self.0.start;
        let most = hint.max_num_points().max(1) as f64;
        let step = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4]
            .into_iter()
            .find(|step| span / step <= most)
            .unwrap_or(span.max(1.0));
        let mut points = vec![];
        let mut point = if step == 1.0 { 1.0 } else { step };
        while point <= self.0.end {
            points.push(point);
            point += step;
        }
        points
    }
    fn range(&self) -> std::ops::Range<f64> {
        self.0.clone()
    }
}

impl ValueFormatter<f64> for Epochs {
    fn format(value: &f64) -> String {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_written_alike() {
        let written = |range, most| {
            let (axis, write) = Marked::round(range, most);
            axis.marks.iter().map(write).collect::<Vec<_>>()
        };
        assert_eq!(written((0.0, 1.0), 6), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(written((-0.012, 0.03), 6), ["-0.01", "0", "0.01", "0.02", "0.03"]);
        assert_eq!(written((0.0, 0.001), 5), ["0", "2e-4", "4e-4", "6e-4", "8e-4", "1e-3"]);
        assert_eq!(written((0.0, 210.0), 6), ["0", "50", "100", "150", "200"]);
        let (axis, write) = Marked::powers((-0.1, 3.2));
        assert_eq!(axis.marks.iter().map(write).collect::<Vec<_>>(), ["1", "10", "100", "1,000"]);
    }
}
