//! What the log says of moves, and what it must not say.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use liveagent_bridge::app::LogDecisions;
use liveagent_bridge::chat::ids::ChatId;
use liveagent_bridge::facade::{Decided, Decisions};
use liveagent_bridge::router::change::Action;
use liveagent_bridge::router::plan::Stage;
use liveagent_bridge::store::memory::MemoryStore;
use tracing::subscriber::DefaultGuard;

use super::{DAY, Node, at, first, panicking, roll_back, to};
use crate::stage::tenant;

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn count(&self, words: &str) -> usize {
        self.text().matches(words).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_logged_without_its_author_and_reason() {
    let (log, _guard) = Log::begin();
    let node = Node::alone("2026-01-10T00:00:00Z").await;
    node.done(to(Stage::Shadow)).await;
    node.done(Action::Freeze).await;
    assert_eq!(log.count("a change was made"), 2, "{}", log.text());
    // The author may be an e-mail address, and the reason may name anybody.
    for secret in ["ops@acme.example", "the plan says so"] {
        assert_eq!(log.count(secret), 0, "{}", log.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_goes_against_the_calendar_is_a_warning() {
    let (log, _guard) = Log::begin();
    let node = Node::alone("2026-02-14T00:00:01Z").await;
    let chat = |node: &Node| {
        let now = node.clock.now().wall;
        let decision = node.cutover.decide(&node.tenants[0], None, now, first());
        let (tenant, chat) = ("acme".to_owned(), ChatId(uuid::Uuid::from_u128(1)));
        let (route, because) = (decision.route, decision.because);
        LogDecisions.decided(Decided { tenant, chat, at: now, route, because });
    };
    chat(&node);
    let until = node.clock.now().wall.plus_millis(DAY);
    node.done(roll_back(Some(until))).await;
    chat(&node);
    node.done(Action::WithdrawAcknowledgement).await;
    chat(&node);
    let text = log.text();
    let level = |code: &str| {
        let code = format!("because=\"{code}\"");
        let line = text.lines().find(|line| line.contains(&code)).expect("a line");
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    assert_eq!(level("past-removal").as_deref(), Some("INFO"));
    assert_eq!(level("acknowledged-legacy").as_deref(), Some("WARN"));
    assert_eq!(level("legacy-ignored-past-removal").as_deref(), Some("WARN"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_file_that_is_gone_is_told_as_such() {
    let (log, _guard) = Log::begin();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panic.toml");
    std::fs::write(&file, "acme = \"miaw\"\n\"*\" = \"refuse\"\n").unwrap();
    let store = Arc::new(MemoryStore::new());
    let tenants = vec![tenant("acme"), tenant("globex")];
    let node = panicking("2026-01-10T00:00:00Z", tenants, store, Some(file.clone())).await;
    assert_eq!(log.count("says=* = refuse, acme = miaw"), 1, "{}", log.text());
    std::fs::remove_file(&file).unwrap();
    node.wait_for(|cutover| cutover.effective("acme").unwrap().panic.is_none()).await;
    assert_eq!(log.count("beats plans and changes"), 1, "{}", log.text());
    assert_eq!(log.count("the panic file says nothing any more"), 1, "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn the_margin_is_told_once_since_running_legacy_chats_will_be_ended() {
    let (log, _guard) = Log::begin();
    let node = Node::alone("2026-02-13T21:59:00Z").await;
    let told = "ended at the removal";
    assert_eq!(log.count(told), 0);
    let pass = |seconds| {
        let until = node.clock.now().mono.plus(Duration::from_secs(seconds));
        node.clock.until(until)
    };
    pass(62).await;
    assert_eq!(log.count(told), 2, "once for each of two tenants: {}", log.text());
    pass(600).await;
    node.clock.set_wall(at("2026-02-14T00:00:01Z"));
    pass(5).await;
    assert_eq!(log.count(told), 2, "{}", log.text());
}
