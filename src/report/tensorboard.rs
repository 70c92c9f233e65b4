//! TensorBoard event files: every scalar of each run and class, and the panels, a folder a run.
//!
//! A file is a series of TFRecords (length, its checksum, content, its checksum; checksums are CRC-32C, rotated and
//! shifted), each a protocol buffer `Event`: <https://github.com/tensorflow/tensorboard>, `compat/proto`. A step is an
//! epoch. So is the wall time, in seconds, so that the same results give the same bytes.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use prost::Message;

use super::{
    ReportError,
    aggregate::{ClassPoint, Run},
    tables,
};
use crate::{
    domain::EpochRow,
    store::{self, StoreError, SweepDir},
};

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    scalar: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 4: RGBA.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

/// Writes report/tensorboard/RUN/ for each run that has recorded an epoch; gives the folder for `tensorboard --logdir`.
///
/// # Errors
/// If a file cannot be written or a panel cannot be read.
pub fn write(sweep: &SweepDir, runs: &[String]) -> Result<PathBuf, ReportError> {
    let folder = sweep.report().join("tensorboard");
    let data = tables::read(sweep, runs);
    for run in data.runs.iter().filter(|run| run.state.epoch > 0) {
        let of_run = folder.join(&run.name);
        store::create_dir(&of_run)?;
        let mut events = vec![Event { file_version: Some("brain.Event:2".into()), ..Event::default() }];
        events.extend((1..=run.state.epoch).map(|epoch| at(epoch, scalars(run, epoch))));
        let shown = run.best_epoch(data.monitor).unwrap_or(run.state.epoch);
        events.push(at(shown, panels(&sweep.run(&run.name).panels())?));
        store::write_derived(&of_run.join("events.out.tfevents.0.sweepscope"), |file| {
            events.iter().try_for_each(|event| write_record(file, &event.encode_to_vec()))
        })?;
    }
    Ok(folder)
}

fn at(epoch: usize, values: Vec<Value>) -> Event {
    Event { wall_time: epoch as f64, step: epoch as i64, summary: Some(Summary { values }), ..Event::default() }
}

/// `dice_macro/val` for epochs.csv, `dice/val/clay` for classes.csv; a figure that is not defined is left out.
fn scalars(run: &Run, epoch: usize) -> Vec<Value> {
    type OfRow = fn(&EpochRow) -> Option<f64>;
    const FIGURES: [(&str, OfRow); 7] = [
        ("loss", |row| row.loss),
        ("accuracy", |row| row.accuracy),
        ("dice_coef", |row| row.dice_coef),
        ("iou_coef", |row| row.iou_coef),
        ("dice_macro", |row| row.dice_macro),
        ("iou_macro", |row| row.iou_macro),
        ("learning_rate", |row| Some(row.learning_rate)),
    ];
    type OfPoint = fn(&ClassPoint) -> Option<f64>;
    const OF_CLASS: [(&str, OfPoint); 4] = [
        ("dice", ClassPoint::dice),
        ("iou", |point| point.counts.iou().filter(|_| point.images > 0)),
        ("precision", |point| point.counts.precision().filter(|_| point.images > 0)),
        ("recall", |point| point.counts.recall()),
    ];
    let scalar = |tag: String, value: Option<f64>| {
        value.map(|value| Value { tag, scalar: Some(value as f32), ..Value::default() })
    };
    let mut values = Vec::new();
    for split in run.epochs.keys() {
        let Some(row) = run.row(*split, epoch) else { continue };
        values.extend(FIGURES.iter().filter_map(|(name, of)| scalar(format!("{name}/{split}"), of(row))));
    }
    for history in &run.classes {
        let points = history.points.iter().filter(|point| point.epoch as usize == epoch);
        for point in points {
            let tag = |name: &str| format!("{name}/{}/{}", history.split, history.class);
            values.extend(OF_CLASS.iter().filter_map(|(name, of)| scalar(tag(name), of(point))));
        }
    }
    values
}

/// `panel/worst-NAME` and its like.
fn panels(folder: &Path) -> Result<Vec<Value>, StoreError> {
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(folder, e)),
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "png"));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let encoded = fs::read(path).map_err(|e| unreadable(path, e))?;
            let size = image::image_dimensions(path);
            let (width, height) =
                size.map_err(|e| StoreError::Damaged { path: path.clone(), reason: e.to_string() })?;
            let image = Image { height: height as i32, width: width as i32, colorspace: 4, encoded };
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            Ok(Value { tag: format!("panel/{stem}"), image: Some(image), ..Value::default() })
        })
        .collect()
}

fn unreadable(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { action: "read", path: path.to_owned(), source }
}

fn write_record(file: &mut dyn Write, content: &[u8]) -> io::Result<()> {
    let length = (content.len() as u64).to_le_bytes();
    for part in [&length, &checksum(&length)[..], content, &checksum(content)] {
        file.write_all(part)?;
    }
    Ok(())
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}
