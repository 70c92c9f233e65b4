//! How a mask's samples spell class indices: by value, by colour, or by being there at all.

use std::collections::BTreeMap;

use crate::domain::{DataConfig, MaskLayout};

use super::{
    super::{
        error::Cause,
        raster::{Raster, Samples},
    },
    IGNORED,
    tally::Tally,
};

type Color = [u8; 3];

/// How a mask spells its classes.
#[derive(Clone, Debug)]
pub(in crate::data) enum Coding {
    /// By value: index masks and grey-coded ones.
    Values { labels: BTreeMap<i64, u8> },
    /// By colour, each channel within `tolerance`.
    Colors { classes: Vec<(Color, u8, String)>, tolerance: u8 },
    /// What is not 0 is an object: instance ids and masks of one object.
    Objects { absent: u8, present: u8, ignored: Option<f64> },
    /// What is not 0 in a class's mask is that class; `fill` is what no mask claims.
    Layers { labels: Vec<u8>, fill: Option<u8> },
}

impl Coding {
    /// The coding that the classes declare; `trained_as[i]` is the index that declared class `i` becomes.
    pub(in crate::data) fn new(config: &DataConfig, trained_as: &[u8]) -> Result<Self, String> {
        let declared = |name: &String| config.classes.iter().position(|class| class.name == *name);
        let background = config.background.as_ref().and_then(declared);
        if config.mask_layout == MaskLayout::ClassFolders {
            return Ok(Self::Layers { labels: trained_as.to_vec(), fill: background.map(|class| trained_as[class]) });
        }
        if config.instances || config.mask_layout == MaskLayout::ObjectFolders {
            let &[first, second] = trained_as else {
                return Err("masks of objects need two classes, the background and the objects".into());
            };
            let (absent, present) = if background == Some(1) { (second, first) } else { (first, second) };
            return Ok(Self::Objects { absent, present, ignored: config.ignore_index.map(f64::from) });
        }
        let colored = config.classes.iter().filter(|class| class.color.is_some()).count();
        if colored == 0 {
            return Self::values(config, trained_as);
        }
        if colored < config.classes.len() {
            return Err("some classes have a color and some have none".into());
        }
        let mut classes: Vec<(Color, u8, String)> = Vec::new();
        for (class, &label) in config.classes.iter().zip(trained_as) {
            let text = class.color.as_deref().unwrap_or_default();
            let color = parse_color(text).ok_or(format!("{text:?} is not a colour such as #00ff00"))?;
            if let Some((_, _, other)) = classes.iter().find(|(used, ..)| *used == color) {
                return Err(format!("{other:?} and {:?} have the same color", class.name));
            }
            classes.push((color, label, class.name.clone()));
        }
        Ok(Self::Colors { classes, tolerance: config.color_tolerance })
    }

    fn values(config: &DataConfig, trained_as: &[u8]) -> Result<Self, String> {
        let mut labels = BTreeMap::new();
        for (i, (class, &label)) in config.classes.iter().zip(trained_as).enumerate() {
            let value = class.value.map_or(i as i64, i64::from);
            if labels.insert(value, label).is_some() {
                return Err(format!("two classes have the value {value}"));
            }
        }
        if let Some(ignored) = config.ignore_index {
            labels.insert(i64::from(ignored), IGNORED);
        }
        Ok(Self::Values { labels })
    }

    /// The label of each pixel, [height, width].
    pub(super) fn labels(&self, raster: &Raster) -> Result<Vec<u8>, Cause> {
        match self {
            Self::Colors { classes, tolerance } => by_color(raster, classes, *tolerance),
            Self::Values { labels } => by_value(raster, labels),
            Self::Objects { absent, present, ignored } => {
                let label = |value: f64| match value {
                    0.0 => *absent,
                    value if Some(value) == *ignored => IGNORED,
                    _ => *present,
                };
                Ok(strengths(raster)?.into_iter().map(label).collect())
            }
            Self::Layers { .. } => Err(Cause::NotAMask("it is one of several".into())),
        }
    }
}

/// The largest sample of each pixel, alpha left out: 0 where nothing is.
///
/// # Errors
/// If it cannot be told where nothing is.
pub(super) fn strengths(raster: &Raster) -> Result<Vec<f64>, Cause> {
    if is_inverted(raster) {
        let text =
            "in its palette index 0 is not black and another is, so either may be where nothing is; save it in grey";
        return Err(Cause::NotAMask(text.into()));
    }
    let shown = if raster.channels < 3 { 1 } else { 3 };
    let planes: Vec<Vec<f64>> = (0..shown).map(|c| raster.samples.plane(c, raster.channels)).collect();
    if planes.iter().flatten().any(|sample| !sample.is_finite()) {
        return Err(Cause::NotAMask("it holds numbers that are not finite".into()));
    }
    let strongest = |i: usize| planes.iter().map(|plane| plane[i].abs()).fold(0.0, f64::max);
    Ok((0..raster.size[0] * raster.size[1]).map(strongest).collect())
}

