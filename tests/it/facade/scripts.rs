//! Script tags: the JSONP dialect of the browser scripts.

use serde_json::{Value, json};

use super::{AFTER, after, recorded};
use crate::stage::{Got, Stage, stage, tenant};

const BASE: &str = "/chat/rest";

/// What a callback was given, as a client cuts it out: from the first brace to the last.
fn given(got: &Got, callback: &str) -> Value {
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.headers["content-type"], "text/javascript;charset=UTF-8");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    assert!(got.text.starts_with(&format!("{callback}(")), "{}", got.text);
    assert!(got.text.ends_with(");") && !got.text.contains('\n'), "{}", got.text);
    let (from, to) = (got.text.find('{').unwrap(), got.text.rfind('}').unwrap());
    serde_json::from_str(&got.text[from..=to]).unwrap()
}

/// Without any header, as a script tag asks.
async fn tag(stage: &Stage, path: &str) -> Got {
    let request = http::Request::get(path).header("host", "acme.example.test");
    stage.send(request.body(axum::body::Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_recorded_ping_of_the_deployment_script() {
    let stage = after();
    let query = recorded("la-availability.json")["browser_queries"][0].as_str().unwrap().to_owned();
    let query = query.replace("{btn}", "573000000000001").replace("{dep}", "572");
    let got = tag(&stage, &query.replace("{org}", "00D")).await;
    let answer = given(&got, "liveagent._.handlePing");
    assert_eq!(answer["messages"][0]["type"], "VisitorId");
    assert_eq!(answer["messages"][1]["type"], "Settings");
    assert_eq!(answer["messages"][1]["message"]["buttons"][0]["id"], "573000000000001");
    assert_eq!(answer["messages"][1]["message"]["pingRate"], 50_000);
    assert!(answer.get("sequence").is_none());
    let sid = answer["messages"][0]["message"]["sessionId"].as_str().unwrap();
    let again = format!("{BASE}/Visitor/VisitorId.jsonp?sid={sid}&callback=cb");
    let again = given(&tag(&stage, &again).await, "cb");
    assert_eq!(again["messages"][0]["message"]["sessionId"], sid);
}

#[tokio::test]
async fn each_noun_alone_and_unknown_ones_among_others() {
    let stage = after();
    let availability = format!("{BASE}/Visitor/Availability.jsonp?callback=a.b");
    let got = tag(&stage, &format!("{availability}&Availability.ids=[005A_573A]")).await;
    let answer = given(&got, "a.b");
    let result = json!({"id": "005A_573A", "isAvailable": true});
    assert_eq!(answer["messages"][0]["message"]["results"][0], result);
    let path = format!("{BASE}/Visitor/Breadcrumb.jsonp?callback=cb");
    assert_eq!(given(&tag(&stage, &path).await, "cb")["messages"], json!([]));
    let path = "/System/MultiNoun.jsonp?nouns=Nothing,VisitorId&callback=cb";
    let answer = given(&tag(&stage, path).await, "cb");
    assert_eq!(answer["messages"][0]["type"], "Warning");
    assert_eq!(answer["messages"][1]["type"], "VisitorId");
    for path in ["System/Messages.jsonp", "Chasitor/ChatMessage.jsonp", "Visitor/X.jsonp"] {
        let got = tag(&stage, &format!("{BASE}/{path}?callback=cb")).await;
        assert_eq!((got.status.as_u16(), &*got.text), (404, "No such resource"), "{path}");
    }
}

#[tokio::test]
async fn only_a_name_is_called_back_and_nothing_ends_the_script() {
    let stage = after();
    for callback in ["", "alert(1)//", "a%0Ab", "a%3Cb", "a%E2%80%A8b", "1a", "a%5B0%5D"] {
        let path = format!("{BASE}/Visitor/VisitorId.jsonp?callback={callback}");
        let got = tag(&stage, &path).await;
        assert_eq!(got.status, 400, "{callback}");
        assert_eq!(got.headers["content-type"], "text/plain");
        assert_eq!(got.headers["x-content-type-options"], "nosniff");
        assert!(!got.text.contains("alert"), "{}", got.text);
    }
    assert_eq!(tag(&stage, &format!("{BASE}/Visitor/VisitorId.jsonp")).await.status, 400);
    let evil = "%3C/script%3E%E2%80%A8%E2%80%A9x";
    let path = format!("{BASE}/Visitor/Availability.jsonp?callback=cb&Availability.ids={evil}");
    let got = tag(&stage, &path).await;
    assert!(got.text.contains(r#""id":"\u003c/script>\u2028\u2029x""#), "{}", got.text);
}

#[tokio::test]
async fn the_configuration_of_an_embedded_service_is_the_tenants_own() {
    let path = "/EmbeddedService/EmbeddedServiceConfig.jsonp?callback=eswJsonPConfigCallback\
                &Settings.prefix=EmbeddedService&EmbeddedServiceConfig.configName=Web&version=48";
    let path = format!("{BASE}{path}");
    let answer = given(&tag(&after(), &path).await, "eswJsonPConfigCallback");
    assert_eq!(answer["messages"][0]["type"], "EmbeddedServiceError");
    assert_eq!(answer["messages"][0]["message"]["shouldRetry"], false);
    let mut acme = tenant("acme");
    acme.availability.embedded_service_config = Some(r#"{"embeddedServiceConfigId":1}"#.to_owned());
    let stage = stage(AFTER, vec![acme]);
    let answer = given(&tag(&stage, &path).await, "eswJsonPConfigCallback");
    assert_eq!(answer["messages"][0]["type"], "EmbeddedServiceConfig");
    assert_eq!(answer["messages"][0]["message"]["embeddedServiceConfigId"], 1);
    let bare = tag(&stage, &format!("{BASE}/EmbeddedService/EmbeddedServiceConfig")).await;
    assert_eq!(bare.json(), answer);
}
