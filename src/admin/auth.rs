//! Who calls: a bearer token is verified, its times are held against the bridge's clock.
//!
//! Promised: the algorithm is that of the configured key; issuer, audience, subject and expiry must
//! be there; a token names its role and its tenants, and what it does not name it may not do. No
//! part of a token is ever logged or answered back but its subject, which the change list keeps.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};
use jsonwebtoken::{Validation, decode, decode_header};
use serde::{Deserialize, Serialize};

use super::keys::{Keys, Verifier, jwa};
use super::problem::{Code, Problem};
use crate::adapter::transport::Transport;
use crate::clock::Clock;
use crate::config::AdminConfig;

/// The longest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 8_192;
/// The longest subject that is accepted: the change list keeps it.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// Tenants that a token may list.
const TENANTS_MAX: usize = 10_000;

/// What a token lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Read,
    /// Look and change.
    Operate,
}

impl Role {
    /// The word in tokens.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }

    /// Reads the word in tokens.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "read" => Some(Self::Read),
            "operate" => Some(Self::Operate),
            _ => None,
        }
    }
}

/// Which tenants a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every tenant, and what concerns the process as a whole.
    All,
    /// These.
    Only(Vec<String>),
}

impl Scope {
    /// Whether the tenant is in it.
    #[must_use]
    pub fn has(&self, tenant: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(tenants) => tenants.iter().any(|known| known == tenant),
        }
    }
}

/// The bearer of a good token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `sub`: who it is.
    pub subject: String,
    /// What they may do.
    pub role: Role,
    /// For which tenants.
    pub scope: Scope,
}

/// A claim that is one word or a list of words.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    fn list(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

/// The claims that count. Issuer and audience are checked by the decoder.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    role: Option<Words>,
    roles: Option<Words>,
    tenants: Option<Words>,
}

/// Takes tokens, or refuses them.
pub struct Auth {
    keys: Keys,
    clock: Clock,
    issuer: String,
    audience: String,
    leeway: Duration,
}

impl Auth {
    /// For the keys and names of the configuration.
    #[must_use]
    pub fn new(config: &AdminConfig, clock: &Clock, transport: &Arc<dyn Transport>) -> Self {
        Self {
            keys: Keys::new(&config.keys, clock, transport),
            clock: clock.clone(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: config.leeway,
        }
    }

    /// The caller, when the request carries one good token.
    ///
    /// # Errors
    /// A problem that says what is wrong with the token and never shows it.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let token = bearer(headers)?;
        let malformed = || invalid("the token is not a JSON Web Token with a known algorithm");
        let head = decode_header(token).map_err(|_| malformed())?;
        if head.crit.is_some() {
            return Err(invalid("the token asks for extensions (`crit`) that are not known"));
        }
        let keys = self.keys.find(head.kid.as_deref()).await;
        if keys.is_empty() {
            return Err(invalid(match head.kid {
                Some(_) => "the token's `kid` is none of the configured keys",
                None => "the token has no `kid`, and several keys are configured",
            }));
        }
        let mut refused = malformed();
        for key in keys {
            match self.claims(token, &key) {
                Ok(claims) => {
                    self.in_time(&claims)?;
                    return granted(claims);
                }
                Err(problem) => refused = problem,
            }
        }
        Err(refused)
    }

    fn claims(&self, token: &str, verifier: &Verifier) -> Result<Claims, Problem> {
        use jsonwebtoken::errors::ErrorKind;
        let mut rules = Validation::new(jwa(verifier.algorithm));
        // The decoder would ask the machine's clock; `in_time` asks ours.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        match decode::<Claims>(token, &verifier.key, &rules) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(invalid(match error.kind() {
                ErrorKind::InvalidSignature => "the signature does not fit the configured key",
                ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => {
                    "the token is not signed with the algorithm configured for its key"
                }
                ErrorKind::InvalidIssuer => "the token is of another issuer (`iss`)",
                ErrorKind::InvalidAudience => "the token is meant for somebody else (`aud`)",
                ErrorKind::MissingRequiredClaim(_) => {
                    "the token lacks one of `iss`, `aud`, `exp` and `sub`"
                }
                _ => "the token's claims cannot be read",
            })),
        }
    }

    fn in_time(&self, claims: &Claims) -> Result<(), Problem> {
        let now = self.clock.now().wall.millis() as f64 / 1_000.0;
        let leeway = self.leeway.as_secs_f64();
        // Written so that a number that is none is refused.
        if claims.exp.is_nan() || claims.exp + leeway <= now {
            return Err(invalid("the token has expired (`exp`)"));
        }
        let early = |at: Option<f64>| at.is_some_and(|at| at.is_nan() || at - leeway > now);
        if early(claims.nbf) || early(claims.iat) {
            return Err(invalid("the token is not valid yet (`nbf`, `iat`)"));
        }
        Ok(())
    }
}

/// The one token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        let detail = "send one header `Authorization: Bearer TOKEN`; `admin token` makes a token";
        return Err(Problem::new(Code::TokenMissing, detail));
    };
    if value.len() > TOKEN_BYTES_MAX {
        return Err(invalid("the token is longer than any that is accepted"));
    }
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Problem::new(Code::TokenMissing, "`Authorization` is not of the form `Bearer …`")),
    }
}

fn granted(claims: Claims) -> Result<Caller, Problem> {
    let subject = claims.sub;
    let length = subject.chars().count();
    if length == 0 || length > SUBJECT_CHARS_MAX || subject.chars().any(char::is_control) {
        return Err(invalid("the token's `sub` names nobody"));
    }
    let roles = [claims.role, claims.roles];
    let named = roles.iter().flatten().flat_map(|words| words.list());
    let Some(role) = named.filter_map(|word| Role::parse(word)).max() else {
        let detail = "the token has no role; `role` must be `read` or `operate`";
        return Err(Problem::new(Code::RoleTooLow, detail));
    };
    let tenants = claims.tenants.as_ref().map(Words::list).unwrap_or_default();
    if tenants.len() > TENANTS_MAX {
        return Err(invalid("the token lists too many tenants"));
    }
    let scope = match tenants.iter().any(|tenant| tenant == "*") {
        true => Scope::All,
        false => Scope::Only(tenants.to_vec()),
    };
    Ok(Caller { subject, role, scope })
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(Code::TokenInvalid, detail)
}
