//! The recorded traces of `fixtures/recorded/la-client-traces.json`.

use serde_json::Value;

use super::{OTHERS, Player, Says, Step};
use crate::bridge_stage::visitor_lines;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/it/fixtures/recorded/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a sample")).expect("JSON")
}

/// The requests of one client, with the body of its ChasitorInit filled in.
pub(super) fn steps(client: &str) -> Vec<Step> {
    let traces = fixture("la-client-traces.json");
    let inits = fixture("la-chasitor-init.json");
    let init = |step: &Value| {
        let cases = inits["cases"].as_array().expect("cases").iter();
        let known = |case: &&Value| client.starts_with(case["client"].as_str().expect("a name"));
        let body = cases.filter(known).map(|case| case["body"].to_string()).next();
        body.unwrap_or_else(|| panic!("{client} has no body for {step}"))
    };
    let steps = traces["clients"][client].as_array().expect("a client").iter();
    let step = |step: &Value| Step {
        method: step["method"].as_str().expect("a method").to_owned(),
        path: step["path"].as_str().expect("a path").to_owned(),
        headers: step["headers"]
            .as_object()
            .expect("headers")
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
            .collect(),
        body: match &step["body"] {
            Value::Null => String::new(),
            Value::String(_) => init(step),
            body => body.to_string(),
        },
    };
    steps.map(step).collect()
}

async fn played(client: &str, also: impl Fn(&Player)) {
    let steps = steps(client);
    for delivery in OTHERS {
        for says in [Says::Ack, Says::Nothing] {
            let mut player = Player::new(delivery, says, |_| {}).await;
            player.play(&steps).await;
            player.holds();
            if says == Says::Nothing {
                assert!(player.read.iter().all(|read| read.of == 1), "one message an answer");
            }
            also(&player);
        }
    }
}

fn availability(player: &Player) -> Value {
    let mut asked = player.answers.iter().filter(|(path, _)| path.contains("Availability"));
    let answer = asked.next().expect("it asks").1.json();
    assert_eq!(answer["messages"][0]["type"], "Availability");
    answer["messages"][0]["message"]["results"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn rx_sfliveagent_client() {
    played("rx-sfliveagent-client", |player| {
        let result = availability(player);
        assert_eq!(
            (&result["id"], &result["isAvailable"]),
            (&"573000000000001".into(), &true.into())
        );
        assert!(player.one("ChatRequestSuccess")["visitorId"].is_string());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn genutility() {
    played("genutility sync", |player| {
        let result = availability(player);
        assert_eq!(result["isAvailable"], true);
        assert!(result["estimatedWaitTime"].is_null(), "not asked for: {result}");
        let success = player.one("ChatRequestSuccess");
        assert_eq!(success["connectionTimeout"], 150_000);
        assert!(success["sensitiveDataRules"].is_array() && success["customDetails"].is_array());
    })
    .await;
}

/// Its process is exchanged under it, and the tenant wants that to be told: 503, then the whole
/// dance.
#[tokio::test(start_paused = true)]
async fn genutility_reconnects_after_a_503() {
    let steps = steps("genutility reconnect");
    let lost = steps.iter().position(|step| step.is("ReconnectSession")).expect("it reconnects");
    for delivery in OTHERS {
        for says in [Says::Ack, Says::Nothing] {
            let mut player = Player::new(delivery, says, |behaviour| {
                behaviour.check_affinity = true;
            })
            .await;
            let mut after_poll = false;
            for step in &steps[..lost - 1] {
                match step.polls() {
                    true if after_poll => {}
                    true => player.wait_for_what_comes(step).await,
                    false => player.send(step).await,
                }
                after_poll = step.polls();
            }
            player.stage.start_again().await;
            let old = player.affinity.clone();
            let got = player.ask(&player.substituted(&steps[lost - 1])).await;
            assert_eq!((got.status.as_u16(), &*got.text), (503, "Invalid Affinity Token"));
            player.send(&steps[lost]).await;
            assert_ne!(player.affinity, old);
            let told = &player.answers.last().expect("an answer").1.json();
            assert_eq!(told["messages"][0]["message"]["resetSequence"], true);
            let before = player.read.len();
            player.play(&steps[lost + 1..]).await;
            assert_eq!(player.read[before].kind, "ChasitorSessionData");
            assert_eq!(player.read[before].place, 0);
            player.read.remove(before);
            player.holds();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn carbon_ai_chat() {
    played("carbon-ai-chat-sfdesk", |player| {
        assert_eq!(availability(player)["id"], "573000000000001", "asked for in brackets");
        assert!(player.one("ChatRequestSuccess")["queuePosition"].is_i64());
        assert_eq!(player.one("QueueUpdate")["position"], 0);
        let chats = player.stage.desk().chats();
        let heard = visitor_lines(&chats[0]);
        let summary = ["summary: Compat check", "summary: ada@example.com"];
        assert_eq!(heard[..2], summary, "two messages in a row, in order");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rocket_chat() {
    played("rocketchat-liveagent", |player| {
        let result = availability(player);
        assert_eq!(result["estimatedWaitTime"], -1, "asked for");
        // It looks for a type anywhere in an answer, and then reads the first message's fields.
        let established = player.one("ChatEstablished");
        assert_eq!(established["chasitorIdleTimeout"]["isEnabled"], false);
        assert_eq!(established["sneakPeekEnabled"], false);
        assert!(established["name"].is_string() && established["userId"].is_string());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn prajval_raval() {
    played("prajvalraval-console", |player| {
        let texts = player.read.iter().filter(|read| read.kind == "ChatMessage");
        let found = texts.filter(|read| read.place == 0).count();
        if player.says == Says::Nothing {
            // It reads the first message of an answer only, and never acknowledges.
            assert_eq!(found, player.replies);
            assert_eq!(player.reads_only(|read| read.place == 0).len(), player.read.len());
        }
    })
    .await;
}
