//! Verified users: who signed an identity token, and what follows when nobody did.
//!
//! Promised: RS256 tokens with the `kid` and `iss` of a known key that have not run out are
//! believed; the same `sub` is the same end user. Not promised: `aud`, keysets by address.

use http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};

use super::knobs::Knobs;
use super::reply::error;
use crate::time::Wall;
use crate::wire::miaw::rest::TokenRequest;
use axum::response::Response;

/// The name of the emulated keyset, part of verified subjects.
const KEYSET: &str = "Emulated_Keys";

/// What the channel makes of identity tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// Guests only.
    #[default]
    Off,
    /// Verified users only; a token that is not believed meets 401.
    On,
    /// Verified users only; a token that is not believed makes a guest, with 200.
    Silent,
}

/// A key whose tokens are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityKey {
    /// Its name.
    pub kid: String,
    /// Who signs with it.
    pub iss: String,
    /// The modulus, as in a JWK.
    pub n: String,
    /// The exponent, as in a JWK.
    pub e: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: i64,
}

/// The subject of a verified user; `None` for a guest who was not believed.
pub(super) fn subject(
    request: &TokenRequest,
    knobs: &Knobs,
    now: Wall,
) -> Result<Option<String>, Response> {
    let refused = |text| error(StatusCode::UNAUTHORIZED, text, "UNAUTHORIZED");
    if knobs.verification == Verification::Off {
        return Err(refused("User verification is turned off for this channel."));
    }
    let token = request.customer_identity_token.as_deref().unwrap_or_default();
    let sub = believed(token, &knobs.identity_keys, now)
        .filter(|_| request.authorization_type.as_deref() == Some("JWT"));
    match sub {
        Some(sub) => Ok(Some(format!("v2/iamessage/AUTH/{KEYSET}/uid:{sub}"))),
        None if knobs.verification == Verification::Silent => Ok(None),
        None => Err(refused("User verification failed.")),
    }
}

fn believed(token: &str, keys: &[IdentityKey], now: Wall) -> Option<String> {
    let kid = decode_header(token).ok()?.kid?;
    let key = keys.iter().find(|key| key.kid == kid)?;
    let mut rules = Validation::new(Algorithm::RS256);
    (rules.validate_exp, rules.validate_aud) = (false, false);
    let public = DecodingKey::from_rsa_components(&key.n, &key.e).ok()?;
    let claims = decode::<Claims>(token, &public, &rules).ok()?.claims;
    let fresh = claims.exp.saturating_mul(1_000) > now.millis();
    (fresh && claims.iss == key.iss).then_some(claims.sub)
}
