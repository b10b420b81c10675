//! Live chats as operators see them: how far they are, never what was said.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, problem};
use crate::bridge_stage::{BridgeStage, Client};

/// Nothing of these is ever answered: a text, a name, the session key, the bearer token.
fn discreet(client: &Client, value: &Value) {
    let text = value.to_string();
    for secret in ["my card number", "Vera", "Agent", &client.key, "eyJ"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

async fn only(api: &Api) -> Value {
    let list = api.get("/admin/v1/chats").await;
    assert_eq!(list["chats"].as_array().unwrap().len(), 1, "{list}");
    list["chats"][0].clone()
}

fn path(chat: &Value, rest: &str) -> String {
    format!("/admin/v1/chats/{}{rest}", chat["id"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_chat_is_listed_described_and_explained() {
    let mut stage = BridgeStage::new().await;
    let api = Api::new(stage.admin.clone());
    assert_eq!(
        api.get("/admin/v1/chats").await,
        json!({ "chats": [], "next": null, "silentNodes": [] })
    );
    let mut client = Client::talking(&stage).await;
    client.says("my card number is 4111").await;
    stage.hears(&["my card number is 4111"]).await;
    let chat = only(&api).await;
    assert_eq!(chat["phase"], "talking");
    assert_eq!((&chat["tenant"], &chat["backend"]), (&json!("acme"), &json!("miaw")));
    assert_eq!(chat["messagesFromVisitor"], 1);
    assert_eq!(chat["began"], "2026-03-01T09:00:00Z");
    discreet(&client, &chat);
    let one = api.get(&path(&chat, "")).await;
    assert_eq!((&one["live"], &one["streamOpen"]), (&json!(true), &json!(true)));
    assert_eq!(one["button"], "573000000000001");
    assert_eq!(one["decision"]["because"], "past-removal");
    assert_eq!(one["pendingOperations"], json!([]));
    discreet(&client, &one);
    let why = api.get(&path(&chat, "/decision")).await;
    assert_eq!((&why["route"], &why["tenant"]), (&json!("miaw"), &json!("acme")));
    assert!(why["sentence"].as_str().unwrap().contains("2026-02-14"), "{why}");

    // Another process knows the reason from the chat itself.
    stage.start_again().await;
    let api = Api::new(stage.admin.clone());
    assert_eq!(api.get(&path(&chat, "/decision")).await, why);
    let again = api.get(&path(&chat, "")).await;
    assert_eq!((&again["began"], &again["messagesFromVisitor"]), (&one["began"], &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn an_operator_ends_a_chat_at_both_sides() {
    let stage = BridgeStage::new().await;
    let api = Api::new(stage.admin.clone());
    let mut client = Client::talking(&stage).await;
    let chat = only(&api).await;
    let end = path(&chat, "/end");
    problem(&api.ask("POST", &end, Some(&api.token("read")), "").await, 403, "role-too-low");
    let got = api.ask("POST", &end, Some(&api.token("operate")), "").await;
    assert_eq!((got.status, &got.json()["outcome"]), (StatusCode::OK, &json!("ended")));
    client.until("ChatEnded").await;
    stage.closed_at_desk().await;
    let got = api.ask("POST", &end, Some(&api.token("operate")), "").await;
    assert_eq!((got.status, &got.json()["outcome"]), (StatusCode::OK, &json!("wasOver")));
    let one = api.get(&path(&chat, "")).await;
    assert_eq!(one["phase"], "ended");
    let gone = format!("/admin/v1/chats/{}/end", Uuid::from_u128(7));
    problem(&api.ask("POST", &gone, Some(&api.token("operate")), "").await, 404, "no-such-chat");
}

#[tokio::test(start_paused = true)]
async fn lists_are_paged_filtered_and_within_scope() {
    let stage = BridgeStage::new().await;
    let api = Api::new(stage.admin.clone());
    for _ in 0..5 {
        Client::begin(&stage).await;
    }
    let all = api.get("/admin/v1/chats").await;
    let ids: Vec<&Value> = all["chats"].as_array().unwrap().iter().map(|c| &c["id"]).collect();
    assert_eq!((ids.len(), &all["next"]), (5, &Value::Null));
    let mut paged: Vec<Value> = Vec::new();
    let mut next = "/admin/v1/chats?limit=2".to_owned();
    loop {
        let page = api.get(&next).await;
        paged.extend(page["chats"].as_array().unwrap().iter().map(|chat| chat["id"].clone()));
        let Some(after) = page["next"].as_str() else { break };
        next = format!("/admin/v1/chats?limit=2&after={after}");
    }
    assert_eq!(paged.iter().collect::<Vec<_>>(), ids);
    let none = json!({ "chats": [], "next": null, "silentNodes": [] });
    assert_eq!(api.get("/admin/v1/chats?phase=talking").await, none);
    assert_eq!(api.get("/admin/v1/chats?tenant=other").await, none);
    let scoped = api.scoped("operate", &["other"]);
    assert_eq!(api.ask("GET", "/admin/v1/chats", Some(&scoped), "").await.json(), none);
    for (method, rest) in [("GET", ""), ("GET", "/decision"), ("POST", "/end")] {
        let got = api.ask(method, &path(&all["chats"][0], rest), Some(&scoped), "").await;
        problem(&got, 404, "no-such-chat");
    }
    for query in ["limit=0", "limit=1001", "after=x", "phase=x", "page=2", "limit=1&limit=2"] {
        let path = format!("/admin/v1/chats?{query}");
        problem(&api.ask("GET", &path, Some(&api.token("read")), "").await, 400, "bad-request");
    }
    let got = api.ask("GET", "/admin/v1/chats/x", Some(&api.token("read")), "").await;
    problem(&got, 404, "no-such-chat");
}

/// The check-points of a message, as far as it came.
fn passed(one: &Value) -> Vec<&str> {
    let all = ["received", "stored", "sent", "accepted", "delivered", "acked"];
    all.into_iter().filter(|point| one[point].is_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_message_shows_how_far_it_has_come() {
    let mut stage = BridgeStage::new().await;
    let api = Api::new(stage.admin.clone());
    let mut client = Client::talking(&stage).await;
    client.says("my card number is 4111").await;
    stage.hears(&["my card number is 4111"]).await;
    let chat = only(&api).await;
    let found = api.get(&path(&chat, "/messages")).await;
    discreet(&client, &found);
    let all = found["messages"].as_array().unwrap();
    let own: Vec<&Value> = all.iter().filter(|one| one["from"] == "visitor").collect();
    assert_eq!(own.len(), 1, "{found}");
    assert_eq!((&own[0]["kind"], &own[0]["fate"]), (&json!("message"), &json!("done")));
    let points = ["received", "stored", "sent", "accepted", "delivered"];
    assert_eq!(passed(own[0]), points, "{found}");
    // Instants are never earlier than those of the point before.
    let at = |one: &Value, point: &str| {
        liveagent_bridge::time::Wall::parse(one[point].as_str().unwrap()).unwrap()
    };
    let order: Vec<_> = ["received", "stored", "sent", "accepted"].map(|p| at(own[0], p)).to_vec();
    assert!(order.is_sorted(), "{found}");
    let told: Vec<&Value> = all.iter().filter(|one| one["from"] == "agent").collect();
    assert_eq!(told[0]["number"], 0, "{found}");
    assert!(passed(told[0]).starts_with(&["received", "stored", "sent"]), "{found}");
    assert!(told.iter().any(|one| one["fate"] == "done"), "{found}");

    // Another process reads from the store what became of it.
    stage.start_again().await;
    let api = Api::new(stage.admin.clone());
    // Not at once: it asks Salesforce first.
    let mut again = Value::Null;
    for _ in 0..100 {
        again = api.get(&path(&chat, "/messages")).await;
        let all = again["messages"].as_array().unwrap();
        let own = all.iter().find(|one| one["from"] == "visitor").expect("the message");
        if own["fate"] != "unknown" {
            assert_eq!(own["fate"], "done", "{again}");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(!again.to_string().contains("unknown"), "{again}");
    let scoped = api.scoped("read", &["other"]);
    let got = api.ask("GET", &path(&chat, "/messages"), Some(&scoped), "").await;
    problem(&got, 404, "no-such-chat");
}
