//! The key ring: one key that seals, and any number of others that only open.
//!
//! Promised: `Debug` and errors show ids, never keys; a ring has exactly one sealing key.
//!
//! A ring is text, one key a line, `#` begins a comment:
//! ```text
//! seal 5f0c2a91 q83vEjRW…=      the key that seals
//! open 0b77e1d4 3q2+796t…=      opens what was sealed before
//! ```
//! In a variable that has room for one line only, `;` separates the keys.
//!
//! To rotate: add the new key as `open` on every node, then make it `seal` and the old one `open`.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The length of a key, before base64.
pub const KEY_BYTES: usize = 32;
/// The most keys that a ring holds.
pub const KEYS_MAX: usize = 64;
const ID_BYTES_MAX: usize = 32;
const RING_BYTES_MAX: u64 = 64 * 1024;

/// One sealing key and any number of opening keys.
#[derive(Clone)]
pub struct KeyRing {
    sealing: Key,
    others: Vec<Key>,
}

/// A named key.
#[derive(Clone)]
pub(super) struct Key {
    id: String,
    bytes: [u8; KEY_BYTES],
}

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The file could not be read.
    #[error("cannot read the key ring {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be made.
    #[error("cannot create the key ring {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not as it should be.
    #[error(
        "{origin}, line {line}: {found}; expected `seal ID KEY` or `open ID KEY` with an ID of \
         1 to {ID_BYTES_MAX} letters, digits, `-` or `_`, and {KEY_BYTES} bytes of base64 as KEY"
    )]
    Line {
        /// The file, or "key ring".
        origin: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, without the key.
        found: &'static str,
    },
    /// The ring as a whole is not as it should be.
    #[error("{origin}: {found}; expected exactly one `seal` line, and at most {KEYS_MAX} keys")]
    Whole {
        /// The file, or "key ring".
        origin: String,
        /// What is wrong.
        found: &'static str,
    },
    /// The machine gave no random bytes.
    #[error("no random bytes for a new key")]
    Random,
}

impl KeyRing {
    /// A ring of one new key.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn generate() -> Result<Self, RingError> {
        Ok(Self { sealing: Key::generate()?, others: Vec::new() })
    }

    /// This ring with a new sealing key; the old one still opens.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn rotated(&self) -> Result<Self, RingError> {
        Ok(Self { sealing: Key::generate()?, others: self.keys().cloned().collect() })
    }

    /// Reads a ring from a file.
    ///
    /// # Errors
    /// Says file, line and what was expected.
    pub fn from_file(path: &Path) -> Result<Self, RingError> {
        let read = || {
            let mut text = String::new();
            File::open(path)?.take(RING_BYTES_MAX).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|source| RingError::Read { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a ring from a secret's value.
    ///
    /// # Errors
    /// Says line and what was expected.
    pub fn from_secret(text: &str) -> Result<Self, RingError> {
        Self::parse("key ring", text)
    }

    /// Writes a ring of one new key to a new file that only its owner can read. The file appears
    /// whole: a crash leaves at most a `.new` beside it, which the next attempt overwrites.
    ///
    /// # Errors
    /// Also when the file exists.
    pub fn create_file(path: &Path) -> Result<Self, RingError> {
        let ring = Self::generate()?;
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".new");
        let write = || {
            if path.try_exists()? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&unfinished)?;
            file.write_all(ring.to_text().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&unfinished, path)
        };
        write().map_err(|source| RingError::Create { path: path.to_owned(), source })?;
        Ok(ring)
    }

    /// The ring as [`Self::from_file`] reads it. This is the secret itself.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# Key ring of liveagent-bridge. Without it the stored chats cannot be read.\n\
             # Keep it secret. One key a line: `seal` or `open`, id, key.\n",
        );
        for (index, key) in self.keys().enumerate() {
            let role = if index == 0 { "seal" } else { "open" };
            text.push_str(&format!("{role} {} {}\n", key.id, BASE64_STANDARD.encode(key.bytes)));
        }
        text
    }

    /// For each key its id and a 32-byte subkey for one purpose; the sealing key's is first: sign
    /// with that one, accept all.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Vec<(String, [u8; KEY_BYTES])> {
        let info: [&[u8]; 2] = [b"liveagent-bridge purpose ", purpose.as_bytes()];
        self.keys().map(|key| (key.id.clone(), key.derive(&info))).collect()
    }

    /// The id of the sealing key.
    #[must_use]
    pub fn sealing_id(&self) -> &str {
        &self.sealing.id
    }

    pub(super) fn sealing(&self) -> &Key {
        &self.sealing
    }

    pub(super) fn key(&self, id: &str) -> Option<&Key> {
        self.keys().find(|key| key.id == id)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.sealing).chain(&self.others)
    }

    fn parse(origin: &str, text: &str) -> Result<Self, RingError> {
        let mut sealing = None;
        let mut others: Vec<Key> = Vec::new();
        for (line, entry) in entries(text) {
            let wrong = |found| RingError::Line { origin: origin.to_owned(), line, found };
            let (role, key) = Key::parse(entry).map_err(wrong)?;
            if others.iter().chain(&sealing).any(|other| other.id == key.id) {
                return Err(wrong("an id that was used before"));
            }
            match role {
                Role::Open => others.push(key),
                Role::Seal if sealing.is_none() => sealing = Some(key),
                Role::Seal => return Err(wrong("a second `seal` line")),
            }
        }
        let whole = |found| RingError::Whole { origin: origin.to_owned(), found };
        if others.len() >= KEYS_MAX {
            return Err(whole("too many keys"));
        }
        let sealing = sealing.ok_or_else(|| whole("no `seal` line"))?;
        Ok(Self { sealing, others })
    }
}

