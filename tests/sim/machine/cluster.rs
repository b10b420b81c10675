//! Two nodes: what a seed does to them, their leases, and how one takes the chat up from the other.

use crate::chat::Input;
use crate::chat::mutation::{self, Mutation};
use crate::cluster::lease::{BEAT_EVERY, Renewed};
use crate::machine::plan::Plan;
use crate::machine::rng::Rng;
use crate::machine::store::{Ask, Told};
use crate::machine::world::{Event, World};
use crate::time::Mono;

/// And again this soon when it was not answered.
const BEAT_AGAIN: u64 = 300;
/// A node looks for chats of dead ones this often.
const SWEEP: u64 = 1_000;
/// The store's clock is set back by this much at the most: a dead node's lease lasts as much
/// longer.
const STORE_BACK_MAX: u64 = 20_000;
/// The longest pause.
const PAUSE: u64 = 60_000;

/// How the second node of a run comes about, and what goes wrong with both.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The client stays at one node while that one answers; else it alternates.
    pub sticky: bool,
    /// The client asks again after a 500.
    pub insists: bool,
    /// Steps during which a node is paused, per thousand.
    pub pause: u64,
    /// The nodes' stopwatches stand still while they are paused, as in a machine that is suspended.
    pub suspends: bool,
    /// Messages lost between the nodes and the store, or between the nodes, per thousand.
    pub link: u64,
    /// When a node does not reach the store.
    pub cuts: Vec<(u64, u64, usize)>,
    /// When the nodes do not reach each other.
    pub apart: Vec<(u64, u64)>,
    /// How far the store's clock is ahead of the calendar.
    pub store_ahead: i64,
    /// When the store's clock steps, and how far.
    pub store_step: Option<(u64, i64)>,
    /// How far the second node's wall clock is ahead.
    pub skew: i64,
    /// The service keeps the newest stream of a token only.
    pub one_stream: bool,
    /// When a node is stopped and started again, in good order.
    pub stops: Vec<(u64, usize)>,
    /// Where a script crashes a node, it is paused for this long instead.
    pub pauses_for: Option<u64>,
}

impl Cluster {
    /// What a seed does to two nodes.
    pub fn of_seed(seed: u64, until: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6e6f_6465_7300);
        let r = &mut rng;
        let mut spans = |permille: u64, longest: u64| -> Vec<(u64, u64)> {
            let count = if r.chance(permille) { r.range(1, 3) } else { 0 };
            let span = |r: &mut Rng| {
                let from = r.range(0, until);
                (from, (from + r.range(500, longest)).min(until))
            };
            (0..count).map(|_| span(r)).collect()
        };
        let cuts = spans(350, 30_000);
        let apart = spans(300, 30_000);
        let stops = spans(250, 1_000);
        let step_forward = r.chance(80);
        // Drawn apart, so that every other seed stays what it was.
        let mut back = Rng::new(until ^ 0x6261_636b);
        let step_back = back
            .chance(120)
            .then(|| (back.range(0, until), -(back.range(500, STORE_BACK_MAX) as i64)));
        Self {
            sticky: r.chance(400),
            insists: r.chance(600),
            pause: r.pick(&[0, 5, 15, 40]),
            suspends: r.chance(150),
            link: r.pick(&[0, 0, 20, 80]),
            cuts: cuts.into_iter().map(|(a, b)| (a, b, (a % 2) as usize)).collect(),
            apart,
            store_ahead: r.pick(&[0, 300_000, -300_000, 3_600_000]),
            store_step: step_forward
                .then(|| (r.range(0, until), r.pick(&[5_000, 3_600_000])))
                .or(step_back),
            skew: r.pick(&[0, 0, 0, 300, -5_000, 5_000]),
            one_stream: r.chance(400),
            stops: stops.into_iter().map(|(at, _)| (at, (at / 2 % 2) as usize)).collect(),
            pauses_for: None,
        }
    }

    /// Whether nothing goes wrong with either node.
    pub fn harmless(&self) -> bool {
        let spans = self.cuts.is_empty() && self.apart.is_empty() && self.stops.is_empty();
        self.pause + self.link == 0 && spans && self.store_step.is_none() && self.skew == 0
    }

    /// Whether a node may believe in a lease that it has lost.
    pub fn deceives(&self) -> bool {
        // Set back, the clock only makes leases longer.
        self.suspends || self.store_step.is_some_and(|(_, step)| step > 0)
    }
}

impl Plan {
    /// The run of a seed, on two nodes.
    pub fn of_pair(seed: u64) -> Self {
        let mut plan = Self::of_seed(seed);
        let mut cluster = Cluster::of_seed(seed, plan.faults_until);
        if plan.settings.messages_per_minute < 6 {
            // What waited when the chat changed hands is not merged, and would outlast the run.
            let Cluster { sticky, insists, one_stream, .. } = cluster;
            cluster = Cluster { sticky, insists, one_stream, ..Cluster::default() };
        }
        plan.cluster = Some(cluster);
        plan
    }
}

