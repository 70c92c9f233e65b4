//! `predict`: masks of new images from a run's network.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{
    console,
    exit::{self, Refusal},
    sweep,
};
use crate::{
    predict::{self, Area, Input, Segmenter},
    store,
};

/// Arguments of `predict`.
#[derive(Args)]
#[command(after_help = "\
Example: sweepscope predict results/demo/runs/RUN photos/ more.tif --out masks

Of NAME.png or NAME.tif it writes NAME.png, a palette PNG whose samples are the classes' numbers from 0 on;
NAME_overlay.png, the image with the classes over it; and predictions.csv with each class's share of each image.")]
pub struct Arguments {
    /// Folder of a run
    run: PathBuf,
    /// Images, or folders of images
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Folder for the masks
    #[arg(long)]
    out: PathBuf,
    /// Write NAME_probabilities.tif too: 32-bit floats, a page a class
    #[arg(long)]
    probabilities: bool,
    /// Replace masks that are there
    #[arg(long)]
    overwrite: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Predicts every image that can be read and names the others.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let missing: Vec<String> =
        arguments.images.iter().filter(|path| !path.exists()).map(|path| path.display().to_string()).collect();
    if !missing.is_empty() {
        return Err(Refusal::wrong(format!("there is no {}", missing.join(", no "))));
    }
    let (inputs, unread) = predict::inputs(&arguments.images).map_err(Refusal::wrong)?;
    if inputs.is_empty() && unread.is_empty() {
        return Err(Refusal::wrong("no image is in what was named"));
    }
    let segmenter = Segmenter::open(&sweep::run_in(&arguments.run)?, &arguments.out, arguments.probabilities)
        .map_err(|failure| Refusal::wrong(format!("{}: {}", arguments.run.display(), failure.message)))?;
    if !arguments.overwrite {
        keep_what_is_there(&segmenter, &inputs)?;
    }
    let mut problems: Vec<String> = unread.iter().map(ToString::to_string).collect();
    let areas = all(&segmenter, &inputs, &mut problems);
    if !areas.is_empty() {
        store::write_rows(&arguments.out.join("predictions.csv"), &areas)?;
    }
    tell_of_sizes(&segmenter, &areas);
    tell(arguments, &areas, &problems, inputs.len() + unread.len());
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

fn keep_what_is_there(segmenter: &Segmenter, inputs: &[Input]) -> Result<(), Refusal> {
    let there: Vec<PathBuf> =
        inputs.iter().flat_map(|input| segmenter.files(input)).filter(|path| path.exists()).collect();
    let Some(first) = there.first() else { return Ok(()) };
    let others = if there.len() > 1 { format!(" and {} more are", there.len() - 1) } else { " is".into() };
    let first = first.display();
    Err(Refusal::wrong(format!("{first}{others} there already; name another folder, or add --overwrite")))
}

/// The areas of every image; what fails is added to `problems` and the rest is done.
fn all(segmenter: &Segmenter, inputs: &[Input], problems: &mut Vec<String>) -> Vec<Area> {
    let drawn = std::io::stderr().is_terminal();
    let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(inputs.len() as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} images  {eta} left  {msg}") {
        bar.set_style(style);
    }
    let mut areas = Vec::new();
    for input in inputs {
        bar.set_message(input.stem.clone());
        match segmenter.segment(input) {
            Ok(found) => areas.extend(found),
            // What is wrong with the output folder is wrong for every image.
            Err(problem) if problems.contains(&problem) => {}
            Err(problem) => problems.push(problem),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    areas
}

/// Images much larger or smaller than those of the run show their structures at another scale than it has learned.
fn tell_of_sizes(segmenter: &Segmenter, areas: &[Area]) {
    let times = |of_image: &[Area]| segmenter.times_as_large(of_image.iter().map(|area| area.pixels).sum());
    let images = areas.chunk_by(|a, b| a.mask == b.mask);
    let odd: Vec<(&str, f64)> = images
        .map(|of_image| (of_image[0].mask.as_str(), times(of_image)))
        .filter(|(_, times)| !(0.5..=2.0).contains(times))
        .collect();
    let Some((first, times)) = odd.first() else { return };
    let count = console::count(odd.len(), "image");
    console::note(&format!(
        "warning: {count} of another scale: {first} is {times:.1} times as high and wide as the images of the run, and \
         is shown to the network at the same size; cut such images into pieces of that size, or train with \
         data.input_mode = \"crop\""
    ));
}

/// `named`: the images that were named, read or not.
fn tell(arguments: &Arguments, areas: &[Area], problems: &[String], named: usize) {
    let mut masks: Vec<&str> = areas.iter().map(|area| area.mask.as_str()).collect();
    masks.dedup();
    problems.iter().for_each(|problem| console::note(&format!("not predicted: {problem}")));
    if arguments.json {
        let answer = json!({ "out": arguments.out, "masks": masks, "problems": problems });
        console::answer(&format!("{answer:#}\n"));
    } else {
        let count = console::count(masks.len(), "mask");
        let missing = named.saturating_sub(masks.len());
        let not = if missing == 0 { String::new() } else { format!("; {missing} not predicted") };
        console::answer(&format!("{count} in {}{not}\n", arguments.out.display()));
    }
}
