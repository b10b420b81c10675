//! The shell around the core: commit, then act; and what a crash leaves of it.
//!
//! With one node a commit is done in an instant. With two it travels to the store and back, other
//! inputs wait meanwhile, and between any two acts the process may die or stand still.

use std::collections::{BTreeSet, VecDeque};

use uuid::Uuid;

use crate::chat::fact::{Delta, Fact};
use crate::chat::ids::ChatId;
use crate::chat::mutation::{self, Mutation};
use crate::chat::pending::{Command, CommandKind};
use crate::chat::session::Session;
use crate::chat::state::State;
use crate::chat::{Effect, Input, Save, Step};
use crate::cluster::lease::Lease;
use crate::machine::front::Want;
use crate::machine::store::{Ask, Commit, Loaded, Told};
use crate::machine::world::{Event, World};
use crate::time::{Mono, Now, Wall};

/// The calendar at the start of a run.
pub const EPOCH: i64 = 1_771_200_000_000;
/// Deltas after which a snapshot is written.
const SNAPSHOT_EVERY: usize = 40;
/// What may be late is stored after this long at the latest.
const LATE_MAX: u64 = 30_000;

/// A process that may hold the chat.
#[derive(Default)]
pub struct Node {
    /// Names the process: no two of a run have the same.
    pub boot: u64,
    pub up: bool,
    pub booted_at: u64,
    pub wall_offset: i64,
    /// For how long its stopwatch stood still.
    pub unseen: u64,
    pub paused_until: u64,
    pub stopping: bool,
    pub task: Option<Task>,
    /// Counts the wakings asked for; only the last one counts.
    pub alarm: u64,
    /// Files in memory, by the numbers of their commands.
    pub files: BTreeSet<u64>,
    pub lease: Lease,
    pub claiming: bool,
    /// The chat's task left with nothing left to do.
    pub finished: bool,
    /// Requests that wait at this node.
    pub wants: Vec<Want>,
    pub routing: bool,
    /// Who had the chat when it was last asked for.
    pub hint: Option<u64>,
}

/// The chat, as far as a process holds it.
pub struct Task {
    session: Session,
    /// Facts that ride along with the next commit.
    lazy: Vec<Fact>,
    flush_asked: bool,
    pub gap_failures: u32,
    /// How often the chat had changed hands or died before.
    pub life: u64,
    pub epoch: u64,
    next_number: u64,
    inbox: VecDeque<Input>,
    acts: VecDeque<Act>,
    committing: bool,
    /// Where something befalls the process during this step.
    strike: Option<Strike>,
    done: usize,
}

/// One thing the shell does after a step.
pub enum Act {
    Commit(Vec<Fact>, Save),
    Perform(Effect),
}

/// Something befalls the process.
#[derive(Clone, Copy)]
struct Strike {
    /// Before this act, or while it is being done.
    act: usize,
    inside: bool,
    pause: bool,
}

impl Task {
    fn new(session: Session) -> Self {
        Self {
            session,
            lazy: Vec::new(),
            flush_asked: false,
            gap_failures: 0,
            life: 0,
            epoch: 1,
            next_number: 1,
            inbox: VecDeque::new(),
            acts: VecDeque::new(),
            committing: false,
            strike: None,
            done: 0,
        }
    }
}

impl World {
    pub fn chat(&self) -> ChatId {
        ChatId(Uuid::from_u128(u128::from(self.plan.seed) << 64 | 0x77))
    }

    /// A node's stopwatch.
    pub fn mono(&self, node: usize) -> u64 {
        let node = &self.nodes[node];
        (self.at + 7).saturating_sub(node.booted_at + node.unseen)
    }

    fn now(&self, node: usize) -> Now {
        Now {
            wall: Wall::from_millis(EPOCH + self.at as i64 + self.nodes[node].wall_offset),
            mono: Mono::from_millis(self.mono(node)),
        }
    }

    /// Whether the one node can be reached.
    pub fn up(&self) -> bool {
        self.nodes[0].task.is_some() || (self.nodes[0].boot == 0 && self.steps == 0)
    }

    /// A chat that nobody has heard of.
    pub fn begins(&mut self, node: usize) {
        let session = Session::new(self.chat(), self.plan.settings.clone(), self.now(node));
        self.nodes[node].task = Some(Task::new(session));
    }

