//! The terminal: answers to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

pub use crate::domain::{count, duration};

/// Writes an answer to stdout. A reader that has gone away (`| head`) is no error.
pub fn answer(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line for people to stderr.
pub fn note(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// Whether errors may be coloured: a terminal, and NO_COLOR is not set.
pub fn color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of text, each as wide as its widest cell, two spaces apart; the columns named in `right` are numbers.
pub fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        row.iter().zip(&mut widths).for_each(|(cell, width)| *width = (*width).max(cell.chars().count()));
    }
    let mut text = String::with_capacity(rows.len() * widths.iter().map(|width| width + 2).sum::<usize>());
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = || std::iter::repeat_n(' ', width - cell.chars().count());
            if right.contains(&column) {
                text.extend(padding());
                text += cell;
            } else {
                text += cell;
                text.extend(padding());
            }
            text += "  ";
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}
