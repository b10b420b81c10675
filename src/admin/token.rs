//! Makes tokens for installations without an identity provider.
//!
//! Promised: signed with an HS256 key of the configuration, limited in time, accepted by `auth`.

use std::time::Duration;

use jsonwebtoken::{Algorithm as Jwa, EncodingKey, Header};
use serde::Serialize;

use super::auth::{Role, SUBJECT_CHARS_MAX};
use crate::config::AdminConfig;
use crate::config::admin::{AdminKey, Algorithm, KeySource};
use crate::time::Wall;

/// No token is made that lives longer.
pub const TTL_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who will use it; ends up in the change list.
    pub subject: String,
    /// What it allows.
    pub role: Role,
    /// The tenants it is for; `*` for all.
    pub tenants: Vec<String>,
    /// How long it is good.
    pub ttl: Duration,
    /// Which key signs it, where there are several.
    pub key: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    role: &'a str,
    tenants: &'a [String],
}

/// A signed token.
///
/// # Errors
/// A sentence that says what was wrong and what to do.
pub fn mint(config: &AdminConfig, order: &Order, now: Wall) -> Result<String, String> {
    let length = order.subject.chars().count();
    if length == 0 || length > SUBJECT_CHARS_MAX || order.subject.chars().any(char::is_control) {
        return Err(format!("the subject must have 1 to {SUBJECT_CHARS_MAX} characters"));
    }
    if order.ttl.is_zero() || order.ttl > TTL_MAX {
        return Err(format!("a token lives up to {} days", TTL_MAX.as_secs() / 86_400));
    }
    let (id, secret) = signing(config, order.key.as_deref())?;
    let iat = now.millis().div_euclid(1_000);
    let claims = Claims {
        iss: &config.issuer,
        aud: &config.audience,
        sub: &order.subject,
        iat,
        exp: iat + order.ttl.as_secs() as i64,
        role: order.role.code(),
        tenants: &order.tenants,
    };
    let header = Header { kid: id.map(str::to_owned), ..Header::new(Jwa::HS256) };
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&header, &claims, &key).map_err(|error| error.to_string())
}

/// The key to sign with: the named one, or the only one there is.
fn signing<'a>(
    config: &'a AdminConfig,
    name: Option<&str>,
) -> Result<(Option<&'a str>, &'a str), String> {
    let secrets = config.keys.iter().filter_map(|key| match key {
        AdminKey { id, algorithm: Algorithm::Hs256, source: KeySource::Secret(secret) } => {
            Some((id.as_deref(), secret.reveal()))
        }
        _ => None,
    });
    let all: Vec<_> = secrets.collect();
    match (name, all.as_slice()) {
        (_, []) => {
            Err("[admin] has no HS256 key to sign with; tokens come from the issuer of its \
                        other keys, or add one: [[admin.key]] algorithm = \"HS256\""
                .to_owned())
        }
        (None, [only]) => Ok(*only),
        (None, _) => Err("[admin] has several HS256 keys; say which one with --key ID".to_owned()),
        (Some(name), all) => match all.iter().find(|(id, _)| *id == Some(name)) {
            Some(found) => Ok(*found),
            None => Err(format!("[admin] has no HS256 key with the id `{name}`")),
        },
    }
}
