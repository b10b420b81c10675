//! One run: simulated time, a queue of what happens next, and everybody in it.

use std::collections::BTreeMap;

use crate::chat::pending::UpstreamCall;
use crate::chat::{CallId, Lost, Outcome, Reply, ReplyTo};
use crate::cluster::lease::Lease;
use crate::machine::bridge::Node;
use crate::machine::client::Client;
use crate::machine::net::Net;
use crate::machine::oracle::Ledger;
use crate::machine::plan::{AFTER, Plan, SETTLE};
use crate::machine::rng::Rng;
use crate::machine::service::{Sent, Service};
use crate::machine::store::{Ask, Store, Told};

/// Something that happens at an instant.
#[derive(Debug)]
pub enum Event {
    /// The bridge asked to be woken.
    Wake {
        node: usize,
        alarm: u64,
    },
    /// The process starts again.
    Restart {
        node: usize,
    },
    /// A request of the client reaches the bridge's address.
    Arrive {
        conn: u64,
    },
    /// The bridge learns that an answer was written.
    WrittenNotice {
        boot: u64,
        reply: ReplyTo,
    },
    /// The bridge learns that a client went away.
    LostNotice {
        boot: u64,
        reply: ReplyTo,
    },
    /// The client has its answer, or none (`None`: the connection broke).
    ClientGets {
        conn: u64,
        reply: Option<Reply>,
    },
    /// The connection breaks while the request waits.
    Break {
        conn: u64,
    },
    /// The client polls.
    Poll,
    /// The client has something to say.
    Say {
        number: usize,
    },
    /// The client ends the chat.
    VisitorEnds,
    /// The client works on its POSTs.
    Post,
    /// One more copy of a POST.
    Again {
        post: u64,
    },
    /// A call reaches the service.
    Reaches {
        boot: u64,
        id: CallId,
        call: UpstreamCall,
        fate: Fate,
        sent: Sent,
    },
    /// A call's outcome reaches the bridge.
    Outcome {
        boot: u64,
        id: CallId,
        outcome: Outcome,
        look: Option<usize>,
    },
    /// The stream opens.
    StreamOpens {
        generation: u64,
        after: Option<String>,
    },
    /// An event travels down the stream.
    StreamTells {
        generation: u64,
        entry: usize,
    },
    /// The stream breaks.
    StreamDrops {
        generation: u64,
    },
    /// The bridge learns that the stream is gone.
    StreamGone {
        generation: u64,
        lost: Lost,
    },
    /// The agent's side does what is next.
    Desk,
    /// Everything must have settled.
    MustHaveSettled,
    /// A client waited too long for the answer to a POST.
    TimedOut {
        conn: u64,
    },
    /// A node is to stop in good order.
    Stop {
        node: usize,
    },
    /// A paused node goes on.
    Resume {
        boot: u64,
    },
    /// What may be late is late enough.
    Flush {
        node: usize,
        epoch: u64,
    },
    /// A process renews its lease.
    Beat {
        boot: u64,
    },
    BeatAgain {
        boot: u64,
    },
    /// A process looks for a chat whose owner is dead.
    Sweep {
        boot: u64,
    },
    /// A process finds somebody for what waits at it.
    Route {
        boot: u64,
    },
    /// A process asks the store; `heard`: it waits for the answer.
    StoreGets {
        boot: u64,
        ask: Ask,
        heard: bool,
    },
    StoreTells {
        boot: u64,
        ask: Ask,
        told: Told,
    },
    /// No answer came.
    StoreSilent {
        boot: u64,
        ask: Ask,
    },
    /// A request reaches the other node, and which of its asks broke before.
    Forwarded {
        ask: u64,
        broken: Vec<u64>,
    },
    /// The other node's answer comes.
    Replied {
        ask: u64,
        reply: Reply,
    },
    AskBroken {
        ask: u64,
    },
    /// A request waited long enough at its node.
    FrontDeadline {
        boot: u64,
        conn: u64,
    },
    /// Nobody waits for an ask any more.
    CallOff {
        ask: u64,
    },
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is done and its outcome told.
    Done,
    /// It is done, yet its outcome is lost.
    AnswerLost,
    /// It is refused with this status.
    Refused(u16, Option<u64>),
    /// It is done, yet the answer is an error.
    DoneThen5xx,
    /// It is done late, after the bridge gave up waiting.
    Late,
}

