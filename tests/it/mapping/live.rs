//! Same path: a live chat, the dry run, the console's try-it and `mapping explain` give the same
//! bytes.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::Request;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::app::{LogDecisions, Options, build, open_store};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{Config, StoreConfig, load_with};
use liveagent_bridge::emulator::{Agents, Emulators};
use liveagent_bridge::report::dry_run;
use liveagent_bridge::time::Wall;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::admin::{Api, quiet_bridge};
use crate::stage::{read, request};

const CONFIG: &str = r#"
[store]
path = "bridge.sqlite"
[[tenant]]
id = "acme"
mapping = "acme.toml"
[tenant.legacy]
live_agent_base_url = "https://la.example.test"
organization_id = "00D000000000001"
deployment_id = "572000000000001"
button_id = "573000000000001"
[tenant.miaw]
base_url = "https://scrt.example.test"
organization_id = "00D000000000001"
embedded_service_developer_name = "Web"
"#;
const RULES: &str = r#"
version = 1
[defaults]
opening_message = "details"
[match]
buttons = ["573000000000001AAA"]
[[constant]]
to = "sourceButton"
value = "{button_id}/{deployment_id}"
[[rule]]
label = "Topic"
to = "topic"
template = "{{ value | upper }} ({{ details['Retries'] | default('0') }})"
"#;

/// The routing attributes of every conversation that was created, byte by byte.
type Created = Arc<Mutex<Vec<String>>>;

/// MIAW, with an ear at its door.
fn overheard(inner: Router, created: Created) -> Router {
    Router::new().fallback(move |request: Request<Body>| {
        let (inner, created) = (inner.clone(), created.clone());
        async move {
            let (parts, body) = request.into_parts();
            let bytes = to_bytes(body, 1 << 20).await.expect("a body");
            if parts.uri.path().ends_with("/conversation") {
                let members: std::collections::BTreeMap<String, Box<RawValue>> =
                    serde_json::from_slice(&bytes).expect("an object");
                let attributes = members["routingAttributes"].get().to_owned();
                created.lock().expect("unpoisoned").push(attributes);
            }
            inner.oneshot(Request::from_parts(parts, Body::from(bytes))).await
        }
    })
}

/// Starts a chat with this body and waits for its conversation.
async fn live(config: Config, body: &str) -> String {
    let clock = Clock::starting_at(Wall::parse("2026-11-23T10:00:00Z").expect("an instant"));
    let emulators = Emulators::new(&clock, Agents::None);
    let created = Created::default();
    let transport = Arc::new(InProcess::new());
    transport.put("scrt.example.test", overheard(emulators.miaw_router(), created.clone()));
    let shutdown = CancellationToken::new();
    let options = Options {
        clock,
        transport,
        opened: open_store(&StoreConfig::Memory).await.expect("memory"),
        decisions: Arc::new(LogDecisions),
        shutdown: shutdown.clone(),
    };
    let bridge = build(config, options).await.expect("a bridge");
    let send = |request: Request<Body>| {
        let asked = bridge.router.clone().oneshot(request);
        async { read(asked.await.expect("an answer")).await }
    };
    let session = send(request("GET", "/chat/rest/System/SessionId", None, "")).await;
    let key = session.json()["key"].as_str().expect("a key").to_owned();
    let path = "/chat/rest/Chasitor/ChasitorInit";
    let begun = send(request("POST", path, Some(&key), body)).await;
    assert_eq!((begun.status.as_u16(), begun.text.as_str()), (200, "OK"));
    let deadline = std::time::Duration::from_secs(60);
    let seen = async {
        while created.lock().expect("unpoisoned").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(deadline, seen).await.expect("a conversation");
    shutdown.cancel();
    created.lock().expect("unpoisoned").remove(0)
}

fn dry(config: &Config, body: &str) -> String {
    let tenant = &config.tenants[0];
    let legacy = tenant.legacy.as_ref().expect("legacy");
    let report = dry_run::build(&dry_run::Inputs {
        as_of: Wall::parse("2026-11-23T10:00:00Z").expect("an instant"),
        show_values: true,
        tenants: vec![dry_run::Tenant {
            id: tenant.id.clone(),
            mapping_name: None,
            mapping: tenant.mapping.clone().expect("a mapping").mapping,
            deployment_id: legacy.deployment_id.clone(),
            button_id: legacy.button_id.clone().expect("a button"),
            routing: Vec::new(),
            findings: Vec::new(),
        }],
        documents: vec![dry_run::Document { name: "x".to_owned(), text: body.to_owned() }],
    });
    let shown = &report.tenants[0].samples[0].routing_attributes;
    let values: std::collections::BTreeMap<&String, &String> =
        shown.iter().map(|(k, v)| (k, v.value.as_ref().expect("shown"))).collect();
    serde_json::to_string(&values).expect("json")
}

/// As the console asks: over the admin API, without a chat.
async fn tried(config: Config, body: &str) -> String {
    let api = Api::new(quiet_bridge(config).await);
    let path = "/admin/v1/tenants/acme/mapping/try";
    let asked = |prechat: &str| format!(r#"{{"prechat":{prechat}}}"#);
    let token = api.token("read");
    let plain = api.ask("POST", path, Some(&token), &asked(body)).await;
    let quoted = Value::from(body).to_string();
    let quoted = api.ask("POST", path, Some(&token), &asked(&quoted)).await;
    assert_eq!((plain.status.as_u16(), quoted.status.as_u16()), (200, 200), "{}", plain.text);
    assert_eq!(plain.text, quoted.text);
    let members: std::collections::BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&plain.text).expect("an object");
    members["routingAttributes"].get().to_owned()
}

fn explained(folder: &Path, body: &str) -> String {
    std::fs::write(folder.join("x.json"), body).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"));
    let args = ["mapping", "explain", "--config", "bridge.toml", "--prechat", "x.json", "--json"];
    let output = command.current_dir(folder).args(args).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("json");
    json["routingAttributes"].to_string()
}

#[tokio::test]
async fn live_chats_the_dry_run_the_console_and_explain_give_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("acme.toml"), RULES).expect("written");
    std::fs::write(folder.path().join("bridge.toml"), CONFIG).expect("written");
    let config = load_with(&folder.path().join("bridge.toml"), &|_| None);
    let config = config.map_err(|p| p.to_string()).expect("sound").config;
    let named = r#"{"organizationId":"00D000000000001","deploymentId":"572000000000009",
        "buttonId":"573000000000001","visitorName":"Ana de la Cruz","language":"de-AT",
        "prechatDetails":[{"label":"Größe","value":1.50,"entityMaps":[]},
        {"label":"Topic","value":"Zoë \ud83d\ude00 \"x\"\u0007"},{"label":"Retries","value":7},
        {"label":"Long","value":"LONG","displayToAgent":true}],"prechatEntities":[],
        "screenResolution":"1x1","userAgent":"a","isPost":true,"receiveQueueUpdates":true}"#
        .replace("LONG", &"é".repeat(700));
    // Without ids of its own: the tenant's hold in all three.
    let bare = r#"{"organizationId":"00D000000000001","prechatDetails":[]}"#.to_owned();
    for body in [named, bare] {
        let live = live(config.clone(), &body).await;
        assert!(live.contains("573000000000001"), "{live}");
        assert_eq!(live, dry(&config, &body));
        assert_eq!(live, tried(config.clone(), &body).await);
        assert_eq!(live, explained(folder.path(), &body));
    }
}
