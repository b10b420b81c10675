//! Session keys of our own: `uuid!millis!base64(20 bytes)`, the form of Salesforce's.
//!
//! Promised: the key is the whole state of a session that has no chat yet; a key whose tag is ours
//! is ours even when its MAC fails, so that it never goes to Salesforce; it holds no `+` and no
//! `/`. Not promised: that a key expires; see [`OwnKey::issued`].

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::affinity::Affinity;
use crate::chat::ids::ChatId;
use crate::time::Wall;

const TAG_BYTES: usize = 4;
const MAC_BYTES: usize = 16;
/// How many milliseconds before now are tried until the base64 holds no `+` and no `/`. Half of all
/// tries succeed.
const MINT_TRIES: i64 = 512;

/// The keys that sign and verify session keys, under one tag.
#[derive(Clone)]
pub struct KeyRing {
    tag: [u8; TAG_BYTES],
    signing: hmac::Key,
    verifying: Vec<hmac::Key>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("verifying", &self.verifying.len()).finish_non_exhaustive()
    }
}

/// What a session key turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Minted by this ring for this tenant.
    Ours(OwnKey),
    /// Carries our tag and was not minted for this tenant: refused, never passed on.
    Forged,
    /// Somebody else's.
    Foreign,
}

/// What a key of ours tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnKey {
    /// The chat it belongs to.
    pub chat: ChatId,
    /// When it was minted; up to half a second earlier.
    pub issued: Wall,
}

impl KeyRing {
    /// A ring. All nodes give the same `name`, for good: it makes the tag. During a rotation the
    /// new key first joins `verifying` everywhere and signs afterwards.
    #[must_use]
    pub fn new(name: &[u8], signing: &[u8], verifying: &[&[u8]]) -> Self {
        let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Self {
            tag: tag_of(name),
            signing: key(signing),
            verifying: verifying.iter().map(|bytes| key(bytes)).collect(),
        }
    }

    /// A ring of one key, for a process that keeps no other.
    #[must_use]
    pub fn single(secret: &[u8]) -> Self {
        let name = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"key ring tag");
        Self::new(name.as_ref(), secret, &[])
    }

    /// Affinity tokens that every process with this ring gives out alike.
    #[must_use]
    pub fn affinity(&self) -> Affinity {
        let secret = |key: &hmac::Key| {
            let mut secret = [0; 16];
            let tag = hmac::sign(key, b"affinity tokens");
            secret.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
            secret
        };
        // Given out under the one, known under all: a rotation reaches the nodes one by one.
        Affinity::shared(secret(&self.signing), self.verifying.iter().map(secret).collect())
    }

    /// The key of a new chat.
    #[must_use]
    pub fn mint(&self, tenant: &str, chat: ChatId, now: Wall) -> String {
        let mut seal = String::new();
        let mut millis = now.millis();
        for back in 0..MINT_TRIES {
            millis = now.plus_millis(-back).millis();
            seal = self.seal(&self.signing, tenant, chat, millis);
            if !seal.contains(['+', '/']) {
                break;
            }
        }
        format!("{chat}!{millis}!{seal}")
    }

    /// Whose key this is.
    #[must_use]
    pub fn owner(&self, tenant: &str, key: &str) -> Owner {
        let mut parts = key.splitn(3, '!');
        let (uuid, millis, seal) = (parts.next(), parts.next(), parts.next());
        // By its first characters, so that a key of ours that was cut short is still ours.
        let tagged = seal.is_some_and(|seal| seal.starts_with(&self.tag_chars()));
        let (Some(uuid), Some(millis), Some(seal), true) = (uuid, millis, seal, tagged) else {
            return Owner::Foreign;
        };
        self.verify(tenant, uuid, millis, seal).map_or(Owner::Forged, Owner::Ours)
    }

    /// The `fileToken` that lets a visitor upload into a chat until an instant.
    #[must_use]
    pub fn file_token(&self, tenant: &str, chat: ChatId, until: Wall) -> String {
        let millis = until.millis();
        let seal = file_mac(&self.signing, tenant, chat, millis);
        format!("{millis}-{}", URL_SAFE_NO_PAD.encode(seal))
    }

    /// Whether a `fileToken` is of this chat and still good.
    #[must_use]
    pub fn opens_file(&self, tenant: &str, chat: ChatId, token: &str, now: Wall) -> bool {
        let Some((until, seal)) = token.split_once('-') else { return false };
        let Ok(until) = until.parse::<i64>() else { return false };
        let Ok(given) = URL_SAFE_NO_PAD.decode(seal) else { return false };
        let ours = std::iter::once(&self.signing).chain(&self.verifying).any(|key| {
            let expected = file_mac(key, tenant, chat, until);
            constant_time::verify_slices_are_equal(&expected, &given).is_ok()
        });
        ours && now.millis() < until
    }

    fn verify(&self, tenant: &str, uuid: &str, millis: &str, seal: &str) -> Option<OwnKey> {
        let sealed = STANDARD.decode(seal).ok()?;
        let (tag, given) = sealed.split_at_checked(TAG_BYTES)?;
        let chat = ChatId(Uuid::try_parse(uuid).ok()?);
        let number = millis.parse::<i64>().ok()?;
        // One spelling only: two keys must never name one session.
        let spelled = chat.to_string() == uuid && number.to_string() == millis;
        let ours = std::iter::once(&self.signing).chain(&self.verifying).any(|key| {
            let expected = mac(key, tenant, chat, number);
            constant_time::verify_slices_are_equal(&expected, given).is_ok()
        });
        let issued = Wall::from_millis(number);
        (spelled && ours && tag == self.tag).then_some(OwnKey { chat, issued })
    }

    /// The characters of a seal that the tag alone decides.
    fn tag_chars(&self) -> String {
        let mut chars = STANDARD.encode(self.tag);
        chars.truncate(TAG_BYTES * 8 / 6);
        chars
    }

    fn seal(&self, key: &hmac::Key, tenant: &str, chat: ChatId, millis: i64) -> String {
        let mut sealed = Vec::with_capacity(TAG_BYTES + MAC_BYTES);
        sealed.extend_from_slice(&self.tag);
        sealed.extend_from_slice(&mac(key, tenant, chat, millis));
        STANDARD.encode(sealed)
    }
}

