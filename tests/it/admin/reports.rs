//! Dry runs made over the admin API: made, read, compared, signed.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use liveagent_bridge::admin::reports::BODY_BYTES_MAX;
use liveagent_bridge::store::memory::MemoryStore;
use serde_json::{Value, json};

use super::{Api, problem, quiet, quiet_parts};

const NOW: &str = "2026-01-10T09:00:00Z";
const REPORTS: &str = "/admin/v1/tenants/acme/reports";
const CHANGES: &str = "/admin/v1/tenants/acme/changes";
/// What would be markup if anybody showed it as such.
const HOSTILE: &str = "<img src=x onerror=alert(1)>.json";

fn prechat(label: &str) -> String {
    let details = json!([{ "label": label, "value": "my secret words", "transcriptFields": [] }]);
    json!({ "prechatDetails": details, "prechatEntities": [] }).to_string()
}

fn wish(name: &str, label: &str) -> Value {
    json!({ "documents": [{ "name": name, "text": prechat(label) }] })
}

async fn made(api: &Api, wish: &Value) -> Value {
    let got = api.post(REPORTS, wish).await;
    assert_eq!(got.status, 201, "{}", got.text);
    got.json()
}

fn path(report: &Value, rest: &str) -> String {
    format!("{REPORTS}/{}{rest}", report["report"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_report_is_made_listed_and_read_and_its_name_is_its_hash() {
    let api = quiet(NOW).await;
    assert_eq!(api.get(REPORTS).await, json!({ "reports": [], "lasting": false }));
    let report = made(&api, &wish(HOSTILE, "Topic")).await;
    assert_eq!(
        (&report["madeAt"], &report["madeBy"]),
        (&json!(NOW), &json!("pat@ops.example.test"))
    );
    assert_eq!((&report["documents"], &report["fitsMapping"]), (&json!(1), &json!(true)));
    assert_eq!(api.get(REPORTS).await["reports"], json!([report]));
    let got = api.ask("GET", &path(&report, ""), Some(&api.token("read")), "").await;
    assert_eq!(got.status, 200, "{}", got.text);
    let hash: String =
        digest(&SHA256, got.text.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(report["report"], hash);
    assert_eq!(got.json()["tenants"][0]["id"], "acme");
    assert_eq!(got.json()["evidence_hash"], report["evidenceHash"]);
    assert!(!got.text.contains("my secret words"), "values are redacted");
    let page = api.ask("GET", &path(&report, "/html"), Some(&api.token("read")), "").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text.contains("&lt;img src=x"), "the name is shown as text");
    for never in ["<img src=x", "<script", "my secret words"] {
        assert!(!page.text.contains(never), "{never}");
    }
    // The same question gives the same report, and it is listed once.
    assert_eq!(made(&api, &wish(HOSTILE, "Topic")).await, report);
    assert_eq!(api.get(REPORTS).await["reports"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_reports_are_compared() {
    let api = quiet(NOW).await;
    let before = made(&api, &wish("one.json", "Topic")).await;
    let after = made(&api, &wish("two.json", "Topic")).await;
    let with = after["report"].as_str().unwrap();
    let told = api.get(&path(&before, &format!("/compare?with={with}"))).await;
    assert_eq!((&told["before"], &told["after"]), (&before["report"], &after["report"]));
    let only: Vec<&Value> =
        told["madeFrom"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(only.is_empty() || only.contains(&&json!("two.json")), "{told}");
    let same = api.get(&path(&after, &format!("/compare?with={with}"))).await;
    assert_eq!((&same["gone"], &same["added"]), (&json!([]), &json!([])));
    for (rest, status, code) in [
        ("/compare", 400, "bad-request"),
        ("/compare?with=00", 404, "no-such-report"),
        ("/compare?to=x", 400, "bad-request"),
    ] {
        let got = api.ask("GET", &path(&before, rest), Some(&api.token("read")), "").await;
        problem(&got, status, code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_report_is_the_evidence_that_a_move_asks_for() {
    let store = Arc::new(MemoryStore::new());
    let api = Api::new(quiet_parts(NOW, store.clone()).await);
    let wanted = json!({ "kind": "stage", "stage": "ramp 10 %" });
    let ask = |expected: u64| json!({ "expected": expected, "why": "go", "action": wanted });
    problem(&api.post(CHANGES, &ask(0)).await, 422, "refused");
    let report = made(&api, &json!({ "shadowCounts": true })).await;
    assert_eq!(report["errors"], 0, "{report}");
    let sign = path(&report, "/sign");
    let body = json!({ "expected": 0, "why": "read by both teams" });
    let read = api.ask("POST", &sign, Some(&api.token("read")), &body.to_string()).await;
    problem(&read, 403, "role-too-low");
    let empty = api.post(&sign, &json!({ "expected": 0, "why": " " })).await;
    problem(&empty, 422, "refused");
    let got = api.post(&sign, &body).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let change = got.json();
    assert_eq!(change["who"], "pat@ops.example.test");
    assert_eq!(change["action"]["report"], report["report"]);
    assert_eq!(change["action"]["hash"], report["evidenceHash"]);
    problem(&api.post(&sign, &body).await, 409, "conflict");
    let signed = &api.get(REPORTS).await["reports"][0]["signatures"];
    assert_eq!((&signed[0]["why"], &signed[0]["number"]), (&body["why"], &json!(1)));
    let tenant = api.get("/admin/v1/tenants/acme").await;
    assert_eq!(tenant["evidence"]["report"], report["report"]);
    assert_eq!(api.post(CHANGES, &ask(1)).await.status, 201);
    // The signature is in the store: another process knows it, and that the report is not there.
    let there = Api::new(quiet_parts(NOW, store).await);
    assert_eq!(there.get(CHANGES).await["changes"][0], change);
    assert_eq!(there.get(REPORTS).await["reports"], json!([]));
    problem(&there.post(&sign, &body).await, 404, "no-such-report");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_told_and_other_tenants_see_nothing() {
    let api = quiet(NOW).await;
    let file = |name: &str| json!({ "documents": [{ "name": name, "text": "{}" }] });
    let metadata = json!({ "metadata": [{ "name": "a.xml", "text": "<a" }], "shadowCounts": true });
    let many: Vec<Value> = (0..51).map(|_| json!({ "name": "a", "text": "{}" })).collect();
    for (wish, needle) in [
        (json!({}), "nothing to look at"),
        (json!({ "shadowCounts": false }), "nothing to look at"),
        (file(""), "1 to 200 characters"),
        (file("a\nb"), "control character"),
        (json!({ "documents": many }), "at most 50 files"),
        (json!({ "files": [] }), "files"),
        (metadata, "a.xml"),
    ] {
        let got = api.post(REPORTS, &wish).await;
        problem(&got, 400, "bad-request");
        assert!(got.json()["detail"].as_str().unwrap().contains(needle), "{}", got.text);
    }
    let long = "x".repeat(BODY_BYTES_MAX + 1);
    let got = api.ask("POST", REPORTS, Some(&api.token("operate")), &long).await;
    problem(&got, 413, "body-too-large");
    let got = api.ask("POST", REPORTS, Some(&api.token("read")), "{}").await;
    problem(&got, 403, "role-too-low");
    let report = made(&api, &wish("a.json", "Topic")).await;
    let there = path(&report, "").replace("acme", "other");
    let got = api.ask("GET", &there, Some(&api.token("read")), "").await;
    problem(&got, 404, "no-such-report");
    let scoped = api.scoped("read", &["other"]);
    let got = api.ask("GET", &path(&report, ""), Some(&scoped), "").await;
    problem(&got, 403, "tenant-out-of-scope");
}
