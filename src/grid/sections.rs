//! The sections of the cells' settings: each is read once, however many cells share it.

use std::{collections::HashMap, sync::Arc};

use rayon::prelude::*;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::{
    Cell,
    picks::{Axes, Pick},
};
use crate::{
    domain::{Canonical, RunConfig, axis_text},
    spec::{Problem, Problems, SweepSpec, schema},
};

/// The settings of all cells.
pub(super) struct Sections {
    /// What no axis varies.
    base: RunConfig,
    canonical: Canonical,
    varying: Vec<Section>,
}

/// A section that some axis varies.
struct Section {
    name: String,
    /// The places of its axes.
    axes: Vec<usize>,
    variants: Vec<Variant>,
}

/// A section as some cells have it.
struct Variant {
    /// All else is left at its default.
    config: RunConfig,
    canonical: Canonical,
    /// Its axes' values.
    values: Vec<Json>,
}

impl Sections {
    /// Reads every section that the picks need. Also gives, for each pick, the places of its variants; two picks with
    /// the same places have the same settings.
    pub(super) fn read(spec: &SweepSpec, axes: &Axes<'_>, picks: &[Pick]) -> Result<(Self, Vec<Vec<usize>>), Problems> {
        let (base, canonical) = settle(spec.base.clone()).map_err(|e| unreadable("the settings", &e))?;
        let mut places = vec![Vec::new(); picks.len()];
        let mut varying: Vec<Section> = Vec::new();
        for key in &axes.keys {
            let name = key.split('.').next().unwrap_or(key);
            if varying.iter().all(|section| section.name != name) {
                varying.push(Section::read(spec, axes, name, picks, &mut places)?);
            }
        }
        Ok((Self { base, canonical, varying }, places))
    }

    /// The cell whose sections are these variants.
    pub(super) fn cell(&self, axes: &Axes<'_>, places: &[usize]) -> Cell {
        let (mut config, mut canonical) = (self.base.clone(), self.canonical.clone());
        let mut values: Vec<(String, Json)> =
            axes.keys.iter().map(|key| (schema::short_name(key).to_owned(), Json::Null)).collect();
        for (section, &place) in self.varying.iter().zip(places) {
            let variant = &section.variants[place];
            config.take_section(&section.name, &variant.config);
            canonical.take_section(&section.name, &variant.canonical);
            for (&axis, value) in section.axes.iter().zip(&variant.values) {
                values[axis].1.clone_from(value);
            }
        }
        let mut setting = String::new();
        for (key, (axis, value)) in axes.keys.iter().zip(&values) {
            if !schema::REPLICATES.contains(key) {
                let space = if setting.is_empty() { "" } else { " " };
                setting.extend([space, axis, "=", &axis_text(value)]);
            }
        }
        Cell { axes: values, setting, config, canonical }
    }
}

impl Section {
    /// Reads the section called `name` as each pick has it, and adds its place to the pick's places.
    fn read(
        spec: &SweepSpec,
        axes: &Axes<'_>,
        name: &str,
        picks: &[Pick],
        places: &mut [Vec<usize>],
    ) -> Result<Self, Problems> {
        let is_inside = |axis: &usize| axes.keys[*axis].split('.').next() == Some(name);
        let own: Vec<usize> = (0..axes.keys.len()).filter(is_inside).collect();
        let mut known: HashMap<Pick, usize> = HashMap::new();
        let mut chosen: Vec<&Pick> = Vec::new();
        for (pick, places) in picks.iter().zip(places.iter_mut()) {
            let next = known.len();
            let place = *known.entry(own.iter().map(|&axis| pick[axis]).collect()).or_insert(next);
            if place == next {
                chosen.push(pick);
            }
            places.push(place);
        }
        let read = |pick: &&Pick| Variant::read(spec, axes, name, &own, pick);
        let variants: Vec<Variant> = chosen.par_iter().map(read).collect::<Result<_, _>>()?;
        // Values that are written otherwise may mean the same: 64 and [64, 64].
        let mut texts: HashMap<Option<&Arc<str>>, usize> = HashMap::new();
        let same: Vec<usize> = (0..variants.len())
            .map(|place| *texts.entry(variants[place].canonical.section(name)).or_insert(place))
            .collect();
        places.iter_mut().filter_map(|places| places.last_mut()).for_each(|place| *place = same[*place]);
        Ok(Self { name: name.to_owned(), axes: own, variants })
    }
}

impl Variant {
    fn read(spec: &SweepSpec, axes: &Axes<'_>, name: &str, own: &[usize], pick: &Pick) -> Result<Self, Problems> {
        let mut table = Table::new();
        table.extend(spec.base.get(name).map(|section| (name.to_owned(), section.clone())));
        for &axis in own {
            if let Some(value) = axes.value(pick, axis) {
                set(&mut table, axes.keys[axis], value.clone());
            }
        }
        let text = || -> String {
            own.iter().filter_map(|&axis| Some(describe(axes.keys[axis], axes.value(pick, axis)?))).collect()
        };
        let config: RunConfig = table.try_into().map_err(|e| unreadable(&format!("the cell{}", text()), &e))?;
        let settled = serde_json::to_value(&config).unwrap_or_default();
        let values = own.iter().map(|&axis| lookup(&settled, axes.keys[axis])).collect();
        Ok(Self { config, canonical: Canonical::of(settled), values })
    }
}

fn settle(table: Table) -> Result<(RunConfig, Canonical), toml::de::Error> {
    let config: RunConfig = table.try_into()?;
    // Settings are numbers, names and paths, which have a JSON form unless a path is no text.
    let canonical = Canonical::of(serde_json::to_value(&config).unwrap_or_default());
    Ok((config, canonical))
}

fn unreadable(what: &str, error: &toml::de::Error) -> Problems {
    Problems(vec![Problem::without_place(format!("{what} cannot be read: {error}"), "")])
}

fn describe(key: &str, value: &Value) -> String {
    format!(" {}={value}", schema::short_name(key))
}

/// The value of a dotted key; "none" for a setting that is left out.
fn lookup(settings: &Json, key: &str) -> Json {
    key.split('.').try_fold(settings, |at, part| at.get(part)).cloned().unwrap_or_else(|| "none".into())
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value)),
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Some(inner) = inner.as_table_mut() {
                set(inner, rest, value);
            }
        }
    }
}
