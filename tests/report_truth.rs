//! What the report says is true: of stopped runs, of classes, of labels, of pairs among many, whatever is planted.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/sweep.rs"]
mod sweep;

use sweep::{Fake, change};
use sweepscope::{
    domain::{ClassRow, Counts, EpochRow, ImageRow, Metric, RunState, Severity, Split, SplitRow, TrainerConfig},
    report::{
        self,
        compare::compare,
        diagnose::Finding,
        verdict::{Kind, Line},
    },
    store::{RunDir, RunFile, SweepDir},
};

/// Three classes that all runs learn.
fn healthy() -> Fake {
    Fake {
        epochs: 20,
        classes: vec![("background", 0.5, 0.97), ("cell", 0.3, 0.93), ("vesicle", 0.2, 0.9)],
        images: [60, 20, 20],
        noise: 0.004,
        ..Fake::default()
    }
}

/// The verdict and the findings once `plant` has changed the runs, each given with its place.
fn said(fake: &Fake, plant: impl Fn(usize, &RunDir)) -> (Vec<Line>, Vec<Finding>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let runs = fake.write(sweep.root());
    runs.iter().enumerate().for_each(|(place, run)| plant(place, &sweep.run(run)));
    let lines = report::build(&sweep, &runs).unwrap().lines;
    (lines, report::findings(&sweep, &runs).unwrap(), runs)
}

/// What rule `number` finds in the first run.
fn of_first(number: usize, plant: impl Fn(&RunDir)) -> Vec<Finding> {
    let (_, findings, runs) = said(&healthy(), |place, run| {
        if place == 0 {
            plant(run)
        }
    });
    findings.into_iter().filter(|f| f.rule.number == number && f.run.as_ref() == Some(&runs[0])).collect()
}

fn stop(run: &RunDir, epoch: usize) {
    let mut state = run.read_state().unwrap();
    (state.state, state.epoch, state.best_epoch) = (RunState::Stopped, epoch, epoch);
    run.write_state(&state).unwrap();
}

fn configure(run: &RunDir, each: impl FnOnce(&mut RunFile)) {
    let mut file = RunFile::read(run).unwrap();
    each(&mut file);
    file.write(run).unwrap();
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{:?}: {line}\n", line.kind)).collect()
}

/// Takes vesicle from val's images.
fn without_vesicle(run: &RunDir) {
    change(&run.classes_csv(), |row: &mut ClassRow| {
        if row.class == "vesicle" && row.split == Split::Val {
            *row = ClassRow::new(row.epoch, row.split, "vesicle", Counts::default(), 0);
        }
    });
}

#[test]
fn a_run_that_was_stopped_after_an_epoch_is_compared_with_none() {
    let (all, ..) = said(&healthy(), |_, _| ());
    assert!(all[0].text.contains(" over 3 runs"), "{}", text(&all));
    // Both batch sizes of the better rate on the first split.
    let (some, ..) = said(&healthy(), |place, run| {
        if place < 2 {
            stop(run, 1)
        }
    });
    assert!(some[0].text.contains("learning_rate 1e-3") && some[0].text.contains(" over 2 runs"), "{}", text(&some));
    assert!(some.iter().any(|line| line.text.starts_with("learning_rate moves the score most")), "{}", text(&some));
    let (none, ..) = said(&healthy(), |_, run| stop(run, 1));
    assert!(none[0].text.starts_with("No run has finished yet (12 runs)"), "{}", text(&none));
    assert!(none.iter().all(|line| !line.text.contains("Highest") && !line.text.contains("moves the score")));
}

#[test]
fn the_first_lines_answer_each_question_once() {
    let (lines, ..) = said(&Fake::default(), |_, _| ());
    let kinds: Vec<Kind> = lines.iter().take(3).map(|line| line.kind).collect();
    assert_eq!(kinds, [Kind::Best, Kind::Wrong, Kind::Next], "{}", text(&lines));
}

#[test]
fn a_class_that_val_lacks_is_named_and_not_called_predicted() {
    let (lines, ..) = said(&healthy(), |_, run| without_vesicle(run));
    let wrong = lines.iter().find(|line| line.kind == Kind::Wrong).unwrap();
    assert_eq!(wrong.text, "No validation image has vesicle: its score is unknown, in all 12 runs.");
    assert!(lines.iter().all(|line| !line.text.contains("Every class is predicted")), "{}", text(&lines));
}

#[test]
fn a_label_that_says_highest_is_left_as_it_is() {
    let (lines, ..) = said(&healthy(), |_, run| {
        configure(run, |file| {
            file.config.monitor = "val_loss".parse::<Metric>().unwrap();
            let label = if file.config.train.learning_rate > 5e-4 { "Highest" } else { "low" };
            file.axes["learning_rate"] = label.into();
        });
    });
    assert!(lines[0].text.starts_with("Lowest mean: learning_rate Highest, "), "{}", text(&lines));
}

