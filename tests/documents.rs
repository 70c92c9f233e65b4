//! The documents name what the program has: every key of the sweep file with its default, every column of each table.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;

use std::{collections::BTreeMap, fs, path::Path};

use common::{call, expect_code, small_sweep};
use serde_json::{Value, json};
use sweepscope::{
    domain::{EarlyEnd, EarlyStopping, RunConfig, ScheduleConfig, SlurmConfig},
    spec::schema::{self, Kind},
    store::SweepDir,
};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The keys that docs/settings.md explains, with the cells of their rows: key, values, default, axis, what it does.
fn documented() -> Vec<(String, Vec<String>)> {
    let text = document("settings.md");
    let mut section = "";
    let mut rows = Vec::new();
    for line in text.lines() {
        if line.starts_with('#') {
            section = line.strip_prefix("## `[").and_then(|rest| rest.strip_suffix("]`")).unwrap_or_default();
        } else if let (false, Some(row)) = (section.is_empty(), line.strip_prefix("| `")) {
            let row = row.trim_end().trim_end_matches('|');
            let cells: Vec<String> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
            rows.push((format!("{section}.{}", cells[0].trim_end_matches('`')), cells));
        }
    }
    rows
}

#[test]
fn every_key_of_the_sweep_file_is_explained_and_no_other() {
    let rows = documented();
    let named: Vec<&str> = rows.iter().map(|(key, _)| key.as_str()).collect();
    let keys: Vec<&str> = schema::KEYS.iter().map(|key| key.path).collect();
    let missing: Vec<&str> = keys.iter().copied().filter(|key| !named.contains(key)).collect();
    let unknown: Vec<&str> = named.iter().copied().filter(|key| !keys.contains(key)).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "docs/settings.md lacks {missing:?} and has {unknown:?}");
    assert_eq!(named.len(), keys.len(), "a key of docs/settings.md has two rows");
    let text = document("settings.md");
    for section in schema::children("") {
        assert!(text.contains(&format!("[{section}]")), "docs/settings.md does not name [{section}]");
    }
}

#[test]
fn defaults_words_and_axes_are_those_of_the_program() {
    let defaults = defaults();
    for (path, cells) in documented() {
        let [_, values, default, axis, what] = cells.as_slice() else { unreachable!("{path} has {cells:?}") };
        assert!(!values.is_empty() && !what.is_empty(), "{path} is not explained");
        let key = schema::find(&path).unwrap();
        assert_eq!(axis == "yes", key.axis, "{path} as an axis");
        if let Kind::Choice(words) = key.kind {
            for word in words {
                assert!(values.contains(&format!("`\"{word}\"`")), "{path} may be {word}, which is not documented");
            }
        }
        let known = defaults.pointer(&format!("/{}", path.replace('.', "/")));
        assert!(is_default(default, known), "the default of {path} is {known:?} and not {default}");
    }
}

/// What the program takes where a sweep file says nothing, section by section.
fn defaults() -> Value {
    let mut config = RunConfig::default();
    config.train.early_stopping = Some(EarlyStopping::default());
    let schedule = ScheduleConfig { early_end: Some(EarlyEnd::default()), ..ScheduleConfig::default() };
    let mut defaults = serde_json::to_value(&config).unwrap();
    defaults["schedule"] = serde_json::to_value(schedule).unwrap();
    defaults["slurm"] = serde_json::to_value(SlurmConfig::default()).unwrap();
    // These are no settings of a run.
    defaults["sweep"] = json!({ "monitor": config.monitor, "order": "replicates_first" });
    defaults["data"]["synthetic"] = json!(false);
    defaults
}

/// Whether a documented default is the program's: code holds its value, words say that it has none.
fn is_default(documented: &str, default: Option<&Value>) -> bool {
    let Some(code) = documented.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
        let is_none = match default {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(_) => false,
        };
        return is_none && !documented.is_empty();
    };
    let table: toml::Table = toml::from_str(&format!("value = {code}")).unwrap();
    let value = serde_json::to_value(&table["value"]).unwrap();
    match (value.as_f64(), default.and_then(Value::as_f64)) {
        (Some(documented), Some(default)) => documented == default,
        _ => default == Some(&value),
    }
}

#[test]
fn every_column_of_every_table_is_explained_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let smaller = ["grid.learning_rate=1e-2", "grid.split_seed=0", "train.epochs=2"];
    expect_code(&call(folder, &[&["run", "sweep.toml"], smaller.as_slice()].concat()), 0);
    expect_code(&call(folder, &["test", "results/small", "learning_rate=1e-2"]), 0);
    let sweep = SweepDir::new(folder.join("results/small"));
    let run = sweep.run(sweep.run_names().iter().next().unwrap());
    let run_folder = run.root().to_string_lossy().into_owned();
    expect_code(&call(folder, &["predict", run_folder.as_str(), "data/images", "--out", "masks"]), 0);
    let with_axes = [sweep.runs_csv(), sweep.metrics_csv()];
    let without = [
        sweep.test_csv(),
        sweep.findings_csv(),
        run.epochs_csv(),
        run.classes_csv(),
        run.images_csv(),
        run.evidence_csv(),
        run.split_csv(),
        run.timing_csv(),
        folder.join("masks/predictions.csv"),
        folder.join("data/manifest.csv"),
    ];
    let mut explained = explained();
    for path in with_axes.iter().chain(&without) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut written: Vec<String> =
            csv::Reader::from_path(path).unwrap().headers().unwrap().iter().map(str::to_owned).collect();
        if with_axes.contains(path) {
            // Which axes there are, and which figure is best, is the sweep's own.
            written.retain(|column| column != "learning_rate" && column != "split_seed");
            if let Some(best) = written.iter_mut().find(|column| column.starts_with("best_val_")) {
                *best = "best_MONITOR".into();
            }
        }
        assert_eq!(explained.remove(&name), Some(written), "columns of {name} in docs/tables.md");
    }
    assert!(explained.is_empty(), "docs/tables.md explains what is not written: {explained:?}");
}

/// The columns that docs/tables.md explains, by table.
fn explained() -> BTreeMap<String, Vec<String>> {
    let text = document("tables.md");
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut table, mut is_inside) = (None, false);
    for line in text.lines() {
        if line.starts_with('#') {
            table = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`'));
        }
        is_inside = line.starts_with('|') && (is_inside || line == "| column | holds |");
        if let (true, Some(name)) = (is_inside, table) {
            let names = line.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2);
            tables.entry(name.to_owned()).or_default().extend(names.map(str::to_owned));
        }
    }
    tables
}