/// Whether the palette shows black where the index is not 0, and something else where it is.
fn is_inverted(raster: &Raster) -> bool {
    const BLACK: [u8; 3] = [0; 3];
    let (Some(palette), Samples::U8(indices)) = (&raster.palette, &raster.samples) else { return false };
    let is_black = |index: u8| palette.get(usize::from(index)) == Some(&BLACK);
    !is_black(0) && indices.iter().any(|&index| is_black(index))
}

fn by_value(raster: &Raster, labels: &BTreeMap<i64, u8>) -> Result<Vec<u8>, Cause> {
    if raster.channels > 2 {
        colored_as_grey(raster)?;
    }
    let step = raster.channels;
    match &raster.samples {
        Samples::U8(samples) => look_up(samples.iter().step_by(step).map(|&v| i64::from(v)), labels),
        Samples::U16(samples) => look_up(samples.iter().step_by(step).map(|&v| i64::from(v)), labels),
        Samples::F32(samples) => {
            look_up(whole(samples.iter().step_by(step).map(|&v| f64::from(v)))?.into_iter(), labels)
        }
        Samples::F64(samples) => look_up(whole(samples.iter().step_by(step).copied())?.into_iter(), labels),
    }
}

/// Labels by value; the values of a mask come in runs, so the last look-up is kept.
fn look_up(values: impl Iterator<Item = i64>, labels: &BTreeMap<i64, u8>) -> Result<Vec<u8>, Cause> {
    let mut unknown = Tally::default();
    let mut last = (i64::MIN, None);
    let found = values
        .map(|value| {
            if value != last.0 {
                last = (value, labels.get(&value).copied());
            }
            last.1.unwrap_or_else(|| {
                unknown.add(value);
                IGNORED
            })
        })
        .collect();
    unknown.or(found, Cause::Values, |value| value.to_string())
}

/// Floating-point masks hold whole numbers or they are no masks.
fn whole(values: impl Iterator<Item = f64>) -> Result<Vec<i64>, Cause> {
    values
        .map(|v| (v.fract() == 0.0 && v.abs() < 1e15).then_some(v as i64))
        .collect::<Option<_>>()
        .ok_or_else(|| Cause::NotAMask("it holds numbers that are not whole".into()))
}

/// An RGB mask may be read by value only if it is grey all over.
fn colored_as_grey(raster: &Raster) -> Result<(), Cause> {
    let colors = raster.colors().ok_or_else(|| Cause::NotAMask("colours of floating-point samples".into()))?;
    // Sixteen bits may differ where the eight of a colour do not.
    let [red, green, blue] = [0, 1, 2].map(|channel| raster.samples.plane::<f32>(channel, raster.channels));
    let mut tally = Tally::default();
    colors
        .enumerate()
        .filter(|&(pixel, _)| red[pixel] != green[pixel] || green[pixel] != blue[pixel])
        .for_each(|(_, color)| tally.add(color));
    tally.or((), Cause::Colored, |color| hex(*color))
}

fn by_color(raster: &Raster, classes: &[(Color, u8, String)], tolerance: u8) -> Result<Vec<u8>, Cause> {
    let colors = raster.colors().ok_or_else(|| Cause::NotAMask("colours of floating-point samples".into()))?;
    let mut unknown = Tally::default();
    let mut last: Option<(Color, Option<u8>)> = None;
    let found = colors
        .map(|color| {
            let label = match last {
                Some((same, label)) if same == color => label,
                _ => {
                    let (distance, label, _) = nearest(color, classes);
                    (distance <= tolerance).then_some(label)
                }
            };
            last = Some((color, label));
            label.unwrap_or_else(|| {
                unknown.add(color);
                IGNORED
            })
        })
        .collect();
    unknown.or(found, Cause::Colors, |&color| {
        let (distance, _, name) = nearest(color, classes);
        format!("{}, {distance} from {name}", hex(color))
    })
}

/// The class whose colour is nearest by the largest difference of a channel; of equals the first.
fn nearest(color: Color, classes: &[(Color, u8, String)]) -> (u8, u8, &str) {
    classes
        .iter()
        .map(|(of_class, label, name)| {
            let distance = color.iter().zip(of_class).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            (distance, *label, name.as_str())
        })
        .min_by_key(|(distance, ..)| *distance)
        .unwrap_or((u8::MAX, IGNORED, ""))
}

fn parse_color(text: &str) -> Option<Color> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    Some([(value >> 16) as u8, (value >> 8) as u8, value as u8])
}

fn hex([r, g, b]: Color) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}
