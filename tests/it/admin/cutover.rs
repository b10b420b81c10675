//! Plans and changes over the admin API, before and after the removal.

use std::sync::Arc;

use liveagent_bridge::adapter::transport::Transport;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::admin::{self, Admin, BODY_BYTES_MAX};
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};

use super::{Api, admin_config, problem, quiet, quiet_parts};

const NOW: &str = "2026-01-10T09:00:00Z";
const CHANGES: &str = "/admin/v1/tenants/acme/changes";
const PLAN: &str = "/admin/v1/tenants/acme/plan";

fn wish(expected: u64, action: Value) -> Value {
    let mut wish = json!({ "expected": expected, "why": "as agreed" });
    wish["action"] = action;
    wish
}

fn stage(name: &str) -> Value {
    json!({ "kind": "stage", "stage": name, "withoutEvidence": true })
}

#[tokio::test(start_paused = true)]
async fn a_move_is_made_seen_and_listed() {
    let api = quiet(NOW).await;
    let before = api.get("/admin/v1/tenants/acme").await;
    assert_eq!((&before["stage"], &before["miawPercent"]), (&json!("legacy"), &json!(0)));
    assert_eq!(before["lastChange"], 0);
    let got = api.post(CHANGES, &wish(0, stage("ramp 25 %"))).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let change = got.json();
    assert_eq!(
        (&change["who"], &change["why"]),
        (&json!("pat@ops.example.test"), &json!("as agreed"))
    );
    assert_eq!((&change["number"], &change["at"]), (&json!(1), &json!(NOW)));
    let after = api.get("/admin/v1/tenants/acme").await;
    assert_eq!((&after["stage"], &after["miawPercent"]), (&json!("ramp 25 %"), &json!(25)));
    let list = api.get(CHANGES).await;
    assert_eq!(list["changes"], json!([change]));
    let got = api.post(CHANGES, &wish(1, json!({ "kind": "rollBack" }))).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let plan = api.get(PLAN).await;
    assert_eq!(plan["standing"]["tenant"]["said"], "rollBack");
    assert_eq!(plan["decision"]["because"], "rolled-back");
    assert_eq!(api.get(&format!("{CHANGES}?after=1")).await["changes"][0]["number"], 2);
    let page = api.get(&format!("{CHANGES}?limit=1")).await;
    assert_eq!((page["changes"].as_array().unwrap().len(), &page["next"]), (1, &json!(1)));
    let hosts = api.get("/admin/v1/tenants/acme/legacy").await;
    assert_eq!(hosts, json!({ "hosts": [] }), "nobody has asked one yet");
    let other = api.get("/admin/v1/tenants/other/changes").await;
    assert_eq!(other["changes"], json!([]), "other tenants have their own");
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_change_goes_through() {
    let api = quiet(NOW).await;
    let acknowledged = "2026-03-01T00:00:00+01:00[Europe/Berlin]";
    let evidence =
        json!({ "kind": "evidence", "hash": "ab".repeat(32), "madeAt": NOW, "errors": 0 });
    let brownout = json!({ "kind": "brownout", "from": "2026-01-10T09:00:00Z", "until": "2026-01-10T10:00:00Z" });
    let kinds = [
        evidence,
        json!({ "kind": "stage", "stage": "shadow" }),
        json!({ "kind": "stage", "stage": "ramp 1 %" }),
        json!({ "kind": "freeze" }),
        json!({ "kind": "unfreeze" }),
        json!({ "kind": "follow" }),
        brownout,
        json!({ "kind": "endBrownout" }),
        json!({ "kind": "acknowledge", "until": acknowledged }),
        json!({ "kind": "withdrawAcknowledgement" }),
    ];
    for (at, action) in kinds.iter().enumerate() {
        let got = api.post(CHANGES, &wish(at as u64, action.clone())).await;
        assert_eq!(got.status, 201, "{action}: {}", got.text);
        assert_eq!(got.json()["action"]["kind"], action["kind"]);
    }
    let list = api.get(CHANGES).await;
    assert_eq!(list["changes"][8]["action"]["until"], "2026-02-28T23:00:00Z");
    // The sighting is the bridge's own, and an operator can undo it.
    api.clock.set_wall(Wall::parse("2026-02-15T00:00:00Z").unwrap());
    let seen = api.get("/admin/v1/tenants/acme").await;
    assert_eq!(seen["pastRemoval"], "2026-02-15T00:00:00Z");
    let sighting = async {
        while api.get(CHANGES).await["changes"].as_array().unwrap().len() <= kinds.len() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), sighting).await.expect("stored");
    api.clock.set_wall(Wall::parse(NOW).unwrap());
    let last = api.get("/admin/v1/tenants/acme").await["lastChange"].as_u64().unwrap();
    let got = api.post(CHANGES, &wish(last, json!({ "kind": "undoPastRemoval" }))).await;
    assert_eq!(got.status, 201, "{}", got.text);
    assert_eq!(api.get("/admin/v1/tenants/acme").await["pastRemoval"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_that_expect_the_same_number_one_is_made() {
    let api = quiet(NOW).await;
    let (one, two) = (wish(0, stage("shadow")), wish(0, json!({ "kind": "freeze" })));
    let (one, two) = tokio::join!(api.post(CHANGES, &one), api.post(CHANGES, &two));
    let (made, lost) = if one.status == 201 { (one, two) } else { (two, one) };
    assert_eq!(made.status, 201, "{}", made.text);
    problem(&lost, 409, "conflict");
    assert_eq!(lost.json()["last"], made.json()["number"]);
    // The same on another node with the same store.
    let store = Arc::new(MemoryStore::new());
    let here = Api::new(quiet_parts(NOW, store.clone()).await);
    let there = Api::new(quiet_parts(NOW, store).await);
    assert_eq!(here.post(CHANGES, &wish(0, stage("shadow"))).await.status, 201);
    problem(&there.post(CHANGES, &wish(0, stage("shadow"))).await, 409, "conflict");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_says_why() {
    let api = quiet(NOW).await;
    let refused = async |path: &str, action: Value| {
        let got = api.post(path, &wish(0, action)).await;
        problem(&got, 422, "refused");
        got.json()["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(CHANGES, json!({ "kind": "unfreeze" })).await, "no-change");
    let complete = refused(CHANGES, stage("complete")).await;
    assert!(!complete.is_empty());
    let ramp = refused(CHANGES, json!({ "kind": "stage", "stage": "ramp 5 %" })).await;
    assert!(ramp.contains("evidence"), "{ramp}");
    let other = "/admin/v1/tenants/other/changes";
    let legacy = refused(other, stage("legacy")).await;
    assert!(legacy.contains("legacy"), "{legacy}");
    let sighting = json!({ "kind": "pastRemoval", "seen": NOW });
    assert_eq!(refused(CHANGES, sighting).await, "not-for-operators");
    let empty = json!({ "expected": 0, "why": " ", "action": { "kind": "freeze" } });
    let got = api.post(CHANGES, &empty).await;
    problem(&got, 422, "refused");
    assert_eq!(got.json()["reason"], "reason-missing");
}

#[tokio::test(start_paused = true)]
async fn bodies_are_read_strictly_and_bounded() {
    let api = quiet(NOW).await;
    let operate = api.token("operate");
    let freeze = json!({ "kind": "freeze" });
    for (body, needle) in [
        ("".to_owned(), "EOF"),
        ("[]".to_owned(), "expected"),
        (json!({ "why": "x", "action": freeze }).to_string(), "expected"),
        (json!({ "expected": -1, "why": "x", "action": freeze }).to_string(), "expected"),
        (json!({ "expected": 0, "why": "x", "who": "root", "action": freeze }).to_string(), "who"),
        (wish(0, json!({ "kind": "explode" })).to_string(), "explode"),
        (wish(0, json!({ "kind": "freeze", "button": "x" })).to_string(), "button"),
        (wish(0, stage("ramp 200 %")).to_string(), "0 to 100"),
        (
            wish(0, json!({ "kind": "acknowledge", "until": "2026-03-01T00:00:00" })).to_string(),
            "no offset",
        ),
    ] {
        let got = api.ask("POST", CHANGES, Some(&operate), &body).await;
        problem(&got, 400, "bad-request");
        assert!(got.text.contains(needle), "{body}: {}", got.text);
    }
    let long = " ".repeat(BODY_BYTES_MAX + 1);
    problem(&api.ask("POST", CHANGES, Some(&operate), &long).await, 413, "body-too-large");
    let got = api.ask("DELETE", CHANGES, Some(&operate), "").await;
    problem(&got, 405, "method-not-allowed");
    assert_eq!(got.headers["allow"], "GET, POST");
    for path in
        ["/nothing", "/admin", "/admin/v1", "/admin/v1/tenants/", "/admin/v1/tenants/acme/x"]
    {
        problem(&api.ask("GET", path, Some(&operate), "").await, 404, "no-such-path");
    }
    assert_eq!(api.get(CHANGES).await["changes"], json!([]), "nothing was changed");
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_shown_for_any_instant() {
    let api = quiet(NOW).await;
    let at = async |query: &str| api.get(&format!("{PLAN}?{query}")).await;
    let now = at("").await;
    assert_eq!((&now["at"], &now["draw"]), (&json!(NOW), &json!(0)));
    assert_eq!(now["decision"]["because"], "auto-legacy");
    assert_eq!(now["ahead"], json!(["2026-02-13T22:00:00Z", "2026-02-14T00:00:00Z"]));
    assert!(now["calendar"].as_array().unwrap().len() >= 7);
    for (instant, because, share) in [
        ("2026-02-13T21:59:59Z", "auto-legacy", 0),
        ("2026-02-13T22:00:00Z", "within-margin", 100),
        ("2026-02-14T00:00:00Z", "past-removal", 100),
        ("2026-02-14T00:00:00[Europe/Berlin]", "within-margin", 100),
    ] {
        let then = at(&format!("at={instant}")).await;
        assert_eq!(then["decision"]["because"], because, "{instant}");
        assert_eq!(then["miawPercent"], share, "{instant}");
    }
    // A change holds from its instant on, and a look back does not see it.
    assert_eq!(api.post(CHANGES, &wish(0, stage("ramp 30 %"))).await.status, 201);
    let lots = [(0, "miaw"), (2_999, "miaw"), (3_000, "legacy")];
    for (lot, route) in lots {
        assert_eq!(at(&format!("draw={lot}")).await["decision"]["route"], route, "{lot}");
    }
    let earlier = at("at=2026-01-10T08:59:59Z").await;
    assert_eq!((&earlier["lastChange"], &earlier["miawPercent"]), (&json!(0), &json!(0)));
    assert_eq!(at("at=2026-01-10T09:00:00Z").await["lastChange"], 1);
    let button = json!({
        "kind": "stage", "stage": "ramp 50 %", "button": "573000000000001",
        "withoutEvidence": true,
    });
    assert_eq!(api.post(CHANGES, &wish(1, button)).await.status, 201);
    let of_button = at("button=573000000000001").await;
    assert_eq!((&of_button["miawPercent"], &of_button["stage"]), (&json!(50), &json!("ramp 50 %")));
    assert_eq!(at("button=573000000000009").await["miawPercent"], 30);
    for query in ["at=yesterday", "button=571000000000001", "draw=10000", "when=now"] {
        let got = api.ask("GET", &format!("{PLAN}?{query}"), Some(&api.token("read")), "").await;
        problem(&got, 400, "bad-request");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_no_writes_is_told() {
    let store = MemoryStore::new();
    let api = Api::new(quiet_parts(NOW, Arc::new(store.clone())).await);
    store.stop_writes();
    problem(&api.post(CHANGES, &wish(0, stage("shadow"))).await, 503, "store-unavailable");
    store.resume_writes();
    assert_eq!(api.post(CHANGES, &wish(0, stage("shadow"))).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_offered_where_there_is_one() {
    let api = quiet(NOW).await;
    problem(&api.post("/admin/v1/reload", &json!({})).await, 404, "no-such-path");
    let parts = quiet_parts(NOW, Arc::new(MemoryStore::new())).await;
    let answers = Arc::new(std::sync::Mutex::new(vec![
        Err("bridge.toml:3: tenant.id: is missing".to_owned()),
        Ok(vec!["tenant acme: poll_hold 24s -> 20s".to_owned()]),
    ]));
    let reload: admin::Reload = Arc::new(move || {
        let next = answers.lock().unwrap().pop().expect("an answer");
        Box::pin(std::future::ready(next))
    });
    let clock = parts.clock.clone();
    let transport: Arc<dyn Transport> = Arc::new(InProcess::new());
    let admin = Admin::new(parts.clone(), &admin_config(), &transport).with_reload(reload);
    let api = Api { service: admin.router(), clock, parts };
    let got = api.post("/admin/v1/reload", &json!({})).await;
    assert_eq!(got.json()["differences"][0], "tenant acme: poll_hold 24s -> 20s");
    let got = api.post("/admin/v1/reload", &json!({})).await;
    problem(&got, 422, "configuration-wrong");
    assert!(got.json()["problems"].as_str().unwrap().contains("bridge.toml:3"));
}