impl World {
    /// Both nodes start.
    pub fn start_nodes(&mut self) {
        let Some(cluster) = self.plan.cluster.clone() else { return };
        for node in 0..2 {
            self.nodes[node].wall_offset = if node == 1 { cluster.skew } else { 0 };
            self.node_starts(node);
        }
        for (at, node) in cluster.stops {
            self.when(at, Event::Stop { node });
        }
    }

    pub fn node_starts(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        self.nodes[node].up = true;
        self.after(0, Event::Beat { boot });
        self.after(SWEEP, Event::Sweep { boot });
    }

    /// Which node runs as this process.
    pub fn node_of(&self, boot: u64) -> Option<usize> {
        self.nodes.iter().position(|node| node.boot == boot && node.up)
    }

    fn store_now(&self) -> i64 {
        let Some(cluster) = &self.plan.cluster else { return 0 };
        let stepped = cluster.store_step.filter(|(from, _)| *from <= self.at);
        self.at as i64 + cluster.store_ahead + stepped.map_or(0, |(_, step)| step)
    }

    /// Whether the node has to take its lease for lost.
    pub fn lapsed(&self, node: usize) -> bool {
        let now = Mono::from_millis(self.mono(node));
        !self.nodes[node].lease.may_serve(now) && !mutation::on(Mutation::SelfFencing)
    }

    fn cut_off(&self, node: usize) -> bool {
        let Some(cluster) = &self.plan.cluster else { return false };
        let covers = |(from, to, which): &(u64, u64, usize)| {
            (*from..*to).contains(&self.at) && *which == node
        };
        cluster.cuts.iter().any(covers)
    }

    fn link_fails(&mut self) -> bool {
        let permille = self.plan.cluster.as_ref().map_or(0, |cluster| cluster.link);
        self.goes_wrong(permille)
    }

    /// Whether a message from one node to the other is lost.
    pub fn peers_fail(&mut self) -> bool {
        let apart = self.plan.cluster.iter().flat_map(|cluster| &cluster.apart);
        let apart = apart.into_iter().any(|(from, to)| (*from..*to).contains(&self.at));
        apart || self.link_fails()
    }

    /// One trip between nodes, or between a node and the store; sometimes a slow one.
    pub fn hop(&mut self) -> u64 {
        let slow = self.link_fails();
        let longest = if slow { 2_000 } else { 15 };
        self.rng.range(1, longest)
    }

    /// A node asks the store something; this much later when it is paused over it.
    pub fn ask_store(&mut self, node: usize, ask: Ask, late: u64) {
        let boot = self.nodes[node].boot;
        let lost = self.cut_off(node) || self.link_fails();
        let trip = self.hop() + late;
        if lost {
            let wait = late + self.rng.range(200, 3_000);
            self.after(wait, Event::StoreSilent { boot, ask: ask.clone() });
            if self.rng.chance(300) {
                // It was only slow.
                let trip = trip + self.rng.range(200, 6_000);
                self.after(trip, Event::StoreGets { boot, ask, heard: false });
            }
            return;
        }
        self.after(trip, Event::StoreGets { boot, ask, heard: true });
    }

    pub fn store_gets(&mut self, boot: u64, ask: Ask, heard: bool) {
        let told = self.store.serve(boot, self.store_now(), ask.clone());
        if !matches!(ask, Ask::Beat { .. } | Ask::Mine | Ask::Claim { sweep: true }) {
            self.note(|| format!("store: process {boot} {}: {told:?}", shown(&ask)));
        }
        let Some(node) = self.node_of(boot).filter(|_| heard) else { return };
        if self.cut_off(node) || self.link_fails() {
            let wait = self.rng.range(200, 3_000);
            return self.after(wait, Event::StoreSilent { boot, ask });
        }
        let trip = self.hop();
        self.after(trip, Event::StoreTells { boot, ask, told });
    }

    pub fn store_tells(&mut self, boot: u64, ask: Ask, told: Told) {
        let Some(node) = self.node_of(boot) else { return };
        match (ask, told) {
            (_, Told::Beaten { began, lapsed }) => {
                let now = Mono::from_millis(self.mono(node));
                let renewed = self.nodes[node].lease.answered(began, now);
                if lapsed || renewed == Renewed::AfterGap {
                    self.ask_store(node, Ask::Mine, 0);
                }
            }
            (_, Told::Mine(epoch)) => self.settled(node, epoch),
            (Ask::Commit(commit), told) => self.committed(node, &commit, &told),
            (Ask::Claim { .. }, told) => {
                self.nodes[node].claiming = false;
                self.claimed(node, told);
            }
            _ => {}
        }
    }

    pub fn store_silent(&mut self, boot: u64, ask: Ask) {
        let Some(node) = self.node_of(boot) else { return };
        match ask {
            Ask::Commit(commit) => self.commit_again(node, commit),
            Ask::Claim { .. } => {
                self.nodes[node].claiming = false;
                self.route_later(node);
            }
            Ask::Beat { .. } => {
                self.note(|| format!("process {boot} has no answer to its beat"));
                self.after(BEAT_AGAIN, Event::BeatAgain { boot });
            }
            // The next beat finds out.
            Ask::Mine | Ask::Release => {}
        }
    }

