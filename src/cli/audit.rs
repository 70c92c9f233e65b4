//! `data audit`: what is in a data set, and whether its splits and input sizes do it justice.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    audit_page, console,
    exit::{self, Refusal},
    loading,
};
use crate::{
    data::{
        Dataset,
        audit::{self, Audit, SizeReport, SplitReport},
    },
    domain::{InputMode, Severity, SplitConfig},
    grid,
    spec::SweepSpec,
};

/// Images listed by name; the rest is counted.
const LISTED: usize = 5;

/// Arguments of `data audit`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope data audit sweeps/sandstone.toml grid.input_size=32,64,128 --json")]
pub struct Arguments {
    /// The sweep file
    sweep: PathBuf,
    /// Changes of it: KEY=VALUE, grid.AXIS=A,B, ~KEY
    overrides: Vec<String>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Also draw it, as this SVG file
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// Checks the data of a sweep with every split and input size that its grid has; exit code 2 if any finding is a
/// failure.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    loading::make_synthetic(&arguments.sweep, &arguments.overrides)?;
    let spec = SweepSpec::read(&arguments.sweep, &arguments.overrides)?;
    let cells = grid::expand(&spec)?;
    let Some(data) = cells.first().map(|cell| &cell.config.data) else {
        return Err(Refusal::wrong("the grid has no cell"));
    };
    let mut splits: Vec<SplitConfig> = Vec::new();
    let mut sizes = Vec::new();
    for config in cells.iter().map(|cell| &cell.config) {
        if !splits.contains(&config.split) {
            splits.push(config.split.clone());
        }
        // Crops are not scaled, so that they lose nothing.
        let is_scaled = config.data.input_mode == InputMode::Resize;
        if is_scaled && !sizes.contains(&config.data.input_size.0) {
            sizes.push(config.data.input_size.0);
        }
    }
    let dataset = Dataset::open(data)?;
    let audit = audit::audit(&dataset, &splits, &sizes, data.groups.is_some())?;
    if let Some(path) = &arguments.svg {
        let written = std::fs::write(path, audit_page::svg(&audit, dataset.classes().background)?);
        written.map_err(|e| Refusal::wrong(format!("failed to write {}: {e}", path.display())))?;
    }
    console::answer(&if arguments.json { json(&audit)? } else { text(&audit) });
    let failed = audit.findings.iter().any(|finding| finding.severity == Severity::Fail);
    Ok(ExitCode::from(if failed { exit::WRONG } else { 0 }))
}

fn json(audit: &Audit) -> Result<String, Refusal> {
    let text = serde_json::to_string_pretty(audit).map_err(|e| Refusal::wrong(e.to_string()))?;
    Ok(text + "\n")
}

fn text(audit: &Audit) -> String {
    let mut text =
        format!("{} in {}\n\n", console::count(audit.images, "image"), console::count(audit.groups, "group"));
    text += &classes(audit);
    for report in &audit.splits {
        text += &format!("\n{}", split(report));
    }
    text += &audit.sizes.iter().map(|report| format!("\n{}", size(report))).collect::<String>();
    text += &listed("without foreground", audit.without_foreground.iter().cloned());
    text += &listed("doubtful", audit.doubtful.iter().map(|of| format!("{} ({:?})", of.image, of.doubt)));
    let pair = |of: &audit::Duplicate| {
        let how = if of.exact { "the same as" } else { "nearly the same as" };
        format!("{} {how} {}", of.image, of.other)
    };
    text += &listed("duplicates", audit.duplicates.iter().map(pair));
    text += "\n";
    for finding in &audit.findings {
        let severity = finding.severity.name();
        text += &format!("{severity}: {} ({}); {}\n", finding.evidence, finding.rule, finding.advice);
    }
    if audit.findings.is_empty() {
        text += "nothing to complain of\n";
    }
    text
}

fn classes(audit: &Audit) -> String {
    let header = ["class", "pixels", "%", "images", "components", "smallest", "median", "largest"];
    let row = |class: &audit::ClassReport| {
        let sizes =
            class.component_sizes.map_or([const { String::new() }; 3], |sizes| sizes.map(|size| size.to_string()));
        let mut row = vec![class.class.clone(), class.pixels.to_string(), percent(Some(class.share))];
        row.extend([class.images.to_string(), class.components.to_string()]);
        row.extend(sizes);
        row
    };
    table(&header, audit.classes.iter().map(row))
}

fn split(report: &SplitReport) -> String {
    let fold = report.fold.map_or(String::new(), |fold| format!(", fold {fold}"));
    let mut text = format!(
        "split seed {}{fold}: divergence {:.5} bit, {:.0} % of {} random splits are more alike\n",
        report.seed,
        report.likeness.divergence,
        100.0 * report.likeness.divergence_percentile,
        report.likeness.random_splits,
    );
    let mut header = vec!["part".to_owned(), "images".to_owned(), "groups".to_owned()];
    for class in report.parts.first().map_or(&[][..], |part| &part.classes) {
        header.extend([format!("{} %", class.class), "images".to_owned()]);
    }
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let row = |part: &audit::PartReport| {
        let mut row = vec![part.split.to_string(), part.images.to_string(), part.groups.to_string()];
        part.classes.iter().for_each(|class| row.extend([percent(class.share), class.images.to_string()]));
        row
    };
    text += &table(&header, report.parts.iter().map(row));
    text + &farthest(report)
}

/// The class of a part whose shares of the images are spread least like those of train, among random splits.
fn farthest(report: &SplitReport) -> String {
    let of_parts = report.parts.iter().flat_map(|part| part.classes.iter().map(move |class| (part.split, class)));
    let measured =
        of_parts.filter_map(|(split, class)| Some((split, class, class.distance?, class.distance_percentile?)));
    let Some((split, class, distance, closer)) = measured.max_by(|a, b| a.3.total_cmp(&b.3).then(a.2.total_cmp(&b.2)))
    else {
        return String::new();
    };
    let (class, closer) = (&class.class, 100.0 * closer);
    format!("farthest from train: {class} in {split}, KS {distance:.2}, {closer:.0} % of random splits are closer\n")
}

fn size(report: &SizeReport) -> String {
    let [height, width] = report.input_size;
    let header = ["class", "pixels lost %", "components", "lost %", "best Dice"];
    let row = |class: &audit::ClassLoss| {
        let ceiling = class.ceiling.map_or(String::new(), |dice| format!("{dice:.3}"));
        vec![
            class.class.clone(),
            percent(class.pixels_lost),
            class.components.to_string(),
            percent(class.components_lost),
            ceiling,
        ]
    };
    let looked = console::count(report.images, "image");
    format!("input_size {height} x {width}, down and up again ({looked})\n")
        + &table(&header, report.classes.iter().map(row))
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    let right: Vec<usize> = (1..header.len()).collect();
    console::table(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), &right)
}

fn percent(share: Option<f64>) -> String {
    share.map_or(String::new(), |share| format!("{:.2}", 100.0 * share))
}

fn listed(what: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return String::new();
    }
    let more = items.len().saturating_sub(LISTED);
    let rest = if more > 0 { format!(" and {more} more (all with --json)") } else { String::new() };
    format!("\n{what}: {}{rest}\n", items[..items.len() - more].join(", "))
}
