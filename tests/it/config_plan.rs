//! `[tenant.plan]` beyond dates and steps: buttons, brown-outs, evidence, deprecation, panic file.

use std::path::Path;
use std::time::Duration;

use liveagent_bridge::config::{Config, Loaded, Problems, load, load_str};
use liveagent_bridge::router::budget::BudgetRule;
use liveagent_bridge::router::plan::{DEFAULT_REMOVAL, Plan, Stage};

const TENANT: &str = r#"
[[tenant]]
id = "acme"
[tenant.legacy]
live_agent_base_url = "https://d.la1-c1-iad.salesforceliveagent.com"
organization_id = "00D000000000062EAA"
deployment_id = "572000000000001"
[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000062"
embedded_service_developer_name = "Web_Support"
"#;

fn read(plan: &str) -> Result<Loaded, Problems> {
    load_str(&format!("{TENANT}{plan}"), Path::new("/nowhere"), &|_| None)
}

#[track_caller]
fn good(plan: &str) -> Config {
    read(plan).map_err(|problems| problems.to_string()).unwrap().config
}

/// The one problem of a plan, printed.
#[track_caller]
fn one(plan: &str) -> String {
    let problems = read(plan).unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");
    problems.to_string()
}

const FULL: &str = r#"
[tenant.plan]
[[tenant.plan.step]]
at = "2026-01-01T00:00:00Z"
stage = "shadow"
[[tenant.plan.button]]
id = "573000000000001AAA"
[[tenant.plan.button.step]]
at = "2026-01-05T09:00:00[Europe/Berlin]"
stage = "ramp 10 %"
[[tenant.plan.button.step]]
at = "2026-01-12T09:00:00[Europe/Berlin]"
stage = "miaw"
[[tenant.plan.brownout]]
from = "2026-01-20T09:00:00Z"
until = "2026-01-20T09:30:00Z"
[tenant.plan.evidence]
max_age = "48h"
report = "reports/acme.json"
[tenant.plan.deprecation]
since = "2025-06-01T00:00:00Z"
link = "https://acme.example/move"
"#;

#[test]
fn a_plan_with_everything_is_read() {
    let config = good(FULL);
    let plan = &config.tenants[0].plan;
    assert_eq!(plan.steps[0].stage, Stage::Shadow);
    assert_eq!(plan.buttons[0].button, "573000000000001", "15 characters");
    let stages: Vec<Stage> = plan.buttons[0].steps.iter().map(|step| step.stage).collect();
    assert_eq!(stages, [Stage::Ramp { percent: 10 }, Stage::Miaw]);
    assert_eq!(plan.brownouts[0].until.millis_since(plan.brownouts[0].from), 1_800_000);
    assert!(plan.evidence.required);
    assert_eq!(plan.evidence.max_age, Duration::from_secs(48 * 3_600));
    assert_eq!(plan.evidence.report.as_deref(), Some(Path::new("/nowhere/reports/acme.json")));
    let told = plan.deprecation.as_ref().unwrap();
    assert_eq!(told.sunset, DEFAULT_REMOVAL, "the removal, unless said otherwise");
    assert_eq!(told.link.as_deref(), Some("https://acme.example/move"));
    assert_eq!(good("").tenants[0].plan, Plan::default());
    let off = good("[tenant.plan.evidence]\nrequired = false\n");
    assert!(!off.tenants[0].plan.evidence.required);
}

#[test]
fn each_mistake_has_its_sentence() {
    let step = "[[tenant.plan.button.step]]\nat = \"2026-01-05T00:00:00Z\"\nstage = \"miaw\"\n";
    let button = |id: &str| format!("[[tenant.plan.button]]\nid = \"{id}\"\n");
    let own = format!("{}{step}", button("573000000000001"));
    let window = |from: &str, until: &str| {
        format!("[[tenant.plan.brownout]]\nfrom = \"{from}\"\nuntil = \"{until}\"\n")
    };
    let complete = "[[tenant.plan.step]]\nat = \"2026-01-05T00:00:00Z\"\nstage = \"complete\"\n";
    for (plan, said) in [
        (button("573000000000001"), "has no step"),
        (format!("{}{step}", button("572000000000001")), "CF002"),
        (format!("{own}{own}"), "two lists of steps"),
        (format!("{own}{step}"), "does not come after the step before"),
        (window("2026-01-05T00:00:00Z", "2026-01-05T00:00:00Z"), "is no window"),
        (window("2026-01-05T00:00:00Z", "2026-01-06T00:00:01Z"), "by 24 h at most"),
        (window("2026-01-05", "2026-01-05T01:00:00Z"), "so it is no instant"),
        (complete.to_owned(), "`complete` comes before the removal, and not after `miaw`"),
        (complete.replace("complete", "shadowy"), "did you mean `shadow`?"),
        ("[tenant.plan.evidence]\nmax_age = \"7\"\n".to_owned(), "has no unit"),
        ("[tenant.plan.deprecation]\nlink = \"https://a.example\"\n".to_owned(), "since"),
        (
            "[tenant.plan.deprecation]\nsince = \"2025-06-01T00:00:00Z\"\nlink = \"page\"\n"
                .to_owned(),
            "is not the address of a page",
        ),
    ] {
        let problem = one(&plan);
        assert!(problem.contains(said), "{plan}\n{problem}");
    }
    let miaw = "[[tenant.plan.step]]\nat = \"2025-12-05T00:00:00Z\"\nstage = \"miaw\"\n";
    good(&format!("{miaw}{complete}"));
    good(&complete.replace("2026-01-05", "2026-02-14"));
}

#[test]
fn a_button_that_moves_must_be_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = "version = 1\n[match]\nbuttons = [\"573000000000009\"]\n";
    std::fs::write(folder.path().join("mapping.toml"), mapping).unwrap();
    let main = folder.path().join("bridge.toml");
    let named = TENANT.replace("id = \"acme\"\n", "id = \"acme\"\nmapping = \"mapping.toml\"\n");
    std::fs::write(&main, format!("panic_file = \"panic.toml\"\n{named}{FULL}")).unwrap();
    let problem = load(&main).unwrap_err().to_string();
    assert!(
        problem.contains("button `573000000000001` moves, but the mapping is not"),
        "{problem}"
    );
    let fits = FULL.replace("573000000000001AAA", "573000000000009");
    std::fs::write(&main, format!("panic_file = \"panic.toml\"\n{named}{fits}")).unwrap();
    let config = load(&main).map_err(|problems| problems.to_string()).unwrap().config;
    assert_eq!(config.panic_file, Some(folder.path().join("panic.toml")));
}

