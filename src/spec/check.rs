//! Holds values against the schema, keeps them in one normal form, and collects what is wrong.

use std::path::PathBuf;

use toml::{Table, Value};

use super::{
    document::{Content, Document, Entry, Node},
    problem::{Problem, Problems},
    schema::{self, Kind},
};
use crate::domain::{DeviceRequest, Metric, is_time_limit, wrong_option};

/// A pass over the document that collects problems.
pub(super) struct Checker<'a> {
    pub document: &'a Document,
    pub problems: &'a mut Problems,
    /// The program makes the images itself, so that paths need not be there yet.
    pub synthetic: bool,
}

impl Checker<'_> {
    /// The value at the dotted key `path` in its normal form; `None` if something is wrong with it.
    pub fn value(&mut self, path: &str, node: &Node) -> Option<Value> {
        if let Some(key) = schema::find(path) {
            return match self.read(key.kind, node) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.report(node, format!("`{path}` {message}"), "");
                    None
                }
            };
        }
        let Content::Table(entries) = &node.content else {
            self.report(node, format!("`{path}` is a section, but here is {}", node.kind()), "write it as a table");
            return None;
        };
        self.table(path, entries).map(Value::Table)
    }

    /// All entries of a section; unknown keys are reported with the nearest valid one.
    pub fn table(&mut self, path: &str, entries: &[Entry]) -> Option<Table> {
        let mut table = Table::new();
        let mut whole = true;
        for entry in entries {
            let child = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            if schema::find(&child).is_none() && !schema::is_section(&child) {
                self.unknown(entry, path);
                whole = false;
                continue;
            }
            match self.value(&child, &entry.node) {
                Some(value) => drop(table.insert(entry.key.clone(), value)),
                None => whole = false,
            }
        }
        whole.then_some(table)
    }

    pub fn report(&mut self, node: &Node, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::at(node.place.clone(), message, help));
    }

    fn unknown(&mut self, entry: &Entry, path: &str) {
        let place = if path.is_empty() { "in a sweep file".to_owned() } else { format!("in [{path}]") };
        let help = did_you_mean(&entry.key, &schema::children(path));
        self.problems.push(Problem::at(entry.key_place.clone(), format!("unknown key `{}` {place}", entry.key), help));
    }

    fn read(&self, kind: Kind, node: &Node) -> Result<Value, String> {
        match kind {
            Kind::Whole(least, most) => whole(node, least, most).map(Value::Integer),
            Kind::Positive => {
                number(node, "a number above 0").and_then(|n| keep(n, n > 0.0 && n.is_finite(), "must be above 0"))
            }
            Kind::NotNegative => number(node, "a number of 0 or more")
                .and_then(|n| keep(n, n >= 0.0 && n.is_finite(), "must be 0 or more")),
            Kind::Share(one) => {
                let allowed = |n: f64| n >= 0.0 && (n < 1.0 || one && n <= 1.0);
                let range = if one { "must lie between 0 and 1" } else { "must lie between 0 and 1, without 1 itself" };
                number(node, "a number from 0 to 1").and_then(|n| keep(n, allowed(n), range))
            }
            Kind::Switch => match &node.content {
                Content::Scalar(flag @ Value::Boolean(_)) => Ok(flag.clone()),
                _ => Err(expected("true or false", node)),
            },
            Kind::Choice(words) => choice(node, words),
            Kind::Text => text(node).map(|text| Value::String(text.to_owned())),
            Kind::Folder => self.path(node, |path| path.is_dir(), "folder"),
            Kind::File => self.path(node, |path| path.is_file(), "file"),
            Kind::Size => size(node),
            Kind::Figure => text(node)?.parse::<Metric>().map(|metric| Value::String(metric.to_string())),
            Kind::Devices => text(node)?.parse::<DeviceRequest>().map(|devices| Value::String(devices.to_string())),
            Kind::CountOrAuto => match &node.content {
                Content::Scalar(Value::String(word)) if word == "auto" => Ok(Value::String(word.clone())),
                _ => whole(node, 1, 1024).map(Value::Integer),
            },
            Kind::Classes => classes(node),
            Kind::Names => items(node, |item| text(item).map(Value::from)),
            Kind::TimeLimit => text(node).and_then(|limit| match is_time_limit(limit) {
                true => Ok(Value::String(limit.to_owned())),
                false => Err(format!("cannot be \"{limit}\"; write it as \"12:00:00\" or \"2-00:00:00\"")),
            }),
            Kind::SbatchOptions => items(node, |item| {
                let option = text(item)?;
                wrong_option(option).map_or_else(|| Ok(Value::from(option)), Err)
            }),
            Kind::Weights => match &node.content {
                Content::Scalar(Value::String(_)) => choice(node, &["balanced"]),
                _ => items(node, |item| {
                    number(item, "a list of numbers").and_then(|n| keep(n, n >= 0.0, "must not be negative"))
                }),
            },
        }
    }

    /// Relative paths of the sweep file start from its folder, those of the command line from where one stands.
    fn path(&self, node: &Node, exists: fn(&PathBuf) -> bool, what: &str) -> Result<Value, String> {
        let given = text(node)?;
        let path = if node.place.source == 0 { self.document.folder.join(given) } else { given.into() };
        let path = std::path::absolute(&path).unwrap_or(path);
        let path: PathBuf = normalized(&path);
        if !exists(&path) && !self.synthetic {
            let fault = if path.exists() {
                format!("must be a {what}, and this is none")
            } else {
                format!("names a {what} that is not there")
            };
            return Err(format!("{fault}: {}", path.display()));
        }
        path.into_os_string().into_string().map(Value::String).map_err(|_| "must be valid UTF-8".to_owned())
    }
}

