//! Writes folders of a sweep that look like real ones: noisy learning curves, several classes, one hard to learn.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sweepscope::{
    domain::{
        ClassRow, ClassSpec, Counts, EpochRow, ImageRow, InputSize, RunConfig, RunId, RunState, Split, SplitRow,
        StateRecord, TimingRow, seed,
    },
    store::{RunFile, SweepDir, create_dir, read_rows, write_rows},
};

/// What to make up.
pub struct Fake {
    pub learning_rates: Vec<f64>,
    pub batch_sizes: Vec<usize>,
    pub input_sizes: Vec<usize>,
    pub split_seeds: u64,
    pub epochs: usize,
    /// Name, share of the pixels, Dice that training ends at; the first is the background.
    pub classes: Vec<(&'static str, f64, f64)>,
    /// Images of train, val, test.
    pub images: [usize; 3],
    /// Standard deviation of a score from epoch to epoch.
    pub noise: f64,
    /// Standard deviation of a score between splits.
    pub split_spread: f64,
    /// Dice lost at the lowest learning rate.
    pub rate_effect: f64,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            learning_rates: vec![1e-3, 1e-4],
            batch_sizes: vec![4, 9],
            input_sizes: vec![64],
            split_seeds: 3,
            epochs: 24,
            classes: vec![
                ("background", 0.80, 0.97),
                ("cell", 0.10, 0.88),
                ("vesicle", 0.05, 0.7),
                ("crystal", 0.035, 0.6),
                ("fibre", 0.015, 0.24),
            ],
            images: [24, 8, 8],
            noise: 0.02,
            split_spread: 0.03,
            rate_effect: 0.12,
        }
    }
}

const PIXELS: f64 = 64.0 * 64.0;

impl Fake {
    /// A thousand runs of two hundred epochs.
    pub fn thousand() -> Self {
        Self {
            learning_rates: vec![1e-2, 3e-3, 1e-3, 3e-4, 1e-4],
            batch_sizes: vec![2, 4, 8, 16, 32],
            input_sizes: vec![64, 96, 128, 192],
            split_seeds: 10,
            epochs: 200,
            images: [60, 20, 20],
            ..Self::default()
        }
    }

    /// Writes every run under `root` and returns their folder names in the plan's order.
    pub fn write(&self, root: &Path) -> Vec<String> {
        let sweep = SweepDir::new(root);
        let mut names = Vec::new();
        for split_seed in 0..self.split_seeds {
            for &learning_rate in &self.learning_rates {
                for &batch_size in &self.batch_sizes {
                    for &input_size in &self.input_sizes {
                        names.push(self.write_run(&sweep, learning_rate, batch_size, input_size, split_seed));
                    }
                }
            }
        }
        names
    }

    fn config(&self, learning_rate: f64, batch_size: usize, input_size: usize, split_seed: u64) -> RunConfig {
        let mut config = RunConfig::default();
        config.data.classes = self
            .classes
            .iter()
            .map(|(name, ..)| ClassSpec { name: (*name).to_owned(), value: None, color: None })
            .collect();
        config.data.background = Some(self.classes[0].0.to_owned());
        config.data.input_size = InputSize([input_size, input_size]);
        config.train.learning_rate = learning_rate;
        config.train.batch_size = batch_size;
        config.train.epochs = self.epochs;
        config.split.seed = split_seed;
        config
    }

    fn write_run(&self, sweep: &SweepDir, rate: f64, batch: usize, size: usize, split_seed: u64) -> String {
        let config = self.config(rate, batch, size, split_seed);
        let id = RunId::of(&config, "made up");
        let axes = [
            ("learning_rate", serde_json::json!(rate)),
            ("batch_size", serde_json::json!(batch)),
            ("input_size", serde_json::json!(size)),
            ("split_seed", serde_json::json!(split_seed)),
        ]
        .map(|(axis, value)| (axis.to_owned(), value));
        let name = id.folder(&axes);
        let run = sweep.run(&name);
        create_dir(run.root()).unwrap();
        let table = axes.iter().cloned().collect();
        RunFile { id, fingerprint: "made up".into(), axes: table, scale: None, config }.write(&run).unwrap();

        let mut history = History::new(self, rate, split_seed, id.0.as_u128() as u64);
        for epoch in 1..=self.epochs {
            history.epoch(epoch);
        }
        history.images();
        write_rows(&run.epochs_csv(), &history.epochs).unwrap();
        write_rows(&run.classes_csv(), &history.classes).unwrap();
        write_rows(&run.images_csv(), &history.images).unwrap();
        write_rows(&run.timing_csv(), &history.timing).unwrap();
        write_rows(&run.split_csv(), &self.split(split_seed)).unwrap();
        run.write_state(&StateRecord {
            state: RunState::Completed,
            epoch: self.epochs,
            checkpoint: self.epochs,
            best_epoch: history.best.0,
            best_score: Some(history.best.1),
            attempts: 1,
            ..StateRecord::default()
        })
        .unwrap();
        name
    }

