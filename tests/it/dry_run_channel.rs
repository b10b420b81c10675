//! What the channel declares against what is sent.

use std::collections::BTreeSet;

use liveagent_bridge::mapping::load::load;
use liveagent_bridge::mapping::{self, Mapping};
use liveagent_bridge::metadata::{Channel, Located, Parameter};
use liveagent_bridge::report::channel::{compare, unfed};
use liveagent_bridge::report::finding::{Finding, Severity};
use serde_json::json;

fn parameter(variable: &str) -> Parameter {
    Parameter {
        key: Located { value: variable.to_owned(), ..Located::default() },
        data_type: "String".to_owned(),
        max_len: Some(255),
        flow_variable: Some(variable.to_owned()),
        ..Parameter::default()
    }
}

fn of(parameters: Vec<Parameter>) -> Channel {
    Channel { parameters, ..Channel::default() }
}

fn found(channel: &Channel, mapping: &str, details: &serde_json::Value) -> Vec<Finding> {
    let mapping = match mapping {
        "" => Mapping::default(),
        rules => load("m.toml", &format!("version = 1\n{rules}")).expect("sound"),
    };
    let text = json!({"prechatDetails": details}).to_string();
    let translation = mapping::translate(&mapping, &text, "", "").expect("readable");
    let keys: BTreeSet<String> = translation.attributes.keys().cloned().collect();
    [compare(channel, &mapping, &translation.fields), unfed(channel, &keys)].concat()
}

fn only(findings: &[Finding], id: &str) -> String {
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].code.is_named(id), "{findings:?}");
    findings[0].message.clone()
}

#[test]
fn a_declared_key_is_no_finding() {
    let channel = of(vec![parameter("_email"), parameter("a")]);
    let details = json!([{"label":"a","value":"1"},
        {"label":"e","value":"x","entityMaps":[{"entityName":"Contact","fieldName":"Email"}]}]);
    assert_eq!(found(&channel, "", &details), []);
}

#[test]
fn upper_and_lower_case_count() {
    let channel = of(vec![parameter("Case_origin")]);
    let details = json!([{"label":"o","value":"Chat",
        "entityMaps":[{"entityName":"Case","fieldName":"Origin"}]}]);
    let findings = found(&channel, "", &details);
    assert!(findings[0].code.is_named("CH201") && findings[0].severity == Severity::Error);
    let message = &findings[0].message;
    assert!(message.contains("`Case_origin` is, and upper and lower case count"), "{message}");
    assert!(findings[1].code.is_named("CH220"), "the declared one is fed by nothing");
    let lenient = found(&channel, "[defaults]\nchannel_names='lenient'", &details);
    assert_eq!(lenient[0].severity, Severity::Warning);
}

#[test]
fn a_number_parameter_still_gets_text() {
    let number = Parameter { data_type: "Number".to_owned(), ..parameter("Retries") };
    let channel = of(vec![number]);
    let findings = found(&channel, "", &json!([{"label":"Retries","value":42}]));
    assert!(only(&findings, "CH207").contains("sent as text"));
}

#[test]
fn a_rule_to_an_undeclared_key_is_an_error_with_a_hint() {
    let channel = of(vec![parameter("Topic")]);
    let rule = "[[rule]]\nlabel='t'\nto='Topik'";
    let findings = found(&channel, rule, &json!([{"label":"t","value":"x"}]));
    assert!(findings[0].code.is_named("CH201"));
    assert!(findings[0].message.contains("did you mean `Topic`?"), "{}", findings[0].message);
}

#[test]
fn lengths_and_flow_mappings_are_held_against_the_channel() {
    let short = Parameter { max_len: Some(10), ..parameter("a") };
    let channel = of(vec![short]);
    let findings = found(&channel, "", &json!([{"label":"a","value":"x".repeat(11)}]));
    assert!(only(&findings, "PC110").contains("11 > 10"));
    let unmapped = Parameter { flow_variable: None, ..parameter("a") };
    let channel = of(vec![unmapped]);
    only(&found(&channel, "", &json!([{"label":"a","value":"1"}])), "CH203");
}
