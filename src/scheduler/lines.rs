//! A worker's output, line by line, with a limit to what a line may cost.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::protocol::LONGEST_LINE;

/// Splits a stream into lines. A line that is too long comes in pieces, of which none is marked whole.
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    in_pieces: bool,
}

/// A line or a piece of one, without its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    /// Whether this is a line from its start to its newline (or the end of the stream).
    pub(super) whole: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), in_pieces: false }
    }

    /// The next line; `None` at the end. Can be dropped while it waits, nothing is lost.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                let rest = std::mem::take(&mut self.buffer);
                let whole = !std::mem::take(&mut self.in_pieces);
                return Ok((!rest.is_empty()).then_some(Line { bytes: rest, whole }));
            }
            let room = LONGEST_LINE - self.buffer.len();
            let newline = available.iter().take(room).position(|&byte| byte == b'\n');
            let taken = newline.unwrap_or(available.len().min(room));
            self.buffer.extend_from_slice(&available[..taken]);
            self.reader.consume(taken + usize::from(newline.is_some()));
            if newline.is_some() || self.buffer.len() == LONGEST_LINE {
                let whole = newline.is_some() && !self.in_pieces;
                self.in_pieces = newline.is_none();
                return Ok(Some(Line { bytes: std::mem::take(&mut self.buffer), whole }));
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lines_of(input: &[u8]) -> Vec<Line> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut lines = Lines::new(tokio::io::BufReader::with_capacity(7, input));
            let mut all = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                all.push(line);
            }
            all
        })
    }

    fn whole(text: &str) -> Line {
        Line { bytes: text.as_bytes().to_vec(), whole: true }
    }

    #[test]
    fn lines_come_whole_with_or_without_a_last_newline() {
        let expected = [whole("one"), whole(""), whole("a longer one"), whole("end")];
        assert_eq!(lines_of(b"one\n\na longer one\nend"), expected);
        assert_eq!(lines_of(b"one\n\na longer one\nend\n"), expected);
        assert_eq!(lines_of(b""), []);
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces_and_the_next_is_whole_again() {
        let mut input = vec![b'x'; LONGEST_LINE + 10];
        input.extend(b"\nnext\n");
        let lines = lines_of(&input);
        assert_eq!(lines.iter().map(|line| line.bytes.len()).collect::<Vec<_>>(), [LONGEST_LINE, 10, 4]);
        assert_eq!(lines.iter().map(|line| line.whole).collect::<Vec<_>>(), [false, false, true]);
    }
}
