//! What a worker tells the scheduler: one JSON object a line on stdout. Any trainer can speak it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Counts, Failure, FailureKind, Split};

/// Longest line that is read as a message, in bytes; longer ones are cut in the log and never parsed.
pub const LONGEST_LINE: usize = 1 << 20;

/// Exit code of a worker that ended on request and can be resumed.
pub const EXIT_STOPPED: u8 = 75;

/// Exit code of a worker that said why in a `failed` message.
pub const EXIT_FAILED: u8 = 1;

/// One line of the protocol. Lines that are no JSON object with an `event` go to the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Message {
    /// Training goes on after `epoch` (0: from the start) and will end at `epochs` at the latest.
    Start {
        /// Last epoch recorded.
        epoch: usize,
        /// Last epoch planned.
        epochs: usize,
    },
    /// A sign of life within an epoch.
    Step {
        /// From 1.
        epoch: usize,
        /// Steps done in this epoch.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// The last step's training loss.
        loss: Option<f64>,
    },
    /// The figures of one split at the end of an epoch.
    Epoch {
        /// From 1.
        epoch: usize,
        /// Where they were measured.
        split: Split,
        /// The loss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss: Option<f64>,
        /// Macro Dice of the foreground, where the trainer knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dice_macro: Option<f64>,
        /// What else the trainer knows.
        #[serde(flatten)]
        figures: Figures,
        /// Counts of each class, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        classes: BTreeMap<String, Counts>,
    },
    /// The counts of one image at the end of an epoch, which is not recorded yet.
    Image {
        /// From 1.
        epoch: usize,
        /// What the image is used for.
        split: Split,
        /// Its file's name, as in split.csv.
        image: String,
        /// Counts of each class, by name.
        classes: BTreeMap<String, Counts>,
    },
    /// The state after `epoch` is safe on disk.
    Checkpoint {
        /// From 1.
        epoch: usize,
    },
    /// The run cannot go on.
    Failed {
        /// What kind of failure.
        kind: FailureKind,
        /// What, where and how to mend it.
        message: String,
    },
    /// The run is complete.
    Done,
}

/// What a line of a worker's output turns out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A message.
    Message(Message),
    /// Ordinary output, for the log.
    Text,
    /// A message that breaks the protocol.
    Broken(Failure),
}

/// Figures of an epoch and split that a trainer may know. The built-in one writes them itself and sends none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Share of pixels predicted right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Soft Dice over all pixels and classes of an image, mean over images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dice_coef: Option<f64>,
    /// Soft IoU likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iou_coef: Option<f64>,
    /// Mean IoU of the foreground classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iou_macro: Option<f64>,
    /// Rate of the epoch's last step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Images of the split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
}

impl Message {
    /// Reads a line without its newline. A JSON object with an `event` is a message, whatever else it holds and in
    /// whatever order; a line that is no JSON and yet has one must be a message.
    pub fn read(line: &[u8]) -> Reading {
        let line = line.trim_ascii();
        if !line.starts_with(b"{") {
            return Reading::Text;
        }
        match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(value) if value.get("event").is_some_and(serde_json::Value::is_string) => {
                serde_json::from_value(value).map_or_else(|e| Reading::Broken(broken(line, &e)), Reading::Message)
            }
            Ok(value) if value.get("event").is_some() => Reading::Broken(broken(line, &"`event` is not a text")),
            Err(e) if has_event(line) => Reading::Broken(broken(line, &e)),
            Ok(_) | Err(_) => Reading::Text,
        }
    }

    /// The message as a line, newline included.
    pub fn line(&self) -> String {
        // A message holds only numbers, names and text, which always have a JSON form.
        serde_json::to_string(self).map_or_else(|e| format!("# {e}\n"), |text| text + "\n")
    }
}

