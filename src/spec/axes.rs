//! The grid sections: [grid], [[zip]], [[exclude]], [[include]].

use toml::{Table, Value};

use super::{
    check::{Checker, did_you_mean},
    document::{Content, Document, Entry, Node},
    problem::{Problem, Problems},
    schema,
};

/// Most cells of a grid; more are a slip of the pen, and listing them would fill the memory.
const MOST_CELLS: u128 = 1_000_000;

/// A setting that varies, and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Dotted key of the setting.
    pub key: String,
    /// In the order of the file.
    pub values: Vec<Value>,
}

/// Some settings with one value each.
pub type Assignment = Vec<(String, Value)>;

/// Which cells the sweep has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// The grid is the product of these; the axes within one move together.
    pub groups: Vec<Vec<Axis>>,
    /// Cells that match all of one entry's values are dropped.
    pub exclude: Vec<Assignment>,
    /// One extra cell each.
    pub include: Vec<Assignment>,
}

impl Cells {
    /// Keys of all axes, in the order of the file.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.groups.iter().flatten().map(|axis| axis.key.as_str()).collect();
        for (key, _) in self.include.iter().flatten() {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        keys
    }

    pub(super) fn write_to(&self, file: &mut Table) {
        let named = |key: &str| schema::short_name(key).to_owned();
        let table = |axes: &[Axis]| -> Table {
            axes.iter().map(|axis| (named(&axis.key), Value::Array(axis.values.clone()))).collect()
        };
        let (single, zipped): (Vec<_>, Vec<_>) = self.groups.iter().partition(|group| group.len() == 1);
        let single: Vec<Axis> = single.into_iter().flatten().cloned().collect();
        if !single.is_empty() {
            file.insert("grid".into(), table(&single).into());
        }
        let mut insert = |section: &str, tables: Vec<Table>| {
            if !tables.is_empty() {
                file.insert(section.into(), tables.into());
            }
        };
        insert("zip", zipped.iter().map(|group| table(group)).collect());
        for (section, entries) in [("exclude", &self.exclude), ("include", &self.include)] {
            let tables =
                entries.iter().map(|entry| entry.iter().map(|(key, value)| (named(key), value.clone())).collect());
            insert(section, tables.collect());
        }
    }
}

pub(super) fn read(document: &Document, problems: &mut Problems) -> Cells {
    let mut reader = Reader { checker: Checker { document, problems, synthetic: false }, cells: Cells::default() };
    if let Some(grid) = document.get("grid") {
        match &grid.content {
            Content::Table(entries) => {
                for (_, axis) in reader.axes(entries) {
                    reader.cells.groups.push(vec![axis]);
                }
            }
            _ => reader.checker.report(grid, "[grid] must be a table of axes", "write [grid] and one axis a line"),
        }
    }
    for entries in reader.tables("zip") {
        reader.zip(&entries);
    }
    reader.check_size();
    for entries in reader.tables("exclude") {
        let assignment = reader.assignment(&entries);
        reader.exclude(&entries, assignment);
    }
    for entries in reader.tables("include") {
        let assignment = reader.assignment(&entries);
        reader.cells.include.push(assignment);
    }
    reader.cells
}

struct Reader<'a> {
    checker: Checker<'a>,
    cells: Cells,
}