    /// Gives the machine an input and does what it decides, as soon as it may.
    pub fn feed(&mut self, node: usize, input: Input) {
        if self.plan.cluster.is_some() {
            if let Some(task) = &mut self.nodes[node].task {
                task.inbox.push_back(input);
                self.work(node);
            }
            return;
        }
        if self.nodes[node].task.is_none() && self.up() {
            self.begins(node);
        }
        let Some(acts) = self.step(node, input) else { return };
        let crash_at = self.crash_point(acts.len());
        if crash_at != Some(0) {
            self.decided(node, &acts);
        }
        self.steps += 1;
        let all = acts.len();
        for (index, act) in acts.into_iter().enumerate() {
            if crash_at == Some(index) {
                return self.crash(node, &format!("before act {index} of {all}"));
            }
            self.act(node, act, 0);
        }
        if crash_at == Some(all) {
            self.crash(node, "after the last act");
        }
    }

    /// One step of the machine: what is to be done for it.
    fn step(&mut self, node: usize, input: Input) -> Option<VecDeque<Act>> {
        let now = self.now(node);
        if let (Input::Post { post, .. }, true) = (&input, self.plan.cluster.is_some()) {
            self.ledger.taken(post.fingerprint - 1, self.at);
        }
        let task = self.nodes[node].task.as_mut()?;
        let heard = self.trace.is_some().then(|| format!("{input:?}"));
        let Step { facts, mut save, effects, wake_at } = task.session.step(now, input);
        for fact in &facts {
            if let Fact::Queued(Command { number, kind: CommandKind::File { .. }, .. }) = fact {
                self.nodes[node].files.insert(*number);
            }
        }
        if let Some(heard) = heard {
            let shown = format!("{save:?} {facts:?}");
            self.note(|| format!("bridge {node} <- {heard}\n{:>12}{shown}", ""));
        }
        if wake_at.is_some_and(|at| at <= now.mono) {
            self.violation("the bridge asks to be woken for what is past".to_owned());
        }
        if let Some(wake_at) = wake_at {
            let wait = wake_at.since(now.mono).as_millis() as u64;
            self.nodes[node].alarm += 1;
            let alarm = self.nodes[node].alarm;
            self.after(wait.max(1), Event::Wake { node, alarm });
        }
        let last = |effect: &Effect| matches!(effect, Effect::Forget);
        if self.plan.cluster.is_some() && effects.iter().any(last) {
            save = Save::BeforeEffects;
        }
        let mut acts = VecDeque::from([Act::Commit(facts, save)]);
        acts.extend(effects.into_iter().map(Act::Perform));
        if mutation::on(Mutation::CommitFirst) {
            acts.rotate_left(1);
        }
        Some(acts)
    }

    fn crash_point(&mut self, acts: usize) -> Option<usize> {
        self.widths.push(acts);
        if let Some((step, point)) = self.plan.crash_at {
            return (step == self.steps).then_some(point);
        }
        let crash = self.goes_wrong(self.plan.faults.crash);
        crash.then(|| self.rng.range(0, acts as u64) as usize)
    }

    /// What befalls one of two nodes during a step. A script's points count before and inside.
    fn strike_point(&mut self, acts: usize) -> Option<Strike> {
        self.widths.push(acts * 2);
        let cluster = self.plan.cluster.as_ref()?;
        let (permille, scripted) = (cluster.pause, cluster.pauses_for.is_some());
        if let Some((step, point)) = self.plan.crash_at {
            let strike = Strike { act: point / 2, inside: point % 2 == 1, pause: scripted };
            return (step == self.steps).then_some(strike);
        }
        let pause = self.goes_wrong(permille);
        if !pause && !self.goes_wrong(self.plan.faults.crash) {
            return None;
        }
        let act = self.rng.range(0, acts as u64) as usize;
        Some(Strike { act, inside: act < acts && self.rng.chance(400), pause })
    }

