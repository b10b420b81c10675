//! Every code that a change is refused with, and the moves that are legal.

use liveagent_bridge::config::mapping::MappingFile;
use liveagent_bridge::mapping::Mapping;
use liveagent_bridge::report::dry_run::{self, Document, Inputs};

use super::*;

const BUTTON: &str = "573000000000ABC";
const OTHER: &str = "573000000000XYZ";

fn of_button(stage: Stage, button: &str) -> Action {
    Action::Stage {
        stage,
        button: Some(button.to_owned()),
        without_evidence: true,
        acknowledged_until: None,
    }
}

fn ramp(percent: u8) -> Stage {
    Stage::Ramp { percent }
}

fn brownout(from: Wall, hours: i64) -> Action {
    Action::Brownout { from, until: from.plus_millis(hours * 3_600_000) }
}

fn until(until: Wall) -> Action {
    Action::Acknowledge { until }
}

/// After these changes, at this instant, an action is refused with a code.
type Row = (Vec<Action>, &'static str, Action, &'static str);

fn rows() -> Vec<Row> {
    let (day, margin, removal) =
        ("2026-01-10T00:00:00Z", "2026-02-13T22:00:00Z", "2026-02-14T00:00:00Z");
    let now = at(day);
    let fresh = evidence(now, 0);
    let made_with = |mapping: &str| match evidence(now, 0) {
        Action::Evidence(shown) => {
            Action::Evidence(Evidence { mappings: vec![mapping.to_owned()], ..shown })
        }
        other => other,
    };
    let past = |until| Action::Stage {
        stage: Stage::Legacy,
        button: None,
        without_evidence: false,
        acknowledged_until: Some(until),
    };
    vec![
        // legal moves only
        (vec![], day, to(Stage::Legacy), "no-change"),
        (vec![], day, to(Stage::Complete), "illegal-move"),
        (vec![to(Stage::Shadow)], day, to(Stage::Shadow), "no-change"),
        (vec![sure(ramp(10))], day, to(ramp(10)), "no-change"),
        (vec![sure(ramp(10))], day, to(Stage::Legacy), "illegal-move"),
        (vec![sure(ramp(10))], day, to(Stage::Shadow), "illegal-move"),
        (vec![sure(Stage::Miaw)], day, to(Stage::Shadow), "illegal-move"),
        (vec![sure(Stage::Miaw)], day, to(Stage::Legacy), "illegal-move"),
        (vec![sure(Stage::Miaw)], day, to(Stage::Complete), "too-early"),
        (vec![], day, roll_back(None), "no-change"),
        (vec![sure(ramp(10)), roll_back(None)], day, roll_back(None), "no-change"),
        (vec![], day, Action::Follow { button: None, without_evidence: false }, "no-change"),
        (vec![], day, Action::Unfreeze, "no-change"),
        (vec![Action::Freeze], day, Action::Freeze, "no-change"),
        (vec![], day, Action::EndBrownout, "no-change"),
        (vec![], day, Action::WithdrawAcknowledgement, "no-change"),
        (vec![], day, Action::UndoPastRemoval, "no-change"),
        (vec![], day, Action::PastRemoval { seen: now }, "not-for-operators"),
        (vec![], day, Action::Unknown, "not-for-operators"),
        // frozen
        (vec![Action::Freeze], day, sure(Stage::Miaw), "frozen"),
        (vec![Action::Freeze], day, brownout(now, 1), "frozen"),
        // after the removal, and close to it
        (vec![], removal, to(Stage::Shadow), "past-removal"),
        (vec![], removal, to(ramp(99)), "past-removal"),
        (vec![], removal, roll_back(None), "past-removal"),
        (vec![], removal, brownout(at(removal), 1), "past-removal"),
        (vec![], margin, to(Stage::Shadow), "within-margin"),
        (vec![], removal, past(at(removal)), "acknowledgement-date"),
        (vec![], day, until(now.plus_millis(400 * DAY)), "acknowledgement-date"),
        // evidence
        (vec![], day, to(ramp(1)), "no-evidence"),
        (vec![], day, to(Stage::Miaw), "no-evidence"),
        (vec![evidence(now.plus_millis(-8 * DAY), 0)], day, to(ramp(1)), "stale-evidence"),
        (vec![evidence(now, 2)], day, to(ramp(1)), "evidence-with-errors"),
        (vec![], day, evidence(now.plus_millis(DAY), 0), "evidence-form"),
        (vec![fresh.clone(), evidence(now, 1)], day, to(Stage::Miaw), "evidence-with-errors"),
        (vec![made_with("an older one")], day, to(ramp(1)), "evidence-of-another-mapping"),
        (vec![made_with(MAPPING)], day, of_button(Stage::Miaw, OTHER), "unmapped-button"),
        // buttons
        (vec![fresh], day, of_button(Stage::Miaw, OTHER), "unmapped-button"),
        (vec![], day, of_button(Stage::Miaw, "572000000000001"), "not-a-button"),
        (vec![sure(Stage::Miaw)], day, of_button(Stage::Complete, BUTTON), "whole-tenant-only"),
        // windows
        (vec![], day, brownout(now, 25), "brown-out-window"),
        (vec![], day, brownout(now, -1), "brown-out-window"),
        (vec![], day, brownout(now.plus_millis(-DAY), 1), "brown-out-window"),
    ]
}

