//! Runs are named by what they are: a UUIDv5 of the canonical settings and the data's fingerprint.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::RunConfig;

/// Namespace of run identities: UUIDv5 of the URL namespace and "sweepscope/run".
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1f_3a52_8c0b_5e57_9d64_2b7a_41c8_f03e);

/// Longest readable part of a folder name, in bytes; file systems allow 255 for the whole.
const READABLE: usize = 180;

/// The identity of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub Uuid);

impl RunId {
    /// The identity of `config` on data with this `fingerprint`. Where images and masks lie does not matter, what they
    /// hold does.
    pub fn of(config: &RunConfig, fingerprint: &str) -> Self {
        // Settings are numbers, names and paths, which have a JSON form unless a path is no text.
        Self::of_canonical(&Canonical::of(serde_json::to_value(config).unwrap_or_default()), fingerprint)
    }

    /// The same, of settings whose canonical text is known.
    pub fn of_canonical(settings: &Canonical, fingerprint: &str) -> Self {
        let length = settings.0.iter().map(|(_, text)| text.len() + 1).sum::<usize>();
        let mut text = String::with_capacity(length + fingerprint.len() + 3);
        let mut separator = '{';
        for (_, section) in &settings.0 {
            text.push(separator);
            text += section;
            separator = ',';
        }
        text += "}\n";
        text += fingerprint;
        Self(Uuid::new_v5(&NAMESPACE, text.as_bytes()))
    }

    /// The run's folder name: the axes in readable form, then the first eight hex digits of the identity.
    pub fn folder(&self, axes: &[(String, Value)]) -> String {
        let mut readable = String::with_capacity(64);
        for (axis, value) in axes {
            let comma = if readable.is_empty() { "" } else { "," };
            let _ = write!(readable, "{comma}{axis}={}", safe(&axis_text(value)));
        }
        if readable.len() > READABLE {
            let end = (0..=READABLE).rev().find(|&end| readable.is_char_boundary(end)).unwrap_or(0);
            readable.truncate(end);
        }
        let separator = if readable.is_empty() { "run-" } else { "-" };
        format!("{readable}{separator}{}", self.short())
    }

    /// The first eight hex digits.
    pub fn short(&self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The canonical text of a run's settings (JSON, keys sorted, no spaces, no places of files), a piece a section. Runs
/// that share a section share its piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical(Vec<(Arc<str>, Arc<str>)>);

impl Canonical {
    /// Of a [`RunConfig`] as JSON.
    pub fn of(mut settings: Value) -> Self {
        forget_places(&mut settings);
        let Value::Object(sections) = &settings else { return Self(Vec::new()) };
        let piece = |(name, section): (&String, &Value)| {
            let mut text = String::with_capacity(512);
            write_field(name, section, &mut text);
            (Arc::from(name.as_str()), Arc::from(text))
        };
        let mut pieces: Vec<(Arc<str>, Arc<str>)> = sections.iter().map(piece).collect();
        pieces.sort();
        Self(pieces)
    }

    /// Takes one section over from `other`, where both have it.
    pub fn take_section(&mut self, name: &str, other: &Self) {
        let theirs = other.0.iter().find(|(known, _)| &**known == name);
        if let Some((ours, theirs)) = self.0.iter_mut().find(|(known, _)| &**known == name).zip(theirs) {
            ours.1.clone_from(&theirs.1);
        }
    }

    /// The text of one section.
    pub fn section(&self, name: &str) -> Option<&Arc<str>> {
        self.0.iter().find(|(known, _)| &**known == name).map(|(_, text)| text)
    }
}

/// What is no part of a run's identity: where files lie, and which checkpoints are written and kept.
fn forget_places(settings: &mut Value) {
    let mut section = |name: &str, cleared: &[&str], dropped: &[&str]| {
        let Some(fields) = settings.get_mut(name).and_then(Value::as_object_mut) else { return };
        dropped.iter().for_each(|field| drop(fields.shift_remove(*field)));
        cleared.iter().for_each(|field| drop(fields.insert((*field).to_owned(), "".into())));
    };
    section("data", &["images", "masks"], &["groups", "pairs"]);
    section("split", &[], &["file"]);
    section("train", &[], &["checkpoint_every", "keep_epochs"]);
    section("trainer", &["folder"], &[]);
}

/// Adds JSON with sorted keys and no spaces.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (place, (key, value)) in fields.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_field(key, value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                canonical(item, text);
            }
            text.push(']');
        }
        // Writing to a text does not fail.
        other => drop(write!(text, "{other}")),
    }
}

fn write_field(key: &str, value: &Value, text: &mut String) {
    let _ = write!(text, "{key:?}:");
    canonical(value, text);
}

/// An axis value as people write it: 0.001 as 1e-3, [64, 128] as 64x128, a table as its fields.
pub fn axis_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (None, Some(float)) => float_text(float),
            _ => number.to_string(),
        },
        Value::Array(items) => items.iter().map(axis_text).collect::<Vec<_>>().join("x"),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key}:{}", axis_text(value))).collect::<Vec<_>>().join("+")
        }
        other => other.to_string(),
    }
}

/// The shortest form that reads back the same, with an exponent where that is shorter: 1e-4, 0.05, 3e-5.
pub fn float_text(value: f64) -> String {
    let (plain, exponent) = (format!("{value}"), format!("{value:e}"));
    if exponent.len() < plain.len() { exponent } else { plain }
}

/// Keeps letters, digits and a few signs that are safe in every shell and file system.
fn safe(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-+x:".contains(c) { c } else { '_' })
        .collect::<String>()
        .replace(':', "_")
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changes_no_result_keeps_the_identity_and_what_does_changes_it() {
        let here = RunConfig::default();
        let mut there = here.clone();
        there.data.images = "/elsewhere".into();
        there.train.checkpoint_every = 5;
        there.train.keep_epochs = Some(10);
        let id = RunId::of(&here, "abc");
        assert_eq!(id, RunId::of(&there, "abc"));
        assert_ne!(id, RunId::of(&there, "abd"));
        there.train.epochs += 1;
        assert_ne!(id, RunId::of(&there, "abc"));
    }

    #[test]
    fn folders_are_readable_and_safe() {
        let id = RunId(Uuid::from_u128(0x1234_5678 << 96));
        let axes = [
            ("learning_rate".to_owned(), json!(1e-4)),
            ("input_size".to_owned(), json!([64, 128])),
            ("augment.x".to_owned(), json!("a/b c")),
        ];
        assert_eq!(id.folder(&axes), "learning_rate=1e-4,input_size=64x128,augment.x=a_b_c-12345678");
        assert_eq!(id.folder(&[]), "run-12345678");
        let long = [("class".to_owned(), json!("é".repeat(300)))];
        assert!(id.folder(&long).len() <= 189);
    }

    #[test]
    fn floats_are_written_short_and_read_back_the_same() {
        for (value, text) in [(1e-3, "1e-3"), (0.05, "0.05"), (3e-5, "3e-5"), (1.0, "1"), (0.25, "0.25")] {
            assert_eq!(float_text(value), text);
            assert_eq!(text.parse::<f64>().unwrap(), value);
        }
    }
}
