//! `mapping suggest | explain | test | schema` and `explain`, as people call them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use liveagent_bridge::mapping::load::load;
use serde_json::Value;

use super::{attributes, translate, translate_with};

fn run(folder: &Path, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"));
    command.current_dir(folder).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("taken");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn here(args: &[&str]) -> (Option<i32>, String, String) {
    run(Path::new(env!("CARGO_MANIFEST_DIR")), args, "")
}

#[test]
fn the_shipped_tests_pass() {
    let files = ["cognigy.toml", "generic.toml", "example.toml", "example.json"];
    let paths = files.map(|file| format!("mappings/{file}"));
    let mut args = vec!["mapping", "test"];
    args.extend(paths.iter().map(String::as_str));
    let (code, out, err) = here(&args);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains("ok   mappings/cognigy.toml: the Copilot URL") && out.contains("0 failed")
    );
}

#[test]
fn a_difference_is_readable_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    put("m.toml", "version = 1\n");
    let none = run(folder.path(), &["mapping", "test", "m.toml"], "");
    assert_eq!((none.0, none.2.contains("no test")), (Some(2), true), "{}", none.2);
    put("one.json", r#"[{"label":"a","value":"Billing"},{"label":"b","value":"2"}]"#);
    put("one.expected.json", r#"{"a":"Bills","c":"3"}"#);
    put("two.json", r#"[{"label":"a","value":"1"}]"#);
    put("two.expected.json", r#"{"routingAttributes":{"a":"1"},"openingMessage":null}"#);
    let (code, out, _) = run(folder.path(), &["mapping", "test", "m.toml"], "");
    assert_eq!(code, Some(1));
    let expected = "FAIL m.toml: one\n  a\n    - expected \"Bills\"\n    + got      \"Billing\"\n      \
        they differ from character 5\n  b\n    - expected (nothing)\n    + got      \"2\"\n  c\n    \
        - expected \"3\"\n    + got      (nothing)\nok   m.toml: two\n1 passed, 1 failed\n";
    assert_eq!(out, expected);
    put("m.toml", "version = 1\n[[rule]]\nlable = 'a'\n");
    let (code, _, err) = run(folder.path(), &["mapping", "test", "m.toml"], "");
    assert_eq!(code, Some(2));
    assert!(err.contains("m.toml:3:1") && err.contains("did you mean `label`?"), "{err}");
}

#[test]
fn explain_prints_exactly_the_named_members() {
    let sample = "mappings/samples/contact-and-case.json";
    let (code, out, err) = here(&["mapping", "explain", "--prechat", sample, "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let json: Value = serde_json::from_str(&out).expect("json");
    let members = |value: &Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(members(&json), ["fields", "findings", "openingMessage", "routingAttributes"]);
    for finding in json["findings"].as_array().expect("findings") {
        assert_eq!(members(finding), ["code", "message", "path", "severity", "slug"]);
    }
    assert_eq!(json["routingAttributes"]["_lastName"], "O'Connor");
    assert!(json["openingMessage"].as_str().expect("a text").starts_with("Description: "));
    let (_, out, _) =
        run(Path::new("."), &["mapping", "explain", "--prechat", "-", "--json"], "{}");
    let empty: Value = serde_json::from_str(&out).expect("json");
    assert_eq!((&empty["openingMessage"], members(&empty).len()), (&Value::Null, 4));
}

#[test]
fn explain_tells_people_field_by_field() {
    let sample = "mappings/samples/example.json";
    let file = "mappings/example.toml";
    let (_, out, _) = here(&["mapping", "explain", "--prechat", sample, "--mapping", file]);
    for part in [
        "Product (prechatDetails[2])\n  → productLine, by rule[3]: label `Product`\n",
        "  sent, 8 of 255 UTF-16 units\n  \"hardware\"\n",
        "Session token (prechatDetails[5])\n  → (no attribute)",
        "Language de_AT\n",
    ] {
        assert!(out.contains(part), "{part}\n---\n{out}");
    }
    let (code, _, err) = run(Path::new("."), &["mapping", "explain", "--prechat", "-"], "{a:1}");
    assert_eq!(code, Some(2));
    assert!(err.contains("line 1, column 2") && err.contains("^"), "{err}");
    let (code, _, err) = here(&["mapping", "explain", "--prechat", "no.json"]);
    assert_eq!((code, err.contains("cannot read no.json")), (Some(2), true), "{err}");
}

#[test]
fn a_proposal_does_what_the_built_in_rules_do_and_prints_no_value() {
    for sample in ["cognigy-page", "contact-and-case", "cognigyscript-resolved", "copilot"] {
        let path = format!("mappings/samples/{sample}.json");
        let (code, out, err) = here(&["mapping", "suggest", "--prechat", &path]);
        assert_eq!(code, Some(0), "{err}");
        let text = std::fs::read_to_string(path).expect("a sample");
        let mapping = load("s.toml", &out).unwrap_or_else(|p| panic!("{}\n{out}", p[0]));
        assert_eq!(attributes(&translate_with(&mapping, &text)), attributes(&translate(&text)));
        for value in translate(&text).attributes.values().filter(|v| v.len() > 8) {
            assert!(!out.contains(value.as_str()), "{out}");
        }
        assert_eq!(out.matches("[[rule]]").count(), mapping.rules.len());
    }
}

#[test]
fn a_proposal_says_why_and_leaves_secrets_and_mapped_details_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    put(
        "a.json",
        r#"[{"label":"E-mail","value":"x@y.zz","entityMaps":[{"entityName":"Contact",
        "fieldName":"Email"}]},{"label":"Session token","value":"s3cr3t!!"},
        {"label":"Tags","value":["x","y"]},{"label":"Mapped","value":"1"},{"value":"orphan"}]"#,
    );
    put("b.json", r#"[{"label":"Tags","value":["a long one"],"displayToAgent":false}]"#);
    put("m.toml", "version = 1\n[[rule]]\nlabel = 'Mapped'\nto = 'mapped'\n");
    let args = ["mapping", "suggest", "--prechat", "a.json", "b.json", "--mapping", "m.toml"];
    let (code, out, err) = run(folder.path(), &args, "");
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "# `E-mail` feeds Contact.Email: MIAW's standard parameter _email (K2).\n",
        "drop = true\nreason = \"`Session token` looks like a secret\"\n",
        "join = \";\"\n",
        "# Longest value 14 UTF-16 units; in a.json, b.json.\n",
        "# prechatDetails[4] in a.json names neither label nor field: no rule can match it.\n",
        "unmapped = \"drop\"\n",
    ] {
        assert!(out.contains(part), "{part}\n---\n{out}");
    }
    assert!(!out.contains("mapped\"") && !out.contains("s3cr3t"), "{out}");
    assert!(load("s.toml", &out).is_ok());
}

