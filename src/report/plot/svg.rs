//! A plotters backend that writes small SVGs: text as glyphs, ink in the page's own colour, so that a chart inlined
//! in the page follows its light or dark theme.

use std::{collections::BTreeSet, convert::Infallible, fmt::Write};

use plotters::prelude::*;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontStyle, FontTransform,
    text_anchor::{HPos, VPos},
};

use super::{
    glyphs::{self, Glyph},
    style::UNIT,
};

/// Colour, opacity and width of lines.
type Look = ((u8, u8, u8), f64, u32);

/// A drawn chart.
#[derive(Clone, Debug)]
pub struct Picture {
    title: String,
    size: (u32, u32),
    body: String,
    glyphs: BTreeSet<Glyph>,
    /// The look of the lines that the body ends with, while more lines of the same look can join them.
    open_path: Option<Look>,
}

impl Picture {
    pub(super) fn new(title: String, size: (u32, u32)) -> Self {
        Self { title, size, body: String::new(), glyphs: BTreeSet::new(), open_path: None }
    }

    /// What the chart shows.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How large it is, its title and frame apart.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// A file of its own: dark ink on white, for programs that know no variables and no themes; in a dark page it is
    /// light on dark.
    pub fn standalone(&self) -> String {
        let dark = "<style>@media (prefers-color-scheme:dark){svg{color:#e6e6ea}[fill=\"#fff\"]{fill:#17171b}\
            [fill=\"#0072b2\"]{fill:#3f9be0}[stroke=\"#0072b2\"]{stroke:#3f9be0}}</style>";
        let ground = "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>";
        let head = format!("{dark}{}{ground}", definitions(&self.glyphs));
        self.document(" color=\"#1d1d21\"", &head).replace(PAPER, "#fff")
    }

    /// An element for a page that holds [`definitions`] of all its pictures' glyphs.
    pub fn inline(&self) -> String {
        self.document(&format!(" style=\"--width:{}px\"", self.size.0), "")
    }

    /// The shapes that its text is made of.
    pub fn glyphs(&self) -> &BTreeSet<Glyph> {
        &self.glyphs
    }

    fn document(&self, style: &str, definitions: &str) -> String {
        let (width, height) = self.size;
        let title = escape(&self.title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" aria-label=\"{title}\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\"{style}><title>{title}</title>{definitions}\n\
             {}</svg>\n",
            width * UNIT,
            height * UNIT,
            self.body
        )
    }
}

/// The definitions that the pictures' text refers to.
pub fn definitions(glyphs: &BTreeSet<Glyph>) -> String {
    let paths: String = glyphs.iter().filter_map(|glyph| glyph.definition()).collect();
    format!("<defs>{paths}</defs>")
}

/// Text that is safe in an element and in an attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // XML 1.0 has no form for these.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Draws into a [`Picture`].
pub struct Backend<'a>(&'a mut Picture);

impl<'a> Backend<'a> {
    pub(super) fn new(picture: &'a mut Picture) -> Self {
        Self(picture)
    }

    fn close_path(&mut self) {
        if let Some((rgb, alpha, width)) = self.0.open_path.take() {
            self.0.body += &format!("\"{}/>\n", stroke(BackendColor { rgb, alpha }, width));
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), DrawingErrorKind<Infallible>> {
        self.close_path();
        // Writing to a String cannot fail.
        let _ = self.0.body.write_fmt(text);
        Ok(())
    }
}

/// The page's own ground.
const PAPER: &str = "var(--paper,#fff)";

impl Drop for Backend<'_> {
    fn drop(&mut self) {
        self.close_path();
    }
}

