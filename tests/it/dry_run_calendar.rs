//! The calendar of a tenant and of the buttons that have steps of their own.

use std::collections::BTreeMap;

use liveagent_bridge::mapping::Mapping;
use liveagent_bridge::report::dry_run::{Inputs, Report, Tenant, build_with};
use liveagent_bridge::report::sources::{Setup, Sources};
use liveagent_bridge::report::{html, markdown};
use liveagent_bridge::router::plan::{Brownout, ButtonPlan, Plan, Stage, Step};
use liveagent_bridge::time::Wall;

const SALES: &str = "573000000000002";

fn at(text: &str) -> Wall {
    Wall::parse(text).expect("an instant")
}

fn report(plan: Plan, as_of: &str) -> Report {
    let tenant = Tenant {
        id: "acme".to_owned(),
        mapping_name: None,
        mapping: Mapping::default(),
        deployment_id: String::new(),
        button_id: "573000000000001".to_owned(),
        routing: Vec::new(),
        findings: Vec::new(),
    };
    let setup = Setup {
        plan,
        organization_id: "00D000000000001".to_owned(),
        deployment: "Web".to_owned(),
        token_grace_s: 600,
        mapping_sha256: None,
    };
    let setups = BTreeMap::from([("acme".to_owned(), setup)]);
    let inputs = Inputs {
        as_of: at(as_of),
        show_values: false,
        tenants: vec![tenant],
        documents: Vec::new(),
    };
    build_with(&inputs, &Sources { setups, ..Sources::default() })
}

fn step(text: &str, stage: Stage) -> Step {
    Step { at: at(text), stage }
}

#[test]
fn a_button_with_steps_of_its_own_has_a_table_of_its_own() {
    let own = vec![
        step("2026-01-20T09:00:00Z", Stage::Ramp { percent: 30 }),
        step("2026-02-01T09:00:00Z", Stage::Miaw),
    ];
    let like_the_tenant = vec![step("2026-01-25T00:00:00Z", Stage::Legacy)];
    let plan = Plan {
        buttons: vec![
            ButtonPlan { button: SALES.to_owned(), steps: own },
            ButtonPlan { button: "573000000000003".to_owned(), steps: like_the_tenant },
        ],
        brownouts: vec![Brownout {
            from: at("2026-02-05T08:00:00Z"),
            until: at("2026-02-05T09:00:00Z"),
        }],
        ..Plan::default()
    };
    // Between two days, so that the report's own instant has a row.
    let made = report(plan, "2026-01-21T12:00:00Z");
    let outlook = &made.tenants[0].outlook;
    let share = |rows: &[liveagent_bridge::report::forecast::Day], utc: &str| {
        let row = rows.iter().find(|row| row.utc == utc);
        row.map(|row| (row.miaw_percent, row.refused_percent, row.change))
    };
    assert_eq!(share(&outlook.calendar, "2026-01-20T09:00:00Z"), None, "only the button's");
    assert_eq!(share(&outlook.calendar, "2026-01-21T12:00:00Z"), Some((0, 0, false)));
    assert_eq!(share(&outlook.calendar, "2026-02-05T08:00:00Z"), Some((0, 100, true)));
    assert_eq!(share(&outlook.calendar, "2026-02-13T22:00:00Z"), Some((100, 0, true)));

    let [only] = outlook.button_calendars.as_slice() else {
        panic!("one button differs: {:?}", outlook.button_calendars.len())
    };
    assert_eq!(only.button, SALES);
    assert_eq!(share(&only.calendar, "2026-01-20T09:00:00Z"), Some((30, 0, true)));
    assert_eq!(share(&only.calendar, "2026-01-21T12:00:00Z"), Some((30, 0, false)));
    assert_eq!(share(&only.calendar, "2026-02-01T09:00:00Z"), Some((100, 0, true)));
    assert_eq!(share(&only.calendar, "2026-02-05T08:00:00Z"), None, "it is on MIAW by then");
    for page in [markdown::render(&made), html::render(&made)] {
        assert!(page.contains("share this calendar, except 573000000000002."), "{page}");
        assert!(page.contains("Calendar of button 573000000000002"));
        assert!(page.contains("0 %, 100 % refused"));
    }
}

#[test]
fn buttons_without_steps_share_the_tenants_calendar_in_one_line() {
    let made = report(Plan::default(), "2026-02-14T00:00:00Z");
    assert!(made.tenants[0].outlook.button_calendars.is_empty());
    for page in [markdown::render(&made), html::render(&made)] {
        assert!(page.contains("All buttons share this calendar."));
        assert!(!page.contains("Calendar of button"));
    }
}
