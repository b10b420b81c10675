//! Bursts and long texts: merged, split and paced, never dropped, never out of order.

use std::time::Duration;

use crate::bridge_stage::{BridgeStage, Client};

#[tokio::test(start_paused = true)]
async fn a_burst_is_merged_and_paced() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    let said: Vec<_> = (0..60).map(|n| format!("line {n}")).collect();
    for text in &said {
        client.says(text).await;
        stage.pass(Duration::from_millis(16)).await;
    }
    let heard = || stage.heard().join("\n");
    stage.desk_chat(|_| heard().ends_with("line 59")).await;
    assert_eq!(heard(), said.join("\n"));
    let sent = stage.sent("message");
    let minute = sent.windows(23).all(|sent| sent[22].at.since(sent[0].at).as_secs() >= 60);
    assert!(minute, "more than 22 in a minute");
    client.drain().await;
    assert!(client.texts().is_empty(), "{:?}", client.texts());
}

#[tokio::test(start_paused = true)]
async fn a_burst_before_the_conversation_exists_is_kept_in_order() {
    let stage = BridgeStage::new().await;
    stage.fault("create", 3, |fault| fault.status = Some(503));
    let mut client = Client::begin(&stage).await;
    let said: Vec<_> = (0..40).map(|n| format!("line {n}")).collect();
    for text in &said {
        client.says(text).await;
    }
    let heard = || stage.heard().join("\n");
    stage.desk_chat(|_| heard().ends_with("line 39")).await;
    assert_eq!(heard(), said.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_counts_more_strictly_loses_nothing() {
    for wait in [None, Some(9)] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        for n in 0..12 {
            if n % 3 == 0 {
                stage.fault("message", 2, |fault| {
                    fault.status = Some(429);
                    fault.retry_after_seconds = wait;
                });
            }
            client.says(&format!("line {n}")).await;
            stage.seconds(5).await;
        }
        let heard = || stage.heard().join("\n");
        stage.desk_chat(|_| heard().ends_with("line 11")).await;
        let said: Vec<_> = (0..12).map(|n| format!("line {n}")).collect();
        assert_eq!(heard(), said.join("\n"));
        client.drain().await;
        assert!(client.texts().is_empty(), "{:?}", client.texts());
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_has_room_is_not_waited_for_without_end() {
    for wait in [None, Some(1), Some(30), Some(86_400)] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.fault("message", 100_000, |fault| {
            fault.status = Some(429);
            fault.retry_after_seconds = wait;
        });
        let begun = stage.clock.now().mono;
        client.says("lost").await;
        client.until("ChatMessage").await;
        let took = stage.clock.now().mono.since(begun).as_secs();
        assert!((60..=600).contains(&took), "Retry-After {wait:?}: told after {took} s");
        assert!(stage.count("message") <= 60, "{}", stage.count("message"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_text_arrives_whole() {
    let mut long = String::new();
    for n in 0.. {
        let left = 10_000 - long.chars().count();
        let piece = format!("word{n} 🙂👩‍👩‍👧 é\n");
        long.extend(piece.chars().take(left));
        if left == 0 {
            break;
        }
    }
    assert_eq!(long.chars().count(), 10_000);
    for text in [long.clone(), "🙂".repeat(10_000), "a".repeat(10_000)] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        client.says("before").await;
        client.says(&text).await;
        client.says("after").await;
        stage.desk_chat(|_| stage.heard().last().is_some_and(|last| last == "after")).await;
        let heard = stage.heard();
        assert_eq!(heard[1..heard.len() - 1].concat(), text);
        assert!(heard.iter().all(|line| line.chars().count() <= 4_000));
    }
}
