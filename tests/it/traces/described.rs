//! Clients that were read, not recorded (live-agent.md 5.6, client-hazards.md): their order of
//! requests, headers and peculiarities, written down as traces. Bodies of ChasitorInit are the
//! recorded ones where there are any.

use liveagent_bridge::config::Delivery;
use serde_json::{Value, json};

use super::recorded::{fixture, init_of};
use super::{PIECE_BYTES, Player, Program, Says, Step, Takes, programs};

/// How a program writes its requests.
struct Way {
    version: &'static str,
    /// Header names in small letters.
    lower: bool,
    /// `X-LIVEAGENT-AFFINITY` of its first request.
    first: Option<&'static str>,
    /// Headers of its own.
    also: &'static [(&'static str, &'static str)],
}

const fn way(version: &'static str) -> Way {
    Way { version, lower: false, first: Some("null"), also: &[] }
}

impl Way {
    /// Requests as `method path [number]`, each with its body.
    fn steps(&self, requests: &[(&str, String)]) -> Vec<Step> {
        requests.iter().map(|(line, body)| self.step(line, body)).collect()
    }

    fn step(&self, line: &str, body: &str) -> Step {
        let name = |name: &str| if self.lower { name.to_lowercase() } else { name.to_owned() };
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, path, number) = (word(), word(), word());
        let mut headers = vec![(name("X-LIVEAGENT-API-VERSION"), self.version.to_owned())];
        let first = path.starts_with("System/SessionId") && method == "GET";
        let affinity = if first { self.first } else { Some("{affinity}") };
        headers.extend(affinity.map(|token| (name("X-LIVEAGENT-AFFINITY"), token.to_owned())));
        if !first {
            headers.push((name("X-LIVEAGENT-SESSION-KEY"), "{key}".to_owned()));
        }
        if !number.is_empty() {
            headers.push((name("X-LIVEAGENT-SEQUENCE"), number));
        }
        headers.extend(self.also.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let path = format!("/chat/rest/{path}");
        Step { method, path, headers, body: body.to_owned(), latin: false }
    }
}

fn init(more: &Value) -> String {
    let mut body = json!({
        "organizationId": "00D000000000001", "deploymentId": "572000000000001",
        "buttonId": "573000000000001", "sessionId": "{id}", "language": "n/a",
        "screenResolution": "n/a", "userAgent": "Android Maker Model", "visitorName": "Vera",
        "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true, "isPost": true,
    });
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    body.to_string()
}

fn says(text: &str) -> String {
    json!({ "text": text }).to_string()
}

fn no() -> String {
    String::new()
}

fn client_ends() -> String {
    json!({ "reason": "client" }).to_string()
}

programs!(
    android_sdk,
    hrk623,
    mjrforce,
    denitrip,
    moriya,
    pepefloyd,
    yalo,
    goforce,
    botpress,
    brazilian_docs,
    maven,
    inbenta,
    liveagent_sdk_nodejs,
);

/// Salesforce's own SDK: lower-case headers, no ack, previews, and no ChatEnd: it deletes the
/// session by a key that it does not encode.
fn android_sdk() -> Program {
    let steps = Way { lower: true, ..way("43") }.steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit 1", init(&json!({}))),
        ("GET System/Messages", no()),
        ("POST Chasitor/ChasitorTyping 2", no()),
        ("POST Chasitor/ChasitorSneakPeek 3", json!({"position": 0, "text": "he"}).to_string()),
        ("POST Chasitor/ChasitorNotTyping 4", no()),
        ("POST Chasitor/ChatMessage 5", says("hello")),
        ("POST WebEvent/BatchedEvents 6", json!([{"event": "x"}]).to_string()),
        ("GET System/Messages", no()),
        ("DELETE System/SessionId/{key}", no()),
    ]);
    let depends = |player: &Player| {
        let success = player.one("ChatRequestSuccess");
        assert!(success["connectionTimeout"].as_i64() >= Some(2_000), "its budget of retries");
        assert!(player.one("ChatEstablished")["items"].is_array());
    };
    Program { depends, ..Program::new("Android SDK", steps) }
}

/// A message goes out before any poll.
fn hrk623() -> Program {
    let steps = way("39").steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit 1", init_of("hrk623")),
        ("POST Chasitor/ChatMessage 2", says("--- 会話の履歴\n少々お待ちください。")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatMessage 3", says("hello")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatEnd 4", client_ends()),
    ]);
    Program::new("hrk623", steps)
}

/// The counter starts at 1 again with the first message.
fn mjrforce() -> Program {
    let steps = way("48").steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit 1", init(&json!({"trackingId": "", "doFallback": true}))),
        ("POST Chasitor/ChatMessage 1", says("first")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatMessage 2", says("hello")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatEnd 3", client_ends()),
    ]);
    Program::new("mjrforce", steps)
}