#[test]
fn a_score_that_is_never_defined_is_judged_at_the_last_epoch() {
    let (lines, findings, _) = said(&healthy(), |_, run| {
        change(&run.classes_csv(), |row: &mut ClassRow| {
            if row.class != "background" && row.split == Split::Val {
                *row = ClassRow::new(row.epoch, row.split, &row.class.clone(), Counts::default(), 0);
            }
        });
        change(&run.epochs_csv(), |row: &mut EpochRow| {
            if row.split == Split::Val {
                row.dice_macro = None;
            }
        });
        let mut state = run.read_state().unwrap();
        (state.best_epoch, state.best_score) = (0, None);
        run.write_state(&state).unwrap();
    });
    let missing: Vec<_> = findings.iter().filter(|f| f.rule.number == 4 && f.severity == Severity::Fail).collect();
    assert_eq!(missing.len(), 12 * 3, "two classes and the score itself, in each run");
    assert!(lines[0].text.starts_with("No run has a score: val Dice (macro) is not defined"), "{}", text(&lines));
}

#[test]
fn few_images_are_told_of_once_and_not_where_they_were_not_counted() {
    let few = |run: &RunDir| {
        change(&run.classes_csv(), |row: &mut ClassRow| {
            if row.class != "background" {
                row.images = if row.split == Split::Val { 1 } else { 3 };
            }
        });
    };
    let found = of_first(4, few);
    let text = "cell is in only 3 training images, cell is in only 1 validation image, vesicle is in only 3 training \
                images and vesicle is in only 1 validation image.";
    assert_eq!(found.iter().map(|f| f.evidence.as_str()).collect::<Vec<_>>(), [text]);
    let outside = of_first(4, |run| {
        few(run);
        std::fs::remove_file(run.images_csv()).unwrap();
        configure(run, |file| file.config.trainer = Some(TrainerConfig::default().into()));
    });
    assert_eq!(outside, []);
}

/// Val moves, though by less than another draw of images would, and train does not at all: half of the images at .1
/// and half at .9 make a standard error of .09.
#[test]
fn a_training_score_that_stands_still_gives_no_ratio() {
    const STEPS: [f64; 10] = [0.0, 0.02, -0.02, 0.0, 0.03, -0.01, 0.01, -0.03, 0.02, -0.01];
    let found = of_first(7, |run| {
        change(&run.epochs_csv(), |row: &mut EpochRow| {
            let moved = if row.split == Split::Val { 0.4 * STEPS[row.epoch % 10] } else { 0.0 };
            row.dice_macro = Some(0.8 + moved);
        });
        change(&run.images_csv(), |row: &mut ImageRow| {
            let pixels = row.tp + row.fn_;
            let place: usize = row.image.trim_start_matches("image-").trim_end_matches(".png").parse().unwrap();
            let hits = pixels * if place.is_multiple_of(2) { 1 } else { 9 } / 10;
            (row.tp, row.fp, row.fn_) = (hits, pixels - hits, pixels - hits);
        });
    });
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].evidence.ends_with("while the train Dice stands still.") && found[0].value.is_none());
}

/// Train's mean would fall by the class that val alone has, val's by the one that train alone has.
#[test]
fn a_class_that_one_split_lacks_makes_no_gap() {
    let found = of_first(9, |run| {
        without_vesicle(run);
        change(&run.epochs_csv(), |row: &mut EpochRow| {
            row.dice_macro = row.dice_macro.map(|dice| if row.split == Split::Val { dice - 0.3 } else { dice });
        });
    });
    assert_eq!(found, []);
}

/// Nothing for twenty epochs but forty pixels in the last but one, of 16,384 that the class has.
#[test]
fn the_most_that_was_predicted_is_that_of_the_epochs_that_count() {
    let found = of_first(3, |run| {
        change(&run.classes_csv(), |row: &mut ClassRow| {
            if row.class == "vesicle" && row.split == Split::Val {
                let hits = if row.epoch == 19 { 40 } else { 0 };
                let support = row.counts().support();
                *row = ClassRow::new(
                    row.epoch,
                    row.split,
                    "vesicle",
                    Counts { tp: hits, fp: 0, fn_: support - hits },
                    row.images,
                );
            }
        });
    });
    assert_eq!(found[0].evidence, "Hardly any pixel is predicted as vesicle in any epoch, though val has it.");
    assert!(!found[0].advice.contains("dice_ce"), "it is the loss already: {}", found[0].advice);
}

