//! Who wrote what is stored: an answer that was lost is found out, another writer's work is never
//! taken for one's own.

use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::adapter::miaw::records;
use liveagent_bridge::chat::fact::Delta;
use liveagent_bridge::chat::ids::ChatId;
use liveagent_bridge::emulator::Agents;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::store::shared::{Beat, Claim, Fence, Shared};
use liveagent_bridge::store::{Commit, NewChat, Store, StoreError};
use liveagent_bridge::time::{Now, Wall};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::bridge_stage::{Acks, BridgeStage, Client};
use crate::cluster_stage::{ClusterStage, chat};
use crate::owned_stage::{Answer, Unclear, node};

const LEASE: Duration = Duration::from_secs(6);

/// A delta that says nothing, under the chat's next number.
async fn another(memory: &MemoryStore, chat: ChatId, now: Now) -> Commit {
    let number = memory.load(chat.0).await.unwrap().expect("stored").next_number;
    let delta = records::delta(&Delta { at: now, facts: Vec::new() });
    Commit { chat: chat.0, number, delta, snapshot: None, ended_at: None, epoch: None }
}

async fn on(store: &Unclear) -> BridgeStage {
    BridgeStage::on(Arc::new(store.clone()), store.memory.clone(), Agents::None, |_| {}).await
}

