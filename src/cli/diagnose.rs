//! `diagnose`: what is wrong with a sweep or a run, the evidence, what to do.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{console, exit::Refusal, sweep};
use crate::report::{
    self,
    diagnose::{Finding, grouped},
};

/// Arguments of `diagnose`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope diagnose results/demo")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// One run: its name, its last eight digits, or a part that no other run has
    run: Option<String>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Prints the findings.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let (sweep, standings) = sweep::open(&arguments.results)?;
    let runs: Vec<String> = standings.iter().map(|run| run.planned.run.clone()).collect();
    let one = arguments.run.as_ref().map(|text| sweep::find(&standings, text)).transpose()?;
    let (mut findings, unjudged) = report::diagnose(&sweep, &runs)?;
    if let Some(one) = one {
        findings.retain(|finding| finding.run.as_ref() == Some(&one.planned.run));
    }
    if arguments.json {
        console::answer(&format!("{:#}\n", json!(findings)));
        unjudged.iter().for_each(|one| console::note(&one.to_string()));
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
