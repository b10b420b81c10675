//! The router's table of cases (one test a row), windows to the millisecond, rules per button,
//! freezes and brown-outs.

use std::time::Duration;

use liveagent_bridge::router::change::{Action, Change, fold};
use liveagent_bridge::router::decide::{
    Because, Decision, Draw, PastRemoval, Route, decide, legacy_lives, whatever_button,
};
use liveagent_bridge::router::effective::Effective;
use liveagent_bridge::router::panic::{Panic, Panics};
use liveagent_bridge::router::plan::{
    Acknowledgement, Brownout, ButtonPlan, DEFAULT_REMOVAL, Plan, Stage, Step, Zone,
};
use liveagent_bridge::time::Wall;

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
const CUTOFF: Wall = DEFAULT_REMOVAL;
const FR: &str = "573000000000FRA";
const DE: &str = "573000000000DEU";

fn at(text: &str) -> Wall {
    Wall::parse(text).unwrap()
}

fn lot(number: u16) -> Draw {
    Draw::new(number).unwrap()
}

fn step(at: Wall, stage: Stage) -> Step {
    Step { at, stage }
}

/// A plan with one stage since a year before the cutoff.
fn toggled(stage: Stage) -> Plan {
    Plan { steps: vec![step(CUTOFF.plus_millis(-365 * DAY), stage)], ..Plan::default() }
}

/// Changes of the tenant, numbered from 1, a minute apart.
fn changed(plan: &Plan, from: Wall, actions: Vec<Action>) -> Effective {
    let numbered = actions.into_iter().zip(1..).map(|(action, number)| Change {
        number,
        at: from.plus_millis(60 * SECOND * i64::try_from(number).unwrap()),
        tenant: "acme".to_owned(),
        who: "ops".to_owned(),
        why: "because".to_owned(),
        file_plan: Some(plan.fingerprint()),
        action,
    });
    fold(plan, &numbered.collect::<Vec<_>>())
}

fn to(stage: Stage, button: Option<&str>) -> Action {
    let button = button.map(str::to_owned);
    Action::Stage { stage, button, without_evidence: false, acknowledged_until: None }
}

fn ask(effective: &Effective, button: Option<&str>, wall: Wall) -> Decision {
    decide(effective, button, wall, effective.latch, lot(0))
}

#[track_caller]
fn check(plan: &Plan, wall: Wall, route: Route, code: &str) -> Decision {
    let decision = ask(&Effective::from(plan), None, wall);
    assert_eq!((decision.route, decision.because.code()), (route, code), "at {wall}");
    decision
}

#[test]
fn row_1_long_before_the_cutoff_auto_is_legacy() {
    check(&Plan::default(), CUTOFF.plus_millis(-90 * DAY), Route::Legacy, "auto-legacy");
}

#[test]
fn row_2_at_the_margin_auto_moves_new_starts() {
    let margin = -2 * HOUR;
    check(&Plan::default(), CUTOFF.plus_millis(margin - SECOND), Route::Legacy, "auto-legacy");
    check(&Plan::default(), CUTOFF.plus_millis(margin), Route::Miaw, "within-margin");
}

#[test]
fn row_3_and_4_a_pinned_session_has_its_service_until_the_cutoff() {
    for plan in [Plan::default(), toggled(Stage::Legacy), toggled(Stage::Miaw)] {
        let effective = Effective::from(&plan);
        let lives = |wall| legacy_lives(&effective, wall, PastRemoval::NOT_YET);
        assert!(lives(CUTOFF.plus_millis(-SECOND)) && lives(CUTOFF.plus_millis(-1)));
        assert!(!lives(CUTOFF) && !lives(CUTOFF.plus_millis(1)));
    }
}

#[test]
fn row_5_legacy_without_acknowledgement_is_ignored_past_the_cutoff() {
    let plan = toggled(Stage::Legacy);
    let code = "legacy-ignored-past-removal";
    let said = check(&plan, CUTOFF.plus_millis(SECOND), Route::Miaw, code).because.to_string();
    assert!(said.contains("is ignored: legacy was removed"), "{said}");
}

