//! What can go wrong on disk: the action, the path, the system's reason.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::domain::FailureKind;

/// A failure to read or write results.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("failed to {action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another attempt has taken the run over.
    #[error("attempt {token} no longer has {run}, {by} has; it ends and writes nothing more", run = .run.display())]
    Superseded {
        /// The run's folder.
        run: PathBuf,
        /// The attempt that would have written.
        token: String,
        /// Who has it now.
        by: String,
    },
    /// A file is there but does not hold what it should.
    #[error("{path} is damaged: {reason}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    pub(super) fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(super) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }

    /// The same as a run's failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Io { .. } => FailureKind::Storage,
            Self::Superseded { .. } => FailureKind::Superseded,
            Self::Damaged { .. } => FailureKind::CorruptCheckpoint,
        }
    }

    /// Whether the disk (full, over quota, read-only, gone) is to blame rather than a file's content.
    pub fn is_storage(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    /// Whether a file stands where a folder is wanted, which no waiting mends.
    pub fn is_no_place(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotADirectory)
    }
}