/// Two lone bridges on one database, for a moment.
#[tokio::test(start_paused = true)]
async fn what_another_writer_stored_is_not_taken_for_ones_own() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    let theirs = another(&stage.memory, chat(&client), stage.clock.now()).await;
    stage.memory.commit(theirs.clone()).await.unwrap();
    // Nothing is stored of it, so nothing is answered, and nothing is done.
    assert_ne!(client.say("mine").await.0, 200);
    let stored = stage.memory.load(theirs.chat).await.unwrap().unwrap();
    assert!(stored.ends_with(&theirs), "{stored:?}");
    assert_eq!(stage.heard(), Vec::<String>::new());
    client.number -= 1;
    client.says("mine").await;
    stage.hears(&["mine"]).await;
    assert!(
        stage.memory.load(theirs.chat).await.unwrap().unwrap().next_number > stored.next_number
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_was_lost_is_made_once() {
    let store = Unclear::default();
    let stage = on(&store).await;
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    store.next(Answer::Lost);
    client.says("once").await;
    stage.hears(&["once"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_beginning_whose_answer_was_lost_is_found_out() {
    let store = Unclear::default();
    let stage = on(&store).await;
    store.next(Answer::Lost);
    let mut client = Client::talking(&stage).await;
    client.says("hello").await;
    stage.hears(&["hello"]).await;
    assert_eq!(stage.count("create"), 1);
}

/// A node sleeps; its chat goes to another one, which writes and leaves; it wakes and has the chat
/// again. Whoever worked on it here knows nothing of that.
#[tokio::test(start_paused = true)]
async fn a_task_of_an_epoch_that_is_over_writes_nothing() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking(Acks::Real).await;
    let (memory, id) = (&stage.memory, chat(&client));
    stage.two.cluster.leave().await;
    memory.leave(stage.one.cluster.incarnation()).await.unwrap();
    let other = Uuid::from_u128(77);
    let beat = Beat {
        incarnation: other,
        name: "other".to_owned(),
        address: "other.test".to_owned(),
        fingerprint: "same".to_owned(),
        chats: 0,
    };
    memory.beat(&beat, LEASE).await.unwrap();
    let Claim::Taken { epoch: 2, from } = memory.claim(id.0, other).await.unwrap() else {
        panic!("it is free");
    };
    assert_eq!(from, Some(stage.one.cluster.incarnation()));
    let theirs = another(memory, id, stage.clock.now()).await;
    memory.commit_as(theirs.clone(), Fence { owner: other, epoch: 2 }).await.unwrap();
    memory.leave(other).await.unwrap();
    stage.seconds(4).await;
    let owner = memory.owner(id.0).await.unwrap().unwrap();
    assert_eq!((owner.incarnation, owner.epoch), (Some(stage.one.cluster.incarnation()), 3));
    let before = memory.load(id.0).await.unwrap().unwrap().next_number;
    client.says("hello").await;
    let stored = memory.load(id.0).await.unwrap().unwrap();
    assert!(stored.next_number > before, "what is answered is stored");
    stage.hears(&["hello"]).await;
    // Whoever has it next knows that it was said.
    memory.leave(stage.one.cluster.incarnation()).await.unwrap();
    client.number -= 1;
    client.says("hello").await;
    stage.hears(&["hello"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_writer_of_an_older_epoch_is_fenced_though_the_node_has_the_chat() {
    let memory = MemoryStore::new();
    let one = node(Arc::new(memory.clone())).await;
    let id = Uuid::from_u128(5);
    let new = NewChat { id, tenant: "acme".to_owned(), at: Wall::from_millis(0) };
    one.store.open(new, b"one".to_vec()).await.unwrap();
    let taken = one.store.take(id).await.unwrap().unwrap();
    assert_eq!(taken.epoch, Some(2));
    // Those who took it before are told so, those who take it now are not meant.
    assert_eq!(*one.told.lost.lock().unwrap(), [(ChatId(id), 1)]);
    let commit = |epoch| Commit {
        chat: id,
        number: 2,
        delta: b"two".to_vec(),
        snapshot: None,
        ended_at: None,
        epoch,
    };
    let fenced = Err(StoreError::Fenced { chat: id });
    assert_eq!(one.store.commit(commit(Some(1))).await, fenced);
    assert!(one.cluster.holds(ChatId(id)), "the chat is still this node's");
    assert_eq!(one.store.commit(commit(Some(2))).await, Ok(()));
}

/// The answer to a beginning comes late: somebody took the chat meanwhile.
#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_turn_the_epoch_back() {
    let store = Unclear::default();
    let one = Arc::new(node(Arc::new(store.clone())).await);
    let id = Uuid::from_u128(5);
    let ((made, was_made), (come, comes)) = (oneshot::channel(), oneshot::channel());
    store.next(Answer::Waits(made, comes));
    let opening = tokio::spawn({
        let one = one.clone();
        async move {
            let new = NewChat { id, tenant: "acme".to_owned(), at: Wall::from_millis(0) };
            one.store.open(new, b"one".to_vec()).await
        }
    });
    was_made.await.unwrap();
    let taken = one.store.take(id).await.unwrap().unwrap();
    come.send(()).unwrap();
    opening.await.unwrap().unwrap();
    let commit = Commit {
        chat: id,
        number: 2,
        delta: b"two".to_vec(),
        snapshot: None,
        ended_at: None,
        epoch: taken.epoch,
    };
    assert_eq!(one.store.commit(commit).await, Ok(()));
}

/// The word that a chat was lost comes when it has been claimed and seated again.
#[tokio::test(start_paused = true)]
async fn whoever_took_a_chat_later_is_not_let_go() {
    let stage = ClusterStage::new().await;
    let client = stage.talking(Acks::Real).await;
    let (chats, id) = (&stage.one.bridge.chats, chat(&client));
    chats.let_go(id, 0);
    assert!(chats.holds(id));
    chats.let_go(id, 1);
    assert!(!chats.holds(id));
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_is_held_and_worked_on_by_nobody_is_taken_up() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking(Acks::Real).await;
    let (chats, id) = (&stage.one.bridge.chats, chat(&client));
    chats.let_go(id, 1);
    assert!(stage.one.has(&client) && !chats.holds(id));
    stage.seconds(12).await;
    assert!(chats.holds(id), "nobody had to ask");
    stage.agent_says("still there?");
    client.until_told("still there?").await;
    assert_eq!(stage.one.cluster.counts().taken_over, 0);
}

/// An alert looks at this count: a node was lost.
#[tokio::test(start_paused = true)]
async fn ones_own_chats_are_not_taken_over() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking(Acks::Real).await;
    let late = client.clone();
    assert_eq!(client.post("ChatEnd", &serde_json::json!({ "reason": "client" })).await.0, 200);
    client.ends("client").await;
    stage.seconds(30).await;
    assert!(!stage.one.has(&client), "it is over, and forgotten");
    late.peek().await;
    assert!(stage.one.has(&client), "it was asked for again");
    assert_eq!(stage.one.cluster.counts().taken_over, 0);
    stage.lose_one().await;
    let mut other = late.clone();
    other.goes_to(stage.two.service());
    other.peek().await;
    assert_eq!(stage.two.cluster.counts().taken_over, 1);
}
