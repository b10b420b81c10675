//! Sealing of what is stored, and the key ring it needs.

/// Why a sealed blob did not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is not in the format of this module.
    #[error("it is not a sealed blob of a version that this program knows")]
    Format,
    /// Its key is not in the ring.
    #[error("it is sealed with key `{id}`, which the key ring does not hold")]
    NoSuchKey {
        /// The key's id.
        id: String,
    },
    /// The key of that id is another one, or the blob was altered or moved.
    #[error("key `{id}` does not open it: the key is another one of that name, or it was altered")]
    Refused {
        /// The key's id.
        id: String,
    },
    /// The cryptography library failed while sealing.
    #[error("the cryptography library could not seal it")]
    Failed,
}
