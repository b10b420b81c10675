//! What the deployment and the tenant say about visitors' files, and requests that are taken back.

use liveagent_bridge::chat::policy::Uploads;
use liveagent_bridge::config::Behaviour;
use liveagent_bridge::emulator::{Agents, Command, Play};
use serde_json::json;

use crate::bridge_stage::{BridgeStage, Client};

async fn stage(uploads: Uploads, change: impl FnOnce(&mut Behaviour)) -> BridgeStage {
    let change = |behaviour: &mut Behaviour| {
        behaviour.content.uploads = uploads;
        change(behaviour);
    };
    BridgeStage::with(Agents::None, change).await
}

fn on_request() -> Uploads {
    Uploads::OnRequest("#file".into())
}

#[tokio::test(start_paused = true)]
async fn the_deployments_own_limit_is_looked_at_before_a_file_is_taken() {
    let stage = stage(Uploads::Offer, |_| {}).await;
    stage.knobs(|knobs| knobs.max_file_bytes = 1 << 20);
    let mut client = Client::talking(&stage).await;
    client.until("FileTransfer").await;
    assert_eq!(client.upload("a.png", "image/png", &vec![7; (1 << 20) + 1]).await, "Failure");
    assert_eq!(stage.count("file"), 0);
    assert_eq!(client.upload("a.png", "image/png", &vec![7; 1 << 20]).await, "Success");
    stage.hears(&["[file a.png]"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_takes_no_files_is_asked_for_none() {
    for uploads in [Uploads::Offer, on_request()] {
        let words = matches!(uploads, Uploads::OnRequest(_));
        let stage = stage(uploads, |_| {}).await;
        stage.knobs(|knobs| knobs.max_file_bytes = 0);
        let mut client = Client::talking(&stage).await;
        stage.agent_says("#file");
        stage.agent_says("hello");
        client.until_told("hello").await;
        assert_eq!(client.count("FileTransfer"), 0);
        // Words that ask for nothing are words.
        assert_eq!(client.texts(), ["#file", "hello"], "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn types_that_the_deployment_does_not_take_are_refused_at_once() {
    let types = vec!["pdf".to_owned(), "xml".to_owned()];
    let change = |behaviour: &mut Behaviour| behaviour.content.file_types = Some(types);
    let stage = stage(Uploads::Offer, change).await;
    let mut client = Client::talking(&stage).await;
    client.until("FileTransfer").await;
    assert_eq!(client.upload("a.png", "image/png", b"PNG").await, "Failure");
    assert_eq!(client.upload("a.PNG", "application/octet-stream", b"PNG").await, "Failure");
    assert_eq!(client.upload("a.XML", "application/octet-stream", b"<a/>").await, "Success");
    stage.hears(&["[file a.XML]"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_file_is_taken_back_by_words_or_by_leaving() {
    for leaves in [false, true] {
        let cancel = |behaviour: &mut Behaviour| {
            behaviour.content.file_cancel_text = Some("#nofile".into());
        };
        let stage = stage(on_request(), cancel).await;
        let mut client = Client::talking(&stage).await;
        stage.agent_says("#nofile");
        stage.agent_says("#file");
        assert_eq!(client.until("FileTransfer").await["type"], "Requested");
        match leaves {
            true => stage.act(Command::Play(Play::TransferStarts)),
            false => stage.agent_says("#nofile"),
        }
        assert_eq!(client.until("FileTransfer").await, json!({ "type": "Canceled" }));
        assert_eq!(client.upload("a.png", "image/png", b"PNG").await, "Failure");
        assert_eq!(client.texts().len(), 0, "{:?}", client.texts());
        // The next one may ask again.
        if leaves {
            stage.act(Command::Play(Play::Join));
            client.until("ChatTransferred").await;
        }
        stage.agent_says("#file");
        assert_eq!(client.until("FileTransfer").await["type"], "Requested");
        assert_eq!(client.upload("a.png", "image/png", b"PNG").await, "Success");
        stage.hears(&["[file a.png]"]).await;
    }
}
