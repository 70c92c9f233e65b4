//! The rules: planted faults fire them, a healthy run keeps them silent.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/sweep.rs"]
mod sweep;

use std::collections::BTreeSet;

use sweep::{Fake, change};
use sweepscope::{
    domain::{
        ClassRow, Counts, EarlyStopping, EpochRow, Failure, FailureKind, ImageRow, Metric, RunState, Severity, Split,
        TrainerConfig,
    },
    report::{self, diagnose::Finding},
    store::{RunDir, RunFile, SweepDir},
};

/// A sweep whose every run learns every class well.
fn healthy() -> Fake {
    Fake {
        epochs: 40,
        classes: vec![("background", 0.5, 0.97), ("cell", 0.3, 0.93), ("vesicle", 0.2, 0.9)],
        images: [60, 20, 20],
        noise: 0.004,
        split_spread: 0.01,
        rate_effect: 0.02,
        ..Fake::default()
    }
}

/// The findings after `plant` has changed the first run.
fn findings(fake: &Fake, plant: impl FnOnce(&RunDir)) -> (Vec<Finding>, String) {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let runs = fake.write(sweep.root());
    plant(&sweep.run(&runs[0]));
    (report::findings(&sweep, &runs).unwrap(), runs[0].clone())
}

/// The numbers of the rules that fire for the first run once `plant` has changed it, and not before.
fn planted(plant: impl FnOnce(&RunDir)) -> BTreeSet<usize> {
    let rules = |(found, run): (Vec<Finding>, String)| {
        let of_run = found.into_iter().filter(|finding| finding.run.as_ref() == Some(&run));
        of_run.map(|finding| finding.rule.number).collect::<BTreeSet<_>>()
    };
    let before = rules(findings(&healthy(), |_| ()));
    rules(findings(&healthy(), plant)).difference(&before).copied().collect()
}

fn configure(run: &RunDir, each: impl FnOnce(&mut sweepscope::domain::RunConfig)) {
    let mut file = RunFile::read(run).unwrap();
    each(&mut file.config);
    file.write(run).unwrap();
}

fn set_counts(row: &mut ClassRow, counts: Counts) {
    *row = ClassRow::new(row.epoch, row.split, &row.class.clone(), counts, row.images);
}

