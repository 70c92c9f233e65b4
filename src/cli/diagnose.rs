//! `diagnose`: what is wrong with a sweep or a run, the evidence, what to do.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{console, exit::Refusal, report::planned_runs};
use crate::{
    report::{
        self,
        diagnose::{Finding, grouped},
    },
    store::SweepDir,
};

/// Arguments of `diagnose`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope diagnose results/demo")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// One run: its folder's name or the start of it
    run: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Prints the findings.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let sweep = SweepDir::new(&arguments.results);
    let runs = planned_runs(&sweep)?;
    if let Some(start) = arguments.run.as_ref().filter(|start| !runs.iter().any(|run| run.starts_with(*start))) {
        return Err(Refusal::wrong(format!("no run starts with `{start}`; the runs are\n  {}", runs.join("\n  "))));
    }
    let (mut findings, unjudged) = report::diagnose(&sweep, &runs)?;
    if let Some(start) = &arguments.run {
        findings.retain(|finding| finding.run.as_ref().is_some_and(|run| run.starts_with(start)));
    }
    if arguments.json {
        console::answer(&format!("{:#}\n", json!(findings)));
    } else {
        let unjudged: String = unjudged.iter().map(|one| format!("note {one}\n")).collect();
        console::answer(&(text(&findings, runs.len()) + &unjudged));
    }
    Ok(ExitCode::SUCCESS)
}

/// A paragraph a group of findings.
fn text(findings: &[Finding], runs: usize) -> String {
    if findings.is_empty() {
        return "No rule fired.\n".into();
    }
    let paragraph = |group: report::diagnose::Group<'_>| {
        let finding = group.first;
        let class = finding.class.as_ref().map(|class| format!(": {class}")).unwrap_or_default();
        let place = match &finding.run {
            None => String::new(),
            Some(run) if group.runs() == 1 => format!(" ({run})"),
            Some(run) => format!(" ({} of {runs} runs, {run} for one)", group.runs()),
        };
        format!(
            "{} {}{class}{place}\n     {}\n     -> {}\n",
            finding.severity.name(),
            finding.rule.title,
            group.evidence(),
            finding.advice
        )
    };
    grouped(findings).into_iter().map(paragraph).collect()
}
