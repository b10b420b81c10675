//! The recorded traces of `fixtures/recorded/la-client-traces.json`.

use serde_json::Value;

use super::{Player, Program, Says, Step, Takes, programs};
use crate::bridge_stage::visitor_lines;

pub(super) fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/it/fixtures/recorded/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a sample")).expect("JSON")
}

/// The body of a client's ChasitorInit, with the session's id where it puts that.
pub(super) fn init_of(client: &str) -> String {
    let inits = fixture("la-chasitor-init.json");
    let cases = inits["cases"].as_array().expect("cases").iter();
    let known = |case: &&Value| client.starts_with(case["client"].as_str().expect("a name"));
    let body = cases.filter(known).map(|case| case["body"].to_string()).next();
    let body = body.unwrap_or_else(|| panic!("{client} has no recorded body"));
    body.replace("11111111-2222-4333-8444-555555555555", "{id}")
}

/// The requests of one client, with the body of its ChasitorInit filled in.
pub(super) fn steps(client: &str) -> Vec<Step> {
    let traces = fixture("la-client-traces.json");
    let steps = traces["clients"][client].as_array().expect("a client").iter();
    let step = |step: &Value| Step {
        method: step["method"].as_str().expect("a method").to_owned(),
        path: acknowledged(step["path"].as_str().expect("a path")),
        headers: step["headers"]
            .as_object()
            .expect("headers")
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
            .collect(),
        body: match &step["body"] {
            Value::Null => String::new(),
            Value::String(_) => init_of(client),
            body => body.to_string(),
        },
        latin: false,
    };
    steps.map(step).collect()
}

/// What was acknowledged in a recording was the `sequence` of the last answer.
fn acknowledged(path: &str) -> String {
    match path.split_once("Messages?ack=") {
        Some((head, _)) => format!("{head}Messages?ack={{ack}}"),
        None => path.to_owned(),
    }
}

fn availability(player: &Player) -> Value {
    let mut asked = player.answers.iter().filter(|(path, _)| path.contains("Availability"));
    let answer = asked.next().expect("it asks").1.json();
    assert_eq!(answer["messages"][0]["type"], "Availability");
    answer["messages"][0]["message"]["results"][0].clone()
}

programs!(rx, genutility, carbon_ai_chat, rocket_chat, prajval_raval);

fn rx() -> Program {
    let depends = |player: &Player| {
        let result = availability(player);
        assert_eq!(result["id"], "573000000000001");
        assert_eq!(result["isAvailable"], true);
        assert!(player.one("ChatRequestSuccess")["visitorId"].is_string());
    };
    let name = "rx-sfliveagent-client";
    Program { depends, ..Program::new(name, steps(name)) }
}

fn genutility() -> Program {
    let depends = |player: &Player| {
        let result = availability(player);
        assert_eq!(result["isAvailable"], true);
        assert!(result["estimatedWaitTime"].is_null(), "not asked for: {result}");
        let success = player.one("ChatRequestSuccess");
        assert_eq!(success["connectionTimeout"], 150_000);
        assert!(success["sensitiveDataRules"].is_array() && success["customDetails"].is_array());
    };
    Program { depends, ..Program::new("genutility sync", steps("genutility sync")) }
}

fn carbon_ai_chat() -> Program {
    let depends = |player: &Player| {
        assert_eq!(availability(player)["id"], "573000000000001", "asked for in brackets");
        assert!(player.one("ChatRequestSuccess")["queuePosition"].is_i64());
        assert_eq!(player.one("QueueUpdate")["position"], 0);
        let chats = player.stage.desk().chats();
        let heard = visitor_lines(&chats[0]);
        let summary = ["summary: Compat check", "summary: ada@example.com"];
        assert_eq!(heard[..2], summary, "two messages in a row, in order");
    };
    let name = "carbon-ai-chat-sfdesk";
    Program { depends, ..Program::new(name, steps(name)) }
}

fn rocket_chat() -> Program {
    let depends = |player: &Player| {
        assert_eq!(availability(player)["estimatedWaitTime"], -1, "asked for");
        // It looks for a type anywhere in an answer, and then reads the first message's fields.
        let established = player.one("ChatEstablished");
        assert_eq!(established["chasitorIdleTimeout"]["isEnabled"], false);
        assert_eq!(established["sneakPeekEnabled"], false);
        assert!(established["name"].is_string() && established["userId"].is_string());
    };
    let name = "rocketchat-liveagent";
    Program { depends, ..Program::new(name, steps(name)) }
}

/// It reads the first message of an answer only, and never acknowledges.
fn prajval_raval() -> Program {
    let name = "prajvalraval-console";
    Program { takes: Takes::First, ..Program::new(name, steps(name)) }
}

/// Its process is exchanged under it, and the tenant wants that to be told: 503, then the whole
/// dance.
#[tokio::test(start_paused = true)]
async fn genutility_reconnects_after_a_503() {
    let steps = steps(RECONNECTS);
    let lost = steps.iter().position(|step| step.is("ReconnectSession")).expect("it reconnects");
    let rest = Program::new(RECONNECTS, steps[lost + 1..].to_vec());
    for delivery in super::DELIVERIES {
        for says in [Says::Ack, Says::Nothing] {
            let change = |behaviour: &mut liveagent_bridge::config::Behaviour| {
                behaviour.check_affinity = true;
            };
            let mut player = Player::new(delivery, says, change).await;
            player.steps(&steps[..lost - 1]).await;
            player.stage.start_again().await;
            let old = player.affinity.clone();
            let got = player.ask(&player.substituted(&steps[lost - 1])).await;
            assert_eq!((got.status.as_u16(), &*got.text), (503, "Invalid Affinity Token"));
            player.send(&steps[lost]).await;
            assert_ne!(player.affinity, old);
            let told = &player.answers.last().expect("an answer").1.json();
            assert_eq!(told["messages"][0]["message"]["resetSequence"], true);
            let before = player.read.len();
            player.play(&rest).await;
            assert_eq!(player.read[before].kind, "ChasitorSessionData");
            assert_eq!(player.read[before].place, 0);
            player.read.remove(before);
            player.holds(&rest, &format!("{delivery:?}, {says:?}"));
        }
    }
}

const RECONNECTS: &str = "genutility reconnect";

#[test]
fn every_recorded_client_is_played() {
    let played: Vec<&str> = all().iter().map(|program| program.name).collect();
    let traces = fixture("la-client-traces.json");
    for name in traces["clients"].as_object().expect("clients").keys() {
        let here = played.contains(&&**name) || name == RECONNECTS;
        assert!(here, "{name} is recorded and not played: add it above, with what it depends on");
    }
}
