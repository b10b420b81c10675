//! Rules K, V and R of the specification, a row each.

use super::{attributes, codes, translate};

/// Rule, details, attributes, a code that must be among the findings.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn hold(rows: &[Row]) {
    for (rule, input, expected, code) in rows {
        let translation = translate(&format!(r#"{{"prechatDetails":{input}}}"#));
        assert_eq!(&attributes(&translation), expected, "{rule}");
        let found = codes(&translation);
        assert!(code.is_empty() || found.contains(code), "{rule}: {found:?}");
    }
}

const KEY_ROWS: &[Row] = &[
    (
        "K2 contact",
        concat!(
            r#"[{"label":"a","value":"1","entityMaps":[{"entityName":"contact","#,
            r#""fieldName":"lastname"}]}]"#
        ),
        r#"{"_lastName":"1"}"#,
        "CH205",
    ),
    (
        "K2 contact before lead",
        concat!(
            r#"[{"label":"a","value":"lead","entityMaps":[{"entityName":"Lead","#,
            r#""fieldName":"Email"}]},{"label":"b","value":"contact","entityMaps":["#,
            r#"{"entityName":"Contact","fieldName":"Email"}]}]"#
        ),
        r#"{"Lead_Email":"lead","_email":"contact"}"#,
        "PC035",
    ),
    (
        "K2 equal values collapse",
        concat!(
            r#"[{"label":"a","value":"x","entityMaps":[{"entityName":"Lead","#,
            r#""fieldName":"Email"}]},{"label":"b","value":"x","entityMaps":["#,
            r#"{"entityName":"Contact","fieldName":"Email"}]}]"#
        ),
        r#"{"_email":"x"}"#,
        "PC033",
    ),
    (
        "K2 two cases",
        concat!(
            r#"[{"label":"a","value":"x","entityMaps":[{"entityName":"Case","#,
            r#""fieldName":"Subject"}]},{"label":"b","value":"y","entityMaps":["#,
            r#"{"entityName":"Case","fieldName":"Subject"}]}]"#
        ),
        r#"{"Case_Subject":"y","_subject":"x"}"#,
        "PC035",
    ),
    (
        "K3",
        concat!(
            r#"[{"label":"a","value":"1","entityMaps":[{"entityName":"Account","#,
            r#""fieldName":"Tier__c"}]}]"#
        ),
        r#"{"Account_Tier_c":"1"}"#,
        "CH202",
    ),
    (
        "K4 not Body",
        r#"[{"label":"a","value":"1","transcriptFields":["Body","X__c"]}]"#,
        r#"{"X_c":"1"}"#,
        "PC121",
    ),
    ("K5", r#"[{"label":"Größe in cm","value":"1"}]"#, r#"{"Grosse_in_cm":"1"}"#, "CH202"),
    (
        "K6 spelled letters",
        r#"[{"label":"Æble Øl łódź","value":"1"}]"#,
        r#"{"AEble_Ol_lodz":"1"}"#,
        "",
    ),
    ("K6 starts with a letter", r#"[{"label":"2nd","value":"1"}]"#, r#"{"x_2nd":"1"}"#, ""),
    (
        "K6 Reason and Reason__c",
        r#"[{"label":"Reason","value":"1"},{"label":"Reason__c","value":"2"}]"#,
        r#"{"Reason":"1","Reason_c":"2"}"#,
        "",
    ),
    ("K6 namespace", r#"[{"label":"acme__Tier__c","value":"1"}]"#, r#"{"acme_Tier_c":"1"}"#, ""),
    ("K6 nothing left", r#"[{"label":"电话","value":"1"}]"#, r#"{"attr_bf8b5d37":"1"}"#, "PC037"),
    ("K8", r#"[{"label":"language","value":"de"}]"#, r#"{"x_language":"de"}"#, "PC031"),
    (
        "K9 different",
        concat!(
            r#"[{"label":"A","value":"1"},{"label":"A ","value":"2"},{"label":"A.","#,
            r#""value":"3"}]"#
        ),
        r#"{"A":"1","A_2":"2","A_3":"3"}"#,
        "PC032",
    ),
    (
        "K9 equal",
        r#"[{"label":"A","value":"1"},{"label":"A ","value":"1"}]"#,
        r#"{"A":"1"}"#,
        "PC033",
    ),
    (
        "K10",
        concat!(
            r#"[{"label":"a","value":"1","entityMaps":[{"entityName":"Case","#,
            r#""fieldName":"SuppliedEmail"},{"entityName":"Contact","#,
            r#""fieldName":"Email"}]}]"#
        ),
        r#"{"_email":"1"}"#,
        "PC034",
    ),
];

#[test]
fn keys_are_chosen_and_made_as_the_rules_say() {
    hold(KEY_ROWS);
}

const VALUE_ROWS: &[Row] = &[
    (
        "V1 booleans and numbers",
        r#"[{"label":"a","value":true},{"label":"b","value":-0.50}]"#,
        r#"{"a":"true","b":"-0.50"}"#,
        "",
    ),
    ("V1 lists", r#"[{"label":"a","value":[1,"x"]}]"#, r#"{"a":"[1,\"x\"]"}"#, "PC113"),
    (
        "V1 nothing",
        r#"[{"label":"a","value":null},{"label":"b"},{"label":"c","value":{}}]"#,
        r#"{}"#,
        "PC111",
    ),
    (
        "V2",
        r#"[{"label":"a","value":" x\r\ny\t<b>\u0007\u0000 "}]"#,
        r#"{"a":" x\ny\t<b> "}"#,
        "PC114",
    ),
    (
        "V4",
        concat!(
            r#"[{"label":"a","value":"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn","#,
            r#""entityMaps":[{"entityName":"Contact","fieldName":"FirstName"}]}]"#
        ),
        r#"{"_firstName":"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"}"#,
        "PC112",
    ),
    ("V5", r#"[{"label":"a","value":"{{profile.x}}"}]"#, r#"{"a":"{{profile.x}}"}"#, "PC140"),
    ("R1 an object for a list", r#"{}"#, r#"{}"#, "PC002"),
    ("R1 null", r#"null"#, r#"{}"#, "PC002"),
    ("R5", r#"[{"label":"a","value":"1","displaytoAgent":true}]"#, r#"{"a":"1"}"#, "PC014"),
];

#[test]
fn documents_and_values_are_read_as_the_rules_say() {
    hold(VALUE_ROWS);
}