impl Reader<'_> {
    /// The tables of `[[section]]`.
    fn tables(&mut self, section: &str) -> Vec<Vec<Entry>> {
        let Some(node) = self.checker.document.get(section) else { return Vec::new() };
        let mut tables = Vec::new();
        let items: &[Node] = if let Content::Array(items) = &node.content { items } else { std::slice::from_ref(node) };
        for item in items {
            match &item.content {
                Content::Table(entries) => tables.push(entries.clone()),
                _ => self.checker.report(item, format!("`{section}` must be tables"), format!("write [[{section}]]")),
            }
        }
        tables
    }

    fn check_size(&mut self) {
        let steps = |group: &Vec<Axis>| group.first().map_or(0, |axis| axis.values.len()) as u128;
        let cells = self.cells.groups.iter().map(steps).fold(1u128, u128::saturating_mul);
        let document = self.checker.document;
        if let (true, Some(node)) = (cells > MOST_CELLS, document.get("grid").or_else(|| document.get("zip"))) {
            let message = format!("the grid has {cells} cells, more than {MOST_CELLS}");
            self.checker.report(node, message, "shorten its axes, or name the cells that matter by [[include]]");
        }
    }

    /// The axes of [grid] or of one [[zip]], each with the entry that names it; what is wrong is reported.
    fn axes<'e>(&mut self, entries: &'e [Entry]) -> Vec<(&'e Entry, Axis)> {
        let mut axes = Vec::new();
        for entry in entries.iter().flat_map(flatten) {
            let (entry, name) = entry;
            let Some(key) = self.axis_key(entry, &name) else { continue };
            if self
                .cells
                .groups
                .iter()
                .flatten()
                .chain(axes.iter().map(|(_, axis)| axis))
                .any(|axis: &Axis| axis.key == key)
            {
                self.at_key(
                    entry,
                    format!("the axis `{name}` is given twice"),
                    "keep one of them, in [grid] or in [[zip]]",
                );
                continue;
            }
            let Content::Array(items) = &entry.node.content else {
                let message = format!("the axis `{name}` must be a list of values, but is {}", entry.node.kind());
                self.checker.report(&entry.node, message, "put the values in [ ]");
                continue;
            };
            if items.is_empty() {
                self.checker.report(
                    &entry.node,
                    format!("the axis `{name}` is empty"),
                    "give at least one value, or drop the axis",
                );
                continue;
            }
            let values: Vec<_> = items.iter().filter_map(|item| self.checker.value(&key, item)).collect();
            if values.len() == items.len() {
                axes.push((entry, Axis { key, values }));
            }
        }
        axes
    }

    fn zip(&mut self, entries: &[Entry]) {
        let axes = self.axes(entries);
        let Some((_, first)) = axes.first() else { return };
        let length = first.values.len();
        for (entry, axis) in &axes {
            if axis.values.len() != length {
                let message = format!(
                    "axes of a [[zip]] move together, but `{}` has {} values and not {length}",
                    entry.key,
                    axis.values.len()
                );
                self.checker.report(&entry.node, message, "give each axis of a [[zip]] equally many values");
                return;
            }
        }
        self.cells.groups.push(axes.into_iter().map(|(_, axis)| axis).collect());
    }

    fn assignment(&mut self, entries: &[Entry]) -> Assignment {
        let mut assignment = Vec::new();
        for (entry, name) in entries.iter().flat_map(flatten) {
            if let Some(key) = self.axis_key(entry, &name)
                && let Some(value) = self.checker.value(&key, &entry.node)
            {
                assignment.push((key, value));
            }
        }
        assignment
    }

    fn exclude(&mut self, entries: &[Entry], assignment: Assignment) {
        let known = self.cells.keys().into_iter().map(str::to_owned).collect::<Vec<_>>();
        for (entry, name) in entries.iter().flat_map(flatten) {
            let key = schema::full_name(&name);
            if assignment.iter().any(|(given, _)| given == key) && !known.iter().any(|axis| axis == key) {
                self.at_key(
                    entry,
                    format!("`{name}` is not an axis of this sweep"),
                    "exclude only by axes of [grid] and [[zip]]",
                );
            }
        }
        if assignment.is_empty() {
            return;
        }
        self.cells.exclude.push(assignment);
    }

    fn axis_key(&mut self, entry: &Entry, name: &str) -> Option<String> {
        let key = schema::full_name(name);
        if schema::find(key).is_some_and(|key| key.axis) {
            return Some(key.to_owned());
        }
        if schema::find(key).is_some() {
            self.at_key(entry, format!("`{name}` cannot vary within a sweep"), "set it in its own section");
        } else {
            self.at_key(entry, format!("unknown axis `{name}`"), did_you_mean(name, &schema::axis_names()));
        }
        None
    }

    fn at_key(&mut self, entry: &Entry, message: impl Into<String>, help: impl Into<String>) {
        self.checker.problems.push(Problem::at(entry.key_place.clone(), message, help));
    }
}

/// `loss.kind = […]` without quotes is a table in TOML; both spellings name the same axis.
fn flatten(entry: &Entry) -> Vec<(&Entry, String)> {
    match &entry.node.content {
        Content::Table(inner) if schema::is_section(&entry.key) => {
            inner.iter().flat_map(flatten).map(|(leaf, name)| (leaf, format!("{}.{name}", entry.key))).collect()
        }
        _ => vec![(entry, entry.key.clone())],
    }
}
