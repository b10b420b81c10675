//! Availability and Settings in the four modes, and who answers during a ramp.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use liveagent_bridge::chat::agent::{AgentEvent, FailReason, Person};
use liveagent_bridge::chat::text::Text;
use liveagent_bridge::chat::{Payload, Reply};
use liveagent_bridge::config::load_str;
use liveagent_bridge::config::{AvailabilityConfig, Tenant};
use liveagent_bridge::router::plan::{Stage as PlanStage, Step};
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};

use super::AFTER;
use crate::stage::{LEGACY, Stage, stage, tenant};

const BUTTON: &str = "573000000000001";
const OTHER: &str = "573000000000002";

/// A tenant with sections as an operator writes them.
pub(super) fn load(sections: &str) -> Result<Tenant, String> {
    let text = format!(
        "[[tenant]]\nid = \"acme\"\n[tenant.miaw]\nbase_url = \"https://a.my.salesforce-scrt.com\"\n\
         organization_id = \"00D000000000062\"\nembedded_service_developer_name = \"W\"\n{sections}"
    );
    let loaded = load_str(&text, std::path::Path::new("/nowhere"), &|_| None);
    loaded.map(|mut loaded| loaded.config.tenants.remove(0)).map_err(|p| p.to_string())
}

fn written(section: &str) -> Result<AvailabilityConfig, String> {
    load(section).map(|tenant| tenant.availability)
}

fn with(section: &str) -> Tenant {
    let availability = written(section).unwrap_or_else(|problem| panic!("{problem}"));
    Tenant { availability, ..tenant("acme") }
}

async fn results(stage: &Stage, ids: &str) -> Vec<Value> {
    let path = format!(
        "/chat/rest/Visitor/Availability?Availability.ids={ids}&Availability.needEstimatedWaitTime=1"
    );
    let got = stage.get(&path, None).await.json();
    got["messages"][0]["message"]["results"].as_array().unwrap().clone()
}

async fn available(stage: &Stage, ids: &str) -> Vec<bool> {
    let results = results(stage, ids).await;
    results.iter().map(|result| result["isAvailable"].as_bool().unwrap()).collect()
}

const SCHEDULE: &str = "[tenant.availability]\nmode = 'schedule'\n\
    [tenant.availability.schedule]\nzone = 'Europe/Berlin'\nweekdays = '09:00-17:00'\n\
    saturday = '10:00-12:00'\nclosed = ['12-25']\n\
    [[tenant.availability.schedule.special]]\ndate = '2026-12-24'\nhours = '09:00-12:00'\n\
    [[tenant.availability.button]]\nid = '573000000000002'\nmode = 'always'\n\
    language = 'de'\nendpoint_url = 'https://x.example/chat'\n\
    prechat_url = 'https://x.example/pre'\n\
    [[tenant.availability.button]]\nid = '573000000000003'\n\
    [tenant.availability.button.schedule]\nzone = 'UTC'\nsunday = '00:00-24:00'\n";

#[tokio::test(start_paused = true)]
async fn by_the_clock() {
    let stage = stage(AFTER, vec![with(SCHEDULE)]);
    let ids = format!("{BUTTON}AAA,005000000000001_{OTHER},573000000000003,005000000000001");
    for (at, expected) in [
        // A Monday in winter, ten in Berlin.
        ("2026-11-23T09:00:00Z", [true, true, false, true]),
        ("2026-11-23T07:59:59Z", [false, true, false, false]),
        ("2026-11-23T16:00:00Z", [false, true, false, false]),
        // In summer the same clock is an hour earlier.
        ("2026-07-06T07:00:00Z", [true, true, false, true]),
        ("2026-11-22T12:00:00Z", [false, true, true, false]),
        ("2026-12-24T11:30:00Z", [false, true, false, false]),
        ("2026-12-25T10:00:00Z", [false, true, false, false]),
    ] {
        stage.clock.set_wall(Wall::parse(at).unwrap());
        assert_eq!(available(&stage, &ids).await, expected, "{at}");
    }
    let path = format!("/chat/rest/Visitor/Settings?Settings.buttonIds=[{BUTTON},{OTHER}]");
    stage.clock.set_wall(Wall::parse("2026-11-22T12:00:00Z").unwrap());
    let settings = stage.get(&path, None).await.json();
    let buttons = &settings["messages"][0]["message"]["buttons"];
    let first = json!({
        "id": BUTTON, "type": "Standard", "language": "en_US", "isAvailable": false,
    });
    assert_eq!(buttons[0], first);
    let second = json!({
        "id": OTHER, "type": "Standard", "language": "de", "isAvailable": true,
        "endpointUrl": "https://x.example/chat", "prechatUrl": "https://x.example/pre",
    });
    assert_eq!(buttons[1], second);
}

const HOOK: &str = "[tenant.availability]\nmode = 'http'\nping_rate = '30s'\n\
    content_server_url = 'https://content.example/x'\n\
    [tenant.availability.http]\nurl = 'https://hook.example.test/agents?v=1'\ntoken = 'canary'\n\
    timeout = '1s'\ncache = '10s'\n";

