//! The commands as a user types them: what they answer, what they refuse, and what they leave untouched.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may end at the first surprise, and says what it skips"
)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use common::{SMALL_SWEEP, call, expect_code, said, small_sweep, sweepscope};
use image::{GrayImage, Luma};

/// Every file below a folder, by name and size, so that a change shows.
fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(listing(&path))
        } else {
            found.push((path.clone(), path.metadata().unwrap().len()))
        }
    }
    found.sort();
    found
}

#[test]
fn a_broken_sweep_file_ends_with_2_names_every_line_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "[data]\nimages = \"nowhere\"\nmasks = \".\"\nclasses = [\"background\", \"cell\"]\ncolour = 1\n\
                [grid]\nlearning_rate = []\nbatch_size = [4, -4]\nsplit_seed = [0, \"one\"]\n[train]\nepochs = 2.5\n";
    fs::write(folder.join("broken.toml"), text).unwrap();
    let before = listing(folder);
    for command in ["run", "plan"] {
        let output = call(folder, &[command, "broken.toml"]);
        expect_code(&output, 2);
        let said = said(&output);
        for line in [2, 5, 7, 8, 9, 11] {
            assert!(said.contains(&format!("broken.toml:{line}:")), "no line {line} in\n{said}");
        }
        assert!(said.contains("6 problems") && said.contains("nothing was written"), "{said}");
        assert!(output.stdout.is_empty());
    }
    fs::write(folder.join("torn.toml"), "[data\nimages = 1\n").unwrap();
    let output = call(folder, &["run", "torn.toml"]);
    expect_code(&output, 2);
    assert!(said(&output).contains("torn.toml:1:"), "{}", said(&output));
    fs::remove_file(folder.join("torn.toml")).unwrap();
    assert_eq!(listing(folder), before, "something was written");
}

#[test]
fn no_command_takes_a_number_of_runs_that_no_machine_has_use_for() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&["plan", "sweep.toml"], &["run", "sweep.toml"], &["resume", "results"], &["devices", "--json"]] {
        for jobs in ["0", "1025", "100000000000"] {
            let output = call(folder.path(), &[command.as_slice(), &["-j", jobs]].concat());
            expect_code(&output, 2);
            assert!(said(&output).contains("1..=1024"), "{}", said(&output));
        }
    }
}

#[test]
fn a_duplicate_cell_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let output = call(folder, &["run", "sweep.toml", "grid.split_seed=0,0"]);
    expect_code(&output, 2);
    assert!(said(&output).contains("the axis split_seed has 0 twice"), "{}", said(&output));
    assert!(!folder.join("results").exists());
}

#[test]
fn a_file_in_the_place_of_a_folder_and_a_pattern_that_fits_nothing_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    fs::write(folder.join("taken"), "").unwrap();
    let output = call(folder, &["run", "sweep.toml", "--results", "taken"]);
    expect_code(&output, 2);
    assert!(said(&output).contains("name another folder by --results"), "{}", said(&output));
    let output = call(folder, &["plan", "sweep.toml", "data.image_name=\"{stem}_ch00\""]);
    expect_code(&output, 2);
    assert!(
        said(&output).contains("fits data.image_name") && said(&output).contains(" {stem} is"),
        "{}",
        said(&output)
    );
    assert_eq!(said(&output).trim().lines().count(), 1, "the masks are not told of one by one: {}", said(&output));
}

#[test]
fn every_bad_file_of_the_data_is_named_and_nothing_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let mut images: Vec<_> =
        fs::read_dir(folder.join("data/images")).unwrap().flatten().map(|e| e.file_name()).collect();
    images.sort();
    let name = |i: usize| images[i].to_string_lossy().into_owned();
    let mask = |i: usize| folder.join("data/masks").join(&images[i]);
    fs::remove_file(mask(0)).unwrap();
    fs::write(folder.join("data/images").join(&images[1]), b"not an image").unwrap();
    GrayImage::from_pixel(96, 96, Luma([77])).save(mask(2)).unwrap();
    GrayImage::from_pixel(10, 96, Luma([0])).save(mask(3)).unwrap();
    let output = call(folder, &["run", "sweep.toml"]);
    expect_code(&output, 2);
    let said = said(&output);
    for (i, cause) in [(0, "mask"), (1, ""), (2, "77"), (3, "10")] {
        let line = said.lines().find(|line| line.contains(&name(i)));
        assert!(line.is_some_and(|line| line.contains(cause)), "{} with {cause} is not named in\n{said}", name(i));
    }
    assert!(!folder.join("results/small/runs").exists(), "something was trained");
}

#[test]
fn plan_changes_nothing_and_tells_the_same_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let before = listing(folder);
    let plan = call(folder, &["plan", "sweep.toml", "train.epochs=3"]);
    expect_code(&plan, 0);
    assert!(said(&plan).contains("4 runs: 4 new"), "{}", said(&plan));
    let json = call(folder, &["plan", "sweep.toml", "--json"]);
    expect_code(&json, 0);
    let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(answer["runs"].as_array().unwrap().len(), 4);
    assert_eq!(answer["runs"][0]["action"], "new");
    let dry = call(folder, &["run", "sweep.toml", "--dry-run"]);
    expect_code(&dry, 0);
    assert_eq!(listing(folder), before, "plan wrote something");
}

