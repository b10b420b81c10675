//! K1: `serve` is killed under load, again and again: nothing is lost, nothing comes twice.
//!
//! `LOAD_BRIDGE` names another build of the program for this test; `tests/run --long` gives it the
//! release build, since the load of the promise is 200 messages a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::desk::lines;
use crate::load::{KINDS, Load, Progress, Saw};
use crate::program::Program;
use crate::site::Site;
use crate::tally::Tally;
use crate::upgrade::instead;
use crate::{long_or, within};

/// What passes between two kills, in parts of all that is said: half a second to three, at the
/// pace of [`Load`].
const PARTS: [usize; 6] = [1, 4, 2, 6, 3, 5];

fn parts(kills: usize) -> usize {
    (0..kills).map(|n| PARTS[n % PARTS.len()]).sum()
}

/// When the bridge is killed for the nth time: in turns while POSTs are on their way, in the middle
/// of an agent's line, and just after one was delivered; spread over all that will be said.
fn is_moment(progress: &Progress, n: usize, kills: usize, all: usize) -> bool {
    let due = all * parts(n + 1) / parts(kills + 1);
    match n % 3 {
        0 => progress.posted >= due,
        1 => progress.said >= due,
        _ => progress.heard >= due,
    }
}

/// How the killing went.
struct Killed {
    /// The last bridge.
    bridge: Program,
    /// The longest time from a start to its `listening`.
    slowest_start: Duration,
    /// The shortest and the longest life of a bridge.
    lives: (Duration, Duration),
    /// From the first kill to the last start.
    took: Duration,
    /// What was said and heard meanwhile.
    messages: usize,
}

/// Kills the bridge at its moments and starts the next one at once.
async fn kill(load: Arc<Load>, wrapper: Vec<String>, kills: usize) -> Killed {
    let now = || load.clock.now().mono;
    let mut progress = load.progress.subscribe();
    let all = load.chats * load.messages;
    let messages = |progress: Progress| progress.posted + progress.said;
    let mut bridge = load.site.serve_under(&wrapper).await;
    let (mut started, mut slowest_start) = (now(), Duration::ZERO);
    let mut lives = (Duration::MAX, Duration::ZERO);
    let mut first = None;
    for n in 0..kills {
        let moment = |progress: &Progress| is_moment(progress, n, kills, all);
        within("the next kill", progress.wait_for(moment)).await.expect("the run goes on");
        load.site.goes();
        bridge.kill();
        let at = now();
        first.get_or_insert((at, messages(*load.progress.borrow())));
        let life = at.since(started);
        lives = (lives.0.min(life), lives.1.max(life));
        bridge = load.site.serve_under(&wrapper).await;
        started = now();
        slowest_start = slowest_start.max(started.since(at));
    }
    let (began, before) = first.unwrap();
    let messages = messages(*load.progress.borrow()) - before;
    Killed { bridge, slowest_start, lives, took: now().since(began), messages }
}

fn texts(lines: &[(String, i64)]) -> Vec<&str> {
    lines.iter().map(|(text, _)| text.as_str()).collect()
}

/// The one line about this run.
fn tell(load: &Load, kills: usize, killed: &Killed, saw: &[Saw]) {
    let mut tally = Tally::default();
    for saw in saw {
        let sent = (1..=load.messages).map(|n| saw.who.asks(n)).zip(saw.sent.iter().copied());
        tally.add(&sent.collect::<Vec<_>>(), &lines(&saw.desk, "visitor"));
        tally.add(&lines(&saw.desk, "agent"), &saw.heard);
    }
    let sum = |of: fn(&Saw) -> usize| saw.iter().map(of).sum::<usize>();
    let cut = format!(
        "cut {} POSTs and {} polls, payloads again without acks {}",
        sum(|saw| saw.posts_cut),
        sum(|saw| saw.polls_cut),
        sum(|saw| saw.repeated),
    );
    let rate = killed.messages as f64 / killed.took.as_secs_f64();
    let (shortest, longest) = (killed.lives.0.as_millis(), killed.lives.1.as_millis());
    let pace = format!(
        "{rate:.0} messages a second, lives of {shortest} to {longest} ms, slowest start {} ms",
        killed.slowest_start.as_millis()
    );
    let what = format!("kill -9, {kills} times, {} chats", saw.len());
    tally.tell("K1", &what, &format!("{pace}; {cut}"));
    // What is promised, where nothing else runs.
    let start_max = long_or(Duration::from_secs(2), Duration::from_secs(30));
    assert!(killed.slowest_start <= start_max, "a start took {:?}", killed.slowest_start);
    assert!(rate >= long_or(200.0, 1.0), "{rate:.0} messages a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_survive_kills_in_mid_sentence() {
    let wrapper = std::env::var("LOAD_BRIDGE").map_or_else(|_| Vec::new(), |path| instead(&path));
    let (kills, chats, messages) = long_or((200, 300, 130), (20, 50, 14));
    assert_eq!(chats % KINDS.len(), 0, "as many of each kind");
    let site = Site::under(&wrapper, "none").await;
    // As it comes: 22 messages a minute and conversation, more are merged.
    let config = std::fs::read_to_string(site.config()).unwrap();
    let budget = "message_budget = \"1000/min\"\n";
    assert!(config.contains(budget));
    std::fs::write(site.config(), config.replace(budget, "")).unwrap();
    let load = Arc::new(Load::new(site, chats, messages));
    let killer = tokio::spawn(kill(load.clone(), wrapper, kills));
    let desk = tokio::spawn(load.clone().receive());
    let mut visits = JoinSet::new();
    for who in load.everybody() {
        visits.spawn(load.clone().chat(who));
    }
    // Whatever fails first is what is told.
    let mut saw = Vec::new();
    while let Some(visited) = visits.join_next().await {
        saw.push(visited.unwrap());
    }
    desk.await.unwrap();
    let killed = killer.await.unwrap();
    tell(&load, kills, &killed, &saw);
    drop(killed.bridge);

    assert_eq!(load.at_the_desk().await, chats, "no chat was asked for twice");
    let cut = saw.iter().map(|saw| saw.posts_cut).sum::<usize>();
    assert!(cut > 0, "no POST was on its way when the bridge was killed");
    for saw in &saw {
        let (who, name) = (saw.who, saw.who.name());
        let asked: Vec<_> = (1..=messages).map(|n| who.asks(n)).collect();
        let answered: Vec<_> = (1..=messages).map(|n| who.answers(n)).collect();
        assert_eq!(texts(&lines(&saw.desk, "visitor")), asked, "{name}");
        assert_eq!(texts(&saw.heard), answered, "{name}");
        assert_eq!(saw.ended, 1, "{name}");
    }
}
