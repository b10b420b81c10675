//! Shadowed chats: what MIAW would make of a `ChasitorInit` that legacy serves, counted.
//!
//! Promised: a request is looked at after the real service has answered it, and is neither delayed
//! nor changed; what finds the queue full is dropped, counted, and told in the log once; nothing
//! but codes and numbers is kept or written (`report::shadow`). Counts are of this process, and
//! what it has not written when it is killed is lost. Not here: which chats are relayed (the
//! facade).
//!
//! `counts` folds, `files` writes, this file is the handle and the task between them.

mod counts;
mod files;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::Body;
use bytes::Bytes;
use http::Response;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::capture::Asked;
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::report::finding::Finding;
use crate::report::shadow::Shadow;
use crate::router::effective::Effective;
use crate::router::stage::Stage;
use crate::tap::{self, Tapped};
use crate::time::Wall;
use counts::{Counts, Totals};

/// Inits that wait to be translated; with [`COPY_BYTES`] the bound of their memory.
const QUEUE: usize = 256;
/// Inits that are translated at a time.
const BATCH: usize = 32;
/// The largest body that is looked at; a longer one is counted as dropped.
const COPY_BYTES: usize = 128 * 1024;
/// How often counts are written.
pub const WRITE_EVERY: Duration = Duration::from_secs(60);

/// Translates an init and tells what was noticed; `None` when it cannot be read.
pub type Examine = Arc<dyn Fn(&Tenant, &str) -> Option<Vec<Finding>> + Send + Sync>;

/// A session, so that a retry is known; its key cannot be read back.
type Session = [u8; 16];

/// An answer of the real service: marks what was relayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed;

/// A relayed init.
struct Sighting {
    config: Arc<Config>,
    tenant: String,
    plan: Arc<Effective>,
    session: Session,
    at: Wall,
    batch: bool,
    body: Bytes,
}

/// Where sightings go, and what they amount to. Clones share everything.
#[derive(Clone)]
pub struct Shadows {
    shared: Arc<Shared>,
}

struct Shared {
    queue: mpsc::Sender<Sighting>,
    totals: Totals,
    dropped: AtomicU64,
    salt: [u8; 16],
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Whether chats that legacy serves in this stage are looked at.
const fn is_shadowed(stage: Stage) -> bool {
    matches!(stage, Stage::Shadow | Stage::Ramp { .. })
}

impl Shadows {
    /// Starts the task that translates and counts.
    #[must_use]
    pub fn start(clock: Clock, examine: Examine) -> Self {
        let (queue, sightings) = mpsc::channel(QUEUE);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let totals: Totals = Arc::new(Mutex::new(BTreeMap::new()));
        let counts = Counts::new(examine, totals.clone());
        tasks.spawn(run(counts, sightings, clock, stop.clone()));
        let (salt, dropped) = (rand::random(), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { queue, totals, dropped, salt, stop, tasks }) }
    }

    /// A watch over one request, when it may begin a chat that is to be looked at.
    pub(crate) fn watch(
        &self,
        tenant: &Tenant,
        plan: Arc<Effective>,
        at: Wall,
        key: Option<&str>,
        asked: Asked,
    ) -> Option<Watch> {
        let batch = asked == Asked::Batch;
        let buttons = plan.buttons_with_rules();
        let any = is_shadowed(plan.stage(None, at))
            || buttons.iter().any(|button| is_shadowed(plan.stage(Some(button), at)));
        if tenant.legacy.is_none() || !any {
            return None;
        }
        let session = self.session(key?);
        Some(Watch { shadows: self.clone(), plan, session, at, batch, sent: Arc::default() })
    }

    /// What was counted of a tenant since the process started, a document for each mapping.
    #[must_use]
    pub fn snapshot(&self, tenant: &str) -> Vec<Shadow> {
        let totals = self.shared.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let own = totals.iter().filter(|((id, _), _)| id == tenant);
        own.map(|(_, shadow)| shadow.clone()).collect()
    }

    /// How many chats were not looked at, because the task was behind or an init too large.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Counts and writes what is known and stops.
    pub async fn drained(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn session(&self, key: &str) -> Session {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.shared.salt);
        hash.update(key.as_bytes());
        let mut session = Session::default();
        session.copy_from_slice(&hash.finish().as_ref()[..16]);
        session
    }

    fn drop_one(&self) {
        if self.shared.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                "shadow counts are incomplete: the translator is behind, or an init is larger than \
                 {COPY_BYTES} bytes"
            );
        }
    }
}

impl std::fmt::Debug for Shadows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shadows").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// One request, looked at while it passes.
pub(crate) struct Watch {
    shadows: Shadows,
    plan: Arc<Effective>,
    session: Session,
    at: Wall,
    batch: bool,
    sent: Arc<Mutex<tap::Copy>>,
}

impl Watch {
    /// The request's body, to be used in place of the original.
    pub(crate) fn request(&self, body: Body) -> Body {
        let sent = self.sent.clone();
        Body::new(Tapped::new(body, COPY_BYTES, move |copy| {
            *sent.lock().unwrap_or_else(PoisonError::into_inner) = copy;
        }))
    }

    /// The request was answered: looked at if the real service took it.
    pub(crate) fn answered(self, response: &Response<Body>, config: &Arc<Config>, tenant: &str) {
        let relayed = response.extensions().get::<Relayed>().is_some();
        if !relayed || !response.status().is_success() {
            return;
        }
        let copy = std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner));
        if !copy.whole {
            self.shadows.drop_one();
            return;
        }
        let Self { plan, session, at, batch, .. } = self;
        let (config, tenant, body) = (config.clone(), tenant.to_owned(), Bytes::from(copy.bytes));
        let sighting = Sighting { config, tenant, plan, session, at, batch, body };
        if self.shadows.shared.queue.try_send(sighting).is_err() {
            self.shadows.drop_one();
        }
    }
}

