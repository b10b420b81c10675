//! What one run consists of: drawn from a seed, or scripted by hand.

use crate::chat::content::{Ask, Choice, Field, FieldKind, Form, Offer, Style};
use crate::chat::limits::{Delivery, Settings};
use crate::machine::cluster::Cluster;
use crate::machine::rng::Rng;

/// How a client uses `ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// The `sequence` of the last answer.
    Proper,
    /// Never.
    Never,
    /// Its own count of polls, from 0.
    PrivateCounter,
    /// Properly, except that the first poll has none.
    MissingFirst,
}

/// How a client numbers and retries its POSTs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posts {
    /// Numbered; a retry carries the same number.
    Numbered,
    /// Numbered, and every POST is sent two to four times.
    Blind,
    /// Without numbers; retried when no answer came.
    Unnumbered,
}

/// The legacy client of a run.
#[derive(Clone, Debug)]
pub struct Traits {
    pub acks: Acks,
    pub posts: Posts,
    pub overlaps: bool,
    pub reconnects: bool,
    /// Some of its reconnects name an offset that never was.
    pub garbles: bool,
}

/// What the agent's side does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskAct {
    Routed,
    Join(&'static str),
    Type,
    Say,
    TransferStarts,
    Leave(&'static str),
    End,
    Unknown,
    Ask(Ask),
}

/// Who ends the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    Nobody,
    Agent,
    Visitor,
}

/// How often things go wrong while faults last, per thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub calls: u64,
    pub net: u64,
    pub crash: u64,
    pub stream: u64,
    pub wall_steps: bool,
}

/// How the service behaves where the documentation leaves it open.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// A repeated id is shown to the agent again.
    pub accepts_twice: bool,
    /// A repeated id that is ignored is answered 409, else 200.
    pub conflict: bool,
    /// The entries list is behind by up to this long.
    pub list_lag: u64,
    /// Events kept for `Last-Event-ID`.
    pub buffer: usize,
    /// The first message is refused with 417.
    pub wants_new_session: bool,
    /// The token tells where the stream starts.
    pub token_tells_start: bool,
    /// Longest delay of an event on the stream.
    pub event_delay: u64,
    /// How long an access token lives.
    pub token_life: u64,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub settings: Settings,
    pub traits: Traits,
    pub service: Service,
    pub faults: Faults,
    pub faults_until: u64,
    /// When the service is unreachable.
    pub outages: Vec<(u64, u64)>,
    pub says: Vec<(u64, String)>,
    pub says_max: usize,
    pub desk: Vec<(u64, DeskAct)>,
    /// When the visitor ends the chat, if it does.
    pub visitor_ends_at: Option<u64>,
    /// Crash at this step, before its n-th action.
    pub crash_at: Option<(u64, usize)>,
    pub latency: (u64, u64),
    /// Two nodes, and what goes wrong with them.
    pub cluster: Option<Cluster>,
}

/// How long after the last fault everything must have settled.
pub const SETTLE: u64 = 90_000;
/// How long after that the run goes on, to see the end of the chat.
pub const AFTER: u64 = 95_000;