#[test]
fn a_pair_of_full_settings_is_one_of_many() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let fake = Fake { epochs: 8, split_seeds: 4, learning_rates: vec![1e-3, 5e-4, 1e-4], ..healthy() };
    let runs = fake.write(sweep.root());
    let [a, b] = ["learning_rate=1e-3,batch_size=4", "learning_rate=1e-4,batch_size=4"];
    let full = compare(&sweep, &runs, a, b).unwrap();
    let corrected = full.corrected.unwrap();
    assert_eq!(corrected.pairs, 15, "six settings");
    assert!(corrected.p > full.p.unwrap(), "{full:?}");
    let axis = compare(&sweep, &runs, "learning_rate=1e-3", "learning_rate=1e-4").unwrap();
    assert_eq!(axis.corrected, None);
}

/// Takes the run's validation images for others.
fn validate_elsewhere(run: &RunDir) {
    change(&run.split_csv(), |row: &mut SplitRow| {
        row.split = match row.split {
            Split::Val => Split::Test,
            Split::Test => Split::Val,
            Split::Train => Split::Train,
        };
    });
}

#[test]
fn settings_that_were_validated_on_other_images_are_not_held_against_each_other() {
    let fake = Fake { batch_sizes: vec![4], ..healthy() };
    // The lower rate has every second run.
    let (lines, ..) = said(&fake, |place, run| {
        if place % 2 == 1 {
            validate_elsewhere(run)
        }
    });
    assert!(text(&lines).contains("fewer than two splits"), "{}", text(&lines));
    let (lines, ..) = said(&fake, |_, run| validate_elsewhere(run));
    assert!(text(&lines).contains("it is better than the other setting"), "{}", text(&lines));
}

#[test]
fn a_setting_that_ended_on_one_split_leads_no_ranking() {
    let fake = Fake { learning_rates: vec![1e-3, 5e-4, 1e-4], batch_sizes: vec![4], ..healthy() };
    let (lines, _, runs) = said(&fake, |place, run| {
        if place > 0 && place % 3 == 0 {
            stop(run, 5);
        }
    });
    assert!(runs[3].starts_with("learning_rate=1e-3"), "{runs:?}");
    let first = lines[0].to_string();
    assert!(first.starts_with("Highest mean: learning_rate 5e-4"), "{first}");
    assert!(first.contains("learning_rate 1e-3 has 0.9") && first.contains("one split alone"), "{first}");
}

#[test]
fn an_axis_is_not_called_noise_where_its_values_are_told_apart_or_could_not_be() {
    let of = |rule: usize, fake: &Fake| {
        let (_, findings, _) = said(fake, |_, _| ());
        findings.into_iter().filter(|f| f.rule.number == rule).collect::<Vec<_>>()
    };
    // Two values on three splits: the permutation test cannot go below .25.
    let clear = Fake { batch_sizes: vec![4], rate_effect: 0.3, ..healthy() };
    assert_eq!(of(19, &clear), []);
    assert!(of(16, &clear)[0].evidence.contains("highest learning_rate"), "{:?}", of(16, &clear));
}

#[test]
fn tiles_of_one_slide_are_not_taken_for_unlike_images() {
    let fake = Fake { images: [60, 9, 20], ..healthy() };
    let told = |plant: &dyn Fn(&RunDir)| {
        let (_, findings, _) = said(&fake, |_, run| plant(run));
        findings.into_iter().find(|f| f.rule.number == 17).unwrap().evidence
    };
    let group = |each: fn(&SplitRow) -> String| {
        told(&move |run| change(&run.split_csv(), |row: &mut SplitRow| row.group = each(row)))
    };
    let alone = group(|row| row.image.clone());
    assert!(alone.starts_with("From 9 validation images the macro Dice") && alone.ends_with("(95 %)."), "{alone}");
    let of_one = group(|row| row.split.to_string());
    assert!(of_one.starts_with("From 9 validation images of 1 group the"), "{of_one}");
    assert!(of_one.ends_with("so it is known less well."), "{of_one}");
}

#[test]
fn failed_runs_and_what_spares_the_best_setting_are_said() {
    let fake = Fake { batch_sizes: vec![4], split_seeds: 4, ..healthy() };
    let (lines, ..) = said(&fake, |place, run| {
        if place == 1 {
            let mut state = run.read_state().unwrap();
            state.state = RunState::Failed;
            run.write_state(&state).unwrap();
        } else if place % 2 == 1 {
            change(&run.epochs_csv(), |row: &mut EpochRow| {
                (row.accuracy, row.dice_coef) = (Some(0.3), Some(0.3));
            });
        }
    });
    let said = text(&lines);
    assert!(said.contains("1 of 8 runs failed and is left out."), "{said}");
    assert!(said.contains("none of the best setting"), "{said}");
}
