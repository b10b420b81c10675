//! What became of answers that one node handed on for another, over real connections.

use super::client::{Client, Kind};
use super::site::Site;
use crate::desk::{asked_with, id, lines};
use crate::program::run;

/// A client without numbers that says the same again means it, once it has read the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_texts_without_numbers_all_arrive_whichever_node_is_asked() {
    let site = Site::new().await;
    let [one, two] = site.two().await;
    let mut client = Client::begin(&one.base(), "ada@example.test", Kind::Rx).await;
    let chat = site.desk.chat("a chat", |chat| asked_with(chat, "ada@example.test")).await;
    site.desk.accept(&id(&chat)).await;
    client.until("ChatEstablished").await;
    // Node one has the chat; the answers of node two are what it must be told of.
    for n in 0..30 {
        let base = if n % 3 == 0 { one.base() } else { two.base() };
        client = client.at(&base);
        client.say("yes").await;
    }
    let is_it = |chat: &serde_json::Value| lines(chat, "visitor").len() >= 30;
    let desk = site.desk.chat("all of them", is_it).await;
    let said: Vec<String> = lines(&desk, "visitor").into_iter().map(|line| line.0).collect();
    assert_eq!(said, ["yes"; 30]);
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_and_ends_a_chat_at_the_node_that_does_not_have_it() {
    let site = Site::new().await;
    let [one, two] = site.two().await;
    let mut client = Client::begin(&one.base(), "ada@example.test", Kind::Hrk).await;
    let chat = site.desk.chat("a chat", |chat| asked_with(chat, "ada@example.test")).await;
    site.desk.accept(&id(&chat)).await;
    client.until("ChatEstablished").await;
    let config = two.config();
    let args = ["--config", &config, "--role", "operate", "--subject", "pat"];
    let made = run(&[&["admin", "token"][..], &args[..]].concat(), &[]).await;
    let token = made.out.trim();
    let asked = async |method: reqwest::Method, path: &str| {
        let url = format!("{}/admin/v1/chats{path}", two.admin());
        let request = crate::visitor::http().request(method, url).bearer_auth(token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<serde_json::Value>().await.unwrap()
    };
    let list = asked(reqwest::Method::GET, "").await;
    assert_eq!(list["chats"][0]["node"], "one", "{list}");
    assert_eq!(list["silentNodes"], serde_json::json!([]));
    let ended = asked(reqwest::Method::POST, &format!("/{}/end", client.id)).await;
    assert_eq!(ended["outcome"], "ended");
    client.until("ChatEnded").await;
    site.remove().await;
}
