//! evidence.csv of a real training against the run's other tables, and a planted copy.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::{fs, sync::atomic::AtomicBool};

use sweepscope::{
    data::synth,
    domain::{ClassRow, ClassSpec, EpochRow, EvidenceRow, InputSize, RunConfig, RunId, Split, SplitRow, SplitStrategy},
    store::{RunDir, RunFile, read_rows, write_rows},
    worker::{self, Device, Outcome},
};

const CLASSES: [&str; 5] = ["background", "cell", "vesicle", "crystal", "fibre"];

/// Trains a small network on images scaled to a third; one validation image is a training image under another name.
fn trained() -> (tempfile::TempDir, RunDir) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synth::write(&data, synth::Options { images: 20, ..synth::Options::default() }).unwrap();
    for kind in ["images", "masks"] {
        fs::copy(data.join(kind).join("field-000.png"), data.join(kind).join("copy.png")).unwrap();
    }
    let split = |place: usize| if place < 12 { Split::Train } else { Split::Val };
    let mut rows: Vec<SplitRow> = (0..20)
        .map(|place| SplitRow { image: format!("field-{place:03}.png"), group: String::new(), split: split(place) })
        .collect();
    rows.push(SplitRow { image: "copy.png".into(), group: String::new(), split: Split::Val });
    write_rows(&data.join("split.csv"), &rows).unwrap();

    let mut config = RunConfig::default();
    config.data.images = data.join("images");
    config.data.masks = data.join("masks");
    config.data.classes = CLASSES.map(|name| ClassSpec { name: name.into(), value: None, color: None }).to_vec();
    config.data.background = Some("background".into());
    config.data.input_size = InputSize([32, 32]);
    config.split.strategy = SplitStrategy::File;
    config.split.file = Some(data.join("split.csv"));
    config.split.allow_missing_class = true;
    config.model.base_width = 4;
    config.model.depth = 3;
    config.train.epochs = 6;
    config.train.batch_size = 4;
    config.train.learning_rate = 1e-2;
    let run = RunDir::new(folder.path().join("run"));
    fs::create_dir_all(run.root()).unwrap();
    let id = RunId::of(&config, "made up");
    RunFile { id, fingerprint: "made up".into(), axes: Default::default(), scale: None, config }.write(&run).unwrap();
    let outcome = worker::run(&run, Device::Cpu, 1, &AtomicBool::new(false), &mut |_| ()).unwrap();
    assert_eq!(outcome, Outcome::Completed);
    (folder, run)
}

#[test]
fn evidence_agrees_with_the_tables_and_names_the_copy() {
    let (_folder, run) = trained();
    let best = run.read_state().unwrap().best_epoch;
    let rows: Vec<EvidenceRow> = read_rows(&run.evidence_csv()).unwrap();
    assert!(rows.iter().all(|row| row.epoch == best));
    let of = |split: Split, figure: &str| {
        let figure = figure.to_owned();
        rows.iter().filter(move |row| row.split == split && row.figure == figure).collect::<Vec<_>>()
    };
    let classes: Vec<ClassRow> = read_rows(&run.classes_csv()).unwrap();
    let epochs: Vec<EpochRow> = read_rows(&run.epochs_csv()).unwrap();
    for split in [Split::Train, Split::Val] {
        let confusion = of(split, "confusion");
        assert_eq!(confusion.len(), CLASSES.len() * CLASSES.len());
        for row in classes.iter().filter(|row| row.epoch == best && row.split == split) {
            let sum = |keep: &dyn Fn(&EvidenceRow) -> bool| {
                confusion.iter().filter(|cell| keep(cell)).map(|cell| cell.value as u64).sum::<u64>()
            };
            assert_eq!(sum(&|cell| cell.class == row.class && cell.other == row.class), row.tp);
            assert_eq!(sum(&|cell| cell.class == row.class && cell.other != row.class), row.fn_);
            assert_eq!(sum(&|cell| cell.class != row.class && cell.other == row.class), row.fp);
        }
        let [entropy, ece] = ["entropy", "ece"].map(|figure| of(split, figure)[0].value);
        assert!(entropy > 0.0 && entropy < 1.0 && ece > 0.0 && ece < 1.0, "{entropy} {ece}");
        // The bins' gaps, weighted by their pixels, are the calibration error.
        let bins = of(split, "bin_pixels").into_iter().zip(of(split, "bin_confidence")).zip(of(split, "bin_accuracy"));
        let (mut pixels, mut off) = (0.0, 0.0);
        for ((count, confidence), accuracy) in bins {
            pixels += count.value;
            off += count.value * (confidence.value - accuracy.value).abs();
        }
        assert!((off / pixels - ece).abs() < 1e-9);
        assert!(of(split, "resize_ceiling").iter().all(|row| row.value < 1.0), "a third of the size loses something");
    }
    let precise = of(Split::Val, "precise_bn_dice_macro")[0].value;
    let running = epochs.iter().find(|row| row.epoch == best && row.split == Split::Val).unwrap();
    assert!((precise - running.dice_macro.unwrap()).abs() < 0.5, "{precise} {running:?}");
    let copies: Vec<_> =
        of(Split::Val, "same_image").iter().map(|row| (row.class.clone(), row.other.clone())).collect();
    assert_eq!(copies, [("copy.png".to_owned(), "field-000.png".to_owned())]);
    assert_eq!(of(Split::Val, "similar_image"), [] as [&EvidenceRow; 0]);
}