#[test]
fn resume_goes_on_from_the_results_folder_alone_and_report_names_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    expect_code(&call(folder, &["run", "sweep.toml", "train.epochs=2"]), 0);
    fs::remove_file(folder.join("sweep.toml")).unwrap();
    let again = call(folder, &["resume", "results/small"]);
    expect_code(&again, 0);
    assert!(said(&again).contains("nothing to do: 4 runs done"), "{}", said(&again));
    let report = call(folder, &["report", "results/small", "--json"]);
    expect_code(&report, 0);
    let answer: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert!(folder.join(answer["page"].as_str().unwrap()).is_file(), "{answer}");
    assert!(answer["lines"].as_array().unwrap().len() >= 3, "{answer}");
    let wrong = call(folder, &["resume", "data"]);
    expect_code(&wrong, 2);
    assert!(said(&wrong).contains("holds no sweep.toml"), "{}", said(&wrong));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let mut child = sweepscope(folder).args(["plan", "sweep.toml"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_class_that_a_split_lacks_is_refused_unless_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let mut masks: Vec<_> = fs::read_dir(folder.join("data/masks")).unwrap().flatten().map(|e| e.path()).collect();
    masks.sort();
    // The last class is left in one image alone.
    for path in &masks[1..] {
        let mut mask = image::open(path).unwrap().into_luma8();
        mask.pixels_mut().filter(|pixel| pixel.0[0] == 4).for_each(|pixel| pixel.0[0] = 0);
        mask.save(path).unwrap();
    }
    let mut first = image::open(&masks[0]).unwrap().into_luma8();
    first.put_pixel(0, 0, Luma([4]));
    first.save(&masks[0]).unwrap();
    let strict = SMALL_SWEEP.replace("allow_missing_class = true\n", "");
    fs::write(folder.join("strict.toml"), strict).unwrap();
    let output = call(folder, &["run", "strict.toml"]);
    expect_code(&output, 2);
    assert!(said(&output).contains("fibre"), "{}", said(&output));
    expect_code(&call(folder, &["run", "sweep.toml", "train.epochs=1"]), 0);
}

#[test]
fn other_weights_to_start_from_make_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let settings = ["sweep.toml", "grid.split_seed=0", "train.epochs=1"];
    expect_code(&call(folder, &[&["run"], settings.as_slice()].concat()), 0);
    let runs: Vec<String> = listing(&folder.join("results/small/runs"))
        .into_iter()
        .filter(|(path, _)| path.ends_with("run.toml"))
        .map(|(path, _)| path.parent().unwrap().to_string_lossy().into_owned())
        .collect();
    let export = |run: &str, more: &[&str]| {
        expect_code(&call(folder, &[&["export", run, "--out", "start.safetensors"], more].concat()), 0);
    };
    let from_weights = ["grid.learning_rate=1e-2", "model.pretrained=start.safetensors"];
    let plan = || said(&call(folder, &[&["plan"], settings.as_slice(), &from_weights].concat()));
    export(&runs[0], &[]);
    expect_code(&call(folder, &[&["run"], settings.as_slice(), &from_weights].concat()), 0);
    assert!(plan().contains("1 run: 1 done"), "{}", plan());
    export(&runs[1], &["--overwrite"]);
    assert!(plan().contains("1 run: 1 new"), "{}", plan());
    // Fewer classes than the weights were trained for: the log says that the last layer starts fresh.
    let fewer = [from_weights[0], from_weights[1], "data.keep=[\"cell\"]"];
    expect_code(&call(folder, &[&["run"], settings.as_slice(), &fewer].concat()), 0);
    let logs: String = listing(&folder.join("results/small/runs"))
        .into_iter()
        .filter(|(path, _)| path.ends_with("worker.log"))
        .map(|(path, _)| fs::read_to_string(path).unwrap())
        .collect();
    assert_eq!(
        logs.matches("the last layer starts fresh; the file's classes are background, cell").count(),
        1,
        "{logs}"
    );
}

#[test]
fn a_shell_accepts_the_script_that_completes_commands() {
    let folder = tempfile::tempdir().unwrap();
    let output = call(folder.path(), &["completions", "bash"]);
    expect_code(&output, 0);
    fs::write(folder.path().join("script"), &output.stdout).unwrap();
    let ask = "source ./script; COMP_WORDS=(sweepscope sta); COMP_CWORD=1; _sweepscope sweepscope sta sweepscope; \
               echo ${COMPREPLY[@]}";
    match std::process::Command::new("bash").current_dir(folder.path()).args(["--norc", "-c", ask]).output() {
        Ok(bash) => assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "status"),
        Err(_) => println!("skipped: no bash to try the script in"),
    }
}
