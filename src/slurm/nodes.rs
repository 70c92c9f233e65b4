//! Nodes that lose one job after another. A node that fails at once is free again at once, and would eat the queue.

use std::collections::{BTreeMap, BTreeSet};

/// What is known of the nodes that had jobs of this sweep.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    /// Losses in a row that are too many; 0: none are.
    limit: usize,
    /// Runs that each node lost since an epoch was last recorded there.
    losses: BTreeMap<String, BTreeSet<usize>>,
    excluded: BTreeSet<String>,
}

impl Nodes {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, losses: BTreeMap::new(), excluded: BTreeSet::new() }
    }

    /// A job of this sweep has that node.
    pub(super) fn seen(&mut self, node: &str) {
        if !node.is_empty() && !self.losses.contains_key(node) {
            self.losses.insert(node.to_owned(), BTreeSet::new());
        }
    }

    /// A run recorded an epoch there.
    pub(super) fn works(&mut self, node: &str) {
        self.losses.entry(node.to_owned()).or_default().clear();
    }

    /// The node lost `run` before it recorded anything. Whether that makes it one that gets no more jobs. Different
    /// runs must speak against it, and another node must be left.
    pub(super) fn lost(&mut self, node: &str, run: usize) -> bool {
        if node.is_empty() || self.excluded.contains(node) {
            return false;
        }
        self.losses.entry(node.to_owned()).or_default().insert(run);
        let is_bad = self.limit > 0 && self.losses[node].len() >= self.limit;
        let is_fine = |(other, losses): (&String, &BTreeSet<usize>)| {
            other != node && !self.excluded.contains(other) && losses.len() < self.limit
        };
        let is_out = is_bad && self.losses.iter().any(is_fine);
        if is_out {
            self.excluded.insert(node.to_owned());
        }
        is_out
    }

    /// Whether that node gets no more jobs.
    pub(super) fn is_excluded(&self, node: &str) -> bool {
        self.excluded.contains(node)
    }

    /// The nodes that get no more jobs.
    pub(super) fn excluded(&self) -> Vec<String> {
        self.excluded.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_loses_three_runs_in_a_row_gets_no_more() {
        let mut nodes = Nodes::new(3);
        nodes.seen("n1");
        assert_eq!([0, 1, 1, 2].map(|run| nodes.lost("n2", run)), [false, false, false, true]);
        assert_eq!(nodes.excluded(), ["n2"]);
        assert!(nodes.is_excluded("n2") && !nodes.is_excluded("n1"));
    }

    #[test]
    fn an_epoch_that_is_recorded_speaks_for_the_node() {
        let mut nodes = Nodes::new(2);
        nodes.seen("n1");
        nodes.lost("n2", 0);
        nodes.works("n2");
        assert!(!nodes.lost("n2", 1));
        assert!(nodes.lost("n2", 2));
    }

    #[test]
    fn the_last_node_is_kept_and_without_a_limit_all_are() {
        let mut nodes = Nodes::new(1);
        assert!(!nodes.lost("n1", 0));
        nodes.seen("n2");
        assert!(nodes.lost("n1", 1));
        assert!(!nodes.lost("n2", 2));
        let mut nodes = Nodes::new(0);
        nodes.seen("n2");
        assert!((0..9).all(|run| !nodes.lost("n1", run)));
    }
}
