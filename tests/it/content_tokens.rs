//! Who a visitor is to Salesforce, and what becomes of access tokens, through the whole bridge.

use std::time::Duration;

use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use liveagent_bridge::adapter::miaw::identity;
use liveagent_bridge::chat::policy::Revoke;
use liveagent_bridge::config::{Identity, Tenant};
use liveagent_bridge::emulator::{Command, IdentityKey, Verification};
use serde_json::{Value, json};

use crate::bridge_stage::{Acks, BridgeStage, Client, Fate};

/// Made for these tests; nothing else knows it.
const KEY: &str = include_str!("fixtures/tls/key.pem");
const ISSUER: &str = "https://id.acme.example";

fn signer(issuer: &str) -> Identity {
    let key = Identity::new(KEY, "key-1".to_owned(), issuer.to_owned(), None);
    let mut key = key.expect("a key");
    key.subject_detail = Some("Customer Id".to_owned());
    key
}

/// An org whose channel verifies its users.
pub(crate) async fn stage(mode: Verification, change: impl FnOnce(&mut Tenant)) -> BridgeStage {
    let stage = BridgeStage::of_tenant(|tenant| {
        tenant.miaw.identity = Some(signer(ISSUER));
        change(tenant);
    })
    .await;
    let pair = KeyPair::from_der(&signer("").key()).expect("a key");
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let known = IdentityKey {
        kid: "key-1".to_owned(),
        iss: ISSUER.to_owned(),
        n: part(pair.public_key().modulus().big_endian_without_leading_zero()),
        e: part(pair.public_key().exponent().big_endian_without_leading_zero()),
    };
    stage.knobs(|knobs| {
        knobs.verification = mode;
        knobs.identity_keys = vec![known];
    });
    stage
}

/// Salesforce refuses with this status.
fn answer(status: u16) -> Response<Body> {
    Response::builder().status(status).body(Body::empty()).expect("an answer")
}

fn details(label: &str, value: &str) -> Value {
    let other = json!({ "label": "Topic", "value": "Billing", "transcriptFields": [] });
    json!({ "prechatDetails": [{ "label": label, "value": value, "transcriptFields": [] }, other] })
}

pub(crate) async fn begin(stage: &BridgeStage, label: &str, value: &str) -> Client {
    let mut client = Client::session(stage, Acks::Real).await;
    assert_eq!(client.init_with(details(label, value)).await.0, 200);
    client
}

