//! The demo without a page: three chats cross both boundaries, and everything is checked.
//!
//! Promised: what is judged is what the visitors and the desk saw over HTTP, never the bridge's own
//! state; nothing waits for a fixed time, every wait has a deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Client;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::visitor::Visitor;
use super::{Decision, Demo, DemoError};
use crate::time::Wall;

/// The longest wait for any one thing.
const STEP: Duration = Duration::from_secs(8);
/// The longest that everything may take.
const ALTOGETHER: Duration = Duration::from_secs(60);
/// Between two looks at the desk.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What happened, and whether it was right.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Every decision, in order.
    pub decisions: Vec<Decision>,
    /// What each visitor saw, by letter.
    pub visitors: BTreeMap<String, Vec<Value>>,
    /// What the agent of each chat saw, by letter.
    pub agents: BTreeMap<String, Value>,
    /// What was wrong; empty when all was right.
    pub problems: Vec<String>,
    /// Whether all was right.
    pub ok: bool,
}

/// Runs the scenario against a demo of its own.
///
/// # Errors
/// When the demo could not start.
pub async fn headless() -> Result<Report, DemoError> {
    let demo = Demo::start(0).await?;
    let base = format!("http://{}", demo.address());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(demo.serve(shutdown.clone()));
    let mut script = Script::new(base);
    let outcome = timeout(ALTOGETHER, script.play()).await;
    let report =
        script.report(outcome.unwrap_or_else(|_| Err("it took too long".to_owned()))).await;
    shutdown.cancel();
    // A server that failed shows in the report: nothing was answered.
    let _ = serving.await;
    Ok(report)
}

struct Chat {
    letter: &'static str,
    visitor: Visitor,
    /// The id at the desk.
    desk: String,
    /// What the agent was to read and what the visitor was to read, in order.
    to_agent: Vec<String>,
    to_visitor: Vec<String>,
}

struct Script {
    http: Client,
    base: String,
    chats: Vec<Chat>,
    expected: Vec<(&'static str, &'static str, &'static str)>,
    problems: Vec<String>,
}

impl Script {
    fn new(base: String) -> Self {
        let (chats, expected, problems) = Default::default();
        Self { http: Client::new(), base, chats, expected, problems }
    }

    async fn play(&mut self) -> Result<(), String> {
        let state = self.get("/demo/state").await?;
        let instant = |name: &str| {
            let millis = state["timeline"][name].as_i64();
            millis.map(Wall::from_millis).ok_or(format!("the timeline has no `{name}`"))
        };
        let (last_call, removal) = (instant("lastCall")?, instant("removal")?);
        let inside = last_call.plus_millis(removal.millis_since(last_call) / 2);

        self.start("A", ["Anna", "Adams"], "legacy", "auto-legacy").await?;
        self.talk("A", "before the margin").await?;

        self.set_clock(inside).await?;
        self.start("B", ["Ben", "Brown"], "miaw", "within-margin").await?;
        self.talk("B", "inside the margin").await?;
        self.talk("A", "inside the margin").await?;

        self.set_clock(removal).await?;
        self.ended("A", None).await?;
        self.talk("B", "after the removal").await?;

        self.set_clock(instant("today")?).await?;
        self.start("C", ["Cleo", "Clark"], "miaw", "past-removal").await?;
        self.talk("C", "today").await?;
        self.talk("B", "today").await?;

        self.chat("C")?.visitor.end().await?;
        self.ended("C", Some("client")).await?;
        let desk = self.chat("B")?.desk.clone();
        self.act(&desk, "end", json!({})).await?;
        self.ended("B", Some("agent")).await
    }

