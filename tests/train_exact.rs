//! A training gives the same bytes at any number of threads, whether it was stopped and resumed or not.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use sweepscope::{
    data::synth,
    domain::{
        ClassRow, ClassSpec, ClassWeights, EarlyStopping, EpochRow, EvidenceRow, Failure, FailureKind, Fractions,
        ImageRow, InputMode, InputSize, LossKind, Norm, Optimizer, Precision, RunConfig, RunId, RunState, Split,
        SplitStrategy,
    },
    model::{self, weights},
    protocol::Message,
    store::{RunDir, RunFile, append_rows, read_rows},
    train::{Predictor, export},
    worker::{self, Device, Outcome},
};

/// A folder with so many images, and the settings of runs on them.
fn with_images(images: usize) -> (tempfile::TempDir, RunConfig) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synth::write(&data, synth::Options { images, ..synth::Options::default() }).unwrap();
    let config = settings(&data);
    (folder, config)
}

/// Settings of a run of a second: 5 epochs with dropout, augmentation, a schedule and two levels.
fn settings(data: &Path) -> RunConfig {
    let class = |name: &str| ClassSpec { name: name.into(), value: None, color: None };
    let mut config = RunConfig::default();
    config.data.images = data.join("images");
    config.data.masks = data.join("masks");
    config.data.classes = ["background", "cell", "vesicle", "crystal", "fibre"].map(class).to_vec();
    config.data.background = Some("background".into());
    config.data.input_size = InputSize([32, 32]);
    config.split.strategy = SplitStrategy::Random;
    config.split.allow_missing_class = true;
    config.split.fractions = Fractions { train: 0.6, val: 0.3, test: 0.1 };
    config.model.base_width = 3;
    config.model.depth = 3;
    config.train.epochs = 5;
    config.train.batch_size = 4;
    config.train.learning_rate = 1e-2;
    config.train.warmup_epochs = 1;
    config.train.gradient_clip = 1.0;
    config.augment.flip = true;
    config.augment.noise = 0.1;
    config
}

/// A fresh run folder for these settings.
fn prepare(folder: &Path, config: &RunConfig) -> RunDir {
    let run = RunDir::new(folder);
    fs::create_dir_all(folder).unwrap();
    let id = RunId::of(config, "made up");
    RunFile { id, fingerprint: "made up".into(), axes: Default::default(), scale: None, config: config.clone() }
        .write(&run)
        .unwrap();
    run
}

