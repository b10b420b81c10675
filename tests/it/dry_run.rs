//! The migration dry run: findings, acceptances, redaction, the three forms.

use liveagent_bridge::mapping::{Mapping, load::load};
use liveagent_bridge::report::dry_run::{
    Document, Inputs, Report, RoutingRow, Tenant, Verdict, build,
};
use liveagent_bridge::report::finding::Severity;
use liveagent_bridge::report::{codes, html, markdown};
use liveagent_bridge::time::Wall;

const PAGE: &str = include_str!("fixtures/prechat/cognigy-page.json");
const EXPORT: &str = include_str!("fixtures/prechat/cognigyscript-export.json");
const VARIANTS: &str = include_str!("fixtures/prechat/variants.json");

fn inputs(mapping: &str, documents: &[(&str, &str)]) -> Inputs {
    let mapping = if mapping.is_empty() {
        Mapping::default()
    } else {
        load("m.toml", &format!("version = 1\n{mapping}")).expect("a sound mapping")
    };
    let row = |label: &str, utc: &str, route: &str| RoutingRow {
        label: label.to_owned(),
        utc: utc.to_owned(),
        local: utc.to_owned(),
        route: route.to_owned(),
        because: "because".to_owned(),
    };
    let tenant = Tenant {
        id: "acme".to_owned(),
        mapping_name: None,
        mapping,
        deployment_id: "572".to_owned(),
        button_id: "573".to_owned(),
        routing: vec![
            row("30 days before removal", "2026-01-15T00:00:00Z", "legacy"),
            row("removal", "2026-02-14T00:00:00Z", "miaw"),
        ],
        findings: Vec::new(),
    };
    let document = |(name, text): &(&str, &str)| Document {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    };
    Inputs {
        as_of: Wall::parse("2026-02-01T12:00:00Z").expect("an instant"),
        show_values: false,
        tenants: vec![tenant],
        documents: documents.iter().map(document).collect(),
    }
}

fn paths(report: &Report, id: &str) -> Vec<String> {
    let findings = report.findings.iter().map(|r| &r.finding);
    findings.filter(|f| f.code.entry().id == id).map(|f| f.path.clone()).collect()
}

#[test]
fn the_provider_page_is_reported_with_slug_path_and_advice() {
    let report = build(&inputs("", &[("page.json", PAGE)]));
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("json");
    for (id, slug, path, advice) in [
        ("PC101", "record-lookup-lost", "prechatEntities[0].entityFieldsMaps[0]", "Get Records"),
        ("PC102", "record-link-lost", "prechatEntities[0].linkToEntityName", "Update Records"),
        (
            "PC120",
            "transcript-field-lost",
            "prechatDetails[0].transcriptFields[0]",
            "Create LastName__c on MessagingSession",
        ),
    ] {
        let findings = json["findings"].as_array().expect("findings");
        let found = findings.iter().find(|f| f["code"] == id && f["path"] == path).expect(id);
        assert_eq!((&found["slug"], &found["severity"]), (&slug.into(), &"warning".into()));
        assert!(found["todo"].as_str().expect("todo").contains(advice), "{found}");
        let steps = json["next_steps"].as_array().expect("steps");
        assert!(steps.iter().any(|s| s["code"] == id && s["slug"] == slug));
        for form in [markdown::render(&report), html::render(&report)] {
            assert!(form.contains(&format!("{id} {slug}")) && form.contains(path), "{id}");
        }
    }
    let routing = &json["tenants"][0]["routing"];
    assert_eq!((&routing[0]["route"], &routing[1]["route"]), (&"legacy".into(), &"miaw".into()));
    assert_eq!((report.verdict, report.exit_code(false)), (Verdict::Warnings, 0));
    assert_eq!(report.exit_code(true), 1);
}

