//! Several nodes over one store: who lives, whose a chat is, and how a request gets there.
//!
//! Reading order: `lease` (may this node serve? pure).

pub mod lease;
