//! Sealing of what is stored: AES-256-GCM with a key ring.
//!
//! Promised: a sealed blob opens only at the place it was sealed for (kind, chat, number), only
//! with the key it names, and only unaltered. Each chat has its own key, derived from the ring's,
//! so that random nonces stay far from their bound however many chats one key serves.
//!
//! Not promised: that an old blob put back at its own place is noticed; hiding of lengths.
//!
//! Format: version byte 1, length of the key's id, the id, 12 bytes of nonce, ciphertext with tag.

mod ring;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use uuid::Uuid;

use self::ring::Key;
pub use self::ring::{KEY_BYTES, KEYS_MAX, KeyRing, RingError};

const VERSION: u8 = 1;

/// Where a blob belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    kind: Kind,
    chat: Uuid,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Delta = 1,
    Snapshot = 2,
    Change = 3,
    Canary = 4,
}

impl Place {
    /// A delta of a chat.
    #[must_use]
    pub const fn delta(chat: Uuid, number: u64) -> Self {
        Self { kind: Kind::Delta, chat, number }
    }

    /// The snapshot of a chat that stands for everything up to `number`.
    #[must_use]
    pub const fn snapshot(chat: Uuid, number: u64) -> Self {
        Self { kind: Kind::Snapshot, chat, number }
    }

    /// An entry of the change list.
    #[must_use]
    pub const fn change(number: u64) -> Self {
        Self { kind: Kind::Change, chat: Uuid::nil(), number }
    }

    /// The blob that shows at start whether the ring is the right one.
    #[must_use]
    pub const fn canary() -> Self {
        Self { kind: Kind::Canary, chat: Uuid::nil(), number: 0 }
    }

    fn associated_data(&self) -> [u8; 25] {
        let mut data = [0; 25];
        data[0] = self.kind as u8;
        data[1..17].copy_from_slice(self.chat.as_bytes());
        data[17..].copy_from_slice(&self.number.to_be_bytes());
        data
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Delta => write!(f, "delta {} of chat {}", self.number, self.chat),
            Kind::Snapshot => write!(f, "snapshot {} of chat {}", self.number, self.chat),
            Kind::Change => write!(f, "change {}", self.number),
            Kind::Canary => f.write_str("canary"),
        }
    }
}

/// Why a blob was not sealed or did not open.
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
    /// The cryptography library failed.
    #[error("the cryptography library failed")]
    Failed,
}

impl KeyRing {
    /// Seals with the sealing key.
    ///
    /// # Errors
    /// Only when the cryptography library fails.
    pub fn seal(&self, place: &Place, mut clear: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let key = self.sealing();
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::Failed)?;
        let tag = aead_key(key, place)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data()),
                &mut clear,
            )
            .map_err(|_| SealError::Failed)?;
        let mut sealed = header(key.id());
        sealed.reserve_exact(NONCE_LEN + clear.len() + tag.as_ref().len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&clear);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// Says which key was missing or refused.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, rest) = split(sealed)?;
        let key = self.key(id).ok_or_else(|| SealError::NoSuchKey { id: id.to_owned() })?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Format)?;
        let mut body = body.to_vec();
        let clear = aead_key(key, place)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.associated_data()),
                &mut body,
            )
            .map_err(|_| SealError::Refused { id: id.to_owned() })?
            .len();
        body.truncate(clear);
        Ok(body)
    }
}

/// The id of the key that a blob is sealed with.
///
/// # Errors
/// [`SealError::Format`] when it is no sealed blob.
pub fn key_id(sealed: &[u8]) -> Result<&str, SealError> {
    split(sealed).map(|(id, _)| id)
}

/// How every blob begins that is sealed with this key.
pub(super) fn header(id: &str) -> Vec<u8> {
    // The ring bounds the length of ids, so the cast loses nothing.
    let mut header = vec![VERSION, id.len() as u8];
    header.extend_from_slice(id.as_bytes());
    header
}

fn split(sealed: &[u8]) -> Result<(&str, &[u8]), SealError> {
    let [VERSION, length, rest @ ..] = sealed else { return Err(SealError::Format) };
    let (id, rest) = rest.split_at_checked(usize::from(*length)).ok_or(SealError::Format)?;
    Ok((std::str::from_utf8(id).map_err(|_| SealError::Format)?, rest))
}

/// The key of one chat (of the change list and the canary: of the nil chat).
fn aead_key(key: &Key, place: &Place) -> Result<LessSafeKey, SealError> {
    let bytes = key.derive(&[b"liveagent-bridge chat ", place.chat.as_bytes()]);
    let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Failed)?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_opens_only_where_it_was_sealed_and_unaltered() {
        let ring = KeyRing::generate().unwrap();
        let chat = Uuid::from_u128(7);
        let place = Place::delta(chat, 3);
        let sealed = ring.seal(&place, b"hello".to_vec()).unwrap();
        assert_eq!(ring.open(&place, &sealed).unwrap(), b"hello");
        let elsewhere = [
            Place::delta(chat, 4),
            Place::snapshot(chat, 3),
            Place::delta(Uuid::from_u128(8), 3),
            Place::change(3),
        ];
        for other in elsewhere {
            assert!(matches!(ring.open(&other, &sealed), Err(SealError::Refused { .. })));
        }
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(ring.open(&place, &altered).is_err(), "byte {at}");
            assert!(ring.open(&place, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn sealing_the_same_twice_gives_different_bytes() {
        let ring = KeyRing::generate().unwrap();
        let seal = || ring.seal(&Place::canary(), b"same".to_vec()).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn after_a_rotation_the_old_key_still_opens_and_the_new_one_seals() {
        let old = KeyRing::generate().unwrap();
        let sealed = old.seal(&Place::change(1), b"x".to_vec()).unwrap();
        let new = old.rotated().unwrap();
        assert_eq!(new.open(&Place::change(1), &sealed).unwrap(), b"x");
        let again = new.seal(&Place::change(1), b"x".to_vec()).unwrap();
        assert_eq!(key_id(&again), Ok(new.sealing().id()));
        assert!(matches!(
            old.open(&Place::change(1), &again),
            Err(SealError::NoSuchKey { id }) if id == new.sealing().id()
        ));
    }
}
