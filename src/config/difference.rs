//! What changed between two readings of the configuration.
//!
//! Promised: every key that was written differently is told, with its old and its new value, also
//! when it merely writes a default down; secrets and the contents of files are told as changed,
//! never shown; a key that only a restart applies says so. Tenants are told apart by their id,
//! wherever they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::{digest, hmac};
use serde::Serialize;

use super::secrets::Secret;
use crate::mapping::keys::hex;

/// Bounds of the listener, which are taken when it begins.
const LISTENER_LIMITS: [&str; 6] = [
    "limits.connections",
    "limits.tls_handshake_seconds",
    "limits.request_head_bytes",
    "limits.request_headers",
    "limits.request_head_seconds",
    "limits.shutdown_seconds",
];

/// Every value as it was written, references followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    bridge: Values,
    tenants: BTreeMap<String, Values>,
}

type Values = BTreeMap<String, Value>;

/// A value, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// May be shown.
    Plain(String),
    /// Must not be shown.
    Hidden(Secret),
    /// A file that a key names, by its hash.
    File([u8; 32]),
}

impl Value {
    /// The contents of a file.
    pub(super) fn file(contents: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, contents).as_ref());
        Self::File(hash)
    }

    fn shown(&self) -> Option<String> {
        match self {
            Self::Plain(text) => Some(text.clone()),
            Self::Hidden(_) | Self::File(_) => None,
        }
    }
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// It is new.
    Added,
    /// It is gone: its default holds.
    Removed,
    /// It has another value.
    Changed,
}

/// A key that is written differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The tenant's id; `None` for a key of the bridge itself.
    pub tenant: Option<String>,
    /// The key's path within the tenant or the file.
    pub key: String,
    /// What happened to it.
    pub kind: Kind,
    /// What it was; `None` also when that must not be shown.
    pub old: Option<String>,
    /// What it is; `None` also when that must not be shown.
    pub new: Option<String>,
    /// Only a restart applies it; until then the old value holds.
    pub needs_restart: bool,
}

/// What changed between two readings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Ids of tenants that are new.
    pub tenants_added: Vec<String>,
    /// Ids of tenants that are gone.
    pub tenants_removed: Vec<String>,
    /// Keys that are written differently; tenants that came or went are not told key by key.
    pub changes: Vec<Change>,
}

impl Written {
    /// Takes up the values of the bridge itself.
    pub(super) fn bridge(&mut self, values: impl IntoIterator<Item = (String, Value)>) {
        self.bridge.extend(values);
    }

    /// Takes up the values of a tenant.
    pub(super) fn tenant(&mut self, id: &str, values: impl IntoIterator<Item = (String, Value)>) {
        self.tenants.entry(id.to_owned()).or_default().extend(values);
    }

    /// What a reader of `self` and then of `newer` would see change.
    #[must_use]
    pub fn difference(&self, newer: &Self) -> Difference {
        let without = |ids: &BTreeMap<String, Values>, others: &BTreeMap<String, Values>| {
            ids.keys().filter(|id| !others.contains_key(*id)).cloned().collect()
        };
        let mut changes = Vec::new();
        between(None, &self.bridge, &newer.bridge, &mut changes);
        for (id, old) in &self.tenants {
            if let Some(new) = newer.tenants.get(id) {
                between(Some(id), old, new, &mut changes);
            }
        }
        Difference {
            tenants_added: without(&newer.tenants, &self.tenants),
            tenants_removed: without(&self.tenants, &newer.tenants),
            changes,
        }
    }

    /// All that nodes of one cluster must have in common, in one word; `secret` keeps what is
    /// hidden from being guessed from it. Where a node listens, and its files, are its own affair.
    #[must_use]
    pub fn fingerprint(&self, secret: &[u8; 32]) -> String {
        let own = |key: &str| {
            let section = key.split(['.', ' ']).next().unwrap_or_default();
            ["listen", "admin", "cluster", "tls", "store", "key_ring", "panic_file", "tenants"]
                .contains(&section)
        };
        let bridge = self.bridge.iter().filter(|(key, _)| !own(key)).map(|each| ("", each));
        let tenants = self.tenants.iter();
        let tenants = tenants.flat_map(|(id, all)| all.iter().map(|each| (id.as_str(), each)));
        let mut text = Vec::new();
        for (tenant, (key, value)) in bridge.chain(tenants) {
            let value = match value {
                Value::Plain(text) => text.as_bytes(),
                Value::Hidden(secret) => secret.reveal().as_bytes(),
                Value::File(hash) => hash,
            };
            for part in [tenant.as_bytes(), key.as_bytes(), value] {
                text.extend((part.len() as u64).to_be_bytes());
                text.extend(part);
            }
        }
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &text);
        hex(tag.as_ref(), 8)
    }

    /// `self` without what only a restart applies: of that the older value stays, so that it is
    /// told again at the next reading.
    #[must_use]
    pub fn in_force(mut self, older: &Self) -> Self {
        for change in older.difference(&self).changes {
            if !change.needs_restart {
                continue;
            }
            match older.bridge.get(&change.key) {
                Some(old) => self.bridge.insert(change.key, old.clone()),
                None => self.bridge.remove(&change.key),
            };
        }
        self
    }
}

fn between(tenant: Option<&String>, old: &Values, new: &Values, changes: &mut Vec<Change>) {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (was, is) = (old.get(key), new.get(key));
        let kind = match (was, is) {
            (Some(was), Some(is)) if was == is => continue,
            (Some(_), Some(_)) => Kind::Changed,
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
        };
        changes.push(Change {
            tenant: tenant.cloned(),
            key: key.clone(),
            kind,
            old: was.and_then(Value::shown),
            new: is.and_then(Value::shown),
            needs_restart: tenant.is_none() && needs_restart(key, kind),
        });
    }
}

/// Whether a key of the bridge itself is applied by a restart alone.
fn needs_restart(key: &str, kind: Kind) -> bool {
    let under = |section: &str| {
        key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    // A listener can exchange its certificate, but not begin or cease to speak TLS.
    if under("tls") || under("admin.tls") {
        return kind != Kind::Changed;
    }
    ["listen", "store", "cluster", "admin", "panic_file"].into_iter().any(under)
        || LISTENER_LIMITS.contains(&key)
}

impl Difference {
    /// Whether nothing changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tenants_added.is_empty() && self.tenants_removed.is_empty() && self.changes.is_empty()
    }

    /// One line for each tenant that came or went and each key that changed.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let added = self.tenants_added.iter().map(|id| format!("tenant {id}: added"));
        let removed = self.tenants_removed.iter().map(|id| {
            format!("tenant {id}: removed; its running chats go on, new ones are answered 404")
        });
        added.chain(removed).chain(self.changes.iter().map(ToString::to_string)).collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = &self.tenant {
            write!(f, "tenant {tenant}: ")?;
        }
        write!(f, "{}: ", self.key)?;
        match (self.kind, &self.old, &self.new) {
            (_, Some(old), Some(new)) => write!(f, "`{old}` -> `{new}`")?,
            (Kind::Added, _, Some(new)) => write!(f, "added, `{new}`")?,
            (Kind::Removed, Some(old), _) => write!(f, "removed, was `{old}`")?,
            (Kind::Added, ..) => f.write_str("added")?,
            (Kind::Removed, ..) => f.write_str("removed")?,
            (Kind::Changed, ..) => f.write_str("changed")?,
        }
        if self.needs_restart {
            f.write_str("; not applied: it needs a restart")?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changed");
        }
        f.write_str(&self.lines().join("\n"))
    }
}
