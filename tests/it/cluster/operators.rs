//! The admin API of one node shows and ends the chats of all.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::begun;
use crate::admin::{Api, problem};
use crate::bridge_stage::{Acks, Client};
use crate::cluster_stage::{ClusterStage, Fate, Node, begin};
use crate::stage::tenant;

fn api(node: &Node) -> Api {
    Api::new(node.bridge.admin.clone())
}

fn column(list: &Value, name: &str) -> Vec<String> {
    let rows = list["chats"].as_array().expect("rows").iter();
    rows.map(|row| row[name].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_node_lists_the_chats_of_all() {
    let stage = ClusterStage::new().await;
    for node in [&stage.one, &stage.two, &stage.one, &stage.two, &stage.two] {
        begun(node).await;
    }
    let all = api(&stage.one).get("/admin/v1/chats").await;
    assert_eq!(all, api(&stage.two).get("/admin/v1/chats").await);
    assert_eq!((&all["next"], &all["silentNodes"]), (&Value::Null, &json!([])));
    let (ids, mut nodes) = (column(&all, "id"), column(&all, "node"));
    assert!(ids.is_sorted() && ids.len() == 5, "{ids:?}");
    nodes.sort();
    assert_eq!(nodes, ["one.test", "one.test", "two.test", "two.test", "two.test"]);
    // Page by page it is the same.
    for limit in 1..=5 {
        let (mut paged, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/admin/v1/chats?limit={limit}{after}");
            let page = api(&stage.two).get(&path).await;
            assert!(page["chats"].as_array().unwrap().len() <= limit);
            paged.extend(column(&page, "id"));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(paged, ids, "{limit} at a time");
    }
    let none = api(&stage.two).get("/admin/v1/chats?phase=ended").await;
    assert_eq!(none["chats"], json!([]));
    let other = api(&stage.two).scoped("read", &["other"]);
    let got = api(&stage.two).ask("GET", "/admin/v1/chats", Some(&other), "").await;
    assert_eq!(got.json()["chats"], json!([]), "the scope is that of the token");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_named() {
    let stage = ClusterStage::new().await;
    begun(&stage.one).await;
    begun(&stage.two).await;
    for fate in [Fate::Lost, Fate::ArrivesLate(Duration::from_secs(60))] {
        stage.once("/cluster/v1/chats", fate);
        let before = stage.clock.now().mono;
        let list = api(&stage.two).get("/admin/v1/chats").await;
        assert_eq!(column(&list, "node"), ["two.test"]);
        assert_eq!(list["silentNodes"], json!(["one.test"]));
        assert!(stage.clock.now().mono.since(before) <= Duration::from_secs(2));
    }
    stage.lose_one().await;
    stage.seconds(3).await;
    // One that has left is not missed, and its chats are here.
    let list = api(&stage.two).get("/admin/v1/chats").await;
    assert_eq!(column(&list, "node"), ["two.test", "two.test"]);
    assert_eq!(list["silentNodes"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_chat_is_described_and_ended_from_any_node() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking(Acks::Real).await;
    client.says("my card number is 4111").await;
    stage.hears(&["my card number is 4111"]).await;
    let id = client.key.split('!').next().unwrap().to_owned();
    let path = format!("/admin/v1/chats/{id}");
    let (one, two) = (api(&stage.one), api(&stage.two));
    for rest in ["", "/decision", "/messages"] {
        let path = format!("{path}{rest}");
        assert_eq!(one.get(&path).await, two.get(&path).await, "{rest}");
    }
    let described = two.get(&path).await;
    assert_eq!((&described["node"], &described["live"]), (&json!("one.test"), &json!(true)));
    assert!(!described.to_string().contains("card"), "{described}");
    let end = format!("{path}/end");
    let passed = stage.passed("/cluster/v1/chats");
    problem(&two.ask("POST", &end, Some(&two.token("read")), "").await, 403, "role-too-low");
    assert_eq!(stage.passed("/cluster/v1/chats"), passed, "judged by the node that was asked");
    let scoped = two.scoped("operate", &["other"]);
    problem(&two.ask("POST", &end, Some(&scoped), "").await, 404, "no-such-chat");
    // Who cannot reach the node that has it can still look, and is told what to do.
    let operate = two.token("operate");
    stage.once("/cluster/v1/chats", Fate::Lost);
    problem(&two.ask("POST", &end, Some(&operate), "").await, 503, "overloaded");
    stage.once("/cluster/v1/chats", Fate::Lost);
    assert_eq!(two.get(&path).await["live"], false);
    for outcome in ["ended", "wasOver"] {
        let got = two.ask("POST", &end, Some(&operate), "").await;
        assert_eq!((got.status, &got.json()["outcome"]), (StatusCode::OK, &json!(outcome)));
    }
    client.until("ChatEnded").await;
}

#[tokio::test(start_paused = true)]
async fn a_chat_of_a_node_that_is_gone_is_ended_at_the_next() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking(Acks::Real).await;
    let two = api(&stage.two);
    stage.lose_one().await;
    let end = format!("/admin/v1/chats/{}/end", client.key.split('!').next().unwrap());
    let got = two.ask("POST", &end, Some(&two.token("operate")), "").await;
    assert_eq!((got.status, &got.json()["outcome"]), (StatusCode::OK, &json!("ended")));
    client.goes_to(stage.two.service());
    client.until("ChatEnded").await;
}

#[tokio::test(start_paused = true)]
async fn a_chat_under_salesforces_own_key_is_found_where_it_passed() {
    let stage = ClusterStage::of("2025-11-01T09:00:00Z", tenant("acme")).await;
    let mut client = Client::session_at(stage.one.service(), Acks::Real).await;
    begin(&mut client).await;
    client.until("ChatRequestSuccess").await;
    let two = api(&stage.two);
    let list = two.get("/admin/v1/chats").await;
    assert_eq!(column(&list, "node"), ["one.test"]);
    let path = format!("/admin/v1/chats/{}", column(&list, "id")[0]);
    assert_eq!(two.get(&path).await["backend"], "legacy");
    let end = two.ask("POST", &format!("{path}/end"), Some(&two.token("operate")), "").await;
    problem(&end, 422, "refused");
    let nobody = "/admin/v1/chats/legacy-0000000000000001";
    problem(&two.ask("GET", nobody, Some(&two.token("read")), "").await, 404, "no-such-chat");
}

#[tokio::test(start_paused = true)]
async fn strangers_are_told_nothing_of_chats() {
    let stage = ClusterStage::new().await;
    let private = stage.one.bridge.private.clone().expect("a private listener");
    let request = http::Request::post("/cluster/v1/chats")
        .header("x-liveagent-bridge-pass", "2 a b c d")
        .body(axum::body::Body::from(r#"{"what":"list","chat":null,"query":[],"subject":"x"}"#));
    let got = tower::ServiceExt::oneshot(private, request.unwrap()).await.unwrap();
    assert_eq!(got.status(), StatusCode::FORBIDDEN);
}
