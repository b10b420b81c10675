//! `store export`: what is stored, as lines of JSON.
//!
//! Promised: one line per chat and per change; without `texts` no string is printed but those of
//! the bridge's own vocabulary, and no number but counts, numbers and times. Not promised: a form
//! that can be read back; a backup is a copy of the database (docs/operating.md).

use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::PAGE;
use crate::router;
use crate::store::{Change, Loaded, Store, StoreError};

/// Members whose words are the bridge's own.
const OWN_WORDS: [&str; 2] = ["phase", "stage"];
/// Members whose items are facts; one without contents is a word.
const FACTS: &str = "facts";
/// Members whose own names come from mapping files and from clients.
const FOREIGN_NAMES: &str = "attributes";
/// A hash of what was said: who guesses the words could tell that they were right.
const HASH: &str = "fingerprint";

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// One chat.
    Chat(Uuid),
    /// Every chat and every change.
    All,
}

impl FromStr for Selected {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "all" => Ok(Self::All),
            id => Uuid::from_str(id)
                .map(Self::Chat)
                .map_err(|_| "expected the id of a chat, or `all`".to_owned()),
        }
    }
}

/// Prints the lines; the exit code says whether everything could be opened and was there.
pub(super) async fn run(
    store: &dyn Store,
    what: Selected,
    texts: bool,
    mut out: impl Write,
) -> anyhow::Result<ExitCode> {
    let mut good = true;
    match what {
        Selected::Chat(chat) => match store.load(chat).await {
            Ok(None) => {
                let why = "it was never there, or is purged or erased already";
                eprintln!("{chat} is not stored: {why}");
                good = false;
            }
            loaded => good &= put(&mut out, &line(chat, loaded, texts))?,
        },
        Selected::All => {
            good &= chats(store, texts, &mut out).await?;
            changes(store, texts, &mut out).await?;
        }
    }
    out.flush().context("standard output cannot be written")?;
    Ok(ExitCode::from(u8::from(!good)))
}

async fn chats(store: &dyn Store, texts: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let (mut good, mut after) = (true, None);
    loop {
        let page = store.stored(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(good) };
        after = Some(*last);
        for chat in page {
            match store.load(chat).await {
                // Erased meanwhile, by a bridge that shares the database.
                Ok(None) => {}
                loaded => good &= put(out, &line(chat, loaded, texts))?,
            }
        }
    }
}

async fn changes(store: &dyn Store, texts: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let page = store.changes_after(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        for change in &page {
            put(out, &decided(change, texts))?;
        }
    }
}

fn decided(change: &Change, texts: bool) -> Value {
    let read = router::change::Change::read(change.number, change.at, &change.body).ok();
    json!({
        "change": change.number,
        "at": change.at.to_string(),
        "tenant": read.as_ref().map(|read| &read.tenant),
        "kind": read.as_ref().map(|read| read.action.kind()),
        "decided": record(&change.body, texts),
    })
}

/// Writes one line; answers whether it is that of something that could be opened.
fn put(out: &mut impl Write, line: &Value) -> anyhow::Result<bool> {
    writeln!(out, "{line}").context("standard output cannot be written")?;
    Ok(line.get("problem").is_none())
}

fn line(chat: Uuid, loaded: Result<Option<Loaded>, StoreError>, texts: bool) -> Value {
    match loaded {
        Ok(Some(loaded)) => {
            let deltas = loaded.deltas.iter().map(|delta| record(delta, texts));
            json!({
                "chat": chat,
                "tenant": loaded.tenant,
                "ended_at": loaded.ended_at.map(|at| at.to_string()),
                "next_number": loaded.next_number,
                "snapshot": loaded.snapshot.as_deref().map(|bytes| record(bytes, texts)),
                "deltas": deltas.collect::<Vec<_>>(),
            })
        }
        Ok(None) => Value::Null,
        Err(error) => json!({ "chat": chat, "problem": error.to_string() }),
    }
}

/// A record as JSON; one that is none by its length.
fn record(bytes: &[u8], texts: bool) -> Value {
    match serde_json::from_slice(bytes) {
        Ok(record) if texts => record,
        Ok(record) => shape("", record),
        Err(_) => json!(format!("<{} bytes that are no JSON>", bytes.len())),
    }
}

/// The value of the member `name` without what people wrote, names and secrets.
fn shape(name: &str, value: Value) -> Value {
    match value {
        Value::String(text) if OWN_WORDS.contains(&name) || name == FACTS => text.into(),
        Value::String(text) => format!("<{} characters>", text.chars().count()).into(),
        Value::Number(_) if name == HASH => "<hash>".into(),
        Value::Array(items) => items.into_iter().map(|item| shape(name, item)).collect(),
        Value::Object(members) if name == FOREIGN_NAMES => {
            format!("<{} members>", members.len()).into()
        }
        Value::Object(members) => {
            let shapes = members.into_iter().map(|(name, value)| {
                let shape = shape(&name, value);
                (name, shape)
            });
            Value::Object(shapes.collect::<Map<_, _>>())
        }
        plain => plain,
    }
}
