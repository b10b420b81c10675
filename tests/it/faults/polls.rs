//! C2: when polls are answered. The hold is the tenant's, 24 s by default.

use std::time::Duration;

use liveagent_bridge::emulator::Agents;

use crate::bridge_stage::{BridgeStage, Client};

async fn timed(stage: &BridgeStage, client: &mut Client) -> (u16, usize, Duration) {
    let begun = stage.clock.now().mono;
    let (status, messages) = client.poll().await;
    (status, messages.len(), stage.clock.now().mono.since(begun))
}

fn span(text: f64) -> Duration {
    Duration::from_secs_f64(text)
}

#[tokio::test(start_paused = true)]
async fn an_empty_poll_ends_exactly_with_its_hold() {
    for hold in [1, 10, 24, 40, 60] {
        let held = Duration::from_secs(hold);
        let stage = BridgeStage::with(Agents::None, |behaviour| behaviour.poll_hold = held).await;
        let mut client = Client::talking(&stage).await;
        client.drain().await;
        for _ in 0..3 {
            assert_eq!(timed(&stage, &mut client).await, (204, 0, held));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_a_tenth_of_a_second_before_the_end_of_the_hold_comes_with_that_poll() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    for at in [0.1, 12.0, 23.8, 23.9] {
        let polling = tokio::spawn({
            let (client, clock) = (client.clone(), stage.clock.clone());
            async move {
                let begun = clock.now().mono;
                (client.peek().await, clock.now().mono.since(begun))
            }
        });
        stage.pass(span(at)).await;
        stage.agent_says("just in time");
        let (got, took) = polling.await.expect("a poll");
        assert!(got.text.contains("just in time"), "{at}: {} {}", got.status, got.text);
        assert!(took >= span(at) && took <= span(24.0), "{at}: {took:?}");
        client.poll().await;
    }
    // A message that comes after the end of one poll waits for the next one.
    let (status, _, took) = timed(&stage, &mut client).await;
    assert_eq!((status, took), (204, span(24.0)));
    stage.agent_says("too late for that one");
    stage.seconds(1).await;
    let (status, count, took) = timed(&stage, &mut client).await;
    assert_eq!((status, count, took), (200, 1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_its_client_gave_up_costs_no_message() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    for n in 0..20 {
        let gone = tokio::time::timeout(span(f64::from(n) + 0.5), client.peek()).await;
        assert!(gone.is_err() || n > 0, "nothing came yet");
        stage.agent_says(&format!("line {n}"));
        stage.pass(span(0.3)).await;
    }
    client.until_told("line 19").await;
    client.drain().await;
    let said: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    assert_eq!(client.texts(), said);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_polls_in_a_row() {
    let stage = BridgeStage::new().await;
    // Longer than an hour; the end of a token is another test's.
    stage.knobs(|knobs| knobs.token_ttl_seconds = 86_400);
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    let before = client.seen.len();
    let mut said = 0;
    for n in 0..1_000 {
        if n % 10 == 0 {
            stage.agent_says(&format!("line {said}"));
            stage.seconds(1).await;
            said += 1;
        }
        let (status, count, took) = timed(&stage, &mut client).await;
        if n % 10 == 0 {
            assert_eq!((status, count, took), (200, 1, Duration::ZERO), "{n}");
        } else {
            assert_eq!((status, count, took), (204, 0, span(24.0)), "{n}");
        }
    }
    assert_eq!(client.seen.len() - before, said);
}
