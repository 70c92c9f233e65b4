//! What the tests of the whole program share: a folder of synthetic images, sweep files, and the program itself.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rustix::process::Pid;

/// The program, ready for its arguments, in `folder`.
pub fn sweepscope(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sweepscope"));
    command.current_dir(folder).env("SWEEPSCOPE_CACHE", folder.join("cache"));
    command
}

/// Runs the program to its end.
pub fn call(folder: &Path, arguments: &[&str]) -> Output {
    sweepscope(folder).args(arguments).output().unwrap()
}

/// What it wrote to stdout and stderr.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Fails with what the program said unless it ended with `code`.
#[track_caller]
pub fn expect_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
}

/// A folder with synthetic images in `data/` and a small sweep in `sweep.toml`: 2 learning rates × 2 seeds, 4 epochs.
pub fn small_sweep(folder: &Path) -> PathBuf {
    expect_code(&call(folder, &["data", "synth", "data", "--images", "24", "--seed", "7"]), 0);
    let file = folder.join("sweep.toml");
    fs::write(&file, SMALL_SWEEP).unwrap();
    file
}

/// A sweep whose runs take about a second each.
pub const SMALL_SWEEP: &str = r#"
[sweep]
name = "small"
[data]
images = "data/images"
masks = "data/masks"
input_size = 32
classes = ["background", "cell", "vesicle", "crystal", "fibre"]
background = "background"
[split]
strategy = "random"
allow_missing_class = true
[grid]
learning_rate = [1e-2, 1e-3]
split_seed = [0, 1]
[model]
base_width = 2
depth = 2
[train]
epochs = 4
batch_size = 4
"#;

/// A folder with a few images in `data/` and in `sweep.toml` a sweep of `rates` × `seeds` runs of `epochs` epochs of an
/// outside trainer: `command` as TOML, and more sections in `more`.
pub fn outside_sweep(folder: &Path, [rates, seeds, epochs]: [usize; 3], command: &str, more: &str) {
    expect_code(&call(folder, &["data", "synth", "data", "--images", "6", "--seed", "7"]), 0);
    let rates: Vec<String> = (1..=rates).map(|rate| format!("{rate}e-3")).collect();
    let seeds: Vec<String> = (0..seeds).map(|seed| seed.to_string()).collect();
    let text = format!(
        r#"
[sweep]
name = "outside"
[data]
images = "data/images"
masks = "data/masks"
input_size = 32
classes = ["background", "cell", "vesicle", "crystal", "fibre"]
background = "background"
[split]
strategy = "random"
allow_missing_class = true
[grid]
learning_rate = [{rates}]
split_seed = [{seeds}]
[train]
epochs = {epochs}
batch_size = 1
[trainer]
command = {command}
{more}
"#,
        rates = rates.join(", "),
        seeds = seeds.join(", "),
    );
    fs::write(folder.join("sweep.toml"), text).unwrap();
}

/// The command of a trainer script of these tests, as TOML.
pub fn trainer_script(script: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    format!("[\"{}\", \"{{learning_rate}}\", \"{{split_seed}}\", \"{{train.epochs}}\"]", script.display())
}

/// Every file below `folder` whose name is one of `names`, with its bytes.
pub fn contents(folder: &Path, names: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if names.contains(&entry.file_name().to_string_lossy().as_ref()) {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Processes whose parent is `parent`.
pub fn children_of(parent: u32) -> Vec<Pid> {
    processes(|status, _| status.lines().any(|line| *line == format!("PPid:\t{parent}")))
}

/// Processes whose status (as /proc gives it) and command line are as wanted.
pub fn processes(wanted: impl Fn(&str, &str) -> bool) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw) else { continue };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if wanted(&status, &command) {
            found.push(pid);
        }
    }
    found
}