/// The hash of the mapping file of [`mapped`].
const MAPPING: &str = "4242424242424242";

fn mapped() -> Tenant {
    let mut mapping = Mapping::default();
    mapping.matching.buttons = vec![BUTTON.to_owned()];
    let (paths, sha256) = (vec!["m.toml".into()], "0".repeat(64));
    let (each, texts) = (vec![MAPPING.to_owned()], Vec::new());
    let mapping = Some(MappingFile { paths, texts, mapping, sha256, each });
    Tenant { mapping, ..tenant("acme") }
}

#[tokio::test(start_paused = true)]
async fn each_has_its_code_and_a_sentence() {
    for (before, now, action, code) in rows() {
        let store = Arc::new(MemoryStore::new());
        let node = node("2026-01-10T00:00:00Z", vec![mapped()], store).await;
        for one in before {
            node.done(one).await;
        }
        node.clock.set_wall(at(now));
        let number = node.number();
        match node.propose(action.clone()).await {
            Err(ProposeError::Refused(refused)) => {
                assert_eq!(refused.code, code, "{action:?}: {refused}");
                assert!(refused.message.len() > 20 && !refused.message.contains("  "), "{refused}");
            }
            other => panic!("{code}: {action:?} gave {other:?}"),
        }
        assert_eq!(node.number(), number, "nothing is stored");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_says_who_and_why() {
    let node = Node::alone("2026-01-10T00:00:00Z").await;
    let long = "x".repeat(1_001);
    for (who, why, code) in [
        ("", "because", "who-missing"),
        ("ops", "  ", "reason-missing"),
        ("ops", long.as_str(), "text-form"),
        ("ops", "two\nlines", "text-form"),
    ] {
        let (who, why) = (who.to_owned(), why.to_owned());
        let asked = Proposal { expected: 0, who, why, action: to(Stage::Shadow) };
        match node.cutover.propose("acme", asked).await {
            Err(ProposeError::Refused(refused)) => assert_eq!(refused.code, code),
            other => panic!("{other:?}"),
        }
    }
    let unknown = node.cutover.propose("nobody", proposal(0, to(Stage::Shadow))).await;
    assert!(matches!(unknown, Err(ProposeError::NoSuchTenant(_))));
    let stale = node.cutover.propose("acme", proposal(7, to(Stage::Shadow))).await;
    assert!(matches!(stale, Err(ProposeError::Conflict { last: 0 })));
}

#[tokio::test(start_paused = true)]
async fn without_a_legacy_service_there_is_no_way_back() {
    let mut alone = tenant("acme");
    (alone.legacy, alone.plan.has_legacy) = (None, false);
    let store = Arc::new(MemoryStore::new());
    let node = node("2026-01-10T00:00:00Z", vec![alone], store).await;
    let window = brownout(node.clock.now().wall, 1);
    for action in [to(Stage::Shadow), to(ramp(50)), roll_back(None), window] {
        assert_eq!(node.refused(action).await, "no-legacy");
    }
    assert_eq!(node.refused(to(Stage::Miaw)).await, "illegal-move");
}

#[tokio::test(start_paused = true)]
async fn what_lowers_the_share_needs_no_evidence_and_an_override_is_written_down() {
    let node = Node::alone("2026-01-10T00:00:00Z").await;
    assert_eq!(node.refused(to(ramp(10))).await, "no-evidence");
    node.done(to(ramp(0))).await;
    let change = node.done(sure(ramp(50))).await;
    let stored = serde_json::to_value(&change).unwrap();
    assert_eq!((&stored["withoutEvidence"], &stored["kind"]), (&true.into(), &"stage".into()));
    assert_eq!((&stored["stage"], &stored["tenant"]), (&"ramp 50 %".into(), &"acme".into()));
    node.done(to(ramp(10))).await;
    assert_eq!(node.refused(to(ramp(11))).await, "no-evidence");
    node.done(evidence(node.clock.now().wall, 0)).await;
    node.clock.set_wall(node.clock.now().wall.plus_millis(7 * DAY));
    node.done(to(ramp(11))).await;
    node.clock.set_wall(node.clock.now().wall.plus_millis(1));
    assert_eq!(node.refused(to(ramp(12))).await, "stale-evidence");
    // Following the file again raises the share of a tenant whose file says so.
    let mut moved = tenant("acme");
    moved.plan.steps = vec![Step { at: at("2026-01-01T00:00:00Z"), stage: Stage::Miaw }];
    node.cutover.replace(&[moved]);
    let follow = |without_evidence| Action::Follow { button: None, without_evidence };
    assert_eq!(node.refused(follow(false)).await, "stale-evidence");
    node.done(follow(true)).await;
}

#[tokio::test(start_paused = true)]
async fn a_report_that_the_plan_names_is_evidence_while_it_is_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut acme = tenant("acme");
    acme.plan.evidence.report = Some(path.clone());
    let day = at("2026-01-10T00:00:00Z");
    let findings = |errors: usize| {
        let finding = |tenant| serde_json::json!({ "tenant": tenant, "severity": "error" });
        let mut all = vec![finding("globex")];
        all.extend((0..errors).map(|_| finding("acme")));
        let (accepted, warning) = (serde_json::json!({ "reason": "so" }), "warning");
        all.push(serde_json::json!(
            { "tenant": "acme", "severity": "error", "accepted": accepted }
        ));
        all.push(serde_json::json!({ "tenant": "acme", "severity": warning }));
        all
    };
    let report = |as_of: Wall, errors: usize, tenant: &str| {
        let report = serde_json::json!({
            "report_version": 1, "as_of": as_of.to_string(), "evidence_hash": "0123456789abcdef",
            "findings": findings(errors), "tenants": [{ "id": tenant }],
        });
        std::fs::write(&path, report.to_string()).unwrap();
    };
    let node = node("2026-01-10T00:00:00Z", vec![acme], Arc::new(MemoryStore::new())).await;
    assert_eq!(node.refused(to(ramp(10))).await, "no-evidence", "no file yet");
    report(day, 0, "globex");
    assert_eq!(node.refused(to(ramp(10))).await, "no-evidence", "about another tenant");
    report(day, 1, "acme");
    assert_eq!(node.refused(to(ramp(10))).await, "evidence-with-errors");
    report(day.plus_millis(-8 * DAY), 0, "acme");
    assert_eq!(node.refused(to(ramp(10))).await, "stale-evidence", "a copy is no younger");
    report(day, 0, "acme");
    node.done(to(ramp(10))).await;
    // The form is the dry run's own.
    let inputs = Inputs {
        as_of: day,
        show_values: false,
        tenants: vec![dry_run::Tenant {
            id: "acme".to_owned(),
            mapping_name: None,
            mapping: Mapping::default(),
            deployment_id: "572000000000001".to_owned(),
            button_id: BUTTON.to_owned(),
            routing: Vec::new(),
            findings: Vec::new(),
        }],
        documents: vec![Document { name: "a.json".to_owned(), text: "no pre-chat".to_owned() }],
    };
    std::fs::write(&path, dry_run::build(&inputs).to_json()).unwrap();
    assert_eq!(node.refused(to(ramp(20))).await, "evidence-with-errors");
    let clean = Inputs { documents: Vec::new(), ..inputs };
    std::fs::write(&path, dry_run::build(&clean).to_json()).unwrap();
    node.done(to(ramp(20))).await;
}

#[tokio::test(start_paused = true)]
async fn a_report_of_another_mapping_is_no_evidence_and_the_refusal_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let [report, mapping] = ["report.json", "m.toml"].map(|name| folder.path().join(name));
    let mut acme = mapped();
    acme.plan.evidence.report = Some(report.clone());
    // SHA-256 of what is in the file.
    let sha256 = "dbab12665d98aef021ba64953c61b0ed8a908cfb56a1c01e2fcb4b052b71a2a1";
    let named = acme.mapping.as_mut().unwrap();
    (named.paths, named.each) = (vec![mapping.clone()], vec![sha256.to_owned()]);
    let day = at("2026-01-10T00:00:00Z");
    std::fs::write(&mapping, "version = 1\n").unwrap();
    let write = |sha256: &str| {
        let looked = serde_json::json!({ "kind": "mapping", "name": "m.toml", "sha256": sha256 });
        let document = serde_json::json!({
            "report_version": 1, "as_of": day.to_string(), "evidence_hash": "0123456789abcdef",
            "findings": [], "tenants": [{ "id": "acme" }], "evidence": [looked],
        });
        std::fs::write(&report, document.to_string()).unwrap();
    };
    let node = node("2026-01-10T00:00:00Z", vec![acme], Arc::new(MemoryStore::new())).await;
    write(&"0".repeat(64));
    let refused = node.propose(to(ramp(10))).await.unwrap_err();
    let ProposeError::Refused(refused) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.code, "no-evidence");
    assert!(refused.message.contains("another version of"), "{}", refused.message);
    write(sha256);
    node.done(to(ramp(10))).await;
}

