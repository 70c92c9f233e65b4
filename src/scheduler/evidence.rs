//! What tells a worker that ran out of memory from one that crashed or was ended by someone.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// Bytes of worker.log that are looked at after a worker's end.
const TAIL: u64 = 4096;

/// How often the kernel had ended processes for want of memory when a worker was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    kills: u64,
}

impl Evidence {
    /// The count now.
    pub(super) fn now() -> Self {
        Self { kills: kernel_kills() }
    }

    /// Whether the kernel has ended any process for want of memory since.
    pub(super) fn kernel_has_killed_since(self) -> bool {
        kernel_kills() > self.kills
    }
}

/// The machine's count, and that of this process's own control group, where each can be read.
fn kernel_kills() -> u64 {
    let count = |path: &str| {
        let text = fs::read_to_string(path).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
    };
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| {
        let path = text.lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned))?;
        count(&format!("/sys/fs/cgroup{path}/memory.events"))
    });
    count("/proc/vmstat").unwrap_or_default() + group.unwrap_or_default()
}

/// The end of a worker's log.
pub(super) fn last_words(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    // The words of earlier attempts are not this one's, nor is the line between.
    match text.rsplit_once(ATTEMPT_LINE) {
        Some((_, attempt)) => attempt.split_once('\n').map_or("", |(_, words)| words).to_owned(),
        None => text,
    }
}

/// How the scheduler's line before each attempt starts.
pub(super) const ATTEMPT_LINE: &str = "--- sweepscope: ";

/// Whether a worker's last words are those of a program that could get no more memory.
pub(super) fn tells_of_memory(words: &str) -> bool {
    const PHRASES: [&str; 6] = [
        "CUDA_ERROR_OUT_OF_MEMORY",
        "CUDA out of memory",
        "OutOfMemoryError",
        "MemoryError",
        "memory allocation of ",
        "std::bad_alloc",
    ];
    PHRASES.iter().any(|phrase| words.contains(phrase))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_attempts_words_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("worker.log");
        let text = format!("{ATTEMPT_LINE}attempt 1\nMemoryError\n{ATTEMPT_LINE}attempt 2\nSegmentation fault\n");
        fs::write(&log, format!("{}{text}", "x".repeat(9000))).unwrap();
        assert_eq!(last_words(&log), "Segmentation fault\n");
        assert_eq!(last_words(&folder.path().join("none")), "");
    }

    #[test]
    fn words_about_memory_are_known() {
        assert!(tells_of_memory("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"));
        assert!(tells_of_memory("memory allocation of 17179869184 bytes failed"));
        assert!(!tells_of_memory("ran out of patience; memory is fine"));
    }
}
