//! The error budget in a whole bridge: what uses it up, what it does then, and what it never does.

use futures_util::future::join_all;
use liveagent_bridge::cutover::budget::{LOOK_EVERY, WHO};
use liveagent_bridge::emulator::Agents;
use liveagent_bridge::router::budget::BudgetRule;

use super::rehearsal::{BUTTON, Rehearsal, Visitor};
use super::*;

fn rule() -> BudgetRule {
    BudgetRule {
        min_chats: 5,
        max_share: 50,
        accept_within: Duration::from_secs(60),
        missing_after: Duration::from_secs(300),
        ..BudgetRule::default()
    }
}

async fn on_miaw(now: &str, agents: Agents, rule: BudgetRule) -> Rehearsal {
    let mut acme = tenant("acme");
    acme.plan.budget = Some(rule);
    let rehearsal = Rehearsal::new(now, agents, acme).await;
    rehearsal.change(sure(Stage::Miaw)).await;
    pass(&rehearsal, LOOK_EVERY * 2).await;
    rehearsal
}

async fn pass(rehearsal: &Rehearsal, span: Duration) {
    rehearsal.clock.until(rehearsal.clock.now().mono.plus(span)).await;
}

async fn begin(rehearsal: &Rehearsal, count: usize) -> Vec<Visitor> {
    let mut all = Vec::new();
    for n in 0..count {
        let mut visitor = rehearsal.session(&format!("Visitor {n}")).await;
        let init = visitor.init(BUTTON);
        visitor.posts(rehearsal, "ChasitorInit", &init).await;
        all.push(visitor);
    }
    all
}

/// Everybody asks for news for some time.
async fn poll(rehearsal: &Rehearsal, visitors: &mut [Visitor], span: Duration) {
    let until = rehearsal.clock.now().mono.plus(span);
    while rehearsal.clock.now().mono < until {
        join_all(visitors.iter_mut().map(|visitor| visitor.poll(rehearsal))).await;
        pass(rehearsal, Duration::from_secs(1)).await;
    }
}

fn automatic(rehearsal: &Rehearsal) -> Vec<Change> {
    let mut changes = rehearsal.bridge.cutover.changes("acme", 0, 100);
    changes.retain(|change| change.who == WHO);
    changes
}

#[tokio::test(start_paused = true)]
async fn chats_that_fail_are_rolled_back_once_and_again_after_the_next_move() {
    let now = "2026-01-20T12:00:00Z";
    let bridge = on_miaw(now, Agents::None, rule()).await;
    for round in 1..=2 {
        bridge.emulators.set_miaw(|knobs| knobs.available = false);
        let mut visitors = begin(&bridge, 6).await;
        for visitor in &mut visitors {
            visitor.until(&bridge, "ChatRequestFail", |_| true).await;
        }
        pass(&bridge, LOOK_EVERY * 3).await;
        let changes = automatic(&bridge);
        assert_eq!(changes.len(), round, "{changes:?}");
        let last = &changes[round - 1];
        assert_eq!(last.action, roll_back(None));
        assert!(last.why.starts_with("6 of 6 chats on MIAW went wrong"), "{}", last.why);
        assert!(last.why.contains("6 were not started"), "{}", last.why);
        bridge.session("After").await;
        assert_eq!(bridge.decision(), (Route::Legacy, "rolled-back"));
        // Not again by itself, whatever time passes.
        pass(&bridge, Duration::from_secs(3_600)).await;
        assert_eq!(automatic(&bridge).len(), round);
        bridge.change(sure(Stage::Ramp { percent: 100 })).await;
        pass(&bridge, LOOK_EVERY * 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_roll_back_that_cannot_be_stored_is_tried_again() {
    let bridge = on_miaw("2026-01-20T12:00:00Z", Agents::None, rule()).await;
    bridge.emulators.set_miaw(|knobs| knobs.available = false);
    for visitor in &mut begin(&bridge, 6).await {
        visitor.until(&bridge, "ChatRequestFail", |_| true).await;
    }
    bridge.memory.stop_writes();
    assert_eq!(automatic(&bridge), []);
    pass(&bridge, LOOK_EVERY * 3).await;
    assert_eq!(automatic(&bridge), []);
    bridge.memory.resume_writes();
    pass(&bridge, LOOK_EVERY * 2).await;
    assert_eq!(automatic(&bridge).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_too_long_counts_before_it_is_over() {
    let rule = BudgetRule { accept_within: Duration::from_secs(120), ..rule() };
    let bridge = on_miaw("2026-01-20T12:00:00Z", Agents::None, rule).await;
    let mut visitors = begin(&bridge, 5).await;
    poll(&bridge, &mut visitors, Duration::from_secs(60)).await;
    assert_eq!(automatic(&bridge), []);
    poll(&bridge, &mut visitors, Duration::from_secs(100)).await;
    let changes = automatic(&bridge);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].why.contains("5 waited longer than 120 s"), "{}", changes[0].why);
}

#[tokio::test(start_paused = true)]
async fn visitors_who_leave_use_nothing_up_and_silence_does() {
    let bridge = on_miaw("2026-01-20T12:00:00Z", Agents::None, rule()).await;
    // Their clients are gone: nobody waits, and nothing is heard.
    drop(begin(&bridge, 3).await);
    pass(&bridge, Duration::from_secs(290)).await;
    assert_eq!(automatic(&bridge), []);
    pass(&bridge, Duration::from_secs(20)).await;
    let changes = automatic(&bridge);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].why.starts_with("3 chats were started on MIAW and nothing was heard"));
}

#[tokio::test(start_paused = true)]
async fn after_the_removal_nothing_is_rolled_back() {
    let bridge = on_miaw("2026-02-14T00:00:00Z", Agents::None, rule()).await;
    bridge.emulators.set_miaw(|knobs| knobs.available = false);
    let mut visitors = begin(&bridge, 6).await;
    for visitor in &mut visitors {
        visitor.until(&bridge, "ChatRequestFail", |_| true).await;
    }
    pass(&bridge, LOOK_EVERY * 3).await;
    assert_eq!(automatic(&bridge), []);
    bridge.session("After").await;
    assert_eq!(bridge.decision().0, Route::Miaw);
}

#[tokio::test(start_paused = true)]
async fn chats_that_go_well_use_nothing_up() {
    let strict = BudgetRule { max_share: 0, min_chats: 1, ..rule() };
    let bridge = on_miaw("2026-01-20T12:00:00Z", Agents::Echo, strict).await;
    let mut visitors = begin(&bridge, 5).await;
    for visitor in &mut visitors {
        visitor.until(&bridge, "ChatEstablished", |_| true).await;
    }
    poll(&bridge, &mut visitors, Duration::from_secs(600)).await;
    assert_eq!(automatic(&bridge), []);
}