#[tokio::test(start_paused = true)]
async fn after_the_removal_the_move_is_confirmed_and_signed_off() {
    let node = Node::alone("2026-02-14T00:00:00Z").await;
    assert_eq!(node.route(), (Route::Miaw, "past-removal"));
    node.wait_for(|cutover| cutover.waiting().is_empty()).await;
    node.done(to(Stage::Complete)).await;
    node.done(to(Stage::Miaw)).await;
    assert_eq!(node.refused(roll_back(None)).await, "past-removal");
    let until = node.clock.now().wall.plus_millis(DAY);
    node.done(roll_back(Some(until))).await;
    assert_eq!(node.route(), (Route::Legacy, "acknowledged-legacy"));
    // Vouched for, legacy is a service like before: the way to MIAW needs evidence again.
    assert_eq!(node.refused(to(ramp(10))).await, "no-evidence");
    node.done(Action::WithdrawAcknowledgement).await;
    assert_eq!(node.route(), (Route::Miaw, "legacy-ignored-past-removal"));
}

#[tokio::test(start_paused = true)]
async fn a_move_is_complete_only_with_all_its_buttons() {
    let mut acme = tenant("acme");
    let step = Step { at: at("2026-01-01T00:00:00Z"), stage: Stage::Legacy };
    let own = ButtonPlan { button: BUTTON.to_owned(), steps: vec![step] };
    acme.plan.buttons = vec![own];
    let node = node("2026-01-10T00:00:00Z", vec![acme], Arc::new(MemoryStore::new())).await;
    node.done(sure(Stage::Miaw)).await;
    node.clock.set_wall(at("2026-01-20T00:00:00Z"));
    assert_eq!(node.refused(to(Stage::Complete)).await, "buttons-remain");
    node.done(of_button(Stage::Miaw, &format!("{BUTTON}AAA"))).await;
    node.done(to(Stage::Complete)).await;
    // A freeze guards against progress, not against the emergency exit.
    node.done(Action::Freeze).await;
    node.done(roll_back(None)).await;
    assert_eq!(node.route(), (Route::Legacy, "rolled-back"));
    let effective = node.cutover.effective("acme").unwrap();
    assert!(effective.frozen.is_some() && effective.buttons.is_empty());
}
