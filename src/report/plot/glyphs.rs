//! Text as outlines of the embedded font, so that it looks the same on a machine without fonts.

use std::{fmt::Write, sync::LazyLock};

use ab_glyph::{Font, FontRef, GlyphId, Outline, OutlineCurve, Point};
use plotters::style::{FontStyle, register_font};

/// The name under which plotters knows the font.
pub const FAMILY: &str = "DejaVu Sans";

static REGULAR: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| parse(dejavu::sans::regular()));
static BOLD: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| parse(dejavu::sans::bold()));

fn parse(bytes: &'static [u8]) -> Option<FontRef<'static>> {
    FontRef::try_from_slice(bytes).ok()
}

/// Makes the font known to plotters, which measures text with it.
pub fn register() -> Result<(), String> {
    static REGISTERED: LazyLock<bool> = LazyLock::new(|| {
        register_font(FAMILY, FontStyle::Normal, dejavu::sans::regular()).is_ok()
            && register_font(FAMILY, FontStyle::Bold, dejavu::sans::bold()).is_ok()
    });
    if *REGISTERED { Ok(()) } else { Err("the embedded font cannot be read".into()) }
}

/// One shape of the font.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glyph {
    /// From the bold font.
    pub bold: bool,
    /// Its number in the font.
    pub id: u16,
}

impl Glyph {
    /// The name of its definition in an SVG.
    pub fn name(self) -> String {
        format!("{}{}", if self.bold { 'b' } else { 'g' }, self.id)
    }

    /// Its definition: a path in font units, y upwards; `None` for one without ink.
    pub fn definition(self) -> Option<String> {
        let outline = font(self.bold)?.outline(GlyphId(self.id))?;
        Some(format!("<path id=\"{}\" d=\"{}\"/>", self.name(), path(&outline)))
    }
}

/// A line of text: its glyphs with their distance from the start, and its width, in font units.
pub struct Line {
    /// The glyphs with ink.
    pub glyphs: Vec<(Glyph, i32)>,
    /// The whole advance.
    pub width: f32,
    /// Font units an em.
    pub units_per_em: f32,
    /// The em of a plotters font size of 1: plotters' size is the height from the lowest to the highest point.
    pub em: f32,
}

/// Sets a line of text.
pub fn line(text: &str, bold: bool) -> Option<Line> {
    let font = font(bold)?;
    let units_per_em = font.units_per_em()?;
    let mut line = Line { glyphs: Vec::new(), width: 0.0, units_per_em, em: units_per_em / font.height_unscaled() };
    let mut previous = None;
    for character in text.chars() {
        let id = font.glyph_id(character);
        if let Some(previous) = previous.replace(id) {
            line.width += font.kern_unscaled(previous, id);
        }
        if !character.is_whitespace() {
            line.glyphs.push((Glyph { bold, id: id.0 }, line.width.round() as i32));
        }
        line.width += font.h_advance_unscaled(id);
    }
    Some(line)
}

fn font(bold: bool) -> Option<&'static FontRef<'static>> {
    if bold { BOLD.as_ref() } else { REGULAR.as_ref() }
}

/// SVG path data. A contour ends where the next curve starts elsewhere.
fn path(outline: &Outline) -> String {
    let mut data = String::new();
    let mut end: Option<Point> = None;
    for curve in &outline.curves {
        let (start, controls, stop): (Point, Vec<Point>, Point) = match *curve {
            OutlineCurve::Line(a, b) => (a, vec![], b),
            OutlineCurve::Quad(a, b, c) => (a, vec![b], c),
            OutlineCurve::Cubic(a, b, c, d) => (a, vec![b, c], d),
        };
        if end != Some(start) {
            data += if end.is_some() { "zM" } else { "M" };
            push(&mut data, start);
        }
        data.push(match controls.len() {
            0 => 'L',
            1 => 'Q',
            _ => 'C',
        });
        for point in controls.into_iter().chain([stop]) {
            push(&mut data, point);
        }
        end = Some(stop);
    }
    if end.is_some() {
        data.push('z');
    }
    data
}

fn push(data: &mut String, point: Point) {
    let separated = data.ends_with(|last: char| last.is_ascii_alphabetic());
    // Writing to a String cannot fail.
    let _ = write!(data, "{}{} {}", if separated { "" } else { " " }, point.x.round(), point.y.round());
}
