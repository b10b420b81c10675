//! The router's answers around every instant of a plan, in several zones, and the ramp.

use std::collections::HashSet;
use std::time::Duration;

use liveagent_bridge::router::calendar::{self, Asked, Row};
use liveagent_bridge::router::decide::{self, Because, Decision, Draw, PastRemoval, Route};
use liveagent_bridge::router::effective::Effective;
use liveagent_bridge::router::plan::{Acknowledgement, DEFAULT_REMOVAL, Plan, Stage, Step, Zone};
use liveagent_bridge::time::Wall;

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
const FIRST: Draw = match Draw::new(0) {
    Some(draw) => draw,
    None => panic!("0 is a lot"),
};

fn at(text: &str) -> Wall {
    Wall::parse(text).unwrap()
}

fn step(when: Wall, stage: Stage) -> Step {
    Step { at: when, stage }
}

/// A plan with the default removal and one stage since a year before it.
fn toggled(stage: Stage) -> Plan {
    let since = DEFAULT_REMOVAL.plus_millis(-365 * DAY);
    Plan { steps: vec![step(since, stage)], ..Plan::default() }
}

fn acknowledged(stage: Stage, until: Wall) -> Plan {
    let reason = "the org has an extension".to_owned();
    let vouched = Acknowledgement { until, by: "ops@acme.example".to_owned(), reason };
    Plan { acknowledgement: Some(vouched), ..toggled(stage) }
}

/// The plan's answer, without changes and whatever the button.
fn decide(plan: &Plan, wall: Wall, latch: PastRemoval, draw: Draw) -> Decision {
    decide::decide(&Effective::from(plan), None, wall, latch, draw)
}

fn next_change(plan: &Plan, wall: Wall) -> Option<Wall> {
    calendar::next_change(&Effective::from(plan), None, wall)
}

fn table(plan: &Plan, latch: PastRemoval, draw: Draw) -> Vec<Row> {
    let effective = Effective::from(plan);
    calendar::table(Asked { effective: &effective, button: None, latch, draw })
}

#[track_caller]
fn check(plan: &Plan, wall: Wall, route: Route, code: &str) -> Decision {
    let decision = decide(plan, wall, PastRemoval::NOT_YET, FIRST);
    assert_eq!((decision.route, decision.because.code()), (route, code), "at {wall}");
    decision
}

#[test]
fn the_default_removal_is_the_announced_instant() {
    assert_eq!(DEFAULT_REMOVAL, at("2026-02-14T00:00:00Z"));
    assert_eq!(Plan::default().last_call(), at("2026-02-13T22:00:00Z"));
}

#[test]
fn auto_moves_at_the_margin_and_stays() {
    let plan = Plan::default();
    let (removal, last_call) = (plan.removal, plan.last_call());
    check(&plan, removal.plus_millis(-90 * DAY), Route::Legacy, "auto-legacy");
    check(&plan, last_call.plus_millis(-SECOND), Route::Legacy, "auto-legacy");
    check(&plan, last_call.plus_millis(-1), Route::Legacy, "auto-legacy");
    check(&plan, last_call, Route::Miaw, "within-margin");
    check(&plan, removal.plus_millis(-1), Route::Miaw, "within-margin");
    check(&plan, removal, Route::Miaw, "past-removal");
    check(&plan, removal.plus_millis(SECOND), Route::Miaw, "past-removal");
    let today = check(&plan, at("2027-06-01T12:00:00Z"), Route::Miaw, "past-removal");
    let sentence = today.because.to_string();
    assert!(sentence.contains("2026-02-14T00:00:00Z"), "{sentence}");
}