#[test]
fn a_healthy_sweep_has_no_failure_and_no_warning_about_a_run() {
    let (found, _) = findings(&healthy(), |_| ());
    let loud: Vec<_> = found.iter().filter(|f| f.run.is_some() && f.severity != Severity::Info).collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

#[test]
fn a_class_that_is_never_predicted_fires_rule_3() {
    let fired = planted(|run| {
        change(&run.classes_csv(), |row: &mut ClassRow| {
            if row.class == "vesicle" {
                set_counts(row, Counts { tp: 0, fp: 0, fn_: row.counts().support() });
            }
        });
    });
    assert!(fired.contains(&3), "{fired:?}");
}

#[test]
fn a_class_missing_from_val_fires_rule_4() {
    let fired = planted(|run| {
        change(&run.classes_csv(), |row: &mut ClassRow| {
            if row.class == "vesicle" && row.split == Split::Val {
                *row = ClassRow::new(row.epoch, row.split, "vesicle", Counts::default(), 0);
            }
        });
    });
    assert!(fired.contains(&4), "{fired:?}");
}

#[test]
fn splits_of_unlike_images_fire_rule_5() {
    let fired = planted(|run| {
        change(&run.images_csv(), |row: &mut ImageRow| {
            if row.class == "vesicle" && row.split == Split::Val {
                (row.tp, row.fn_) = (row.tp / 4, row.fn_ / 4);
            }
        });
    });
    assert!(fired.contains(&5), "{fired:?}");
}

#[test]
fn a_group_in_two_splits_fires_rule_6() {
    let fired = planted(|run| {
        change(&run.split_csv(), |row: &mut sweepscope::domain::SplitRow| row.group = "one slide".into());
    });
    assert_eq!(fired, BTreeSet::from([6]));
}

#[test]
fn a_jumping_validation_score_fires_rule_7() {
    let fired = planted(|run| {
        change(&run.epochs_csv(), |row: &mut EpochRow| {
            if row.split == Split::Val && row.epoch.is_multiple_of(2) {
                row.dice_macro = row.dice_macro.map(|dice| dice - 0.15);
            }
        });
    });
    assert!(fired.contains(&7), "{fired:?}");
}

#[test]
fn a_validation_loss_that_rises_while_training_goes_on_fires_rules_9_and_10() {
    let fired = planted(|run| {
        change(&run.epochs_csv(), |row: &mut EpochRow| {
            let late = row.epoch.saturating_sub(15) as f64;
            let sign = if row.split == Split::Train { -0.004 } else { 0.006 };
            row.loss = row.loss.map(|loss| (loss + sign * late).max(0.001));
            row.dice_macro = row.dice_macro.map(|dice| (dice - sign * late).clamp(0.0, 1.0));
        });
        let mut state = run.read_state().unwrap();
        state.best_epoch = 15;
        run.write_state(&state).unwrap();
    });
    assert!(fired.is_superset(&BTreeSet::from([9, 10])), "{fired:?}");
}

#[test]
fn stopping_on_a_training_figure_fires_rule_11() {
    let fired = planted(|run| {
        configure(run, |config| {
            let monitor: Metric = "train_accuracy".parse().unwrap();
            config.train.early_stopping = Some(EarlyStopping { monitor, ..EarlyStopping::default() });
        });
    });
    assert_eq!(fired, BTreeSet::from([11]));
}

#[test]
fn slow_running_statistics_fire_rule_13() {
    let fired = planted(|run| configure(run, |config| config.model.bn_momentum = 0.999));
    assert_eq!(fired, BTreeSet::from([13]));
}

#[test]
fn a_loss_that_is_not_finite_and_one_that_never_falls_fire_rule_14() {
    let fired = planted(|run| {
        let mut state = run.read_state().unwrap();
        state.state = RunState::Failed;
        state.failure = Some(Failure::new(FailureKind::NotFinite, "the loss of epoch 3 is not finite"));
        run.write_state(&state).unwrap();
    });
    assert_eq!(fired, BTreeSet::from([14]));
    let fired = planted(|run| {
        change(&run.epochs_csv(), |row: &mut EpochRow| row.loss = Some(1.5 + 0.1 * (row.epoch % 2) as f64));
    });
    assert!(fired.contains(&14), "{fired:?}");
}

#[test]
fn a_loss_that_is_thrown_about_fires_rule_14_and_one_that_converges_does_not() {
    let loss = |low: f64| {
        planted(|run| {
            change(&run.epochs_csv(), |row: &mut EpochRow| {
                let at_end = if row.epoch.is_multiple_of(2) { 0.3 } else { low };
                row.loss = Some(if row.epoch > 20 { at_end } else { 2.0 / row.epoch as f64 });
            });
        })
    };
    assert!(loss(0.2).contains(&14));
    assert!(!loss(0.29).contains(&14));
}

#[test]
fn a_network_that_an_epoch_made_worse_than_a_guess_fires_rule_14() {
    let first = |loss: f64, momentum: f64| {
        planted(|run| {
            configure(run, |config| config.model.bn_momentum = momentum);
            change(&run.epochs_csv(), |row: &mut EpochRow| {
                row.loss = row.loss.map(|known| if row.epoch == 1 { loss } else { known });
            });
        })
    };
    assert!(first(15.0, 0.7).contains(&14));
    assert!(!first(4.0, 0.7).contains(&14), "no more than three times a guess's ln K + 1");
    assert!(!first(15.0, 0.99).contains(&14), "the running statistics are still the initial ones");
}

#[test]
fn a_loss_that_stands_still_is_no_rate_too_high() {
    let fired = planted(|run| {
        change(&run.epochs_csv(), |row: &mut EpochRow| row.loss = Some(1.5 + 0.001 * (row.epoch % 2) as f64));
    });
    assert!(!fired.contains(&14), "{fired:?}");
}

#[test]
fn a_training_score_far_above_the_validation_score_fires_rule_9() {
    let gap = |gap: f64| {
        planted(|run| {
            change(&run.epochs_csv(), |row: &mut EpochRow| {
                let level = if row.split == Split::Train { 0.9 + gap } else { 0.9 };
                row.dice_macro = Some(level - 0.5 / row.epoch as f64);
            });
        })
    };
    assert!(gap(0.09).contains(&9));
    assert!(!gap(0.02).contains(&9));
}

#[test]
fn a_score_that_still_rises_at_the_end_fires_rule_15() {
    let fired = planted(|run| {
        change(&run.epochs_csv(), |row: &mut EpochRow| row.dice_macro = Some(0.01 * row.epoch as f64));
    });
    assert!(fired.contains(&15), "{fired:?}");
}

#[test]
fn a_jump_where_an_outside_trainer_was_resumed_fires_rule_26() {
    let jumps = |run: &RunDir| {
        change(&run.timing_csv(), |row: &mut sweepscope::domain::TimingRow| {
            row.attempt = 1 + usize::from(row.epoch > 20);
        });
        change(&run.epochs_csv(), |row: &mut EpochRow| {
            if row.epoch > 20 {
                row.loss = row.loss.map(|loss| loss + 0.2);
            }
        });
    };
    let outside = |run: &RunDir| {
        jumps(run);
        configure(run, |config| config.trainer = Some(TrainerConfig::default().into()));
    };
    assert!(planted(outside).contains(&26));
    assert!(!planted(jumps).contains(&26));
}

#[test]
fn the_sweep_says_where_its_optimum_lies_and_which_axis_is_noise() {
    let (found, _) = findings(&Fake { rate_effect: 0.1, ..healthy() }, |_| ());
    let of = |number: usize| found.iter().filter(|finding| finding.rule.number == number).collect::<Vec<_>>();
    assert!(of(16).iter().any(|f| f.advice == "Set in [grid]: learning_rate = [1e-4, 1e-3, 3e-3]"), "{:?}", of(16));
    assert!(of(19).len() == 1 && of(19)[0].evidence.contains("batch_size"), "{:?}", of(19));
    assert_eq!(of(27).len(), 1);
}

#[test]
fn findings_csv_has_the_columns_that_users_rely_on() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let runs = Fake::default().write(sweep.root());
    let found = report::findings(&sweep, &runs).unwrap();
    let mut reader = csv::Reader::from_path(sweep.findings_csv()).unwrap();
    let header = reader.headers().unwrap().iter().collect::<Vec<_>>().join(",");
    assert_eq!(header, "run,rule,severity,class,evidence,value,threshold,advice,source");
    assert_eq!(reader.records().count(), found.len());
}
