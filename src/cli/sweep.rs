//! A sweep on disk, as the commands that look at one see it.

use std::path::Path;

use rayon::prelude::*;

use super::exit::Refusal;
use crate::{
    domain::StateRecord,
    store::{PlannedRun, RunDir, SweepDir},
};

/// A run of the plan and where it stands.
pub struct Standing {
    /// Name, identity, axes.
    pub planned: PlannedRun,
    /// What its state.json says.
    pub state: StateRecord,
}

/// The sweep in that folder and its runs in the plan's order.
pub fn open(folder: &Path) -> Result<(SweepDir, Vec<Standing>), Refusal> {
    let sweep = SweepDir::new(folder);
    let plan = plan(&sweep)?;
    let standing = |planned: PlannedRun| Ok(Standing { state: sweep.run(&planned.run).read_state()?, planned });
    let runs = plan.into_par_iter().map(standing).collect::<Result<_, Refusal>>()?;
    Ok((sweep, runs))
}

/// The runs of a sweep that was run, in their order.
pub fn plan(sweep: &SweepDir) -> Result<Vec<PlannedRun>, Refusal> {
    let known = if sweep.root().is_dir() { PlannedRun::read_all(sweep)? } else { None };
    known.ok_or_else(|| {
        let folder = sweep.root().display();
        Refusal::wrong(format!("{folder} holds no sweep; give a folder such as results/demo"))
    })
}

/// The names of those runs.
pub fn run_names(sweep: &SweepDir) -> Result<Vec<String>, Refusal> {
    Ok(plan(sweep)?.into_iter().map(|planned| planned.run).collect())
}

/// The run in that folder.
pub fn run_in(folder: &Path) -> Result<RunDir, Refusal> {
    let run = RunDir::new(folder);
    if run.run_toml().is_file() {
        return Ok(run);
    }
    let folder = folder.display();
    Err(Refusal::wrong(format!("{folder} is no run; give a folder such as results/demo/runs/RUN")))
}

/// The run that `text` names: its whole name, the hex digits at its end, or a part that no other run has.
pub fn find<'a>(runs: &'a [Standing], text: &str) -> Result<&'a Standing, Refusal> {
    let text = text.trim_end_matches('/').rsplit('/').next().unwrap_or(text);
    if let Some(run) = runs.iter().find(|run| run.planned.run == text || run.planned.id.short() == text) {
        return Ok(run);
    }
    let mut like = runs.iter().filter(|run| run.planned.run.contains(text));
    match (like.next(), like.count()) {
        (Some(run), 0) => Ok(run),
        (None, _) => Err(Refusal::wrong(format!("no run is called `{text}`; `sweepscope status` lists them"))),
        (Some(run), others) => {
            let name = &run.planned.run;
            Err(Refusal::wrong(format!("`{text}` names {} runs, {name} among them; give more of it", others + 1)))
        }
    }
}
