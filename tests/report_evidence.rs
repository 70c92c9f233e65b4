//! The rules' figures by hand: each planted table has one right answer, and so has each row of evidence.csv.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/sweep.rs"]
mod sweep;

use sweep::{Fake, change};
use sweepscope::{
    domain::{EarlyStopping, EpochRow, EvidenceRow, ImageRow, Severity, Split},
    report::{self, diagnose::Finding},
    store::{RunDir, RunFile, SweepDir, write_rows},
};

/// What rule `number` finds in the first run of a sweep, all well learned, once `plant` has changed it.
fn found(number: usize, plant: impl FnOnce(&RunDir)) -> Vec<Finding> {
    let fake = Fake {
        epochs: 40,
        classes: vec![("background", 0.5, 0.97), ("cell", 0.3, 0.93), ("vesicle", 0.2, 0.9)],
        images: [60, 20, 20],
        noise: 0.004,
        ..Fake::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let runs = fake.write(sweep.root());
    plant(&sweep.run(&runs[0]));
    let all = report::findings(&sweep, &runs).unwrap();
    all.into_iter().filter(|f| f.rule.number == number && f.run.as_ref() == Some(&runs[0])).collect()
}

/// The one finding's severity, with its value and threshold to three decimals.
fn one(found: &[Finding]) -> (Severity, f64, f64) {
    assert_eq!(found.len(), 1, "{found:#?}");
    let tidy = |value: Option<f64>| (value.unwrap() * 1000.0).round() / 1000.0;
    (found[0].severity, tidy(found[0].value), tidy(found[0].threshold))
}

/// Replaces val's curve of macro Dice, and says which epoch is the best.
fn curve(run: &RunDir, best: usize, dice: impl Fn(usize) -> f64) {
    change(&run.epochs_csv(), |row: &mut EpochRow| {
        if row.split == Split::Val {
            row.dice_macro = Some(dice(row.epoch));
        }
    });
    let mut state = run.read_state().unwrap();
    state.best_epoch = best;
    run.write_state(&state).unwrap();
}

fn pooled(run: &RunDir, score: f64) {
    change(&run.epochs_csv(), |row: &mut EpochRow| row.dice_coef = Some(score));
}

/// Gives val's images these counts: by place among them.
fn val_images(run: &RunDir, counts: impl Fn(usize) -> (u64, u64, u64)) {
    let (mut place, mut last) = (0, String::new());
    change(&run.images_csv(), |row: &mut ImageRow| {
        if row.split != Split::Val {
            return;
        }
        if !last.is_empty() && last != row.image {
            place += 1;
        }
        last.clone_from(&row.image);
        (row.tp, row.fp, row.fn_) = counts(place % 20);
    });
}

/// Writes evidence.csv of the best epoch: split, figure, class, other, value.
fn evidence(run: &RunDir, rows: &[(Split, &str, &str, &str, f64)]) {
    let epoch = run.read_state().unwrap().best_epoch;
    let row = |&(split, figure, class, other, value): &(Split, &str, &str, &str, f64)| {
        let (figure, class, other) = (figure.to_owned(), class.to_owned(), other.to_owned());
        EvidenceRow { epoch, split, figure, class, other, value }
    };
    write_rows(&run.evidence_csv(), &rows.iter().map(row).collect::<Vec<_>>()).unwrap();
}

#[test]
fn rule_1_is_the_pooled_score_less_the_macro_score() {
    let found = found(1, |run| {
        pooled(run, 0.92);
        curve(run, 40, |_| 0.62);
    });
    assert_eq!(one(&found), (Severity::Warn, 0.3, 0.1));
}

/// Half of the pixels are background, so that predicting it everywhere scores .5.
#[test]
fn rule_2_is_the_skill_above_the_commonest_class_everywhere() {
    assert_eq!(one(&found(2, |run| pooled(run, 0.6))), (Severity::Warn, 0.2, 0.5));
    let guessed = |accuracy: f64| {
        found(2, |run| {
            pooled(run, 0.4);
            change(&run.epochs_csv(), |row: &mut EpochRow| row.accuracy = Some(accuracy));
        })
    };
    assert_eq!(one(&guessed(0.45)), (Severity::Fail, -0.2, 0.0));
    // Right more often, only unsure.
    assert_eq!(one(&guessed(0.9)), (Severity::Warn, -0.2, 0.5));
}

/// One epoch at .95 among .80: the moving average gets to .8 + .1 · .15 = .815.
#[test]
fn rule_8_is_the_best_score_less_the_best_moving_average() {
    let found = found(8, |run| curve(run, 20, |epoch| if epoch == 20 { 0.95 } else { 0.8 }));
    let (severity, value, _) = one(&found);
    assert_eq!((severity, value), (Severity::Warn, 0.135));
}

#[test]
fn rule_12_is_what_the_last_epoch_lost_where_it_is_kept() {
    let lose = |run: &RunDir| curve(run, 20, |epoch| if epoch == 20 { 0.9 } else { 0.7 });
    let kept = found(12, |run| {
        lose(run);
        let mut file = RunFile::read(run).unwrap();
        file.config.train.early_stopping = Some(EarlyStopping { restore_best: false, ..EarlyStopping::default() });
        file.write(run).unwrap();
    });
    let (severity, value, _) = one(&kept);
    assert_eq!((severity, value), (Severity::Warn, 0.2));
    assert_eq!(found(12, lose), []);
}

#[test]
fn rule_17_warns_of_fewer_than_ten_images_and_tells_of_a_wide_interval() {
    let fake = Fake { images: [60, 4, 36], ..Fake::default() };
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let runs = fake.write(sweep.root());
    let all = report::findings(&sweep, &runs).unwrap();
    let few: Vec<Finding> =
        all.into_iter().filter(|f| f.rule.number == 17 && f.run.as_ref() == Some(&runs[0])).collect();
    assert_eq!(one(&few), (Severity::Warn, 4.0, 10.0));
    let wide = found(17, |run| val_images(run, |place| if place < 10 { (90, 10, 10) } else { (10, 90, 90) }));
    let (severity, half_width, threshold) = one(&wide);
    assert_eq!((severity, threshold), (Severity::Info, 0.02));
    // A mean of .9 and .1 in equal parts: 1.96 · .4 / √20 = .175.
    assert!((half_width - 0.175).abs() < 0.02, "{half_width}");
}

/// One of twenty images at .4 and one at .6, the others at 1, so that half the median is .5.
#[test]
fn rule_23_names_each_image_below_half_the_median_and_no_other() {
    let found = found(23, |run| {
        val_images(run, |place| match place {
            0 => (40, 60, 60),
            1 => (60, 40, 40),
            _ => (50, 0, 0),
        });
    });
    assert_eq!(one(&found), (Severity::Warn, 0.4, 0.5));
    assert!(found[0].evidence.starts_with("1 of 20 val images scores below half the median Dice, 1.00: image-"));
    assert_eq!(found[0].evidence.matches(".png").count(), 1, "{}", found[0].evidence);
}

/// Batches of four: one scores 0, four score 1, so .8; from counts 2 · 1440 / (2 · 1440 + 40) = .986.
#[test]
fn rule_25_is_the_score_from_counts_less_the_mean_of_batches() {
    let found = found(25, |run| val_images(run, |place| if place < 4 { (0, 0, 10) } else { (90, 0, 0) }));
    assert_eq!(one(&found), (Severity::Info, 0.186, 0.005));
}

#[test]
fn rule_6_names_copies_as_failures_and_near_copies_as_warnings() {
    let found = found(6, |run| {
        let rows = [
            (Split::Val, "same_image", "b.png", "a.png", 0.0),
            (Split::Val, "similar_image", "d.png", "c.png", 4.0),
            (Split::Test, "similar_image", "f.png", "e.png", 6.0),
        ];
        evidence(run, &rows);
    });
    let seen: Vec<_> = found.iter().map(|f| (f.severity, f.value, f.evidence.as_str())).collect();
    let near = "1 val image is nearly the same as one in train, d.png as c.png for one (4 of 64 bits differ).";
    let same = "1 val image is also in train, b.png as a.png for one.";
    assert_eq!(seen, [(Severity::Fail, Some(1.0), same), (Severity::Warn, Some(4.0), near)]);
}

#[test]
fn rule_13_is_what_statistics_measured_anew_gain() {
    let found = found(13, |run| {
        curve(run, 40, |_| 0.7);
        evidence(run, &[(Split::Val, "precise_bn_dice_macro", "", "", 0.8)]);
    });
    assert_eq!(one(&found), (Severity::Warn, 0.1, 0.02));
}

#[test]
fn rule_15_sees_predictions_that_are_hardly_surer_than_a_guess() {
    let found = found(15, |run| evidence(run, &[(Split::Val, "entropy", "", "", 0.95)]));
    assert_eq!(one(&found), (Severity::Warn, 0.95, 0.9));
}

#[test]
fn rule_20_is_the_ceiling_and_the_lost_pieces_of_each_class() {
    let found = found(20, |run| {
        let rows = [
            (Split::Val, "resize_ceiling", "cell", "", 0.9),
            (Split::Val, "resize_ceiling", "vesicle", "", 0.99),
            (Split::Val, "resize_lost", "vesicle", "", 0.25),
        ];
        evidence(run, &rows);
    });
    let seen: Vec<_> = found.iter().map(|f| (f.class.as_deref(), f.value, f.threshold)).collect();
    assert_eq!(seen, [(Some("cell"), Some(0.9), Some(0.95)), (Some("vesicle"), Some(0.25), Some(0.05))]);
}

#[test]
fn rule_21_is_the_soft_less_the_hard_score_of_the_foreground() {
    let found = found(21, |run| {
        curve(run, 40, |_| 0.8);
        let rows = [("background", 0.1), ("cell", 0.7), ("vesicle", 0.6)];
        evidence(run, &rows.map(|(class, value)| (Split::Val, "soft_dice", class, "", value)));
    });
    assert_eq!(one(&found), (Severity::Info, 0.15, 0.05));
}

#[test]
fn rule_22_is_the_calibration_error() {
    assert_eq!(
        one(&found(22, |run| evidence(run, &[(Split::Val, "ece", "", "", 0.08)]))),
        (Severity::Info, 0.08, 0.05)
    );
}

#[test]
fn rule_23_names_images_whose_labels_seem_exchanged() {
    let found = found(23, |run| {
        let rows = [
            (Split::Train, "exchanged", "a.png", "cell and vesicle", 0.8),
            (Split::Val, "exchanged", "b.png", "cell and vesicle", 0.9),
        ];
        evidence(run, &rows);
    });
    assert_eq!(one(&found), (Severity::Warn, 2.0, 0.0));
    assert_eq!(found[0].rule.title, "Labels seem exchanged in some masks");
    assert!(found[0].evidence.ends_with("b.png (90 %) and a.png (80 %)."), "{}", found[0].evidence);
}

/// 40 of 100 pixels of cell are called vesicle; 40 called background are another rule's business.
#[test]
fn rule_24_is_the_share_of_a_class_that_is_predicted_as_another() {
    let found = found(24, |run| {
        let rows = [("cell", 20.0), ("vesicle", 40.0), ("background", 40.0)];
        evidence(run, &rows.map(|(predicted, pixels)| (Split::Val, "confusion", "cell", predicted, pixels)));
    });
    assert_eq!(one(&found), (Severity::Warn, 0.4, 0.3));
    assert_eq!(found[0].class.as_deref(), Some("cell"));
}