#[test]
fn row_6_legacy_with_a_dated_acknowledgement_ends_with_it() {
    let until = CUTOFF.plus_millis(10 * DAY);
    let (by, reason) = ("Sam".to_owned(), "extension".to_owned());
    let acknowledgement = Some(Acknowledgement { until, by, reason });
    let plan = Plan { acknowledgement, ..toggled(Stage::Legacy) };
    check(&plan, CUTOFF.plus_millis(SECOND), Route::Legacy, "acknowledged-legacy");
    check(&plan, until.plus_millis(-1), Route::Legacy, "acknowledged-legacy");
    check(&plan, until, Route::Miaw, "legacy-ignored-past-removal");
    assert!(!legacy_lives(&Effective::from(&plan), until, PastRemoval::NOT_YET));
}

// Row 7, an unconfigured MIAW half, is refused at load: config_check.rs.
// Row 8, a session stays where it is when a ramp shrinks, needs sessions: cutover.rs.

#[test]
fn row_9_a_roll_back_moves_new_sessions_before_the_cutoff_only() {
    let plan = toggled(Stage::Miaw);
    let back = Action::RollBack { button: None, acknowledged_until: None };
    let effective = changed(&plan, CUTOFF.plus_millis(-10 * DAY), vec![back]);
    let before = ask(&effective, None, CUTOFF.plus_millis(-9 * DAY));
    assert_eq!((before.route, before.because.code()), (Route::Legacy, "rolled-back"));
    assert!(before.because.to_string().contains("rolled back by change 1"), "{}", before.because);
    let after = ask(&effective, None, CUTOFF);
    assert_eq!((after.route, after.because.code()), (Route::Miaw, "legacy-ignored-past-removal"));
}

#[test]
fn row_10_once_past_stays_past_by_an_hour_and_by_a_day() {
    let plan = Plan::default();
    let seen = Action::PastRemoval { seen: CUTOFF };
    let effective = changed(&plan, CUTOFF, vec![seen.clone()]);
    for back in [HOUR, DAY] {
        let decision = ask(&effective, None, CUTOFF.plus_millis(-back));
        assert_eq!((decision.route, decision.because.code()), (Route::Miaw, "latched"));
        assert!(!legacy_lives(&effective, CUTOFF.plus_millis(-back), effective.latch));
    }
    let undone = changed(&plan, CUTOFF, vec![seen, Action::UndoPastRemoval]);
    assert_eq!(ask(&undone, None, CUTOFF.plus_millis(-DAY)).route, Route::Legacy);
}

#[test]
fn row_11_zones_are_two_forms_of_one_instant() {
    let zones = ["UTC", "Pacific/Auckland"].map(|name| Zone::named(name).unwrap());
    let [utc, auckland] = zones.map(|zone| Plan { zone, ..Plan::default() });
    assert_ne!(utc.zone.print(CUTOFF), auckland.zone.print(CUTOFF));
    for moved in [-1, 0, 1] {
        let wall = utc.last_call().plus_millis(moved);
        assert_eq!(
            ask(&Effective::from(&utc), None, wall),
            ask(&Effective::from(&auckland), None, wall)
        );
    }
    assert_eq!(utc.fingerprint(), auckland.fingerprint(), "a zone decides nothing");
}