    pub fn beats(&mut self, boot: u64, regular: bool) {
        let Some(node) = self.node_of(boot) else { return };
        if self.nodes[node].stopping && self.nodes[node].task.is_none() {
            return self.stopped(node);
        }
        let began = Mono::from_millis(self.mono(node));
        self.ask_store(node, Ask::Beat { began }, 0);
        if regular {
            self.after(BEAT_EVERY.as_millis() as u64, Event::Beat { boot });
        }
    }

    /// It is known whether the chat is still this node's.
    fn settled(&mut self, node: usize, epoch: Option<u64>) {
        let held = self.nodes[node].task.as_ref().map(|task| task.epoch);
        // What it is just about to begin, the store does not know.
        let new = held == Some(1) && epoch.is_none() && self.store.is_empty();
        self.nodes[node].lease.settled();
        if held.is_some() && held != epoch && !new {
            return self.let_go(node, "another node has it");
        }
        self.work(node);
        self.route(node);
    }

    pub fn sweeps(&mut self, boot: u64) {
        let Some(node) = self.node_of(boot) else { return };
        if self.nodes[node].task.is_none() && !self.lapsed(node) {
            self.claim(node, true);
        }
        self.after(SWEEP, Event::Sweep { boot });
    }

    pub fn claim(&mut self, node: usize, sweep: bool) {
        if !std::mem::replace(&mut self.nodes[node].claiming, true) {
            self.ask_store(node, Ask::Claim { sweep }, 0);
        }
    }

    fn claimed(&mut self, node: usize, told: Told) {
        let boot = self.nodes[node].boot;
        match told {
            Told::NoSuchChat => self.nobody_knows(node),
            Told::Owned(owner) if owner != boot => self.forward_all(node, owner),
            Told::Yours { epoch, from, loaded } => {
                if self.nodes[node].task.is_some() || self.lapsed(node) {
                    return self.route_later(node);
                }
                let finished = from == boot && self.nodes[node].finished;
                self.ledger.lives += 1;
                self.take_up(node, epoch, &loaded);
                self.nodes[node].finished = false;
                self.nodes[node].hint = None;
                if from != boot {
                    self.ledger.takeovers += 1;
                    self.ledger.longest_gap = self.ledger.longest_gap.max(self.gap());
                }
                self.lost_since = None;
                self.call_back(node);
                self.note(|| format!("node {node} (process {boot}) takes the chat up"));
                if !finished {
                    self.feed(node, Input::Recovered);
                }
                self.deliver_all(node);
            }
            _ => self.route_later(node),
        }
    }

    /// How long nobody has had the chat.
    fn gap(&self) -> u64 {
        self.lost_since.map_or(0, |since| self.at - since)
    }

    /// The node drops what it knows of the chat; whoever waits is routed anew.
    pub fn let_go(&mut self, node: usize, why: &str) {
        let boot = self.nodes[node].boot;
        self.note(|| format!("node {node} (process {boot}) lets the chat go: {why}"));
        self.nodes[node].task = None;
        self.nodes[node].files.clear();
        self.nodes[node].alarm += 1;
        self.service.detach(boot);
        self.forget_calls(boot);
        self.hand_on(node);
    }

    /// The node does nothing for a while, and does not know it.
    pub fn pause(&mut self, node: usize) -> u64 {
        let cluster = self.plan.cluster.clone().unwrap_or_default();
        let longest = self.rng.pick(&[3_000, 9_000, PAUSE]);
        let long = cluster.pauses_for.unwrap_or_else(|| self.rng.range(0, longest));
        let latest = self.plan.faults_until.max(self.at);
        let until = (self.at + long).min(latest);
        let long = until - self.at;
        self.ledger.pauses += 1;
        self.note(|| format!("PAUSE of node {node} for {long} ms"));
        let boot = self.nodes[node].boot;
        if cluster.suspends {
            self.nodes[node].unseen += long;
        }
        self.nodes[node].paused_until = until;
        if self.nodes[node].task.is_some() {
            self.lost_since = Some(self.at);
        }
        self.when(until, Event::Resume { boot });
        long
    }

    /// The node is asked to stop in good order.
    pub fn stop(&mut self, node: usize) {
        let still = self.nodes[node].up && !self.nodes[node].stopping;
        if !still || !self.faulty() {
            return;
        }
        self.note(|| format!("node {node} is stopped"));
        self.nodes[node].stopping = true;
        match self.nodes[node].task.is_some() {
            true => self.feed(node, Input::Drain),
            false => self.stopped(node),
        }
    }

    /// It has let go of whoever waited.
    pub fn stopped(&mut self, node: usize) {
        self.ask_store(node, Ask::Release, 0);
        self.ledger.stops += 1;
        self.dies(node);
        let latest = self.plan.faults_until.max(self.at + 10);
        let down = self.rng.range(500, 10_000);
        self.when((self.at + down).min(latest), Event::Restart { node });
    }
}

fn shown(ask: &Ask) -> String {
    match ask {
        Ask::Commit(commit) => format!("commits {} at epoch {}", commit.number, commit.epoch),
        other => format!("{other:?}"),
    }
}
