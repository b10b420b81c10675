//! What a change would do, before anybody makes it.

use serde_json::{Value, json};

use super::{Api, problem, quiet};

const NOW: &str = "2026-01-10T09:00:00Z";
const PREVIEW: &str = "/admin/v1/tenants/acme/changes/preview";

async fn preview(api: &Api, action: Value) -> Value {
    let body = json!({ "action": action }).to_string();
    let got = api.ask("POST", PREVIEW, Some(&api.token("read")), &body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()
}

fn shares(row: &Value) -> (Value, Value) {
    (row["before"]["miawPercent"].clone(), row["after"]["miawPercent"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_move_is_shown_before_it_is_made_and_nothing_changes() {
    let api = quiet(NOW).await;
    let ramp = json!({ "kind": "stage", "stage": "ramp 30 %", "withoutEvidence": true });
    let seen = preview(&api, ramp).await;
    assert_eq!((&seen["taken"], &seen["reason"]), (&json!(true), &Value::Null));
    assert_eq!(shares(&seen["now"]), (json!(0), json!(30)));
    assert_eq!(seen["now"]["after"]["stage"], "ramp 30 %");
    // The margin stands above any stage.
    let margin = &seen["ahead"][0];
    assert_eq!(margin["at"], "2026-02-13T22:00:00Z");
    assert_eq!(shares(margin), (json!(100), json!(100)));
    assert_eq!(margin["before"]["decision"]["because"], "within-margin");
    assert_eq!(api.get("/admin/v1/tenants/acme").await["lastChange"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_brown_out_shows_who_would_be_refused() {
    let api = quiet(NOW).await;
    let (from, until) = ("2026-01-12T09:00:00Z", "2026-01-12T10:00:00Z");
    let window = json!({ "kind": "brownout", "from": from, "until": until });
    let seen = preview(&api, window).await;
    let rows = seen["ahead"].as_array().unwrap();
    let at = |instant: &str| rows.iter().find(|row| row["at"] == instant).unwrap();
    assert_eq!(at(from)["after"]["refusedPercent"], 100, "{seen}");
    assert_eq!(at(from)["before"]["refusedPercent"], 0);
    assert_eq!(at(until)["after"]["refusedPercent"], 0);
}

#[tokio::test(start_paused = true)]
async fn what_would_be_refused_says_why_and_a_mistake_is_one() {
    let api = quiet(NOW).await;
    let seen = preview(&api, json!({ "kind": "stage", "stage": "ramp 5 %" })).await;
    assert_eq!((&seen["taken"], &seen["reason"]), (&json!(false), &json!("no-evidence")));
    assert!(seen["detail"].as_str().unwrap().contains("no dry run is recorded"), "{seen}");
    assert_eq!(seen["now"]["after"], Value::Null);
    assert_eq!(preview(&api, json!({ "kind": "unfreeze" })).await["reason"], "no-change");
    for body in [
        json!({ "action": { "kind": "explode" } }),
        json!({ "action": { "kind": "freeze" }, "why": "x" }),
        json!({ "action": { "kind": "freeze" }, "button": "x" }),
    ] {
        let got = api.ask("POST", PREVIEW, Some(&api.token("read")), &body.to_string()).await;
        problem(&got, 400, "bad-request");
    }
    let scoped = api.scoped("operate", &["other"]);
    let body = json!({ "action": { "kind": "freeze" } }).to_string();
    let got = api.ask("POST", PREVIEW, Some(&scoped), &body).await;
    problem(&got, 403, "tenant-out-of-scope");
}