async fn run(
    mut counts: Counts,
    mut sightings: mpsc::Receiver<Sighting>,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut write_at = clock.now().mono.plus(WRITE_EVERY);
    loop {
        let (mut batch, mut last) = (Vec::new(), false);
        tokio::select! {
            biased;
            count = sightings.recv_many(&mut batch, BATCH) => last = count == 0,
            () = stop.cancelled() => last = true,
            () = clock.until(write_at) => {}
        }
        let now = clock.now().mono;
        let write = last || now >= write_at;
        if write {
            write_at = now.plus(WRITE_EVERY);
        }
        let done = tokio::task::spawn_blocking(move || {
            batch.iter().for_each(|sighting| counts.take(sighting));
            if write {
                counts.write();
            }
            counts
        });
        match done.await {
            Ok(back) if !last => counts = back,
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%error, "shadowed chats are not counted any more");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use http_body_util::BodyExt as _;

    use super::*;

    const CONFIG: &str = r#"
        [store]
        path = "shadow-test.sqlite"
        [[tenant]]
        id = "acme"
        hosts = ["acme.example"]
        [tenant.legacy]
        live_agent_base_url = "https://d.la1-c1-iad.salesforceliveagent.com"
        organization_id = "00D000000000062"
        deployment_id = "572000000000001"
        button_id = "573000000000001"
        [tenant.miaw]
        base_url = "https://acme.my.salesforce-scrt.com"
        organization_id = "00D000000000062"
        embedded_service_developer_name = "Web_Support"
        [tenant.plan]
        [[tenant.plan.step]]
        at = "2026-01-01T00:00:00Z"
        stage = "shadow"
    "#;

    struct Passing {
        config: Arc<Config>,
        shadows: Shadows,
    }

    impl Passing {
        fn new(folder: &Path) -> Self {
            let loaded = crate::config::load_str(CONFIG, folder, &|_| None).expect("good");
            let clock =
                Clock::starting_at(Wall::parse("2026-01-20T00:00:00Z").expect("an instant"));
            let shadows = Shadows::start(clock, Arc::new(|_, _| Some(Vec::new())));
            Self { config: Arc::new(loaded.config), shadows }
        }

        /// Passes an init; answers what arrived at the other side.
        async fn pass(&self, key: &str, body: &str, answer: Response<Body>) -> Bytes {
            self.pass_as(Asked::Init, key, body, answer).await
        }

        async fn pass_as(
            &self,
            asked: Asked,
            key: &str,
            body: &str,
            answer: Response<Body>,
        ) -> Bytes {
            let tenant = &self.config.tenants[0];
            let at = Wall::parse("2026-01-20T00:00:00Z").expect("an instant");
            let plan = Arc::new(Effective::from(&tenant.plan));
            let watch = self.shadows.watch(tenant, plan, at, Some(key), asked);
            let watch = watch.expect("in shadow");
            let passed = watch.request(Body::from(body.to_owned()));
            let passed = passed.collect().await.expect("a body").to_bytes();
            watch.answered(&answer, &self.config, "acme");
            passed
        }
    }

    fn relayed() -> Response<Body> {
        let mut answer = Response::new(Body::empty());
        answer.extensions_mut().insert(Relayed);
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_queue_cannot_hold_is_dropped_and_counted_and_passes_all_the_same() {
        let home = tempfile::tempdir().expect("a folder");
        let passing = Passing::new(home.path());
        // Nothing here waits, so that the task has no turn.
        for n in 0..QUEUE + 10 {
            assert_eq!(passing.pass(&n.to_string(), "{}", relayed()).await, "{}");
        }
        assert_eq!(passing.shadows.dropped(), 10);
        let large = "x".repeat(COPY_BYTES + 1);
        assert_eq!(passing.pass("large", &large, relayed()).await, large);
        assert_eq!(passing.shadows.dropped(), 11);
        // Answers that are not the real service's, and refusals.
        passing.pass("ours", "{}", Response::new(Body::empty())).await;
        let mut refused = relayed();
        *refused.status_mut() = http::StatusCode::FORBIDDEN;
        passing.pass("refused", "{}", refused).await;
        passing.shadows.drained().await;
        let counts = passing.shadows.snapshot("acme");
        assert_eq!((counts.len(), counts[0].inits), (1, QUEUE as u64));
        let file = home.path().join("shadow/acme-2026-01-20.shadow.ndjson");
        let text = std::fs::read_to_string(file).expect("beside the store");
        assert_eq!(text, counts[0].to_line() + "\n");
    }

    #[tokio::test(start_paused = true)]
    async fn batches_are_opened_and_what_cannot_be_read_is_counted_as_that() {
        let home = tempfile::tempdir().expect("a folder");
        let passing = Passing::new(home.path());
        let batch = |noun: &str| {
            let one = r#"{"prefix":"Chasitor","noun":"NOUN","object":{"visitorName":"Vera"}}"#;
            format!(r#"{{"nouns":[{}]}}"#, one.replace("NOUN", noun))
        };
        let pass = async |key: &str, body: &str| {
            passing.pass_as(Asked::Batch, key, body, relayed()).await;
        };
        pass("one", &batch("ChasitorInit")).await;
        pass("two", &batch("ChatMessage")).await;
        pass("three", "not JSON").await;
        passing.pass("four", "not JSON", relayed()).await;
        // A retry, in the other form.
        passing.pass("one", "{}", relayed()).await;
        passing.shadows.drained().await;
        let counts = passing.shadows.snapshot("acme");
        assert_eq!((counts[0].inits, counts[0].unreadable), (1, 1), "{counts:?}");
        assert_eq!(passing.shadows.snapshot("other"), []);
    }
}
