//! Values as length and salted hash.
//!
//! Promised: the value itself is shown on request only.

use aws_lc_rs::digest::{Context as Hasher, SHA256};

use super::dry_run::{Inputs, Shown};
use crate::mapping::keys::hex;
use crate::mapping::values;

/// Redacts the values of one report.
pub(super) struct Redactor {
    salt: Vec<u8>,
    pub(super) show_values: bool,
}

impl Redactor {
    /// The salt comes from the documents: the same run gives the same bytes, and somebody who has
    /// the report alone cannot try values out.
    pub(super) fn new(inputs: &Inputs) -> Self {
        let mut hasher = Hasher::new(&SHA256);
        for document in &inputs.documents {
            hasher.update(&(document.text.len() as u64).to_be_bytes());
            hasher.update(document.text.as_bytes());
        }
        Self { salt: hasher.finish().as_ref().to_vec(), show_values: inputs.show_values }
    }

    pub(super) fn show(&self, value: &str) -> Shown {
        let mut hasher = Hasher::new(&SHA256);
        hasher.update(&self.salt);
        hasher.update(value.as_bytes());
        Shown {
            length: values::length(value),
            hash: hex(hasher.finish().as_ref(), 4),
            value: self.show_values.then(|| value.to_owned()),
        }
    }
}