pub(crate) async fn talks(stage: &BridgeStage, client: &mut Client) {
    stage.desk_chat(|_| true).await;
    stage.act(Command::Accept);
    client.until("ChatEstablished").await;
    client.says("it is me").await;
    stage.hears(&["it is me"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_visitor_is_verified_by_the_tenants_key() {
    let stage = stage(Verification::On, |_| {}).await;
    let mut client = begin(&stage, "Customer Id", "4711").await;
    talks(&stage, &mut client).await;
    let asked = stage.sent("token")[0].body.clone();
    assert_eq!(asked["authorizationType"], "JWT");
    let token = asked["customerIdentityToken"].as_str().expect("a token");
    assert_eq!(identity::subject(token).as_deref(), Some("4711"));
    // A verified user's token opens all that user's conversations: it does not outlive the chat.
    stage.act(Command::End);
    client.ends("agent").await;
    stage.seconds(5).await;
    assert_eq!((stage.count("close"), stage.count("revoke")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_identity_token_of_the_customers_own_is_passed_on_and_is_no_attribute() {
    let stage = stage(Verification::On, |tenant| {
        tenant.miaw.identity = None;
        tenant.miaw.identity_detail = Some("Session token".to_owned());
    })
    .await;
    let own = identity::mint(&signer(ISSUER), "u-1", stage.clock.now().wall).expect("a token");
    let mut client = begin(&stage, "Session token", &own.0).await;
    talks(&stage, &mut client).await;
    assert_eq!(stage.sent("token")[0].body["customerIdentityToken"], own.0.as_str());
    let attributes = stage.sent("create")[0].body["routingAttributes"].to_string();
    assert!(attributes.contains("Billing") && !attributes.contains(&own.0), "{attributes}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_in_a_verified_users_place_is_refused_or_flagged() {
    for refuse in [true, false] {
        let stage = stage(Verification::Silent, |tenant| {
            tenant.miaw.identity = Some(signer("somebody else"));
            tenant.miaw.refuse_anonymous = refuse;
        })
        .await;
        let mut client = begin(&stage, "Customer Id", "4711").await;
        if refuse {
            assert_eq!(client.until("ChatRequestFail").await["reason"], "InternalFailure");
            assert_eq!(stage.count("create"), 0);
            client.is_gone().await;
        } else {
            talks(&stage, &mut client).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_verified_users_chat_outlives_its_token() {
    let stage = stage(Verification::On, |_| {}).await;
    stage.knobs(|knobs| knobs.token_ttl_seconds = 600);
    let mut client = begin(&stage, "Customer Id", "4711").await;
    talks(&stage, &mut client).await;
    // The first attempt meets a full queue.
    stage.fault("verified_token", 1, |fault| fault.status = Some(429));
    for _ in 0..60 {
        assert_eq!(client.poll().await.0, 204);
    }
    let tokens = stage.count("token");
    assert!((4..=6).contains(&tokens), "{tokens} tokens in 24 min");
    stage.agent_says("still here?");
    client.until_told("still here?").await;
    client.says("yes").await;
    stage.hears(&["it is me", "yes"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_verified_users_chat_ends_politely_when_no_token_can_be_had() {
    let stage = stage(Verification::On, |_| {}).await;
    stage.knobs(|knobs| knobs.token_ttl_seconds = 600);
    let mut client = begin(&stage, "Customer Id", "4711").await;
    talks(&stage, &mut client).await;
    stage.fault("verified_token", 50, |fault| fault.status = Some(401));
    let told = "This chat has reached its longest possible duration and ends now.";
    client.until_told(told).await;
    client.ends("agent").await;
}

#[tokio::test(start_paused = true)]
async fn a_guests_token_is_revoked_only_where_the_tenant_wants_that() {
    for (revoke, times) in [(Revoke::Verified, 0), (Revoke::Never, 0), (Revoke::Always, 1)] {
        let stage = BridgeStage::of_tenant(|tenant| tenant.behaviour.life.revoke = revoke).await;
        let mut client = Client::talking(&stage).await;
        client.post("ChatEnd", &json!({ "reason": "client" })).await;
        client.ends("client").await;
        stage.seconds(5).await;
        assert_eq!((stage.count("close"), stage.count("revoke")), (1, times), "{revoke:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_meets_403_is_sent_once_more_with_a_continued_token() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.fault("message", 1, |fault| fault.status = Some(403));
    client.says("hello").await;
    stage.hears(&["hello"]).await;
    assert_eq!((stage.count("continuation"), stage.count("token")), (1, 1));
    // There is no second continuation: the chat is over.
    stage.fault("message", 5, |fault| fault.status = Some(403));
    client.says("again").await;
    client.until_told("The connection to the contact center was lost. This chat ends now.").await;
    assert_eq!((stage.count("continuation"), stage.count("token")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_org_that_gives_no_tokens_for_a_while_loses_no_chat() {
    for asked in [Some(70), None] {
        let stage = BridgeStage::new().await;
        let times = if asked.is_some() { 1 } else { 4 };
        stage.fault("token", times, |fault| {
            fault.status = Some(429);
            fault.retry_after_seconds = asked;
        });
        let mut client = Client::begin(&stage).await;
        client.says("first").await;
        let start = stage.clock.now().mono;
        // A client gives up when it hears nothing: the outcome is told in time all the same.
        client.until("ChatRequestSuccess").await;
        assert!(stage.clock.now().mono.since(start).as_secs() <= 10);
        stage.hears(&["first"]).await;
        let waited = stage.clock.now().mono.since(start).as_secs();
        assert!(waited >= asked.unwrap_or(15), "{waited} s with {asked:?}");
        stage.act(Command::Accept);
        client.until("ChatEstablished").await;
    }
}

#[tokio::test(start_paused = true)]
async fn more_chats_than_an_org_has_tokens_wait_in_line() {
    let stage = BridgeStage::new().await;
    let mut clients = Vec::new();
    for _ in 0..210 {
        clients.push(Client::begin(&stage).await);
    }
    stage.seconds(12).await;
    assert_eq!((stage.count("token"), stage.count("create")), (200, 200));
    // One that waits is told in time, and one that gives up while it waits costs no token.
    let waiting = clients.len() - 1;
    clients[waiting].until("ChatRequestSuccess").await;
    let mut gone = clients.remove(waiting - 1);
    assert_eq!(gone.post("ChatEnd", &json!({ "reason": "client" })).await.0, 200);
    stage.seconds(60).await;
    assert_eq!((stage.count("token"), stage.count("create")), (209, 209));
    assert_eq!(stage.desk().chats().len(), 209);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_asks_for_another_token_by_itself() {
    // A verified user's is made anew, a guest's continued; nobody says a word meanwhile.
    for (verified, status) in [(true, 401), (true, 403), (false, 401), (false, 403)] {
        let mode = if verified { Verification::On } else { Verification::Off };
        let stage = stage(mode, |_| {}).await;
        let label = if verified { "Customer Id" } else { "Other" };
        let mut client = begin(&stage, label, "4711").await;
        talks(&stage, &mut client).await;
        stage.fault("sse", 1, |fault| fault.status = Some(status));
        stage.knobs(|knobs| knobs.drop_streams = true);
        stage.seconds(5).await;
        let renewed = (stage.count("token") - 1, stage.count("continuation"));
        let minted = verified && status == 401;
        assert_eq!(renewed, (usize::from(minted), usize::from(!minted)), "{verified} {status}");
        stage.agent_says("still there");
        client.until_told("still there").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_for_a_while_costs_no_message_and_is_asked_for_once_at_a_time() {
    for verified in [true, false] {
        let mode = if verified { Verification::On } else { Verification::Off };
        let stage = stage(mode, |_| {}).await;
        let label = if verified { "Customer Id" } else { "Other" };
        let mut client = begin(&stage, label, "4711").await;
        talks(&stage, &mut client).await;
        let operation = if verified { "token" } else { "continuation" };
        let (start, before) = (stage.clock.now().mono, stage.count(operation));
        let clock = stage.clock.clone();
        let refused = if verified { 401 } else { 403 };
        let mut refusals = 2;
        stage.tamper(move |asked, _| {
            let early = clock.now().mono.since(start) < Duration::from_secs(30);
            match asked {
                "message" | "sse" if refusals > 0 => {
                    refusals -= 1;
                    Fate::Instead(Ok(answer(refused)))
                }
                "token" | "continuation" if early => Fate::Instead(Ok(answer(503))),
                _ => Fate::Passes,
            }
        });
        stage.knobs(|knobs| knobs.drop_streams = true);
        client.says("one").await;
        client.says("two").await;
        stage.hears(&["it is me", "one", "two"]).await;
        let asked = stage.count(operation) - before;
        assert!((4..=12).contains(&asked), "{asked} times asked");
        stage.agent_says("got both");
        client.until_told("got both").await;
        assert_eq!(client.count("ChatEnded"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_refused_one_after_the_other_end_the_chat_and_not_the_orgs_budget() {
    let stage = stage(Verification::On, |_| {}).await;
    let mut client = begin(&stage, "Customer Id", "4711").await;
    talks(&stage, &mut client).await;
    stage.fault("message", 1_000, |fault| fault.status = Some(401));
    client.says("refused").await;
    client.until_told("The connection to the contact center was lost. This chat ends now.").await;
    client.ends("error").await;
    assert!(stage.count("token") <= 4, "{} tokens", stage.count("token"));
}

#[tokio::test(start_paused = true)]
async fn a_guests_chat_ends_politely_when_stream_and_continuation_are_refused() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.fault("sse", 1_000, |fault| fault.status = Some(401));
    stage.fault("continuation", 1_000, |fault| fault.status = Some(401));
    stage.knobs(|knobs| knobs.drop_streams = true);
    client.until_told("The connection to the contact center was lost. This chat ends now.").await;
    client.ends("error").await;
    assert_eq!((stage.count("continuation"), stage.count("token")), (1, 1));
}