#[test]
fn values_are_redacted_unless_asked_for() {
    let mut inputs = inputs("", &[("page.json", PAGE), ("variants.json", VARIANTS)]);
    let forms = |inputs: &Inputs| {
        let report = build(inputs);
        [report.to_json(), markdown::render(&report), html::render(&report)]
    };
    for form in forms(&inputs) {
        for value in ["Mustermann", "max.mustermann", "jon@example.com", "12345678901234567890"] {
            assert!(!form.contains(value), "{value} leaks");
        }
    }
    let report = build(&inputs);
    let shown = &report.tenants[0].samples[0].routing_attributes["_lastName"];
    assert_eq!((shown.length, shown.hash.len(), &shown.value), (10, 8, &None));
    inputs.show_values = true;
    for form in forms(&inputs) {
        assert!(form.contains("Mustermann"));
    }
}

#[test]
fn a_broken_document_is_an_error_that_quotes_nothing() {
    let broken = "{\"prechatDetails\": [{value: \"Mia\"}]}";
    let report = build(&inputs("", &[("broken.json", broken), ("page.json", PAGE)]));
    assert_eq!(paths(&report, "PC001"), ["$"]);
    assert_eq!((report.exit_code(false), report.tenants[0].samples.len()), (2, 1));
    assert!(!report.to_json().contains("Mia"));
}

#[test]
fn accepted_findings_do_not_count_until_their_date_has_passed() {
    let accept = |code: &str, until: &str| {
        format!(
            "[[accept]]\ncode='{code}'\npath='prechatEntities[0]'\nreason='moved to a flow'\n\
             until='{until}'\n"
        )
    };
    let warnings = build(&inputs("", &[("page.json", PAGE)])).summary.warnings;
    let standing = build(&inputs(&accept("PC101", "2026-02-01"), &[("page.json", PAGE)]));
    assert_eq!((standing.summary.accepted, standing.summary.warnings), (3, warnings - 3));
    assert!(standing.next_steps.iter().all(|s| s.code != "PC101"));
    let by_slug = accept("record-lookup-lost", "2026-02-01");
    assert_eq!(build(&inputs(&by_slug, &[("page.json", PAGE)])).summary.accepted, 3);
    let expired = build(&inputs(&accept("PC101", "2026-01-31"), &[("page.json", PAGE)]));
    assert_eq!((expired.summary.accepted, expired.exit_code(false)), (0, 2));
    assert_eq!(paths(&expired, "PC162"), ["mapping.accept[0]"]);
    let unused = build(&inputs(&accept("PC116", "2026-02-02"), &[("page.json", PAGE)]));
    assert_eq!(paths(&unused, "PC163"), ["mapping.accept[0]"]);
}

#[test]
fn rules_that_never_fire_or_share_a_key_are_reported() {
    let rules = "[[rule]]\nlabel='LastName'\nto='a'\n[[rule]]\nlabel='Nobody'\nto='a'\n";
    let report = build(&inputs(rules, &[("page.json", PAGE)]));
    assert_eq!(paths(&report, "PC160"), ["mapping.rule[1]"]);
    assert_eq!(paths(&report, "PC161"), ["mapping.rule[1]"]);
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let inputs = inputs("", &[("page.json", PAGE), ("export.json", EXPORT)]);
    let (one, two) = (build(&inputs), build(&inputs));
    assert_eq!(one.to_json(), two.to_json());
    assert_eq!(markdown::render(&one), markdown::render(&two));
    assert_eq!(html::render(&one), html::render(&two));
}

#[test]
fn labels_cannot_break_the_page_or_the_tables() {
    let nasty = r#"[{"label":"<script>alert(1)</script> | `x`\n# y","value":"1"}]"#;
    let report = build(&inputs("", &[("<b>.json", nasty)]));
    let page = html::render(&report);
    assert!(!page.contains("<script") && !page.contains("<b>.json"));
    assert!(page.contains("&lt;script&gt;"));
    let text = markdown::render(&report);
    assert!(!text.contains("<script") && !text.contains("\n# y"));
}