/// Runs it until it ends or `stops` says that it shall stop.
fn run_until(run: &RunDir, threads: usize, stops: &mut (dyn FnMut(&Message) -> bool + Send)) -> Outcome {
    let stop = AtomicBool::new(false);
    let mut say = |message: &Message| {
        if stops(message) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    worker::run(run, Device::Cpu, threads, &stop, &mut say).unwrap()
}

/// Runs it and asks it to stop after that many signs of life.
fn run(run: &RunDir, threads: usize, stop_after: usize) -> Outcome {
    let mut signs = 0;
    run_until(run, threads, &mut |message| {
        signs += usize::from(matches!(message, Message::Step { .. } | Message::Checkpoint { .. }));
        signs >= stop_after
    })
}

/// Every file that must be the same.
fn contents(run: &RunDir) -> BTreeMap<String, Vec<u8>> {
    let mut files: Vec<_> =
        [run.epochs_csv(), run.classes_csv(), run.images_csv(), run.evidence_csv(), run.split_csv(), run.run_toml()]
            .to_vec();
    for folder in [run.panels(), run.checkpoints().join("best"), run.checkpoints().join("last")] {
        files.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    let name = |path: &Path| path.strip_prefix(run.root()).unwrap().display().to_string();
    files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

#[track_caller]
fn assert_same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let different: Vec<_> = expected.iter().filter(|(name, bytes)| found[*name] != **bytes).map(|(n, _)| n).collect();
    assert!(different.is_empty(), "{different:?} differ");
}

#[test]
fn threads_and_interruptions_change_no_byte() {
    let (folder, config) = with_images(24);
    let alone = prepare(&folder.path().join("alone"), &config);
    assert_eq!(run(&alone, 1, usize::MAX), Outcome::Completed);
    let expected = contents(&alone);
    assert_eq!(String::from_utf8_lossy(&expected["epochs.csv"]).lines().count(), 1 + 2 * 5);

    let two = prepare(&folder.path().join("two"), &config);
    assert_eq!(run(&two, 2, usize::MAX), Outcome::Completed);
    assert_same(&contents(&two), &expected);

    let stopped = prepare(&folder.path().join("stopped"), &config);
    let mut attempts = 0;
    for stop_after in [1, 2, 4, 3] {
        attempts += 1;
        if run(&stopped, 1 + attempts % 2, stop_after) == Outcome::Completed {
            break;
        }
        assert_eq!(stopped.read_state().unwrap().state, RunState::Stopped);
        // A torn row, as a crash between the tables and state.json would leave.
        let torn = [fs::read(stopped.epochs_csv()).unwrap_or_default(), b"9,train,0.1".to_vec()].concat();
        fs::write(stopped.epochs_csv(), torn).unwrap();
    }
    while run(&stopped, 2, usize::MAX) != Outcome::Completed {}
    assert_same(&contents(&stopped), &expected);
    assert!(stopped.read_state().unwrap().attempts > 3);

    // A damaged newest set: the one before it is taken, and the end is the same.
    let damaged = prepare(&folder.path().join("damaged"), &config);
    let mut state = {
        run(&damaged, 1, usize::MAX);
        damaged.read_state().unwrap()
    };
    // The test images had been looked at.
    let (epochs, classes): (Vec<EpochRow>, Vec<ClassRow>) =
        (read_rows(&damaged.epochs_csv()).unwrap(), read_rows(&damaged.classes_csv()).unwrap());
    append_rows(&damaged.epochs_csv(), &[EpochRow { epoch: 2, split: Split::Test, ..epochs[0].clone() }]).unwrap();
    append_rows(&damaged.classes_csv(), &[ClassRow { epoch: 2, split: Split::Test, ..classes[0].clone() }]).unwrap();
    state.state = RunState::Stopped;
    damaged.write_state(&state).unwrap();
    fs::write(damaged.checkpoints().join("last/model.safetensors"), b"nonsense").unwrap();
    assert_eq!(run(&damaged, 1, usize::MAX), Outcome::Completed);
    assert_same(&contents(&damaged), &expected);
}

#[test]
fn sparse_checkpoints_and_early_stopping_end_with_the_best_and_the_last_epoch() {
    let (folder, mut config) = with_images(24);
    config.train.epochs = 30;
    config.train.checkpoint_every = 4;
    // Hardly any gain counts, so that it ends early.
    config.train.early_stopping = Some(EarlyStopping { patience: 5, min_delta: 0.4, ..EarlyStopping::default() });
    let alone = prepare(&folder.path().join("alone"), &config);
    assert_eq!(run(&alone, 2, usize::MAX), Outcome::Completed);
    let state = alone.read_state().unwrap();
    assert!(state.best_epoch > 0 && state.epoch < 30, "{state:?}");
    assert_eq!(state.checkpoint, state.epoch);
    let epochs: Vec<String> = fs::read_to_string(alone.images_csv()).unwrap().lines().skip(1).map(epoch_of).collect();
    assert_eq!(epochs.first(), Some(&state.best_epoch.to_string()));
    assert_eq!(epochs.last(), Some(&state.epoch.to_string()));
    let stopped = prepare(&folder.path().join("stopped"), &config);
    let stop = |message: &Message| matches!(message, Message::Epoch { epoch, .. } if epoch % 3 == 2);
    let mut attempts = 0;
    while run_until(&stopped, 1, &mut |message| stop(message)) != Outcome::Completed {
        attempts += 1;
        let state = stopped.read_state().unwrap();
        assert_eq!((state.epoch, state.checkpoint), (3 * attempts - 1, 3 * attempts - 1), "no recorded epoch is lost");
        let rows: Vec<EpochRow> = read_rows(&stopped.epochs_csv()).unwrap();
        assert_eq!(rows.last().unwrap().epoch, state.epoch);
    }
    assert!(attempts > 0);
    assert_same(&contents(&stopped), &contents(&alone));
}

#[test]
fn panels_are_ranked_by_the_weights_that_they_show() {
    let (folder, mut config) = with_images(24);
    // A figure and a rate at which the best epoch is not the last.
    config.monitor = "val_dice_coef".parse().unwrap();
    config.train.learning_rate = 0.1;
    config.train.early_stopping = Some(EarlyStopping { restore_best: false, ..EarlyStopping::default() });
    let of_last = prepare(&folder.path().join("of_last"), &config);
    assert_eq!(run(&of_last, 2, usize::MAX), Outcome::Completed);
    let rows: Vec<ImageRow> = read_rows(&of_last.images_csv()).unwrap();
    let panels = |epoch: usize| {
        let mut scores: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let of_epoch = rows.iter().filter(|row| row.epoch == epoch && row.split == Split::Val);
        for (image, dice) in of_epoch.filter(|row| row.class != "background").filter_map(|r| Some((&r.image, r.dice?)))
        {
            scores.entry(image).or_default().push(dice);
        }
        let mean = |dice: &[f64]| dice.iter().sum::<f64>() / dice.len() as f64;
        let mut ranked: Vec<_> = scores.iter().map(|(image, dice)| (mean(dice), image)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let places = [("worst", 0), ("middle", ranked.len() / 2), ("best", ranked.len() - 1)];
        places.map(|(name, place)| format!("{name}-{}", ranked[place].1))
    };
    let state = of_last.read_state().unwrap();
    assert_ne!(panels(state.best_epoch), panels(state.epoch), "{state:?}");
    for panel in panels(state.epoch) {
        assert!(of_last.panels().join(&panel).exists(), "{panel}");
    }
}

#[test]
fn crops_train_and_windows_evaluate_at_the_images_own_size() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synth::write(&data, synth::Options { images: 24, size: [80, 64], ..synth::Options::default() }).unwrap();
    let mut config = settings(&data);
    config.data.input_mode = InputMode::Crop;
    config.train.epochs = 2;
    let one = prepare(&folder.path().join("one"), &config);
    assert_eq!(run(&one, 1, usize::MAX), Outcome::Completed);
    let two = prepare(&folder.path().join("two"), &config);
    assert_eq!(run(&two, 2, 2), Outcome::Stopped);
    assert_eq!(run(&two, 2, usize::MAX), Outcome::Completed);
    assert_same(&contents(&two), &contents(&one));
    let rows: Vec<ClassRow> = read_rows(&one.classes_csv()).unwrap();
    let pixels: u64 = rows.iter().filter(|r| r.epoch == 1 && r.split == Split::Val).map(|r| r.counts().support()).sum();
    assert_eq!(pixels % (80 * 64), 0, "every pixel of every image is counted once");
}

#[test]
fn an_export_starts_another_run_and_frozen_layers_stay_as_they_are() {
    let (folder, mut config) = with_images(24);
    config.train.epochs = 2;
    let first = prepare(&folder.path().join("first"), &config);
    assert_eq!(run(&first, 2, usize::MAX), Outcome::Completed);
    let exported = export(&first).unwrap();
    let file = folder.path().join("weights.safetensors");
    fs::write(&file, &exported).unwrap();
    config.model.pretrained = Some(file);
    config.model.freeze = Some("encoder.*".into());
    let second = prepare(&folder.path().join("second"), &config);
    assert_eq!(run(&second, 2, usize::MAX), Outcome::Completed);
    let (before, after) =
        (weights::from_bytes(&exported).unwrap(), weights::from_bytes(&export(&second).unwrap()).unwrap());
    for (name, array) in &before {
        assert_eq!(after[name] == *array, name.starts_with("encoder."), "{name}");
    }
    // Norm of frozen layers keeps its statistics: where only the head learns, there are none to measure anew.
    config.model.freeze = Some("all_but_last:1".into());
    let head = prepare(&folder.path().join("head"), &config);
    assert_eq!(run(&head, 2, usize::MAX), Outcome::Completed);
    let evidence: Vec<EvidenceRow> = read_rows(&head.evidence_csv()).unwrap();
    let anew = evidence.iter().find(|row| row.figure == "precise_bn_dice_macro").unwrap();
    let epochs: Vec<EpochRow> = read_rows(&head.epochs_csv()).unwrap();
    let recorded = epochs.iter().find(|row| row.epoch == anew.epoch && row.split == Split::Val).unwrap();
    assert_eq!(Some(anew.value), recorded.dice_macro);
    let predictor = Predictor::open(&second).unwrap();
    assert_eq!((predictor.channels(), predictor.classes()), (1, 5));
    let labels = predictor.labels(&vec![0.5; 32 * 32], [32, 32], [48, 40]);
    assert!(labels.len() == 48 * 40 && labels.iter().all(|label| *label < 5));
}

#[test]
fn batches_of_three_and_one_accumulated_move_the_weights_as_one_of_four() {
    let (folder, mut config) = with_images(8);
    config.split.fractions = Fractions { train: 0.5, val: 0.5, test: 0.0 };
    (config.model.norm, config.model.dropout, config.loss.kind) = (Norm::Group, 0.0, LossKind::Ce);
    (config.train.optimizer, config.train.gradient_clip, config.train.epochs) = (Optimizer::Sgd, 0.0, 1);
    let mut trained = |name: &str, batch_size: usize, accumulate: usize| {
        (config.train.batch_size, config.train.accumulate) = (batch_size, accumulate);
        let run_of = prepare(&folder.path().join(name), &config);
        assert_eq!(run(&run_of, 1, usize::MAX), Outcome::Completed);
        let rows: Vec<EpochRow> = read_rows(&run_of.epochs_csv()).unwrap();
        assert_eq!(rows[0].images, 4);
        weights::from_bytes(&export(&run_of).unwrap()).unwrap()
    };
    let (whole, parts, alone) = (trained("whole", 4, 1), trained("parts", 3, 2), trained("alone", 3, 1));
    let apart = |other: &weights::Arrays| {
        let of_array = |(name, array): (&String, &weights::Array)| {
            array.values.iter().zip(&other[name].values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        whole.iter().map(of_array).fold(0.0, f32::max)
    };
    let (rounding, two_steps) = (apart(&parts), apart(&alone));
    assert!(rounding < 1e-6 && two_steps > 1e-4, "{rounding}, {two_steps}");
}

fn epoch_of(line: &str) -> String {
    line.split(',').next().unwrap().to_owned()
}

#[test]
fn what_cannot_be_trained_is_refused_with_every_reason() {
    let (folder, mut config) = with_images(24);
    config.model.depth = 5;
    config.data.input_size = InputSize([40, 32]);
    config.loss.class_weights = ClassWeights::Given(vec![1.0, 2.0]);
    config.train.precision = Precision::Bf16;
    let refused = prepare(&folder.path().join("refused"), &config);
    let failure = worker::run(&refused, Device::Cpu, 1, &AtomicBool::new(false), &mut |_: &Message| ()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadConfig);
    for reason in ["not a multiple of 16", "2 weights for 5 classes", "needs a GPU"] {
        assert!(failure.message.contains(reason), "{failure}");
    }
    assert_eq!(refused.read_state().unwrap().failure, Some(failure));
}

#[test]
fn a_gpu_that_can_no_longer_be_used_is_said_and_may_be_tried_again() {
    let Err(reason) = model::gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = prepare(folder.path(), &settings(folder.path()));
    let failure = worker::run(&run, Device::Cuda, 1, &AtomicBool::new(false), &mut |_: &Message| ()).unwrap_err();
    assert_eq!(failure, Failure::new(FailureKind::Spawn, reason));
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_says_where() {
    let (folder, mut config) = with_images(24);
    config.train.learning_rate = 1e38;
    config.train.gradient_clip = 0.0;
    config.train.warmup_epochs = 0;
    let fails = |name: &str, config: &RunConfig| {
        let wild = prepare(&folder.path().join(name), config);
        let failure = worker::run(&wild, Device::Cpu, 1, &AtomicBool::new(false), &mut |_: &Message| ()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFinite);
        assert!(!wild.epochs_csv().exists() && !wild.checkpoints().join("last").exists(), "nothing is recorded of it");
        failure.message
    };
    assert!(fails("wild", &config).contains("step 2 of epoch 1"));
    config.loss.kind = LossKind::Ce;
    assert!(fails("wild_ce", &config).contains("step 2 of epoch 1"));
    // Where the last epoch's only step ruins the weights, the figures after it tell.
    (config.train.epochs, config.train.batch_size) = (1, 24);
    assert!(fails("ruined_ce", &config).contains("train images after epoch 1"));
    config.loss.kind = LossKind::DiceCe;
    assert!(fails("ruined", &config).contains("train images after epoch 1"));
}
