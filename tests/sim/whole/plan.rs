//! What one run consists of: drawn from a seed, or scripted.

use super::gate::Strike;
use crate::emulator::{MiawKnobs, RepeatedIds};
use crate::machine::rng::Rng;

/// After the last fault everything settles within this long (S7).
pub const SETTLE: u64 = 90_000;
/// After the end of a chat both sides know of it within this long.
pub const ENDING: u64 = 70_000;
/// So few messages a minute that they are merged, and so many of them.
const SMALL_BUDGET: u32 = 4;
const SAYS_OF_SMALL_BUDGET: usize = 10;
/// A retry without a number is known for so long.
const RETRY_WINDOW: i64 = 30_000;
/// Before legacy is removed, and after.
const BEFORE: &str = "2025-06-02T09:00:00Z";
const AFTER: &str = "2026-03-02T09:00:00Z";

/// Which way a chat goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Translated,
    /// Relayed to legacy under a key of the bridge's.
    Rekeyed,
    /// Relayed under Salesforce's own key.
    Verbatim,
}

/// How a client uses `ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    Proper,
    Never,
}

/// What an agent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskAct {
    Accept,
    Type,
    Say(String),
    Transfer,
    End,
}

/// One chat: its client, and its agent.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub name: String,
    pub way: Way,
    pub acks: Acks,
    /// Without numbers a retry is only known by its contents.
    pub numbered: bool,
    /// Dies of any error; its balancer asks another node when one is lost.
    pub fragile: bool,
    /// Reconnects when an answer did not come.
    pub reconnects: bool,
    pub begins_at: u64,
    pub says: Vec<(u64, String)>,
    pub desk: Vec<(u64, DeskAct)>,
    /// When the visitor ends it; else the agent does.
    pub ends_at: Option<u64>,
}

/// How often things go wrong while faults last, per thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Calls to Salesforce.
    pub calls: u64,
    /// Requests of clients.
    pub net: u64,
    /// Event streams.
    pub stream: u64,
    /// Requests to the store.
    pub store: u64,
    /// Requests between nodes.
    pub link: u64,
}

/// What happens to whom, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    Crash {
        node: usize,
        down: u64,
    },
    Pause {
        node: usize,
        millis: u64,
    },
    /// In good order.
    Stop {
        node: usize,
        down: u64,
    },
    /// One node without the store.
    StoreCut {
        node: usize,
        millis: u64,
    },
    /// Nobody has it.
    StoreDown {
        millis: u64,
    },
    /// The nodes without each other.
    LinkCut {
        millis: u64,
    },
    /// Salesforce cannot be reached.
    Outage {
        millis: u64,
    },
    /// A node's calendar jumps.
    WallStep {
        node: usize,
        millis: i64,
    },
}

/// How the balancer chooses a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balancing {
    RoundRobin,
    /// Each client stays where it is answered.
    Sticky,
    /// By the affinity token.
    Hashed,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub nodes: usize,
    pub starts: &'static str,
    pub visitors: Vec<Visitor>,
    pub service: MiawKnobs,
    pub faults: Faults,
    pub harms: Vec<(u64, Harm)>,
    pub faults_until: u64,
    pub balancing: Balancing,
    /// Messages of a visitor that go out within a minute; more are merged.
    pub per_minute: u32,
    /// Milliseconds one way, at the least and at the most.
    pub latency: (u64, u64),
    /// How far each node's calendar is ahead.
    pub ahead: Vec<i64>,
    pub strike: Option<(u64, Strike)>,
}