/// Whether a line has the key `event` itself (not in what it holds), as far as that can be told of what is no JSON.
fn has_event(line: &[u8]) -> bool {
    let (mut depth, mut rest) = (0, line);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let (text, after) = split_text(after);
                if depth == 1 && text == b"event" && after.trim_ascii_start().starts_with(b":") {
                    return true;
                }
                rest = after;
            }
            _ => {}
        }
    }
    false
}

/// A text up to its closing quote, and what comes after that.
fn split_text(line: &[u8]) -> (&[u8], &[u8]) {
    let mut is_escaped = false;
    let is_end = |&byte: &u8| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    };
    let end = line.iter().position(is_end).unwrap_or(line.len());
    (&line[..end], line.get(end + 1..).unwrap_or_default())
}

/// NaN has no JSON form, but Python writes it all the same: the run has diverged, its trainer is not at fault.
fn broken(line: &[u8], reason: &dyn std::fmt::Display) -> Failure {
    let text = String::from_utf8_lossy(line);
    let shown: String = text.chars().take(200).collect();
    if ["NaN", "Infinity"].iter().any(|word| text.contains(word)) {
        return Failure::new(FailureKind::NotFinite, format!("diverged: the worker reported {shown}"));
    }
    Failure::new(FailureKind::Protocol, format!("the worker printed a message that cannot be read ({reason}): {shown}"))
}

#[cfg(test)]
#[expect(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn messages_text_and_broken_messages_are_told_apart() {
        assert_eq!(Message::read(br#"{"event":"done"}"#), Reading::Message(Message::Done));
        let checkpoint = Message::read(br#" {"epoch": 3, "event": "checkpoint", "more": 1} "#);
        assert_eq!(checkpoint, Reading::Message(Message::Checkpoint { epoch: 3 }));
        let texts = ["", "event", "[1]", "{not json", r#"{"a":1}"#, r#"{"a":"event"}"#, "\u{fffd}"];
        let no_json = [r#"{"a":{"event":"done"},"b":NaN}"#, r#"{"a":"\"event\":","b":NaN}"#, r#"}"event":"done"#];
        for text in texts.into_iter().chain(no_json) {
            assert_eq!(Message::read(text.as_bytes()), Reading::Text, "{text}");
        }
        let kinds = [
            (r#"{"event":"epoch"}"#, FailureKind::Protocol),
            (r#"{"event":"dance"}"#, FailureKind::Protocol),
            (r#"{"event":5}"#, FailureKind::Protocol),
            (r#"{"event":"checkpoint","epoch":-1}"#, FailureKind::Protocol),
            (r#"{"event":"done""#, FailureKind::Protocol),
            (r#"{"event":"epoch","epoch":1,"split":"val","loss":NaN}"#, FailureKind::NotFinite),
            (r#"{"epoch": 2, "event": "epoch", "split": "val", "loss": NaN}"#, FailureKind::NotFinite),
            (r#"{"loss": [-Infinity], "note": "\\", "event" : "epoch"}"#, FailureKind::NotFinite),
            (r#"{"epoch":1,"event":5}"#, FailureKind::Protocol),
            (r#"{"epoch":1,"event":"checkpoint""#, FailureKind::Protocol),
        ];
        for (line, kind) in kinds {
            match Message::read(line.as_bytes()) {
                Reading::Broken(failure) => assert_eq!(failure.kind, kind, "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_message_reads_back_as_it_was_written() {
        let classes = BTreeMap::from([("clay".to_owned(), Counts { tp: 10, fp: 2, fn_: 3 })]);
        let epoch = Message::Epoch {
            epoch: 1,
            split: Split::Val,
            loss: Some(0.4),
            dice_macro: None,
            figures: Figures::default(),
            classes,
        };
        let line = r#"{"event":"epoch","epoch":1,"split":"val","loss":0.4,"classes":{"clay":{"tp":10,"fp":2,"fn":3}}}"#;
        assert_eq!(epoch.line(), format!("{line}\n"));
        assert_eq!(Message::read(line.as_bytes()), Reading::Message(epoch));
    }
}
