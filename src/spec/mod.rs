//! The sweep file: read strictly, every problem reported at once, with the line and the nearest valid spelling.
//!
//! `document` reads text into a tree that knows where each part stands; `overrides` changes the tree as the
//! command line says; `schema` lists every key; `check` holds the tree against it; `axes` reads the grid.

mod axes;
mod check;
mod document;
mod overrides;
mod problem;
pub mod schema;
mod settings;

use std::{fs, io::ErrorKind, path::Path};

use toml::Table;

pub use axes::{Axis, Cells};
pub use problem::{Problem, Problems};

use crate::domain::{Metric, ScheduleConfig, SlurmConfig};
use document::Document;

/// A sweep file that has passed every check.
#[derive(Clone, Debug)]
pub struct SweepSpec {
    /// Names the folder under `results/`.
    pub name: String,
    /// Ranks runs and picks the best epoch.
    pub monitor: Metric,
    /// In which order runs are started.
    pub order: Order,
    /// Whether the program makes the images itself where they are missing.
    pub synthetic: bool,
    /// The settings that all cells share, as sections of [`crate::domain::RunConfig`].
    pub base: Table,
    /// Which cells there are.
    pub cells: Cells,
    /// How runs are spread over devices.
    pub schedule: ScheduleConfig,
    /// How runs are handed to Slurm; `None`: the file does not say.
    pub slurm: Option<SlurmConfig>,
    /// What is odd but allowed.
    pub warnings: Problems,
    /// The file as it was run: overrides applied, paths absolute.
    pub resolved: String,
    document: Document,
}

/// In which order runs are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Seed 0 of every cell before seed 1, so that an interrupted sweep is balanced.
    #[default]
    ReplicatesFirst,
    /// The last axis fastest.
    Grid,
}

impl SweepSpec {
    /// Reads a sweep file and applies the command line's overrides (`train.epochs=5`, `~grid.batch_size`).
    ///
    /// # Errors
    /// With every problem found, each with its place.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, Problems> {
        let text = fs::read_to_string(path).map_err(|e| {
            let help = match e.kind() {
                ErrorKind::InvalidData => "save it as plain text in UTF-8",
                _ => "give the path of a sweep file, for example sweeps/demo.toml",
            };
            Problems::from(Problem::without_place(format!("failed to read {}: {e}", path.display()), help))
        })?;
        Self::parse(path, &text, overrides)
    }

    /// As [`SweepSpec::read`], of a text that stands (or would stand) at `path`.
    ///
    /// # Errors
    /// With every problem found, each with its place.
    pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Self, Problems> {
        let mut document = Document::parse(path, text)?;
        let mut problems = overrides::apply(&mut document, overrides);
        let settings = settings::read(&document, &mut problems);
        let cells = axes::read(&document, &mut problems);
        let (Some(settings), true) = (settings, problems.is_empty()) else {
            return Err(problems.of(&document));
        };
        let resolved = settings.resolved(&cells);
        Ok(Self {
            name: settings.name,
            monitor: settings.monitor,
            order: settings.order,
            synthetic: settings.synthetic,
            base: settings.base,
            cells,
            schedule: settings.schedule,
            slurm: settings.slurm,
            warnings: settings.warnings.of(&document),
            resolved,
            document,
        })
    }

    /// A problem that stands where the sweep file sets `key` (or nowhere, if it leaves the default).
    pub fn problem_at(&self, key: &str, message: impl Into<String>, help: impl Into<String>) -> Problem {
        match self.document.place_of(key) {
            Some(place) => Problem::at(place, message, help).rendered_in(&self.document),
            None => Problem::without_place(message, help),
        }
    }
}
