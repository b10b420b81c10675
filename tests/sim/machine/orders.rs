//! The end of a chat is not one event: every order of the signals, on the machine alone.

use std::time::Duration;

use uuid::Uuid;

use crate::chat::agent::{AgentEvent, EndReason, Person};
use crate::chat::fact::Fact;
use crate::chat::happening::{Happening, RoutingStatus, What};
use crate::chat::ids::ChatId;
use crate::chat::limits::Settings;
use crate::chat::pending::{Command, CommandKind};
use crate::chat::policy::{AgentLeave, Life};
use crate::chat::session::Session;
use crate::chat::text::Secret;
use crate::chat::visitor::{Begin, Post, VisitorCommand};
use crate::chat::{CallId, Input, Outcome, ReplyTo, Step};
use crate::time::{Mono, Now, Wall};

fn at(millis: u64) -> Now {
    Now { wall: Wall::from_millis(millis as i64), mono: Mono::from_millis(millis) }
}

fn person(subject: &str) -> Person {
    Person { subject: subject.into(), name: subject.into() }
}

/// Something that happens after anna joined.
#[derive(Clone, Debug, PartialEq)]
enum Signal {
    Upstream(What),
    Routing(RoutingStatus),
    /// So many seconds pass.
    Passes(u64),
    /// The process dies and is started again.
    Restart,
}

/// A chat that anna attends, and all that was decided of it.
struct Chat {
    session: Session,
    settings: Settings,
    now: u64,
    entry: u64,
    steps: Vec<Step>,
}

impl Chat {
    fn new(settings: &Settings) -> Self {
        let session = Session::new(ChatId(Uuid::from_u128(1)), settings.clone(), at(0));
        let (settings, steps) = (settings.clone(), Vec::new());
        let mut chat = Self { session, settings, now: 0, entry: 0, steps };
        let command = VisitorCommand::Begin(Box::<Begin>::default());
        let post = Post { sequence: Some(1), fingerprint: 1, command };
        chat.feed(Input::Post { post, reply: ReplyTo(1) });
        let outcome = Outcome::Token {
            bearer: Secret("token".into()),
            last_event_id: Some("0".into()),
            lifetime: None,
            files: None,
        };
        chat.feed(Input::Called { call: CallId::Command(1), outcome });
        chat.feed(Input::StreamOpen);
        chat.feed(Input::Called { call: CallId::Command(2), outcome: Outcome::Done });
        chat.meets(&Signal::Upstream(What::Joined { who: person("anna"), bot: false }));
        chat
    }

    fn feed(&mut self, input: Input) {
        self.now += 1;
        let step = self.session.step(at(self.now), input);
        self.steps.push(step);
    }

    fn meets(&mut self, signal: &Signal) {
        match signal {
            Signal::Upstream(what) => {
                self.entry += 1;
                self.feed(Input::Upstream(Happening {
                    event_id: Some(self.entry.to_string()),
                    entry: Some(format!("e{}", self.entry)),
                    at_millis: self.now as i64,
                    what: what.clone(),
                }));
            }
            Signal::Routing(status) => {
                let outcome = Outcome::Routing(*status);
                self.feed(Input::Called { call: CallId::Routing, outcome });
            }
            Signal::Passes(seconds) => {
                self.now += seconds * 1_000;
                self.feed(Input::Deadline);
            }
            Signal::Restart => {
                let state = self.session.state().clone();
                let now = at(self.now);
                let chat = state.chat;
                let settings = self.settings.clone();
                self.session = Session::load(Some((now, state)), chat, &[], settings, now);
                self.feed(Input::Recovered);
                self.feed(Input::StreamOpen);
                let outcome = Outcome::Entries(Vec::new());
                self.feed(Input::Called { call: CallId::Backfill, outcome });
            }
        }
    }

    fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.steps.iter().flat_map(|step| &step.facts)
    }

    fn told(&self) -> Vec<&AgentEvent> {
        let told = self.facts().filter_map(|fact| match fact {
            Fact::Told(event) => Some(event),
            _ => None,
        });
        told.collect()
    }

    fn ends(&self) -> usize {
        self.facts().filter(|fact| **fact == Fact::Ended).count()
    }

    fn closes(&self) -> usize {
        let close =
            |fact: &&Fact| matches!(fact, Fact::Queued(Command { kind: CommandKind::Close, .. }));
        self.facts().filter(close).count()
    }
}

