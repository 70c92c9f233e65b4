//! Runs in the words of what differs between them: whole names would say the same in every row of a chart or a table.

use super::{
    aggregate::{Run, Sweep},
    cells,
};

/// The axes in which the runs of a sweep differ.
pub struct Labels<'a> {
    axes: Vec<&'a str>,
}

impl<'a> Labels<'a> {
    /// Those of `sweep`.
    pub fn of(sweep: &'a Sweep) -> Self {
        Self { axes: sweep.axes.iter().map(String::as_str).filter(|axis| cells::varies(sweep, axis)).collect() }
    }

    /// Their names.
    pub fn axes(&self) -> &[&'a str] {
        &self.axes
    }

    /// A run's values on them.
    pub fn values(&self, run: &Run) -> Vec<String> {
        self.axes.iter().map(|axis| run.axis(axis).unwrap_or_default()).collect()
    }

    /// `learning_rate 1e-3, split_seed 0`; the run's number where no axis tells it from others.
    pub fn run(&self, run: &Run) -> String {
        self.on(run, |_| true)
    }

    /// `split_seed 0`: what tells a run from others of its setting.
    pub fn repetition(&self, run: &Run) -> String {
        self.on(run, cells::is_replicate)
    }

    fn on(&self, run: &Run, is_meant: fn(&str) -> bool) -> String {
        let axes = self.axes.iter().filter(|axis| is_meant(axis));
        let parts: Vec<String> = axes.filter_map(|axis| Some(format!("{axis} {}", run.axis(axis)?))).collect();
        if parts.is_empty() { short(&run.name).to_owned() } else { parts.join(", ") }
    }
}

/// The eight digits that a run's name ends in, which no other run of the sweep has; the whole of a name without them.
pub fn short(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((_, id)) if id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => id,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shortened_to_its_digits_if_it_ends_in_them() {
        assert_eq!(short("learning_rate=1e-3,split_seed=0-2c65f79c"), "2c65f79c");
        assert_eq!(short("learning_rate=1e-3"), "learning_rate=1e-3");
    }
}
