//! L4: what one chat may have waiting, on its way up and on its way down.

use liveagent_bridge::chat::limits::{OUTBOX_MAX, PENDING_MAX};

use crate::bridge_stage::{BridgeStage, Client};

#[tokio::test(start_paused = true)]
async fn one_message_more_than_may_wait_is_refused_and_the_others_arrive() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.reachable(false);
    let mut taken = Vec::new();
    let refused = loop {
        let text = format!("line {}", taken.len());
        let (status, answer) = client.say(&text).await;
        if status != 200 {
            break (status, answer);
        }
        taken.push(text);
        assert!(taken.len() <= PENDING_MAX, "nothing is refused");
    };
    assert_eq!((taken.len(), refused.0), (PENDING_MAX, 500), "{}", refused.1);
    stage.reachable(true);
    let all = |stage: &BridgeStage| stage.heard().join("\n");
    stage.desk_chat(|_| all(&stage).ends_with(taken.last().unwrap())).await;
    assert_eq!(all(&stage), taken.join("\n"), "merged or not, in order and once");
    client.says("there is room again").await;
    stage.desk_chat(|_| all(&stage).ends_with("there is room again")).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_loses_its_chat_and_nobody_elses() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    for n in 0..OUTBOX_MAX {
        stage.agent_says(&format!("line {n}"));
        if n % 100 == 99 {
            stage.seconds(1).await;
        }
        if stage.desk().chats()[0].state == liveagent_bridge::emulator::ChatState::Ended {
            break;
        }
    }
    stage.closed_at_desk().await;
    let told = client.until("ChatEnded").await;
    assert!(told.is_object());
    let texts = client.texts();
    assert!(texts.len() >= OUTBOX_MAX - 20 && texts.len() <= OUTBOX_MAX, "{}", texts.len());
    let lines: Vec<String> = (0..texts.len() - 1).map(|n| format!("line {n}")).collect();
    assert_eq!(texts[..texts.len() - 1], lines, "what was told until then is read in order");
    client.is_gone().await;
}
