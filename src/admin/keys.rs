//! What tokens may be signed with: single keys and key sets.
//!
//! Promised: every key has one algorithm, the configured one. A set is read again when it is old or
//! a token names a key it does not have, at most once a minute and one reader at a time; what was
//! read last stays good until something better is read. Not promised: noticing within a minute that
//! a key was withdrawn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm as Jwa, DecodingKey};
use tokio::sync::Mutex;

use crate::adapter::transport::Transport;
use crate::clock::Clock;
use crate::config::admin::{AdminKey, Algorithm, KeySource, pem};
use crate::time::Mono;

/// The largest key set that is read.
pub const JWKS_BYTES_MAX: usize = 262_144;
/// Keys of one set that are looked at.
pub const JWKS_KEYS_MAX: usize = 100;
/// A set is read at most this often.
pub const JWKS_READ_EVERY: Duration = Duration::from_secs(60);
/// A set older than this is read again before it is used.
pub const JWKS_FRESH_FOR: Duration = Duration::from_secs(15 * 60);
/// How long the answer with a set may take.
const JWKS_WITHIN: Duration = Duration::from_secs(5);

/// The name that JWT headers use.
pub(super) const fn jwa(algorithm: Algorithm) -> Jwa {
    match algorithm {
        Algorithm::Hs256 => Jwa::HS256,
        Algorithm::Rs256 => Jwa::RS256,
        Algorithm::Es256 => Jwa::ES256,
        Algorithm::EdDsa => Jwa::EdDSA,
    }
}

/// A key to verify with.
#[derive(Clone)]
pub(super) struct Verifier {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// All keys of the configuration.
pub(super) struct Keys {
    single: Vec<(Option<String>, Verifier)>,
    sets: Vec<KeySet>,
}

impl Keys {
    /// Keys that were checked when the configuration was read; one that fails now is left out.
    pub(super) fn new(keys: &[AdminKey], clock: &Clock, transport: &Arc<dyn Transport>) -> Self {
        let mut all = Self { single: Vec::new(), sets: Vec::new() };
        for AdminKey { id, algorithm, source } in keys {
            let algorithm = *algorithm;
            let key = match source {
                KeySource::Secret(secret) => DecodingKey::from_secret(secret.reveal().as_bytes()),
                KeySource::PublicKey(text) => match pem::public_key(algorithm, text) {
                    Ok(key) => key,
                    Err(error) => {
                        tracing::error!("a key of the admin API is not used: it {error}");
                        continue;
                    }
                },
                KeySource::JwksFile(path) => {
                    all.sets.push(KeySet::new(algorithm, From::File(path.clone()), clock));
                    continue;
                }
                KeySource::JwksUrl(url) => {
                    let from = From::Url(url.clone(), transport.clone());
                    all.sets.push(KeySet::new(algorithm, from, clock));
                    continue;
                }
            };
            all.single.push((id.clone(), Verifier { algorithm, key }));
        }
        all
    }

    /// The keys that a token with this `kid` may be signed with.
    pub(super) async fn find(&self, kid: Option<&str>) -> Vec<Verifier> {
        let only = self.single.len() == 1 && self.sets.is_empty();
        let fits = |id: &Option<String>| match (id.as_deref(), kid) {
            (None, _) => true,
            (Some(_), None) => only,
            (Some(id), Some(kid)) => id == kid,
        };
        let single = self.single.iter().filter(|(id, _)| fits(id));
        let mut found: Vec<Verifier> = single.map(|(_, key)| key.clone()).collect();
        if found.is_empty() {
            for set in &self.sets {
                found.extend(set.find(kid).await);
            }
        }
        found
    }
}

enum From {
    File(PathBuf),
    Url(String, Arc<dyn Transport>),
}

struct KeySet {
    algorithm: Algorithm,
    from: From,
    clock: Clock,
    /// The lock is held while reading: whoever else needs the set waits for the same reading.
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    keys: Vec<(Option<String>, DecodingKey)>,
    good_at: Option<Mono>,
    tried_at: Option<Mono>,
}

impl KeySet {
    fn new(algorithm: Algorithm, from: From, clock: &Clock) -> Self {
        Self { algorithm, from, clock: clock.clone(), read: Mutex::default() }
    }

