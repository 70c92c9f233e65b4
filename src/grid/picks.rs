//! Which value of each axis each cell takes, in the order in which the cells are to be run.

use toml::Value;

use crate::spec::{Order, SweepSpec, schema};

/// For each axis, the place of a cell's value; none where the cell leaves the shared setting.
pub(super) type Pick = Vec<Option<usize>>;

/// Settings with one value each, as an [[exclude]] or [[include]] gives them.
type Assignment = [(String, Value)];

/// The axes, and every value that a cell takes of each.
pub(super) struct Axes<'a> {
    pub(super) keys: Vec<&'a str>,
    values: Vec<Vec<&'a Value>>,
}

impl<'a> Axes<'a> {
    pub(super) fn of(spec: &'a SweepSpec) -> Self {
        let keys = spec.cells.keys();
        let mut axes = Self { values: vec![Vec::new(); keys.len()], keys };
        let listed = spec.cells.groups.iter().flatten();
        let listed = listed.flat_map(|axis| axis.values.iter().map(|value| (axis.key.as_str(), value)));
        let included = spec.cells.include.iter().flatten().map(|(key, value)| (key.as_str(), value));
        for (key, value) in listed.chain(included) {
            if let Some(axis) = axes.axis(key)
                && !axes.values[axis].contains(&value)
            {
                axes.values[axis].push(value);
            }
        }
        axes
    }

    /// The value that a pick takes of an axis.
    pub(super) fn value(&self, pick: &Pick, axis: usize) -> Option<&'a Value> {
        pick[axis].map(|place| self.values[axis][place])
    }

    /// All cells: the grid without what is excluded, then the includes; then sorted by replicate if asked for.
    pub(super) fn picks(&self, spec: &SweepSpec) -> Vec<Pick> {
        let excludes: Vec<_> = spec.cells.exclude.iter().filter_map(|exclude| self.places(exclude)).collect();
        let mut picks = self.product(spec);
        picks.retain(|pick| !excludes.iter().any(|exclude| matches(pick, exclude)));
        picks.extend(spec.cells.include.iter().filter_map(|include| {
            let mut pick = vec![None; self.keys.len()];
            self.places(include)?.into_iter().for_each(|(axis, place)| pick[axis] = Some(place));
            Some(pick)
        }));
        if spec.order == Order::ReplicatesFirst {
            let seeds = schema::REPLICATES.map(|key| self.axis(key));
            // Cells that do not name the axis come with its first value.
            picks.sort_by_key(|pick| seeds.map(|axis| axis.and_then(|axis| pick[axis]).unwrap_or(0)));
        }
        picks
    }

    /// The [[exclude]]s that match no cell of the grid.
    pub(super) fn idle_excludes<'s>(&self, spec: &'s SweepSpec) -> impl Iterator<Item = &'s Assignment> {
        let grid = self.product(spec);
        let is_used = move |exclude: &Assignment| {
            self.places(exclude).is_some_and(|exclude| grid.iter().any(|pick| matches(pick, &exclude)))
        };
        spec.cells.exclude.iter().map(Vec::as_slice).filter(move |exclude| !is_used(exclude))
    }

    /// The product of all groups of axes, the last one fastest. Without a grid there is one cell, unless cells are
    /// included by name.
    fn product(&self, spec: &SweepSpec) -> Vec<Pick> {
        if spec.cells.groups.is_empty() && !spec.cells.include.is_empty() {
            return Vec::new();
        }
        let mut picks: Vec<Pick> = vec![vec![None; self.keys.len()]];
        for group in &spec.cells.groups {
            let steps: Vec<Vec<(usize, Option<usize>)>> = (0..group.first().map_or(0, |axis| axis.values.len()))
                .map(|step| group.iter().filter_map(|axis| self.step(&axis.key, &axis.values[step])).collect())
                .collect();
            let mut next = Vec::with_capacity(picks.len() * steps.len());
            for pick in picks {
                next.extend(steps.iter().map(|step| {
                    let mut pick = pick.clone();
                    step.iter().for_each(|&(axis, place)| pick[axis] = place);
                    pick
                }));
            }
            picks = next;
        }
        picks
    }

    fn step(&self, key: &str, value: &Value) -> Option<(usize, Option<usize>)> {
        self.axis(key).map(|axis| (axis, self.place(axis, value)))
    }

    /// An assignment by places; `None` if it names a value that no cell has.
    fn places(&self, assignment: &Assignment) -> Option<Vec<(usize, usize)>> {
        let place = |(key, value): &(String, Value)| {
            let axis = self.axis(key)?;
            Some((axis, self.place(axis, value)?))
        };
        assignment.iter().map(place).collect()
    }

    fn axis(&self, key: &str) -> Option<usize> {
        self.keys.iter().position(|known| *known == key)
    }

    fn place(&self, axis: usize, value: &Value) -> Option<usize> {
        self.values[axis].iter().position(|known| *known == value)
    }
}

fn matches(pick: &Pick, places: &[(usize, usize)]) -> bool {
    places.iter().all(|&(axis, place)| pick[axis] == Some(place))
}
