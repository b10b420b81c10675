//! Every seed in every world: the machine on one node and on two, and the whole program.
//!
//! `SIM_SEEDS` and `SIM_FROM` say which, `SIM_WORLD` (`one`, `two`, `whole`) in which world alone,
//! `SIM_MUTATE` which rule is broken.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::chat::mutation::{self, Mutation};
use crate::clock::Clock;
use crate::{machine, whole};

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 2_000;
/// Failing seeds after which the others are not tried any more.
const FAILURES_MAX: usize = 20;
/// A line of progress follows this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(30);
/// Lines of a failing run's trace that are printed; all of them when it is the only run.
const TRACE_LINES: usize = 400;

/// Where a seed is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum In {
    One,
    Two,
    Whole,
}

const WORLDS: [(&str, In); 3] = [("one", In::One), ("two", In::Two), ("whole", In::Whole)];

/// Sums over runs.
#[derive(Clone, Copy, Default)]
struct Totals {
    seeds: u64,
    runs: u64,
    crashes: u64,
    messages: u64,
    lost: u64,
    repeated: u64,
    misordered: u64,
    pauses: u64,
    stops: u64,
    takeovers: u64,
    fenced: u64,
    forwards: u64,
    /// Runs in which pacing may outlast the time to settle: what is late there is judged at the
    /// end of the run.
    paced: u64,
}

impl Totals {
    fn add_machine(&mut self, world: &machine::world::World) {
        let ledger = &world.ledger;
        self.runs += 1;
        self.crashes += ledger.crashes;
        self.messages += ledger.messages();
        self.lost += ledger.lost;
        self.repeated += ledger.repeated;
        self.misordered += ledger.misordered;
        self.pauses += ledger.pauses;
        self.stops += ledger.stops;
        self.takeovers += ledger.takeovers;
        self.fenced += ledger.fenced;
        self.forwards += ledger.forwards;
        self.paced += u64::from(world.plan.paced());
    }

    fn add_whole(&mut self, run: &whole::runs::Run, plan: &whole::plan::Plan) {
        self.paced += u64::from(plan.paced());
        self.runs += 1;
        self.crashes += run.counts.crashes;
        self.messages += run.verdict.messages;
        self.lost += run.verdict.lost;
        self.repeated += run.verdict.repeated;
        self.misordered += run.verdict.misordered;
        self.pauses += run.counts.pauses;
        self.stops += run.counts.stops;
        self.takeovers += run.counts.takeovers;
        self.fenced += run.counts.fenced;
        self.forwards += run.counts.forwards;
    }

