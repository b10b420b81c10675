//! How chats live and end, through the whole bridge: who comes, who leaves, who falls silent.
//!
//! Only the desk, the client and the wire are looked at.

use std::time::Duration;

use liveagent_bridge::chat::policy::{AgentLeave, Idle};
use liveagent_bridge::config::Behaviour;
use liveagent_bridge::emulator::{Agents, By, Command, Play};
use serde_json::json;

use crate::bridge_stage::{Acks, BridgeStage, Client};

async fn stage(change: impl FnOnce(&mut Behaviour)) -> BridgeStage {
    BridgeStage::with(Agents::None, change).await
}

fn play(stage: &BridgeStage, play: Play) {
    stage.act(Command::Play(play));
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn nobody_accepts_in_time() {
    let stage = stage(|behaviour| behaviour.life.accept_timeout = Some(seconds(90))).await;
    let mut client = Client::begin(&stage).await;
    client.until("ChatRequestSuccess").await;
    let fail = client.until("ChatRequestFail").await;
    assert_eq!(fail["reason"], "Unavailable");
    client.is_gone().await;
    stage.closed_at_desk().await;
    let now = stage.clock.now().mono;
    let since = now.since(stage.sent("create")[0].at);
    assert!(since >= seconds(85) && since < seconds(120), "{since:?}");
}

#[tokio::test(start_paused = true)]
async fn somebody_who_accepts_stays_beyond_that_time() {
    let stage = stage(|behaviour| behaviour.life.accept_timeout = Some(seconds(90))).await;
    let mut client = Client::talking(&stage).await;
    for _ in 0..8 {
        assert_eq!(client.poll().await.0, 204);
    }
    client.says("still here").await;
    stage.hears(&["still here"]).await;
}

fn idle(behaviour: &mut Behaviour, text: Option<&str>) {
    let (timeout, warning) = (seconds(120), seconds(80));
    let warning_text = text.map(Into::into);
    behaviour.life.idle = Some(Idle { timeout, warning, warning_text });
}

#[tokio::test(start_paused = true)]
async fn a_silent_visitor_is_warned_and_then_the_chat_ends() {
    let stage = stage(|behaviour| idle(behaviour, Some("Are you still there?"))).await;
    let mut client = Client::talking(&stage).await;
    let timer = json!({ "isEnabled": true, "warningTime": 80, "timeout": 120 });
    assert_eq!(client.seen.last().unwrap()["message"]["chasitorIdleTimeout"], timer);
    let start = stage.clock.now().mono;
    client.until_told("Are you still there?").await;
    let warned = stage.clock.now().mono.since(start);
    assert!(warned >= seconds(79) && warned <= seconds(82), "{warned:?}");
    client.says("yes").await;
    stage.agent_says("good");
    client.until_told("good").await;
    let start = stage.clock.now().mono;
    client.until_told("Are you still there?").await;
    client.ends("clientIdleTimeout").await;
    let ended = stage.clock.now().mono.since(start);
    assert!(ended >= seconds(124) && ended <= seconds(128), "{ended:?}");
    stage.closed_at_desk().await;
}

#[tokio::test(start_paused = true)]
async fn typing_keeps_a_silent_visitor_and_a_slow_agent_is_not_the_visitors_fault() {
    let stage = stage(|behaviour| idle(behaviour, None)).await;
    let mut client = Client::talking(&stage).await;
    for _ in 0..4 {
        client.drain().await;
        stage.seconds(60).await;
        client.post("ChasitorTyping", &json!({})).await;
    }
    client.says("I am here, and you?").await;
    for _ in 0..10 {
        assert_eq!(client.poll().await.0, 204);
    }
    assert_eq!(client.count("ChatEnded"), 0);
    stage.agent_says("back again");
    client.ends("clientIdleTimeout").await;
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_there_is_no_idle_timer() {
    let stage = stage(|_| {}).await;
    let client = Client::talking(&stage).await;
    let timer = json!({ "isEnabled": false });
    assert_eq!(client.seen.last().unwrap()["message"]["chasitorIdleTimeout"], timer);
}

#[tokio::test(start_paused = true)]
async fn an_inactive_session_is_not_an_ended_one() {
    for text in [None, Some("The agent waits for you.")] {
        let stage = stage(|behaviour| behaviour.life.inactive_text = text.map(Into::into)).await;
        let mut client = Client::talking(&stage).await;
        play(&stage, Play::Inactive);
        match text {
            Some(text) => client.until_told(text).await,
            None => assert_eq!(client.poll().await.0, 204),
        }
        client.says("I am back").await;
        stage.hears(&["I am back"]).await;
        assert_eq!(client.count("ChatEnded"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_agents_leaving_means_is_the_tenants_choice() {
    for (policy, asks, least, most) in
        [(AgentLeave::End, 0, 0, 1), (AgentLeave::Hold, 0, 10, 11), (AgentLeave::Ask, 1, 0, 1)]
    {
        let stage = stage(|behaviour| behaviour.life.agent_leave = policy).await;
        let mut client = Client::talking(&stage).await;
        play(&stage, Play::Leave);
        let start = stage.clock.now().mono;
        client.ends("agent").await;
        let waited = stage.clock.now().mono.since(start);
        assert!(waited >= seconds(least) && waited <= seconds(most), "{policy:?} {waited:?}");
        assert_eq!(stage.count("status"), asks, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_is_told_and_its_failure_is_no_end_while_somebody_may_come() {
    let stage = stage(|_| {}).await;
    let mut client = Client::talking(&stage).await;
    play(&stage, Play::TransferStarts);
    client.until("TransferToButtonInitiated").await;
    for _ in 0..3 {
        assert_eq!(client.poll().await.0, 204);
    }
    play(&stage, Play::Join);
    assert_eq!(client.until("ChatTransferred").await["name"], "Ada Agent");
    play(&stage, Play::TransferStarts);
    client.until("TransferToButtonInitiated").await;
    // Nobody takes it: Salesforce says that it needs routing, which is the end.
    play(&stage, Play::TransferFails);
    client.ends("agent").await;
}

#[tokio::test(start_paused = true)]
async fn transfers_under_way_can_be_kept_from_the_client() {
    let stage = stage(|behaviour| behaviour.life.transfer_events = false).await;
    let mut client = Client::talking(&stage).await;
    play(&stage, Play::TransferStarts);
    play(&stage, Play::Join);
    client.until("ChatTransferred").await;
    assert_eq!(client.count("TransferToButtonInitiated"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_further_agent_joins_and_stays_in_charge() {
    let stage = stage(|_| {}).await;
    let mut client = Client::talking(&stage).await;
    play(&stage, Play::Conference { on: true });
    assert_eq!(client.until("AgentJoinedConference").await["name"], "Ben Agent");
    play(&stage, Play::Conference { on: false });
    assert_eq!(client.until("AgentLeftConference").await["name"], "Ben Agent");
    play(&stage, Play::Conference { on: true });
    client.until("AgentJoinedConference").await;
    play(&stage, Play::Leave);
    let heir = client.until("ChatTransferred").await;
    assert_eq!((&heir["name"], &heir["userId"]), (&json!("Ben Agent"), &json!("005000000000002")));
    for _ in 0..3 {
        assert_eq!(client.poll().await.0, 204);
    }
    assert_eq!(client.count("ChatEstablished"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_is_heard_and_neither_begins_nor_ends_anything() {
    let stage = stage(|_| {}).await;
    let mut client = Client::talking(&stage).await;
    play(&stage, Play::Supervisor { on: true });
    let said = |text: &str| Play::Say { by: By::Supervisor, text: text.into(), automated: false };
    play(&stage, said("let me help"));
    client.until_told("let me help").await;
    play(&stage, Play::Supervisor { on: false });
    client.says("thanks").await;
    stage.hears(&["thanks"]).await;
    assert_eq!(client.count("ChatTransferred") + client.count("ChatEnded"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_bot_hands_over_to_a_person() {
    for establishes in [true, false] {
        let stage = stage(|behaviour| behaviour.bot_establishes = establishes).await;
        let mut client = Client::begin(&stage).await;
        client.until("ChatRequestSuccess").await;
        stage.desk_chat(|_| true).await;
        play(&stage, Play::Bot { on: true });
        let said = Play::Say { by: By::Bot, text: "I am a bot".into(), automated: false };
        play(&stage, said);
        client.until_told("I am a bot").await;
        assert_eq!(client.count("ChatEstablished"), usize::from(establishes));
        play(&stage, Play::TransferStarts);
        play(&stage, Play::Bot { on: false });
        stage.seconds(20).await;
        stage.act(Command::Accept);
        let kind = if establishes { "ChatTransferred" } else { "ChatEstablished" };
        assert_eq!(client.until(kind).await["name"], "Ada Agent");
        assert_eq!(client.count("ChatEstablished"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn automated_responses_are_the_systems_whoever_they_are_sent_as() {
    for heard in [true, false] {
        let stage = stage(|behaviour| behaviour.system_messages = heard).await;
        let mut client = Client::talking(&stage).await;
        let text = "We are busy".to_owned();
        play(&stage, Play::Say { by: By::Agent, text, automated: true });
        stage.agent_says("I am not");
        client.until_told("I am not").await;
        let found = client.seen.iter().find(|seen| seen["message"]["text"] == "We are busy");
        assert_eq!(found.is_some(), heard);
        assert!(found.is_none_or(|found| found["message"]["name"] == "System"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_post_chat_page_is_told_and_the_first_answer_stays_small() {
    let url = format!("https://www.example.test/after?{}", "x".repeat(370));
    let page = Some(url.clone());
    let stage = stage(|behaviour| behaviour.life.post_chat_url = page).await;
    let mut client = Client::begin(&stage).await;
    let first = client.peek().await;
    assert!(first.text.len() < 1_000, "{} bytes", first.text.len());
    let success = client.until("ChatRequestSuccess").await;
    assert_eq!(success["postChatUrl"], url);
    stage.desk_chat(|_| true).await;
    stage.act(Command::Decline);
    assert_eq!(client.until("ChatRequestFail").await["postChatUrl"], url);
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_told_in_seconds_or_as_unknown() {
    let stage = stage(|_| {}).await;
    let mut client = Client::session(&stage, Acks::Real).await;
    client.init().await;
    assert_eq!(client.until("ChatRequestSuccess").await["estimatedWaitTime"], -1);
    stage.desk_chat(|_| true).await;
    play(&stage, Play::Wait { seconds: 75 });
    let update = client.until("QueueUpdate").await;
    assert_eq!(update, json!({ "position": 0, "estimatedWaitTime": 75 }));
}

#[tokio::test(start_paused = true)]
async fn a_client_with_an_idle_timer_of_its_own_is_believed() {
    let stage = stage(|behaviour| idle(behaviour, None)).await;
    let mut client = Client::talking(&stage).await;
    stage.seconds(100).await;
    let event = |state: &str| json!({ "idleTimeoutWarningEvent": state });
    client.post("ChasitorIdleTimeoutWarningEvent", &event("triggered")).await;
    client.post("ChasitorIdleTimeoutWarningEvent", &event("cleared")).await;
    for _ in 0..4 {
        assert_eq!(client.poll().await.0, 204);
    }
    client.post("ChatEnd", &json!({ "reason": "clientIdleTimeout" })).await;
    client.ends("clientIdleTimeout").await;
    stage.closed_at_desk().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_transfer_fails_goes_on() {
    for told in [true, false] {
        let stage = stage(|behaviour| behaviour.life.transfer_events = told).await;
        let mut client = Client::talking(&stage).await;
        play(&stage, Play::TransferAsked);
        play(&stage, Play::TransferFails);
        stage.agent_says("nobody there, so me again");
        client.until_told("nobody there, so me again").await;
        let resumed = client.seen.iter().find(|m| m["type"] == "ChatResumedAfterTransfer");
        let body =
            json!({ "name": "Ada Agent", "isTransferFailure": true, "showRichAvatar": false });
        assert_eq!(resumed.map(|m| m["message"].clone()), told.then_some(body));
        assert_eq!(client.count("ChatTransferred") + client.count("ChatEnded"), 0);
    }
}
