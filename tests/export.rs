//! What leaves a sweep for other programs: weights in PyTorch, TensorBoard's event files, tables in pandas.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may end at the first surprise")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use burn::{backend::Flex, prelude::*};
use common::{SMALL_SWEEP, call, expect_code, said, small_sweep};
use rand::RngExt;
use sweepscope::{
    data::{ClassList, input},
    domain::seed,
    model::{UNet, pretrained, weights},
    store::{RunDir, RunFile},
    train::Predictor,
};

/// A finished sweep over both heads and both norms with two splits each, its report and its event files.
fn sweep() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let file = small_sweep(folder.path());
        let axes = "\"model.head\" = [\"plain\", \"keras\"]\n\"model.norm\" = [\"batch\", \"group\"]";
        let text =
            SMALL_SWEEP.replace("learning_rate = [1e-2, 1e-3]", axes).replace("base_width = 2", "base_width = 4");
        fs::write(
            &file,
            text.replace("depth = 2", "depth = 3")
                .replace("input_size = 32", "input_size = 32\nnormalize = \"dataset\""),
        )
        .unwrap();
        expect_code(&call(folder.path(), &["run", "sweep.toml", "train.epochs=3"]), 0);
        expect_code(&call(folder.path(), &["report", "results/small", "--tensorboard"]), 0);
        folder
    };
    FOLDER.get_or_init(make).path()
}

fn runs() -> Vec<PathBuf> {
    let mut runs: Vec<_> =
        fs::read_dir(sweep().join("results/small/runs")).unwrap().map(|e| e.unwrap().path()).collect();
    runs.sort();
    assert_eq!(runs.len(), 8);
    runs
}

