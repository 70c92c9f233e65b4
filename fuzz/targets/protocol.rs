//! Any line of a worker's output: a message that reads back as it was written, plain text, or a named fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sweepscope::protocol::{Message, Reading};

fuzz_target!(|line: &[u8]| {
    if let Reading::Message(message) = Message::read(line) {
        assert_eq!(Message::read(message.line().as_bytes()), Reading::Message(message));
    }
});
