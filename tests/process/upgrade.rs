//! K7: chats in progress go on under the next version of the program, and back under the one
//! before it. `PREVIOUS_BRIDGE` names the binary of the previous version; `tests/run --long` builds
//! it. Without it both are this version, which is said.

use std::io::Write as _;

use liveagent_bridge::clock::Clock;

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::Program;
use crate::site::Site;
use crate::tally::Tally;
use crate::visitor::{Line, Poller};

/// Chats that go through all versions.
const CHATS: usize = 4;

fn email(n: usize) -> String {
    format!("upgrade{n}@example.test")
}

/// How the other version is started in the place of this one.
fn previous() -> Vec<String> {
    let Some(program) = std::env::var_os("PREVIOUS_BRIDGE") else {
        let why = "PREVIOUS_BRIDGE names no program; this version takes its part";
        let _ = writeln!(std::io::stderr().lock(), "K7 NOT RUN over versions: {why}");
        return Vec::new();
    };
    instead(program.to_str().unwrap())
}

/// The wrapper that starts another build of the program.
pub fn instead(program: &str) -> Vec<String> {
    let script = format!("shift; exec '{program}' \"$@\"");
    ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

async fn next_version(site: &Site, bridge: &mut Program, wrapper: &[String], kill: bool) {
    site.goes();
    if kill {
        bridge.kill();
    } else {
        bridge.terminate();
        let ended = bridge.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    *bridge = site.serve_under(wrapper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_go_on_over_an_upgrade_and_back() {
    let previous = previous();
    let site = Site::new("none").await;
    let mut bridge = site.serve_under(&previous).await;
    let desk = Desk::new(&site.desk);
    let clock = Clock::system();
    let now = || clock.now().wall.millis();
    let mut chats = Vec::new();
    for n in 0..CHATS {
        let mut line = Line::new(&site).await;
        line.init(Some(1), &email(n)).await;
        let chat = desk.chat("a chat", |chat| asked_with(chat, &email(n))).await;
        desk.accept(&id(&chat)).await;
        let mut poller = Poller::new(&line, n != 0);
        poller.until("ChatEstablished").await;
        chats.push((line, poller, id(&chat), Vec::new()));
    }
    // By SIGTERM and by SIGKILL, up and down.
    let steps = [(&[][..], false), (&previous, true), (&[], true), (&previous, false)];
    for (step, (wrapper, kill)) in steps.into_iter().enumerate() {
        for (n, (line, _, id, sent)) in chats.iter_mut().enumerate() {
            // What the next version finds: a line of each side that may be anywhere on its way.
            let text = format!("visitor {n} before change {step}");
            sent.push((text.clone(), now()));
            line.say(Some(step as u64 + 2), &text).await;
            desk.say(id, &format!("agent {n} before change {step}")).await;
        }
        next_version(&site, &mut bridge, wrapper, kill).await;
        for (n, (_, poller, ..)) in chats.iter_mut().enumerate() {
            let told = poller.until("ChatMessage").await;
            assert_eq!(told["text"], format!("agent {n} before change {step}"));
        }
    }
    let mut tally = Tally::default();
    for (n, (mut line, mut poller, id, mut sent)) in chats.into_iter().enumerate() {
        let text = format!("visitor {n} at the end");
        sent.push((text.clone(), now()));
        line.say(Some(9), &text).await;
        let all = |chat: &serde_json::Value| {
            chat["id"] == *id && lines(chat, "visitor").len() >= sent.len()
        };
        let chat = desk.chat("every line", all).await;
        let heard: Vec<(String, i64)> = lines(&chat, "visitor");
        let texts = |lines: &[(String, i64)]| {
            lines.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&heard), texts(&sent));
        tally.add(&sent, &heard);
        desk.act(&id, "end", serde_json::json!({})).await;
        poller.until("ChatEnded").await;
    }
    let what = match previous.is_empty() {
        true => "four changes of the process, one version".to_owned(),
        false => "upgrade, back, upgrade, back".to_owned(),
    };
    tally.tell("K7", &what, "");
    drop(bridge);
}

/// What docs/operating.md says of a chat with a name that the older program does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_the_previous_version_cannot_read_waits_for_this_one() {
    let previous = previous();
    let site = Site::new("none").await;
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let mut line = Line::new(&site).await;
    line.init(Some(1), &email(0)).await;
    let id = id(&desk.chat("a chat", |chat| asked_with(chat, &email(0))).await);
    desk.accept(&id).await;
    let mut poller = Poller::new(&line, true);
    poller.until("ChatEstablished").await;
    for play in ["transfer_asked", "transfer_fails"] {
        desk.act(&id, "play", serde_json::json!({ "play": play })).await;
    }
    poller.until("ChatResumedAfterTransfer").await;
    let asks = |n: u64| format!("asks {n}");
    line.say(Some(2), &asks(2)).await;
    next_version(&site, &mut bridge, &previous, true).await;
    let body = serde_json::json!({ "text": asks(3) });
    let while_older = line.post("ChatMessage", Some(3), &body).await.status;
    let expected = if previous.is_empty() { 200 } else { 500 };
    assert_eq!(while_older, expected, "by the older program");
    next_version(&site, &mut bridge, &[], false).await;
    line.say(Some(3), &asks(3)).await;
    let said = [asks(2), asks(3)];
    let all = |chat: &serde_json::Value| lines(chat, "visitor").len() == said.len();
    let chat = desk.chat("both lines, once", all).await;
    let had: Vec<String> = lines(&chat, "visitor").into_iter().map(|(text, _)| text).collect();
    assert_eq!(had, said);
    desk.say(&id, "goes on").await;
    assert_eq!(poller.until("ChatMessage").await["text"], "goes on");
}
