//! The core under chosen and under random orders of events.