    /// One JSON object.
    fn line(&self) -> String {
        let fields = [
            ("seeds", self.seeds),
            ("runs", self.runs),
            ("crashes", self.crashes),
            ("messages", self.messages),
            ("lost", self.lost),
            ("repeated", self.repeated),
            ("misordered", self.misordered),
            ("pauses", self.pauses),
            ("stops", self.stops),
            ("takeovers", self.takeovers),
            ("fenced", self.fenced),
            ("forwards", self.forwards),
            ("paced", self.paced),
        ];
        let fields: Vec<_> = fields.iter().map(|(name, n)| format!("\"{name}\":{n}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// A number in the environment.
pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number")))
}

/// What one of these names stands for in the environment.
fn named<T: Copy>(variable: &str, known: &[(&str, T)]) -> Option<T> {
    let name = std::env::var(variable).ok()?;
    let found = known.iter().find(|(known, _)| *known == name);
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    Some(found.unwrap_or_else(|| panic!("{variable}={name}: expected one of {names:?}")).1)
}

pub const MUTATIONS: [(&str, Mutation); 9] = [
    ("commit-first", Mutation::CommitFirst),
    ("derived-ids", Mutation::DerivedIds),
    ("fixed-contents", Mutation::FixedContents),
    ("duplicates", Mutation::Duplicates),
    ("dedupe", Mutation::Dedupe),
    ("cursor", Mutation::Cursor),
    ("look-first", Mutation::LookFirst),
    ("fencing", Mutation::Fencing),
    ("self-fencing", Mutation::SelfFencing),
];

/// Prints a line, also when the test passes.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Does all jobs, on as many threads as there are cores; a job that fails, after which no other is
/// begun.
pub fn all_at_once<J: Sync>(jobs: &[J], holds: impl Fn(&J) -> bool + Sync) -> Option<&J> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
            && failed.lock().unwrap().is_none()
        {
            if !holds(job) {
                *failed.lock().unwrap() = Some(job);
            }
        }
    };
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner().unwrap()
}

/// Plays a seed in a world; what went wrong first.
fn play(seed: u64, world: In, totals: &Mutex<Totals>) -> Option<String> {
    if world == In::Whole {
        let plan = whole::plan::Plan::of_seed(seed);
        let run = whole::runs::run(plan.clone(), false);
        totals.lock().unwrap().add_whole(&run, &plan);
        return run.verdict.violations.into_iter().next();
    }
    let run = machine::runs::run(machine_plan(seed, world), false);
    totals.lock().unwrap().add_machine(&run);
    run.ledger.violations.into_iter().next()
}

fn machine_plan(seed: u64, world: In) -> machine::plan::Plan {
    match world {
        In::One => machine::plan::Plan::of_seed(seed),
        _ => machine::plan::Plan::of_pair(seed),
    }
}

fn explain(seed: u64, world: In, repeat: &str) -> String {
    if world != In::Whole {
        return machine::runs::explain(&machine_plan(seed, world), repeat);
    }
    let lines = if number("SIM_SEEDS") == Some(1) { usize::MAX } else { TRACE_LINES };
    whole::runs::explain(&whole::plan::Plan::of_seed(seed), lines, repeat)
}

#[test]
fn seeds() {
    let count = number("SIM_SEEDS").unwrap_or(SEEDS);
    let from = number("SIM_FROM").unwrap_or(1);
    let mutation = named("SIM_MUTATE", &MUTATIONS);
    let only = named("SIM_WORLD", &WORLDS);
    let next = AtomicU64::new(from);
    let totals = Mutex::new(Totals::default());
    let failed = Mutex::new(Vec::new());
    let clock = Clock::system();
    let told = Mutex::new(clock.now().mono);
    let work = || {
        mutation::set(mutation);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count || failed.lock().unwrap().len() >= FAILURES_MAX {
                break;
            }
            for (name, world) in WORLDS {
                if only.is_none_or(|only| only == world)
                    && let Some(what) = play(seed, world, &totals)
                {
                    failed.lock().unwrap().push((seed, world, name, what));
                }
            }
            let mut totals = totals.lock().unwrap();
            totals.seeds += 1;
            let mut told = told.lock().unwrap();
            if clock.now().mono.since(*told) >= PROGRESS_EVERY {
                *told = clock.now().mono;
                say(&format!("progress {}", totals.line()));
            }
        }
    };
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let totals = totals.into_inner().unwrap();
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    if let Some((seed, world, name, _)) = failed.first() {
        mutation::set(mutation);
        let broken = std::env::var("SIM_MUTATE").map(|name| format!("SIM_MUTATE={name} "));
        let broken = broken.unwrap_or_default();
        let one = format!("{broken}SIM_WORLD={name} SIM_FROM={seed} SIM_SEEDS=1");
        let story = explain(*seed, *world, &format!("{one} cargo test --test sim seeds"));
        let shown = |(seed, _, name, what): &(u64, In, &str, String)| {
            format!("{seed} in world `{name}`: {what}")
        };
        let list: Vec<_> = failed.iter().map(shown).collect();
        say(&totals.line());
        panic!("{story}\nfailing seeds:\n{}", list.join("\n"));
    }
    say(&totals.line());
    if mutation.is_none() && only.is_none() && count >= SEEDS {
        assert!(totals.fenced > 0, "no commit was fenced");
        assert!(totals.takeovers > 0, "no chat was taken up by the other node");
    }
}
