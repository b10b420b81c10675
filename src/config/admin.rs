//! `[admin]`: the admin API's own listener, and whose tokens it takes.
//!
//! Promised: without the section there is no such listener. The algorithm of a key is written here
//! and nowhere else; a token cannot choose it. Nothing is contacted.

pub mod pem;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::section::{Section, Text};
use super::source::At;
use super::values::{self, DURATION, LISTEN};
use super::{Problem, Secret, tls};
use crate::serve::TlsFiles;

/// The issuer of tokens unless the section names one: the bridge's own `admin token`.
pub const DEFAULT_ISSUER: &str = "liveagent-bridge";
/// Whom tokens must be meant for unless the section says otherwise.
pub const DEFAULT_AUDIENCE: &str = "liveagent-bridge-admin";
/// By how much clocks may differ unless the section says otherwise.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
/// An HS256 secret that is shorter could be guessed.
pub const SECRET_BYTES_MIN: usize = 32;

const LONGEST_LEEWAY: Duration = Duration::from_secs(300);
/// Keys that one section may name.
const MOST_KEYS: usize = 32;
const ALGORITHM: &str = "`HS256`, `RS256`, `ES256` or `EdDSA`";
const PROBES: &str = "`open` or `token`";
const SOURCE: &str = "one of `secret`, `public_key`, `jwks_file` and `jwks_url`";

/// The admin API's listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Its address.
    pub listen: SocketAddr,
    /// `iss` of every token.
    pub issuer: String,
    /// Among `aud` of every token.
    pub audience: String,
    /// By how much the clocks of issuer and bridge may differ.
    pub leeway: Duration,
    /// Whether health, readiness and metrics are answered without a token.
    pub open_probes: bool,
    /// Whether the console is served.
    pub console: bool,
    /// Where dry-run reports made over the API are kept; without it, in memory.
    pub reports: Option<PathBuf>,
    /// What tokens may be signed with.
    pub keys: Vec<AdminKey>,
    /// Certificate and key; without them the listener speaks plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// A key, or a set of keys, of one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminKey {
    /// `kid` of the tokens; a set brings its own.
    pub id: Option<String>,
    /// How they are signed.
    pub algorithm: Algorithm,
    /// Where the key is.
    pub source: KeySource,
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// A shared secret.
    Hs256,
    /// RSA, PKCS#1 v1.5.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Reads the name that JWT headers use.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "HS256" => Self::Hs256,
            "RS256" => Self::Rs256,
            "ES256" => Self::Es256,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The shared secret itself.
    Secret(Secret),
    /// A public key in PEM, as it was read.
    PublicKey(String),
    /// A JSON Web Key Set in a file, read again when a token names a key it does not have.
    JwksFile(PathBuf),
    /// A JSON Web Key Set on the network.
    JwksUrl(String),
}

/// Reads the section; `None` without an address to listen at.
pub(super) fn read(section: Section<'_>) -> Option<AdminConfig> {
    let found = section.cx.found;
    let text = |key, fallback: &str| {
        let read = section.text(key).map(|text| text.value).filter(|value| !value.is_empty());
        read.unwrap_or_else(|| fallback.to_owned())
    };
    let (issuer, audience) = (text("issuer", DEFAULT_ISSUER), text("audience", DEFAULT_AUDIENCE));
    let leeway = section.read("leeway", DEFAULT_LEEWAY, DURATION, |text| {
        values::duration(text, Duration::ZERO, LONGEST_LEEWAY)
    });
    let open_probes = section.read("probes", true, PROBES, |text| match text {
        "open" => Ok(true),
        "token" => Ok(false),
        _ => Err(format!("`{text}` is not known")),
    });
    let console = section.read("console", true, values::SWITCH, values::switch);
    let reports = section.text("reports").filter(|text| !text.value.is_empty());
    let reports = reports.map(|text| section_path(&text.at, &text.value));
    let written = section.sections("key");
    if written.len() > MOST_KEYS {
        let message = format!("there are {} keys", written.len());
        found.problem(section.at().says(message).expected(format!("at most {MOST_KEYS}")));
    }
    let keys: Vec<(AdminKey, At)> = written.into_iter().take(MOST_KEYS).filter_map(key).collect();
    between_keys(&keys, |problem| found.problem(problem));
    if keys.is_empty() {
        let note = section.at().says("there is no key, so only health and metrics are answered");
        found.note(note.help("add a section [[admin.key]], see docs/admin-api.md"));
    }
    let tls = section.section("tls").and_then(tls::read);
    let listen = section.required("listen", LISTEN);
    section.finish();
    let listen = listen.and_then(|text| match values::listen(&text.value) {
        Ok(listen) => Some(listen),
        Err(message) => {
            found.problem(text.at.says(message).expected(LISTEN));
            None
        }
    })?;
    let keys = keys.into_iter().map(|(key, _)| key).collect();
    Some(AdminConfig { listen, issuer, audience, leeway, open_probes, console, reports, keys, tls })
}