    /// A new chat that an agent accepts.
    async fn start(
        &mut self,
        letter: &'static str,
        [first, last]: [&str; 2],
        route: &'static str,
        code: &'static str,
    ) -> Result<(), String> {
        self.expected.push((letter, route, code));
        let doing = |error| format!("chat {letter} did not start: {error}");
        let started = Visitor::start(&self.http, &self.base, first, last).await;
        let visitor = started.map_err(doing)?;
        let known: Vec<String> = self.chats.iter().map(|chat| chat.desk.clone()).collect();
        let new = |desk: &Value| {
            let chats = desk["chats"].as_array()?;
            let id = |chat: &Value| chat["id"].as_str().map(str::to_owned);
            chats.iter().filter_map(id).find(|id| !known.contains(id))
        };
        let desk = self.desk_shows("the new chat", new).await.map_err(doing)?;
        self.act(&desk, "accept", json!({})).await?;
        let accepted = visitor.until(STEP, |seen| count(seen, "ChatEstablished") == 1).await;
        accepted.map_err(|error| format!("chat {letter}: no ChatEstablished: {error}"))?;
        let (to_agent, to_visitor) = Default::default();
        self.chats.push(Chat { letter, visitor, desk, to_agent, to_visitor });
        Ok(())
    }

    /// One message each way.
    async fn talk(&mut self, letter: &str, when: &str) -> Result<(), String> {
        let asked = format!("{letter} asks {when}");
        let answered = format!("an answer to {letter} {when}");
        let chat = self.chat(letter)?;
        chat.to_agent.push(asked.clone());
        chat.to_visitor.push(answered.clone());
        let doing = |error| format!("chat {letter}, {when}: {error}");
        chat.visitor.say(&asked).await.map_err(doing)?;
        let desk = chat.desk.clone();
        let came = |all: &Value| {
            let texts = lines_from(desk_chat(all, &desk)?, "visitor");
            texts.contains(&asked.as_str()).then_some(())
        };
        self.desk_shows("the visitor's message", came).await.map_err(doing)?;
        self.act(&desk, "typing", json!({ "on": true })).await?;
        self.act(&desk, "say", json!({ "text": answered })).await?;
        let chat = self.chat(letter)?;
        let read = |seen: &Vec<Value>| texts(seen).contains(&answered.as_str());
        chat.visitor.until(STEP, read).await.map_err(|error| doing(format!("no answer: {error}")))
    }

    /// The visitor was told once that the chat is over, and was refused from then on.
    async fn ended(&mut self, letter: &str, reason: Option<&str>) -> Result<(), String> {
        let chat = self.chat(letter)?;
        let refused = |seen: &Vec<Value>| seen.last().is_some_and(|last| last["status"] == 403);
        let waited = chat.visitor.until(STEP, refused).await;
        waited.map_err(|error| format!("chat {letter}: polls were not refused: {error}"))?;
        let status = chat.visitor.try_to_say("is anybody there?").await?;
        let seen = chat.visitor.seen();
        let ends: Vec<&Value> = seen.iter().filter(|one| one["type"] == "ChatEnded").collect();
        let before_last = seen.len().checked_sub(2).and_then(|nth| seen.get(nth));
        let mut wrong = Vec::new();
        if ends.len() != 1 {
            wrong.push(format!("chat {letter} got {} ChatEnded instead of one", ends.len()));
        } else if before_last.is_none_or(|one| one["type"] != "ChatEnded") {
            wrong.push(format!("chat {letter} got something after ChatEnded"));
        }
        if let (Some(reason), Some(end)) = (reason, ends.first())
            && end["reason"] != reason
        {
            wrong.push(format!("chat {letter} ended by {} instead of {reason}", end["reason"]));
        }
        if status != 403 {
            wrong.push(format!("a message in ended chat {letter} met {status} instead of 403"));
        }
        self.problems.append(&mut wrong);
        Ok(())
    }

