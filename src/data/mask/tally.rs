//! Counts of what stands for no class in a mask, for the error that lists it.

use std::collections::BTreeMap;

use super::super::error::Cause;

/// Values or colours listed; the rest is counted.
const LISTED: usize = 12;

/// Counts of what stands for no class.
pub(super) struct Tally<T>(BTreeMap<T, u64>);

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Copy> Tally<T> {
    pub(super) fn add(&mut self, value: T) {
        *self.0.entry(value).or_insert(0) += 1;
    }

    /// `found` if nothing was counted, else the most frequent with their counts.
    pub(super) fn or<F>(
        self,
        found: F,
        cause: impl Fn(String) -> Cause,
        text: impl Fn(&T) -> String,
    ) -> Result<F, Cause> {
        if self.0.is_empty() {
            return Ok(found);
        }
        let mut by_count: Vec<(T, u64)> = self.0.into_iter().collect();
        by_count.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let listed: Vec<String> =
            by_count.iter().take(LISTED).map(|(value, count)| format!("{} ({count} px)", text(value))).collect();
        let rest = by_count.len().saturating_sub(LISTED);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        Err(cause(listed.join(", ") + &more))
    }
}
