//! Runs are named by what they are: a UUIDv5 of the canonical settings and the data's fingerprint.

use std::fmt;

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
    /// The identity of `config` on data with this `fingerprint`. Where the files lie does not matter, what they
    /// hold does.
    pub fn of(config: &RunConfig, fingerprint: &str) -> Self {
        let mut config = config.clone();
        config.data.images = Default::default();
        config.data.masks = Default::default();
        config.data.groups = None;
        config.data.pairs = None;
        config.split.file = None;
        if let Some(trainer) = &mut config.trainer {
            trainer.folder = Default::default();
        }
        // Settings are numbers, names and paths, which always have a JSON form once the paths are cleared.
        let mut text = String::with_capacity(2048);
        canonical(&serde_json::to_value(&config).unwrap_or_default(), &mut text);
        text.push('\n');
        text += fingerprint;
        Self(Uuid::new_v5(&NAMESPACE, text.as_bytes()))
    }

    /// The run's folder name: the axes in readable form, then the first eight hex digits of the identity.
    pub fn folder(&self, axes: &[(String, Value)]) -> String {
        let readable: Vec<String> =
            axes.iter().map(|(axis, value)| format!("{axis}={}", safe(&axis_text(value)))).collect();
        let mut readable = readable.join(",");
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

/// Adds JSON with sorted keys and no spaces.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (place, (key, value)) in fields.into_iter().enumerate() {
                let comma = if place > 0 { "," } else { "" };
                *text += &format!("{comma}{key:?}:");
                canonical(value, text);
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
        Value::Bool(true) => *text += "true",
        Value::Bool(false) => *text += "false",
        other => *text += &other.to_string(),
    }
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
    fn moving_the_data_keeps_the_identity_and_changing_it_does_not() {
        let here = RunConfig::default();
        let mut there = here.clone();
        there.data.images = "/elsewhere".into();
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