#[test]
fn codes_are_unique_and_complete() {
    let all = codes::all();
    for pair in all.windows(2) {
        assert_ne!(pair[0].entry().id, pair[1].entry().id);
    }
    for code in &all {
        let entry = code.entry();
        assert_eq!(codes::find(entry.slug), Some(*code), "{} shares its slug", entry.id);
        for text in [entry.title, entry.means, entry.todo] {
            assert!(!text.is_empty(), "{} says too little", entry.id);
        }
    }
    assert!(all.iter().any(|c| c.entry().severity == Severity::Note));
}

mod command {
    //! The command itself, as scripts call it.

    use std::path::Path;
    use std::process::{Command, Output};

    const CONFIG: &str = r#"
[[tenant]]
id = "acme"
mapping = "acme.toml"

[tenant.plan]
zone = "Europe/Berlin"

[tenant.legacy]
live_agent_base_url = "https://d.la1-c1.salesforceliveagent.com"
api_version = "52"
organization_id = "00D000000000001"
deployment_id = "572000000000001"
button_id = "573000000000001"

[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000001"
embedded_service_developer_name = "Acme_Web"
capabilities_version = "1"
"#;

    fn folder(mapping: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("bridge.toml", CONFIG);
        write("acme.toml", &format!("version = 1\n{mapping}"));
        write("page.json", super::PAGE);
        write("clean.json", "[]");
        folder
    }

    fn dry_run(folder: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"));
        command.current_dir(folder).arg("dry-run").args(args).output().expect("it runs")
    }

    #[test]
    fn the_routing_table_and_the_findings_come_out_as_json() {
        let folder = folder("[[constant]]\nto='sourceButton'\nvalue='{button_id}'\n");
        let args = ["--config", "bridge.toml", "--prechat", "page.json", "--json"];
        let day = ["--as-of", "2026-02-01T00:00:00Z", "--show-values"];
        let output = dry_run(folder.path(), &[&args[..], &day[..]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
        let tenant = &json["tenants"][0];
        let rows: Vec<(&str, &str)> = tenant["routing"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|r| (r["utc"].as_str().unwrap_or(""), r["route"].as_str().unwrap_or("")))
            .collect();
        assert_eq!(
            rows,
            [
                ("2026-01-15T00:00:00Z", "legacy"),
                ("2026-02-01T00:00:00Z", "legacy"),
                ("2026-02-13T21:59:59Z", "legacy"),
                ("2026-02-13T22:00:00Z", "miaw"),
                ("2026-02-13T23:59:59Z", "miaw"),
                ("2026-02-14T00:00:00Z", "miaw"),
                ("2026-02-14T00:00:01Z", "miaw"),
                ("2026-02-21T00:00:00Z", "miaw"),
            ]
        );
        let attributes = &tenant["samples"][0]["routing_attributes"];
        assert_eq!(attributes["sourceButton"]["value"], "573000000000001");
        let strict = dry_run(folder.path(), &[&args[..], &["--strict"]].concat());
        assert_eq!(strict.status.code(), Some(1));
    }

    #[test]
    fn forms_go_to_a_file_and_exit_codes_tell_what_happened() {
        let folder = folder("");
        let base = ["--config", "bridge.toml", "--prechat"];
        let run = |more: &[&str]| dry_run(folder.path(), &[&base[..], more].concat());
        assert_eq!(run(&["clean.json", "--strict"]).status.code(), Some(0));
        let html = run(&["page.json", "clean.json", "--html", "--out", "report.html"]);
        assert_eq!((html.status.code(), html.stdout.len()), (Some(0), 0));
        let page = std::fs::read_to_string(folder.path().join("report.html")).expect("written");
        assert!(page.contains("PC101 record-lookup-lost") && page.contains("+01:00"));
        assert_eq!(run(&["missing.json"]).status.code(), Some(3));
        std::fs::write(folder.path().join("broken.json"), "{").expect("written");
        assert_eq!(run(&["broken.json"]).status.code(), Some(2));
        std::fs::write(folder.path().join("acme.toml"), "version = 1\nrules = []\n")
            .expect("written");
        let refused = run(&["page.json"]);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3));
        assert!(text.contains("acme.toml:2:") && text.contains("did you mean `rule`?"), "{text}");
    }
}
