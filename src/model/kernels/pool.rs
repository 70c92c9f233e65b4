//! Large buffers that are used again, so that no training step pays for fresh pages.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most floats kept for later (1 GiB).
const MOST_KEPT: usize = 1 << 28;
/// Buffers shorter than this are left to the allocator.
const SHORTEST: usize = 1 << 12;

struct Shelf {
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
    let mut buffer = shelf.buffers.swap_remove(i);
    shelf.kept -= buffer.capacity();
    drop(shelf);
    buffer.resize(len, 0.0);
    buffer
}

/// Keeps a buffer for a later [`take`]; drops it where enough is kept.
pub fn give(buffer: Vec<f32>) {
    if buffer.capacity() < SHORTEST {
        return;
    }
    let mut shelf = shelf();
    if shelf.kept + buffer.capacity() <= MOST_KEPT {
        shelf.kept += buffer.capacity();
        shelf.buffers.push(buffer);
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
