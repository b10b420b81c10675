//! Visitors who chat by themselves, so that a page sees many chats at once.
//!
//! Promised: each is a client of the legacy REST API over real HTTP, like the page's own visitor;
//! each asks one question and stays until its chat is over.

use std::time::Duration;

use reqwest::Client;

use super::visitor::Visitor;
use crate::clock::Clock;

/// Between the starts of two chats.
const APART: Duration = Duration::from_millis(120);
/// How long a visitor waits for an agent.
const PATIENCE: Duration = Duration::from_secs(120);

const FIRST_NAMES: [&str; 20] = [
    "Ada", "Bela", "Chloe", "Dan", "Ella", "Femi", "Gita", "Hugo", "Ines", "Jan", "Kofi", "Lena",
    "Maya", "Noah", "Olga", "Pia", "Quinn", "Rosa", "Sven", "Tara",
];
const LAST_NAMES: [&str; 7] =
    ["Abbott", "Becker", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia"];
const QUESTIONS: [&str; 5] = [
    "Where is my order?",
    "Can I change my address?",
    "My invoice is wrong.",
    "How do I return this?",
    "The app does not let me sign in.",
];

/// Starts `count` chats, the first of them as number `from`, and stays with them to their end.
pub(super) async fn gathers(clock: Clock, base: String, from: usize, count: usize) {
    let http = Client::new();
    let mut visitors = tokio::task::JoinSet::new();
    for number in from..from + count {
        visitors.spawn(chat(http.clone(), base.clone(), number));
        clock.until(clock.now().mono.plus(APART)).await;
    }
    while visitors.join_next().await.is_some() {}
}

/// One chat. A chat that does not come about shows on the page as every other.
async fn chat(http: Client, base: String, number: usize) {
    let first = FIRST_NAMES[number % FIRST_NAMES.len()];
    let last = LAST_NAMES[number % LAST_NAMES.len()];
    let Ok(mut visitor) = Visitor::start(&http, &base, first, last).await else { return };
    let established = |seen: &Vec<serde_json::Value>| {
        seen.iter().any(|message| message["type"] == "ChatEstablished")
    };
    if visitor.until(PATIENCE, established).await.is_ok() {
        // Refused only where the chat is over, which the polls will tell.
        let _ = visitor.say(QUESTIONS[number % QUESTIONS.len()]).await;
    }
    visitor.over().await;
}