    /// Does what is to be done at one of two nodes, as far as it gets.
    pub fn work(&mut self, node: usize) {
        loop {
            let now = self.at;
            let Node { up, paused_until, .. } = self.nodes[node];
            let Some(task) = &mut self.nodes[node].task else { return };
            if !up || now < paused_until || task.committing {
                return;
            }
            let (index, strike) = (task.done, task.strike);
            let struck = strike.filter(|strike| strike.act == index);
            if let Some(Strike { inside: false, pause, .. }) = struck {
                task.strike = None;
                match pause {
                    true => drop(self.pause(node)),
                    false => return self.crash(node, &format!("before act {index}")),
                }
                continue;
            }
            if self.lapsed(node) {
                return; // Until it is known whether the chat is still here.
            }
            let Some(task) = &mut self.nodes[node].task else { return };
            if let Some(act) = task.acts.pop_front() {
                task.done += 1;
                let Some(Strike { pause, .. }) = struck else {
                    self.act(node, act, 0);
                    continue;
                };
                task.strike = None;
                let late = if pause { self.pause(node) } else { 0 };
                self.act(node, act, late);
                if !pause {
                    return self.crash(node, &format!("inside act {index}"));
                }
            } else if let Some(input) = task.inbox.pop_front() {
                let Some(acts) = self.step(node, input) else { return };
                self.decided(node, &acts);
                let strike = self.strike_point(acts.len());
                self.steps += 1;
                let Some(task) = &mut self.nodes[node].task else { return };
                (task.acts, task.strike, task.done) = (acts, strike, 0);
            } else if self.nodes[node].stopping {
                return self.stopped(node);
            } else {
                return;
            }
        }
    }

    /// Does one thing; it takes effect so much later.
    fn act(&mut self, node: usize, act: Act, late: u64) {
        match act {
            Act::Commit(facts, save) => self.commit(node, facts, save, late),
            Act::Perform(effect) => self.perform(node, effect, late),
        }
    }

    fn commit(&mut self, node: usize, facts: Vec<Fact>, save: Save, late: u64) {
        let at = self.now(node);
        let several = self.plan.cluster.is_some();
        let due = save == Save::BeforeEffects || self.rng.chance(50);
        let Some(task) = &mut self.nodes[node].task else { return };
        task.lazy.extend(facts);
        let ended = task.session.state().finished();
        if !due || task.lazy.is_empty() && !(several && ended) {
            let ask = several && !task.lazy.is_empty() && !task.flush_asked;
            task.flush_asked |= ask;
            let epoch = task.epoch;
            if ask {
                self.after(LATE_MAX, Event::Flush { node, epoch });
            }
            return;
        }
        let delta = Delta { at, facts: std::mem::take(&mut task.lazy) };
        let delta = serde_json::to_string(&delta).expect("a delta has a JSON form");
        let before = if several { task.next_number as usize } else { self.store.deltas.len() + 1 };
        let snapshot = (before.is_multiple_of(SNAPSHOT_EVERY))
            .then(|| serde_json::to_string(&(at, task.session.state())).expect("a state too"));
        let wall_offset = self.nodes[node].wall_offset;
        let Some(task) = &mut self.nodes[node].task else { return };
        if !several {
            self.store.wall_offset = wall_offset;
            self.store.deltas.push(delta);
            if snapshot.is_some() {
                self.store.snapshot = snapshot;
                self.store.deltas.clear();
            }
            return;
        }
        let (epoch, number) = (task.epoch, task.next_number);
        task.committing = true;
        task.flush_asked = false;
        let commit = Commit { epoch, number, delta, wall_offset, snapshot, ended };
        self.ask_store(node, Ask::Commit(commit), late);
    }

    /// What may be late is late enough.
    pub fn flush(&mut self, node: usize, epoch: u64) {
        let Some(task) = &mut self.nodes[node].task else { return };
        if task.epoch == epoch && task.flush_asked {
            task.flush_asked = false;
            let save = Save::BeforeEffects;
            task.acts.push_back(Act::Commit(Vec::new(), save));
            self.work(node);
        }
    }

    fn awaits(&self, node: usize, commit: &Commit) -> bool {
        let task = self.nodes[node].task.as_ref().filter(|task| task.committing);
        task.is_some_and(|task| (task.epoch, task.next_number) == (commit.epoch, commit.number))
    }

    pub fn committed(&mut self, node: usize, commit: &Commit, told: &Told) {
        if !self.awaits(node, commit) {
            return;
        }
        let Some(task) = &mut self.nodes[node].task else { return };
        if matches!(told, Told::Written) {
            task.committing = false;
            task.next_number += 1;
            return self.work(node);
        }
        self.ledger.fenced += 1;
        self.let_go(node, "its commit was fenced");
    }

    /// Nobody knows whether it was written.
    pub fn commit_again(&mut self, node: usize, commit: Commit) {
        if !self.awaits(node, &commit) {
            return;
        }
        self.ask_store(node, Ask::Commit(commit), 0);
    }