/// ` fill="…"` or ` stroke="…"`, with the opacity where there is one. Black is ink, white is paper.
fn paint(kind: &str, color: BackendColor) -> String {
    let value = match color.rgb {
        (0, 0, 0) => "currentColor".to_owned(),
        (255, 255, 255) => PAPER.to_owned(),
        (r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
    };
    let opacity = if color.alpha < 1.0 { format!(" {kind}-opacity=\"{}\"", color.alpha) } else { String::new() };
    format!(" {kind}=\"{value}\"{opacity}")
}

fn stroke(color: BackendColor, width: u32) -> String {
    format!(" fill=\"none\"{} stroke-width=\"{width}\"", paint("stroke", color))
}

fn fill_or_stroke(style: &impl BackendStyle, fill: bool) -> String {
    if fill { paint("fill", style.color()) } else { stroke(style.color(), style.stroke_width()) }
}

/// Absolute first point, then relative steps: shorter than absolute ones.
fn push_steps(data: &mut String, points: impl IntoIterator<Item = BackendCoord>) {
    let mut last: Option<BackendCoord> = None;
    // A path of one point has no step: an `l` without one would be an error.
    let mut before_step = 'l';
    for (x, y) in points {
        let (start, (dx, dy)) = match last {
            None => ('M', (x, y)),
            Some(last) if last == (x, y) => continue,
            Some(last) => (std::mem::replace(&mut before_step, ' '), (x - last.0, y - last.1)),
        };
        data.push(start);
        push_number(data, dx);
        data.push(' ');
        push_number(data, dy);
        last = Some((x, y));
    }
}

/// A whole number, faster than by [`Write`]: the curves of a large sweep are tens of millions of them.
fn push_number(text: &mut String, number: i32) {
    if number < 0 {
        text.push('-');
    }
    let number = number.unsigned_abs();
    let mut unit = 1;
    while number / unit >= 10 {
        unit *= 10;
    }
    while unit > 0 {
        text.push(char::from(b'0' + (number / unit % 10) as u8));
        unit /= 10;
    }
}

impl DrawingBackend for Backend<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.0.size.0 * UNIT, self.0.size.1 * UNIT)
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Infallible>> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Infallible>> {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Result<(), DrawingErrorKind<Infallible>> {
        self.push(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"1\" height=\"1\"{}/>\n", paint("fill", color)))
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        let (width, height) = ((right - x).max(0), (bottom - y).max(0));
        let look = fill_or_stroke(style, fill);
        self.push(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{look}/>\n"))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        // One element for all lines of a look that follow one another: ticks, grids and dashes are many.
        let color = style.color();
        let look = (color.rgb, color.alpha, style.stroke_width());
        if self.0.open_path != Some(look) {
            self.close_path();
            self.0.body += "<path d=\"";
            self.0.open_path = Some(look);
        }
        push_steps(&mut self.0.body, path);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        let look = fill_or_stroke(style, fill);
        self.push(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"{look}/>\n"))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        self.push(format_args!("<path d=\""))?;
        push_steps(&mut self.0.body, path);
        self.push(format_args!("z\"{}/>\n", paint("fill", style.color())))
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        let Some(line) = glyphs::line(text, matches!(style.style(), FontStyle::Bold)) else { return Ok(()) };
        let em = style.size() as f32 * line.em;
        let scale = em / line.units_per_em;
        let anchor = style.anchor();
        let left = match anchor.h_pos {
            HPos::Left => 0.0,
            HPos::Center => -line.width * scale / 2.0,
            HPos::Right => -line.width * scale,
        };
        // Baseline below the point, from the height of capitals (.73 em).
        let base = em
            * match anchor.v_pos {
                VPos::Top => 0.80,
                VPos::Center => 0.36,
                VPos::Bottom => -0.10,
            };
        let turn = match style.transform() {
            FontTransform::Rotate90 => "rotate(90)",
            FontTransform::Rotate180 => "rotate(180)",
            FontTransform::Rotate270 => "rotate(270)",
            _ => "",
        };
        self.0.glyphs.extend(line.glyphs.iter().map(|(glyph, _)| *glyph));
        self.push(format_args!(
            "<g aria-label=\"{}\" transform=\"translate({x} {y}){turn}translate({left:.0} {base:.0})scale({scale:.4} \
             -{scale:.4})\"{}>",
            escape(text),
            paint("fill", style.color()),
        ))?;
        for &(glyph, x) in &line.glyphs {
            self.0.body += if glyph.bold { "<use href=\"#b" } else { "<use href=\"#g" };
            push_number(&mut self.0.body, glyph.id.into());
            if x > 0 {
                self.0.body += "\" x=\"";
                push_number(&mut self.0.body, x);
            }
            self.0.body += "\"/>";
        }
        self.push(format_args!("</g>\n"))
    }
}