/// The nearest of `names`, or all of them, as a hint.
pub(super) fn did_you_mean(word: &str, names: &[&str]) -> String {
    let near = names.iter().map(|name| (strsim::damerau_levenshtein(word, name), name)).min();
    match near {
        Some((distance, name)) if distance <= 1 + name.len() / 3 => format!("did you mean `{name}`?"),
        _ => format!("valid here: {}", names.join(", ")),
    }
}

fn expected(what: &str, node: &Node) -> String {
    format!("must be {what}, but is {}", node.kind())
}

fn keep(number: f64, allowed: bool, message: &str) -> Result<Value, String> {
    if allowed { Ok(Value::Float(number)) } else { Err(format!("{message}, but is {number}")) }
}

fn whole(node: &Node, least: i64, most: i64) -> Result<i64, String> {
    let number = match node.content {
        Content::Scalar(Value::Integer(number)) => number,
        Content::Scalar(Value::Float(number)) => return Err(format!("must be a whole number, but is {number}")),
        _ => return Err(expected("a whole number", node)),
    };
    match number {
        n if n < least => Err(format!("must be at least {least}, but is {n}")),
        n if n > most => Err(format!("must be at most {most}, but is {n}")),
        n => Ok(n),
    }
}

fn number(node: &Node, what: &str) -> Result<f64, String> {
    match node.content {
        Content::Scalar(Value::Integer(number)) => Ok(number as f64),
        Content::Scalar(Value::Float(number)) => Ok(number),
        _ => Err(expected(what, node)),
    }
}

fn text(node: &Node) -> Result<&str, String> {
    match &node.content {
        Content::Scalar(Value::String(text)) if text.trim().is_empty() => Err("must not be empty".into()),
        Content::Scalar(Value::String(text)) => Ok(text),
        _ => Err(expected("text in quotes", node)),
    }
}

fn list(node: &Node) -> Result<&[Node], String> {
    match &node.content {
        Content::Array(items) => Ok(items),
        _ => Err(expected("a list", node)),
    }
}

fn items(node: &Node, read: impl Fn(&Node) -> Result<Value, String>) -> Result<Value, String> {
    list(node)?.iter().map(read).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn choice(node: &Node, words: &[&str]) -> Result<Value, String> {
    let word = text(node)?;
    if words.contains(&word) {
        return Ok(Value::String(word.to_owned()));
    }
    Err(format!("cannot be \"{word}\"; {}", did_you_mean(word, words)))
}

/// A square is kept as one number, so that 64 and [64, 64] are the same.
fn size(node: &Node) -> Result<Value, String> {
    const LARGEST: i64 = 16_384;
    let Content::Array(sides) = &node.content else { return whole(node, 1, LARGEST).map(Value::Integer) };
    let [height, width] = sides.as_slice() else { return Err("must be pixels, or [height, width]".into()) };
    let (height, width) = (whole(height, 1, LARGEST)?, whole(width, 1, LARGEST)?);
    Ok(if height == width { height.into() } else { vec![height, width].into() })
}

fn classes(node: &Node) -> Result<Value, String> {
    let mut classes = Vec::new();
    for item in list(node)? {
        let Content::Table(entries) = &item.content else {
            classes.push(Value::Table([("name".to_owned(), text(item)?.into())].into_iter().collect()));
            continue;
        };
        let mut class = Table::new();
        for Entry { key, node, .. } in entries {
            let value = match key.as_str() {
                "name" => text(node)?.into(),
                "value" => whole(node, 0, i64::from(u16::MAX))?.into(),
                "color" => color(text(node)?)?.into(),
                other => {
                    return Err(format!(
                        "has a class with the unknown key `{other}`; {}",
                        did_you_mean(other, &["name", "value", "color"])
                    ));
                }
            };
            class.insert(key.clone(), value);
        }
        if !class.contains_key("name") {
            return Err("has a class without a `name`".into());
        }
        if class.contains_key("value") && class.contains_key("color") {
            return Err("has a class with both `value` and `color`; give one".into());
        }
        classes.push(Value::Table(class));
    }
    for what in ["name", "value", "color"] {
        let mut seen: Vec<&Value> = Vec::new();
        for given in classes.iter().filter_map(|class| class.get(what)) {
            if seen.contains(&given) {
                return Err(format!("gives the {what} {given} twice"));
            }
            seen.push(given);
        }
    }
    match classes.len() {
        0 | 1 => Err("must name at least two classes".into()),
        2..=200 => Ok(Value::Array(classes)),
        count => Err(format!("names {count} classes; 200 are the most")),
    }
}

fn color(text: &str) -> Result<String, String> {
    let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    hex.map(|hex| format!("#{}", hex.to_ascii_lowercase()))
        .ok_or(format!("has the color \"{text}\"; write it as #rrggbb"))
}

/// Without `.` and `..`, as far as that can be told without following links.
fn normalized(path: &std::path::Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