impl fmt::Debug for KeyRing {
    /// Ids only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys().map(|key| &key.id)).finish()
    }
}

/// What stands between comments, line ends and `;`, each with its line counted from 1.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .zip(1..)
        .map(|(line, number)| (number, line.split_once('#').map_or(line, |(before, _)| before)))
        .flat_map(|(number, line)| line.split(';').map(move |entry| (number, entry.trim())))
        .filter(|(_, entry)| !entry.is_empty())
}

enum Role {
    Seal,
    Open,
}

impl Key {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A subkey: HKDF-SHA256 over a uniform key, so the extract step is not needed.
    pub(super) fn derive(&self, info: &[&[u8]]) -> [u8; KEY_BYTES] {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                KEY_BYTES
            }
        }
        let mut subkey = [0; KEY_BYTES];
        let prk = Prk::new_less_safe(HKDF_SHA256, &self.bytes);
        let filled = prk.expand(info, Length).and_then(|okm| okm.fill(&mut subkey));
        // Fails only for a length above 255 hashes, or one that is not that of the output.
        assert!(filled.is_ok(), "HKDF gives 32 bytes");
        subkey
    }

    fn generate() -> Result<Self, RingError> {
        let mut bytes = [0; KEY_BYTES];
        let mut id = [0; 4];
        rand::fill(&mut bytes).and_then(|()| rand::fill(&mut id)).map_err(|_| RingError::Random)?;
        Ok(Self { id: format!("{:08x}", u32::from_be_bytes(id)), bytes })
    }

    fn parse(line: &str) -> Result<(Role, Self), &'static str> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [role, id, key] = words[..] else { return Err("not three words") };
        let role = match role {
            "seal" => Role::Seal,
            "open" => Role::Open,
            _ => return Err("a first word that is neither `seal` nor `open`"),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
            return Err("an id with other characters, or a long one");
        }
        let bytes = BASE64_STANDARD.decode(key).map_err(|_| "a key that is not base64")?;
        let bytes = bytes.try_into().map_err(|_| "a key of another length")?;
        Ok((role, Self { id: id.to_owned(), bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_ring_survives_being_written_and_read() {
        let ring = KeyRing::generate().unwrap().rotated().unwrap();
        let read = KeyRing::from_secret(&ring.to_text()).unwrap();
        assert_eq!(read.derive("test"), ring.derive("test"));
        assert_ne!(read.derive("test"), ring.derive("other"));
        assert_eq!(read.derive("test").len(), 2);
        assert_eq!(read.derive("test")[0].0, ring.sealing_id());
        let one_line = format!("seal new {KEY}; open old {KEY}");
        assert_eq!(format!("{:?}", KeyRing::from_secret(&one_line).unwrap()), r#"["new", "old"]"#);
    }

    #[test]
    fn a_wrong_ring_is_refused_with_its_line_and_without_its_key() {
        for (text, expected) in [
            ("", "no `seal` line"),
            ("open a KEY", "no `seal` line"),
            ("\n# comment\nseal a", "line 3: not three words"),
            ("sael a KEY", "line 1: a first word that is neither"),
            ("seal ä KEY", "line 1: an id with other characters"),
            ("seal a KEY\nseal b KEY", "line 2: a second `seal` line"),
            ("seal a KEY\nopen a KEY", "line 2: an id that was used before"),
            ("seal a KEYKEY", "line 1: a key that is not base64"),
            ("seal a AAEC", "line 1: a key of another length"),
        ] {
            let error = KeyRing::from_secret(&text.replace("KEY", KEY)).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains(KEY), "{error}");
        }
        let many: String = (0..KEYS_MAX).map(|n| format!("open k{n} {KEY}\n")).collect();
        let error = KeyRing::from_secret(&format!("{many}seal s {KEY}")).unwrap_err();
        assert!(error.to_string().contains("too many keys"));
    }
}
