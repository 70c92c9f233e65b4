//! Where the runs come from: the data's fingerprint, the machines, every setting that is the same in all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{aggregate::Sweep, words};
use crate::{
    domain::axis_text,
    store::{SweepDir, read_json},
};

/// Settings that say where files lie: they are not part of a run's identity, and no page needs a machine's paths.
const PATHS: [&str; 8] = [
    "data.images",
    "data.masks",
    "data.pairs.file",
    "data.groups.file",
    "split.file",
    "model.pretrained",
    "trainer.folder",
    "trainer.command",
];

/// The fingerprints of the runs' data, normally one.
pub fn fingerprint(sweep: &Sweep) -> String {
    let known: BTreeSet<&str> =
        sweep.runs.iter().filter_map(|run| run.file.as_ref()).map(|file| file.fingerprint.as_str()).collect();
    known.into_iter().collect::<Vec<_>>().join(", ")
}

/// A sentence for each program version, processor, device and number of threads that runs were finished with.
pub fn machines(dir: &SweepDir, sweep: &Sweep) -> Vec<String> {
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for run in &sweep.runs {
        // Only the page's words hang on this file, so one that cannot be read is left out.
        let attempts: Option<Vec<Value>> = read_json(&dir.run(&run.name).environment_json()).ok().flatten();
        let Some(last) = attempts.and_then(|mut attempts| attempts.pop()) else { continue };
        let text = |key: &str| last.get(key).map(axis_text).unwrap_or_default();
        let threads = words::count(text("threads").parse().unwrap_or(1), "thread");
        let what = format!("sweepscope {}, {}, {threads}, {}", text("version"), text("device"), text("processor"));
        *runs.entry(what).or_default() += 1;
    }
    runs.into_iter().map(|(what, count)| format!("{}: {what}", words::count(count, "run"))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{RunConfig, RunId, TrainerConfig},
        report::aggregate::Run,
        store::RunFile,
    };

    #[test]
    fn no_page_names_a_path_of_the_machine() {
        let mut config = RunConfig::default();
        let trainer = TrainerConfig { command: vec!["/secret/python".into()], folder: "/secret/code".into() };
        config.trainer = Some(trainer.into());
        config.model.pretrained = Some("/secret/unet.safetensors".into());
        config.split.file = Some("/secret/split.csv".into());
        let id = RunId::of(&config, "");
        let file = RunFile { id, fingerprint: String::new(), axes: serde_json::Map::new(), scale: None, config };
        let sweep = Sweep { runs: vec![Run { file: Some(file), ..Run::default() }], ..Sweep::default() };
        let shared = shared_settings(&sweep);
        assert!(shared.len() > 20 && shared.iter().all(|(_, value)| !value.contains("/secret")), "{shared:?}");
    }
}
