//! Several nodes: what a client sees must be what it sees of one.

mod answers;
mod nouns;
mod operators;
mod rekeyed;
mod repeats;
mod sealed;
mod taken_up;
