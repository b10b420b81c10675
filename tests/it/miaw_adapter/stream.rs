//! The event stream: broken, doubled, silent, refused; nothing is lost, doubled or out of order.

use liveagent_bridge::config::Behaviour;
use liveagent_bridge::emulator::UnauthorizedBody;

use crate::bridge_stage::{BridgeStage, Client};

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("line {n}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_every_few_events_loses_nothing() {
    for every in [1, 2, 3, 7] {
        let stage = BridgeStage::new().await;
        stage.knobs(|knobs| {
            knobs.drop_after_events = every;
            knobs.duplicate_events = every == 2;
        });
        let mut client = Client::talking(&stage).await;
        let said = lines(30);
        for (n, text) in said.iter().enumerate() {
            stage.agent_says(text);
            if n % 5 == 0 {
                stage.seconds(2).await;
            }
        }
        client.until_told("line 29").await;
        assert_eq!(client.texts(), said, "dropped every {every}");
    }
}

#[tokio::test(start_paused = true)]
async fn doubled_events_are_told_once() {
    let stage = BridgeStage::new().await;
    stage.knobs(|knobs| knobs.duplicate_events = true);
    let mut client = Client::talking(&stage).await;
    let said = lines(10);
    said.iter().for_each(|text| stage.agent_says(text));
    client.until_told("line 9").await;
    client.drain().await;
    assert_eq!(client.texts(), said);
    assert_eq!(client.count("ChatEstablished"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_opened_again_where_it_was() {
    let stage = BridgeStage::new().await;
    stage.knobs(|knobs| knobs.ping_millis = 0);
    let mut client = Client::talking(&stage).await;
    stage.agent_says("first");
    client.until_told("first").await;
    assert_eq!(stage.count("sse"), 1);
    for _ in 0..5 {
        client.poll().await;
    }
    let opened = stage.sent("sse");
    assert_eq!(opened.len(), 2, "opened again after 90 s of silence");
    let id = |at: usize| opened[at].last_event_id.as_deref().unwrap().parse::<u64>().unwrap();
    assert!(id(1) > id(0), "{} {}", id(0), id(1));
    stage.agent_says("second");
    client.until_told("second").await;
    assert_eq!(client.texts(), ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn pings_keep_a_stream_open_and_cost_no_write() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    // What may be late is stored by then.
    stage.seconds(60).await;
    client.drain().await;
    stage.seconds(60).await;
    let writes = stage.memory.writes();
    for _ in 0..25 {
        assert_eq!(client.poll().await.0, 204);
    }
    assert_eq!(stage.count("sse"), 1);
    assert!(stage.memory.writes() <= writes, "{} writes", stage.memory.writes() - writes);
}

#[tokio::test(start_paused = true)]
async fn what_the_stream_forgot_comes_from_the_list_in_order() {
    for count in [5, 49, 50, 51, 120] {
        let stage = BridgeStage::new().await;
        stage.knobs(|knobs| knobs.replay_buffer = 2);
        let mut client = Client::talking(&stage).await;
        stage.agent_says("before");
        client.until_told("before").await;
        stage.fault("sse", 3, |fault| fault.status = Some(503));
        stage.knobs(|knobs| knobs.drop_streams = true);
        stage.seconds(1).await;
        let said = lines(count);
        for text in &said {
            stage.agent_says(text);
            stage.pass(std::time::Duration::from_millis(10)).await;
        }
        client.until_told(said.last().unwrap()).await;
        client.drain().await;
        assert_eq!(client.texts()[1..], said, "{count} lines in the gap");
    }
}

/// The list reaches back further than entries are remembered by their ids.
#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_in_a_flood_repeats_nothing() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    let said = lines(700);
    for some in said.chunks(100) {
        for text in some {
            stage.agent_says(text);
            stage.pass(std::time::Duration::from_millis(10)).await;
        }
        client.until_told(some.last().unwrap()).await;
    }
    stage.knobs(|knobs| knobs.drop_streams = true);
    stage.seconds(1).await;
    stage.agent_says("after the break");
    client.until_told("after the break").await;
    client.drain().await;
    assert_eq!(client.texts()[..700], said);
    assert_eq!(client.texts().len(), 701);
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_ends_the_chat_politely() {
    for (status, body) in [
        (401, UnauthorizedBody::Text),
        (401, UnauthorizedBody::Spring),
        (403, UnauthorizedBody::Text),
    ] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.knobs(|knobs| knobs.sse_401 = body);
        stage.fault("sse", 1_000, |fault| fault.status = Some(status));
        stage.knobs(|knobs| knobs.drop_streams = true);
        client.until_told(&Behaviour::default().lost_text).await;
        client.ends("error").await;
        stage.closed_at_desk().await;
        assert!(stage.count("sse") <= 5, "{}", stage.count("sse"));
        assert_eq!(stage.count("token"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_for_long_is_asked_for_seldom_and_comes_back() {
    for status in [429, 500, 503] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.fault("sse", 1_000, |fault| fault.status = Some(status));
        stage.knobs(|knobs| knobs.drop_streams = true);
        let before = stage.all();
        for _ in 0..5 {
            client.poll().await;
        }
        let asked = stage.all() - before;
        assert!(asked <= 16, "{status}: {asked} requests in two minutes");
        stage.agent_says("while away");
        stage.no_more_faults();
        client.until_told("while away").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_closes_at_once_is_no_storm() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.fault("sse", 1_000, |fault| fault.status = Some(200));
    stage.knobs(|knobs| knobs.drop_streams = true);
    client.poll().await;
    let before = stage.all();
    for _ in 0..3 {
        client.poll().await;
    }
    let asked = stage.all() - before;
    assert!(asked <= 30, "{asked} requests in 72 s");
}

#[tokio::test(start_paused = true)]
async fn a_short_token_ends_the_chat_before_it_runs_out() {
    for seconds in [60, 1_200, 3_600] {
        let stage = BridgeStage::new().await;
        stage.knobs(|knobs| knobs.token_ttl_seconds = seconds);
        let begun = stage.clock.now().mono;
        let mut client = Client::talking(&stage).await;
        let text = Behaviour::default().token_end_text;
        client.until_told(&text).await;
        let life = stage.clock.now().mono.since(begun).as_secs();
        assert!(life < seconds && life >= seconds / 2, "{life} of {seconds} s");
        client.ends("agent").await;
        stage.closed_at_desk().await;
        assert_eq!(stage.count("token"), 1, "never a second token");
        assert_eq!(stage.count("close"), 1);
    }
}
