//! Mapping files: TOML and JSON, their rules, and the errors people get.

use std::collections::BTreeMap;

use liveagent_bridge::mapping::load::load;
use liveagent_bridge::mapping::problem::Problem;
use liveagent_bridge::mapping::{Mapping, Translation};
use serde_json::json;

use super::{attributes, codes, lines, translate_with};

fn mapping(rules: &str) -> Mapping {
    load("m.toml", &format!("version = 1\n{rules}")).expect("a sound mapping")
}

fn translate(rules: &str, details: &serde_json::Value) -> Translation {
    translate_with(&mapping(rules), &json!({ "prechatDetails": details }).to_string())
}

fn problems(text: &str) -> Vec<Problem> {
    load("m.toml", text).expect_err("problems")
}

#[test]
fn every_shipped_file_gives_what_its_samples_expect() {
    macro_rules! pair {
        ($file:literal, $sample:literal) => {
            (
                $file,
                include_str!(concat!("../../../mappings/", $file)),
                include_str!(concat!("../../../mappings/samples/", $sample, ".json")),
                include_str!(concat!("../../../mappings/samples/", $sample, ".expected.json")),
            )
        };
    }
    for (name, file, input, expected) in [
        pair!("generic.toml", "contact-and-case"),
        pair!("generic.toml", "variants"),
        pair!("cognigy.toml", "cognigy-page"),
        pair!("cognigy.toml", "cognigyscript-resolved"),
        pair!("cognigy.toml", "copilot"),
        pair!("example.toml", "example"),
        pair!("example.json", "example"),
    ] {
        let mapping = load(name, file).expect(name);
        let expected: BTreeMap<String, String> = serde_json::from_str(expected).expect(name);
        assert_eq!(translate_with(&mapping, input).attributes, expected, "{name}");
    }
}

#[test]
fn toml_and_json_say_the_same() {
    let toml = load("example.toml", include_str!("../../../mappings/example.toml"));
    let json = load("example.json", include_str!("../../../mappings/example.json"));
    assert_eq!(toml.expect("toml"), json.expect("json"));
}

#[test]
fn the_example_sets_the_language_and_leaves_the_secret_out() {
    let example = load("e.toml", include_str!("../../../mappings/example.toml")).expect("sound");
    let sample = include_str!("../../../mappings/samples/example.json");
    let translation = translate_with(&example, sample);
    assert_eq!(translation.language.as_deref(), Some("de_AT"));
    assert_eq!(
        lines(&translation, &["PC150", "PC153", "PC155", "PC156"]),
        [
            "N PC150 prechatDetails[5]",
            "W PC153 prechatDetails[7]",
            "N PC155 mapping.rule[1]",
            "N PC156 prechatDetails[4]",
        ]
    );
}