/// Everything in a run.
pub struct World {
    pub plan: Plan,
    pub rng: Rng,
    pub at: u64,
    queue: BTreeMap<(u64, u64), Event>,
    order: u64,
    pub nodes: Vec<Node>,
    /// Counts the processes.
    pub boots: u64,
    pub store: Store,
    pub steps: u64,
    /// How much there was to do in each step, for the exhaustive runs.
    pub widths: Vec<usize>,
    /// The one node has let the chat go for good.
    pub forgotten: bool,
    /// Since when nobody has the chat.
    pub lost_since: Option<u64>,
    pub net: Net,
    pub service: Service,
    pub client: Client,
    pub ledger: Ledger,
    pub trace: Option<Vec<String>>,
    /// Whether the run goes on after a violation.
    pub goes_on: bool,
}

impl World {
    /// A run of this plan; with `tracing` it keeps a readable record.
    pub fn new(plan: Plan, tracing: bool) -> Self {
        let nodes = if plan.cluster.is_some() { 2 } else { 1 };
        let mut world = Self {
            rng: Rng::new(plan.seed ^ 0x00ab_cdef),
            at: 0,
            queue: BTreeMap::new(),
            order: 0,
            nodes: (0..nodes)
                .map(|boot| Node { boot, lease: Lease::new(), ..Node::default() })
                .collect(),
            boots: nodes - 1,
            store: Store::default(),
            steps: 0,
            widths: Vec::new(),
            forgotten: false,
            lost_since: None,
            net: Net::default(),
            service: Service::default(),
            client: Client::new(&plan),
            ledger: Ledger::default(),
            trace: tracing.then(Vec::new),
            goes_on: false,
            plan,
        };
        for number in 0..world.plan.says.len() {
            let at = world.plan.says[number].0;
            world.when(at, Event::Say { number });
        }
        if let Some(at) = world.plan.visitor_ends_at {
            world.when(at, Event::VisitorEnds);
        }
        world.when(world.plan.faults_until + SETTLE, Event::MustHaveSettled);
        world.after(0, Event::Post);
        world.after(0, Event::Desk);
        world.start_nodes();
        world
    }

    /// Runs to the end, or to the first violation.
    pub fn run(&mut self) {
        let end = self.plan.faults_until + SETTLE + AFTER;
        while let Some(((at, order), event)) = self.queue.pop_first() {
            if at > end {
                break;
            }
            self.at = self.at.max(at);
            self.happen(order, event);
            if !self.ledger.violations.is_empty() && !self.goes_on {
                return;
            }
        }
        self.at = self.at.max(end);
        self.judge(true);
    }

    /// The node that has to be awake for it.
    fn happens_at(&self, event: &Event) -> Option<usize> {
        let owner = |ask: &u64| self.node_of(self.net.asks[ask].owner);
        let front = |ask: &u64| self.node_of(self.net.asks[ask].front);
        match event {
            Event::Wake { node, .. } | Event::Flush { node, .. } | Event::Stop { node } => {
                Some(*node)
            }
            Event::Arrive { conn } => Some(self.net.node(*conn)),
            Event::WrittenNotice { boot, .. }
            | Event::LostNotice { boot, .. }
            | Event::Outcome { boot, .. }
            | Event::Beat { boot }
            | Event::BeatAgain { boot }
            | Event::Sweep { boot }
            | Event::Route { boot }
            | Event::StoreTells { boot, .. }
            | Event::StoreSilent { boot, .. }
            | Event::FrontDeadline { boot, .. } => self.node_of(*boot),
            Event::StreamOpens { generation, .. }
            | Event::StreamTells { generation, .. }
            | Event::StreamGone { generation, .. } => {
                self.node_of(self.service.listener(*generation)?)
            }
            Event::Forwarded { ask, .. } | Event::CallOff { ask } => owner(ask),
            Event::Replied { ask, .. } | Event::AskBroken { ask } => front(ask),
            _ => None,
        }
    }

