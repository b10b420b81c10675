//! Captured traffic: for each chat of a tenant that opted in, one redacted line in a file.
//!
//! Promised: no value, name or key is written, only lengths, types and the names that pre-chat
//! gives to fields (`line`, `clean`); a chat never waits: what finds the queue full is dropped,
//! counted, and told in the log once. A chat is a line when it begins and another when it ends, so
//! that a killed process loses no more than its queue. Not promised: the end of a chat that goes on
//! in the next process.
//!
//! `tap` copies what passes by, `chats` folds it into lines, `files` keeps the files, and this file
//! is the handle and the task between them.

mod chats;
mod clean;
mod files;
pub mod line;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{CaptureConfig, Tenant};
use crate::tap::{self, Tapped};
use crate::time::Now;
use chats::Chats;
use files::Files;

/// Sightings that wait for the writer; with [`COPY_BYTES`] the bound of its memory.
const QUEUE: usize = 512;
/// Sightings that are worked on at a time.
const BATCH: usize = 128;
/// The largest body that is looked at; a longer init is counted as dropped.
const COPY_BYTES: usize = 128 * 1024;
/// How often silent chats and old files are looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// What a request asks for, as far as capturing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `ChasitorInit`.
    Init,
    /// `MultiNoun`, which may hold all the others.
    Batch,
    /// `ChatMessage`.
    Say,
    /// The visitor ends the chat.
    End,
    /// `System/Messages`.
    Poll,
}

/// A session, so that what belongs together is found; its key cannot be read back.
type Session = [u8; 16];

/// Something that was seen.
struct Sighting {
    tenant: Arc<str>,
    session: Session,
    at: Now,
    seen: Seen,
}

enum Seen {
    Init(Bytes),
    Batch(Bytes),
    Said,
    /// A poll's answer; empty when there was nothing to tell.
    Polled(Bytes),
    Over,
}

/// A tenant that opted in, and how.
type Chosen = (Arc<str>, CaptureConfig);
/// What the writer will hear of before it writes again.
type Folders = Arc<Mutex<Option<Vec<Chosen>>>>;

fn chosen<'a>(tenants: impl IntoIterator<Item = &'a Tenant>) -> Vec<Chosen> {
    let each = tenants.into_iter().filter_map(|tenant| {
        let config = tenant.capture.clone()?;
        Some((Arc::<str>::from(tenant.id.as_str()), config))
    });
    each.collect()
}

/// Where sightings go. Clones share everything.
#[derive(Clone)]
pub struct Capture {
    shared: Arc<Shared>,
}

struct Shared {
    tenants: RwLock<HashSet<Arc<str>>>,
    /// Folders that the writer has not heard of yet.
    folders: Folders,
    queue: mpsc::Sender<Sighting>,
    dropped: AtomicU64,
    salt: [u8; 16],
    clock: Clock,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Capture {
    /// Starts the writer; `None` when no tenant opted in.
    #[must_use]
    pub fn start<'a>(tenants: impl IntoIterator<Item = &'a Tenant>, clock: Clock) -> Option<Self> {
        let chosen = chosen(tenants);
        if chosen.is_empty() {
            return None;
        }
        let tenants = chosen.iter().map(|(tenant, _)| tenant.clone()).collect();
        let files = Files::new(chosen);
        let folders = Folders::default();
        let (queue, sightings) = mpsc::channel(QUEUE);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let writer = Writer {
            work: Work { chats: Chats::default(), files, folders: folders.clone() },
            sightings,
            clock: clock.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(writer.run());
        let (salt, dropped) = (rand::random(), AtomicU64::new(0));
        let tenants = RwLock::new(tenants);
        let shared = Shared { tenants, folders, queue, dropped, salt, clock, stop, tasks };
        Some(Self { shared: Arc::new(shared) })
    }

    /// Captures for these tenants from now on. Chats of others that are being captured are written
    /// when they end.
    pub fn reconfigure<'a>(&self, tenants: impl IntoIterator<Item = &'a Tenant>) {
        let chosen = chosen(tenants);
        let ids = chosen.iter().map(|(tenant, _)| tenant.clone()).collect();
        *self.shared.folders.lock().unwrap_or_else(PoisonError::into_inner) = Some(chosen);
        *self.shared.tenants.write().unwrap_or_else(PoisonError::into_inner) = ids;
    }

