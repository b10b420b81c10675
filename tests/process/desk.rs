//! The agents at the desk of the emulators.

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::visitor::http;
use crate::within;

/// The desk, seen as it changes.
pub struct Desk {
    base: String,
    http: reqwest::Client,
    chats: watch::Receiver<Vec<Value>>,
    _watching: AbortOnDropHandle<()>,
}

impl Desk {
    /// Watches the desk at an address that `emulate` printed.
    pub fn new(address: &str) -> Self {
        let base = format!("{}/chats", address.trim_end_matches('/'));
        let (sender, chats) = watch::channel(Vec::new());
        let events = format!("{}/events", address.trim_end_matches('/'));
        let (list, http) = (base.clone(), http());
        let client = http.clone();
        let watching = tokio::spawn(async move {
            // Ends when the emulators do; whoever still waits is told.
            let _ = watch(&client, &events, &list, &sender).await;
        });
        Self { base, http, chats, _watching: AbortOnDropHandle::new(watching) }
    }

    /// Waits until a chat is as wanted.
    pub async fn chat(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut chats = self.chats.clone();
        let seen = chats.wait_for(|all| all.iter().any(&wanted));
        let all = within(what, seen).await.expect("the desk is watched").clone();
        all.into_iter().find(&wanted).unwrap()
    }

    /// Every chat, as last seen.
    pub fn all(&self) -> Vec<Value> {
        self.chats.borrow().clone()
    }

    /// Does something that a chat's state must allow.
    pub async fn act(&self, id: &str, action: &str, body: Value) {
        let url = format!("{}/{id}/{action}", self.base);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{action}");
    }

    pub async fn accept(&self, id: &str) {
        self.act(id, "accept", json!({})).await;
    }

    pub async fn say(&self, id: &str, text: &str) {
        self.act(id, "say", json!({ "text": text })).await;
    }
}

/// Looks at the chats whenever something changed.
async fn watch(
    http: &reqwest::Client,
    events: &str,
    list: &str,
    seen: &watch::Sender<Vec<Value>>,
) -> reqwest::Result<()> {
    let mut events = http.get(events).send().await?;
    while events.chunk().await?.is_some() {
        let body: Value = http.get(list).send().await?.json().await?;
        seen.send_replace(body["chats"].as_array().unwrap().clone());
    }
    Ok(())
}

pub fn id(chat: &Value) -> String {
    chat["id"].as_str().unwrap().to_owned()
}

/// Whether the chat was asked for with this pre-chat value.
pub fn asked_with(chat: &Value, value: &str) -> bool {
    chat["attributes"].as_array().unwrap().iter().any(|pair| pair[1] == value)
}

/// The lines of one side with their instants; what was merged on the way is taken apart again.
pub fn lines(chat: &Value, from: &str) -> Vec<(String, i64)> {
    let said = chat["lines"].as_array().unwrap().iter().filter(|line| line["from"] == from);
    said.flat_map(|line| {
        let at = line["at"].as_i64().unwrap();
        line["text"].as_str().unwrap().lines().map(move |text| (text.to_owned(), at))
    })
    .collect()
}