    async fn find(&self, kid: Option<&str>) -> Option<Verifier> {
        let mut read = self.read.lock().await;
        let now = self.clock.now().mono;
        let since = |then: Option<Mono>| then.map_or(Duration::MAX, |then| now.since(then));
        let old = since(read.good_at) >= JWKS_FRESH_FOR;
        if (old || read.pick(kid).is_none()) && since(read.tried_at) >= JWKS_READ_EVERY {
            read.tried_at = Some(now);
            match self.fetch().await {
                Ok(keys) => {
                    read.keys = keys;
                    read.good_at = Some(now);
                }
                Err(error) => tracing::warn!(
                    "a key set of the admin API cannot be read, the last good one stays: {error}"
                ),
            }
        }
        let key = read.pick(kid)?.clone();
        Some(Verifier { algorithm: self.algorithm, key })
    }

    async fn fetch(&self) -> Result<Vec<(Option<String>, DecodingKey)>, String> {
        let bytes = match &self.from {
            From::File(path) => file(path).await?,
            From::Url(url, transport) => download(url, transport.as_ref()).await?,
        };
        let set: JwkSet = serde_json::from_slice(&bytes)
            .map_err(|error| format!("it is no JSON Web Key Set (line {})", error.line()))?;
        let usable = set.keys.iter().take(JWKS_KEYS_MAX).filter(|key| fits(key, self.algorithm));
        let keys: Vec<_> = usable
            .filter_map(|key| {
                let read = DecodingKey::from_jwk(key).ok()?;
                Some((key.common.key_id.clone(), read))
            })
            .collect();
        if keys.is_empty() {
            return Err("it holds no key of the configured algorithm".to_owned());
        }
        Ok(keys)
    }
}

impl Read {
    /// The key of this name; without a name only when the set leaves no choice.
    fn pick(&self, kid: Option<&str>) -> Option<&DecodingKey> {
        let found = match kid {
            Some(kid) => self.keys.iter().find(|(id, _)| id.as_deref() == Some(kid)),
            None => self.keys.first().filter(|_| self.keys.len() == 1),
        };
        found.map(|(_, key)| key)
    }
}

/// Whether a key of a set is one to verify with by this algorithm. Shared secrets never are.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::Rs256) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::Es256) => {
            curve.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::OctetKeyPair(pair), Algorithm::EdDsa) => {
            pair.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    let named = match algorithm {
        Algorithm::Hs256 => KeyAlgorithm::HS256,
        Algorithm::Rs256 => KeyAlgorithm::RS256,
        Algorithm::Es256 => KeyAlgorithm::ES256,
        Algorithm::EdDsa => KeyAlgorithm::EdDSA,
    };
    let signs =
        !matches!(&key.common.public_key_use, Some(used) if *used != PublicKeyUse::Signature);
    kind && signs && key.common.key_algorithm.is_none_or(|known| known == named)
}

async fn file(path: &std::path::Path) -> Result<Bytes, String> {
    let shown = path.display();
    let told = |error| format!("`{shown}` cannot be read: {error}");
    let length = tokio::fs::metadata(path).await.map_err(told)?.len();
    if length > JWKS_BYTES_MAX as u64 {
        return Err(format!("`{shown}` has {length} bytes, at most {JWKS_BYTES_MAX} are read"));
    }
    tokio::fs::read(path).await.map(Bytes::from).map_err(told)
}

async fn download(url: &str, transport: &dyn Transport) -> Result<Bytes, String> {
    let request = Request::get(url)
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .body(Bytes::new())
        .map_err(|_| format!("`{url}` is not an address"))?;
    let answer = transport.send(request, JWKS_WITHIN).await.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("`{url}` answered {}", answer.status().as_u16()));
    }
    let read = Limited::new(answer.into_body(), JWKS_BYTES_MAX).collect();
    match tokio::time::timeout(JWKS_WITHIN, read).await {
        Ok(Ok(all)) => Ok(all.to_bytes()),
        Ok(Err(_)) => Err(format!("`{url}` broke off or has over {JWKS_BYTES_MAX} bytes")),
        Err(_) => Err(format!("`{url}` did not finish within {} s", JWKS_WITHIN.as_secs())),
    }
}
