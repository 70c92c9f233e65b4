//! A TOML text as a tree in which each key and value knows its place.

use std::{ops::Range, path::Path};

use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::problem::{Problem, Problems};

/// Where something stands: which source, which bytes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub source: usize,
    pub range: Range<usize>,
}

/// A text with the name under which errors show it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub name: String,
    pub text: String,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Table(Vec<Entry>),
    Array(Vec<Node>),
    Scalar(Value),
}

/// A key, its place, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

/// The sweep file and the command line's overrides, as one tree.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// The sweep file first, then one source an override.
    pub sources: Vec<Source>,
    /// The folder that relative paths of the sweep file start from.
    pub folder: std::path::PathBuf,
    pub entries: Vec<Entry>,
}

impl Document {
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut document = Self {
            sources: vec![Source { name: path.display().to_string(), text: text.to_owned() }],
            folder: absolute.parent().unwrap_or(Path::new("/")).to_owned(),
            entries: Vec::new(),
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problems = errors.iter().map(|error| {
                let range = error.span().unwrap_or(0..0);
                Problem::at(Place { source: 0, range }, error.message().trim(), "mend the TOML syntax here")
            });
            return Err(problems.collect::<Problems>().of(&document));
        }
        document.entries = entries(table.get_ref(), 0);
        Ok(document)
    }

    /// The value of a dotted key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let mut entries = &self.entries;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            let entry = entries.iter().find(|entry| entry.key == part)?;
            match (&entry.node.content, parts.peek()) {
                (_, None) => return Some(&entry.node),
                (Content::Table(inner), Some(_)) => entries = inner,
                _ => return None,
            }
        }
        None
    }

    /// Where a setting is made: in its own section, or as an axis of the grid.
    pub fn place_of(&self, key: &str) -> Option<Place> {
        let axis = super::schema::short_name(key);
        let in_grid = self.get("grid").and_then(|grid| grid.entry(axis).or_else(|| grid.entry(key)));
        in_grid.or_else(|| self.get(key)).map(|node| node.place.clone())
    }
}

impl Node {
    /// The value under `key`, if this is a table that has it; the key may hold dots.
    pub fn entry(&self, key: &str) -> Option<&Self> {
        let Content::Table(entries) = &self.content else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Table(_) => "a table",
            Content::Array(_) => "a list",
            Content::Scalar(Value::String(_)) => "text",
            Content::Scalar(Value::Integer(_)) => "a whole number",
            Content::Scalar(Value::Float(_)) => "a number",
            Content::Scalar(Value::Boolean(_)) => "true or false",
            Content::Scalar(_) => "a date",
        }
    }

    /// As a plain value.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Table(entries) => {
                Value::Table(entries.iter().map(|entry| (entry.key.clone(), entry.node.value())).collect())
            }
            Content::Array(items) => Value::Array(items.iter().map(Self::value).collect()),
            Content::Scalar(value) => value.clone(),
        }
    }
}

/// The entries of a parsed table, in the order of the text.
pub(super) fn entries(table: &DeTable<'_>, source: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_place: Place { source, range: key.span() },
            node: node(value, source),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place.range.start);
    entries
}

pub(super) fn node(value: &Spanned<DeValue<'_>>, source: usize) -> Node {
    let content = match value.get_ref() {
        DeValue::Table(table) => Content::Table(entries(table, source)),
        DeValue::Array(items) => Content::Array(items.iter().map(|item| node(item, source)).collect()),
        DeValue::String(text) => Content::Scalar(Value::String(text.to_string())),
        DeValue::Boolean(flag) => Content::Scalar(Value::Boolean(*flag)),
        DeValue::Datetime(date) => Content::Scalar(Value::Datetime(*date)),
        DeValue::Float(float) => Content::Scalar(Value::Float(float.as_str().parse().unwrap_or(f64::NAN))),
        DeValue::Integer(integer) => Content::Scalar(
            i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or_else(|_| Value::String(integer.as_str().to_owned()), Value::Integer),
        ),
    };
    Node { place: Place { source, range: value.span() }, content }
}
