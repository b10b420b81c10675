//! The configuration: what is accepted, what is corrected, and every problem at once.

use std::path::Path;
use std::time::Duration;

use liveagent_bridge::config::{
    Behaviour, Config, Limits, Loaded, Problems, StoreConfig, load_str, load_with,
};
use liveagent_bridge::router::plan::{Plan, Stage};

const LEGACY: &str = r#"
[tenant.legacy]
live_agent_base_url = "https://d.la1-c1-iad.salesforceliveagent.com"
organization_id = "00D000000000062EAA"
deployment_id = "572000000000001"
"#;
const MIAW: &str = r#"
[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000062"
embedded_service_developer_name = "Web_Support"
"#;

fn read(text: &str) -> Result<Loaded, Problems> {
    load_str(text, Path::new("/nowhere"), &|name| match name {
        "PORT" => Some("9090".to_owned()),
        "SCRT_URL" => Some("https://env.my.salesforce-scrt.com/".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    })
}

fn tenant(rest: &str) -> String {
    format!("[[tenant]]\nid = \"acme\"\n{LEGACY}{MIAW}{rest}")
}

#[track_caller]
fn good(text: &str) -> Config {
    read(text).map_err(|p| p.to_string()).unwrap().config
}

/// The one problem of a text, printed.
#[track_caller]
fn one(text: &str) -> String {
    let problems = read(text).unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");
    problems.to_string()
}

#[test]
fn the_smallest_file_gets_every_default() {
    let config = good(&format!("[[tenant]]\nid = \"acme\"\n{MIAW}"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.limits, Limits::default());
    let path = Path::new("/nowhere/bridge.sqlite").to_owned();
    assert_eq!(config.store, StoreConfig::Sqlite { path, key_ring: None });
    let tenant = config.tenant("acme").unwrap();
    assert_eq!(tenant.behaviour, Behaviour::default());
    assert_eq!(tenant.plan, Plan { has_legacy: false, ..Plan::default() });
    assert_eq!(tenant.miaw.capabilities_version, "1");
    assert!(config.tenant_for_host("anything:8080").is_some(), "the only tenant");
}

#[test]
fn the_example_files_are_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let loaded = load_with(&root.join("bridge.example.toml"), &|_| None);
    let loaded = loaded.map_err(|p| p.to_string()).unwrap();
    assert_eq!(loaded.notes, []);
    let ids: Vec<&str> = loaded.config.tenants.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(ids, ["acme", "globex"]);
    let globex = loaded.config.tenant_for_host("Chat.Globex.example:443").unwrap();
    assert_eq!(globex.plan.steps[0].stage, Stage::Ramp { percent: 10 });
    assert_eq!(globex.plan.steps[1].at.to_string(), "2026-01-17T08:00:00Z");
    assert!(loaded.config.tenant_for_host("other.example").is_none());
}

#[test]
fn any_value_may_come_from_the_environment() {
    let text = tenant("[tenant.plan]\nmargin = { env = \"MARGIN\", default = \"3h\" }\n")
        .replace("\"https://acme.my.salesforce-scrt.com\"", "{ env = \"SCRT_URL\" }");
    let loaded = read(&format!("listen = {{ env = \"PORT\" }}\n{text}")).unwrap();
    assert_eq!(loaded.config.listen.to_string(), "127.0.0.1:9090");
    let tenant = &loaded.config.tenants[0];
    assert_eq!(tenant.miaw.base_url, "https://env.my.salesforce-scrt.com");
    assert_eq!(tenant.plan.margin, Duration::from_secs(3 * 3_600));
    let note = loaded.notes[0].to_string();
    assert!(note.contains("environment variable SCRT_URL") && note.contains("CF001"), "{note}");
    for name in ["MISSING", "EMPTY"] {
        let problem = one(&format!("listen = {{ env = \"{name}\" }}\n{}", tenant_text()));
        assert!(problem.contains(&format!("variable `{name}` is not set")), "{problem}");
    }
    let all = "listen = { host = \"0.0.0.0\", port = { env = \"PORT\" } }\n";
    assert_eq!(good(&format!("{all}{}", tenant_text())).listen.to_string(), "0.0.0.0:9090");
}

fn tenant_text() -> String {
    tenant("")
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    let text = "listen = \"here\"\ncolour = 1\n\n[[tenant]]\nid = \"Acme\"\n\n[tenant.miaw]\n\
                base_ulr = \"https://a.my.salesforce-scrt.com\"\n\
                organization_id = \"00D000000000062EAB\"\n\
                embedded_service_developer_name = \"Web Support\"\n\
                [tenant.behaviour]\npoll_hold = 24\nbot_establishes = \"maybe\"\n\
                [tenant.plan]\nzone = \"Europe/Berln\"\n";
    let problems = read(text).unwrap_err();
    let mut seen: Vec<(usize, &str)> =
        problems.0.iter().map(|p| (p.place.as_ref().unwrap().line, p.key.as_str())).collect();
    seen.sort_unstable();
    let expected = [
        (1, "listen"),
        (2, "colour"),
        (5, "tenant[0].id"),
        (7, "tenant[0].miaw.base_url"),
        (8, "tenant[0].miaw.base_ulr"),
        (9, "tenant[0].miaw.organization_id"),
        (10, "tenant[0].miaw.embedded_service_developer_name"),
        (12, "tenant[0].behaviour.poll_hold"),
        (13, "tenant[0].behaviour.bot_establishes"),
        (15, "tenant[0].plan.zone"),
    ];
    assert_eq!(seen, expected, "{problems}");
    let text = problems.to_string();
    for part in [
        "did you mean `base_url`?",
        "did you mean `Europe/Berlin`?",
        "should be EAA",
        "`24` has no unit",
        "The name may be `Web_Support`",
        "/nowhere/bridge.toml:1: listen: `here` is not an address with a port",
        "1 | listen = \"here\"\n  |          ^^^^^^",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn mistakes_of_form_are_told_together() {
    let problems = read("a = \nb = 1\nb = 2\n").unwrap_err();
    assert!(problems.0.len() >= 2, "{problems}");
    assert!(problems.0.iter().all(|p| p.message.starts_with("is not TOML")), "{problems}");
}

#[test]
fn single_mistakes_are_explained() {
    let plan = |rest: &str| tenant(&format!("[tenant.plan]\n{rest}\n"));
    let step = |at: &str, stage: &str| {
        format!("[[tenant.plan.step]]\nat = \"{at}\"\nstage = \"{stage}\"\n")
    };
    let (early, late) = ("2026-01-10T09:00:00Z", "2026-01-20T09:00:00Z");
    let org_page = MIAW.replace("salesforce-scrt.com", "salesforce.com");
    let swapped = LEGACY.replace("572000000000001", "573000000000001");
    let second = |host: &str| format!("[[tenant]]\nid = \"b\"\nhosts = [\"{host}\"]\n{MIAW}");
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "there is no tenant"),
        (format!("[[tenant]]\nid = \"acme\"\n{LEGACY}"), "from 2026-02-13T22:00:00Z on new chats"),
        (format!("[[tenant]]\nid = \"a\"\n{org_page}"), "a page of the org"),
        (format!("[[tenant]]\nid = \"a\"\n{swapped}{MIAW}"), "begins the id of a button: swapped?"),
        (plan("removal = \"2026-02-14T00:00:00\""), "no offset and no zone"),
        (plan("removal = 2026-02-14T00:00:00"), "no offset and no zone"),
        (plan("margin = \"-2h\""), "is not a duration"),
        (plan(&step(early, "shadw")), "is not a stage"),
        (plan(&step(early, "lagacy")), "did you mean `legacy`?"),
        (plan(&(step(late, "miaw") + &step(early, "miaw"))), "does not come after"),
        (plan(&(step(late, "miaw") + &step(late, "miaw"))), "does not come after"),
        (
            format!("[[tenant]]\nid = \"a\"\n{MIAW}[tenant.plan]\n{}", step(early, "ramp 5 %")),
            "needs the legacy service",
        ),
        (
            plan("[tenant.plan.acknowledgement]\nuntil = \"2026-03-01T00:00:00Z\"\nby = \"x\""),
            "acknowledgement.reason: is missing",
        ),
        (format!("{}{}", tenant_text(), tenant_text()), "is the id of two tenants"),
        (
            format!(
                "{}{}{}",
                second("h.example"),
                second("H.example").replace("\"b\"", "\"c\""),
                ""
            ),
            "is named by tenant `b` already",
        ),
        (second("https://h.example/x"), "write \"h.example\""),
        (tenant("[tenant.behaviour]\ndelivery = \"all\""), "\"single\" or \"batch\""),
        (tenant("[tenant.behaviour]\nabandoned_after = \"20s\""), "not longer than `poll_hold`"),
        (
            tenant("[tenant.behaviour]\ncors_origins = [\"https://a.example/\"]"),
            "write \"https://a.example\"",
        ),
        (tenant("[limits]\ninbox_per_chat = 1"), "not between 4 and 10000"),
        (tenant("[limits]\ninbox_per_chats = 100"), "did you mean `inbox_per_chat`?"),
        (tenant("[egress]\nextra_ca_file = \"none.pem\""), "none.pem` cannot be read"),
        (server("h/db?sslmode=verify-ca"), "`verify-full` means the same"),
        (server("h:port/db"), "is not the address of a PostgreSQL database"),
        (format!("tenants = \"none/*.toml\"\n{}", tenant_text()), "cannot be read"),
        (
            tenant("").replace("id = \"acme\"", "id = \"acme\"\nmapping = \"m.toml\""),
            "there is no file",
        ),
        (tenant("[store]\npath = { file = \"x\" }"), "is no secret"),
    ];
    for (text, part) in cases {
        let problem = one(&text);
        assert!(problem.contains(part), "{part} is not in\n{problem}");
    }
}

#[test]
fn one_org_has_one_cutover() {
    let other = |plan: &str| {
        format!("{}\n[[tenant]]\nid = \"b\"\n{LEGACY}{MIAW}[tenant.plan]\n{plan}\n", tenant_text())
    };
    let problem = one(&other("margin = \"1h\""));
    assert!(problem.contains("CF003") && problem.contains("`acme` and `b`"), "{problem}");
    assert_eq!(good(&other("zone = \"Europe/Berlin\"")).tenants.len(), 2);
}

#[test]
fn corrections_and_useless_wishes_are_notes() {
    let text = tenant("[[tenant.plan.step]]\nat = \"2026-03-01T00:00:00Z\"\nstage = \"legacy\"\n")
        .replace("agent.com\"", "agent.com/chat/rest/\"");
    let loaded = read(&text).unwrap();
    let url = &loaded.config.tenants[0].legacy.as_ref().unwrap().live_agent_base_url;
    assert_eq!(url, "https://d.la1-c1-iad.salesforceliveagent.com");
    let notes: Vec<String> = loaded.notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("CF001"), "{}", notes[0]);
    assert!(notes[1].contains("`legacy` has no effect"), "{}", notes[1]);
}

/// A store in PostgreSQL at this address.
fn server(address: &str) -> String {
    let ring = "seal first q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";
    let url = format!("postgres://user:hunter2@{address}");
    tenant(&format!("[store]\nurl = \"{url}\"\nkey_ring = \"{ring}\"\n"))
}

#[test]
fn secrets_are_never_printed() {
    assert!(!one(&server("h:port/db")).contains("hunter2"));
    let text = tenant("[egress]\nproxy = \"gopher://user:hunter2@proxy\"\n");
    let problem = one(&text);
    assert!(problem.contains("egress.proxy") && !problem.contains("hunter2"), "{problem}");
    let text = tenant("[egress]\nproxy = \"http://user:hunter2@proxy:3128\"\n");
    let config = good(&text);
    assert!(!format!("{config:?}").contains("hunter2"));
    let text = tenant("[store]\nkey_ring = \"hunter2\"\n");
    assert!(!one(&text).contains("hunter2"));
}

#[test]
fn an_unreadable_file_is_a_problem_too() {
    let problems = load_with(Path::new("/nowhere/none.toml"), &|_| None).unwrap_err();
    assert!(problems.to_string().starts_with("/nowhere/none.toml: cannot be read"));
}

#[test]
fn problems_of_a_mapping_file_are_told_with_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let named =
        |name: &str| tenant("").replace("\"acme\"\n", &format!("\"acme\"\nmapping = \"{name}\"\n"));
    let wrong = "version = 1\n\n[[rulee]]\nlabel = \"a\"\n";
    std::fs::write(folder.path().join("wrong.toml"), wrong).unwrap();
    std::fs::write(folder.path().join("right.toml"), "version = 1\n").unwrap();
    let text = named("wrong.toml").replace("Web_Support", "Web Support");
    let problems = load_str(&text, folder.path(), &|_| None).unwrap_err();
    let text = problems.to_string();
    assert_eq!(problems.0.len(), 2, "{text}");
    assert!(text.contains("wrong.toml:3: ") && text.contains("rulee"), "{text}");
    assert!(load_str(&named("right.toml"), folder.path(), &|_| None).is_ok());
}