/// `ack` is a counter of its polls, and the number of POSTs is on its GETs too.
fn denitrip() -> Program {
    let steps = way("47").steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit 1", init_of("denitrip")),
        ("GET System/Messages?ack={polled}&pc={polled} 9", no()),
        ("POST Chasitor/ChatMessage", says("hello")),
        ("GET System/Messages?ack={polled}&pc={polled} 9", no()),
        ("POST Chasitor/ChatEnd", client_ends()),
    ]);
    Program::new("denitrip", steps)
}

/// The last message of an answer counts alone, so it needs `delivery = "single"`, the default.
fn moriya() -> Program {
    let steps = way("40").steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit 1", init_of("moriya")),
        ("GET System/Messages", no()),
        ("POST Chasitor/ChatMessage 2", says("hello")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatEnd 3", client_ends()),
    ]);
    Program { takes: Takes::Last, ..Program::new("moriya", steps) }
}

/// Polls before it asks for a chat, writes ISO-8859-1 with CR LF, never ends a chat, and reads an
/// answer in pieces as if each were a whole one.
fn pepefloyd() -> Program {
    const PLAIN: [(&str, &str); 1] = [("Content-Type", "text/plain; charset=ISO-8859-1")];
    let body: Value = serde_json::from_str(&init_of("pepefloyd")).expect("JSON");
    let body = serde_json::to_string_pretty(&body).expect("JSON").replace('\n', "\r\n");
    let body = body.replace("Ada", "Ádá");
    let mut steps = Way { also: &PLAIN, ..way("34") }.steps(&[
        ("GET System/SessionId", no()),
        ("GET System/Messages", no()),
        ("POST Chasitor/ChasitorInit 1", body),
        ("GET System/Messages", no()),
        ("POST Chasitor/ChatMessage 2", says("schöne Grüße")),
        ("GET System/Messages", no()),
    ]);
    for step in &mut steps {
        step.latin = true;
    }
    let depends = |player: &Player| {
        assert_eq!(player.stage.desk().chats()[0].visitor, "Ádá Tester");
        if player.says == Says::AsWritten {
            assert!(player.longest <= PIECE_BYTES, "{} bytes in an answer", player.longest);
        }
    };
    Program { ended: "agent", depends, ..Program::new("pepefloyd", steps) }
}

/// Decodes strictly into Go's types.
fn yalo() -> Program {
    let steps = way("52").steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit", init_of("Yalo (Go, YalutecTechnology/sales-force)")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatMessage", says("Cliente: hola\nBot: buenas")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatMessage", says("hello")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatEnd", client_ends()),
    ]);
    Program { depends: has_go_types, ..Program::new("Yalo", steps) }
}

/// Strict types too, and its number on the GETs. An empty answer is an error to it (`odd.rs`).
fn goforce() -> Program {
    let steps = way("57").steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit 1", init_of("goforce (Go)")),
        ("GET System/Messages 1", no()),
        ("POST Chasitor/ChatMessage 2", says("hello")),
        ("GET System/Messages 2", no()),
        ("POST Chasitor/ChatEnd 3", client_ends()),
    ]);
    Program { depends: has_go_types, ..Program::new("goforce", steps) }
}

/// What a strict decoder takes for these members in any message: yalo's and goforce's types.
fn has_go_types(player: &Player) {
    let strings = ["name", "userId", "agentId", "text", "url", "visitorId", "type", "reason"];
    let flags = ["sneakPeekEnabled", "transcriptSaveEnabled"];
    let numbers = ["connectionTimeout", "estimatedWaitTime", "position", "queuePosition"];
    let objects = ["schedule", "chasitorIdleTimeout", "geoLocation"];
    for read in &player.read {
        for (name, value) in read.body.as_object().expect("an object") {
            let is = |names: &[&str]| names.contains(&&**name);
            let right = match name {
                _ if is(&strings) => value.is_string(),
                _ if is(&flags) => value.is_boolean(),
                _ if is(&numbers) => value.is_i64(),
                _ if is(&objects) => value.is_object(),
                // Texts to the one, objects to the other: only an empty list is both.
                _ if is(&["sensitiveDataRules", "customDetails"]) => *value == json!([]),
                _ if is(&["items"]) => {
                    value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
                }
                // Objects with a name and a value to goforce; the other does not look.
                _ if is(&["attachedRecords"]) => *value == json!([]),
                _ => true,
            };
            assert!(right, "{name} of {}: {value}", read.kind);
        }
    }
}

