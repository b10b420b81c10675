//! Runs of the whole program, each on a runtime of its own whose time is simulated.

use std::sync::Arc;

use futures_util::future::join_all;

use super::gate::Strike;
use super::oracle::{Verdict, judge};
use super::plan::Plan;
use super::world::{Counts, World};
use super::{chaos, client, desk, node};
use crate::random;

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
         {faults:?}, until {} ms\nids {:?}, buffer {}\n{harms:?}\n{ways:?}\n\n{}\nrepeat it with: {repeat}\n",
        run.trace[from..].join("\n"),
        plan.faults_until,
        service.repeated_ids,
        service.replay_buffer,
        run.verdict.violations.join("\n"),
    )
}

/// The same plan, with something at a point of it.
pub fn struck(plan: &Plan, point: u64, strike: Strike) -> Plan {
    Plan { strike: Some((point, strike)), ..plan.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn try_some() {
        let from: u64 = std::env::var("SIM_FROM").ok().and_then(|t| t.parse().ok()).unwrap_or(1);
        let count: u64 = std::env::var("SIM_SEEDS").ok().and_then(|t| t.parse().ok()).unwrap_or(20);
        let began = std::time::Instant::now();
        let mut bad = 0;
        for seed in from..from + count {
            let one = run(Plan::of_seed(seed), false);
            if let Some(first) = one.verdict.violations.first() {
                bad += 1;
                println!("{seed}: {first} ({} in all)", one.verdict.violations.len());
                if count == 1 {
                    println!("{}", explain(&Plan::of_seed(seed), 100_000, ""));
                }
            }
            if count == 1 {
                println!("{:?} {:?} points {}", one.verdict, one.counts, one.points);
            }
        }
        println!("{bad} of {count} failed in {:?}", began.elapsed());
    }
}