#[test]
fn entity_and_field_beat_label_and_label_beats_transcript_field() {
    let by_transcript = "[[rule]]\ntranscript_field='T__c'\nto='byTranscript'\n";
    let by_label = "[[rule]]\nlabel='a'\nto='byLabel'\n";
    let by_entity = "[[rule]]\nentity='case'\nfield='origin'\nto='byEntity'\n";
    let detail = json!([{"label":"a","value":"1","transcriptFields":["T__c"],
        "entityMaps":[{"entityName":"Case","fieldName":"Origin"}]}]);
    for (rules, expected) in [
        (by_transcript.to_owned(), r#"{"byTranscript":"1"}"#),
        (format!("{by_transcript}{by_label}"), r#"{"byLabel":"1"}"#),
        (format!("{by_transcript}{by_label}{by_entity}"), r#"{"byEntity":"1"}"#),
    ] {
        assert_eq!(attributes(&translate(&rules, &detail)), expected);
    }
}

#[test]
fn policies_rules_and_constants_do_what_they_say() {
    let long = json!([{"label":"a","value":"x".repeat(300)}]);
    let (errors, truncated) = ("[defaults]\noverflow='error'", "[defaults]\noverflow='truncate'");
    assert_eq!(attributes(&translate(errors, &long)), "{}");
    let cut = translate(truncated, &long);
    assert_eq!((cut.attributes["a"].len(), cut.opening_message), (255, None));
    let one = json!([{"label":"a","value":"1"}]);
    let refused = translate("[defaults]\nunmapped='error'", &one);
    assert_eq!((attributes(&refused).as_str(), lines(&refused, &["PC154"]).len()), ("{}", 1));
    let dropped = translate("[defaults]\nunmapped='drop'", &one);
    assert_eq!((attributes(&dropped).as_str(), lines(&dropped, &["PC153"]).len()), ("{}", 1));
    let required = translate("[[rule]]\nlabel='b'\nto='b'\nrequired=true", &one);
    assert_eq!(lines(&required, &["PC152"]), ["E PC152 mapping.rule[0]"]);
    let table = "[[rule]]\nlabel='a'\nto='a'\ntable={ '2'='two' }";
    let outside = translate(table, &one);
    assert_eq!(
        (attributes(&outside).as_str(), lines(&outside, &["PC151"]).len()),
        (r#"{"a":"1"}"#, 1)
    );
    let short =
        translate("[[rule]]\nlabel='a'\nto='a'\nmax_len=3", &json!([{"label":"a","value":"abcd"}]));
    assert_eq!(short.attributes["a"], "abc");
    let details = "[defaults]\nopening_message='details'";
    let shown = translate(
        details,
        &json!([{"label":"a","value":"1"},
        {"label":"b","value":"2","displayToAgent":false},{"label":"c","value":"3"}]),
    );
    assert_eq!(shown.opening_message.as_deref(), Some("a: 1\nc: 3"));
}

#[test]
fn what_a_visitor_sends_never_displaces_a_constant_or_a_rule() {
    let rules = "[[constant]]\nto='source'\nvalue='fixed'\n[[rule]]\nlabel='mine'\nto='tier'";
    let details = json!([{"label":"source","value":"forged"},{"label":"tier","value":"gold"},
        {"label":"mine","value":"basic"}]);
    let translation = translate(rules, &details);
    assert_eq!(
        attributes(&translation),
        r#"{"source":"fixed","source_2":"forged","tier":"basic","tier_2":"gold"}"#
    );
    assert!(codes(&translation).contains(&"PC032"));
}

#[test]
fn placeholders_are_filled_once() {
    let rules = "[[constant]]\nto='who'\nvalue='{visitor_name} on {button_id}'";
    let text = json!({"visitorName":"{button_id}","buttonId":"573","prechatDetails":[]});
    let translation = translate_with(&mapping(rules), &text.to_string());
    assert_eq!(translation.attributes["who"], "{button_id} on 573");
}

#[test]
fn every_problem_is_named_with_line_key_expectation_and_hint() {
    let text = "version = 2\n\n[defaults]\noverflow = \"trunctae\"\nunmaped = \"drop\"\n\n\
        [[rule]]\nlable = \"a\"\nto = \"a\"\n\n[[rule]]\nlabel = \"b\"\nto = \"b\"\nmax_len = \"40\"\n\n\
        [[rules]]\nlabel = \"c\"\n\n[[accept]]\ncode = \"PC101\"\nreason = \"x\"\n";
    let found: Vec<(usize, String, String)> =
        problems(text).into_iter().map(|p| (p.line, p.key, p.hint)).collect();
    let row = |line, key: &str, hint: &str| (line, key.to_owned(), hint.to_owned());
    assert_eq!(
        found,
        [
            row(1, "version", ""),
            row(4, "defaults.overflow", "did you mean `truncate`?"),
            row(5, "defaults.unmaped", "did you mean `unmapped`?"),
            row(8, "rule[0].lable", "did you mean `label`?"),
            row(14, "rule[1].max_len", ""),
            row(16, "rules", "did you mean `rule`?"),
            row(19, "accept[0]", "add it"),
        ]
    );
}

#[test]
fn what_serde_cannot_see_is_checked_too() {
    let rows = [
        ("[[rule]]\nto='a'", "rule[0]", "matches nothing"),
        ("[[rule]]\nlabel='a'", "rule[0]", "does nothing"),
        ("[[rule]]\nlabel='a'\ndrop=true", "rule[0]", "drops without a reason"),
        ("[[rule]]\nlabel='a'\ntranscript_field='b'\nto='c'", "rule[0]", "matches in several ways"),
        ("[[rule]]\nentity='a'\nto='c'", "rule[0]", "entity and field go together"),
        ("[[rule]]\nlabel='a'\nto='b'\n[[rule]]\nlabel='a'\nto='c'", "rule[1]", "rule[0] does"),
        ("[[rule]]\nlabel='a'\nto='Order__c'", "rule[0].to", "not a legal attribute key"),
        ("[[constant]]\nto='a'\nvalue='{buton_id}'", "constant[0].value", "unknown placeholder"),
        (
            "[[accept]]\ncode='PC9'\nreason='x'\nuntil='2026-01-01'",
            "accept[0].code",
            "unknown code",
        ),
        ("[[accept]]\ncode='PC101'\nreason='x'\nuntil='soon'", "accept[0].until", ""),
        ("[match]\nbuttons=['572000000000001']", "match.buttons[0]", "no button"),
        ("[[rule]]\nbutton='x'\nlabel='a'\nto='c'", "rule[0].button", "no button"),
        ("[[constant]]\nto='a'\nvalue='b'\nbutton='x'", "constant[0].button", "no button"),
        ("[[rule]]\nlabel='a'\ndrop=true\nreason='r'\nrequired=true", "rule[0]", "drops what"),
        ("[[test]]\nprechat='a.json'", "test[0]", "neither of expected and expected_file"),
        ("[[rule]]\nlabel='a'\nto='b'\ntemplate='{{ value'", "rule[0].template", "unexpected end"),
        ("[[rule]]\nlabel='a'\nto='b'\ntemplate='{{ vlaue }}'", "rule[0].template", "`vlaue`"),
        (
            "[[rule]]\nlabel='a'\nto='b'\ntemplate='{{ value | uper }}'",
            "rule[0].template",
            "unknown filter `uper`",
        ),
        (
            "[[rule]]\nlabel='a'\nto='b'\ntemplate='{% for x in value %}{% endfor %}'",
            "rule[0].template",
            "`{% for %}` is not allowed",
        ),
        ("[[rule]\n", "", ""),
    ];
    for (rules, key, message) in rows {
        let found = problems(&format!("version = 1\n{rules}"));
        assert_eq!(found[0].key, key, "{rules}: {found:?}");
        assert!(found[0].message.contains(message), "{rules}: {}", found[0]);
        assert!(found[0].line > 1 && found[0].caret.contains('^'), "{rules}");
    }
    let broken =
        load("m.json", "{\n \"version\": 1,\n \"rule\": [{\"label\": 3, \"to\": \"a\"}]\n}");
    let broken = broken.expect_err("a number for a label");
    assert_eq!((broken[0].line, broken[0].key.as_str()), (3, "rule[0].label"));
}

#[test]
fn what_was_probably_meant_is_said_beside_the_caret() {
    let text = "version = 1\n[[rule]]\nlabel='a'\nto='b'\ntemplate='{{ details.x | uper }}'\n\
        [[accept]]\ncode='record-lookup-lots'\nreason='r'\nuntil='2026-01-01'\n";
    let shown: Vec<String> = problems(text).iter().map(ToString::to_string).collect();
    assert!(shown[0].starts_with("m.toml:5:"), "{}", shown[0]);
    assert!(shown[0].contains("did you mean `upper`?"), "{}", shown[0]);
    assert!(shown[0].contains("template='{{ details.x | uper }}'\n"), "{}", shown[0]);
    assert!(shown[0].trim_end().ends_with('^'), "{}", shown[0]);
    assert!(shown[1].contains("did you mean `record-lookup-lost`?"), "{}", shown[1]);
    let two =
        problems("version = 1\n[defaults]\nchannel_names = 'strickt'\n[match]\nbutton = []\n");
    let hints: Vec<&str> = two.iter().map(|p| p.hint.as_str()).collect();
    assert_eq!(hints, ["did you mean `strict`?", "did you mean `buttons`?"]);
}

#[test]
fn rules_and_constants_can_be_for_one_button_and_so_can_a_file() {
    let file = "[match]\nbuttons=['573000000000001','573000000000002AAA']\n\
        [[rule]]\nlabel='a'\nto='general'\n\
        [[rule]]\nlabel='a'\nto='special'\nbutton='573000000000002'\n\
        [[constant]]\nto='team'\nvalue='night'\nbutton='573000000000002'";
    let with = |button: &str| {
        let text = json!({"buttonId":button,"prechatDetails":[{"label":"a","value":"1"}]});
        translate_with(&mapping(file), &text.to_string())
    };
    assert_eq!(attributes(&with("573000000000001AAB")), r#"{"general":"1"}"#);
    for id in ["573000000000002", "573000000000002AAA"] {
        assert_eq!(attributes(&with(id)), r#"{"special":"1","team":"night"}"#);
    }
    let other = with("573000000000003");
    assert_eq!(attributes(&other), r#"{"a":"1"}"#, "the built-in rules");
    assert_eq!(lines(&other, &["PC158"]), ["W PC158 mapping.match.buttons"]);
}

#[test]
fn a_copilot_url_is_held_against_its_parameter() {
    let cognigy = load("c.toml", include_str!("../../../mappings/cognigy.toml")).expect("sound");
    let url = |ids: &str| {
        let value = format!(
            "https://copilot.example.com/?userId={{{{{ids}}}}}&sessionId={{{{input.sessionId}}}}\
             &URLToken={{{{input.URLToken}}}}"
        );
        let field = json!(["Copilot__c"]);
        let details = json!({"prechatDetails":[
            {"label":"Copilot","value":value,"transcriptFields":field}]});
        translate_with(&cognigy, &details.to_string())
    };
    let usual = url("input.userId");
    assert_eq!(lines(&usual, &["CP101", "CP102"]).len(), 2);
    assert_eq!(lines(&usual, &["CP102"]), ["N CP102 prechatDetails[0].transcriptFields[0]"]);
    let long = url("input.userId}}{{input.tenant}}{{input.more");
    assert_eq!(lines(&long, &["CP102"]), ["W CP102 prechatDetails[0].transcriptFields[0]"]);
    let flow = usual.fields[0].flow_variable.as_deref();
    assert_eq!((usual.fields[0].key.as_deref(), flow), (Some("Copilot_URL"), Some("copilotUrl")));
}
