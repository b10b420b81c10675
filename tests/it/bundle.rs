//! `check --bundle`: what is in the document, and that nothing else is.

use std::path::Path;

use liveagent_bridge::config::{Problem, load_with};
use liveagent_bridge::preflight::Checked;
use liveagent_bridge::store::sqlite::{Ring, SqliteStore};
use liveagent_bridge::store::{Commit, NewChat, Store as _};
use liveagent_bridge::support::{Material, bundle};
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};
use uuid::Uuid;

/// Everything that people wrote has this word in it, and so have the folders.
const CANARY: &str = "canary";

const BRIDGE: &str = r#"
listen = "0.0.0.0:8080"
[store]
path = "bridge.sqlite"
[egress]
proxy = "http://canary-user:canary-password@proxy.example:3128"
[[tenant]]
id = "acme"
hosts = ["canary.example"]
mapping = "acme.toml"
[tenant.legacy]
live_agent_base_url = "https://d.la1-c1-iad.salesforceliveagent.com/chat/rest"
organization_id = "00D000000000001"
deployment_id = "572000000000001"
[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000001"
embedded_service_developer_name = "Web_Support"
[tenant.miaw.identity]
signing_key = { file = "canary-key.pem" }
key_id = "canary-key"
issuer = "canary-issuer"
[tenant.plan]
step = [{ at = "2026-01-10T09:00:00Z", stage = "ramp 10 %" }]
acknowledgement = { until = "2026-12-01T00:00:00Z", by = "Canary", reason = "canary" }
[tenant.behaviour]
system_name = "Canary System"
undeliverable_text = "canary undeliverable"
lost_text = "canary lost"
token_end_text = "canary time"
cors_origins = ["https://canary.example"]
[tenant.capture]
folder = "canary-captures"
"#;

const MAPPING: &str = r#"
version = 1
[[rule]]
label = "Canary Label"
to = "CanaryKey"
table = { canary-from = "canary-to" }
default = "canary-default"
note = "canary note"
[[constant]]
to = "CanaryConstant"
value = "canary constant"
[[accept]]
code = "PC101"
reason = "canary reason"
until = 2099-01-01
"#;

/// A folder of configuration whose name is nobody's business.
fn home(bridge: &str, mapping: &str) -> tempfile::TempDir {
    let home = tempfile::Builder::new().prefix("canary-home-").tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write("bridge.toml", bridge);
    write("acme.toml", mapping);
    write("canary-key.pem", include_str!("fixtures/tls/key.pem"));
    home
}

fn made(home: &Path, live: &[Checked]) -> (Value, Vec<Problem>) {
    let file = home.join("bridge.toml");
    let outcome = load_with(&file, &|_| None);
    let (loaded, problems) = match outcome {
        Ok(loaded) => (Some(loaded), Vec::new()),
        Err(problems) => (None, problems.0),
    };
    let now = Wall::parse("2026-01-20T09:30:00Z").unwrap();
    let material =
        Material { file: &file, loaded: loaded.as_ref(), problems: &problems, live, now };
    let document = bundle(&material);
    let text = document.to_string();
    assert!(!text.to_lowercase().contains(CANARY), "{document:#}");
    assert!(!text.contains(home.to_str().unwrap()), "{document:#}");
    (document, problems)
}

#[test]
fn settings_are_told_and_what_people_wrote_is_not() {
    let home = home(BRIDGE, MAPPING);
    let (document, problems) = made(home.path(), &[]);
    assert_eq!(problems, []);
    assert_eq!(document["program"]["version"], env!("CARGO_PKG_VERSION"));
    let configuration = &document["configuration"];
    assert_eq!(configuration["file"], "bridge.toml");
    assert_eq!(configuration["settings"]["egress_proxy"], true);
    assert_eq!(configuration["settings"]["limits"]["retention_hours"], 24);
    assert_eq!(configuration["notes"][0]["code"], "CF001");
    assert_eq!(configuration["notes"][0]["key"], "tenant[0].legacy.live_agent_base_url");
    let tenant = &document["tenants"][0];
    assert_eq!(tenant["miaw"]["base"]["host"], "acme.my.salesforce-scrt.com");
    assert_eq!(tenant["legacy"]["base"]["host"], "d.la1-c1-iad.salesforceliveagent.com");
    assert_eq!(tenant["miaw"]["identity"], json!({ "audience": false }));
    let mapping = &tenant["mapping"];
    assert_eq!((&mapping["rules"], &mapping["constants"]), (&json!(1), &json!(1)));
    assert_eq!(mapping["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(tenant["plan"]["steps"][0]["stage"], "ramp 10 %");
    assert_eq!(tenant["plan"]["calendar"][0]["what"], "now");
    assert_eq!(tenant["behaviour"]["lost_text_chars"], 11);
    assert_eq!(document["store"]["at_last_checkpoint"]["not_read"], "there is no such file");
    assert!(!home.path().join("bridge.sqlite").exists(), "looking makes no database");
    // The hash is the file's.
    let again = made(home.path(), &[]).0["tenants"][0]["mapping"]["sha256"].clone();
    assert_eq!(mapping["sha256"], again);
}

#[test]
fn problems_keep_code_and_place_and_lose_what_they_quote() {
    for (bridge, mapping) in [
        (BRIDGE.replace("https://acme.my", "https://canary.lightning.force.com/acme.my"), MAPPING),
        (BRIDGE.replace("id = \"acme\"", "id = \"Canary Tenant\""), MAPPING),
        (BRIDGE.replace("[tenant.capture]", "[tenant.canary]"), MAPPING),
        (BRIDGE.replace("572000000000001", "canary"), MAPPING),
        (format!("canary = \"unclosed\n{BRIDGE}"), MAPPING),
        (BRIDGE.to_owned(), "version = 1\n[[rule]]\nlabel = \"Canary\"\nto = \"canary key\""),
        (BRIDGE.to_owned(), "version = 1\n[[rule]]\ncanary = 1\n"),
        (
            BRIDGE.to_owned(),
            "version = 1\n[[rule]]\nlabel=\"a\"\nto=\"A\"\ntemplate=\"{{ canary(\"",
        ),
        (
            BRIDGE.to_owned(),
            "version = 1\n[[accept]]\ncode=\"canary\"\nreason=\"a\"\nuntil=2099-01-01",
        ),
    ] {
        let home = home(&bridge, mapping);
        let (document, problems) = made(home.path(), &[]);
        assert!(!problems.is_empty(), "{bridge}{mapping}");
        let told = document["configuration"]["problems"].as_array().unwrap();
        assert_eq!(told.len(), problems.len());
        for (told, problem) in told.iter().zip(&problems) {
            assert_eq!(told["line"], json!(problem.place.as_ref().map(|place| place.line)));
            assert!(!told["message"].as_str().unwrap().is_empty(), "{told}");
        }
        assert_eq!(document["tenants"], Value::Null);
    }
}

#[tokio::test]
async fn the_store_is_counted_and_left_as_it_is() {
    let home = home(BRIDGE, MAPPING);
    let path = home.path().join("bridge.sqlite");
    let at = Wall::parse("2026-01-20T09:00:00Z").unwrap();
    {
        let store = SqliteStore::open(&path, Ring::Beside).unwrap();
        for n in 0..3 {
            let chat = NewChat { id: Uuid::from_u128(n), tenant: "acme".to_owned(), at };
            store.open(chat, b"canary facts".to_vec()).await.unwrap();
        }
        let commit = Commit {
            chat: Uuid::from_u128(0),
            number: 2,
            delta: b"canary end".to_vec(),
            snapshot: None,
            ended_at: Some(at),
            epoch: None,
        };
        store.commit(commit).await.unwrap();
        store.append_change(at, b"canary change".to_vec(), 0).await.unwrap();
        // While it is held: no wait, no lock, and whatever the last checkpoint left.
        let (document, _) = made(home.path(), &[]);
        assert_eq!(document["store"]["kind"], "sqlite");
    }
    // The writer's thread closes the file a moment later.
    let wal = home.path().join("bridge.sqlite-wal");
    let closed = async {
        while wal.exists() {
            tokio::task::yield_now().await;
        }
    };
    let closed = tokio::time::timeout(std::time::Duration::from_secs(60), closed).await;
    closed.expect("the store was not closed");
    let before = std::fs::read(&path).unwrap();
    let (document, _) = made(home.path(), &[]);
    let store = &document["store"];
    let counts = &store["at_last_checkpoint"];
    let chats = &counts["chats"][0];
    assert_eq!((&chats["running"], &chats["ended"]), (&json!(2), &json!(1)), "{store:#}");
    assert_eq!((&counts["changes"], &counts["deltas"]), (&json!(1), &json!(4)));
    assert_eq!(chats["first_began"], at.to_string());
    assert_eq!(
        (&store["file"]["mode"], &store["key_ring"]["mode"]),
        (&json!("0600"), &json!("0600"))
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!wal.exists() && !home.path().join("bridge.sqlite-shm").exists());
}

#[test]
fn what_was_seen_live_is_in_it_by_code() {
    let home = home(BRIDGE, MAPPING);
    let problem = Problem {
        code: Some("CH201"),
        place: None,
        file: home.path().join("bridge.toml"),
        key: "acme.mapping".to_owned(),
        message: "`canary_key` is not in the form, but `Canary_Key` is".to_owned(),
        expected: Some("canary".to_owned()),
        help: Some("write `Canary_Key`".to_owned()),
    };
    let checked = Checked {
        tenant: "acme".to_owned(),
        problems: vec![problem],
        notes: Vec::new(),
        seen: vec![("deployment type", "API".to_owned())],
    };
    let (document, _) = made(home.path(), &[checked]);
    let live = &document["live"][0];
    assert_eq!(live["seen"][0], json!({ "what": "deployment type", "seen": "API" }));
    let told = &live["problems"][0];
    assert_eq!((&told["code"], &told["key"]), (&json!("CH201"), &json!("mapping")));
    assert_eq!(told["message"], "… is not in the form, but … is");
}
