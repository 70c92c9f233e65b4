//! What the runs share: the data's fingerprint and every setting that is the same in all of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::aggregate::Sweep;
use crate::domain::axis_text;

/// Settings that say where files lie: they are not part of a run's identity, and no page needs a machine's paths.
const PATHS: [&str; 4] = ["data.images", "data.masks", "data.groups.file", "split.file"];

/// The fingerprints of the runs' data, normally one.
pub fn fingerprint(sweep: &Sweep) -> String {
    let known: BTreeSet<&str> =
        sweep.runs.iter().filter_map(|run| run.file.as_ref()).map(|file| file.fingerprint.as_str()).collect();
    known.into_iter().collect::<Vec<_>>().join(", ")
}

/// Dotted keys with their values, in the order of the settings.
pub fn shared_settings(sweep: &Sweep) -> Vec<(String, String)> {
    let mut files = sweep.runs.iter().filter_map(|run| run.file.as_ref());
    let settings = |file: &crate::store::RunFile| {
        let mut flat = Vec::new();
        flatten("", &serde_json::to_value(&file.config).unwrap_or_default(), &mut flat);
        flat
    };
    let Some(mut shared) = files.next().map(settings) else { return Vec::new() };
    for file in files {
        let other: BTreeSet<(String, String)> = settings(file).into_iter().collect();
        shared.retain(|setting| other.contains(setting));
    }
    shared.retain(|(key, _)| !PATHS.contains(&key.as_str()));
    shared
}

fn flatten(key: &str, value: &Value, flat: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, flat);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(place, item)| flatten(&format!("{key}.{place}"), item, flat));
        }
        Value::Array(items) => {
            flat.push((key.to_owned(), items.iter().map(axis_text).collect::<Vec<_>>().join(", ")));
        }
        other => flat.push((key.to_owned(), axis_text(other))),
    }
}
