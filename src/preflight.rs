//! `check --live`: a tenant's configuration against the real deployment.
//!
//! Promised: one token, one event stream that is closed again, one availability request to legacy;
//! never a conversation. Every finding names what was wrong, what was expected and what to do;
//! tokens are not printed. Not promised: that attributes arrive, which only a flow can tell.

mod clock;
mod form;
mod reach;
mod stream;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::adapter::transport::Transport;
use crate::clock::Clock;
use crate::config::{Problem, Tenant};

/// How long an event stream may be silent before a proxy is suspected.
pub const WAIT: Duration = Duration::from_secs(90);
/// The wait for an answer that is not a stream.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// The most of an answer that is read, in bytes.
const ANSWER_BYTES: usize = 1 << 20;

/// What the check needs besides the tenant.
#[derive(Clone)]
pub struct Live {
    /// The way to Salesforce.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Clock,
    /// How long to wait for the first byte of the stream.
    pub wait: Duration,
    /// How long to wait for any other answer.
    pub answer_within: Duration,
    /// The configuration's file, which findings name.
    pub file: PathBuf,
}

/// What was found out about one tenant.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The tenant's id.
    pub tenant: String,
    /// What must be changed.
    pub problems: Vec<Problem>,
    /// What is worth knowing.
    pub notes: Vec<Problem>,
    /// What was seen, in words.
    pub seen: Vec<(&'static str, String)>,
}

/// Checks one tenant.
pub async fn check(live: &Live, tenant: &Tenant) -> Checked {
    let mut found = Findings {
        file: live.file.clone(),
        checked: Checked { tenant: tenant.id.clone(), ..Checked::default() },
    };
    if let Some(token) = token::mint(live, tenant, &mut found).await {
        form::compare(tenant, &token, &mut found);
        stream::listen(live, tenant, &token, &mut found).await;
    }
    reach::legacy(live, tenant, &mut found).await;
    found.checked
}

impl Checked {
    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let list = |all: &[Problem]| all.iter().map(Problem::json).collect::<Vec<_>>();
        let seen: serde_json::Map<_, _> = self
            .seen
            .iter()
            .map(|(what, text)| ((*what).to_owned(), text.as_str().into()))
            .collect();
        serde_json::json!({
            "tenant": self.tenant, "ok": self.problems.is_empty(), "seen": seen,
            "problems": list(&self.problems), "notes": list(&self.notes),
        })
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {}", self.tenant)?;
        for (what, text) in &self.seen {
            write!(f, "\n  {what}: {text}")?;
        }
        for problem in &self.problems {
            write!(f, "\n\n{problem}")?;
        }
        for note in &self.notes {
            write!(f, "\n\nnote: {note}")?;
        }
        Ok(())
    }
}

/// Collects what is found.
struct Findings {
    file: PathBuf,
    checked: Checked,
}

/// One finding in the making.
struct Told<'a> {
    key: &'a str,
    code: Option<&'static str>,
    message: String,
    expected: &'a str,
    help: String,
}

impl Findings {
    fn problem(&mut self, told: Told<'_>) {
        let problem = self.make(told);
        self.checked.problems.push(problem);
    }

    fn note(&mut self, told: Told<'_>) {
        let note = self.make(told);
        self.checked.notes.push(note);
    }

    fn saw(&mut self, what: &'static str, text: impl Into<String>) {
        self.checked.seen.push((what, text.into()));
    }

    fn make(&self, told: Told<'_>) -> Problem {
        Problem {
            code: told.code,
            place: None,
            file: self.file.clone(),
            key: format!("{}.{}", self.checked.tenant, told.key),
            message: told.message,
            expected: Some(told.expected.to_owned()).filter(|text| !text.is_empty()),
            help: Some(told.help).filter(|text| !text.is_empty()),
        }
    }
}