    fn happen(&mut self, order: u64, event: Event) {
        if self.plan.cluster.is_none() {
            return self.happen_to_all(event);
        }
        let paused =
            |node: &usize| self.nodes[*node].up && self.nodes[*node].paused_until > self.at;
        if let Some(node) = self.happens_at(&event).filter(paused) {
            if let Event::Arrive { conn } = &event {
                self.net.freeze(*conn);
            }
            self.queue.insert((self.nodes[node].paused_until, order), event);
            return;
        }
        match event {
            Event::TimedOut { conn } => self.timed_out(conn),
            Event::Stop { node } => self.stop(node),
            Event::Resume { boot } => {
                if let Some(node) = self.node_of(boot) {
                    self.work(node);
                }
            }
            Event::Flush { node, epoch } => self.flush(node, epoch),
            Event::Beat { boot } => self.beats(boot, true),
            Event::BeatAgain { boot } => self.beats(boot, false),
            Event::Sweep { boot } => self.sweeps(boot),
            Event::Route { boot } => self.routes(boot),
            Event::StoreGets { boot, ask, heard } => self.store_gets(boot, ask, heard),
            Event::StoreTells { boot, ask, told } => self.store_tells(boot, ask, told),
            Event::StoreSilent { boot, ask } => self.store_silent(boot, ask),
            Event::Forwarded { ask, broken } => self.forwarded(ask, broken),
            Event::Replied { ask, reply } => self.front_writes(ask, reply, 0),
            Event::AskBroken { ask } => self.ask_broken(ask),
            Event::FrontDeadline { boot, conn } => self.front_deadline(boot, conn),
            Event::CallOff { ask } => self.called_off(ask),
            other => self.happen_to_all(other),
        }
    }

    fn happen_to_all(&mut self, event: Event) {
        match event {
            Event::Wake { node, alarm } => self.wake(node, alarm),
            Event::Restart { node } => self.restart(node),
            Event::Arrive { conn } => self.arrive(conn),
            Event::WrittenNotice { boot, reply } => self.written(boot, reply, true),
            Event::LostNotice { boot, reply } => self.written(boot, reply, false),
            Event::ClientGets { conn, reply } => self.client_gets(conn, reply),
            Event::Break { conn } => self.break_waiting(conn),
            Event::Poll => self.client_polls(),
            Event::Say { number } => self.client_says(number),
            Event::VisitorEnds => self.client_ends(),
            Event::Post => self.client_posts(),
            Event::Again { post } => self.send_copy(post),
            Event::Reaches { boot, id, call, fate, sent } => {
                self.service_gets(boot, id, call, fate, sent);
            }
            Event::Outcome { boot, id, outcome, look } => {
                self.service_answered(boot, id, outcome, look);
            }
            Event::StreamOpens { generation, after } => self.stream_opens(generation, after),
            Event::StreamTells { generation, entry } => self.stream_event(generation, entry),
            Event::StreamDrops { generation } => self.stream_drops(generation),
            Event::StreamGone { generation, lost } => self.stream_gone(generation, lost),
            Event::Desk => self.desk_acts(),
            Event::MustHaveSettled => self.judge(false),
            _ => {}
        }
    }

    /// Whether things may go wrong now.
    pub fn faulty(&self) -> bool {
        self.at < self.plan.faults_until
    }

    /// Whether the service is unreachable now.
    pub fn outage(&self) -> bool {
        self.plan.outages.iter().any(|(from, to)| (*from..*to).contains(&self.at))
    }

    /// A draw that only counts while faults last.
    pub fn goes_wrong(&mut self, permille: u64) -> bool {
        permille > 0 && self.rng.chance(permille) && self.faulty()
    }

    /// One trip over a wire.
    pub fn trip(&mut self) -> u64 {
        let (low, high) = self.plan.latency;
        self.rng.range(low, high)
    }

    pub fn after(&mut self, wait: u64, event: Event) {
        self.when(self.at + wait, event);
    }

    pub fn when(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.queue.insert((at.max(self.at), self.order), event);
    }

    /// Nobody waits for the outcomes of a process's calls any more; some never arrive.
    pub fn forget_calls(&mut self, of: u64) {
        self.queue.retain(|_, event| !matches!(event, Event::Outcome { boot, .. } if *boot == of));
        for event in self.queue.values_mut() {
            if let Event::Reaches { boot, .. } = event
                && *boot == of
            {
                *boot = u64::MAX;
            }
        }
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.at;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>8.3} s  {}", at as f64 / 1000.0, line()));
        }
    }

    pub fn violation(&mut self, what: String) {
        self.note(|| format!("VIOLATION: {what}"));
        self.ledger.violations.push(what);
    }
}
