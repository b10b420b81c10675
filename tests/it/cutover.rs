//! Changes at run time: taken or refused, stored, folded, seen by every node.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::Tenant;
use liveagent_bridge::cutover::{Cutover, POLL_EVERY, ProposeError};
use liveagent_bridge::router::change::{Action, Change, Evidence, Proposal};
use liveagent_bridge::router::decide::{Draw, Route};
use liveagent_bridge::router::plan::{ButtonPlan, Stage, Step};
use liveagent_bridge::store::Store as _;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use tokio_util::sync::CancellationToken;

use crate::stage::tenant;

mod budget;
mod chats;
mod refusals;
mod rehearsal;
mod shadow;
mod told;

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
    panicking(now, tenants, store, None).await
}

async fn panicking(
    now: &str,
    tenants: Vec<Tenant>,
    store: Arc<MemoryStore>,
    file: Option<PathBuf>,
) -> Node {
    let clock = Clock::starting_at(at(now));
    let stop = CancellationToken::new();
    let started = Cutover::start(&tenants, store.clone(), clock.clone(), file, stop.clone());
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

    /// Waits, at most ten seconds, and answers how long it took.
    async fn wait_for(&self, condition: impl Fn(&Cutover) -> bool) -> Duration {
        let begin = self.clock.now().mono;
        while !condition(&self.cutover) {
            let waited = self.clock.now().mono.since(begin);
            assert!(waited < Duration::from_secs(10), "not after {waited:?}");
            self.clock.until(self.clock.now().mono.plus(Duration::from_millis(10))).await;
        }
        self.clock.now().mono.since(begin)
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
    let (hash, mappings) = ("0123456789abcdef".to_owned(), Vec::new());
    Action::Evidence(Evidence { hash, made_at, errors, mappings, report: None })
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
    let seen = |cutover: &Cutover| cutover.effective("acme").unwrap().number == change.number;
    let took = other.wait_for(seen).await;
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

#[tokio::test(start_paused = true)]
async fn a_sighting_of_the_removal_is_stored_once_and_can_be_undone_with_a_reason() {
    let store = Arc::new(MemoryStore::new());
    let one = node("2026-02-13T00:00:00Z", vec![tenant("acme")], store.clone()).await;
    let other = node("2026-02-13T00:00:00Z", vec![tenant("acme")], store.clone()).await;
    // A clock runs a day and an hour ahead; the store cannot be written just then.
    store.stop_writes();
    one.clock.set_wall(at("2026-02-14T01:00:00Z"));
    assert_eq!(one.route(), (Route::Miaw, "past-removal"));
    assert_eq!(one.cutover.waiting().len(), 1);
    store.resume_writes();
    one.wait_for(|cutover| cutover.waiting().is_empty()).await;
    assert_eq!(one.route(), (Route::Miaw, "past-removal"));
    let changes = one.cutover.changes("acme", 0, 10);
    let [seen] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((seen.who.as_str(), seen.action.kind()), ("bridge", "pastRemoval"));
    assert!(seen.why.contains("2026-02-14T00:00:00Z"), "{}", seen.why);
    // The other node's clock is right, and yet the removal is past for it.
    other.wait_for(|cutover| cutover.effective("acme").unwrap().number == 1).await;
    assert_eq!(other.route(), (Route::Miaw, "latched"));
    assert_eq!(one.refused(Action::UndoPastRemoval).await, "past-removal");
    one.clock.set_wall(at("2026-02-13T00:00:00Z"));
    assert_eq!(one.route(), (Route::Miaw, "latched"));
    one.done(Action::UndoPastRemoval).await;
    assert_eq!(one.route(), (Route::Legacy, "auto-legacy"));
    other.wait_for(|cutover| cutover.effective("acme").unwrap().number == 2).await;
    assert_eq!(other.route(), (Route::Legacy, "auto-legacy"));
    // At the true removal it latches again.
    one.clock.set_wall(at("2026-02-14T00:00:00Z"));
    assert_eq!(one.route(), (Route::Miaw, "past-removal"));
    one.wait_for(|cutover| cutover.waiting().is_empty()).await;
    assert_eq!(store.changes_after(0, 10).await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_edited_file_does_not_override_a_change_and_is_shown() {
    let store = Arc::new(MemoryStore::new());
    let one = node("2026-01-10T00:00:00Z", vec![tenant("acme")], store.clone()).await;
    let change = one.done(sure(Stage::Ramp { percent: 10 })).await;
    assert_eq!(one.cutover.effective("acme").unwrap().drift, None);
    let mut edited = tenant("acme");
    let wall = at("2026-01-01T00:00:00Z");
    edited.plan.steps = vec![Step { at: wall, stage: Stage::Miaw }];
    let restarted = node("2026-01-10T00:00:00Z", vec![edited.clone()], store).await;
    let effective = restarted.cutover.effective("acme").unwrap();
    let drift = effective.drift.clone().unwrap();
    assert_eq!((drift.number, Some(drift.recorded)), (change.number, change.file_plan));
    assert_eq!(drift.file, edited.plan.fingerprint());
    assert_eq!(effective.stage(None, wall), Stage::Ramp { percent: 10 });
    // The same by a reload; followed again, nothing stands against the file.
    one.cutover.replace(&[edited]);
    assert!(one.cutover.effective("acme").unwrap().drift.is_some());
    assert!(one.cutover.effective("globex").is_none());
    one.done(Action::Follow { button: None, without_evidence: true }).await;
    let effective = one.cutover.effective("acme").unwrap();
    assert_eq!((effective.drift.clone(), effective.stage(None, wall)), (None, Stage::Miaw));
}

#[tokio::test(start_paused = true)]
async fn history_is_answered_as_it_was() {
    let node = Node::alone("2026-01-10T00:00:00Z").await;
    let before = node.clock.now().wall;
    node.clock.set_wall(before.plus_millis(DAY));
    node.done(sure(Stage::Miaw)).await;
    node.clock.set_wall(before.plus_millis(2 * DAY));
    node.done(roll_back(None)).await;
    let stage = |days| {
        let wall = before.plus_millis(days * DAY + 1);
        node.cutover.effective_at("acme", wall).unwrap().stage(None, wall)
    };
    assert_eq!([stage(0), stage(1), stage(2)], [Stage::Legacy, Stage::Miaw, Stage::Legacy]);
    assert_eq!(node.cutover.changes("acme", 1, 10).len(), 1);
    assert_eq!(node.cutover.changes("acme", 0, 1)[0].number, 1);
}

#[tokio::test(start_paused = true)]
async fn the_panic_file_holds_within_a_second_also_without_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panic.toml");
    let store = Arc::new(MemoryStore::new());
    let tenants = vec![tenant("acme"), tenant("globex")];
    let day = "2026-01-10T00:00:00Z";
    let node = panicking(day, tenants.clone(), store.clone(), Some(file.clone())).await;
    let panic = |cutover: &Cutover| cutover.effective("acme").unwrap().panic;
    assert_eq!(node.route(), (Route::Legacy, "auto-legacy"), "a file that is not there is fine");
    store.stop_writes();
    for (text, expected) in [
        ("acme = \"miaw\"\n", (Route::Miaw, "panic-file")),
        ("\"*\" = \"refuse\"\nglobex = \"miaw\"\n", (Route::Refused, "panic-file")),
        ("acme = \"legacy\"\nnobody = \"miaw\"\n", (Route::Legacy, "panic-file")),
    ] {
        let before = panic(&node.cutover);
        std::fs::write(&file, text).unwrap();
        let took = node.wait_for(|cutover| panic(cutover) != before).await;
        assert!(took <= Duration::from_millis(1_100), "{took:?}");
        assert_eq!(node.route(), expected, "{text}");
    }
    // A broken one is ignored: the last good one holds.
    std::fs::write(&file, "acme = \"refuse\"\nglobex = ").unwrap();
    node.clock.until(node.clock.now().mono.plus(Duration::from_secs(3))).await;
    assert_eq!(node.route(), (Route::Legacy, "panic-file"));
    std::fs::remove_file(&file).unwrap();
    node.wait_for(|cutover| panic(cutover).is_none()).await;
    assert_eq!(node.route(), (Route::Legacy, "auto-legacy"));
    // One that is there at the start holds from the first chat on.
    std::fs::write(&file, "acme = \"miaw\"\n").unwrap();
    let next = panicking(day, tenants, store, Some(file)).await;
    assert_eq!(next.route(), (Route::Miaw, "panic-file"));
}
