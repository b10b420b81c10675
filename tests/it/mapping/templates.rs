//! Templates: what they can read, how they fail, what they may not leak.

use liveagent_bridge::mapping::load::load;
use liveagent_bridge::mapping::{Translation, limits, template};
use serde_json::{Value, json};

use super::{codes, lines, translate_with};

fn made(template: &str, details: &Value) -> Translation {
    let rule = json!({"label": "a", "to": "out", "template": template});
    let file = json!({"version": 1, "rule": [rule]}).to_string();
    let mapping = load("m.json", &file).unwrap_or_else(|p| panic!("{template}: {}", p[0]));
    let body = json!({"buttonId": "573000000000001", "deploymentId": "572000000000001",
        "visitorName": "Ana", "language": "en-US", "prechatDetails": details});
    translate_with(&mapping, &body.to_string())
}

#[test]
fn a_template_makes_the_value() {
    let details = json!([{"label":"a","value":" Ab-1 "},{"label":"Last Name","value":"Cruz"},
        {"label":"n","value":1.5}]);
    for (template, expected) in [
        ("{{ value }}", " Ab-1 "),
        ("{{ value | trim | lower }}", "ab-1"),
        ("{{ value | trim | before('-') }}/{{ value | trim | after('-') }}", "Ab/1"),
        ("{{ value | replace('-', '+') | trim | upper }}", "AB+1"),
        ("{{ details['Last Name'] }}, {{ visitor_name }}", "Cruz, Ana"),
        ("{{ details.n }}{{ label }}{{ language }}", "1.5aen-US"),
        ("{{ button_id }} {{ deployment_id }}", "573000000000001 572000000000001"),
        ("{{ details['no'] | default('-') }}", "-"),
        ("{% if details['no'] is defined %}x{% else %}y{% endif %}", "y"),
        ("{% if '1' in value %}one{% endif %}", "one"),
        ("<b>{{ value | trim }}</b>", "<b>Ab-1</b>"),
    ] {
        let translation = made(template, &details);
        assert_eq!(translation.attributes["out"], expected, "{template}");
    }
}

#[test]
fn what_is_not_there_is_an_error_and_the_default_is_sent() {
    let details = json!([{"label":"a","value":"1"}]);
    let failed = made("{{ details['Nmae'] }}", &details);
    assert!(!failed.attributes.contains_key("out"));
    assert_eq!(lines(&failed, &["PC157"]), ["E PC157 prechatDetails[0].value"]);
    let finding = failed.findings.iter().find(|f| f.code.is_named("PC157")).expect("PC157");
    assert!(finding.message.contains("no detail `Nmae`"), "{}", finding.message);
    let file = "version=1\n[[rule]]\nlabel='a'\nto='out'\ndefault='d'\n\
        template=\"{{ details['x'] }}\"";
    let mapping = load("m.toml", file).expect("sound");
    let text = json!({"prechatDetails": details}).to_string();
    assert_eq!(translate_with(&mapping, &text).attributes["out"], "d");
}

#[test]
fn a_template_that_read_a_hidden_detail_stays_out_of_the_opening_message() {
    let long = "x".repeat(400);
    let details = |shown: bool| {
        json!([{"label":"a","value":long},
            {"label":"b","value":"secret","displayToAgent":shown}])
    };
    let template = "{{ value }} {{ details['b'] }}";
    let shown = made(template, &details(true));
    assert!(shown.opening_message.expect("overflow").ends_with("secret"));
    let hidden = made(template, &details(false));
    assert_eq!(hidden.opening_message, None);
    assert!(codes(&hidden).contains(&"PC117"));
}

#[test]
fn a_template_has_limits_of_time_and_space() {
    let long = "y".repeat(limits::MAX_VALUE_BYTES);
    let details = json!([{"label":"a","value":long}]);
    for template in [
        "{{ value }}{{ value }}".to_owned(),
        "{{ value | replace('y', 'zzzz') }}".to_owned(),
        "{{ value | replace('', value) }}".to_owned(),
        format!("{{{{ value{} }}}}", " ~ value".repeat(100)),
    ] {
        let translation = made(&template, &details);
        assert_eq!(lines(&translation, &["PC157"]).len(), 1, "{}", &template[..20]);
    }
    let (message, ..) = template::objection(&"x".repeat(5_000)).expect("too long");
    assert_eq!(message, "5000 bytes");
    for refused in ["{% for x in details %}{% endfor %}", "{% set x = 1 %}", "{%- set x = 1 %}"] {
        assert!(template::objection(refused).expect(refused).0.contains("not allowed"));
    }
    assert!(template::objection("{% include 'x' %}").is_some());
}

#[test]
fn a_message_about_a_template_quotes_no_value() {
    let details = json!([{"label":"a","value":"Mustermann"}]);
    for template in ["{{ value + 1 }}", "{{ value() }}", "{{ value.x.y }}", "{{ -value }}"] {
        let translation = made(template, &details);
        let shown = format!("{:?}", translation.findings);
        assert!(shown.contains("PC157") && !shown.contains("Mustermann"), "{template}: {shown}");
    }
}
