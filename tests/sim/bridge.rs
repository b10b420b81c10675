//! The shell around the core: commit, then act; and what a crash leaves of it.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::chat::fact::{Delta, Fact};
use crate::chat::ids::ChatId;
use crate::chat::limits::Settings;
use crate::chat::mutation::{self, Mutation};
use crate::chat::pending::{Command, CommandKind};
use crate::chat::session::Session;
use crate::chat::state::State;
use crate::chat::{Effect, Input, Save};
use crate::plan::Plan;
use crate::time::{Mono, Now, Wall};
use crate::world::{Event, World};

/// The calendar at the start of a run.
pub const EPOCH: i64 = 1_771_200_000_000;
/// Deltas after which a snapshot is written.
const SNAPSHOT_EVERY: usize = 40;

/// The process that holds the chat, and its disk.
pub struct Bridge {
    session: Option<Session>,
    settings: Settings,
    chat: ChatId,
    /// Counts the processes.
    pub boot: u64,
    booted_at: u64,
    wall_offset: i64,
    disk: Disk,
    /// Facts that ride along with the next commit.
    lazy: Vec<Fact>,
    pub steps: u64,
    /// Counts the wakings asked for; only the last one counts.
    alarm: u64,
    /// The widest step so far, for the exhaustive runs: actions of each step.
    pub widths: Vec<usize>,
    forgotten: bool,
    /// Files in memory, by the numbers of their commands.
    pub files: BTreeSet<u64>,
}

#[derive(Default)]
struct Disk {
    snapshot: Option<String>,
    deltas: Vec<String>,
}

/// One thing the shell does after a step.
enum Act {
    Commit(Vec<Fact>, Save),
    Perform(Effect),
}

impl Bridge {
    pub fn new(plan: &Plan) -> Self {
        Self {
            session: None,
            settings: plan.settings.clone(),
            chat: ChatId(Uuid::from_u128(u128::from(plan.seed) << 64 | 0x77)),
            boot: 0,
            booted_at: 0,
            wall_offset: 0,
            disk: Disk::default(),
            lazy: Vec::new(),
            steps: 0,
            alarm: 0,
            widths: Vec::new(),
            forgotten: false,
            files: BTreeSet::new(),
        }
    }

    pub fn up(&self) -> bool {
        self.session.is_some() || (self.boot == 0 && self.steps == 0)
    }

    pub fn forgotten(&self) -> bool {
        self.forgotten
    }

    pub fn chat(&self) -> ChatId {
        self.chat
    }
}

impl World {
    fn now(&self) -> Now {
        Now {
            wall: Wall::from_millis(EPOCH + self.at as i64 + self.bridge.wall_offset),
            mono: Mono::from_millis(self.at - self.bridge.booted_at + 7),
        }
    }

    /// Gives the machine an input and does what it decides.
    pub fn feed(&mut self, input: Input) {
        let now = self.now();
        if self.bridge.session.is_none() && self.bridge.up() {
            let (chat, settings) = (self.bridge.chat, self.bridge.settings.clone());
            self.bridge.session = Some(Session::new(chat, settings, now));
        }
        let Some(session) = &mut self.bridge.session else { return };
        let heard = self.trace.is_some().then(|| format!("{input:?}"));
        let step = session.step(now, input);
        for fact in &step.facts {
            if let Fact::Queued(Command { number, kind: CommandKind::File { .. }, .. }) = fact {
                self.bridge.files.insert(*number);
            }
        }
        if let Some(heard) = heard {
            let facts = format!("{:?} {:?}", step.save, step.facts);
            self.note(|| format!("bridge <- {heard}\n{:>12}{facts}", ""));
        }
        if step.wake_at.is_some_and(|at| at <= now.mono) {
            self.violation("the bridge asks to be woken for what is past".to_owned());
        }
        if let Some(wake_at) = step.wake_at {
            let wait = wake_at.since(now.mono).as_millis() as u64;
            self.bridge.alarm += 1;
            let alarm = self.bridge.alarm;
            self.after(wait.max(1), Event::Wake { alarm });
        }
        let mut acts = vec![Act::Commit(step.facts, step.save)];
        acts.extend(step.effects.into_iter().map(Act::Perform));
        if mutation::on(Mutation::CommitFirst) {
            acts.rotate_left(1);
        }
        let crash_at = self.crash_point(acts.len());
        self.bridge.steps += 1;
        let all = acts.len();
        for (index, act) in acts.into_iter().enumerate() {
            if crash_at == Some(index) {
                return self.crash(&format!("before act {index} of {all}"));
            }
            match act {
                Act::Commit(facts, save) => self.commit(now, facts, save),
                Act::Perform(effect) => self.perform(effect),
            }
        }
        if crash_at == Some(all) {
            self.crash("after the last act");
        }
    }

