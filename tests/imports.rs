//! Dependencies point one way. This reads the imports of `src/` and holds them against the map in `src/lib.rs`.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each part of the program, and the parts that it may use. The scheduler and the trainer never meet but in
/// `protocol`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("statistics", &[]),
    ("spec", &["domain"]),
    ("store", &["domain"]),
    ("grid", &["domain", "spec"]),
    ("plan", &["domain", "grid", "store"]),
    ("estimate", &["domain"]),
    ("protocol", &["domain"]),
    ("devices", &["domain"]),
    ("data", &["domain", "statistics"]),
    ("model", &["domain"]),
    ("loss", &["data", "domain"]),
    ("metrics", &["domain", "statistics", "data", "loss"]),
    ("train", &["domain", "data", "model", "loss", "metrics", "protocol", "store"]),
    ("worker", &["domain", "data", "devices", "loss", "model", "train", "protocol", "store"]),
    ("predict", &["domain", "data", "loss", "metrics", "train", "store"]),
    ("scheduler", &["domain", "statistics", "devices", "protocol", "store"]),
    ("slurm", &["domain", "protocol", "scheduler", "store"]),
    ("report", &["domain", "statistics", "spec", "store"]),
    ("serve", &["domain", "report", "store"]),
];

#[test]
fn imports_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut parts = BTreeSet::new();
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        let part = relative.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        if ["lib", "main", "cli"].contains(&part.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == part) else {
            wrong.push(format!("{part} is not in the map of this test"));
            continue;
        };
        for used in imports(&fs::read_to_string(&file).unwrap()) {
            if used != part && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
        parts.insert(part);
    }
    assert!(wrong.is_empty(), "imports against the map:\n{}", wrong.join("\n"));
    assert!(parts.len() > 4, "only {parts:?} were found");
}

#[test]
fn each_file_says_first_what_it_is_for_and_keeps_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for file in rust_files(&root.join("src")).into_iter().chain(rust_files(&root.join("tests"))) {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().display().to_string();
        if !text.starts_with("//! ") {
            wrong.push(format!("{name} does not start with //!"));
        }
        if text.lines().count() > 400 {
            wrong.push(format!("{name} has {} lines", text.lines().count()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_nested_braces() {
    let text = "use crate::{data::{self, Dataset}, spec::X,\n store};\nlet a = crate::grid::expand();";
    let found: Vec<_> = imports(text).into_iter().collect();
    assert_eq!(found, ["data", "grid", "spec", "store"]);
}

/// The names that directly follow `crate::`, in braces or not. Tests within a file may use what they like.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let mut found = BTreeSet::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, m)| (at, &code[at + m.len()..])) {
        let names = if let Some(inner) = rest.strip_prefix('{') { top_level(inner) } else { vec![rest] };
        for name in names {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.chars().next().is_some_and(char::is_lowercase) {
                found.insert(name);
            }
        }
    }
    found
}

/// The comma-separated items up to the brace that closes this list.
fn top_level(list: &str) -> Vec<&str> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&list[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
