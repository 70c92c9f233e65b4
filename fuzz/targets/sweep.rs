//! Any text as a sweep file, with overrides after NUL bytes: a grid whose cells all differ, or every problem named.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sweepscope::{grid, spec::SweepSpec};

fuzz_target!(|text: &str| {
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    let overrides: Vec<String> = parts.map(str::to_owned).collect();
    match SweepSpec::parse(Path::new("sweep.toml"), file, &overrides) {
        Err(problems) => assert!(!problems.to_string().is_empty()),
        Ok(spec) => {
            if let Err(problems) = grid::expand(&spec) {
                assert!(!problems.to_string().is_empty());
            }
        }
    }
});
