//! Runs of the whole program, each on a runtime of its own whose time is simulated.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;

use super::gate::Strike;
use super::oracle::{Verdict, judge};
use super::plan::Plan;
use super::script::{self, Script};
use super::world::{Counts, World};
use super::{chaos, client, desk, node};
use crate::{random, seeds};

/// Lines of a failing run's trace that are printed.
const TRACE_LINES: usize = 400;
/// Seeds that are played twice.
const SAME_SEEDS: u64 = 20;
/// Longer than a lease.
const LONG_PAUSE: u64 = 11_000;
/// What the loss of a node may cost (P4).
const GAP_MAX: u64 = 8_000;

/// What is on its way when the last client leaves arrives within this long.
const LAST_CALLS: u64 = 5_000;

/// What came of a run.
pub struct Run {
    pub verdict: Verdict,
    pub counts: Counts,
    /// How often a process had to do with the world for a chat.
    pub points: u64,
    pub trace: Vec<String>,
}

/// Plays a plan; with `tracing` it keeps a readable record.
pub fn run(plan: Plan, tracing: bool) -> Run {
    random::seed(Some(plan.seed));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let run = runtime.block_on(play(plan, tracing));
    runtime.shutdown_background();
    random::seed(None);
    run
}

async fn play(plan: Plan, tracing: bool) -> Run {
    let world = World::new(plan, tracing);
    node::start_all(&world);
    tokio::spawn(chaos::run(world.clone()));
    for visitor in world.plan.visitors.clone() {
        tokio::spawn(desk::attend(world.clone(), visitor));
    }
    let visitors = world.plan.visitors.clone();
    let clients = visitors.iter().map(|visitor| client::run(world.clone(), visitor.clone()));
    let saw = join_all(clients).await;
    // The last calls arrive.
    world.pass(LAST_CALLS).await;
    let all: Vec<_> = visitors.into_iter().zip(saw).collect();
    let verdict = judge(&world, &all);
    let (counts, points) = (world.counts(), world.points.reached());
    let trace = Arc::clone(&world).trace();
    world.ends();
    Run { verdict, counts, points, trace }
}

/// A failing run, told.
pub fn explain(plan: &Plan, lines: usize, repeat: &str) -> String {
    let run = run(plan.clone(), true);
    let from = run.trace.len().saturating_sub(lines);
    let ways: Vec<_> = plan
        .visitors
        .iter()
        .map(|visitor| {
            (&visitor.name, visitor.way, visitor.acks, visitor.numbered, visitor.fragile)
        })
        .collect();
    let Plan { nodes, starts, faults, harms, balancing, latency, service, strike, .. } = plan;
    format!(
        "{}\n\n{nodes} nodes from {starts}, {balancing:?}, latency {latency:?}, strike {strike:?}\n\
         {faults:?}, until {} ms\nids {:?}, buffer {}\n{harms:?}\n{ways:?}\n\n{}\n\
         repeat it with: {repeat}\n",
        run.trace[from..].join("\n"),
        plan.faults_until,
        service.repeated_ids,
        service.replay_buffer,
        run.verdict.violations.join("\n"),
    )
}

/// Each script, played once without harm and then with harm at every point of it; how many runs,
/// and the longest time from when something was said to when it was heard.
fn at_every_point(scripts: Vec<Script>, strike: Strike) -> (usize, u64) {
    let mut jobs = Vec::new();
    for script in scripts {
        let calm = run(script.plan.clone(), false);
        if !holds(&script, &calm) {
            panic!("{}", explain(&script.plan, TRACE_LINES, script.name));
        }
        for point in 0..calm.points {
            let plan = Plan { strike: Some((point, strike)), ..script.plan.clone() };
            jobs.push(Script { plan, ..script.clone() });
        }
    }
    let longest = Mutex::new(0);
    let failed = seeds::all_at_once(&jobs, |script| {
        let run = run(script.plan.clone(), false);
        let mut longest = longest.lock().unwrap();
        *longest = run.verdict.longest_gap.max(*longest);
        holds(script, &run)
    });
    if let Some(script) = failed {
        panic!("{}", explain(&script.plan, TRACE_LINES, script.name));
    }
    (jobs.len(), longest.into_inner().unwrap())
}

/// Nothing went wrong and, where the promise knows no corner, nothing was lost or came twice.
fn holds(script: &Script, run: &Run) -> bool {
    let Verdict { lost, repeated, misordered, .. } = run.verdict;
    run.verdict.violations.is_empty() && (!script.exact || lost + repeated + misordered == 0)
}

/// A process dies whenever it has to do with the store, Salesforce, another node or a client (S1,
/// P4).
#[test]
fn a_crash_at_every_point_of_the_whole_program_does_no_harm() {
    let (runs, longest) = at_every_point(script::all(), Strike::Crash);
    seeds::say(&format!("whole program: {runs} crash points, longest gap {longest} ms"));
    assert!(runs > 500, "only {runs} crash points");
    assert!(longest <= GAP_MAX, "something was heard after {longest} ms");
}

/// And stands still there for longer than its lease lasts (S4).
#[test]
fn a_pause_at_every_point_of_the_whole_program_does_no_harm() {
    // A POST at a node that stands still for longer than it waits is answered 500 (corner 12).
    let insists = |script: &Script| script.plan.visitors.iter().all(|visitor| !visitor.fragile);
    let scripts = script::all().into_iter().filter(insists).collect();
    let (runs, _) = at_every_point(scripts, Strike::Pause(LONG_PAUSE));
    seeds::say(&format!("whole program: {runs} pause points"));
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1..=SAME_SEEDS {
        let (one, other) = (run(Plan::of_seed(seed), true), run(Plan::of_seed(seed), true));
        let differs = one.trace.iter().zip(&other.trace).position(|(one, other)| one != other);
        if let Some(at) = differs {
            let around = |run: &Run| run.trace[at.saturating_sub(8)..=at].join("\n");
            panic!("seed {seed} differs:\n{}\n\n{}", around(&one), around(&other));
        }
        assert_eq!(one.trace.len(), other.trace.len(), "seed {seed}");
    }
}