#[test]
fn legacy_after_the_removal_needs_a_dated_acknowledgement() {
    let (removal, until) = (DEFAULT_REMOVAL, DEFAULT_REMOVAL.plus_millis(30 * DAY));
    let plain = toggled(Stage::Legacy);
    check(&plain, removal.plus_millis(-DAY), Route::Legacy, "step");
    check(&plain, plain.last_call(), Route::Miaw, "within-margin");
    check(&plain, removal.plus_millis(SECOND), Route::Miaw, "legacy-ignored-past-removal");
    let vouched = acknowledged(Stage::Legacy, until);
    check(&vouched, vouched.last_call(), Route::Legacy, "acknowledged-legacy");
    check(&vouched, removal.plus_millis(SECOND), Route::Legacy, "acknowledged-legacy");
    check(&vouched, until.plus_millis(-1), Route::Legacy, "acknowledged-legacy");
    let over = check(&vouched, until, Route::Miaw, "legacy-ignored-past-removal");
    assert!(over.because.to_string().contains(&until.to_string()));
    // An acknowledgement alone is no wish for legacy.
    let auto = Plan { steps: Vec::new(), ..vouched };
    check(&auto, removal.plus_millis(SECOND), Route::Miaw, "past-removal");
}

#[test]
fn a_roll_back_works_before_the_removal_and_is_refused_after_it() {
    let miaw = step(at("2026-01-10T09:00:00Z"), Stage::Miaw);
    let early = step(at("2026-01-12T09:00:00Z"), Stage::Legacy);
    let late = step(at("2026-03-01T09:00:00Z"), Stage::Legacy);
    let plan = Plan { steps: vec![miaw, early], ..Plan::default() };
    check(&plan, at("2026-01-11T00:00:00Z"), Route::Miaw, "step");
    check(&plan, early.at, Route::Legacy, "step");
    let plan = Plan { steps: vec![miaw, late], ..Plan::default() };
    check(&plan, late.at, Route::Miaw, "legacy-ignored-past-removal");
}

#[test]
fn steps_begin_at_their_instant() {
    let first = step(at("2026-01-10T09:00:00Z"), Stage::Ramp { percent: 10 });
    let last = step(at("2026-01-20T09:00:00Z"), Stage::Miaw);
    let plan = Plan { steps: vec![first, last], ..Plan::default() };
    check(&plan, first.at.plus_millis(-1), Route::Legacy, "before-first-step");
    check(&plan, first.at, Route::Miaw, "ramp");
    check(&plan, last.at.plus_millis(-1), Route::Miaw, "ramp");
    check(&plan, last.at, Route::Miaw, "step");
    check(&plan, plan.removal, Route::Miaw, "past-removal");
}

#[test]
fn without_a_legacy_service_everything_goes_to_miaw() {
    let plan = Plan { has_legacy: false, ..Plan::default() };
    check(&plan, at("2025-01-01T00:00:00Z"), Route::Miaw, "legacy-not-configured");
    check(&plan, plan.removal, Route::Miaw, "past-removal");
}

#[test]
fn once_past_stays_past_when_the_clock_jumps_back() {
    let plan = Plan::default();
    let mut latch = PastRemoval::NOT_YET;
    assert!(!latch.observe(&plan, plan.removal.plus_millis(-1)));
    assert!(latch.observe(&plan, plan.removal));
    assert!(!latch.observe(&plan, plan.removal.plus_millis(DAY)), "stored once");
    let before = plan.removal.plus_millis(-DAY);
    for plan in [plan.clone(), toggled(Stage::Legacy)] {
        let decision = decide(&plan, before, latch, FIRST);
        assert_eq!((decision.route, decision.because.code()), (Route::Miaw, "latched"));
    }
    // A stored latch reads back, and a removal that was moved to later is a new removal.
    let stored = PastRemoval::seen(latch.instant().unwrap());
    assert_eq!(stored, latch);
    let later = Plan { removal: plan.removal.plus_millis(30 * DAY), ..Plan::default() };
    assert!(!stored.holds(&later));
    assert_eq!(decide(&later, before, stored, FIRST).route, Route::Legacy);
}