/// Local instants around both clock changes of a year, leap day and year's end, in three zones.
const EDGES: [&str; 15] = [
    "2026-03-29T01:59:59.999+01:00[Europe/Berlin]",
    "2026-03-29T03:00:00+02:00[Europe/Berlin]",
    "2026-10-25T02:30:00+02:00[Europe/Berlin]",
    "2026-10-25T02:30:00+01:00[Europe/Berlin]",
    "2026-03-08T03:00:00-04:00[America/New_York]",
    "2026-11-01T01:30:00-04:00[America/New_York]",
    "2026-11-01T01:30:00-05:00[America/New_York]",
    "2026-04-05T02:30:00+13:00[Pacific/Auckland]",
    "2026-04-05T02:30:00+12:00[Pacific/Auckland]",
    "2026-09-27T03:00:00+13:00[Pacific/Auckland]",
    "2028-02-29T00:00:00+13:00[Pacific/Auckland]",
    "2028-02-29T23:59:59.999-05:00[America/New_York]",
    "2028-03-01T00:00:00+01:00[Europe/Berlin]",
    "2027-01-01T00:00:00+01:00[Europe/Berlin]",
    "2026-12-31T23:59:59.999-05:00[America/New_York]",
];

#[test]
fn every_window_holds_to_the_millisecond() {
    for edge in EDGES.map(at) {
        let removal = edge.plus_millis(90 * DAY);
        let base = Plan { removal, margin: Duration::ZERO, ..Plan::default() };
        let steps = vec![step(edge, Stage::Miaw)];
        let own = ButtonPlan { button: FR.to_owned(), steps: steps.clone() };
        let window = Brownout { from: edge, until: edge.plus_millis(HOUR) };
        let stepped = Plan { steps, ..base.clone() };
        let buttoned = Plan { buttons: vec![own], ..base.clone() };
        let browned = Plan { brownouts: vec![window], ..base };
        for (plan, button, route) in [
            (stepped, None, Route::Miaw),
            (buttoned, Some(FR), Route::Miaw),
            (browned.clone(), None, Route::Refused),
        ] {
            let answer =
                |moved| ask(&Effective::from(&plan), button, edge.plus_millis(moved)).route;
            assert_eq!([answer(-1), answer(0), answer(1)], [Route::Legacy, route, route], "{edge}");
        }
        let answer = |moved| ask(&Effective::from(&browned), None, window.until.plus_millis(moved));
        let routes = [-1, 0, 1].map(|moved| answer(moved).route);
        assert_eq!(routes, [Route::Refused, Route::Legacy, Route::Legacy], "{edge}");
    }
}

#[test]
fn a_button_follows_its_own_rule_and_else_the_tenant() {
    let day = at("2026-01-10T00:00:00Z");
    let own = |button: &str, stage| ButtonPlan {
        button: button.to_owned(),
        steps: vec![step(day, stage)],
    };
    let plan = Plan {
        steps: vec![step(day.plus_millis(-DAY), Stage::Legacy)],
        buttons: vec![own(FR, Stage::Miaw)],
        ..Plan::default()
    };
    let file = Effective::from(&plan);
    let routes = |effective: &Effective, wall| {
        [Some(FR), Some(DE), None].map(|button| ask(effective, button, wall).route)
    };
    let (legacy, miaw) = (Route::Legacy, Route::Miaw);
    // Before its first step a button follows the tenant; 18 characters are the same button.
    assert_eq!(routes(&file, day.plus_millis(-1)), [legacy, legacy, legacy]);
    assert_eq!(routes(&file, day), [miaw, legacy, legacy]);
    assert_eq!(ask(&file, Some(&format!("{FR}AAA")), day).route, miaw);
    assert_eq!(whatever_button(&file, day, PastRemoval::NOT_YET, lot(0)), None);
    let before = whatever_button(&file, day.plus_millis(-1), PastRemoval::NOT_YET, lot(0));
    assert_eq!(before.unwrap().route, legacy);
    // A change for the tenant leaves buttons with a rule of their own alone.
    let actions = vec![to(Stage::Ramp { percent: 0 }, None), to(Stage::Miaw, Some(DE))];
    let some = changed(&plan, day, actions.clone());
    assert_eq!(routes(&some, day.plus_millis(HOUR)), [miaw, miaw, legacy]);
    assert_eq!(some.buttons_with_rules(), [DE, FR]);
    // A roll-back of the tenant takes all with it; a later change for a button counts again.
    let back = Action::RollBack { button: None, acknowledged_until: None };
    let all: Vec<Action> = actions.into_iter().chain([back]).collect();
    assert_eq!(routes(&changed(&plan, day, all.clone()), day), [legacy, legacy, legacy]);
    let again: Vec<Action> = all.into_iter().chain([to(Stage::Miaw, Some(FR))]).collect();
    let again = changed(&plan, day, again);
    assert_eq!(routes(&again, day), [miaw, legacy, legacy]);
    // The calendar beats every button.
    assert_eq!(routes(&again, CUTOFF), [miaw, miaw, miaw]);
}

