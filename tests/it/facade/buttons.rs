//! Questions about buttons that have steps of their own, and invitations.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response, header};
use liveagent_bridge::config::Tenant;
use liveagent_bridge::router::plan::{ButtonPlan, Stage as PlanStage, Step};
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};

use super::AFTER;
use super::presence::load;
use crate::stage::{LEGACY, Stage, stage, tenant};

const NOW: &str = "2026-01-02T00:00:00Z";
const OURS: &str = "573000000000001";
const THEIRS: &str = "573000000000002";

/// Chats go to Salesforce, those of one button to MIAW.
fn moving() -> Tenant {
    let at = Wall::parse("2026-01-01T00:00:00Z").unwrap();
    let mut acme = tenant("acme");
    acme.plan.steps = vec![Step { at, stage: PlanStage::Ramp { percent: 10 } }];
    let steps = vec![Step { at, stage: PlanStage::Ramp { percent: 60 } }];
    acme.plan.buttons = vec![ButtonPlan { button: OURS.to_owned(), steps }];
    acme
}

/// Salesforce knows its own button, is available with a wait of 9 s, and has an invitation.
async fn salesforce(request: Request<Body>) -> Response<Body> {
    assert!(!request.headers().contains_key(header::ACCEPT_ENCODING));
    let entry = json!({ "id": THEIRS, "isAvailable": true, "estimatedWaitTime": 9 });
    let invitation = json!({ "id": "573000000000009", "type": "Invite" });
    let (availability, settings) = (
        json!({ "type": "Availability", "message": { "results": [entry] } }),
        json!({ "type": "Settings", "message": { "pingRate": 7, "contentServerUrl": "https://c",
            "buttons": [entry, invitation] } }),
    );
    let path = request.uri().path().to_owned();
    let messages = match path.rsplit('/').next().unwrap().trim_end_matches(".jsonp") {
        "Availability" => vec![availability],
        "Settings" => vec![settings],
        _ => vec![settings, availability],
    };
    let text = json!({ "messages": messages }).to_string();
    let text = if path.ends_with(".jsonp") { format!("cb({text});") } else { text };
    Response::new(Body::from(text))
}

async fn asked(stage: &Stage, noun: &str) -> Value {
    let path = format!("/chat/rest/{noun}");
    let mut request = crate::stage::request("GET", &path, None, "");
    request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    let got = stage.send(request).await;
    assert_eq!(got.status, 200, "{noun} {}", got.text);
    let text = got.text.trim_start_matches("cb(").trim_end_matches(");");
    serde_json::from_str::<Value>(text).unwrap()["messages"].clone()
}

#[tokio::test(start_paused = true)]
async fn each_button_is_answered_by_the_backend_of_most_of_its_chats() {
    let stage = stage(NOW, vec![moving()]);
    stage.salesforce.put(LEGACY, Router::new().fallback(get(salesforce)));
    let ids = |messages: &Value, list: &str| -> Vec<String> {
        let entries = messages[0]["message"][list].as_array().unwrap().iter();
        entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    };
    let agent = format!("005000000000001_{OURS}");
    for (asks, waits) in [
        (OURS.to_owned(), vec![-1]),
        (format!("{OURS}AAA,{agent}"), vec![-1, -1]),
        (format!("[{OURS},{THEIRS}]"), vec![-1, 9]),
        (format!("{THEIRS}&Availability.ids={agent}"), vec![9, -1]),
    ] {
        for noun in ["Availability", "Availability.jsonp"] {
            let query = format!("Availability.ids={asks}&Availability.needEstimatedWaitTime=1");
            let told = asked(&stage, &format!("Visitor/{noun}?callback=cb&{query}")).await;
            let results = told[0]["message"]["results"].as_array().unwrap();
            let found: Vec<_> =
                results.iter().map(|r| r["estimatedWaitTime"].as_i64().unwrap()).collect();
            assert_eq!(found, waits, "{asks} {noun}");
        }
    }
    let told = asked(&stage, &format!("Visitor/Settings?Settings.buttonIds={OURS},{THEIRS}")).await;
    assert_eq!(ids(&told, "buttons"), [OURS, THEIRS, "573000000000009"]);
    assert_eq!(told[0]["message"]["pingRate"], 7);
    let nouns = "nouns=Settings,Availability&callback=cb";
    let both = format!("Settings.buttonIds={OURS}&Availability.ids={THEIRS}");
    let told = asked(&stage, &format!("System/MultiNoun.jsonp?{nouns}&{both}")).await;
    assert_eq!(ids(&told, "buttons"), [OURS, THEIRS, "573000000000009"]);
    assert_eq!(told[1]["message"]["results"][0]["estimatedWaitTime"], 9);
}

#[tokio::test(start_paused = true)]
async fn salesforces_silence_about_its_buttons_is_no_silence_about_ours() {
    let stage = stage(NOW, vec![moving()]);
    stage.salesforce.remove(LEGACY);
    let noun = format!("Visitor/Availability?Availability.ids={OURS},{THEIRS}");
    let results = asked(&stage, &noun).await[0]["message"]["results"].clone();
    assert_eq!(results, json!([{ "id": OURS, "isAvailable": true }, { "id": THEIRS }]));
}

#[tokio::test(start_paused = true)]
async fn a_button_that_invites_has_the_members_of_an_invitation() {
    let section = "[[tenant.availability.button]]\nid = '573000000000001'\ntype = 'Invite'\n";
    let availability = load(section).unwrap().availability;
    let stage = stage(AFTER, vec![Tenant { availability, ..tenant("acme") }]);
    let told = asked(&stage, &format!("Visitor/Settings?Settings.buttonIds={OURS},{THEIRS}")).await;
    let buttons = told[0]["message"]["buttons"].clone();
    assert_eq!((&buttons[0]["type"], &buttons[1]["type"]), (&json!("Invite"), &json!("Standard")));
    for member in [
        "inviteImageUrl",
        "inviteImageWidth",
        "inviteImageHeight",
        "inviteRenderer",
        "inviteStartPosition",
        "inviteEndPosition",
        "hasInviteAfterAccept",
        "hasInviteAfterReject",
        "inviteRejectTime",
        "inviteRules",
    ] {
        assert!(!buttons[0][member].is_null(), "{member}");
        assert!(buttons[1][member].is_null(), "{member}");
    }
    let rules: Value = serde_json::from_str(buttons[0]["inviteRules"].as_str().unwrap()).unwrap();
    assert!(rules.get("rules").is_some() && rules.get("filter").is_some());
}