#[tokio::test(start_paused = true)]
async fn by_a_service_of_the_tenants_own() {
    let stage = stage(AFTER, vec![with(&format!("{HOOK}fallback = 'unavailable'\n"))]);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let router = Router::new().route(
        "/agents",
        get(move |request: axum::extract::Request| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let query = request.uri().query().unwrap_or_default().to_owned();
            let token = request.headers()["authorization"].to_str().unwrap().to_owned();
            async move {
                assert_eq!(token, "Bearer canary");
                match number {
                    0 => {
                        assert_eq!(query, format!("v=1&tenant=acme&button_id={BUTTON}"));
                        (StatusCode::OK, r#"{"isAvailable":true,"estimatedWaitTime":7}"#.to_owned())
                    }
                    1 => (StatusCode::BAD_GATEWAY, String::new()),
                    2 => (StatusCode::OK, "no json".to_owned()),
                    3 => (StatusCode::OK, format!("{{\"isAvailable\":true{}}}", " ".repeat(9_000))),
                    4 => std::future::pending().await,
                    _ => (StatusCode::OK, r#"{"isAvailable":true}"#.to_owned()),
                }
            }
        }),
    );
    stage.salesforce.put("hook.example.test", router);
    let wait = |result: &Value| result["estimatedWaitTime"].as_i64().unwrap();
    let found = results(&stage, &format!("{BUTTON},{BUTTON}AAA")).await;
    assert_eq!((&found[0]["isAvailable"], wait(&found[0]), wait(&found[1])), (&json!(true), 7, 7));
    assert_eq!(asked.load(Ordering::Relaxed), 1, "one request for both");
    for (requests, expected) in [(2, false), (3, false), (4, false), (5, false), (6, true)] {
        stage.clock.until(stage.clock.now().mono.plus(Duration::from_secs(11))).await;
        let begun = stage.clock.now().mono;
        assert_eq!(available(&stage, BUTTON).await, [expected], "{requests}");
        assert!(stage.clock.now().mono.since(begun) <= Duration::from_secs(1));
        assert_eq!(available(&stage, BUTTON).await, [expected], "kept");
        assert_eq!(asked.load(Ordering::Relaxed), requests);
    }
    assert_eq!(available(&stage, "x,%20,573").await, [false; 2], "no ids: nobody is asked");
    stage.salesforce.remove("hook.example.test");
    stage.clock.until(stage.clock.now().mono.plus(Duration::from_secs(11))).await;
    assert_eq!(available(&stage, BUTTON).await, [false]);
    let settings = stage.get("/chat/rest/Visitor/Settings", None).await.json();
    let settings = &settings["messages"][0]["message"];
    assert_eq!(settings["pingRate"], 30_000);
    assert_eq!(settings["contentServerUrl"], "https://content.example/x");
}

fn told(event: AgentEvent) -> Reply {
    Reply::Messages(Payload { messages: vec![event], sequence: 0, offset: 1, transcript: None })
}

/// One chat at a button, and what becomes of it after a wait.
async fn chat(stage: &Stage, button: &str, seconds: u64, event: AgentEvent) {
    let key = stage.session().await;
    let body = json!({ "buttonId": button }).to_string();
    assert_eq!(stage.post("ChasitorInit", &key, &body).await.text, "OK");
    stage.clock.until(stage.clock.now().mono.plus(Duration::from_secs(seconds))).await;
    stage.chats.will(told(event));
    assert_eq!(stage.get("/chat/rest/System/Messages", Some(&key)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn from_what_became_of_the_last_chats() {
    let observed = "[tenant.availability]\nmode = 'observed'\n\
        [tenant.availability.observed]\nfailures = 2\nwindow = '10m'\n";
    let stage = stage(AFTER, vec![with(observed)]);
    let agent =
        || AgentEvent::established(Person { subject: "005".to_owned(), name: Text::from("Sam") });
    let fail = |reason| AgentEvent::RequestFail { reason };
    assert_eq!(available(&stage, BUTTON).await, [true], "nothing is known");
    chat(&stage, BUTTON, 20, agent()).await;
    assert_eq!(results(&stage, BUTTON).await[0]["estimatedWaitTime"], 20);
    chat(&stage, BUTTON, 1, fail(FailReason::InternalFailure)).await;
    chat(&stage, BUTTON, 1, fail(FailReason::InternalFailure)).await;
    chat(&stage, "573000000000001AAA", 1, fail(FailReason::Unavailable)).await;
    assert_eq!(available(&stage, BUTTON).await, [true], "one alone says little");
    chat(&stage, BUTTON, 1, fail(FailReason::Unavailable)).await;
    assert_eq!(available(&stage, &format!("{BUTTON},{OTHER}")).await, [false, true]);
    stage.clock.until(stage.clock.now().mono.plus(Duration::from_secs(600))).await;
    assert_eq!(available(&stage, BUTTON).await, [true], "somebody has to try");
    chat(&stage, BUTTON, 1, fail(FailReason::Unavailable)).await;
    chat(&stage, BUTTON, 1, fail(FailReason::Unavailable)).await;
    assert_eq!(available(&stage, BUTTON).await, [false]);
    chat(&stage, BUTTON, 30, agent()).await;
    let result = results(&stage, BUTTON).await.remove(0);
    assert_eq!(result, json!({"id": BUTTON, "isAvailable": true, "estimatedWaitTime": 21}));
}

#[tokio::test(start_paused = true)]
async fn during_a_ramp_the_backend_with_the_larger_weight_answers() {
    for (percent, salesforce) in [(0, true), (10, true), (49, true), (50, false), (90, false)] {
        let mut acme = tenant("acme");
        let at = Wall::parse("2026-01-01T00:00:00Z").unwrap();
        acme.plan.steps = vec![Step { at, stage: PlanStage::Ramp { percent } }];
        let stage = stage("2026-01-02T00:00:00Z", vec![acme]);
        let answer = || async { "salesforce" };
        let noun = "/chat/rest/Visitor/{noun}";
        stage.salesforce.put(LEGACY, Router::new().route(noun, get(answer)));
        for noun in ["Availability", "Settings", "VisitorId", "Availability.jsonp"] {
            for _ in 0..20 {
                let path = format!("/chat/rest/Visitor/{noun}?callback=cb");
                let got = stage.get(&path, None).await;
                assert_eq!(got.text == "salesforce", salesforce, "{percent} {noun} {}", got.text);
            }
        }
    }
}

#[test]
fn what_cannot_work_is_said_where_it_is_written() {
    for (section, part) in [
        ("mode = 'allways'", "\"always\" or \"schedule\""),
        ("mode = 'schedule'", "needs a section `schedule`"),
        ("mode = 'http'", "needs a section `http`"),
        ("mode = 'http'\n[tenant.availability.http]\nurl = 'x'", "not an address of the web"),
        ("mode = 'http'\n[tenant.availability.http]\ntimeout = '2s'", "http.url: is missing"),
        (
            "mode = 'http'\n[tenant.availability.http]\nurl = 'https://x.example'\n\
             fallback = 'schedule'",
            "needs a section `schedule`",
        ),
        ("[tenant.availability.schedule]\nweekdays = '9-17'", "schedule.zone: is missing"),
        (
            "[tenant.availability.schedule]\nzone = 'Europe/Berln'\nmonday = '09:00-10:00'",
            "did you mean `Europe/Berlin`",
        ),
        ("[tenant.availability.schedule]\nzone = 'UTC'", "nobody would ever be there"),
        (
            "[tenant.availability.schedule]\nzone = 'UTC'\nmonday = '9-17'",
            "`9-17` is not a span of hours",
        ),
        (
            "[tenant.availability.schedule]\nzone = 'UTC'\nmonday = '09:00-10:00'\n\
             closed = ['2026-13-01']",
            "`2026-13-01` is not a date",
        ),
        (
            "[tenant.availability.schedule]\nzone = 'UTC'\nmonday = '09:00-10:00'\n\
             closed = ['12-25', '12-25']",
            "is written twice",
        ),
        ("[[tenant.availability.button]]\nid = '572000000000001'", "begin with 573"),
        (
            "[[tenant.availability.button]]\nid = '573000000000001'\n\
             [[tenant.availability.button]]\nid = '573000000000001'",
            "was described before",
        ),
        ("embedded_service_config = '[]'", "is not a JSON object"),
        ("[tenant.availability.observed]\nfailures = 0", "not between 1 and 32"),
        ("modes = 'always'", "did you mean `mode`"),
    ] {
        let problem = written(&format!("[tenant.availability]\n{section}\n")).unwrap_err();
        assert!(problem.contains(part), "{part} is not in\n{problem}");
    }
    let shown = written(&HOOK.replace("'1s'", "'99s'")).unwrap_err();
    assert!(!shown.contains("canary") && shown.contains("not between"), "{shown}");
    assert!(!format!("{:?}", written(HOOK).unwrap()).contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn many_buttons_at_once_share_the_turns() {
    let stage = stage(AFTER, vec![with(&format!("{HOOK}fallback = 'unavailable'\n"))]);
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (count, top, clock) = (running.clone(), most.clone(), stage.clock.clone());
    let answer = move || {
        let (count, top, clock) = (count.clone(), top.clone(), clock.clone());
        async move {
            top.fetch_max(count.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            clock.until(clock.now().mono.plus(Duration::from_millis(100))).await;
            count.fetch_sub(1, Ordering::Relaxed);
            r#"{"isAvailable":true}"#
        }
    };
    stage.salesforce.put("hook.example.test", Router::new().route("/agents", get(answer)));
    let ids: Vec<String> = (0..60).map(|n| format!("5730000000000{n:02}")).collect();
    assert_eq!(available(&stage, &ids.join(",")).await, [true; 60]);
    assert_eq!(most.load(Ordering::Relaxed), 16);
}
