//! What the store keeps of a chat: deltas and snapshots as JSON, sealed by the store.

use serde::{Deserialize, Serialize};

use crate::chat::fact::Delta;
use crate::chat::state::State;
use crate::time::Now;

/// A record that cannot be read: written by a newer version, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("record {number} of the chat cannot be read (line {line}, column {column})")]
pub struct UnreadableRecord {
    /// Its number among the chat's records, 0 for the snapshot.
    pub number: usize,
    line: usize,
    column: usize,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    at: Now,
    state: State,
}

/// The bytes of a group of facts.
#[must_use]
pub fn delta(delta: &Delta) -> Vec<u8> {
    // Plain data with text keys: it cannot fail, and an empty record would be refused on reading.
    serde_json::to_vec(delta).unwrap_or_default()
}

/// The bytes of a whole state.
#[must_use]
pub fn snapshot(at: Now, state: &State) -> Vec<u8> {
    serde_json::to_vec(&Snapshot { at, state: state.clone() }).unwrap_or_default()
}

/// What the store remembers of a chat: the last snapshot and what was decided since.
pub type Remembered = (Option<(Now, State)>, Vec<Delta>);

/// Reads a chat back.
///
/// # Errors
/// Names the record that cannot be read, never its content.
pub fn read(snapshot: Option<&[u8]>, deltas: &[Vec<u8>]) -> Result<Remembered, UnreadableRecord> {
    let snapshot: Option<Snapshot> = snapshot.map(|bytes| parse(0, bytes)).transpose()?;
    let deltas = deltas.iter().enumerate().map(|(at, bytes)| parse(at + 1, bytes));
    let deltas = deltas.collect::<Result<_, _>>()?;
    Ok((snapshot.map(|snapshot| (snapshot.at, snapshot.state)), deltas))
}

fn parse<T: for<'de> Deserialize<'de>>(number: usize, bytes: &[u8]) -> Result<T, UnreadableRecord> {
    serde_json::from_slice(bytes).map_err(|error| UnreadableRecord {
        number,
        line: error.line(),
        column: error.column(),
    })
}
