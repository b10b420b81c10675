//! Identity tokens of verified users (miaw.md 3.3 and 3.4): made here, judged by the subject.
//!
//! Promised: pure; RS256, with the claims Salesforce documents and no others. A token that did not
//! convince the service can still be answered 200 with a guest's subject, so [`is_verified`] is
//! asked every time.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use crate::chat::text::Secret;
use crate::config::Identity;
use crate::time::Wall;

/// How long an identity token lives: it is used at once.
pub const LIFE: Duration = Duration::from_secs(300);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: i64,
    exp: i64,
}

/// An identity token for this user; `None` when the key cannot sign.
#[must_use]
pub fn mint(identity: &Identity, user: &str, now: Wall) -> Option<Secret> {
    let iat = now.millis().div_euclid(1_000);
    let claims = Claims {
        iss: &identity.issuer,
        sub: user,
        aud: identity.audience.as_deref(),
        iat,
        exp: iat + LIFE.as_secs() as i64,
    };
    let header = Header { kid: Some(identity.key_id.clone()), ..Header::new(Algorithm::RS256) };
    let key = EncodingKey::from_rsa_der(&identity.key());
    encode(&header, &claims, &key).ok().map(Secret)
}

/// Whether the subject of an access token is this verified user and no guest.
#[must_use]
pub fn is_verified(subject: &str, user: &str) -> bool {
    let after = subject.split_once("/AUTH/").and_then(|(_, rest)| rest.split_once("/uid:"));
    after.is_some_and(|(_, uid)| uid == user)
}

/// Whom an identity token of the customer's own names; its signature is Salesforce's to judge.
#[must_use]
pub fn subject(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        sub: String,
    }
    let decoded = jsonwebtoken::dangerous::insecure_decode::<Named>(token).ok()?;
    Some(decoded.claims.sub)
}
