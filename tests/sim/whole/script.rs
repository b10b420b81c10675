//! Scripted chats for the exhaustive tests: nothing goes wrong in them but the one harm.

use super::plan::{Acks, Balancing, DeskAct, Faults, Plan, Visitor, Way};
use crate::emulator::{MiawKnobs, RepeatedIds};

const AFTER: &str = "2026-03-02T09:00:00Z";
const BEFORE: &str = "2025-06-02T09:00:00Z";

/// A chat, and whether its promise knows no corner.
#[derive(Clone)]
pub struct Script {
    pub name: &'static str,
    pub plan: Plan,
    pub exact: bool,
}

fn visitor() -> Visitor {
    let says = [(1_500, 1), (3_000, 2), (3_050, 3), (9_000, 4)];
    let say = |number: u64| DeskAct::Say(format!("[a-v1.{number}:yes]"));
    Visitor {
        name: "v1".to_owned(),
        way: Way::Translated,
        acks: Acks::Proper,
        numbered: true,
        fragile: false,
        reconnects: false,
        begins_at: 500,
        says: says.iter().map(|(at, n)| (*at, format!("[v1.{n}:hello]"))).collect(),
        desk: vec![
            (800, DeskAct::Accept),
            (1_200, DeskAct::Type),
            (1_600, say(1)),
            (4_000, say(2)),
            (4_010, say(3)),
            (9_000, say(4)),
            (40_000, DeskAct::End),
        ],
        ends_at: None,
    }
}

fn plan(seed: u64, visitor: Visitor) -> Plan {
    Plan {
        seed,
        nodes: 2,
        starts: AFTER,
        visitors: vec![visitor],
        service: MiawKnobs { token_ttl_seconds: 6 * 3_600, ..MiawKnobs::default() },
        faults: Faults::default(),
        harms: Vec::new(),
        faults_until: 30_000,
        balancing: Balancing::RoundRobin,
        per_minute: 22,
        latency: (2, 10),
        ahead: vec![0, 3_000],
        strike: None,
    }
}

/// All of them.
pub fn all() -> Vec<Script> {
    let mut all = Vec::new();
    let mut add = |name, exact, change: &dyn Fn(&mut Plan)| {
        let mut plan = plan(all.len() as u64 + 1, visitor());
        change(&mut plan);
        all.push(Script { name, plan, exact });
    };
    add("ordinary", true, &|_| {});
    add("one node alone", true, &|plan| plan.nodes = 1);
    add("the client stays where it is answered", true, &|plan| plan.balancing = Balancing::Sticky);
    add("the visitor ends it", true, &|plan| {
        plan.visitors[0].desk.pop();
        plan.visitors[0].ends_at = Some(40_000);
    });
    add("a client that dies of errors", true, &|plan| plan.visitors[0].fragile = true);
    add("a client that dies of errors and is told by the affinity", true, &|plan| {
        plan.visitors[0].fragile = true;
        plan.balancing = Balancing::Hashed;
    });
    add("never acknowledges", false, &|plan| plan.visitors[0].acks = Acks::Never);
    add("unnumbered", true, &|plan| plan.visitors[0].numbered = false);
    add("repeated ids shown again", false, &|plan| {
        plan.service.repeated_ids = RepeatedIds::AcceptTwice;
    });
    add("streams that break all the time", true, &|plan| {
        plan.service.drop_after_events = 3;
        plan.service.replay_buffer = 8;
    });
    add("a transfer", true, &|plan| {
        plan.visitors[0].desk.insert(4, (5_000, DeskAct::Transfer));
    });
    add("relayed under a key of ours", true, &|plan| {
        plan.starts = BEFORE;
        plan.visitors[0].way = Way::Rekeyed;
    });
    add("relayed under Salesforce's key", true, &|plan| {
        plan.starts = BEFORE;
        plan.visitors[0].way = Way::Verbatim;
    });
    all
}
