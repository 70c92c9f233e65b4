//! The report over made-up sweeps: tables, charts and page are right, safe and the same each time.
#![expect(clippy::unwrap_used)]

#[path = "support/sweep.rs"]
mod sweep;

use std::{fs, path::Path};

use sweep::Fake;
use sweepscope::{domain::Split, report, store::SweepDir};

fn built(fake: &Fake) -> (tempfile::TempDir, SweepDir, Vec<String>, report::ReportSummary) {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let runs = fake.write(sweep.root());
    let summary = report::build(&sweep, &runs).unwrap();
    (folder, sweep, runs, summary)
}

fn rows(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (header, reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect())
}

#[test]
fn runs_csv_has_a_row_a_run_in_the_plans_order() {
    let (_folder, sweep, runs, _) = built(&Fake::default());
    let (header, rows) = rows(&sweep.runs_csv());
    assert_eq!(
        header.join(","),
        "run,state,learning_rate,batch_size,input_size,split_seed,attempts,epochs,best_epoch,best_val_dice_macro,\
         val_dice_macro,val_iou_macro,val_dice_coef,test_dice_macro,test_iou_macro,test_dice_coef,failure,note"
    );
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), runs);
    assert_eq!(&rows[0][1..8], ["completed", "1e-3", "4", "64", "0", "1", "24"]);
    assert_eq!(rows[0][9], rows[0][10]);
    assert!(rows[0][13..].iter().all(String::is_empty), "{:?}", rows[0]);
}

#[test]
fn metrics_csv_holds_every_row_of_every_classes_csv_unchanged() {
    let (_folder, sweep, runs, _) = built(&Fake { epochs: 3, ..Fake::default() });
    let (header, all) = rows(&sweep.metrics_csv());
    let (class_header, _) = rows(&sweep.run(&runs[0]).classes_csv());
    assert_eq!(header[5..], class_header);
    let mut expected = Vec::new();
    for run in &runs {
        expected.extend(rows(&sweep.run(run).classes_csv()).1.into_iter().map(|row| (run.clone(), row)));
    }
    let found: Vec<_> = all.into_iter().map(|row| (row[0].clone(), row[5..].to_vec())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let (_folder, sweep, runs, first) = built(&Fake { epochs: 5, ..Fake::default() });
    let read = || {
        let plots = fs::read_dir(sweep.report().join("plots")).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = plots.chain([first.index.clone(), sweep.runs_csv(), sweep.metrics_csv()]).collect();
        files.sort();
        files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect::<Vec<_>>()
    };
    let before = read();
    let second = report::build(&sweep, &runs).unwrap();
    assert_eq!(first, second);
    assert!(before == read());
}

#[test]
fn a_torn_line_and_rows_after_the_last_recorded_epoch_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let runs = Fake { epochs: 6, ..Fake::default() }.write(sweep.root());
    let run = sweep.run(&runs[0]);
    let mut state = run.read_state().unwrap();
    state.epoch = 4;
    state.best_epoch = state.best_epoch.min(4);
    run.write_state(&state).unwrap();
    let text = fs::read_to_string(run.classes_csv()).unwrap();
    fs::write(run.classes_csv(), &text[..text.len() - 3]).unwrap();
    let summary = report::build(&sweep, &runs).unwrap();
    assert!(summary.problems.is_empty(), "{:?}", summary.problems);
    let (header, all) = rows(&sweep.metrics_csv());
    let epoch = header.iter().position(|name| name == "epoch").unwrap();
    let last = all.iter().filter(|row| row[0] == runs[0]).map(|row| row[epoch].parse::<usize>().unwrap()).max();
    assert_eq!(last, Some(4));
}

#[test]
fn a_damaged_table_costs_its_run_alone_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let mut runs = Fake { epochs: 3, ..Fake::default() }.write(sweep.root());
    fs::write(sweep.run(&runs[1]).epochs_csv(), "epoch,split\nnine,val\n").unwrap();
    runs.push("never-started-00000000".into());
    let summary = report::build(&sweep, &runs).unwrap();
    assert_eq!(summary.problems.len(), 1, "{:?}", summary.problems);
    assert!(summary.problems[0].contains(&runs[1]) && summary.problems[0].contains("epochs.csv"));
    let (_, table) = rows(&sweep.runs_csv());
    assert_eq!((table.len(), table[12][1].as_str()), (13, "new"));
    let page = fs::read_to_string(summary.index).unwrap();
    assert!(page.contains("epochs.csv is damaged"));
}

#[test]
fn the_lines_name_the_class_that_is_not_learned_and_in_how_many_runs() {
    let fake = Fake::default();
    let (_folder, sweep, runs, summary) = built(&fake);
    let mut never = 0;
    for run in &runs {
        let dir = sweep.run(run);
        let best = dir.read_state().unwrap().best_epoch;
        let classes: Vec<sweepscope::domain::ClassRow> = sweepscope::store::read_rows(&dir.classes_csv()).unwrap();
        let is_it =
            |row: &&sweepscope::domain::ClassRow| row.epoch == best && row.split == Split::Val && row.class == "fibre";
        let row = classes.iter().find(is_it).unwrap();
        never += usize::from(row.dice.is_some_and(|dice| dice < 0.05));
    }
    assert!(never > 0 && never < runs.len());
    let line = format!("fibre is not learned in {never} of 12 runs (Dice 0)");
    assert!(summary.lines.iter().any(|said| said.text.contains(&line)), "{:?}", summary.lines);
}

#[test]
fn charts_hold_no_text_that_needs_a_font_and_are_well_formed() {
    let (_folder, sweep, _, _) = built(&Fake { epochs: 3, ..Fake::default() });
    for entry in fs::read_dir(sweep.report().join("plots")).unwrap() {
        let svg = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!svg.contains("<text") && svg.contains("<use ") && svg.contains("aria-label="));
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        for used in svg.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(svg.contains(&format!("id=\"{used}\"")), "{used} is used but not defined");
        }
    }
}

/// Keeps a report for looking at: `REPORT_KEEP=folder cargo test --release --test report_build -- --ignored`.
#[test]
#[ignore = "writes a report to look at"]
fn write_a_report_to_look_at() {
    let root = std::env::var_os("REPORT_KEEP").unwrap();
    let sweep = SweepDir::new(root);
    let runs = Fake::default().write(sweep.root());
    assert!(report::build(&sweep, &runs).unwrap().problems.is_empty());
}