    /// Deals the images in turns that the seed shifts by a group.
    fn split(&self, split_seed: u64) -> Vec<SplitRow> {
        let total: usize = self.images.iter().sum();
        (0..total)
            .map(|image| {
                let place = (image + 4 * split_seed as usize) % total;
                let split = match place {
                    p if p < self.images[0] => Split::Train,
                    p if p < self.images[0] + self.images[1] => Split::Val,
                    _ => Split::Test,
                };
                SplitRow { image: format!("image-{image:04}.png"), group: format!("slide-{}", image / 4), split }
            })
            .collect()
    }
}

struct History<'a> {
    fake: &'a Fake,
    rate: f64,
    split_seed: u64,
    random: ChaCha8Rng,
    split_shift: f64,
    epochs: Vec<EpochRow>,
    classes: Vec<ClassRow>,
    images: Vec<ImageRow>,
    timing: Vec<TimingRow>,
    best: (usize, f64),
}

impl<'a> History<'a> {
    fn new(fake: &'a Fake, rate: f64, split_seed: u64, seed: u64) -> Self {
        let split_shift = fake.split_spread * normal(&mut seed::generator(split_seed, "test/split", &[]));
        Self {
            fake,
            rate,
            split_seed,
            random: seed::generator(seed, "test/history", &[]),
            split_shift,
            epochs: Vec::new(),
            classes: Vec::new(),
            images: Vec::new(),
            timing: Vec::new(),
            best: (0, 0.0),
        }
    }

    fn counts(&mut self, class: usize, epoch: usize, split: Split, pixels: f64) -> Counts {
        let (_, share, end) = self.fake.classes[class];
        let highest = self.fake.learning_rates.iter().copied().fold(0.0, f64::max);
        let slow = (highest / self.rate).log10();
        let speed = 8.0 / self.fake.epochs as f64 / (1.0 + slow);
        let learned = 1.0 - (-(epoch as f64) * speed).exp();
        let val = if split == Split::Train { 0.03 } else { self.split_shift };
        let shift = if class == 0 { 0.0 } else { val - self.fake.rate_effect * slow };
        let noise = self.fake.noise * normal(&mut self.random);
        let dice = ((end + shift) * learned + noise).clamp(0.0, 0.995);
        let support = (share * pixels).round() as u64;
        // A hard class is not predicted at all until it is learned a little.
        if dice < 0.2 && class > 0 {
            return Counts { tp: 0, fp: 0, fn_: support };
        }
        let tp = (dice * support as f64).round() as u64;
        Counts { tp, fp: support - tp, fn_: support - tp }
    }

    fn epoch(&mut self, epoch: usize) {
        for (split, images) in [(Split::Train, self.fake.images[0]), (Split::Val, self.fake.images[1])] {
            let pixels = images as f64 * PIXELS;
            let mut dice = Vec::new();
            let mut right = 0;
            for class in 0..self.fake.classes.len() {
                let counts = self.counts(class, epoch, split, pixels);
                let row = ClassRow::new(epoch, split, self.fake.classes[class].0, counts, images);
                right += counts.tp;
                dice.push(row.dice.unwrap());
                self.classes.push(row);
            }
            let dice_macro = dice[1..].iter().sum::<f64>() / (dice.len() - 1) as f64;
            let accuracy = right as f64 / pixels;
            if split == Split::Val && dice_macro > self.best.1 {
                self.best = (epoch, dice_macro);
            }
            self.epochs.push(EpochRow {
                epoch,
                split,
                loss: Some(2.0 * (1.0 - dice_macro)),
                accuracy: Some(accuracy),
                dice_coef: Some(accuracy - 0.01),
                iou_coef: Some(accuracy / (2.0 - accuracy)),
                dice_macro: Some(dice_macro),
                iou_macro: Some(dice_macro / (2.0 - dice_macro)),
                learning_rate: self.rate,
                images,
            });
        }
        self.timing.push(TimingRow {
            attempt: 1,
            epoch,
            train_seconds: 1.5,
            eval_seconds: 0.25,
            images_per_second: self.fake.images[0] as f64 / 1.5,
            peak_memory_mib: 210.0,
            wait_seconds: None,
        });
    }

    fn images(&mut self) {
        let split = self.fake.split(self.split_seed);
        let mut epochs = vec![self.best.0, self.fake.epochs];
        epochs.dedup();
        for epoch in epochs.into_iter().filter(|&epoch| epoch > 0) {
            for row in split.iter().filter(|row| row.split != Split::Test) {
                for class in 0..self.fake.classes.len() {
                    let counts = self.counts(class, epoch, row.split, PIXELS);
                    self.images.push(ImageRow {
                        epoch,
                        split: row.split,
                        image: row.image.clone(),
                        class: self.fake.classes[class].0.to_owned(),
                        tp: counts.tp,
                        fp: counts.fp,
                        fn_: counts.fn_,
                        dice: counts.dice(),
                    });
                }
            }
        }
    }
}

/// Changes each row of a table.
pub fn change<T>(path: &Path, mut each: impl FnMut(&mut T))
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut rows: Vec<T> = read_rows(path).unwrap();
    rows.iter_mut().for_each(&mut each);
    write_rows(path, &rows).unwrap();
}

/// Twelve uniform numbers summed: mean 0, standard deviation 1.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}