fn key(section: Section<'_>) -> Option<(AdminKey, At)> {
    let found = section.cx.found;
    let at = section.at();
    let id = section.text("id").map(|text| text.value).filter(|id| !id.is_empty());
    let algorithm = section.required("algorithm", ALGORITHM).and_then(|text| {
        let known = Algorithm::parse(&text.value);
        if known.is_none() {
            let message = format!("`{}` is not an algorithm of the admin API", text.value);
            found.problem(text.at.says(message).expected(ALGORITHM));
        }
        known
    });
    let secret = section.secret("secret");
    let public_key = section.text("public_key");
    let (file, url) = (section.text("jwks_file"), section.text("jwks_url"));
    section.finish();
    let algorithm = algorithm?;
    let (hmac, read) = match (secret, public_key, file, url) {
        (Some((secret, at)), None, None, None) => (true, (shared_secret(secret, &at), at)),
        (None, Some(text), None, None) => (false, (public(algorithm, &text), text.at)),
        (None, None, Some(text), None) => {
            let path = section_path(&text.at, &text.value);
            (false, (Ok(KeySource::JwksFile(path)), text.at))
        }
        (None, None, None, Some(text)) => (false, (jwks_url(&text), text.at)),
        (None, None, None, None) => {
            found.problem(at.says("names no key").expected(SOURCE));
            return None;
        }
        _ => {
            found.problem(at.says("names several keys").expected(SOURCE));
            return None;
        }
    };
    let (source, place) = read;
    if hmac != (algorithm == Algorithm::Hs256) {
        let expected = "HS256 with `secret`; the others with a public key or a key set";
        found.problem(place.says("does not go with this `algorithm`").expected(expected));
        return None;
    }
    match source {
        Ok(source) => Some((AdminKey { id, algorithm, source }, at)),
        Err(problem) => {
            found.problem(*problem);
            None
        }
    }
}

/// A key's source, or what is wrong with it.
type Sourced = Result<KeySource, Box<Problem>>;

fn shared_secret(secret: Secret, at: &At) -> Sourced {
    let length = secret.reveal().len();
    if length >= SECRET_BYTES_MIN {
        return Ok(KeySource::Secret(secret));
    }
    let problem = at.says(format!("has {length} bytes"));
    let problem = problem.expected(format!("at least {SECRET_BYTES_MIN} random bytes"));
    Err(Box::new(problem.help("openssl rand -base64 48 makes one")))
}

fn public(algorithm: Algorithm, text: &Text) -> Sourced {
    let path = section_path(&text.at, &text.value);
    let read = std::fs::read_to_string(&path)
        .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
        .and_then(|pem| pem::public_key(algorithm, &pem).map(|_| pem));
    read.map(KeySource::PublicKey)
        .map_err(|message| Box::new(text.at.says(message).expected("a PEM file of a public key")))
}

fn jwks_url(text: &Text) -> Sourced {
    if secure(&text.value) {
        return Ok(KeySource::JwksUrl(text.value.clone()));
    }
    let problem = text.at.says("is not an address to get keys from");
    Err(Box::new(problem.expected("https://…; http:// only to this machine")))
}

/// A path in a file counts from that file's folder.
fn section_path(at: &At, path: &str) -> PathBuf {
    at.place.file.parent().unwrap_or(std::path::Path::new("")).join(path)
}

/// Whether keys from there can be trusted to come from there.
fn secure(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let plain = url.username().is_empty() && url.password().is_none();
    plain && url.has_host() && (url.scheme() == "https" || url.scheme() == "http" && here)
}

/// What only shows when all keys are seen together: a token must name one.
fn between_keys(keys: &[(AdminKey, At)], problem: impl Fn(Problem)) {
    let set = |key: &AdminKey| matches!(key.source, KeySource::JwksFile(_) | KeySource::JwksUrl(_));
    for (i, (key, at)) in keys.iter().enumerate() {
        if set(key) {
            continue;
        }
        let earlier = keys.get(..i).unwrap_or_default();
        match &key.id {
            None if keys.len() > 1 => {
                problem(at.says("has no `id`").expected("an `id` for each of several keys"));
            }
            Some(id) if earlier.iter().any(|(other, _)| other.id.as_ref() == Some(id)) => {
                problem(at.says(format!("`{id}` names two keys")).expected("an `id` of its own"));
            }
            _ => {}
        }
    }
}