#[test]
fn what_stands_by_a_change_beats_later_steps_until_it_is_lifted() {
    let day = at("2026-01-10T00:00:00Z");
    let later = day.plus_millis(5 * DAY);
    let plan = Plan { steps: vec![step(later, Stage::Miaw)], ..Plan::default() };
    let ramp = to(Stage::Ramp { percent: 10 }, None);
    let effective = changed(&plan, day, vec![ramp.clone()]);
    let decision = decide(&effective, None, later, PastRemoval::NOT_YET, lot(1_000));
    assert_eq!(decision.route, Route::Legacy);
    assert!(decision.because.to_string().contains("by change 1"), "{}", decision.because);
    // A calendar that is set back does not undo a change.
    assert_eq!(ask(&effective, None, day.plus_millis(-DAY)).route, Route::Miaw);
    let follow = Action::Follow { button: None, without_evidence: false };
    let lifted = changed(&plan, day, vec![ramp, follow]);
    assert_eq!(ask(&lifted, None, later).because.code(), "step");
}

#[test]
fn a_freeze_holds_later_steps_back_but_not_the_removal() {
    let day = at("2026-01-10T00:00:00Z");
    let (one, two) = (day.plus_millis(-DAY), day.plus_millis(DAY));
    let steps = vec![step(one, Stage::Ramp { percent: 10 }), step(two, Stage::Miaw)];
    let plan = Plan { steps, ..Plan::default() };
    let frozen = changed(&plan, day, vec![Action::Freeze]);
    let last = |effective: &Effective, wall| {
        decide(effective, None, wall, PastRemoval::NOT_YET, lot(9_999))
    };
    let held = last(&frozen, two);
    assert_eq!((held.route, held.because.code()), (Route::Legacy, "ramp"));
    assert!(held.because.to_string().contains("change 1 froze the plan"), "{}", held.because);
    let before = last(&frozen, two.plus_millis(-1)).because.to_string();
    assert!(!before.contains("froze"), "nothing is held back yet: {before}");
    assert_eq!(last(&frozen, plan.last_call()).because.code(), "within-margin");
    assert_eq!(last(&frozen, CUTOFF).route, Route::Miaw);
    let free = changed(&plan, day, vec![Action::Freeze, Action::Unfreeze]);
    assert_eq!(last(&free, two).route, Route::Miaw);
    // Frozen before the first step.
    let early = changed(&plan, one.plus_millis(-DAY), vec![Action::Freeze]);
    let held = last(&early, two);
    assert_eq!((held.route, held.because.code()), (Route::Legacy, "before-first-step"));
    assert!(held.because.to_string().contains("change 1 holds back"), "{}", held.because);
}

#[test]
fn a_brown_out_refuses_what_would_go_to_legacy() {
    let day = at("2026-01-10T00:00:00Z");
    let (from, until) = (day.plus_millis(HOUR), day.plus_millis(2 * HOUR));
    let half = toggled(Stage::Ramp { percent: 50 });
    let plan = Plan { brownouts: vec![Brownout { from, until }], ..half.clone() };
    for effective in
        [Effective::from(&plan), changed(&half, day, vec![Action::Brownout { from, until }])]
    {
        let routes = |wall| {
            [0, 9_999].map(|n| decide(&effective, None, wall, PastRemoval::NOT_YET, lot(n)).route)
        };
        assert_eq!(routes(from.plus_millis(-1)), [Route::Miaw, Route::Legacy]);
        assert_eq!(routes(from), [Route::Miaw, Route::Refused]);
        assert_eq!(routes(until), [Route::Miaw, Route::Legacy]);
        let refused = decide(&effective, None, from, PastRemoval::NOT_YET, lot(9_999)).because;
        assert_eq!(refused.code(), "brown-out");
        assert!(refused.to_string().contains(&until.to_string()), "{refused}");
        assert!(legacy_lives(&effective, from, PastRemoval::NOT_YET), "running chats go on");
    }
    // Ended by hand: at once, whoever planned it.
    let end = changed(&plan, from, vec![Action::EndBrownout]);
    assert_eq!(end.brownout(from.plus_millis(2 * 60 * SECOND)), None);
    assert!(end.brownout(from).is_some(), "what was, was");
}