/// The boundary of an auto plan, to the millisecond, wherever and whenever its removal is.
#[test]
fn boundaries_hold_to_the_millisecond_in_every_zone_and_season() {
    let removals = [
        // both clock changes, inside and at their edges
        "2026-03-29T01:00:00Z[UTC]",
        "2026-03-29T03:00:00+02:00[Europe/Berlin]",
        "2026-10-25T02:30:00+02:00[Europe/Berlin]",
        "2026-10-25T02:30:00+01:00[Europe/Berlin]",
        "2026-03-08T03:00:00-04:00[America/New_York]",
        "2026-11-01T01:30:00-05:00[America/New_York]",
        "2026-04-05T02:30:00+13:00[Pacific/Auckland]",
        "2026-09-27T03:00:00+13:00[Pacific/Auckland]",
        // leap day, year's end
        "2028-02-29T00:00:00+13:00[Pacific/Auckland]",
        "2028-02-29T23:59:59.999-05:00[America/New_York]",
        "2027-01-01T00:00:00+01:00[Europe/Berlin]",
        "2026-12-31T23:59:59-05:00[America/New_York]",
        "2026-02-14T00:00:00Z[UTC]",
    ];
    for removal in removals {
        for margin in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(7_200)] {
            let plan = Plan { removal: at(removal), margin, ..Plan::default() };
            let edge = plan.removal.plus_millis(-(margin.as_millis() as i64));
            check(&plan, edge.plus_millis(-1), Route::Legacy, "auto-legacy");
            let code = if margin.is_zero() { "past-removal" } else { "within-margin" };
            check(&plan, edge, Route::Miaw, code);
            let next = if margin.as_millis() > 1 { code } else { "past-removal" };
            check(&plan, edge.plus_millis(1), Route::Miaw, next);
        }
    }
}

#[test]
fn a_zone_changes_the_print_and_nothing_else() {
    let prints = [
        ("UTC", "2026-02-14 00:00:00 UTC"),
        ("Pacific/Auckland", "2026-02-14 13:00:00 +13:00"),
        ("America/New_York", "2026-02-13 19:00:00 -05:00"),
    ];
    for (name, print) in prints {
        let plan = Plan { zone: Zone::named(name).unwrap(), ..Plan::default() };
        assert_eq!(plan.zone.print(plan.removal), print);
        let answer = |wall| decide(&plan, wall, PastRemoval::NOT_YET, FIRST);
        let utc = |wall| decide(&Plan::default(), wall, PastRemoval::NOT_YET, FIRST);
        for moved in [-DAY, -2 * HOUR, -1, 0, 1, DAY] {
            let wall = plan.removal.plus_millis(moved);
            assert_eq!(answer(wall), utc(wall));
        }
    }
}

#[test]
fn the_ramp_keeps_its_share_and_is_monotone() {
    const CHATS: u32 = 100_000;
    let shares = [0_u8, 1, 10, 50, 99, 100];
    let mut before: HashSet<u32> = HashSet::new();
    for percent in shares {
        let plan = toggled(Stage::Ramp { percent });
        let wall = plan.removal.plus_millis(-30 * DAY);
        let effective = Effective::from(&plan);
        let moved: HashSet<u32> = (0..CHATS)
            .filter(|n| {
                let uuid = format!("{n:08x}-0000-4000-8000-{:012x}", u64::from(*n) * 7_919);
                let draw = Draw::of("acme", &uuid);
                let latch = PastRemoval::NOT_YET;
                decide::decide(&effective, None, wall, latch, draw).route == Route::Miaw
            })
            .collect();
        let got = moved.len() as f64 * 100.0 / f64::from(CHATS);
        assert!((got - f64::from(percent)).abs() <= 0.5, "{percent} % gave {got} %");
        assert!(before.is_subset(&moved), "a chat left MIAW when the share grew to {percent} %");
        before = moved;
    }
    assert_eq!(before.len(), CHATS as usize, "100 % is everybody");
}