impl Plan {
    /// The run of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let r = &mut rng;
        let mut more = Rng::new(seed ^ 0x6d6f_7265);
        let faults_until = r.range(30_000, 120_000);
        let settings = Settings {
            delivery: r.pick(&[Delivery::Single, Delivery::Batch]),
            text_limit: r.pick(&[4_000, 4_000, 120]),
            ..Settings::default()
        };
        let acks = r.pick(&[
            Acks::Proper,
            Acks::Proper,
            Acks::Never,
            Acks::PrivateCounter,
            Acks::MissingFirst,
        ]);
        let posts = r.pick(&[Posts::Numbered, Posts::Blind, Posts::Unnumbered]);
        let proper = acks == Acks::Proper;
        let traits = Traits {
            acks,
            posts,
            overlaps: proper && r.chance(300),
            reconnects: proper && posts != Posts::Blind && r.chance(300),
            garbles: more.chance(500),
        };
        let ends = match r.range(0, 9) {
            0..=3 => Ends::Agent,
            4..=7 => Ends::Visitor,
            _ => Ends::Nobody,
        };
        let early = r.chance(150);
        let ends_at = match early {
            true => r.range(15_000, faults_until),
            false => faults_until + SETTLE + 2_000,
        };
        let mut plan = Self {
            seed,
            settings,
            traits,
            service: Self::draw_service(r),
            faults: Self::draw_faults(r),
            faults_until,
            outages: Self::draw_outages(r, faults_until),
            says: Vec::new(),
            says_max: 60,
            desk: Vec::new(),
            visitor_ends_at: (ends == Ends::Visitor).then_some(ends_at),
            crash_at: None,
            latency: (5, r.pick(&[50, 200, 900])),
            cluster: None,
        };
        if r.chance(120) {
            plan.tighten();
        } else if more.chance(100) {
            plan.tighten_with_crashes(&mut more);
        }
        if more.chance(100) {
            plan.service.token_life = more.range(60_000, 240_000);
        }
        let last = ends_at.min(faults_until);
        plan.draw_says(r, last);
        plan.draw_desk(r, last);
        plan.draw_asks(seed);
        if ends == Ends::Agent {
            plan.desk.push((ends_at, DeskAct::End));
        }
        plan
    }

    /// Whether calls to the service may fail, or time may jump.
    pub fn hurts_calls(&self) -> bool {
        self.faults.calls > 0 || !self.outages.is_empty() || self.faults.wall_steps
    }

    /// Whether the visitor says so much in a minute that pacing may outlast [`SETTLE`].
    pub fn paced(&self) -> bool {
        let budget = self.settings.messages_per_minute / 2;
        self.says
            .windows(budget.max(2))
            .any(|some| some.last().map_or(0, |last| last.0) < some[0].0 + 60_000)
    }

    /// Whether nothing at all goes wrong.
    pub fn harmless(&self) -> bool {
        let Faults { calls, net, crash, stream, .. } = self.faults;
        let calm = self.cluster.as_ref().is_none_or(Cluster::harmless) && self.crash_at.is_none();
        calls + net + crash + stream == 0 && self.outages.is_empty() && calm
    }

    /// So small a budget that retries often take its last place, and a list that is behind.
    fn tighten(&mut self) {
        self.settings.messages_per_minute = 3;
        self.settings.text_limit = 4_000;
        self.service.list_lag = 5_000;
        self.service.event_delay = 3_000;
        self.faults.calls = 300;
        self.faults.crash = 0;
    }

    /// So small a budget that messages merge, and crashes between; few enough messages that what
    /// waited at a crash, and may not merge any more, passes before the run ends.
    fn tighten_with_crashes(&mut self, r: &mut Rng) {
        self.settings.messages_per_minute = 6;
        self.settings.text_limit = 4_000;
        self.faults.calls = r.pick(&[0, 100, 300]);
        self.faults.crash = r.pick(&[15, 40]);
        self.says_max = 16;
    }

    fn draw_service(r: &mut Rng) -> Service {
        Service {
            accepts_twice: r.chance(400),
            conflict: r.chance(500),
            list_lag: r.pick(&[0, 0, 1_500, 5_000]),
            buffer: r.pick(&[1, 3, 1_000, 1_000]),
            wants_new_session: r.chance(150),
            token_tells_start: r.chance(800),
            event_delay: r.pick(&[20, 300, 3_000]),
            token_life: 6 * 3_600_000,
        }
    }

    fn draw_faults(r: &mut Rng) -> Faults {
        if r.chance(60) {
            return Faults::default();
        }
        Faults {
            calls: r.pick(&[0, 100, 300]),
            net: r.pick(&[0, 60, 200]),
            crash: r.pick(&[0, 5, 15, 40]),
            stream: r.pick(&[0, 60, 200]),
            wall_steps: r.chance(200),
        }
    }

    fn draw_outages(r: &mut Rng, until: u64) -> Vec<(u64, u64)> {
        let count = if r.chance(300) { r.range(1, 2) } else { 0 };
        (0..count)
            .map(|_| {
                let from = r.range(0, until);
                (from, (from + r.range(3_000, 45_000)).min(until))
            })
            .collect()
    }

    fn draw_says(&mut self, r: &mut Rng, last: u64) {
        // Nothing can be merged under a short limit, and pacing would outlast the run.
        let bursts = r.chance(500) && self.settings.text_limit >= 4_000;
        let mut at = r.range(300, 6_000);
        let mut number = 0;
        while at < last && self.says.len() < self.says_max {
            let burst = if bursts && r.chance(300) { r.range(5, 30) } else { 1 };
            for _ in 0..burst {
                if self.says.len() == self.says_max {
                    break;
                }
                number += 1;
                self.says.push((at, words(r, number, self.settings.text_limit)));
                at += r.range(0, 120);
            }
            at += r.range(500, 15_000);
        }
    }

    /// Questions to the visitor, some of which the visitor's next words happen to answer.
    fn draw_asks(&mut self, seed: u64) {
        let mut r = Rng::new(seed ^ 0x61_736b);
        self.settings.content.form_wait = std::time::Duration::from_secs(30);
        if !r.chance(250) || self.says.len() < 3 {
            return;
        }
        for _ in 0..r.range(1, 3) {
            let next = r.range(0, self.says.len() as u64 - 2) as usize;
            let at = self.says[next].0.saturating_sub(r.range(1, 3_000));
            let (first, second) = (self.says[next].1.clone(), self.says[next + 1].1.clone());
            let act = (at, DeskAct::Ask(ask(&mut r, &first, &second)));
            let place = self.desk.iter().position(|(other, _)| *other > at);
            self.desk.insert(place.unwrap_or(self.desk.len()), act);
        }
    }

    fn draw_desk(&mut self, r: &mut Rng, last: u64) {
        let mut at = r.range(500, 8_000);
        if r.chance(500) {
            self.desk.push((at, DeskAct::Routed));
            at += r.range(10, 3_000);
        }
        self.desk.push((at, DeskAct::Join("anna")));
        let transfers = r.chance(200);
        let mut moved = false;
        while at < last && self.desk.len() < 60 {
            at += r.range(20, 7_000);
            match r.range(0, 9) {
                0 | 1 => self.desk.push((at, DeskAct::Type)),
                2 => self.desk.push((at, DeskAct::Unknown)),
                3 if transfers && !moved && at + 9_000 < last => {
                    moved = true;
                    self.desk.push((at, DeskAct::TransferStarts));
                    self.desk.push((at + 400, DeskAct::Leave("anna")));
                    at += r.range(500, 8_000);
                    self.desk.push((at, DeskAct::Join("bert")));
                }
                4 => {
                    for _ in 0..r.range(2, 6) {
                        self.desk.push((at, DeskAct::Say));
                        at += r.range(0, 200);
                    }
                }
                _ => self.desk.push((at, DeskAct::Say)),
            }
        }
    }
}

fn choice(id: &str, title: &str) -> Choice {
    Choice { id: id.to_owned(), title: title.into() }
}

/// A question that these words answer, in one way or another.
pub fn ask(r: &mut Rng, first: &str, second: &str) -> Ask {
    let message = "q".to_owned();
    if r.chance(400) {
        let items = vec![choice("o1", second), choice("o2", first)];
        return Ask::Offer(Offer { message, style: Style::Buttons, items });
    }
    let kind = match r.chance(500) {
        true => FieldKind::Text,
        false => FieldKind::Options { choices: vec![choice("o1", second)], several: false },
    };
    let field = |id: &str, kind| Field { id: id.into(), label: "".into(), required: true, kind };
    Ask::Form(Form { message, fields: vec![field("f1", FieldKind::Text), field("f2", kind)] })
}

/// The text of a visitor's message: it cannot be confused with any other.
pub fn words(r: &mut Rng, number: u64, limit: usize) -> String {
    let filler = match r.range(0, 11) {
        0 => "zwei\nZeilen ß 😀".to_owned(),
        1 if limit < 500 => "lang und länger ".repeat(r.range(8, 20) as usize),
        2 => String::new(),
        _ => "hello".to_owned(),
    };
    format!("[v{number}:{filler}]")
}
