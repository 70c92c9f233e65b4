//! The command line's changes of a sweep file, after Hydra: `train.epochs=5`, `grid.learning_rate=1e-3,1e-4`,
//! `~grid.batch_size`.

use toml::{Value, de::DeTable};

use super::{
    document::{self, Content, Document, Entry, Node, Place, Source},
    problem::{Problem, Problems},
    schema,
};

/// Applies each override in turn.
pub(super) fn apply(document: &mut Document, overrides: &[String]) -> Problems {
    let mut problems = Problems::default();
    for text in overrides {
        let source = document.sources.len();
        document.sources.push(Source { name: "command line".into(), text: text.clone() });
        let place = Place { source, range: 0..text.len() };
        if let Err((message, help)) = one(document, text, &place) {
            problems.push(Problem::at(place, message, help));
        }
    }
    problems
}

type Refusal = (String, String);

fn one(document: &mut Document, text: &str, place: &Place) -> Result<(), Refusal> {
    if let Some(key) = text.strip_prefix('~') {
        return remove(&mut document.entries, &path_of(key))
            .then_some(())
            .ok_or_else(|| (format!("`{key}` is not in the sweep file"), "there is nothing to drop".into()));
    }
    let Some((key, value)) = text.split_once('=') else {
        return Err((format!("`{text}` changes nothing"), "write KEY=VALUE, or ~KEY to drop a key".into()));
    };
    let key = key.trim().trim_start_matches('+');
    if key.is_empty() {
        return Err((format!("`{text}` names no key"), "write KEY=VALUE, as in train.epochs=5".into()));
    }
    let path = path_of(key);
    let axis = path.join(".");
    if path[0] != "grid"
        && document
            .get("grid")
            .is_some_and(|grid| grid.entry(schema::short_name(&axis)).or(grid.entry(&axis)).is_some())
    {
        let short = schema::short_name(&axis);
        return Err((
            format!("`{key}` is an axis of the grid, so that this would change nothing"),
            format!("write grid.{short}={value}, or drop the axis with ~grid.{short}"),
        ));
    }
    let content = if path[0] == "grid" { axis_values(value, place) } else { scalar(value, place) };
    let range = text.len() - value.len()..text.len();
    let node = Node { place: Place { source: place.source, range }, content };
    insert(&mut document.entries, &path, place, node)
        .ok_or_else(|| (format!("`{key}` lies below something that is not a section"), String::new()))
}

/// The parts of a key; the name of an axis stays whole, and a short name stands for its full one.
fn path_of(key: &str) -> Vec<String> {
    match key.strip_prefix("grid.") {
        Some(axis) => vec!["grid".into(), schema::short_name(axis.trim_matches('"')).to_owned()],
        None => schema::full_name(key).split('.').map(str::to_owned).collect(),
    }
}

/// `1e-3,1e-4` and `[1e-3, 1e-4]` both list two values.
fn axis_values(text: &str, place: &Place) -> Content {
    let text = text.trim();
    if let Some(list @ Content::Array(_)) = toml_value(text, place) {
        return list;
    }
    if let Some(list) = toml_value(&format!("[{text}]"), place) {
        return list;
    }
    let item = |item: &str| Node { place: place.clone(), content: scalar(item, place) };
    Content::Array(text.split(',').map(item).collect())
}

/// A TOML value, or else the text as it stands: `loss.kind=dice` needs no quotes.
fn scalar(text: &str, place: &Place) -> Content {
    toml_value(text.trim(), place).unwrap_or_else(|| Content::Scalar(Value::String(text.trim().to_owned())))
}

fn toml_value(text: &str, place: &Place) -> Option<Content> {
    let line = format!("value = {text}");
    let table = DeTable::parse(&line).ok()?;
    let entry = document::entries(table.get_ref(), place.source).into_iter().next()?;
    let mut node = entry.node;
    put_at(&mut node, place);
    Some(node.content)
}

/// Gives every part the place of the whole override.
fn put_at(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.content {
        Content::Array(items) => items.iter_mut().for_each(|item| put_at(item, place)),
        Content::Table(entries) => entries.iter_mut().for_each(|entry| {
            entry.key_place = place.clone();
            put_at(&mut entry.node, place);
        }),
        Content::Scalar(_) => {}
    }
}

fn insert(entries: &mut Vec<Entry>, path: &[String], place: &Place, node: Node) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let same = |entry: &&mut Entry| entry.key == *first || schema::short_name(&entry.key) == first;
    let entry = match entries.iter_mut().find(same) {
        Some(entry) => entry,
        None => {
            let empty = Node { place: place.clone(), content: Content::Table(Vec::new()) };
            entries.push(Entry { key: first.clone(), key_place: place.clone(), node: empty });
            entries.last_mut()?
        }
    };
    if rest.is_empty() {
        entry.node = node;
        return Some(());
    }
    match &mut entry.node.content {
        Content::Table(inner) => insert(inner, rest, place, node),
        _ => None,
    }
}

fn remove(entries: &mut Vec<Entry>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    let Some(at) = entries.iter().position(|entry| entry.key == *first || schema::short_name(&entry.key) == first)
    else {
        return false;
    };
    if rest.is_empty() {
        entries.remove(at);
        return true;
    }
    match &mut entries[at].node.content {
        Content::Table(inner) => remove(inner, rest),
        _ => false,
    }
}
