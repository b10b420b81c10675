//! Relayed chats as operators see them.

use std::sync::Arc;

use liveagent_bridge::store::memory::MemoryStore;
use serde_json::{Value, json};

use super::visitor::{Scene, Visitor};
use crate::admin::{Api, problem, quiet_parts};

async fn api(scene: &Scene) -> Api {
    let mut parts = quiet_parts(super::BEFORE, Arc::new(MemoryStore::new())).await;
    parts.relay = scene.stage.facade.relay.clone();
    Api::new(parts)
}

async fn list(api: &Api, query: &str) -> Vec<Value> {
    let list = api.get(&format!("/admin/v1/chats{query}")).await;
    list["chats"].as_array().unwrap().clone()
}

fn path(chat: &Value, rest: &str) -> String {
    format!("/admin/v1/chats/{}{rest}", chat["id"].as_str().unwrap())
}

/// Neither key, nor any half of it, nor what was said.
fn discreet(visitor: &Visitor, scene: &Scene, value: &Value) {
    let text = value.to_string();
    let theirs = scene.their_key();
    for secret in [&visitor.key, &theirs, visitor.key.split('!').next_back().unwrap(), "my card"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_relayed_chat_is_listed_and_explained_and_not_ended() {
    for (mut scene, own_key) in [(Scene::verbatim(), false), (Scene::by_button(), true)] {
        let first = api(&scene).await;
        assert!(list(&first, "").await.is_empty());
        let mut visitor = scene.talking().await;
        scene.says("my card number is 4111");
        visitor.poll().await;
        let all = list(&first, "").await;
        assert_eq!(all.len(), 1, "{all:?}");
        let chat = &all[0];
        let id = chat["id"].as_str().unwrap();
        assert_eq!(id.starts_with("legacy-"), !own_key, "{id}");
        assert_eq!((&chat["tenant"], &chat["backend"]), (&json!("acme"), &json!("legacy")));
        assert_eq!(chat["phase"], "talking");
        assert_eq!(chat["began"], "2026-01-10T10:00:00Z");
        assert!(chat["sequence"].as_i64().unwrap() > 0, "{chat}");
        discreet(&visitor, &scene, chat);
        let one = first.get(&path(chat, "")).await;
        let why = first.get(&path(chat, "/decision")).await;
        assert_eq!((&why["route"], &why["chat"]), (&json!("legacy"), &chat["id"]));
        assert_eq!(why["because"], chat["because"]);
        assert_eq!(one["decision"]["sentence"], why["sentence"]);
        discreet(&visitor, &scene, &one);
        assert_eq!(list(&first, "?phase=talking&tenant=acme").await, all);
        for none in ["?phase=waiting", "?tenant=other", &format!("?after={id}")] {
            assert!(list(&first, none).await.is_empty(), "{none}");
        }
        let end = path(chat, "/end");
        let got = first.ask("POST", &end, Some(&first.token("operate")), "").await;
        problem(&got, 422, "refused");
        assert_eq!(got.json()["reason"], "relayed");
        let scoped = first.scoped("operate", &["other"]);
        for (method, rest) in [("GET", ""), ("GET", "/decision"), ("POST", "/end")] {
            let got = first.ask(method, &path(chat, rest), Some(&scoped), "").await;
            problem(&got, 404, "no-such-chat");
        }

        // Another process knows what passes by, and not why.
        scene.stage.start_again().await;
        let second = api(&scene).await;
        assert!(list(&second, "").await.is_empty());
        visitor.service = scene.stage.service.clone();
        scene.says("again");
        visitor.poll().await;
        let again = list(&second, "").await;
        assert_eq!(again.len(), 1, "{again:?}");
        assert_eq!(again[0]["id"] == chat["id"], own_key);
        assert_eq!((&again[0]["phase"], &again[0]["began"]), (&json!("talking"), &Value::Null));
        let reason = path(&again[0], "/decision");
        let got = second.ask("GET", &reason, Some(&second.token("read")), "").await;
        problem(&got, 404, "no-such-chat");

        visitor.post("Chasitor/ChatEnd", &json!({"reason": "client"})).await;
        while !visitor.poll().await.contains(&"ChatEnded".to_owned()) {}
        assert!(list(&second, "").await.is_empty());
        assert_eq!(second.get(&path(&again[0], "")).await["phase"], "ended");
    }
}

#[tokio::test(start_paused = true)]
async fn relayed_chats_are_paged_by_their_ids() {
    let scene = Scene::verbatim();
    let api = api(&scene).await;
    for _ in 0..5 {
        scene.talking().await;
    }
    let all = list(&api, "").await;
    assert_eq!(all.len(), 5);
    let mut paged: Vec<Value> = Vec::new();
    let mut next = "/admin/v1/chats?limit=2".to_owned();
    loop {
        let page = api.get(&next).await;
        paged.extend(page["chats"].as_array().unwrap().iter().cloned());
        let Some(after) = page["next"].as_str() else { break };
        next = format!("/admin/v1/chats?limit=2&after={after}");
    }
    assert_eq!(paged, all);
    for wrong in ["legacy-", "legacy-00", "legacy-+123456789abcdef"] {
        let path = format!("/admin/v1/chats/{wrong}");
        let got = api.ask("GET", &path, Some(&api.token("read")), "").await;
        problem(&got, 404, "no-such-chat");
    }
}
