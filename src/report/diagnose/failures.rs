//! What a failed run tells: rule 14 for a loss that is not finite.

use super::{Finding, Severity};
use crate::{domain::FailureKind, report::aggregate::Run};

/// Rule 14: the loss or a weight is no longer finite.
pub fn not_finite(run: &Run) -> Vec<Finding> {
    let failure = run.state.failure.as_ref().filter(|failure| failure.kind == FailureKind::NotFinite);
    failure.map(|failure| Finding::new(14, Severity::Fail, failure.message.clone())).into_iter().collect()
}
