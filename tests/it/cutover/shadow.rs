//! Shadowed chats: what is counted, when, and where the counts go.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use liveagent_bridge::config::ShadowConfig;
use liveagent_bridge::emulator::Agents;
use liveagent_bridge::report::shadow::Shadow;
use liveagent_bridge::shadow::WRITE_EVERY;
use serde_json::{Value, json};

use crate::admin::Api;

use super::rehearsal::{BUTTON, Rehearsal};
use super::*;

const OTHER: &str = "573000000000002";
const NOON: &str = "2026-01-20T12:00:00Z";

const CONFIG: &str = r#"
[[tenant]]
id = "acme"
[tenant.legacy]
live_agent_base_url = "https://d.la1-c1-iad.salesforceliveagent.com"
organization_id = "00D000000000062EAA"
deployment_id = "572000000000001"
[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000062"
embedded_service_developer_name = "Web_Support"
"#;

async fn rehearsal(tenant: Tenant) -> Rehearsal {
    Rehearsal::new(NOON, Agents::None, tenant).await
}

/// Waits until so many inits were counted; then there are no more.
async fn counted(rehearsal: &Rehearsal, inits: u64) -> Vec<Shadow> {
    let begin = rehearsal.clock.now().mono;
    loop {
        let counts = rehearsal.bridge.shadow.snapshot("acme");
        let sum: u64 = counts.iter().map(|one| one.inits + one.unreadable).sum();
        assert!(sum <= inits, "{counts:?}");
        if sum == inits {
            return counts;
        }
        let waited = rehearsal.clock.now().mono.since(begin);
        assert!(waited < Duration::from_secs(10), "{counts:?}");
        pass(rehearsal, Duration::from_millis(10)).await;
    }
}

async fn pass(rehearsal: &Rehearsal, span: Duration) {
    rehearsal.clock.until(rehearsal.clock.now().mono.plus(span)).await;
}

fn with_detail(mut init: Value, label: &str, length: usize) -> Value {
    init["prechatDetails"] = json!([{
        "label": label, "value": "x".repeat(length), "transcriptFields": [], "displayToAgent": true,
    }]);
    init
}

#[tokio::test(start_paused = true)]
async fn relayed_chats_are_counted_in_shadow_and_on_a_ramp_and_nowhere_else() {
    let bridge = rehearsal(tenant("acme")).await;
    let begins = async |name: &str| {
        let mut visitor = bridge.session(name).await;
        let init = with_detail(visitor.init(BUTTON), "Long", 5_000);
        visitor.posts(&bridge, "ChasitorInit", &init).await;
    };
    begins("Before").await;
    bridge.change(to(Stage::Shadow)).await;
    begins("In shadow").await;
    counted(&bridge, 1).await;
    bridge.change(sure(Stage::Ramp { percent: 0 })).await;
    begins("On a ramp").await;
    counted(&bridge, 2).await;
    bridge.change(sure(Stage::Ramp { percent: 100 })).await;
    begins("Translated, not shadowed").await;
    bridge.change(roll_back(None)).await;
    begins("Rolled back").await;
    bridge.change(to(Stage::Shadow)).await;
    begins("At last").await;
    let counts = counted(&bridge, 3).await;
    let [one] = counts.as_slice() else { panic!("{counts:?}") };
    assert_eq!((one.inits, one.unreadable, &one.mapping_sha256), (3, 0, &None));
    assert!(one.findings.values().any(|count| count.inits == 3), "{one:?}");
    assert!(!one.to_line().contains("xxx"), "no value gets in");
    assert_eq!(bridge.bridge.shadow.dropped(), 0);
    assert_eq!(bridge.bridge.shadow.snapshot("globex"), []);
    let api = Api::new(bridge.bridge.admin.clone());
    let shown = api.get("/admin/v1/tenants/acme/shadow").await;
    assert_eq!(shown["counts"], json!([one]));
    assert_eq!((&shown["dropped"], &shown["folder"]), (&json!(0), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_retry_and_what_legacy_refuses_do_not_count() {
    let bridge = rehearsal(tenant("acme")).await;
    bridge.change(to(Stage::Shadow)).await;
    let visitor = bridge.session("Retry").await;
    for _ in 0..2 {
        let got = visitor.posts_as(&bridge, "ChasitorInit", 1, &visitor.init(BUTTON)).await;
        assert_eq!(got.status, 200, "{}", got.text);
        counted(&bridge, 1).await;
    }
    let other = bridge.session("Refused").await;
    let got = other.posts_as(&bridge, "ChasitorInit", 7, &other.init(BUTTON)).await;
    assert!(!got.status.is_success(), "{}", got.text);
    let mut last = bridge.session("Last").await;
    let init = last.init(BUTTON);
    last.posts(&bridge, "ChasitorInit", &init).await;
    counted(&bridge, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_re_keyed_chat_is_counted_by_the_stage_of_its_button() {
    let mut acme = tenant("acme");
    let stage = |stage| vec![Step { at: at("2026-01-01T00:00:00Z"), stage }];
    let own = |button: &str, steps| ButtonPlan { button: button.to_owned(), steps };
    acme.plan.buttons =
        vec![own(OTHER, stage(Stage::Shadow)), own("573000000000003", stage(Stage::Miaw))];
    let bridge = rehearsal(acme).await;
    for (name, button) in [("Legacy", BUTTON), ("Shadow", OTHER), ("Miaw", "573000000000003")] {
        let mut visitor = bridge.session(name).await;
        let init = visitor.init(button);
        visitor.posts(&bridge, "ChasitorInit", &init).await;
    }
    counted(&bridge, 1).await;
    let legacy = bridge.emulators.desk().chats();
    assert_eq!(legacy.len(), 3, "{legacy:?}");
}

fn lines(folder: &Path, name: &str) -> Vec<Shadow> {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    text.lines().map(|line| Shadow::read(line).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn counts_are_written_by_day_and_at_the_stop() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("shadow");
    let mut acme = tenant("acme");
    acme.shadow = ShadowConfig { folder: Some(folder.clone()) };
    let bridge = rehearsal(acme).await;
    bridge.change(to(Stage::Shadow)).await;
    let begins = async |name: &str, count: u64| {
        let mut visitor = bridge.session(name).await;
        let init = visitor.init(BUTTON);
        visitor.posts(&bridge, "ChasitorInit", &init).await;
        counted(&bridge, count).await;
    };
    bridge.clock.set_wall(at("2026-01-20T23:59:50Z"));
    begins("Late", 1).await;
    bridge.clock.set_wall(at("2026-01-21T00:00:00Z"));
    begins("Early", 2).await;
    begins("Next", 3).await;
    pass(&bridge, WRITE_EVERY * 2).await;
    let first = lines(&folder, "acme-2026-01-20.shadow.ndjson");
    assert_eq!(first.iter().map(|one| one.inits).sum::<u64>(), 1, "{first:?}");
    let second = lines(&folder, "acme-2026-01-21.shadow.ndjson");
    assert_eq!(second.iter().map(|one| one.inits).sum::<u64>(), 2, "{second:?}");
    assert_eq!(second[0].since, "2026-01-21T00:00:00Z");
    begins("Last", 4).await;
    bridge.bridge.shadow.drained().await;
    let all = lines(&folder, "acme-2026-01-21.shadow.ndjson");
    assert_eq!(all.iter().map(|one| one.inits).sum::<u64>(), 3, "{all:?}");
    let report = dry_run(&folder.join("acme-2026-01-21.shadow.ndjson"));
    assert_eq!(report["tenants"][0]["shadow"]["inits"], 3, "{report}");
}

/// The report of `dry-run --shadow`, over the same tenant with the built-in rules.
fn dry_run(counts: &Path) -> Value {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("bridge.toml");
    std::fs::write(&config, CONFIG).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"));
    command.args(["dry-run", "--json", "--as-of", "2026-01-22T00:00:00Z", "--config"]);
    let output = command.arg(&config).arg("--shadow").arg(counts).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
}
