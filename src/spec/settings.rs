//! The sections of a sweep file that hold for all cells.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    Cells, Order,
    check::Checker,
    document::{Content, Document, Entry},
    problem::{Problem, Problems},
    schema,
};
use crate::domain::{Metric, ScheduleConfig, SlurmConfig, placeholders};

/// What all cells share.
pub(super) struct Settings {
    pub name: String,
    pub monitor: Metric,
    pub order: Order,
    pub synthetic: bool,
    pub base: Table,
    pub schedule: ScheduleConfig,
    pub slurm: Option<SlurmConfig>,
    pub warnings: Problems,
    sections: Table,
}

/// The sections that describe the grid; `axes` reads them.
pub(super) const GRID_SECTIONS: [&str; 4] = ["grid", "zip", "exclude", "include"];

pub(super) fn read(document: &Document, problems: &mut Problems) -> Option<Settings> {
    let synthetic = document.get("data.synthetic").is_some_and(|node| node.value() == Value::Boolean(true));
    let entries: Vec<Entry> =
        document.entries.iter().filter(|entry| !GRID_SECTIONS.contains(&entry.key.as_str())).cloned().collect();
    let mut checker = Checker { document, problems, synthetic };
    let mut sections = checker.table("", &entries)?;
    require(document, problems, &sections);

    let sweep = sections.get("sweep").and_then(Value::as_table).cloned().unwrap_or_default();
    let text = |key: &str| sweep.get(key).and_then(Value::as_str);
    let name = text("name").map_or_else(|| stem(document), str::to_owned);
    check_name(document, problems, &name);
    check_classes(document, problems, &sections);
    complete_trainer(document, problems, &mut sections);
    let monitor: Metric = text("monitor").and_then(|text| text.parse().ok()).unwrap_or_default();
    let order = if text("order") == Some("grid") { Order::Grid } else { Order::ReplicatesFirst };

    let mut base = sections.clone();
    base.remove("sweep");
    let schedule = base.remove("schedule").unwrap_or(Value::Table(Table::new()));
    let slurm = base.remove("slurm");
    if let Some(data) = base.get_mut("data").and_then(Value::as_table_mut) {
        data.remove("synthetic");
    }
    base.insert("monitor".into(), Value::String(monitor.to_string()));
    let schedule = section("schedule", schedule, problems)?;
    let slurm = match slurm {
        Some(slurm) => Some(section("slurm", slurm, problems)?),
        None => None,
    };
    let name_value = Value::String(name.clone());
    sections.entry("sweep").or_insert(Value::Table(Table::new())).as_table_mut()?.insert("name".into(), name_value);
    let warnings = warnings(document);
    Some(Settings { name, monitor, order, synthetic, base, schedule, slurm, warnings, sections })
}

/// A section whose values have passed the schema.
fn section<T: DeserializeOwned>(name: &str, value: Value, problems: &mut Problems) -> Option<T> {
    value
        .try_into()
        .map_err(|e| problems.push(Problem::without_place(format!("[{name}] cannot be read: {e}"), "")))
        .ok()
}

impl Settings {
    /// The whole file as it is run, as TOML.
    pub fn resolved(&self, cells: &Cells) -> String {
        let mut file = self.sections.clone();
        cells.write_to(&mut file);
        file.to_string()
    }
}

fn stem(document: &Document) -> String {
    let name = &document.sources[0].name;
    std::path::Path::new(name).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn require(document: &Document, problems: &mut Problems, sections: &Table) {
    let Some(data) = sections.get("data").and_then(Value::as_table) else {
        let help = "add [data] with images = \"…\", masks = \"…\" and classes = [\"background\", …]";
        problems.push(Problem::without_place(format!("{} has no [data] section", document.sources[0].name), help));
        return;
    };
    for (key, example) in
        [("images", "\"path/to/images\""), ("masks", "\"path/to/masks\""), ("classes", "[\"background\", \"cell\"]")]
    {
        if !data.contains_key(key) {
            let message = format!("[data] has no `{key}`");
            let help = format!("add {key} = {example}");
            problems.push(match document.get("data") {
                Some(node) => Problem::at(node.place.clone(), message, help),
                None => Problem::without_place(message, help),
            });
        }
    }
}

fn check_name(document: &Document, problems: &mut Problems, name: &str) {
    let safe = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if !name.is_empty() && name.len() <= 100 && name.chars().all(safe) && !name.starts_with(['.', '-']) {
        return;
    }
    let message = format!("`sweep.name` is \"{name}\", which cannot be a folder's name");
    let help = "use letters, digits, - and _";
    problems.push(match document.get("sweep.name") {
        Some(node) => Problem::at(node.place.clone(), message, help),
        None => Problem::without_place(message, "add [sweep] name = \"…\""),
    });
}

/// Names that refer to classes must be names of classes.
fn check_classes(document: &Document, problems: &mut Problems, sections: &Table) {
    let Some(data) = sections.get("data").and_then(Value::as_table) else { return };
    let Some(classes) = data.get("classes").and_then(Value::as_array) else { return };
    let names: Vec<&str> = classes.iter().filter_map(|class| class.get("name")?.as_str()).collect();
    let kept = data.get("keep").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let background = data.get("background").and_then(Value::as_str);
    for (key, name) in kept.map(|name| ("data.keep", name)).chain(background.map(|name| ("data.background", name))) {
        if !names.contains(&name) {
            let help = super::check::did_you_mean(name, &names);
            let message = format!("`{key}` names \"{name}\", which is not a class");
            if let Some(node) = document.get(key) {
                problems.push(Problem::at(node.place.clone(), message, help));
            }
        }
    }
}

/// An outside trainer is started in the sweep file's folder unless another is given, and its placeholders must be
/// names of settings.
fn complete_trainer(document: &Document, problems: &mut Problems, sections: &mut Table) {
    let Some(trainer) = sections.get_mut("trainer").and_then(Value::as_table_mut) else { return };
    let folder = std::path::absolute(&document.folder).unwrap_or_else(|_| document.folder.clone());
    trainer.entry("folder").or_insert_with(|| Value::String(folder.to_string_lossy().into_owned()));
    let command: Vec<&str> =
        trainer.get("command").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut names = schema::axis_names();
    names.extend(schema::KEYS.iter().map(|key| key.path));
    let mut report = |message: String, help: String| {
        problems.push(match document.get("trainer.command") {
            Some(node) => Problem::at(node.place.clone(), message, help),
            None => Problem::without_place(message, help),
        });
    };
    if command.is_empty() {
        report("[trainer] has no `command`".into(), "add command = [\"python\", \"train.py\"]".into());
    }
    for name in command.iter().flat_map(|part| placeholders(part)).filter(|name| !names.contains(name)) {
        let help = super::check::did_you_mean(name, &names);
        report(format!("`trainer.command` has the placeholder {{{name}}}, which is no setting"), help);
    }
}

/// What is allowed but seldom meant.
fn warnings(document: &Document) -> Problems {
    let mut warnings = Problems::default();
    for key in ["train.early_stopping.monitor", "sweep.monitor"] {
        if let Some(node) = document.get(key)
            && let Content::Scalar(Value::String(name)) = &node.content
            && name.starts_with("train_")
        {
            let message = format!("`{key}` watches {name}, a figure of the training images");
            let help = "it goes on improving while the network overfits; watch a val_ figure";
            warnings.push(Problem::at(node.place.clone(), message, help));
        }
    }
    warnings
}