#[test]
fn a_draw_is_stable_and_differs_between_tenants() {
    let uuid = "0d6f0f5e-8d5c-4d5a-9d6b-1f2a3b4c5d6e";
    let draw = Draw::of("acme", uuid);
    // SHA-256 of the label, tenant and id, its first eight bytes modulo 10,000, computed outside
    // this program. Pinned: another hash would move running ramps.
    assert_eq!(draw.lot(), 1_321);
    assert_eq!(draw, Draw::of("acme", &uuid.to_uppercase()));
    assert_ne!(draw, Draw::of("globex", uuid));
    assert_eq!(Draw::new(9_999).map(Draw::lot), Some(9_999));
    assert_eq!(Draw::new(10_000), None);
}

#[test]
fn the_ramp_says_its_draw_and_ends_at_the_margin() {
    let plan = toggled(Stage::Ramp { percent: 10 });
    let wall = plan.removal.plus_millis(-DAY);
    for (lot, route, said) in
        [(999, Route::Miaw, "draw 999 is below 1000"), (1_000, Route::Legacy, "1000 is not below")]
    {
        let draw = Draw::new(lot).unwrap();
        let decision = decide(&plan, wall, PastRemoval::NOT_YET, draw);
        assert_eq!(decision.route, route);
        assert!(decision.because.to_string().contains(said), "{}", decision.because);
        let late = decide(&plan, plan.last_call(), PastRemoval::NOT_YET, draw);
        assert_eq!(late.route, Route::Miaw);
    }
}

#[test]
fn the_table_ascends_and_names_what_is_special() {
    let miaw = step(DEFAULT_REMOVAL, Stage::Miaw);
    let plan = Plan { steps: vec![miaw], ..Plan::default() };
    let rows = table(&plan, PastRemoval::NOT_YET, FIRST);
    assert!(rows.windows(2).all(|pair| pair[0].at < pair[1].at));
    let seen: Vec<(i64, &str)> = rows
        .iter()
        .map(|r| (r.at.millis_since(DEFAULT_REMOVAL) / SECOND, r.decision.because.code()))
        .collect();
    let expected = [
        (-30 * 86_400, "before-first-step"),
        (-7_201, "before-first-step"),
        (-7_200, "within-margin"),
        (-1, "within-margin"),
        (0, "past-removal"),
        (1, "past-removal"),
        (7 * 86_400, "past-removal"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(rows[4].label, "removal, step `miaw`");
}

#[test]
fn the_next_change_is_where_some_chat_is_answered_differently() {
    let plan = Plan::default();
    let chain = |plan: &Plan, mut wall: Wall| {
        let mut all = Vec::new();
        while let Some(next) = next_change(plan, wall) {
            all.push(next);
            wall = next;
        }
        all
    };
    let start = at("2025-12-01T00:00:00Z");
    assert_eq!(chain(&plan, start), [plan.last_call(), plan.removal]);
    assert_eq!(next_change(&plan, plan.removal), None);
    let ramp = step(at("2026-01-10T09:00:00Z"), Stage::Ramp { percent: 10 });
    let more = step(at("2026-01-12T09:00:00Z"), Stage::Ramp { percent: 50 });
    let plan = Plan { steps: vec![ramp, more], ..plan };
    assert_eq!(chain(&plan, start), [ramp.at, more.at, plan.last_call(), plan.removal]);
}

#[test]
fn codes_and_stages_read_back() {
    for (text, stage) in [
        ("legacy", Stage::Legacy),
        ("MIAW", Stage::Miaw),
        ("ramp 10 %", Stage::Ramp { percent: 10 }),
        ("ramp 0", Stage::Ramp { percent: 0 }),
        ("ramp100%", Stage::Ramp { percent: 100 }),
        ("shadow", Stage::Shadow),
        ("complete", Stage::Complete),
    ] {
        assert_eq!(Stage::parse(text), Ok(stage));
        assert_eq!(Stage::parse(&stage.to_string()), Ok(stage));
    }
    for wrong in ["", "ramp", "ramp 101 %", "ramp -1 %", "shadowy"] {
        assert!(Stage::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(Because::LegacyNotConfigured.code(), "legacy-not-configured");
}
