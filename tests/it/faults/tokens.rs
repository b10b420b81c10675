//! U5: an access token ends in mid-chat, and for half a minute there is no other one.

use std::time::Duration;

use liveagent_bridge::adapter::transport::TransportError;
use liveagent_bridge::emulator::Verification;

use super::{Seen, answer};
use crate::bridge_stage::{BridgeStage, Client, Fate};
use crate::content_tokens::{begin, stage, talks};

type Makes = fn() -> Seen;

const JSON: &str = "application/json";
const OUTAGE: Duration = Duration::from_secs(30);
/// Seconds that a token lives, and that it is renewed before its end.
const LIFE: u64 = 1_200;
const GRACE: u64 = 300;

/// How a call for a token fails.
const FAILURES: [(&str, Makes); 5] = [
    ("refused", || Err(TransportError { sent: false, cause: "connection refused".to_owned() })),
    ("reset", || Err(TransportError { sent: true, cause: "reset".to_owned() })),
    ("500", || answer(500, JSON, "{}")),
    ("503", || answer(503, "text/html", "<html>")),
    ("429", || answer(429, JSON, "{}")),
];

/// Every call for a token fails so, from its first one on for half a minute.
fn fails(stage: &BridgeStage, makes: Makes) {
    let clock = stage.clock.clone();
    let mut until = None;
    stage.tamper(move |operation, _| {
        if operation != "token" {
            return Fate::Passes;
        }
        let now = clock.now().mono;
        let until = *until.get_or_insert(now.plus(OUTAGE));
        if now < until { Fate::Instead(makes()) } else { Fate::Passes }
    });
}

async fn talking(subject: &str, lives: u64) -> (BridgeStage, Client) {
    let stage = stage(Verification::On, |_| {}).await;
    stage.knobs(|knobs| knobs.token_ttl_seconds = lives);
    let mut client = begin(&stage, "Customer Id", subject).await;
    talks(&stage, &mut client).await;
    client.drain().await;
    (stage, client)
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_for_half_a_minute_costs_no_message() {
    for (name, makes) in FAILURES {
        let (stage, mut client) = talking("4711", LIFE).await;
        fails(&stage, makes);
        let mut said = vec!["it is me".to_owned()];
        let nearly = stage.clock.now().mono.plus(Duration::from_secs(LIFE - GRACE - 90));
        while stage.clock.now().mono < nearly {
            assert_eq!(client.poll().await.0, 204, "{name}: {:?}", client.seen.last());
        }
        // From before the renewal to after the outage, a message each way every five seconds.
        for n in 0..(GRACE / 5) {
            stage.seconds(5).await;
            said.push(format!("line {n}"));
            client.says(&format!("line {n}")).await;
            stage.agent_says(&format!("reply {n}"));
            client.until_told(&format!("reply {n}")).await;
        }
        // Well past the first token's end.
        for n in 0..10 {
            let (status, _) = client.poll().await;
            assert_eq!(status, 204, "{name}: poll {n}: {:?}", client.seen.last());
        }
        client.says("still here").await;
        said.push("still here".to_owned());
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        stage.hears(&said).await;
        let replies: Vec<String> = (0..GRACE / 5).map(|n| format!("reply {n}")).collect();
        assert_eq!(client.texts(), replies, "{name}: each once and in order");
        // The first, those that failed, and one that did not.
        let (tokens, opened) = (stage.count("token"), stage.count("sse"));
        assert!((3..=10).contains(&tokens), "{name}: asked for a token {tokens} times");
        assert_eq!(opened, 2, "{name}: one stream with each token");
    }
}

/// The service says in mid-chat that the token is out, before its time.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_early_is_renewed_once_and_the_message_waits() {
    for (name, makes) in FAILURES {
        let (stage, mut client) = talking("4711", 86_400).await;
        fails(&stage, makes);
        stage.fault("message", 1, |fault| fault.status = Some(401));
        for text in ["one", "two", "three"] {
            client.says(text).await;
        }
        stage.hears(&["it is me", "one", "two", "three"]).await;
        client.drain().await;
        assert!(client.texts().is_empty(), "{name}: {:?}", client.texts());
        let tokens = stage.count("token");
        assert!((3..=10).contains(&tokens), "{name}: asked for a token {tokens} times");
        assert!(stage.count("message") <= 6, "{name}: {} sends", stage.count("message"));
    }
}
