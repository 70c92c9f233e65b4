//! Large buffers that are used again, so that no training step pays for fresh pages.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most floats kept for later (1 GiB).
const MOST_KEPT: usize = 1 << 28;
/// Buffers shorter than this are left to the allocator.
const SHORTEST: usize = 1 << 12;

struct Shelf {
    /// Oldest first.
    buffers: Vec<Vec<f32>>,
    kept: usize,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf { buffers: Vec::new(), kept: 0 });

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer of `len` floats with arbitrary contents.
#[must_use]
pub fn take(len: usize) -> Vec<f32> {
    let mut shelf = shelf();
    // The smallest that is long enough, and not wastefully long.
    let fitting = shelf
        .buffers
        .iter()
        .enumerate()
        .filter(|(_, b)| b.capacity() >= len && b.capacity() <= len + len / 4 + SHORTEST)
        .min_by_key(|(_, b)| b.capacity())
        .map(|(i, _)| i);
    let Some(i) = fitting else {
        drop(shelf);
        return vec![0.0; len];
    };
    let mut buffer = shelf.buffers.remove(i);
    shelf.kept -= buffer.capacity();
    drop(shelf);
    buffer.resize(len, 0.0);
    buffer
}

/// Keeps a buffer for a later [`take`]; the ones kept longest make room.
pub fn give(buffer: Vec<f32>) {
    if !(SHORTEST..=MOST_KEPT).contains(&buffer.capacity()) {
        return;
    }
    let mut shelf = shelf();
    shelf.kept += buffer.capacity();
    shelf.buffers.push(buffer);
    while shelf.kept > MOST_KEPT {
        shelf.kept -= shelf.buffers.remove(0).capacity();
    }
}

/// Frees every kept buffer.
pub fn clear() {
    let mut shelf = shelf();
    shelf.kept = 0;
    shelf.buffers.clear();
}

/// A buffer that returns to the pool by itself.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    /// `len` floats with arbitrary contents.
    pub fn new(len: usize) -> Self {
        Self(take(len))
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_buffer_serves_the_next_request_of_about_its_length() {
        // A length that no other test asks for.
        let len = 7_654_321;
        let buffer = take(len);
        let place = buffer.as_ptr();
        give(buffer);
        let again = take(len - 1000);
        assert_eq!((again.as_ptr(), again.len()), (place, len - 1000));
        assert_eq!(take(0).len(), 0);
    }
}