    async fn report(mut self, outcome: Result<(), String>) -> Report {
        self.problems.extend(outcome.err());
        let decisions = self.decisions().await;
        let desk = self.get("/desk/chats").await.unwrap_or_default();
        let made: Vec<_> = decisions
            .iter()
            .map(|one| (one.chat.as_str(), one.route.as_str(), one.code.as_str()))
            .collect();
        if made != self.expected {
            let wanted = &self.expected;
            self.problems.push(format!("decisions were {made:?} instead of {wanted:?}"));
        }
        let (mut visitors, mut agents) = (BTreeMap::new(), BTreeMap::new());
        for chat in &self.chats {
            let seen = chat.visitor.seen();
            let at_desk = desk_chat(&desk, &chat.desk).cloned().unwrap_or_default();
            let route = self.expected.iter().find(|(letter, ..)| *letter == chat.letter);
            let service = match route {
                Some((_, "legacy", _)) => "liveagent",
                _ => "miaw",
            };
            let letter = chat.letter;
            if at_desk["service"] != service {
                let came = &at_desk["service"];
                self.problems.push(format!("chat {letter} came by {came} instead of {service}"));
            }
            if texts(&seen) != chat.to_visitor {
                self.problems.push(format!("visitor {letter} did not read each message once"));
            }
            if lines_from(&at_desk, "visitor") != chat.to_agent {
                self.problems.push(format!("the agent of {letter} did not read each message once"));
            }
            visitors.insert(letter.to_owned(), seen);
            agents.insert(letter.to_owned(), as_reported(&at_desk));
        }
        let ok = self.problems.is_empty();
        Report { decisions, visitors, agents, problems: self.problems, ok }
    }

    async fn decisions(&self) -> Vec<Decision> {
        let state = self.get("/demo/state").await.unwrap_or_default();
        serde_json::from_value(state["decisions"].clone()).unwrap_or_default()
    }

    fn chat(&mut self, letter: &str) -> Result<&mut Chat, String> {
        let found = self.chats.iter_mut().find(|chat| chat.letter == letter);
        found.ok_or_else(|| format!("chat {letter} has not begun"))
    }

    async fn set_clock(&self, to: Wall) -> Result<(), String> {
        self.post("/demo/clock", json!({ "to": to.to_string() })).await
    }

    async fn act(&self, desk: &str, action: &str, body: Value) -> Result<(), String> {
        self.post(&format!("/desk/chats/{desk}/{action}"), body).await
    }

    /// Asks the desk until it shows something.
    async fn desk_shows<T>(
        &self,
        what: &str,
        find: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, String> {
        let mut ticks = tokio::time::interval(LOOK_AGAIN);
        let waiting = async {
            loop {
                ticks.tick().await;
                let desk = self.get("/desk/chats").await?;
                if let Some(found) = find(&desk) {
                    return Ok(found);
                }
            }
        };
        let waited = timeout(STEP, waiting).await;
        waited.unwrap_or_else(|_| Err(format!("the desk did not show {what}")))
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let request = self.http.get(format!("{}{path}", self.base)).timeout(STEP);
        let answer = request.send().await.map_err(|error| format!("{path}: {error}"))?;
        answer.json().await.map_err(|error| format!("{path}: {error}"))
    }

    async fn post(&self, path: &str, body: Value) -> Result<(), String> {
        let request = self.http.post(format!("{}{path}", self.base)).timeout(STEP).json(&body);
        let answer = request.send().await.map_err(|error| format!("{path}: {error}"))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("{path} was answered {status}")),
        }
    }
}

fn count(seen: &[Value], kind: &str) -> usize {
    seen.iter().filter(|one| one["type"] == kind).count()
}

/// The texts that the visitor read.
fn texts(seen: &[Value]) -> Vec<&str> {
    let messages = seen.iter().filter(|one| one["type"] == "ChatMessage");
    messages.filter_map(|one| one["text"].as_str()).collect()
}

fn desk_chat<'a>(desk: &'a Value, id: &str) -> Option<&'a Value> {
    desk["chats"].as_array()?.iter().find(|chat| chat["id"] == id)
}

fn lines_from<'a>(chat: &'a Value, who: &str) -> Vec<&'a str> {
    let lines = chat["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let theirs = lines.iter().filter(|line| line["from"] == who);
    theirs.filter_map(|line| line["text"].as_str()).collect()
}

/// A chat of the desk without what nobody compares.
fn as_reported(chat: &Value) -> Value {
    let lines = chat["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<Value> =
        lines.iter().map(|line| json!({ "from": line["from"], "text": line["text"] })).collect();
    json!({
        "service": chat["service"], "visitor": chat["visitor"], "attributes": chat["attributes"],
        "state": chat["state"], "endedBy": chat["endedBy"], "lines": lines,
    })
}