    fn perform(&mut self, node: usize, effect: Effect, late: u64) {
        self.note(|| format!("bridge {node} -> {effect:?}"));
        match effect {
            Effect::Reply(to, reply) => self.answer(to, reply, late),
            Effect::Call(id, call) => self.call(node, id, call, late),
            Effect::Attach { after } => self.attach(node, after, late),
            Effect::Detach => self.service.detach(self.nodes[node].boot),
            Effect::Forget => self.forget(node),
        }
    }

    fn forget(&mut self, node: usize) {
        if self.plan.cluster.is_none() {
            self.nodes[node].task = None;
            self.forgotten = true;
            return;
        }
        let left = self.nodes[node].task.as_ref();
        if left.is_some_and(|task| task.inbox.is_empty()) {
            self.nodes[node].finished = true;
            self.nodes[node].task = None;
            self.nodes[node].alarm += 1;
            self.service.detach(self.nodes[node].boot);
            self.forget_calls(self.nodes[node].boot);
        }
    }

    /// The process dies: whatever is not on disk or on a wire is gone.
    pub fn crash(&mut self, node: usize, where_: &str) {
        self.note(|| format!("CRASH of node {node} {where_}"));
        self.ledger.crashes += 1;
        self.ledger.lives += 1;
        self.dies(node);
        // In a script everything is said again in time: nothing is left to a corner.
        let scripted = self.plan.crash_at.is_some();
        let longest = self.rng.pick(&[50, 2_000, 8_000, if scripted { 8_000 } else { 45_000 }]);
        let down = self.rng.range(10, longest);
        let latest = self.plan.faults_until.max(self.at + 10);
        self.when((self.at + down).min(latest), Event::Restart { node });
    }

    pub fn dies(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        if self.nodes[node].task.is_some() {
            self.lost_since = Some(self.at);
        }
        self.boots += 1;
        let boots = self.boots;
        let it = &mut self.nodes[node];
        (it.boot, it.up, it.alarm) = (boots, false, it.alarm + 1);
        (it.paused_until, it.unseen, it.stopping) = (0, 0, false);
        (it.task, it.lease, it.claiming, it.finished) = (None, Lease::new(), false, false);
        it.files.clear();
        it.wants.clear();
        (it.routing, it.hint) = (false, None);
        self.service.detach(boot);
        self.break_all(node);
        if self.plan.cluster.is_some() {
            self.asks_break(boot);
        }
    }

    pub fn restart(&mut self, node: usize) {
        if self.plan.faults.wall_steps && self.rng.chance(500) {
            let step = self.rng.pick(&[-3_600_000, 3_600_000]);
            self.nodes[node].wall_offset += step;
            self.ledger.wall_steps += 1;
            self.note(|| format!("the wall clock steps by {step} ms"));
        }
        if self.forgotten {
            return;
        }
        self.nodes[node].booted_at = self.at;
        self.note(|| format!("restart of node {node}"));
        if self.plan.cluster.is_some() {
            return self.node_starts(node);
        }
        let (snapshot, deltas) = (self.store.snapshot.clone(), self.store.deltas.clone());
        self.take_up(node, 1, &Loaded { snapshot, deltas, next_number: 1 });
        self.feed(node, Input::Recovered);
    }

    /// Builds the chat from what is stored.
    pub fn take_up(&mut self, node: usize, epoch: u64, loaded: &Loaded) {
        let ahead = self.nodes[node].wall_offset - self.store.wall_offset;
        self.ledger.skipped += ahead.max(0).unsigned_abs();
        self.ledger.wall_steps += u64::from(ahead != 0);
        let now = self.now(node);
        let read = |text: &String| serde_json::from_str::<Delta>(text).expect("reads its delta");
        let deltas: Vec<_> = loaded.deltas.iter().map(read).collect();
        let snapshot = loaded.snapshot.as_ref();
        let snapshot: Option<(Now, State)> =
            snapshot.map(|text| serde_json::from_str(text).expect("reads its state"));
        let settings = self.plan.settings.clone();
        let session = Session::load(snapshot, self.chat(), &deltas, settings, now);
        let next_number = loaded.next_number;
        let life = self.ledger.lives;
        self.nodes[node].task = Some(Task { life, epoch, next_number, ..Task::new(session) });
    }

    pub fn wake(&mut self, node: usize, alarm: u64) {
        if alarm == self.nodes[node].alarm && self.nodes[node].task.is_some() {
            self.feed(node, Input::Deadline);
        }
    }
}
