//! Charts. Each is a small struct with prepared data behind [`Chart`], drawn alike as SVG and as PNG.

mod curves;
mod glyphs;
mod grids;
mod images;
mod planes;
mod rows;
mod settings;
mod style;
mod svg;

use plotters::{coord::Shift, prelude::*};

use super::{
    Analysis, ReportError,
    aggregate::{Run, Sweep},
};
pub use svg::{Picture, definitions};

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

/// Draws a chart as SVG.
///
/// # Errors
/// If plotters cannot.
pub fn svg(chart: &impl Chart) -> Result<Picture, ReportError> {
    let failed = |reason: String| ReportError::Plot { chart: chart.title(), reason };
    glyphs::register().map_err(failed)?;
    let mut picture = Picture::new(chart.title(), chart.size());
    {
        let area = svg::Backend::new(&mut picture).into_drawing_area();
        chart.draw(&area).map_err(|e| failed(e.0))?;
    }
    Ok(picture)
}

/// The learning curves of a run; `None` if it recorded no epoch.
///
/// # Errors
/// If plotters cannot draw them.
pub fn learning_curves(sweep: &Sweep, run: &Run) -> Result<Option<Picture>, ReportError> {
    curves::Curves::of(sweep, run).as_ref().map(svg).transpose()
}

/// The charts of a sweep, each with the name of its file; those that have nothing to show are left out.
///
/// # Errors
/// If plotters cannot draw one.
pub fn of_sweep(sweep: &Sweep, analysis: &Analysis<'_>) -> Result<Vec<(&'static str, Picture)>, ReportError> {
    let draw = |name, chart: Option<Result<Picture, ReportError>>| chart.map(|picture| picture.map(|p| (name, p)));
    let charts = [
        draw("ranking", settings::ranking(sweep, analysis).as_ref().map(svg)),
        draw("comparison", settings::comparison(sweep).as_ref().map(svg)),
        draw("effects", settings::effects(sweep).as_ref().map(svg)),
        draw("variance", grids::VarianceBar::of(sweep).as_ref().map(svg)),
        draw("parallel", planes::Parallel::of(sweep).as_ref().map(svg)),
        draw("classes", grids::Grid::classes(sweep).as_ref().map(svg)),
        draw("pooled-against-macro", planes::Scatter::of(sweep).as_ref().map(svg)),
        draw("seeds", planes::Fan::of(sweep, analysis).as_ref().map(svg)),
        draw("images", images::strips(sweep, analysis).as_ref().map(svg)),
        draw("confusion", grids::Grid::confusion(sweep, analysis).as_ref().map(svg)),
        draw("splits", images::balance(sweep, &analysis.balances).as_ref().map(svg)),
    ];
    charts.into_iter().flatten().collect()
}
