//! Changes at run time: taken or refused, stored, folded, seen by every node.

use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::Tenant;
use liveagent_bridge::cutover::{Cutover, POLL_EVERY, ProposeError};
use liveagent_bridge::router::change::{Action, Change, Evidence, Proposal};
use liveagent_bridge::router::decide::{Draw, Route};
use liveagent_bridge::router::plan::Stage;
use liveagent_bridge::store::Store as _;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use tokio_util::sync::CancellationToken;

use crate::stage::tenant;

const DAY: i64 = 24 * 3_600_000;

fn at(text: &str) -> Wall {
    Wall::parse(text).unwrap()
}

fn first() -> Draw {
    Draw::new(0).unwrap()
}

/// One node.
struct Node {
    cutover: Cutover,
    clock: Clock,
    store: Arc<MemoryStore>,
    tenants: Vec<Tenant>,
    _stop: tokio_util::sync::DropGuard,
}

async fn node(now: &str, tenants: Vec<Tenant>, store: Arc<MemoryStore>) -> Node {
    let clock = Clock::starting_at(at(now));
    let stop = CancellationToken::new();
    let started = Cutover::start(&tenants, store.clone(), clock.clone(), None, stop.clone());
    let cutover = started.await.unwrap();
    Node { cutover, clock, store, tenants, _stop: stop.drop_guard() }
}

impl Node {
    async fn alone(now: &str) -> Self {
        node(now, vec![tenant("acme"), tenant("globex")], Arc::new(MemoryStore::new())).await
    }

    fn number(&self) -> u64 {
        self.cutover.effective("acme").unwrap().number
    }

    async fn propose(&self, action: Action) -> Result<Change, ProposeError> {
        self.cutover.propose("acme", proposal(self.number(), action)).await
    }

    async fn done(&self, action: Action) -> Change {
        self.propose(action).await.unwrap()
    }