    /// A watch over one request, when its tenant opted in and it is of interest.
    #[must_use]
    pub fn watch(&self, tenant: &str, key: Option<&str>, asked: Asked) -> Option<Watch> {
        let tenants = self.shared.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let tenant = tenants.get(tenant)?.clone();
        let session = self.session(key?);
        Some(Watch { capture: self.clone(), tenant, session, asked, sent: Arc::default() })
    }

    /// How many sightings were dropped because the writer was behind or a body was too large.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what is known and stops.
    pub async fn drained(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        match self.dropped() {
            0 => {}
            count => tracing::warn!(count, "so many sightings were not captured"),
        }
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
                "captures are incomplete: the writer is behind, or an init is larger than \
                 {COPY_BYTES} bytes; how many are missing is told at the stop"
            );
        }
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("tenants", &self.shared.tenants).finish_non_exhaustive()
    }
}

/// One request and its answer, looked at while they pass.
pub struct Watch {
    capture: Capture,
    tenant: Arc<str>,
    session: Session,
    asked: Asked,
    sent: Arc<Mutex<tap::Copy>>,
}

impl Watch {
    /// The request's body, to be used in place of the original.
    pub fn request(&self, body: Body) -> Body {
        if !matches!(self.asked, Asked::Init | Asked::Batch) {
            return body;
        }
        let sent = self.sent.clone();
        Body::new(Tapped::new(body, COPY_BYTES, move |copy| {
            *sent.lock().unwrap_or_else(PoisonError::into_inner) = copy;
        }))
    }

    /// The answer, to be used in place of the original.
    #[must_use]
    pub fn response(self, response: Response<Body>) -> Response<Body> {
        let status = response.status();
        if status == StatusCode::FORBIDDEN {
            self.tell(Seen::Over);
            return response;
        }
        if !status.is_success() {
            return response;
        }
        let seen = match self.asked {
            Asked::Init | Asked::Batch => {
                let copy = std::mem::take(&mut *self.copied());
                if !copy.whole {
                    self.capture.drop_one();
                    return response;
                }
                let bytes = Bytes::from(copy.bytes);
                if self.asked == Asked::Init { Seen::Init(bytes) } else { Seen::Batch(bytes) }
            }
            Asked::Say => Seen::Said,
            Asked::End => Seen::Over,
            Asked::Poll if status == StatusCode::OK => {
                return response.map(|body| {
                    Body::new(Tapped::new(body, COPY_BYTES, move |copy| {
                        self.tell(Seen::Polled(Bytes::from(copy.bytes)));
                    }))
                });
            }
            Asked::Poll => Seen::Polled(Bytes::new()),
        };
        self.tell(seen);
        response
    }

    fn copied(&self) -> std::sync::MutexGuard<'_, tap::Copy> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, seen: Seen) {
        let shared = &self.capture.shared;
        let at = shared.clock.now();
        let (tenant, session) = (self.tenant.clone(), self.session);
        if shared.queue.try_send(Sighting { tenant, session, at, seen }).is_err() {
            self.capture.drop_one();
        }
    }
}

/// What the writer works with, away from the threads that serve.
struct Work {
    chats: Chats,
    files: Files,
    folders: Folders,
}

impl Work {
    fn go(&mut self, batch: &[Sighting], now: Now) {
        let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner).take();
        folders.into_iter().flatten().for_each(|(tenant, config)| self.files.put(tenant, config));
        for sighting in batch {
            self.chats.take(sighting);
        }
        self.chats.sweep(now.mono);
        for (tenant, line) in self.chats.lines() {
            self.files.append(&tenant, &line, now.wall);
        }
        self.files.flush(now.wall);
    }
}

struct Writer {
    work: Work,
    sightings: mpsc::Receiver<Sighting>,
    clock: Clock,
    stop: CancellationToken,
}

impl Writer {
    async fn run(mut self) {
        let mut work = self.work;
        loop {
            let mut batch = Vec::new();
            let sweep_at = self.clock.now().mono.plus(SWEEP);
            let mut last = false;
            tokio::select! {
                biased;
                count = self.sightings.recv_many(&mut batch, BATCH) => last = count == 0,
                () = self.stop.cancelled() => last = true,
                () = self.clock.until(sweep_at) => {}
            }
            let now = self.clock.now();
            let done = tokio::task::spawn_blocking(move || {
                work.go(&batch, now);
                work
            });
            match done.await {
                Ok(back) if !last => work = back,
                Ok(_) => return,
                Err(error) => {
                    tracing::error!(%error, "capturing has stopped");
                    return;
                }
            }
        }
    }
}
