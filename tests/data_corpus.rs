//! A corpus that Pillow and tifffile write (tests/corpus/make.py): good files are read as NumPy reads them, and each
//! bad one is named with its cause.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail and say why it was skipped")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Instant,
};

use serde::Deserialize;
use sweepscope::{
    data::{Dataset, Prepared},
    domain::{DataConfig, Split},
};

#[derive(Deserialize)]
struct Case {
    config: DataConfig,
    images: Vec<Expected>,
    tolerance: f32,
}

#[derive(Deserialize)]
struct Expected {
    name: String,
    channels: usize,
    file: String,
}

/// The corpus, made once; `None`, with a line that says so, without Python 3 with Pillow, tifffile and imagecodecs.
fn corpus() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let corpus = folder.path().join("corpus");
        let python = std::env::var("SWEEPSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/make.py");
        let packages = Command::new(&python).args(["-c", "import numpy, PIL, tifffile, imagecodecs"]).output();
        if !packages.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: {python} with numpy, Pillow, tifffile and imagecodecs is not there");
            return None;
        }
        let made = Command::new(&python).arg("-B").arg(script).arg(&corpus).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some((folder, corpus))
    };
    FOLDER.get_or_init(make).as_ref().map(|(_, corpus)| corpus.as_path())
}

fn case(folder: &Path) -> Case {
    let mut case: Case = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
    let config = &mut case.config;
    let or = |path: &PathBuf, default: &str| {
        folder.join(if path.as_os_str().is_empty() { default.as_ref() } else { path.as_path() })
    };
    (config.images, config.masks) = (or(&config.images, "images"), or(&config.masks, "masks"));
    config.pairs.iter_mut().for_each(|pairs| pairs.file = folder.join(&pairs.file));
    case
}

#[test]
fn every_form_is_read_as_numpy_reads_it() {
    let Some(corpus) = corpus() else { return };
    let mut wrong = Vec::new();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(corpus.join("good")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() > 60, "{}", folders.len());
    for folder in folders {
        if let Err(why) = compare(&folder) {
            wrong.push(format!("{}: {why}", folder.file_name().unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(folder: &Path) -> Result<(), String> {
    let Case { config, images, tolerance } = case(folder);
    let dataset = Dataset::open(&config).map_err(|e| e.to_string())?;
    let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
    if dataset.names() != names.as_slice() {
        return Err(format!("{:?} instead of {names:?}", dataset.names()));
    }
    let prepared = Prepared::load(&dataset, &config, &vec![Split::Train; names.len()]).map_err(|e| e.to_string())?;
    for (i, image) in images.iter().enumerate() {
        let bytes = fs::read(folder.join(format!("{}.values", image.file))).unwrap();
        let values: Vec<f32> = bytes.chunks_exact(4).map(|v| f32::from_le_bytes(v.try_into().unwrap())).collect();
        if prepared.channels() != image.channels || prepared.image(i).len() != values.len() {
            return Err(format!("{} channels instead of {}", prepared.channels(), image.channels));
        }
        let off = prepared.image(i).iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if off > tolerance {
            return Err(format!("{}: values are off by {off}", image.name));
        }
        let labels = fs::read(folder.join(format!("{}.labels", image.file))).unwrap();
        if prepared.native(i).labels != labels {
            let wrong = prepared.native(i).labels.iter().zip(&labels).filter(|(a, b)| a != b).count();
            return Err(format!("{}: {wrong} labels differ", image.name));
        }
    }
    Ok(())
}

#[test]
fn every_malformed_file_is_named_with_its_cause() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("bad");
    let wrong: BTreeSet<String> = serde_json::from_slice(&fs::read(folder.join("wrong.json")).unwrap()).unwrap();
    assert!(wrong.len() >= 60, "{}", wrong.len());
    let config = DataConfig {
        images: folder.join("images"),
        masks: folder.join("masks"),
        classes: serde_json::from_str(r#"[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"}]"#).unwrap(),
        ..DataConfig::default()
    };
    let started = Instant::now();
    let errors = Dataset::open(&config).unwrap_err();
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    let named: BTreeSet<String> =
        errors.0.iter().map(|e| e.file.strip_prefix(&folder).unwrap().display().to_string()).collect();
    // The masks of images that are no files belong to no image: they are named as well.
    let lonely = ["folder", "dangling", "pipe"].map(|name| format!("masks/{name}.png"));
    let named: BTreeSet<String> = named.into_iter().filter(|name| !lonely.contains(name)).collect();
    let missed: Vec<_> = wrong.difference(&named).collect();
    let blamed: Vec<_> = named.difference(&wrong).collect();
    assert!(missed.is_empty() && blamed.is_empty(), "not named: {missed:?}\nwrongly named: {blamed:?}\n{errors}");
    assert!(errors.0.iter().all(|error| !error.cause.to_string().is_empty() && !error.mend().is_empty()));
    let peak = fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    assert!(peak.parse::<u64>().unwrap() < 2 << 20, "{peak} kB");
}

#[test]
fn masks_that_do_not_tell_where_nothing_is_are_named() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("bad-objects");
    let config = DataConfig {
        images: folder.join("images"),
        masks: folder.join("masks"),
        classes: serde_json::from_str(r#"[{"name":"rest"},{"name":"cell"}]"#).unwrap(),
        instances: true,
        ..DataConfig::default()
    };
    let errors = Dataset::open(&config).unwrap_err();
    let told: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("inverted.png") && told[0].contains("palette"), "{told:?}");
    assert!(told[1].contains("nan.tif") && told[1].contains("not finite"), "{told:?}");
}
