//! The token call: what its refusal means, and what its answer tells about deployment, identity
//! and token life.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::{ANSWER_BYTES, Findings, Live, Told, clock, reach};
use crate::adapter::miaw::identity;
use crate::adapter::miaw::token::lifetime;
use crate::chat::text::Secret;
use crate::config::Tenant;
use crate::wire::miaw::BASE;
use crate::wire::miaw::rest::{EmbeddedServiceConfig, TokenRequest, TokenResponse};

/// The user that the check signs an identity token for; it starts no conversation, so that the org
/// gets no end user of this name.
const USER: &str = "liveagent-bridge-check";

/// What the other parts need of the answer.
pub(super) struct Minted {
    pub(super) bearer: Secret,
    pub(super) last_event_id: Option<String>,
    pub(super) config: EmbeddedServiceConfig,
}

/// Asks for one token, as a verified user where the tenant has a key for that.
pub(super) async fn mint(live: &Live, tenant: &Tenant, found: &mut Findings) -> Option<Minted> {
    let request = request(live, tenant)?;
    let answer = match live.transport.send(request, live.answer_within).await {
        Ok(answer) => answer,
        Err(error) => {
            let (what, help) = reach::plainly(&error, &tenant.miaw.base_url);
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
    clock::compare(live, &head.headers, found);
    let read = timeout(live.answer_within, Limited::new(body, ANSWER_BYTES).collect()).await;
    let bytes = read.ok().and_then(Result::ok).map(|all| all.to_bytes()).unwrap_or_default();
    if head.status != StatusCode::OK {
        let verifies = tenant.miaw.identity.is_some();
        refused(head.status, verifies, &String::from_utf8_lossy(&bytes), found);
        return None;
    }
    let Ok(token) = serde_json::from_slice::<TokenResponse>(&bytes) else {
        refused(StatusCode::NOT_FOUND, false, "", found);
        return None;
    };
    let life = lifetime(&token.access_token, live.clock.now().wall);
    token_life(tenant, life.map(|life| life.as_secs()), found);
    clock::issued(live, &head.headers, &token.access_token, found);
    let context = token.context.unwrap_or_default();
    let config = context.configuration.and_then(|c| c.embedded_service_config).unwrap_or_default();
    let subject = context.end_user.and_then(|user| user.subject).unwrap_or_default();
    deployment(&config, found);
    who(tenant, &config, &subject, found);
    let (bearer, last_event_id) = (Secret(token.access_token), token.last_event_id);
    Some(Minted { bearer, last_event_id, config })
}

fn request(live: &Live, tenant: &Tenant) -> Option<Request<Bytes>> {
    let miaw = &tenant.miaw;
    let mut body = TokenRequest {
        org_id: miaw.organization_id.clone(),
        es_developer_name: miaw.embedded_service_developer_name.clone(),
        capabilities_version: miaw.capabilities_version.clone(),
        platform: "Web".to_owned(),
        ..TokenRequest::default()
    };
    let mut path = "/authorization/unauthenticated/access-token";
    if let Some(key) = &miaw.identity {
        path = "/authorization/authenticated/access-token";
        body.authorization_type = Some("JWT".to_owned());
        let Secret(token) = identity::mint(key, USER, live.clock.now().wall)?;
        body.customer_identity_token = Some(token);
    }
    Request::post(format!("{}{BASE}{path}", miaw.base_url))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Bytes::from(serde_json::to_vec(&body).ok()?))
        .ok()
}

/// What a refusal means (miaw.md 3.2), by its text, which itself is not printed.
fn refused(status: StatusCode, verifies: bool, text: &str, found: &mut Findings) {
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
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if verifies => (
            "miaw.identity",
            Some("TK602"),
            "the identity token was refused",
            "compare `key_id` and `issuer` with the keyset, letter by letter; look whether its \
             certificate has run out, this machine's clock is right, and user verification is on",
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

fn deployment(config: &EmbeddedServiceConfig, found: &mut Findings) {
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
}

/// Whom the token stands for: an identity that was not believed makes a guest without a word.
fn who(tenant: &Tenant, config: &EmbeddedServiceConfig, subject: &str, found: &mut Findings) {
    let channel = config.embedded_service_messaging_channel.as_ref();
    let mode = channel.and_then(|channel| channel.get("authMode")).and_then(|mode| mode.as_str());
    found.saw("auth mode", mode.unwrap_or("unknown"));
    let (key, message, help) = if tenant.miaw.identity.is_some() {
        let believed = identity::is_verified(subject, USER);
        found.saw("identity token", if believed { "believed" } else { "not believed" });
        if believed {
            return;
        }
        let message = "the identity token was answered 200, but with an anonymous guest's token";
        let help = "compare `key_id`, `issuer` and `audience` with the keyset, letter by letter; \
                    look whether its certificate has run out, and whether user verification is on";
        ("miaw.identity", message, help)
    } else if mode.is_some_and(|mode| mode.eq_ignore_ascii_case("Auth")) {
        let message = "the channel verifies users, but the token is an anonymous guest's";
        let help = "turn user verification off on the channel";
        ("miaw.embedded_service_developer_name", message, help)
    } else {
        return;
    };
    found.problem(Told {
        key,
        code: Some("TK602"),
        message: message.to_owned(),
        expected: "auth mode UnAuth, or a subject with /AUTH/ and the user that was signed for",
        help: help.to_owned(),
    });
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