/// Calls `each` with every order of the items.
fn permute<T: Clone>(items: &mut Vec<T>, from: usize, each: &mut impl FnMut(&[T])) {
    if from == items.len() {
        return each(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        permute(items, from + 1, each);
        items.swap(from, at);
    }
}

fn settings(agent_leave: AgentLeave) -> Settings {
    let life = Life { agent_leave, ..Life::default() };
    // A test of hours of chat needs no client that polls.
    let abandoned_after = Duration::from_secs(1_000_000);
    Settings { life, abandoned_after, ..Settings::default() }
}

#[test]
fn a_chat_ends_once_whatever_the_order_of_the_signals() {
    for agent_leave in [AgentLeave::Ask, AgentLeave::Hold, AgentLeave::End] {
        let mut signals = vec![
            Signal::Upstream(What::Left { subject: "anna".into() }),
            Signal::Upstream(What::SessionEnded),
            Signal::Upstream(What::Closed),
            Signal::Upstream(What::SessionInactive),
            Signal::Routing(RoutingStatus::NeedsRouting),
            Signal::Passes(11),
            Signal::Restart,
        ];
        permute(&mut signals, 0, &mut |order| {
            let mut chat = Chat::new(&settings(agent_leave));
            for signal in order {
                chat.meets(signal);
            }
            assert_eq!((chat.ends(), chat.closes()), (1, 1), "{agent_leave:?} {order:?}");
            let told = chat.told();
            let last = told.last().copied();
            let agent = EndReason::Agent;
            assert_eq!(last, Some(&AgentEvent::Ended { reason: agent }), "{order:?}");
        });
    }
}

#[test]
fn an_agents_leaving_alone_ends_it_in_time_whatever_else_is_heard() {
    // Each of them alone is the end, or not, by the tenant's choice.
    for (agent_leave, routing, after, ended) in [
        (AgentLeave::End, None, 0, true),
        (AgentLeave::Hold, None, 9, false),
        (AgentLeave::Hold, None, 11, true),
        (AgentLeave::Hold, Some(RoutingStatus::Routed), 9, false),
        (AgentLeave::Ask, Some(RoutingStatus::NeedsRouting), 0, true),
        (AgentLeave::Ask, Some(RoutingStatus::Routed), 9, false),
        (AgentLeave::Ask, Some(RoutingStatus::Initial), 11, true),
        (AgentLeave::Ask, Some(RoutingStatus::Transfer), 290, false),
        (AgentLeave::Ask, Some(RoutingStatus::Transfer), 301, true),
        (AgentLeave::Ask, None, 9, false),
        (AgentLeave::Ask, None, 11, true),
    ] {
        let mut chat = Chat::new(&settings(agent_leave));
        chat.meets(&Signal::Upstream(What::Left { subject: "anna".into() }));
        routing.iter().for_each(|status| chat.meets(&Signal::Routing(*status)));
        chat.meets(&Signal::Passes(after));
        assert_eq!(chat.ends(), usize::from(ended), "{agent_leave:?} {routing:?} {after} s");
    }
}

#[test]
fn a_transfer_is_not_an_end_whatever_the_order_of_its_signals() {
    let mut signals = vec![
        Signal::Upstream(What::TransferStarted),
        Signal::Upstream(What::Left { subject: "anna".into() }),
        Signal::Upstream(What::Joined { who: person("bert"), bot: false }),
        Signal::Upstream(What::SessionInactive),
        Signal::Routing(RoutingStatus::Transfer),
        Signal::Passes(5),
        Signal::Restart,
    ];
    for agent_leave in [AgentLeave::Ask, AgentLeave::Hold] {
        permute(&mut signals, 0, &mut |order| {
            let mut chat = Chat::new(&settings(agent_leave));
            for signal in order {
                chat.meets(signal);
            }
            assert_eq!(chat.ends(), 0, "{order:?}");
            let moved = AgentEvent::transferred(person("bert"));
            let told = chat.told().into_iter().filter(|told| **told == moved).count();
            assert_eq!(told, 1, "{order:?}");
            // And it goes on: bert is there.
            chat.meets(&Signal::Passes(400));
            assert_eq!(chat.ends(), 0, "{order:?}");
        });
    }
}

#[test]
fn a_transfer_that_fails_is_no_transfer() {
    let mut chat = Chat::new(&settings(AgentLeave::Hold));
    chat.meets(&Signal::Upstream(What::TransferStarted));
    chat.meets(&Signal::Upstream(What::TransferFailed));
    chat.meets(&Signal::Passes(400));
    assert_eq!(chat.ends(), 0, "anna is still there");
    chat.meets(&Signal::Upstream(What::TransferStarted));
    chat.meets(&Signal::Upstream(What::Left { subject: "anna".into() }));
    chat.meets(&Signal::Upstream(What::TransferFailed));
    chat.meets(&Signal::Routing(RoutingStatus::Routed));
    chat.meets(&Signal::Passes(9));
    assert_eq!(chat.ends(), 0, "somebody else may take it");
    chat.meets(&Signal::Passes(2));
    assert_eq!(chat.ends(), 1, "nobody did");
}
