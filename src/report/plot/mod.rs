//! Charts. Each is a small struct with prepared data behind [`Chart`], drawn alike as SVG and as PNG.

mod curves;
mod glyphs;
mod grids;
mod images;
mod pages;
mod planes;
mod rows;
mod settings;
mod style;
mod svg;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use plotters::{coord::Shift, prelude::*};

use super::{
    Analysis, ReportError,
    aggregate::{Run, Sweep},
};
pub use pages::{Entry, Panel, page};
pub use rows::Reach;
pub use svg::{Picture, definitions, escape};

/// A chart ready to be drawn.
pub trait Chart {
    /// What it shows, in a sentence; read aloud in place of the picture.
    fn title(&self) -> String;
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);
    /// Draws it on an area of that size times [`style::UNIT`].
    ///
    /// # Errors
    /// What plotters says.
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), DrawError>;
}

/// What plotters says when it cannot draw.
#[derive(Debug)]
pub struct DrawError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for DrawError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// What a chart becomes.
pub trait Render {
    /// SVG or PNG.
    type Output;
    /// Draws a chart.
    ///
    /// # Errors
    /// If plotters cannot.
    fn render(&self, chart: &impl Chart) -> Result<Self::Output, ReportError>;
}

/// Charts as SVG.
pub struct Svg;

impl Render for Svg {
    type Output = Picture;
    fn render(&self, chart: &impl Chart) -> Result<Picture, ReportError> {
        let failed = |reason: String| ReportError::Plot { chart: chart.title(), reason };
        glyphs::register().map_err(failed)?;
        let mut picture = Picture::new(chart.title(), chart.size());
        let area = svg::Backend::new(&mut picture).into_drawing_area();
        chart.draw(&area).map_err(|e| failed(e.0))?;
        drop(area);
        Ok(picture)
    }
}

/// Charts as PNG, with [`style::UNIT`] pixels for one of the SVG.
pub struct Png;

impl Render for Png {
    type Output = Vec<u8>;
    fn render(&self, chart: &impl Chart) -> Result<Vec<u8>, ReportError> {
        let failed = |reason: String| ReportError::Plot { chart: chart.title(), reason };
        glyphs::register().map_err(failed)?;
        let (width, height) = chart.size();
        let (width, height) = (width * style::UNIT, height * style::UNIT);
        let mut pixels = vec![255; width as usize * height as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            chart.draw(&area).map_err(|e| failed(e.0))?;
            area.present().map_err(|e| failed(e.to_string()))?;
        }
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(&pixels, width, height, ExtendedColorType::Rgb8)
            .map_err(|e| failed(e.to_string()))?;
        Ok(png)
    }
}

/// The learning curves of a run; `None` if it recorded no epoch.
///
/// # Errors
/// If plotters cannot draw them.
pub fn learning_curves<R: Render>(sweep: &Sweep, run: &Run, render: &R) -> Result<Option<R::Output>, ReportError> {
    curves::Curves::of(sweep, run).as_ref().map(|chart| render.render(chart)).transpose()
}

/// Settings that the chart at the head of the page shows.
const BEST: usize = 12;

/// The charts of a sweep, each with the name of its file; those that have nothing to show are left out.
///
/// # Errors
/// If plotters cannot draw one.
pub fn of_sweep<R: Render>(
    sweep: &Sweep,
    analysis: &Analysis<'_>,
    render: &R,
) -> Result<Vec<(&'static str, R::Output)>, ReportError> {
    let mut drawn = Drawn { render, charts: Vec::new() };
    drawn.add("ranking", settings::ranking(sweep, analysis, BEST))?;
    if analysis.standings.len() > BEST {
        drawn.add("settings", settings::ranking(sweep, analysis, usize::MAX))?;
    }
    drawn.add("effects", settings::effects(sweep))?;
    drawn.add("variance", grids::VarianceBar::of(analysis))?;
    drawn.add("parallel", planes::Parallel::of(sweep))?;
    drawn.add("classes", grids::Grid::classes(sweep, analysis))?;
    drawn.add("pooled-against-macro", planes::Scatter::of(sweep))?;
    drawn.add("seeds", planes::Fan::of(sweep, analysis))?;
    drawn.add("images", images::strips(sweep, analysis))?;
    drawn.add("confusion", grids::Grid::confusion(sweep, analysis))?;
    drawn.add("splits", images::balance(sweep, &analysis.balances))?;
    Ok(drawn.charts)
}

struct Drawn<'a, R: Render> {
    render: &'a R,
    charts: Vec<(&'static str, R::Output)>,
}

impl<R: Render> Drawn<'_, R> {
    fn add(&mut self, name: &'static str, chart: Option<impl Chart>) -> Result<(), ReportError> {
        if let Some(chart) = chart {
            self.charts.push((name, self.render.render(&chart)?));
        }
        Ok(())
    }
}