    /// The code that an action is refused with.
    async fn refused(&self, action: Action) -> &'static str {
        match self.propose(action.clone()).await {
            Err(ProposeError::Refused(refused)) => refused.code,
            other => panic!("{action:?} gave {other:?}"),
        }
    }

    fn route(&self) -> (Route, &'static str) {
        let now = self.clock.now().wall;
        let decision = self.cutover.decide(&self.tenants[0], None, now, first());
        (decision.route, decision.because.code())
    }

    /// Waits until the node has seen the change of this number.
    async fn has_seen(&self, number: u64) {
        let seen = async {
            while self.number() < number {
                tokio::time::advance(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap();
    }
}

fn proposal(expected: u64, action: Action) -> Proposal {
    let (who, why) = ("ops@acme.example".to_owned(), "the plan says so".to_owned());
    Proposal { expected, who, why, action }
}

fn to(stage: Stage) -> Action {
    Action::Stage { stage, button: None, without_evidence: false, acknowledged_until: None }
}

fn sure(stage: Stage) -> Action {
    Action::Stage { stage, button: None, without_evidence: true, acknowledged_until: None }
}

fn roll_back(acknowledged_until: Option<Wall>) -> Action {
    Action::RollBack { button: None, acknowledged_until }
}

fn evidence(made_at: Wall, errors: u64) -> Action {
    Action::Evidence(Evidence { hash: "0123456789abcdef".to_owned(), made_at, errors })
}

#[tokio::test(start_paused = true)]
async fn a_tenant_walks_through_the_stages() {
    let node = Node::alone("2026-01-10T00:00:00Z").await;
    assert_eq!(node.route(), (Route::Legacy, "auto-legacy"));
    node.done(to(Stage::Shadow)).await;
    assert_eq!(node.route(), (Route::Legacy, "change"));
    node.done(evidence(node.clock.now().wall, 0)).await;
    node.done(to(Stage::Ramp { percent: 10 })).await;
    assert_eq!(node.route(), (Route::Miaw, "ramp"));
    node.done(to(Stage::Miaw)).await;
    assert_eq!(node.route(), (Route::Miaw, "change"));
    assert_eq!(node.refused(to(Stage::Complete)).await, "too-early");
    node.clock.set_wall(at("2026-01-18T00:00:00Z"));
    let last = node.done(to(Stage::Complete)).await;
    assert_eq!((last.number, last.who.as_str()), (5, "ops@acme.example"));
    assert_eq!(node.route(), (Route::Miaw, "change"));
    let kinds: Vec<&str> =
        node.cutover.changes("acme", 0, 100).iter().map(|change| change.action.kind()).collect();
    assert_eq!(kinds, ["stage", "evidence", "stage", "stage", "stage"]);
    assert_eq!(node.cutover.changes("globex", 0, 100), []);
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_that_expect_the_same_number_one_is_taken() {
    let store = Arc::new(MemoryStore::new());
    let one = node("2026-01-10T00:00:00Z", vec![tenant("acme")], store.clone()).await;
    let other = node("2026-01-10T00:00:00Z", vec![tenant("acme")], store.clone()).await;
    let (a, b) = tokio::join!(
        one.cutover.propose("acme", proposal(0, to(Stage::Shadow))),
        other.cutover.propose("acme", proposal(0, sure(Stage::Miaw))),
    );
    let conflict =
        |r: &Result<Change, ProposeError>| matches!(r, Err(ProposeError::Conflict { last: 1 }));
    assert!(a.is_ok() && conflict(&b) || b.is_ok() && conflict(&a), "{a:?} {b:?}");
    assert_eq!(store.changes_after(0, 10).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_node_follows_within_a_second() {
    let store = Arc::new(MemoryStore::new());
    let one = node("2026-01-10T00:00:00Z", vec![tenant("acme")], store.clone()).await;
    let other = node("2026-01-10T00:00:00Z", vec![tenant("acme")], store).await;
    let change = one.done(sure(Stage::Miaw)).await;
    assert_eq!(one.route().0, Route::Miaw);
    let before = other.clock.now().mono;
    other.has_seen(change.number).await;
    let took = other.clock.now().mono.since(before);
    assert!(took <= POLL_EVERY + Duration::from_millis(100), "{took:?}");
    assert_eq!(other.route().0, Route::Miaw);
    let fingerprint = |node: &Node| node.cutover.effective("acme").unwrap().fingerprint();
    assert_eq!(fingerprint(&one), fingerprint(&other));
}

#[tokio::test(start_paused = true)]
async fn latches_of_the_first_format_are_read() {
    let store = Arc::new(MemoryStore::new());
    let removal = at("2026-02-14T00:00:00Z");
    let old = format!(r#"{{"kind":"pastRemoval","tenant":"acme","seen":{}}}"#, removal.millis());
    store.append_change(removal, old.into_bytes(), 0).await.unwrap();
    let later = br#"{"kind":"moon","tenant":"acme","phase":3}"#.to_vec();
    store.append_change(removal, later, 1).await.unwrap();
    store.append_change(removal, b"not JSON".to_vec(), 2).await.unwrap();
    let node = node("2026-02-13T00:00:00Z", vec![tenant("acme")], store).await;
    assert_eq!(node.route(), (Route::Miaw, "latched"));
    assert!(node.cutover.waiting().is_empty());
    assert_eq!(node.number(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_roll_back_works_before_the_removal_and_needs_a_date_after_it() {
    let node = Node::alone("2026-01-10T00:00:00Z").await;
    node.done(sure(Stage::Miaw)).await;
    node.done(roll_back(None)).await;
    assert_eq!(node.route(), (Route::Legacy, "rolled-back"));
    node.done(sure(Stage::Miaw)).await;
    let removal = node.tenants[0].plan.removal;
    node.clock.set_wall(removal.plus_millis(-1));
    assert_eq!(node.refused(roll_back(None)).await, "within-margin");
    node.clock.set_wall(removal);
    assert_eq!(node.refused(roll_back(None)).await, "past-removal");
    assert_eq!(node.refused(to(Stage::Legacy)).await, "past-removal");
    assert_eq!(node.refused(to(Stage::Ramp { percent: 99 })).await, "past-removal");
    assert_eq!(node.refused(roll_back(Some(removal))).await, "acknowledgement-date");
    node.done(roll_back(Some(removal.plus_millis(DAY)))).await;
    assert_eq!(node.route(), (Route::Legacy, "acknowledged-legacy"));
    node.clock.set_wall(removal.plus_millis(DAY));
    assert_eq!(node.route(), (Route::Miaw, "legacy-ignored-past-removal"));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_be_stored_does_not_hold() {
    let node = Node::alone("2026-01-10T00:00:00Z").await;
    node.store.stop_writes();
    assert!(matches!(node.propose(sure(Stage::Miaw)).await, Err(ProposeError::Store(_))));
    assert_eq!(node.route(), (Route::Legacy, "auto-legacy"));
    node.store.resume_writes();
    node.done(sure(Stage::Miaw)).await;
    assert_eq!(node.route(), (Route::Miaw, "change"));
}
