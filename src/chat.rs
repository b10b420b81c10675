//! The pure core: one chat as a deterministic machine.
