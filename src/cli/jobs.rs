//! What the plan leaves to do, as the scheduler's jobs.

use std::path::{Path, PathBuf};

use super::exit::Refusal;
use crate::{
    domain::{EarlyEnd, RunConfig, TrainerConfig, axis_text, substitute},
    plan::{Plan, PlanEntry},
    scheduler::{Contest, Demand, Job, Trainer},
    spec::schema,
    store::RunDir,
};

/// A job for each pending run, in the plan's order.
pub fn of(plan: &Plan) -> Result<Vec<Job>, Refusal> {
    let program = program()?;
    let job = |entry: &PlanEntry| {
        Ok(Job {
            name: entry.planned.run.clone(),
            run: plan.run_dir(entry),
            cell: entry.planned.setting.clone(),
            seed: seed(entry),
            epochs: entry.config.train.epochs,
            trainer: trainer(&program, &entry.planned.run, &entry.config)?,
            demand: Some(demand(&entry.config)),
        })
    };
    plan.pending().map(job).collect()
}

/// The one run whose folder this is, alone.
pub fn of_run(run: &RunDir, config: &RunConfig) -> Result<Job, Refusal> {
    let name = run.name();
    Ok(Job {
        run: run.clone(),
        cell: name.clone(),
        seed: String::new(),
        epochs: config.train.epochs,
        trainer: trainer(&program()?, &name, config)?,
        demand: Some(demand(config)),
        name,
    })
}

/// This program's own file.
pub fn program() -> Result<PathBuf, Refusal> {
    std::env::current_exe().map_err(|e| Refusal::wrong(format!("failed to find this program's own file: {e}")))
}

/// The values of a run's replicate axes: which seed of its setting it is.
fn seed(entry: &PlanEntry) -> String {
    let axes = entry.planned.axes.iter().filter(|(axis, _)| schema::REPLICATES.contains(&schema::full_name(axis)));
    axes.map(|(axis, value)| format!("{axis}={}", axis_text(value))).collect::<Vec<_>>().join(" ")
}

/// What the early end of hopeless settings needs to know, where the sweep asks for it; `val_share`: validation images
/// for each training image.
pub fn contest(plan: &Plan, rules: Option<&EarlyEnd>, val_share: f64) -> Option<Contest> {
    let (rules, first) = rules.zip(plan.entries.first())?;
    let over = plan.entries.iter().filter(|entry| !entry.is_pending());
    let others = over.map(|entry| (entry.planned.setting.clone(), seed(entry), plan.run_dir(entry)));
    Some(Contest { rules: rules.clone(), monitor: first.config.monitor, val_share, others: others.collect() })
}

fn trainer(program: &Path, name: &str, config: &RunConfig) -> Result<Trainer, Refusal> {
    let program = program.to_owned();
    let Some(TrainerConfig { command, folder }) = config.trainer.as_deref() else {
        return Ok(Trainer::BuiltIn { program });
    };
    let settings = serde_json::to_value(config)
        .map_err(|e| Refusal::wrong(format!("failed to write the settings of {name}: {e}")))?;
    let value_of = |key: &str| {
        let path = schema::full_name(key).replace('.', "/");
        settings.pointer(&format!("/{path}")).map(axis_text)
    };
    let command = command.iter().map(|part| substitute(part, value_of)).collect::<Result<_, _>>();
    let missing = |key| Refusal::wrong(format!("`trainer.command`: {{{key}}} has no value in {name}"));
    Ok(Trainer::Outside { program, command: command.map_err(missing)?, folder: folder.clone() })
}

fn demand(config: &RunConfig) -> Demand {
    let [height, width] = config.data.input_size.0;
    Demand {
        batch: config.train.batch_size,
        pixels: height * width,
        width: config.model.base_width,
        depth: config.model.depth,
    }
}
