//! Access tokens: minting, continuing, revoking, checking.
//!
//! Promised: the life of a token is measured by the stopwatch, so a step of the calendar kills no
//! chat; `iat` and `exp` show the calendar.

use std::sync::MutexGuard;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Miaw;
use super::knobs::{FormDisplay, Knobs};
use super::reply::{bad_request, error, json, read, too_many};
use super::state::{Inner, RateWindow, Subject, Token};
use super::verify::{self, Verification};
use crate::random;
use crate::time::{Mono, Now};
use crate::wire::miaw::rest::{
    AttachmentRules, Configuration, EmbeddedServiceConfig, EndUser, Form, FormField, TokenContext,
    TokenRequest, TokenResponse,
};
use crate::wire::miaw::{DEPLOYMENT_TYPE, JWT_EXPIRED, JWT_INVALID, JWT_MISSING};

/// The most tokens at a time; beyond it minting meets 503.
const MAX_TOKENS: usize = 50_000;
const REQUEST: [&str; 11] = [
    "orgId",
    "esDeveloperName",
    "capabilitiesVersion",
    "platform",
    "deviceId",
    "context",
    "captchaToken",
    "context.appName",
    "context.clientVersion",
    "authorizationType",
    "customerIdentityToken",
];

/// The last members of [`REQUEST`], which guests may not send.
const IDENTITY: [&str; 2] = ["authorizationType", "customerIdentityToken"];

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    iss: String,
    sub: String,
    client_id: String,
    org_id: String,
    es_developer_name: String,
    platform: String,
    capabilities_version: String,
    api_version: String,
    iat: i64,
    exp: i64,
}

/// Who makes a request.
pub(super) struct Caller {
    pub(super) client: String,
    pub(super) subject: String,
    pub(super) org: String,
    pub(super) deployment: String,
    pub(super) expires: Mono,
}

impl Miaw {
    pub(super) fn mint(&self, body: &[u8]) -> Result<Response, Response> {
        let inner = self.lock();
        let known = REQUEST.split_at(REQUEST.len() - IDENTITY.len()).0;
        let request: TokenRequest = read(&inner.knobs, body, known)?;
        check(&request, &inner.knobs)?;
        if inner.knobs.verification != Verification::Off {
            let text = "User verification is turned on for this channel.";
            return Err(error(StatusCode::UNAUTHORIZED, text, "UNAUTHORIZED"));
        }
        self.give(inner, request, None)
    }

    pub(super) fn mint_verified(&self, body: &[u8]) -> Result<Response, Response> {
        let inner = self.lock();
        let request: TokenRequest = read(&inner.knobs, body, &REQUEST)?;
        check(&request, &inner.knobs)?;
        let subject = verify::subject(&request, &inner.knobs, self.clock.now().wall)?;
        self.give(inner, request, subject)
    }

    fn give(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        request: TokenRequest,
        verified: Option<String>,
    ) -> Result<Response, Response> {
        let now = self.clock.now();
        let org = request.org_id[..15].to_owned();
        if inner.knobs.rate_limits {
            let window = inner.minted.entry(org.clone()).or_default();
            let admitted = window.admit(now, 200, Duration::from_secs(60));
            admitted.map_err(|wait| too_many(&inner.knobs, wait))?;
        }
        if inner.tokens.len() >= MAX_TOKENS {
            inner.forget_expired(now);
        }
        if inner.tokens.len() >= MAX_TOKENS {
            return Err(StatusCode::SERVICE_UNAVAILABLE.into_response());
        }
        let guest = || format!("v2/iamessage/UNAUTH/NA/uid:{}", random::uuid());
        let subject = verified.unwrap_or_else(guest);
        let last_event = inner.last_event;
        let made = Subject {
            events: std::collections::VecDeque::new(),
            last_event,
            creates: RateWindow::default(),
            version: watch::Sender::new(0),
        };
        // A verified user may be known from an earlier token.
        inner.subjects.entry(subject.clone()).or_insert(made);
        let life = Duration::from_secs(inner.knobs.token_ttl_seconds);
        let token = Token {
            subject,
            org,
            deployment: request.es_developer_name,
            expires: now.mono.plus(life),
        };
        let context = context(&token, &inner.knobs, now);
        let (client, access_token) = self.sign(&token, now)?;
        inner.tokens_given += 1;
        inner.tokens.insert(client, token);
        drop(inner);
        let last_event_id = Some(last_event.to_string());
        Ok(json(
            StatusCode::OK,
            &TokenResponse { access_token, last_event_id, context: Some(context) },
        ))
    }

    /// Same subject, new client, same end of life.
    pub(super) fn continuation(&self, caller: Caller) -> Result<Response, Response> {
        let now = self.clock.now();
        let token = Token {
            subject: caller.subject,
            org: caller.org,
            deployment: caller.deployment,
            expires: caller.expires,
        };
        let (client, access_token) = self.sign(&token, now)?;
        let mut inner = self.lock();
        let context = context(&token, &inner.knobs, now);
        let last_event = inner.subjects.get(&token.subject).map(|s| s.last_event.to_string());
        inner.tokens.insert(client, token);
        let answer =
            TokenResponse { access_token, last_event_id: last_event, context: Some(context) };
        Ok(json(StatusCode::OK, &answer))
    }

