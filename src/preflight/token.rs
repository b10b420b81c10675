//! The token call: what its refusal means, and what its answer tells about deployment, identity,
//! token life and clock.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::{ANSWER_BYTES, ANSWER_WITHIN, Findings, Live, Told, reach};
use crate::adapter::miaw::token::lifetime;
use crate::chat::text::Secret;
use crate::config::Tenant;
use crate::wire::miaw::BASE;
use crate::wire::miaw::rest::{EmbeddedServiceConfig, TokenRequest, TokenResponse};

/// A clock that is further off is worth a note.
const SKEW_NOTE_SECONDS: u64 = 5;
/// A clock that is further off is a problem.
const SKEW_MAX_SECONDS: u64 = 60;

/// What the other parts need of the answer.
pub(super) struct Minted {
    pub(super) bearer: Secret,
    pub(super) last_event_id: Option<String>,
    pub(super) config: EmbeddedServiceConfig,
}

/// Asks for one token.
pub(super) async fn mint(live: &Live, tenant: &Tenant, found: &mut Findings) -> Option<Minted> {
    let miaw = &tenant.miaw;
    let body = TokenRequest {
        org_id: miaw.organization_id.clone(),
        es_developer_name: miaw.embedded_service_developer_name.clone(),
        capabilities_version: miaw.capabilities_version.clone(),
        platform: "Web".to_owned(),
        ..TokenRequest::default()
    };
    let path = "/authorization/unauthenticated/access-token";
    let request = Request::post(format!("{}{BASE}{path}", miaw.base_url))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Bytes::from(serde_json::to_vec(&body).ok()?))
        .ok()?;
    let answer = match live.transport.send(request, ANSWER_WITHIN).await {
        Ok(answer) => answer,
        Err(error) => {
            let (what, help) = reach::plainly(&error);
            found.problem(Told {
                key: "miaw.base_url",
                code: Some("CF001"),
                message: format!("could not reach MIAW: {what} ({error})"),
                expected: "the Url of the code snippet, https://….my.salesforce-scrt.com",
                help: help.to_owned(),
            });
            return None;
        }
    };
    let (head, body) = answer.into_parts();
    skew(live, &head.headers, found);
    let read = timeout(ANSWER_WITHIN, Limited::new(body, ANSWER_BYTES).collect()).await;
    let bytes = read.ok().and_then(Result::ok).map(|all| all.to_bytes()).unwrap_or_default();
    if head.status != StatusCode::OK {
        refused(head.status, &String::from_utf8_lossy(&bytes), found);
        return None;
    }
    let Ok(token) = serde_json::from_slice::<TokenResponse>(&bytes) else {
        refused(StatusCode::NOT_FOUND, "", found);
        return None;
    };
    let life = lifetime(&token.access_token, live.clock.now().wall);
    token_life(tenant, life.map(|life| life.as_secs()), found);
    let context = token.context.unwrap_or_default();
    let config = context.configuration.and_then(|c| c.embedded_service_config).unwrap_or_default();
    let subject = context.end_user.and_then(|user| user.subject).unwrap_or_default();
    deployment(&config, &subject, found);
    let (bearer, last_event_id) = (Secret(token.access_token), token.last_event_id);
    Some(Minted { bearer, last_event_id, config })
}