#[test]
fn an_error_budget_has_defaults_and_limits_and_shadow_a_folder() {
    let plan = good("").tenants[0].plan.clone();
    assert_eq!(plan.budget, None, "nobody asked for it");
    let with = good("[tenant.plan.budget]").tenants[0].plan.clone();
    assert_eq!(with.budget, Some(BudgetRule::default()));
    assert_ne!(with.fingerprint(), plan.fingerprint());
    let all = "[tenant.plan.budget]\nwindow = \"5m\"\nmax_share = 10\nmin_chats = 50\n\
        accept_within = \"90s\"\nmissing_after = \"30m\"\nmissing_chats = 7\n";
    let seconds = Duration::from_secs;
    let expected = BudgetRule {
        window: seconds(300),
        max_share: 10,
        min_chats: 50,
        accept_within: seconds(90),
        missing_after: seconds(1_800),
        missing_chats: 7,
    };
    assert_eq!(good(all).tenants[0].plan.budget, Some(expected));
    for (line, said) in [
        ("max_share = 100", "a whole number from 0 to 99"),
        ("min_chats = 0", "a whole number from 1 to 10000"),
        ("window = \"5s\"", "window"),
        ("maximum = 5", "maximum"),
    ] {
        let problem = one(&format!("[tenant.plan.budget]\n{line}\n"));
        assert!(problem.contains(said), "{problem}");
    }
    let config = good("[tenant.shadow]\nfolder = \"counts\"");
    let folder = config.shadow_folder(&config.tenants[0]);
    assert_eq!(folder.as_deref(), Some(Path::new("/nowhere/counts")));
    let config = good("");
    let beside = config.shadow_folder(&config.tenants[0]).unwrap();
    assert!(beside.ends_with("shadow"), "{}", beside.display());
}