impl Plan {
    /// The run of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x77_686f_6c65);
        let r = &mut rng;
        let nodes = if r.chance(200) { 1 } else { 2 };
        let before = r.chance(250);
        let faults_until = r.range(30_000, 90_000);
        let calm = r.chance(50);
        let mut plan = Self {
            seed,
            nodes,
            starts: if before { BEFORE } else { AFTER },
            visitors: Vec::new(),
            service: service(r),
            faults: if calm { Faults::default() } else { faults(r, nodes) },
            harms: Vec::new(),
            faults_until,
            balancing: r.pick(&[Balancing::RoundRobin, Balancing::Sticky, Balancing::Hashed]),
            per_minute: if r.chance(120) { SMALL_BUDGET } else { 22 },
            latency: (2, r.pick(&[20, 120, 600])),
            ahead: (0..nodes).map(|_| r.range(0, 60_000) as i64 - 30_000).collect(),
            strike: None,
        };
        let count = r.range(1, 3);
        for nth in 1..=count {
            let way = match (before, r.range(0, 3)) {
                (true, 0) => Way::Verbatim,
                (true, 1 | 2) => Way::Rekeyed,
                _ => Way::Translated,
            };
            let mut visitor = visitor(r, nodes, nth, way, faults_until);
            if plan.per_minute == SMALL_BUDGET {
                visitor.tighten(faults_until);
            }
            plan.visitors.push(visitor);
        }
        if !calm {
            plan.draw_harms(r);
        }
        plan
    }

    /// A client that dies of an error needs a node to turn to that can reach what it needs: one
    /// loss at a time, each mended before the next, and nothing away for as long as a POST waits.
    fn draw_harms(&mut self, r: &mut Rng) {
        let fragile = self.visitors.iter().any(|visitor| visitor.fragile);
        let cut = if fragile { 5_000 } else { 15_000 };
        let pause = if fragile { 8_000 } else { 25_000 };
        if fragile {
            self.faults.link = 0;
        }
        let mut at = r.range(1_000, 15_000);
        while at < self.faults_until {
            let node = r.range(0, self.nodes as u64 - 1) as usize;
            let harm = match r.range(0, 11) {
                0..=3 => Harm::Crash { node, down: r.range(500, 9_000) },
                4 | 5 => Harm::Pause { node, millis: r.range(100, pause) },
                6 => Harm::Stop { node, down: r.range(500, 5_000) },
                7 => Harm::StoreCut { node, millis: r.range(500, cut) },
                8 => Harm::StoreDown { millis: r.range(500, cut) },
                9 => Harm::LinkCut { millis: r.range(500, cut) },
                10 => Harm::Outage { millis: r.range(1_000, 30_000) },
                _ => Harm::WallStep { node, millis: (r.range(0, 240_000) as i64 - 120_000) / 4 },
            };
            self.harms.push((at, harm));
            at += r.range(500, 25_000) + if fragile { 45_000 } else { 0 };
        }
    }

    /// Whether calls to Salesforce may fail, or be given up because time jumps.
    pub fn hurts_calls(&self) -> bool {
        let away =
            |(_, harm): &(u64, Harm)| matches!(harm, Harm::Outage { .. } | Harm::WallStep { .. });
        self.faults.calls > 0 || self.harms.iter().any(away)
    }

    /// Whether a process may die, stand still or lose its chats.
    pub fn hurts_nodes(&self) -> bool {
        self.strike.is_some() || !self.harms.is_empty() || self.faults.store + self.faults.link > 0
    }

    /// Whether a process may be lost with what it had in hand: one that stops in good order is not.
    pub fn loses_nodes(&self) -> bool {
        let lost = |(_, harm): &(u64, Harm)| !matches!(harm, Harm::Stop { .. });
        let faulty = self.faults.store + self.faults.link > 0;
        self.strike.is_some() || faulty || self.harms.iter().any(lost)
    }

    /// Whether the calendars of the nodes may differ by so much, or jump so far, that a retry
    /// without a number comes too late after a chat went from one to the other (corners 2, 7, 10).
    pub fn calendars_differ(&self) -> bool {
        let steps = |(_, harm): &(u64, Harm)| matches!(harm, Harm::WallStep { .. });
        let apart = self.ahead.iter().max().zip(self.ahead.iter().min());
        let apart = apart.is_some_and(|(most, least)| most - least > RETRY_WINDOW / 2);
        apart || self.harms.iter().any(steps)
    }

    /// Whether what is said may have to wait for the next minute, and the one after it.
    pub fn paced(&self) -> bool {
        self.per_minute == SMALL_BUDGET
    }

    /// When the last chat is to be over.
    pub fn end(&self) -> u64 {
        let ends = self.visitors.iter().map(Visitor::ends);
        ends.max().unwrap_or(0).max(self.faults_until + SETTLE) + ENDING
    }
}