/// The MAC of one session.
fn mac(key: &hmac::Key, tenant: &str, chat: ChatId, millis: i64) -> [u8; MAC_BYTES] {
    let whole = hmac::sign(key, format!("1|{tenant}|{chat}|{millis}").as_bytes());
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&whole.as_ref()[..MAC_BYTES]);
    mac
}

/// The MAC of one upload.
fn file_mac(key: &hmac::Key, tenant: &str, chat: ChatId, until: i64) -> [u8; MAC_BYTES] {
    let whole = hmac::sign(key, format!("file|{tenant}|{chat}|{until}").as_bytes());
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&whole.as_ref()[..MAC_BYTES]);
    mac
}

/// Four bytes whose base64 has no `+` and no `/`, or no key could be minted.
fn tag_of(name: &[u8]) -> [u8; TAG_BYTES] {
    let mut tag = [0; TAG_BYTES];
    for attempt in 0..=u8::MAX {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"liveagent-bridge/key-ring/1\0");
        hash.update(name);
        hash.update(&[attempt]);
        tag.copy_from_slice(&hash.finish().as_ref()[..TAG_BYTES]);
        let mut whole = tag.to_vec();
        whole.resize(TAG_BYTES + MAC_BYTES, 0);
        if !STANDARD.encode(whole).contains(['+', '/']) {
            break;
        }
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::single(b"0123456789abcdef0123456789abcdef")
    }

    fn chat(n: u128) -> ChatId {
        ChatId(Uuid::from_u128(n))
    }

    const NOW: Wall = Wall::from_millis(1_771_000_000_000);

    #[test]
    fn keys_have_the_form_of_salesforces_and_are_recognized() {
        for n in 0..2_000 {
            let key = ring().mint("acme", chat(n), NOW);
            assert!(!key.contains(['+', '/']), "{key}");
            let parts: Vec<_> = key.split('!').collect();
            assert_eq!((parts.len(), parts[0].len(), parts[2].len()), (3, 36, 28));
            assert!(parts[2].ends_with('='));
            let Owner::Ours(own) = ring().owner("acme", &key) else { panic!("{key}") };
            assert_eq!(own.chat, chat(n));
            assert!((0..MINT_TRIES).contains(&NOW.millis_since(own.issued)));
            assert_eq!(ring().owner("other", &key), Owner::Forged);
        }
    }

    #[test]
    fn a_rotation_is_verified_everywhere_before_it_signs() {
        let old = KeyRing::new(b"ring", b"old", &[b"new"]);
        let new = KeyRing::new(b"ring", b"new", &[b"old"]);
        let done = KeyRing::new(b"ring", b"new", &[]);
        let by_old = old.mint("acme", chat(1), NOW);
        let by_new = new.mint("acme", chat(1), NOW);
        assert!(matches!(new.owner("acme", &by_old), Owner::Ours(_)));
        assert!(matches!(old.owner("acme", &by_new), Owner::Ours(_)));
        assert_eq!(done.owner("acme", &by_old), Owner::Forged, "still ours: never passed on");
    }

    #[test]
    fn affinity_tokens_are_known_while_a_key_is_rotated() {
        let old = KeyRing::new(b"ring", b"old", &[b"new"]).affinity();
        let new = KeyRing::new(b"ring", b"new", &[b"old"]).affinity();
        for (one, other) in [(&old, &new), (&new, &old), (&new, &new)] {
            assert!(one.knows(chat(1), &other.token(chat(1))));
            assert!(!one.knows(chat(1), &other.token(chat(2))));
        }
        assert!(!KeyRing::new(b"ring", b"new", &[]).affinity().knows(chat(1), &old.token(chat(1))));
    }

    #[test]
    fn other_spellings_are_not_the_key() {
        let key = ring().mint("acme", chat(0xabcdef), NOW);
        let (uuid, rest) = key.split_once('!').expect("parts");
        let (millis, seal) = rest.split_once('!').expect("parts");
        for other in [
            format!("{}!{millis}!{seal}", uuid.to_uppercase()),
            format!("{}!{millis}!{seal}", uuid.replace('-', "")),
            format!("{uuid}!+{millis}!{seal}"),
            format!("{uuid}!0{millis}!{seal}"),
            format!("{uuid}!!{seal}"),
            format!("{uuid}!{millis}!{}", &seal[..27]),
            format!("{uuid}!{millis}!{}", &seal[..5]),
        ] {
            assert_eq!(ring().owner("acme", &other), Owner::Forged, "{other}");
        }
        for foreign in ["", "x", "a!b", "a!1!AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "a!b!c!d"] {
            assert_eq!(ring().owner("acme", foreign), Owner::Foreign, "{foreign}");
        }
    }
}
