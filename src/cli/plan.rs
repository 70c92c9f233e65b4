//! `plan`: what `run` would do.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use rayon::prelude::*;
use serde_json::json;

use super::{
    console, cost,
    executor::{self, Executor},
    exit::Refusal,
    loading::{self, Loaded, Place},
    run::Schedule,
    shares::Shares,
};
use crate::plan::{Action, Plan};

/// Arguments of `plan`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope plan my.toml grid.learning_rate=1e-3,1e-4 ~grid.batch_size")]
pub struct Arguments {
    /// The sweep file
    pub sweep: PathBuf,
    /// Changes of it: KEY=VALUE, grid.AXIS=A,B, ~KEY
    pub overrides: Vec<String>,
    /// Folder of results
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    schedule: Schedule,
}

/// Shows the plan.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    if let Some(folder) = loading::missing_synthetic(&arguments.sweep, &arguments.overrides)? {
        let folder = folder.display();
        return Err(Refusal::wrong(format!(
            "the sweep's synthetic images are not there yet; `sweepscope run {sweep}` makes them first, or make them \
             now: sweepscope data synth {folder}",
            sweep = arguments.sweep.display()
        )));
    }
    let loaded = loading::load(&arguments.sweep, &arguments.overrides, &Place::Below(&arguments.results), None)?;
    show(&loaded, &arguments.schedule, arguments.json)?;
    // To free a large plan piece by piece takes longer than to end with it.
    std::mem::forget(loaded);
    Ok(ExitCode::SUCCESS)
}

/// Prints the grid, what is done, and what the splits hold.
pub fn show(loaded: &Loaded, flags: &Schedule, as_json: bool) -> Result<(), Refusal> {
    let data = loading::check_data(&loaded.plan, None)?;
    let shares = data.as_ref().map(|data| Shares::of(&loaded.plan, &data.dataset)).transpose()?;
    let script = script(loaded, flags)?;
    if as_json {
        console::answer(&format!("{:#}\n", to_json(loaded, shares.as_ref(), script.as_deref())));
        return Ok(());
    }
    let mut text = shares.map_or(String::new(), |shares| shares.text() + "\n");
    text += &grid_table(&loaded.plan);
    if let Some(data) = data {
        text += &format!("\n{}", cost::line(&loaded.plan, &data));
    }
    text += &format!("\n{}\n", summary(&loaded.plan));
    if let Some(script) = script {
        text += &format!("\nthe script for Slurm, where an array may be as large as this:\n\n{script}");
    }
    console::answer(&text);
    Ok(())
}

/// The script for Slurm, where that is asked for or has a section in the sweep file.
fn script(loaded: &Loaded, flags: &Schedule) -> Result<Option<String>, Refusal> {
    match flags.executor {
        Some(Executor::Slurm) => executor::check(loaded)?,
        None if loaded.spec.slurm.is_some() => {}
        Some(Executor::Local) | None => return Ok(None),
    }
    executor::example_script(loaded, flags)
}

/// "12 runs: 9 new, 1 to resume, 2 done" and what is left over.
pub fn summary(plan: &Plan) -> String {
    let parts = [
        (Action::Start, "new"),
        (Action::Resume, "to resume"),
        (Action::Skip, "done"),
        (Action::EndedEarly, "ended early"),
        (Action::Failed, "failed"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .map(|(action, word)| (plan.count(*action), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let mut text = format!("{}: {}", console::count(plan.entries.len(), "run"), parts.join(", "));
    let leftovers = plan.leftovers();
    if !leftovers.is_empty() {
        let runs = console::count(leftovers.len(), "run");
        let stay = if leftovers.len() == 1 { "stays" } else { "stay" };
        let of =
            if plan.had_other_data(&leftovers) { "made from other images or masks" } else { "of earlier sweep files" };
        text += &format!("; {runs} {of} {stay} in {}", plan.sweep.runs().display());
    }
    text
}

fn grid_table(plan: &Plan) -> String {
    let mut header = vec!["run".to_owned(), "state".to_owned(), "epochs".to_owned()];
    header.extend(plan.entries.iter().take(1).flat_map(|entry| entry.planned.axes.keys().cloned()));
    let rows = plan.entries.par_iter().map(|entry| {
        let epochs = format!("{}/{}", entry.state.epoch, entry.config.train.epochs);
        let mut row = vec![entry.planned.id.short(), entry.action.name().to_owned(), epochs];
        row.extend(entry.planned.axes.values().map(crate::domain::axis_text));
        row
    });
    let mut table = vec![header];
    table.par_extend(rows);
    console::table(&table, &[])
}

fn to_json(loaded: &Loaded, shares: Option<&Shares>, script: Option<&str>) -> serde_json::Value {
    let runs: Vec<_> = loaded
        .plan
        .entries
        .iter()
        .map(|entry| {
            json!({
                "run": entry.planned.run, "id": entry.planned.id, "action": entry.action.name(),
                "epoch": entry.state.epoch, "epochs": entry.config.train.epochs, "axes": entry.planned.axes,
            })
        })
        .collect();
    json!({ "sweep": loaded.spec.name, "results": loaded.plan.sweep.root(), "fingerprint": loaded.plan.fingerprint, "data": shares, "runs": runs, "slurm_script": script })
}
