//! Exactly what is on the wire: serde types and framing, no behaviour.
