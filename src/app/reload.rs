//! The configuration, read again while chats run.
//!
//! Promised: files are read and checked whole, and taken in one step or not at all; with problems
//! the last good configuration stays and every problem is logged with its place; the difference is
//! logged line by line, secrets as changed only; what only a restart applies is told, every time,
//! and its old value stays. Running chats keep the backend, addresses and timings they began with.
//! Not promised: that a tenant's chats outlive a restart once its file is gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::Bridge;
use crate::adapter::miaw::Tenant;
use crate::adapter::miaw::registry::Registry;
use crate::adapter::transport::reqwest::{Clients, Reqwest};
use crate::capture::Capture;
use crate::clock::Clock;
use crate::config::{self, Config, Difference, Loaded, Problem, Problems, Written};
use crate::cutover::Cutover;
use crate::facade::live::Live;
use crate::serve::tls::{Pair, TlsError};
use crate::serve::{Tls, TlsFiles};

/// Asks for an environment variable.
type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;
/// Is told what was written of a configuration that comes into force.
type Reader = Box<dyn Fn(&Written) + Send + Sync>;
/// Is told of every configuration that comes into force, after it did.
type Follower = Box<dyn Fn(&Config) + Send + Sync>;

/// A listener that speaks TLS, and where its files are named.
struct Listener {
    tls: Tls,
    files: fn(&Config) -> Option<&TlsFiles>,
    key: &'static str,
}

/// Where the configuration comes from.
pub struct Source {
    /// The file of `--config`.
    pub path: PathBuf,
    /// The environment that its references name.
    pub env: Env,
}

impl Source {
    /// A file and the process's own environment.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { path: path.to_owned(), env: Box::new(|name| std::env::var(name).ok()) }
    }
}

/// Reads the configuration again. Clones are one.
#[derive(Clone)]
pub struct Reload(Arc<Shared>);

struct Shared {
    source: Source,
    live: Live,
    chats: Registry,
    cutover: Cutover,
    clock: Clock,
    transport: Option<Reqwest>,
    listeners: Vec<Listener>,
    followers: Vec<Follower>,
    readers: Vec<Reader>,
    /// What was written of what is in force; held while a reload runs, so that they queue.
    in_force: Mutex<Written>,
}

/// What is needed to reload, put together while the process starts.
pub struct Builder(Shared);

impl Builder {
    /// The production transport, when `[egress]` is to be followed.
    #[must_use]
    pub fn transport(mut self, transport: Reqwest) -> Self {
        self.0.transport = Some(transport);
        self
    }

    /// A listener, if it speaks TLS; its files are named in the section `key`, where `files` finds
    /// them.
    #[must_use]
    pub fn listener(
        mut self,
        tls: Option<Tls>,
        key: &'static str,
        files: fn(&Config) -> Option<&TlsFiles>,
    ) -> Self {
        self.0.listeners.extend(tls.map(|tls| Listener { tls, files, key }));
        self
    }

    /// Somebody else who must know a new configuration.
    #[must_use]
    pub fn follower(mut self, follower: impl Fn(&Config) + Send + Sync + 'static) -> Self {
        self.0.followers.push(Box::new(follower));
        self
    }

    /// Somebody who must know what was written.
    #[must_use]
    pub fn reader(mut self, reader: impl Fn(&Written) + Send + Sync + 'static) -> Self {
        self.0.readers.push(Box::new(reader));
        self
    }

    /// Ready.
    #[must_use]
    pub fn build(self) -> Reload {
        Reload(Arc::new(self.0))
    }
}

/// What was read, and everything that could fail with it already made.
struct Prepared {
    loaded: Loaded,
    difference: Difference,
    clients: Option<Clients>,
    pairs: Vec<(Tls, Pair)>,
}

impl Reload {
    /// Begins with what the process was started with; `written` is that of its first reading.
    #[must_use]
    pub fn builder(source: Source, written: Written, bridge: &Bridge, clock: Clock) -> Builder {
        Builder(Shared {
            source,
            live: bridge.live.clone(),
            chats: bridge.chats.clone(),
            cutover: bridge.cutover.clone(),
            clock,
            transport: None,
            listeners: Vec::new(),
            followers: Vec::new(),
            readers: Vec::new(),
            in_force: Mutex::new(written),
        })
    }