/// What a refusal means (miaw.md 3.2), by its text, which itself is not printed.
fn refused(status: StatusCode, text: &str, found: &mut Findings) {
    let says = |word: &str| text.to_ascii_lowercase().contains(word);
    let name = "miaw.embedded_service_developer_name";
    let (key, code, what, help) = match status {
        StatusCode::BAD_REQUEST if says("esdevelopername") || says("deploymenttype") => (
            name,
            Some("CH211"),
            "no published deployment of the type Custom Client has this name",
            "either the name is not the API name, or the deployment is of the type Web or Mobile, \
             or it is not published (publish it, and wait ten minutes)",
        ),
        StatusCode::BAD_REQUEST if says("org") => (
            "miaw.organization_id",
            Some("CF002"),
            "the org id is not known here",
            "copy OrganizationId of the code snippet (15 or 18 characters), and Url from the same \
             snippet",
        ),
        StatusCode::BAD_REQUEST if says("capabilities") => (
            "miaw.capabilities_version",
            None,
            "the capabilities version is not known",
            "the documented value is \"1\"",
        ),
        StatusCode::BAD_REQUEST => (
            name,
            Some("CH211"),
            "the request was refused for a reason this check does not know",
            "compare every value of the section with the code snippet",
        ),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            name,
            Some("TK602"),
            "the channel takes verified users only",
            "turn user verification off on the channel, or use another deployment",
        ),
        StatusCode::TOO_MANY_REQUESTS => (
            "miaw.organization_id",
            Some("RL901"),
            "the org's limit of token requests is reached",
            "try again in a minute",
        ),
        status if status.is_server_error() => {
            (name, None, "the service has an error of its own", "try again later")
        }
        _ => (
            "miaw.base_url",
            Some("CF001"),
            "this is not the address of the messaging service",
            "use Url of the code snippet, https://….my.salesforce-scrt.com",
        ),
    };
    let message = format!("no token ({}): {what}", status.as_u16());
    let expected = "200 and an access token";
    found.problem(Told { key, code, message, expected, help: help.to_owned() });
}

fn deployment(config: &EmbeddedServiceConfig, subject: &str, found: &mut Findings) {
    let kind = config.deployment_type.as_deref().unwrap_or("unknown");
    found.saw("deployment type", kind);
    if !kind.eq_ignore_ascii_case("api") {
        found.problem(Told {
            key: "miaw.embedded_service_developer_name",
            code: Some("CH211"),
            message: format!("the deployment's type is {kind}"),
            expected: "a deployment of the type Custom Client (api)",
            help: "make a Custom Client deployment for the channel and publish it".to_owned(),
        });
    }
    let channel = config.embedded_service_messaging_channel.as_ref();
    let mode = channel.and_then(|channel| channel.get("authMode")).and_then(|mode| mode.as_str());
    found.saw("auth mode", mode.unwrap_or("unknown"));
    let verified = subject.contains("/AUTH/");
    if mode.is_some_and(|mode| mode.eq_ignore_ascii_case("Auth")) && !verified {
        found.problem(Told {
            key: "miaw.embedded_service_developer_name",
            code: Some("TK602"),
            message: "the channel verifies users, but the token is an anonymous guest's".to_owned(),
            expected: "auth mode UnAuth, or a verified subject",
            help: "turn user verification off on the channel".to_owned(),
        });
    }
}

fn token_life(tenant: &Tenant, life: Option<u64>, found: &mut Findings) {
    let grace = tenant.behaviour.token_grace.as_secs();
    let Some(life) = life else {
        found.saw("token life", "the token does not say");
        return;
    };
    found.saw("longest chat", format!("{} min", life.saturating_sub(grace) / 60));
    if life <= grace {
        found.problem(Told {
            key: "behaviour.token_grace",
            code: Some("TK601"),
            message: format!("a token lives {life} s, and chats end {grace} s before that"),
            expected: "a token that lives much longer than `token_grace`",
            help: "lengthen the token's life on the channel, or shorten `token_grace`".to_owned(),
        });
    }
}

fn skew(live: &Live, headers: &HeaderMap, found: &mut Findings) {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(theirs) = theirs else { return };
    let off = (live.clock.now().wall.millis() - theirs.timestamp().as_millisecond()) / 1_000;
    found.saw("clock", format!("{off:+} s against Salesforce's"));
    if off.unsigned_abs() <= SKEW_NOTE_SECONDS {
        return;
    }
    let told = Told {
        key: "plan",
        code: Some("CU010"),
        message: format!("this machine's clock is {off:+} s off"),
        expected: "a clock that is right to the second: the cutover goes by it",
        help: "let NTP set the clock".to_owned(),
    };
    if off.unsigned_abs() > SKEW_MAX_SECONDS { found.problem(told) } else { found.note(told) }
}