impl Visitor {
    /// Says most of it at once, so that it is merged, and no more than passes before the chat ends.
    fn tighten(&mut self, faults_until: u64) {
        self.says.truncate(SAYS_OF_SMALL_BUDGET);
        for (nth, (at, _)) in self.says.iter_mut().enumerate().skip(2) {
            *at = (*at).min(faults_until / 2 + 50 * nth as u64);
        }
        self.says.sort();
        let later = |at: u64| at + 60_000 * SAYS_OF_SMALL_BUDGET as u64 / u64::from(SMALL_BUDGET);
        self.ends_at = self.ends_at.map(later);
        if let Some((at, DeskAct::End)) = self.desk.last_mut() {
            *at = later(*at);
        }
    }

    /// When the chat ends, if nothing ends it before.
    pub fn ends(&self) -> u64 {
        let agent = self.desk.iter().find(|(_, act)| *act == DeskAct::End).map(|(at, _)| *at);
        self.ends_at.or(agent).unwrap_or(0)
    }
}

fn service(r: &mut Rng) -> MiawKnobs {
    MiawKnobs {
        token_ttl_seconds: 6 * 3_600,
        repeated_ids: r.pick(&[
            RepeatedIds::Ignore,
            RepeatedIds::Ignore,
            RepeatedIds::Conflict409,
            RepeatedIds::AcceptTwice,
        ]),
        // Fewer than what happens at once, and an open stream would miss it too.
        replay_buffer: r.pick(&[8, 20, 1_000, 1_000]),
        duplicate_events: r.chance(150),
        shuffle_end_events: r.chance(300),
        drop_after_events: r.pick(&[0, 0, 0, 7]),
        ..MiawKnobs::default()
    }
}

fn faults(r: &mut Rng, nodes: usize) -> Faults {
    Faults {
        calls: r.pick(&[0, 0, 80, 250]),
        net: r.pick(&[0, 50, 150]),
        stream: r.pick(&[0, 50, 200]),
        store: r.pick(&[0, 0, 5, 30]),
        link: if nodes == 1 { 0 } else { r.pick(&[0, 0, 40, 150]) },
    }
}

fn visitor(r: &mut Rng, nodes: usize, nth: u64, way: Way, faults_until: u64) -> Visitor {
    let name = format!("v{nth}");
    let fragile = nodes > 1 && r.chance(200);
    let acks = if fragile || r.chance(750) { Acks::Proper } else { Acks::Never };
    let numbered = fragile || way != Way::Translated || r.chance(700);
    let begins_at = r.range(100, 8_000);
    let ends = faults_until + SETTLE + r.range(1_000, 4_000);
    let mut says = Vec::new();
    let mut at = begins_at + r.range(300, 6_000);
    while at < faults_until && says.len() < 30 {
        let burst = if r.chance(120) { r.range(2, 6) } else { 1 };
        for _ in 0..burst {
            says.push((at, words(r, &name, says.len() as u64 + 1)));
            at += r.range(0, 200);
        }
        at += r.range(1_500, 12_000);
    }
    let mut desk = vec![(r.range(200, 6_000), DeskAct::Accept)];
    let mut at = desk[0].0;
    let (mut lines, mut moved) = (0, false);
    while at + begins_at < faults_until && desk.len() < 40 {
        at += r.range(100, 7_000);
        match r.range(0, 9) {
            0 | 1 => desk.push((at, DeskAct::Type)),
            2 if !moved && way == Way::Translated && r.chance(300) => {
                moved = true;
                desk.push((at, DeskAct::Transfer));
            }
            _ => {
                lines += 1;
                desk.push((at, DeskAct::Say(answer(r, &name, lines))));
            }
        }
    }
    let by_agent = r.chance(500);
    if by_agent {
        desk.push((ends, DeskAct::End));
    }
    Visitor {
        way,
        acks,
        numbered,
        fragile,
        reconnects: way == Way::Translated && !fragile && numbered && r.chance(200),
        begins_at,
        says,
        desk,
        ends_at: (!by_agent).then_some(ends),
        name,
    }
}

/// What a visitor says: no two texts of a run are equal, and each can be found in a merged one.
pub fn words(r: &mut Rng, name: &str, number: u64) -> String {
    let filler = r.pick(&["hello", "zwei\nZeilen ß 😀", "", "is anybody there?"]);
    format!("[{name}.{number}:{filler}]")
}

fn answer(r: &mut Rng, name: &str, number: u64) -> String {
    let filler = r.pick(&["yes", "einen Moment bitte ß", "one\ntwo"]);
    format!("[a-{name}.{number}:{filler}]")
}
