//! What is in a data set, what is wrong or doubtful about it, and how alike its splits are.

mod balance;

pub use balance::divergence;
