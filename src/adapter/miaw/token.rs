//! How long an access token lives, as the token itself says.
//!
//! Promised: nothing is assumed about defaults; without readable `exp` the life is unknown. The
//! signature is not checked: the token came from Salesforce over TLS, and only its own claims about
//! its end are read.

use std::time::Duration;

use serde::Deserialize;

use crate::time::Wall;

#[derive(Deserialize)]
struct Claims {
    exp: Option<i64>,
    iat: Option<i64>,
}

/// The token's life from its receipt: `exp − iat`, or `exp` against our calendar without `iat`.
#[must_use]
pub fn lifetime(token: &str, received: Wall) -> Option<Duration> {
    let claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(token).ok()?.claims;
    let start = claims.iat.unwrap_or(received.millis() / 1000);
    let seconds = claims.exp?.checked_sub(start)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    #[test]
    fn life_is_read_from_the_claims_and_never_assumed() {
        let received = Wall::from_millis(1_000_000_000);
        for (claims, want) in [
            (json!({ "iat": 5_000, "exp": 8_600 }), Some(3_600)),
            (json!({ "exp": 1_000_060 }), Some(60)),
            (json!({ "iat": 5_000 }), None),
            (json!({ "iat": 5_000, "exp": 4_000 }), None),
        ] {
            let key = EncodingKey::from_secret(b"test");
            let token = encode(&Header::default(), &claims, &key).expect("a token");
            assert_eq!(lifetime(&token, received), want.map(Duration::from_secs), "{claims}");
        }
        assert_eq!(lifetime("opaque", received), None);
    }
}
