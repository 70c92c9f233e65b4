//! `test`: the chosen setting on the test images, once, and recorded as done.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{
    console,
    exit::{self, Refusal},
    sweep::run_names,
};
use crate::{
    domain::{RunState, Split, SplitRow, TestRow},
    predict,
    report::{self, setting, words},
    store::{self, SweepDir, SweepLock},
};

/// Arguments of `test`.
#[derive(Args)]
#[command(after_help = "\
Example: sweepscope test results/demo
         sweepscope test results/demo learning_rate=1e-2 batch_size=4

Choose the setting on the validation images, then look at the test images once: each further look makes the best of
them too good to be true. What was evaluated is kept in test.csv; the figures are in runs.csv, each run's tables and
the report.")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// The setting, as axis=value pairs; without one the best on the validation images
    setting: Vec<String>,
    /// Look again, at another setting; this is counted and reported
    #[arg(long)]
    again: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Evaluates every run of the setting.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let sweep = SweepDir::new(&arguments.results);
    let runs = run_names(&sweep)?;
    let _lock = SweepLock::acquire(&sweep)?;
    let text = (!arguments.setting.is_empty()).then(|| arguments.setting.join(","));
    let chosen = setting::choose(&sweep, &runs, text.as_deref()).map_err(|error| Refusal::wrong(error.to_string()))?;
    let mut rows: Vec<TestRow> = store::read_rows(&sweep.test_csv())?;
    let earlier = rows.iter().find(|row| chosen.runs.contains(&row.run)).map(|row| row.look);
    if earlier.is_none() && !rows.is_empty() && !arguments.again {
        let mut settings: Vec<&str> = rows.iter().map(|row| row.setting.as_str()).collect();
        settings.dedup();
        return Err(Refusal::wrong(format!(
            "the test images of this sweep were looked at for {}; to look again for {} adds to the luck that the \
             figures hold. Add --again to do it all the same: it will be counted and reported",
            settings.join("; "),
            chosen.setting
        )));
    }
    check_complete(&sweep, &chosen.runs)?;
    let look = earlier.unwrap_or_else(|| rows.last().map_or(1, |row| row.look + 1));
    evaluate(&sweep, &chosen, look, &mut rows)?;
    let made = report::build(&sweep, &runs)?;
    let looks = rows.iter().map(|row| row.look).max().unwrap_or(look);
    rows.retain(|row| row.look == look);
    let answer = if arguments.json {
        format!("{:#}\n", json!({ "setting": chosen.setting, "look": look, "runs": rows, "page": made.index }))
    } else {
        lines(&sweep, &chosen.setting, looks, &rows)? + &format!("report: {}\n", made.index.display())
    };
    console::answer(&answer);
    Ok(ExitCode::SUCCESS)
}

fn check_complete(sweep: &SweepDir, runs: &[String]) -> Result<(), Refusal> {
    let mut open = Vec::new();
    for run in runs {
        if sweep.run(run).read_state()?.state != RunState::Completed {
            open.push(run.as_str());
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    let open = open.join("\n  ");
    Err(Refusal::wrong(format!("not every run of this setting is complete; finish these first:\n  {open}")))
}

/// Evaluates the runs that were not yet, and records first that the test images were looked at.
fn evaluate(sweep: &SweepDir, chosen: &setting::Chosen, look: usize, rows: &mut Vec<TestRow>) -> Result<(), Refusal> {
    let mut found = Vec::new();
    for name in &chosen.runs {
        let run = sweep.run(name);
        if predict::test_rows(&run)?.is_some() && rows.iter().any(|row| row.run == *name) {
            continue;
        }
        console::note(&format!("testing {name}"));
        let failed = |failure: crate::domain::Failure| Refusal {
            code: exit::FAILED,
            text: format!("error: {name} cannot be tested: {}", failure.message),
        };
        found.push((name, predict::test(&run).map_err(failed)?));
    }
    for (name, tested) in &found {
        let figures = &tested.figures;
        rows.retain(|row| row.run != **name);
        rows.push(TestRow {
            look,
            setting: chosen.setting.clone(),
            run: (*name).clone(),
            epoch: figures.epoch,
            dice_macro: figures.dice_macro,
            iou_macro: figures.iou_macro,
            dice_coef: figures.dice_coef,
        });
    }
    if !found.is_empty() {
        store::write_rows(&sweep.test_csv(), rows)?;
    }
    found.iter().try_for_each(|(name, tested)| tested.record(&sweep.run(name)))?;
    Ok(())
}

fn lines(sweep: &SweepDir, setting: &str, looks: usize, rows: &[TestRow]) -> Result<String, Refusal> {
    let scores: Vec<f64> = rows.iter().filter_map(|row| row.dice_macro).collect();
    let runs = console::count(rows.len(), "run");
    let mut text = format!("{setting}: test Dice (macro) {} over {runs}\n", words::mean_and_spread(&scores));
    text += &match looks {
        1 => "the test images were looked at once; quote this figure, and choose no other setting by it\n".into(),
        _ => format!("the test images were looked at {looks} times: the best of these looks is too good to be true\n"),
    };
    let mut splits = BTreeSet::new();
    for row in rows {
        let images: Vec<SplitRow> = store::read_rows(&sweep.run(&row.run).split_csv())?;
        let test = images.into_iter().filter(|image| image.split == Split::Test).map(|image| image.image);
        splits.insert(test.collect::<Vec<_>>());
    }
    if splits.len() > 1 {
        text += "each split has its own test images: some of them were validation images of another split when the \
                 setting was chosen\n";
    }
    Ok(text)
}
