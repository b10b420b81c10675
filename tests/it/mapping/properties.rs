//! Whatever comes in, what goes out is bounded, legal and repeatable.

use liveagent_bridge::mapping::suggest::{Sample, suggest};
use liveagent_bridge::mapping::{self, Context, Mapping, keys, limits, values};
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,300}".prop_map(Value::from),
        "[a-zA-Z_ ]{0,60}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let member = prop_oneof![
            Just("label".to_owned()),
            Just("text".to_owned()),
            Just("role".to_owned()),
            Just("value".to_owned()),
            Just("entityMaps".to_owned()),
            Just("entityName".to_owned()),
            Just("fieldName".to_owned()),
            Just("transcriptFields".to_owned()),
            Just("$cs".to_owned()),
            "\\PC{0,8}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(member, inner, 0..6).prop_map(|m| json!(m)),
        ]
    })
}

/// A file with every kind of rule, for labels that the strategies make.
const RULES: &str = "version = 1\n[defaults]\nopening_message = 'details'\n\
    [[rule]]\nlabel = 'a'\nto = 'joined'\njoin = ';'\nrequired = true\nmax_len = 20\n\
    [[rule]]\nlabel = 'value'\nto = 'made'\ntemplate = \
    \"{{ value | upper | replace('A', 'BB') }}{% if details['a'] is defined %}{{ details['a'] }}\
    {% endif %}\"\ndefault = 'd'\n\
    [[rule]]\nentity = 'a'\nfield = 'label'\nto = 'tabled'\ntable = { 'true' = 'yes' }\n";

fn holds(text: &str) -> Result<(), TestCaseError> {
    let rules = mapping::load::load("m.toml", RULES).expect("sound");
    for mapping in [Mapping::default(), rules] {
        holds_with(&mapping, text)?;
    }
    Ok(())
}

fn holds_with(mapping: &Mapping, text: &str) -> Result<(), TestCaseError> {
    let Ok(prechat) = mapping::read(text) else { return Ok(()) };
    let context = Context::of(&prechat.init);
    let once = mapping::apply(mapping, &prechat, &context);
    let twice = mapping::apply(mapping, &prechat, &context);
    for part in once.opening_parts() {
        prop_assert!(values::length(&part) <= limits::MAX_OPENING_PART_LEN && !part.is_empty());
    }
    let sample = Sample { name: "x.json", prechat: &prechat, translation: &once };
    let proposal = suggest(&[sample], None);
    let loaded = mapping::load::load("s.toml", &proposal);
    prop_assert!(loaded.is_ok(), "{:?}\n{}", loaded, proposal);
    prop_assert!(once == twice);
    prop_assert!(once.attributes.len() <= limits::MAX_ATTRIBUTES);
    prop_assert!(once.findings.len() <= limits::MAX_FINDINGS + 1);
    let opening = once.opening_message.as_deref().unwrap_or_default();
    prop_assert!(opening.len() <= limits::MAX_OPENING_MESSAGE_BYTES);
    for (key, value) in &once.attributes {
        prop_assert_eq!(keys::objection(key, limits::DEFAULT_KEY_LEN), None);
        prop_assert!(key != keys::LANGUAGE);
        prop_assert!(values::length(value) <= limits::DEFAULT_VALUE_LEN);
        prop_assert!(!value.trim().is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_translated(entities in any_json(), details in any_json(), name in "\\PC{0,40}") {
        let body = json!({
            "prechatEntities": entities, "prechatDetails": details, "visitorName": name,
        });
        holds(&body.to_string())?;
        holds(&details.to_string())?;
    }

    #[test]
    fn any_details_are_translated(details in prop::collection::vec(
        (any_json(), any_json(), any_json(), any_json()), 0..8,
    )) {
        let details: Vec<Value> = details.into_iter().map(|(label, value, maps, fields)| json!({
            "label": label, "value": value, "entityMaps": maps, "transcriptFields": fields,
        })).collect();
        holds(&Value::from(details).to_string())?;
    }

    #[test]
    fn any_labels_are_translated(details in prop::collection::vec(
        ("a|value|\\PC{0,50}", any_json(), any::<bool>(), "[a-z_]{0,9}"), 0..8,
    )) {
        let details: Vec<Value> = details.into_iter().map(|(label, value, shown, field)| json!({
            "label": label, "value": value, "displayToAgent": shown,
            "entityMaps": [{"entityName": field, "fieldName": label}],
        })).collect();
        holds(&Value::from(details).to_string())?;
    }

    #[test]
    fn any_template_is_refused_or_bounded(template in "(\\{\\{|\\}\\}|\\{%|%\\}|value|details|\
        \\['a'\\]|\\||upper|if|endif| |~|\\*|9|'|\\(|\\)|\\PC){0,20}") {
        let file = json!({"version": 1, "rule": [{"label": "a", "to": "a", "template": template}]});
        if let Ok(mapping) = mapping::load::load("m.json", &file.to_string()) {
            holds_with(&mapping, r#"[{"label":"a","value":"some text"}]"#)?;
        }
    }

    #[test]
    fn any_text_is_refused_or_translated(text in "\\PC*") {
        holds(&text)?;
    }

    #[test]
    fn any_mapping_file_is_refused_or_read(text in "\\PC*") {
        let _ = mapping::load::load("x.toml", &text);
        let _ = mapping::load::load("x.json", &text);
    }
}