#[test]
fn the_panic_file_beats_everything_but_a_missing_service() {
    let day = at("2026-01-10T00:00:00Z");
    let window = Brownout { from: day, until: day.plus_millis(HOUR) };
    let plan = Plan { brownouts: vec![window], ..toggled(Stage::Ramp { percent: 50 }) };
    let panicked = |word: Panic| Effective { panic: Some(word), ..Effective::from(&plan) };
    for (word, wall, route) in [
        (Panic::Miaw, day, Route::Miaw),
        (Panic::Legacy, day, Route::Legacy),
        (Panic::Legacy, plan.last_call(), Route::Legacy),
        (Panic::Refuse, day, Route::Refused),
        (Panic::Refuse, CUTOFF, Route::Refused),
    ] {
        let decision = decide(&panicked(word), None, wall, PastRemoval::NOT_YET, lot(9_999));
        assert_eq!((decision.route, decision.because), (route, Because::PanicFile { word }));
    }
    let gone = ask(&panicked(Panic::Legacy), None, CUTOFF);
    assert_eq!(gone.route, Route::Miaw, "{}", gone.because);
    let seen = PastRemoval::seen(CUTOFF);
    let back = decide(&panicked(Panic::Legacy), None, day, seen, lot(0));
    assert_eq!(back.because.code(), "latched");
}

#[test]
fn a_panic_file_is_read_strictly() {
    let panics = Panics::parse("acme = \"miaw\"\n\"*\" = \"refuse\"\n").unwrap();
    assert_eq!((panics.of("acme"), panics.of("globex")), (Some(Panic::Miaw), Some(Panic::Refuse)));
    assert_eq!(panics.tenants().collect::<Vec<_>>(), ["acme"]);
    assert_eq!(Panics::parse("# all is well\n").unwrap().of("acme"), None);
    for (text, said) in [
        ("acme = \"miaw\"\nglobex = \"lagacy\"\n", "line 2"),
        ("acme = 1\n", "line 1"),
        ("acme\n", "line 1"),
        ("[acme]\nroute = \"miaw\"\n", "line 2"),
    ] {
        let problem = Panics::parse(text).unwrap_err();
        assert!(problem.contains(said) && problem.contains("acme = \"miaw\""), "{problem}");
    }
}

#[test]
fn equal_plans_have_equal_fingerprints_and_others_do_not() {
    let plan = toggled(Stage::Legacy);
    let window = Brownout { from: CUTOFF, until: CUTOFF.plus_millis(1) };
    let own = ButtonPlan { button: FR.to_owned(), steps: plan.steps.clone() };
    let others = [
        toggled(Stage::Shadow),
        Plan { removal: CUTOFF.plus_millis(1), ..plan.clone() },
        Plan { margin: Duration::ZERO, ..plan.clone() },
        Plan { has_legacy: false, ..plan.clone() },
        Plan { buttons: vec![own], ..plan.clone() },
        Plan { brownouts: vec![window], ..plan.clone() },
    ];
    assert_eq!(plan.fingerprint(), plan.clone().fingerprint());
    assert_eq!(plan.fingerprint().len(), 16);
    let mut all: Vec<String> = others.iter().map(Plan::fingerprint).collect();
    all.push(plan.fingerprint());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), others.len() + 1);
}