#[test]
fn with_metadata_only_keys_of_the_channel_are_proposed() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    put(
        "a.json",
        r#"[{"label":"Order no","value":"1","transcriptFields":["order_no__c"]},
        {"label":"Topic","value":"x"},{"label":"Tier","value":"gold"},{"label":"Short","value":"x"},
        {"label":"E","value":"x@y.zz","entityMaps":[{"entityName":"Contact","fieldName":"Email"}]},
        {"label":"F","value":"Mia","entityMaps":[{"entityName":"Contact","fieldName":"FirstName"}]}]"#,
    );
    put("c.xml", include_str!("../fixtures/metadata/Acme_Web.messagingChannel-meta.xml"));
    let args = ["mapping", "suggest", "--prechat", "a.json", "--metadata", "c.xml"];
    let (code, out, err) = run(folder.path(), &args, "");
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "# Every key is one that c.xml declares.\n",
        "# The channel spells order_no_c so (c.xml:7); that spelling counts.\n",
        "to = \"OrderNo\"\nflow_variable = \"orderNo\"\nmax_len = 255\n",
        "to = \"Short\"\nflow_variable = \"short\"\nmax_len = 10\n",
        "# `Tier` gets no rule: c.xml declares no parameter like Tier. ",
        "# `F` gets no rule: c.xml declares no parameter like _firstName. ",
    ] {
        assert!(out.contains(part), "{part}\n---\n{out}");
    }
    let mapping = load("s.toml", &out).expect("sound");
    let keys: Vec<&str> = mapping.rules.iter().filter_map(|r| r.to.as_deref()).collect();
    assert_eq!(keys, ["OrderNo", "Topic", "Short", "_email"]);

    put("d.xml", "<MessagingChannel/>");
    let (code, _, err) = run(folder.path(), &[&args[..], &["d.xml"]].concat(), "");
    assert_eq!(code, Some(2));
    assert!(err.contains("tells no channel for the tenant's deployment; found c, d"), "{err}");
}

#[test]
fn every_code_is_explained_and_a_typing_slip_is_corrected() {
    let (code, out, _) = here(&["explain"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("PC101  record-lookup-lost") && out.lines().count() > 60, "{out}");
    for name in ["PC101", "pc101", "record-lookup-lost"] {
        let (code, out, _) = here(&["explain", name]);
        assert_eq!(code, Some(0));
        for part in ["PC101 record-lookup-lost", "What it means", "What to do", "[[accept]]"] {
            assert!(out.contains(part), "{out}");
        }
    }
    let (code, _, err) = here(&["explain", "record-lokup-lost"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("did you mean `record-lookup-lost`?"), "{err}");
    let (code, _, err) = here(&["explain", "nonsense"]);
    assert_eq!((code, err.contains("lists all")), (Some(2), true), "{err}");
    let (_, out, _) = here(&["explain", "PC111", "--json"]);
    let json: Value = serde_json::from_str(&out).expect("json");
    assert_eq!((&json["code"], &json["severity"]), (&"PC111".into(), &"note".into()));
}