    /// Reads the files and takes what they say; logs what came of it.
    ///
    /// # Errors
    /// Every problem; then nothing has changed.
    pub async fn reload(&self) -> Result<Difference, Problems> {
        let mut in_force = self.0.in_force.lock().await;
        let (shared, before) = (self.0.clone(), in_force.clone());
        let read = tokio::task::spawn_blocking(move || shared.prepare(&before)).await;
        let prepared = match read.unwrap_or_else(|_| Err(self.0.problem("", "could not be read"))) {
            Ok(prepared) => prepared,
            Err(problems) => {
                let count = problems.0.len();
                for problem in &problems.0 {
                    tracing::error!("{problem}");
                }
                tracing::error!(count, "the configuration has problems; the last good one stays");
                return Err(problems);
            }
        };
        let difference = prepared.difference.clone();
        *in_force = self.0.take(prepared, &in_force);
        tracing::info!(changes = difference.lines().len(), "the configuration was read again");
        for line in difference.lines() {
            tracing::info!("{line}");
        }
        Ok(difference)
    }
}

impl Shared {
    /// Everything that blocks or can fail. Nothing is changed by it.
    fn prepare(&self, before: &Written) -> Result<Prepared, Problems> {
        let loaded = config::load_with(&self.source.path, &self.source.env)?;
        let difference = before.difference(&loaded.written);
        let reaches = |key: &str| key.starts_with("egress.") || key == "limits.connect_seconds";
        let other_way = difference.changes.iter().any(|change| reaches(&change.key));
        let (egress, limits) = (&loaded.config.egress, &loaded.config.limits);
        // New clients mean new connections, so only when they are of use.
        let clients = match &self.transport {
            Some(_) if other_way => Some(
                Clients::new(egress, limits)
                    .map_err(|error| self.problem("egress", &error.to_string()))?,
            ),
            _ => None,
        };
        let mut pairs = Vec::new();
        for Listener { tls, files, key } in &self.listeners {
            let Some(files) = files(&loaded.config) else { continue };
            let pair = Pair::read(files.clone());
            let pair = pair.map_err(|error: TlsError| self.problem(key, &error.message))?;
            pairs.push((tls.clone(), pair));
        }
        Ok(Prepared { loaded, difference, clients, pairs })
    }

    fn problem(&self, key: &str, message: &str) -> Problems {
        Problems(vec![Problem {
            code: None,
            place: None,
            file: self.source.path.clone(),
            key: key.to_owned(),
            message: message.to_owned(),
            expected: None,
            help: Some("run `check`, then reload again".to_owned()),
        }])
    }

    /// Takes what was prepared; answers what is in force from now on.
    fn take(&self, prepared: Prepared, before: &Written) -> Written {
        let Prepared { loaded, clients, pairs, .. } = prepared;
        for note in &loaded.notes {
            tracing::info!("{note}");
        }
        let config = held_back(loaded.config, &self.live.config());
        if let (Some(transport), Some(clients)) = (&self.transport, clients) {
            transport.replace(clients);
        }
        pairs.into_iter().for_each(|(tls, pair)| tls.replace(pair));
        // Before the facade: a tenant that it knows must be known to the chats.
        self.chats.reconfigure(config.limits, config.tenants.iter().map(Tenant::from));
        let capture = self.live.now().capture.clone();
        let capture = match capture {
            Some(capture) => {
                capture.reconfigure(&config.tenants);
                Some(capture)
            }
            None => Capture::start(&config.tenants, self.clock.clone()),
        };
        // Tells where a new plan stands against the changes that were made by hand. Relayed chats
        // of tenants that are gone still ask until when legacy lives.
        let mut tenants = self.live.gone(&config);
        tenants.extend(config.tenants.iter().cloned());
        self.cutover.replace(&tenants);
        self.live.replace(config, capture);
        let config = self.live.config();
        self.followers.iter().for_each(|follower| follower(&config));
        let written = loaded.written.in_force(before);
        self.readers.iter().for_each(|reader| reader(&written));
        written
    }
}

/// The new configuration with the old values of what only a restart applies: what is shown as the
/// configuration is what holds.
fn held_back(mut new: Config, old: &Config) -> Config {
    new.listen = old.listen;
    new.store = old.store.clone();
    new.panic_file = old.panic_file.clone();
    new.admin = old.admin.clone();
    if new.tls.is_some() != old.tls.is_some() {
        new.tls = old.tls.clone();
    }
    new.limits.connections = old.limits.connections;
    new.limits.tls_handshake_seconds = old.limits.tls_handshake_seconds;
    new.limits.request_head_bytes = old.limits.request_head_bytes;
    new.limits.request_headers = old.limits.request_headers;
    new.limits.request_head_seconds = old.limits.request_head_seconds;
    new.limits.shutdown_seconds = old.limits.shutdown_seconds;
    new
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reload").field("path", &self.0.source.path).finish_non_exhaustive()
    }
}