/// The Python that has `modules`; `None`, with a line that says so, where there is none.
fn python(modules: &str) -> Option<Command> {
    let python = std::env::var("SWEEPSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
    let works = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if works.is_ok_and(|output| output.status.success()) {
        let mut command = Command::new(python);
        command.arg("-B");
        return Some(command);
    }
    eprintln!("skipped: {python} lacks one of {modules} (set SWEEPSCOPE_PYTHON)");
    None
}

/// What a Python script of the project prints.
fn script(mut python: Command, path: &str, arguments: &[&Path]) -> String {
    let output = python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).args(arguments).output().unwrap();
    expect_code(&output, 0);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn pytorch_gives_the_same_logits_and_masks() {
    let mut worst = (0f32, 0f64);
    for run in runs() {
        let Some(python) = python("torch, safetensors, numpy, PIL") else { return };
        let (logits, pixels) = against_pytorch(python, &run);
        worst = (worst.0.max(logits), worst.1.max(pixels));
    }
    assert!(worst.0 < 1e-4, "logits are off by {}", worst.0);
    assert!(worst.1 < 1e-3, "{} of the pixels differ", worst.1);
    eprintln!("PyTorch's logits are off by {:.1e} at most, {:.1e} of the pixels differ", worst.0, worst.1);
}

/// The largest difference of logits, and the share of pixels of the masks that differ.
fn against_pytorch(python: Command, run: &Path) -> (f32, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, read, write) = (path("unet.safetensors"), path("in.safetensors"), path("out.safetensors"));
    expect_code(&call(sweep(), &["export", run.to_str().unwrap(), "--out", file.to_str().unwrap()]), 0);
    let shape = vec![2, 1, 32, 48];
    let mut generator = seed::generator(3, "export", &[]);
    let values = (0..shape.iter().product()).map(|_| generator.random_range(-2.0..2.0f32)).collect();
    let x = weights::Array { shape, values };
    fs::write(&read, weights::to_bytes(&[("x".to_owned(), x.clone())].into()).unwrap()).unwrap();
    let images: Vec<PathBuf> = (0..3).map(|i| sweep().join(format!("data/images/{}", image_names()[i]))).collect();
    let mut arguments: Vec<&Path> = vec![&file, &read, &write];
    arguments.extend(images.iter().map(PathBuf::as_path));
    script(python, "tests/out/twin.py", &arguments);
    let theirs = weights::from_bytes(&fs::read(write).unwrap()).unwrap();
    let ours = logits(run, &fs::read(&file).unwrap(), x);
    assert_eq!(ours.len(), theirs["logits"].values.len());
    let off = ours.iter().zip(&theirs["logits"].values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let (mut differ, mut pixels) = (0, 0);
    for (number, image) in images.iter().enumerate() {
        let ours = mask(run, image);
        let theirs = &theirs[&format!("mask-{number}")].values;
        pixels += theirs.len();
        differ += ours.iter().zip(theirs).filter(|(a, b)| f32::from(**a) != **b).count();
    }
    (off, differ as f64 / pixels as f64)
}

fn image_names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(sweep().join("data/images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Logits of the network that the exported bytes make here.
fn logits(run: &Path, exported: &[u8], x: weights::Array) -> Vec<f32> {
    let config = RunFile::read(&RunDir::new(run)).unwrap().config;
    let fresh = UNet::<Flex>::new(&config.model, 1, 5, 99, &Default::default());
    let classes = ClassList::of(&config.data).unwrap().names;
    let (network, why_fresh) = pretrained::load(fresh, exported, &classes).unwrap();
    assert_eq!(why_fresh, None);
    let x = Tensor::<Flex, 4>::from_data(TensorData::new(x.values, x.shape), &Default::default());
    network.forward_evaluate(x).into_data().iter().collect()
}

/// The mask that the run's own checkpoint gives.
fn mask(run: &Path, image: &Path) -> Vec<u8> {
    let run = RunDir::new(run);
    let predictor = Predictor::open(&run).unwrap();
    let file = RunFile::read(&run).unwrap();
    let (values, native) = input(image, 0, predictor.channels(), &file.config.data, file.scale).unwrap();
    predictor.labels(&values, file.config.data.input_size.0, native)
}

#[test]
fn what_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = call(folder.path(), &["export", ".", "--out", "a.safetensors"]);
    expect_code(&output, 2);
    assert!(said(&output).contains("is no run"), "{}", said(&output));
}

#[test]
fn tensorboard_reads_every_scalar_and_panel() {
    let Some(python) = python("tensorboard, pandas") else { return };
    let said = script(python, "tests/out/scalars.py", &[&sweep().join("results/small")]);
    // 8 runs × 3 epochs × (train, val) × (7 figures + 5 classes × up to 4), less what is not defined.
    let count: usize = said.split_whitespace().next().unwrap().parse().unwrap();
    assert!(count > 8 * 3 * 2 * 12 && count <= 8 * 3 * 2 * 27, "{said}");
    assert!(said.contains("24 panels"), "{said}");
    eprintln!("{said}");
}

#[test]
fn pandas_gives_the_reports_main_table() {
    let Some(python) = python("pandas") else { return };
    let results = sweep().join("results/small");
    let text = script(python, "examples/analyse.py", &[&results]);
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).filter(|row| row.len() > 1).collect();
    let page = fs::read_to_string(results.join("report/index.html")).unwrap();
    let section = page.split_once(r#"<section id="settings">"#).unwrap().1.split_once("</section>").unwrap().0;
    let body = section.split_once("<tbody>").unwrap().1;
    let shown: Vec<&str> = body.split("<tr").skip(1).collect();
    assert_eq!((rows.len(), shown.len()), (4, 4), "{text}");
    for (row, shown) in rows.iter().zip(shown) {
        let (mean, deviation): (f64, f64) = (row[2].parse().unwrap(), row[3].parse().unwrap());
        let (sort, rest) = shown.split_once("data-sort=\"").unwrap().1.split_once("\">").unwrap();
        assert!((mean - sort.parse::<f64>().unwrap()).abs() < 1e-12, "{mean}: {shown}");
        let spread = rest.split_once(" ± ").unwrap().1.split_once('<').unwrap().0;
        let digits = spread.split_once('.').unwrap().1.len();
        assert_eq!(format!("{deviation:.digits$}"), spread, "{shown}");
        assert!(shown.contains(&row[0]) && shown.contains(&row[1]) && &row[5] == "2", "{row:?}: {shown}");
    }
}