/// No affinity for the first request, a configuration for a body, and a reason within a reason.
fn botpress() -> Program {
    let steps = Way { first: None, ..way("34") }.steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit", init_of("botpress Salesforce Live Agent")),
        ("GET System/Messages", no()),
        ("POST Chasitor/ChatMessage", says("hello")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatEnd", json!({"ChatEndReason": {"reason": "client"}}).to_string()),
    ]);
    Program::new("botpress", steps)
}

fn brazilian_docs() -> Program {
    let steps = way("46").steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit 1", init_of("Brazilian integration docs")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatMessage 2", says("olá")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatEnd 3", client_ends()),
    ]);
    let depends = |player: &Player| {
        assert_eq!(player.one("ChatRequestSuccess")["visitorId"], player.id.as_str());
    };
    Program { depends, ..Program::new("Brazilian integration docs", steps) }
}

/// An empty affinity at first, a header of answers in its requests, a transcript at once.
fn maven() -> Program {
    const ALSO: [(&str, &str); 2] =
        [("Access-Control-Allow-Origin", "*"), ("Content-Type", "application/json")];
    let visitor = json!({
        "visitorInfo": {"visitCount": 1, "originalReferrer": "unknown", "pages": []},
        "eswLiveAgentDevName": "Dev_Name",
    });
    let steps = Way { first: Some(""), also: &ALSO, ..way("62") }.steps(&[
        ("GET System/SessionId", no()),
        ("POST Chasitor/ChasitorInit 1", init(&visitor)),
        ("POST Chasitor/ChatMessage", says("HISTORY\n\nVisitor: Hello\n\nbot: Hi there!")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatMessage", says("hello")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatEnd", client_ends()),
    ]);
    Program::new("maven", steps)
}

/// Its transcript is a batch with a prefix of its own in it, and so is its end.
fn inbenta() -> Program {
    let batch = |noun: &str, object: Value| {
        let nouns = json!({"nouns": [
            {"prefix": "ChatBot", "noun": "Skipped", "object": {}},
            {"prefix": "Chasitor", "noun": noun, "object": object},
        ]});
        nouns.to_string()
    };
    let steps = way("34").steps(&[
        ("GET System/SessionId/", no()),
        ("POST Chasitor/ChasitorInit 1", init(&json!({"isPost": false}))),
        ("POST System/MultiNoun 2", batch("ChatMessage", json!({"text": "transcript"}))),
        ("GET System/Messages?ack={polled}&pc={polled}", no()),
        ("POST Chasitor/ChatMessage 3", says("hello")),
        ("GET System/Messages?ack={polled}&pc={polled}", no()),
        ("POST System/MultiNoun 4", batch("ChatEnd", json!({}))),
    ]);
    Program::new("inbenta", steps)
}

/// Cancels before ending, and asks for its client type.
fn liveagent_sdk_nodejs() -> Program {
    let steps = way("46").steps(&[
        ("GET System/SessionId?SessionId.ClientType=chasitor", no()),
        ("POST Chasitor/ChasitorInit 1", init(&json!({"receiveQueueUpdates": true}))),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatMessage 2", says("hello")),
        ("GET System/Messages?ack={ack}", no()),
        ("POST Chasitor/ChatCancel 3", json!({}).to_string()),
    ]);
    Program::new("liveagent-sdk-nodejs", steps)
}

/// Whose ChasitorInit is recorded must be played, here, from the recordings, or in `odd.rs`.
#[test]
fn every_client_with_a_recorded_body_is_played() {
    let described = all();
    let recorded = super::recorded::all();
    let odd = super::odd::NAMES.iter().copied();
    let programs = described.iter().chain(&recorded).map(|program| program.name);
    let played: Vec<&str> = programs.chain(odd).collect();
    for case in fixture("la-chasitor-init.json")["cases"].as_array().expect("cases") {
        let client = case["client"].as_str().expect("a name");
        let known = |name: &&str| name.starts_with(client) || client.starts_with(name);
        assert!(played.iter().any(known), "{client} is not played");
    }
}

/// `docs/clients.md` names every program, and which delivery it needs.
#[test]
fn the_page_of_clients_says_what_each_needs() {
    let page = include_str!("../../../docs/clients.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let row = |name: &str| {
        let found = rows.iter().find(|row| row.starts_with(&format!("| {name} ")));
        found.unwrap_or_else(|| panic!("docs/clients.md has no row for {name}"))
    };
    for program in all().iter().chain(&super::recorded::all()) {
        let needs_single = !program.fits(Delivery::Batch, Says::AsWritten);
        let expected = if needs_single { "`single`" } else { "any" };
        let said = row(program.name).split('|').nth(3).unwrap_or_default().trim();
        assert_eq!(said, expected, "{}", program.name);
    }
    for name in super::odd::NAMES.into_iter().chain(["genutility reconnect"]) {
        row(name);
    }
}