    pub(super) fn revoke(&self, caller: &Caller) -> Response {
        self.lock().tokens.remove(&caller.client);
        StatusCode::NO_CONTENT.into_response()
    }

    /// Whom the bearer token stands for; otherwise the gateway's text.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, &'static str> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).ok_or(JWT_MISSING)?;
        let mut rules = Validation::new(Algorithm::HS256);
        rules.validate_exp = false;
        let key = DecodingKey::from_secret(&self.secret);
        let claims = jsonwebtoken::decode::<Claims>(bearer.trim(), &key, &rules);
        let claims = claims.map_err(|_| JWT_INVALID)?.claims;
        let inner = self.lock();
        // A token of ours that is no longer known was revoked or has run out.
        let token = inner.tokens.get(&claims.client_id).ok_or(JWT_EXPIRED)?;
        if token.expires <= self.clock.now().mono {
            return Err(JWT_EXPIRED);
        }
        Ok(Caller {
            client: claims.client_id,
            subject: token.subject.clone(),
            org: token.org.clone(),
            deployment: token.deployment.clone(),
            expires: token.expires,
        })
    }

    fn sign(&self, token: &Token, now: Now) -> Result<(String, String), Response> {
        let client = random::uuid().to_string();
        let iat = now.wall.millis().div_euclid(1_000);
        let claims = Claims {
            iss: "iamessage".to_owned(),
            sub: token.subject.clone(),
            client_id: client.clone(),
            org_id: token.org.clone(),
            es_developer_name: token.deployment.clone(),
            platform: "Web".to_owned(),
            capabilities_version: "1".to_owned(),
            api_version: "v2".to_owned(),
            iat,
            exp: iat + token.expires.since(now.mono).as_secs() as i64,
        };
        let key = EncodingKey::from_secret(&self.secret);
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key);
        let signed = signed.map_err(|_| {
            error(StatusCode::INTERNAL_SERVER_ERROR, "the token was not signed", "INTERNAL_ERROR")
        })?;
        Ok((client, signed))
    }
}

fn check(request: &TokenRequest, knobs: &Knobs) -> Result<(), Response> {
    let org = request.org_id.as_str();
    let is_org = matches!(org.len(), 15 | 18)
        && org.starts_with("00D")
        && org.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let name = request.es_developer_name.as_str();
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let app_ok = request.context.as_ref().is_none_or(|context| {
        (1..=40).contains(&context.app_name.len())
            && context.app_name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
    });
    if !is_org {
        return Err(bad_request("Specify a valid orgId."));
    }
    if !is_name || knobs.es_developer_name.as_ref().is_some_and(|known| known != name) {
        return Err(bad_request(DEPLOYMENT_TYPE));
    }
    if request.capabilities_version != "1" {
        return Err(bad_request("Specify a valid capabilitiesVersion."));
    }
    match (request.platform.as_str(), &request.device_id) {
        ("Web", None) | ("Mobile", Some(_)) => {}
        ("Web", Some(_)) => return Err(bad_request("Don't specify a deviceId for platform Web.")),
        ("Mobile", None) => return Err(bad_request("Specify a deviceId for platform Mobile.")),
        _ => return Err(bad_request("Specify a platform: Web or Mobile.")),
    }
    if app_ok { Ok(()) } else { Err(bad_request("Specify a valid context.appName.")) }
}

fn context(token: &Token, knobs: &Knobs, now: Now) -> TokenContext {
    let field = |order: i64, name: &str, kind: &str, max_length: i64| FormField {
        name: name.to_owned(),
        order: Some(order),
        kind: Some(kind.to_owned()),
        required: false,
        max_length: Some(max_length),
        is_hidden: false,
        choice_list_id: None,
    };
    let form = |display: &str| Form {
        form_type: Some("PreChat".to_owned()),
        display_context: Some(display.to_owned()),
        form_fields: knobs.form_fields.clone().unwrap_or_else(|| {
            vec![
                field(1, "_firstName", "Text", 40),
                field(2, "_lastName", "Text", 80),
                field(3, "_email", "Email", 80),
                field(4, "_subject", "Text", 255),
            ]
        }),
    };
    let forms = match knobs.form {
        FormDisplay::None => Vec::new(),
        FormDisplay::Conversation => vec![form("Conversation")],
        FormDisplay::Session => vec![form("Session")],
    };
    let mode = if knobs.verification == Verification::Off { "UnAuth" } else { "Auth" };
    let config = EmbeddedServiceConfig {
        name: Some(token.deployment.clone()),
        deployment_type: Some(knobs.deployment_type.clone()),
        embedded_service_messaging_channel: Some(serde_json::json!({ "authMode": mode })),
        forms,
        choice_list_config: Some(knobs.choice_lists.clone()),
        attachments: Some(AttachmentRules {
            end_user_to_agent: knobs.max_file_bytes > 0,
            max_file_size: Some((knobs.max_file_bytes >> 20) as i64),
        }),
        transcript: Some(serde_json::json!({ "allowTranscriptDownload": false })),
    };
    TokenContext {
        device_id: Some(String::new()),
        end_user: Some(EndUser {
            app_type: Some("iamessage".to_owned()),
            role: Some("EndUser".to_owned()),
            subject: Some(token.subject.clone()),
            display_name: Some("Guest".to_owned()),
        }),
        configuration: Some(Configuration {
            embedded_service_config: Some(config),
            timestamp: Some(now.wall.millis()),
        }),
    }
}
