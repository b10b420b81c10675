//! Sequences of changes as people might make them: whatever is taken, the calendar holds.

use liveagent_bridge::router::change::{
    Action, Change, Circumstances, Effective, Evidence, Proposal, fold, propose,
};
use liveagent_bridge::router::decide::{Draw, Route, decide};
use liveagent_bridge::router::plan::{Plan, Stage};
use liveagent_bridge::time::Wall;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const BUTTON: &str = "573000000000001";

/// Makes an action at an instant, of a button or the tenant, with a number to vary it.
type Make = fn(Wall, Option<String>, u8) -> Action;
/// What to make, how many hours later, of the button or not, and the number.
type Step = (Make, i64, bool, u8);

fn action() -> impl Strategy<Value = Make> {
    let all: Vec<Make> = vec![
        |now, button, n| Action::Stage {
            stage: match n % 6 {
                0 => Stage::Legacy,
                1 => Stage::Shadow,
                2 => Stage::Miaw,
                3 => Stage::Complete,
                _ => Stage::Ramp { percent: n % 101 },
            },
            button,
            without_evidence: n.is_multiple_of(2),
            acknowledged_until: (n > 200).then(|| now.plus_millis(i64::from(n) * HOUR)),
        },
        |now, button, n| Action::RollBack {
            button,
            acknowledged_until: (n > 128).then(|| now.plus_millis(i64::from(n) * HOUR)),
        },
        |_, button, _| Action::Follow { button, without_evidence: true },
        |_, _, _| Action::Freeze,
        |_, _, _| Action::Unfreeze,
        |now, _, n| Action::Brownout { from: now, until: now.plus_millis(i64::from(n) * HOUR) },
        |_, _, _| Action::EndBrownout,
        |now, _, n| Action::Acknowledge { until: now.plus_millis(i64::from(n) * HOUR) },
        |_, _, _| Action::WithdrawAcknowledgement,
        |now, _, n| {
            let (hash, errors) = ("0123456789abcdef".to_owned(), u64::from(n % 2));
            Action::Evidence(Evidence {
                hash,
                made_at: now,
                errors,
                mappings: Vec::new(),
                report: None,
            })
        },
    ];
    prop::sample::select(all)
}

/// Proposes in turn and answers what was taken.
fn taken(plan: &Plan, steps: &[Step]) -> Vec<Change> {
    let mut now = plan.removal.plus_millis(-20 * 24 * HOUR);
    let mut changes = Vec::new();
    for (make, hours, button, n) in steps {
        now = now.plus_millis(hours * HOUR);
        let effective = fold(plan, &changes);
        let button = button.then(|| BUTTON.to_owned());
        let known = Circumstances {
            now,
            latch: effective.latch,
            button: None,
            mapped: &[],
            mappings: &[],
            report: None,
        };
        let proposal = Proposal {
            expected: effective.number,
            who: "ops".to_owned(),
            why: "because".to_owned(),
            action: make(now, button, *n),
        };
        if let Ok(action) = propose(&effective, &known, &proposal) {
            let (tenant, who, why) = ("acme".to_owned(), proposal.who, proposal.why);
            let number = changes.len() as u64 + 1;
            let file_plan = Some(plan.fingerprint());
            changes.push(Change { number, at: now, tenant, who, why, file_plan, action });
        }
    }
    changes
}

fn route(effective: &Effective, button: Option<&str>, wall: Wall, lot: u16) -> Route {
    decide(effective, button, wall, effective.latch, Draw::new(lot).unwrap()).route
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_taken_the_calendar_holds(
        steps in prop::collection::vec((action(), 0_i64..60, any::<bool>(), any::<u8>()), 1..25),
        asked in prop::collection::vec((-600_i64..600, any::<bool>(), 0_u16..10_000), 1..20),
    ) {
        let plan = Plan::default();
        let changes = taken(&plan, &steps);
        // What is stored reads back, and gives the same plan.
        let stored: Vec<Change> = changes
            .iter()
            .map(|change| {
                let body = serde_json::to_vec(change).unwrap();
                Change::read(change.number, change.at, &body).unwrap()
            })
            .collect();
        prop_assert_eq!(&stored, &changes);
        let effective = fold(&plan, &changes);
        prop_assert_eq!(effective.drift.as_ref(), None);
        for (hours, button, lot) in asked {
            let wall = plan.removal.plus_millis(hours * HOUR);
            let button = button.then_some(BUTTON);
            let got = route(&effective, button, wall, lot);
            let vouched = effective.acknowledgement.as_ref().is_some_and(|a| wall < a.until);
            if got == Route::Legacy {
                prop_assert!(wall < plan.last_call() || vouched, "legacy at {} without a date", wall);
            }
            if got == Route::Refused {
                prop_assert!(effective.brownout(wall).is_some());
            }
            // A chat that is on MIAW stays there for every larger share: lots below it are too.
            if got == Route::Miaw {
                prop_assert_eq!(route(&effective, button, wall, lot / 2), Route::Miaw);
            }
        }
    }
}