    fn crash_point(&mut self, acts: usize) -> Option<usize> {
        self.bridge.widths.push(acts);
        if let Some((step, point)) = self.plan.crash_at {
            return (step == self.bridge.steps).then_some(point);
        }
        let crash = self.goes_wrong(self.plan.faults.crash);
        crash.then(|| self.rng.range(0, acts as u64) as usize)
    }

    fn commit(&mut self, now: Now, facts: Vec<Fact>, save: Save) {
        self.bridge.lazy.extend(facts);
        let due = save == Save::BeforeEffects || self.rng.chance(50);
        if !due || self.bridge.lazy.is_empty() {
            return;
        }
        let delta = Delta { at: now, facts: std::mem::take(&mut self.bridge.lazy) };
        let text = serde_json::to_string(&delta).expect("a delta has a JSON form");
        self.bridge.disk.deltas.push(text);
        if self.bridge.disk.deltas.len() >= SNAPSHOT_EVERY
            && let Some(session) = &self.bridge.session
        {
            let text = serde_json::to_string(&(now, session.state())).expect("a state too");
            self.bridge.disk.snapshot = Some(text);
            self.bridge.disk.deltas.clear();
        }
    }

    fn perform(&mut self, effect: Effect) {
        self.note(|| format!("bridge -> {effect:?}"));
        match effect {
            Effect::Reply(to, reply) => self.answer(to, reply),
            Effect::Call(id, call) => self.call(id, call),
            Effect::Attach { after } => self.attach(after),
            Effect::Detach => self.service.detach(),
            Effect::Forget => {
                self.bridge.session = None;
                self.bridge.forgotten = true;
            }
        }
    }

    /// The process dies: whatever is not on disk or on a wire is gone.
    pub fn crash(&mut self, where_: &str) {
        self.note(|| format!("CRASH {where_}"));
        self.ledger.crashes += 1;
        self.bridge.session = None;
        self.bridge.files.clear();
        self.bridge.lazy.clear();
        self.bridge.alarm += 1;
        self.bridge.boot += 1;
        self.service.detach();
        self.break_all();
        let longest = self.rng.pick(&[50, 2_000, 8_000, 45_000]);
        let down = self.rng.range(10, longest);
        let latest = self.plan.faults_until.max(self.at + 10);
        self.when((self.at + down).min(latest), Event::Restart);
    }

    pub fn restart(&mut self) {
        if self.plan.faults.wall_steps && self.rng.chance(500) {
            let step = self.rng.pick(&[-3_600_000, 3_600_000]);
            self.bridge.wall_offset += step;
            self.ledger.wall_steps += 1;
            self.note(|| format!("the wall clock steps by {step} ms"));
        }
        if self.bridge.forgotten {
            return;
        }
        self.bridge.booted_at = self.at;
        let now = self.now();
        let read = |text: &String| serde_json::from_str::<Delta>(text).expect("reads its delta");
        let deltas: Vec<_> = self.bridge.disk.deltas.iter().map(read).collect();
        let snapshot = self.bridge.disk.snapshot.as_ref();
        let snapshot: Option<(Now, State)> =
            snapshot.map(|text| serde_json::from_str(text).expect("reads its state"));
        let (chat, settings) = (self.bridge.chat, self.bridge.settings.clone());
        let session = Session::load(snapshot, chat, &deltas, settings, now);
        self.bridge.session = Some(session);
        self.note(|| "restart".to_owned());
        self.feed(Input::Recovered);
    }

    pub fn wake(&mut self, alarm: u64) {
        if alarm == self.bridge.alarm && self.bridge.session.is_some() {
            self.feed(Input::Deadline);
        }
    }
}
