//! Runs of the machine: seeds that once failed, and harm at every point of every script.

use std::sync::Mutex;

use crate::machine::cluster::Cluster;
use crate::machine::plan::Plan;
use crate::machine::script::{self, Corner};
use crate::machine::world::World;
use crate::seeds;

/// Lines of a failing run's trace that are printed; all of them when it is the only run.
const TRACE_LINES: usize = 400;
/// Longer than a lease.
const LONG_PAUSE: u64 = 11_000;

/// Plays a plan; with `tracing` it keeps a readable record.
pub fn run(plan: Plan, tracing: bool) -> World {
    let mut world = World::new(plan, tracing);
    world.run();
    world
}

/// Prints how a run went wrong.
pub fn explain(plan: &Plan, repeat: &str) -> String {
    let world = run(plan.clone(), true);
    let trace = world.trace.unwrap_or_default();
    let lines = if seeds::number("SIM_SEEDS") == Some(1) { trace.len() } else { TRACE_LINES };
    let from = trace.len().saturating_sub(lines);
    let Plan { traits, service, faults, outages, settings, cluster, .. } = plan;
    format!(
        "{}\n\nclient {traits:?}\n{service:?}\n{faults:?}, until {} ms, outages {outages:?}\n\
         {cluster:?}\n{:?}, text limit {}\n\n{}\nrepeat it with: {repeat}\n",
        trace[from..].join("\n"),
        plan.faults_until,
        settings.delivery,
        settings.text_limit,
        world.ledger.violations.join("\n"),
    )
}

/// Seeds that once broke a promise, most of them beyond the range of every day.
#[test]
fn what_failed_once_does_not_fail_again() {
    let one = [48_563, 59_549, 85_031, 165_154, 224_552, 352_480, 542_238, 552_348];
    let two = [118, 157, 480, 1_043, 1_259, 1_261, 3_966, 4_799, 5_140, 5_317, 5_745];
    let one = one.into_iter().map(|seed| (seed, Plan::of_seed(seed)));
    let two = two.into_iter().map(|seed| (seed, Plan::of_pair(seed)));
    for (seed, plan) in one.chain(two) {
        if !run(plan.clone(), false).ledger.violations.is_empty() {
            panic!("{}", explain(&plan, &format!("seed {seed}")));
        }
    }
}

/// Each script, run once without harm and then with harm at every point: nothing is lost, comes
/// twice or out of order, but where the promise itself names a corner. How many runs, the longest
/// time that nobody had the chat, and how many commits were fenced.
fn at_every_point(scripts: Vec<(&'static str, Plan)>) -> (u64, u64, u64) {
    let mut jobs = Vec::new();
    for (name, plan) in scripts {
        let calm = run(plan.clone(), false);
        if !calm.ledger.violations.is_empty() {
            panic!("{}", explain(&plan, &format!("script `{name}` without harm")));
        }
        for (step, width) in calm.widths.iter().enumerate() {
            for point in 0..=*width {
                let crash_at = Some((step as u64, point));
                jobs.push((name, Plan { crash_at, ..plan.clone() }));
            }
        }
    }
    let totals = Mutex::new((0, 0, 0));
    let failed = seeds::all_at_once(&jobs, |(name, plan)| {
        let ledger = run(plan.clone(), false).ledger;
        let mut totals = totals.lock().unwrap();
        totals.0 += 1;
        totals.1 = totals.1.max(ledger.longest_gap);
        totals.2 += ledger.fenced;
        let corner = script::corner(name);
        let lost = ledger.lost == 0 || corner == Some(Corner::Lost);
        let repeated = ledger.repeated == 0 || corner == Some(Corner::Repeated);
        ledger.violations.is_empty() && lost && repeated && ledger.misordered == 0
    });
    if let Some((name, plan)) = failed {
        panic!("{}", explain(plan, &format!("script `{name}`, {:?}", plan.crash_at)));
    }
    totals.into_inner().unwrap()
}

/// The scripts, on two nodes that the client takes in turns.
fn on_two_nodes(pauses_for: Option<u64>) -> Vec<(&'static str, Plan)> {
    let cluster = Cluster { pauses_for, ..Cluster::default() };
    let plan = |plan: Plan| Plan { cluster: Some(cluster.clone()), ..plan };
    script::all().into_iter().map(|(name, script)| (name, plan(script))).collect()
}

/// Every point at which the process can die, in each scripted chat.
#[test]
fn a_crash_at_every_point_of_every_script_does_no_harm() {
    let (runs, ..) = at_every_point(script::all());
    println!("machine, one node: {} scripts, {runs} crash points", script::all().len());
    assert!(runs > 1_000, "only {runs} crash points");
}

/// The same with two nodes: before, between and inside the acts of each step. The other node has
/// the chat within 8 s (P4).
#[test]
fn the_loss_of_a_node_at_every_point_of_every_script_does_no_harm() {
    let (runs, longest, _) = at_every_point(on_two_nodes(None));
    println!("machine, two nodes: {runs} crash points, longest gap {longest} ms");
    assert!(runs > 2_000, "only {runs} crash points");
    assert!((1..=8_000).contains(&longest), "nobody had the chat for {longest} ms");
}

/// And with a node that stands still for longer than its lease lasts.
#[test]
fn a_pause_at_every_point_of_every_script_does_no_harm() {
    let (runs, longest, fenced) = at_every_point(on_two_nodes(Some(LONG_PAUSE)));
    println!("machine: {runs} pause points, longest gap {longest} ms, {fenced} commits fenced");
    assert!(longest <= 8_000, "nobody had the chat for {longest} ms");
    assert!(fenced > 0, "no commit was fenced");
}
