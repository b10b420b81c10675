//! A chat whose node died and that nobody asks for: found by another node's sweep.

use super::client::{Client, Kind};
use super::site::Site;
use crate::desk::{asked_with, id};
use crate::within;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_says_in_a_chat_that_nobody_asks_for_is_taken_by_another_node() {
    let site = Site::new().await;
    let [mut one, two] = site.two().await;
    let mut client = Client::begin(&one.base(), "ada@example.test", Kind::Hrk).await;
    let chat = site.desk.chat("a chat", |chat| asked_with(chat, "ada@example.test")).await;
    site.desk.accept(&id(&chat)).await;
    client.until("ChatEstablished").await;
    let database = site.place.client().await;
    let written = async || {
        let sql = "SELECT next_number FROM chat WHERE id::text = $1";
        database.query_one(sql, &[&client.id]).await.unwrap().get::<_, i64>(0)
    };
    one.kill();
    let taken = async { while two.metric("bridge_chats_taken_over_total").await == 0 {} };
    within("the sweep", taken).await;
    // Whatever taking it up writes is written once it has read the conversation: nothing is missing
    // from before, so what comes next is the agent's line.
    let before = written().await;
    site.desk.say(&id(&chat), "is anybody there?").await;
    let stored = async { while written().await == before {} };
    within("the line is stored, with nobody asking", stored).await;
    assert_eq!(two.metric("bridge_chats_taken_over_total").await, 1);
    assert_eq!(two.requests().await, 0, "nobody asked");
    let mut client = client.at(&two.base());
    let mut heard = Vec::new();
    client.hears(&mut heard, 1).await;
    assert_eq!(heard[0].0, "is anybody there?");
    assert_eq!(site.tokens().await, 1);
    site.remove().await;
}
