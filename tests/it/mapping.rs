//! Pre-chat translation: samples, every rule of the specification as a row, odd inputs, properties.

use std::collections::BTreeMap;

use liveagent_bridge::mapping::{self, Context, Mapping, Translation, limits};
use liveagent_bridge::report::finding::Severity;
use serde_json::json;

mod cases;
mod files;
mod live;
mod opening;
mod properties;
mod rules;
mod schema;
mod templates;
mod verbs;

fn translate_with(mapping: &Mapping, text: &str) -> Translation {
    let prechat = mapping::read(text).expect("readable");
    mapping::apply(mapping, &prechat, &Context::of(&prechat.init))
}

fn translate(text: &str) -> Translation {
    translate_with(&Mapping::default(), text)
}

/// Details alone, as JSON.
fn details(details: &serde_json::Value) -> Translation {
    translate(&json!({ "prechatDetails": details }).to_string())
}

/// The attributes as JSON text, keys sorted.
fn attributes(translation: &Translation) -> String {
    serde_json::to_string(&translation.attributes).expect("json")
}

/// `E PC110 path` for every finding of these codes.
fn lines(translation: &Translation, ids: &[&str]) -> Vec<String> {
    let wanted = |id: &str| ids.contains(&id);
    let findings = translation.findings.iter().filter(|f| wanted(f.code.entry().id));
    findings
        .map(|f| {
            let letter = match f.severity {
                Severity::Error => 'E',
                Severity::Warning => 'W',
                Severity::Note => 'N',
            };
            format!("{letter} {} {}", f.code.entry().id, f.path)
        })
        .collect()
}

fn codes(translation: &Translation) -> Vec<&'static str> {
    let mut ids: Vec<_> = translation.findings.iter().map(|f| f.code.entry().id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn the_samples_give_exactly_what_is_expected() {
    let samples = [
        (
            "cognigy-page",
            include_str!("fixtures/prechat/cognigy-page.json"),
            include_str!("fixtures/prechat/cognigy-page.expected.json"),
        ),
        (
            "contact-and-case",
            include_str!("fixtures/prechat/contact-and-case.json"),
            include_str!("fixtures/prechat/contact-and-case.expected.json"),
        ),
        (
            "cognigyscript-resolved",
            include_str!("fixtures/prechat/cognigyscript-resolved.json"),
            include_str!("fixtures/prechat/cognigyscript-resolved.expected.json"),
        ),
        (
            "variants",
            include_str!("fixtures/prechat/variants.json"),
            include_str!("fixtures/prechat/variants.expected.json"),
        ),
    ];
    for (name, input, expected) in samples {
        let expected: BTreeMap<String, String> = serde_json::from_str(expected).expect(name);
        assert_eq!(translate(input).attributes, expected, "{name}");
    }
}

#[test]
fn sample_a_reports_what_the_provider_page_loses() {
    let page = translate(include_str!("fixtures/prechat/cognigy-page.json"));
    let field = |i| format!("W PC101 prechatEntities[0].entityFieldsMaps[{i}]");
    assert_eq!(lines(&page, &["PC101"]), [field(0), field(1), field(2)]);
    assert_eq!(
        lines(&page, &["PC012"]),
        [0, 1, 2].map(|i| format!("W PC012 prechatDetails[{i}].entityMaps[0].entityName"))
    );
    assert_eq!(
        lines(&page, &["PC102", "PC103", "PC104", "PC105", "PC106"]),
        [
            "W PC102 prechatEntities[0].linkToEntityName",
            "W PC103 prechatEntities[0].linkToEntityName",
            "N PC104 prechatEntities[0].saveToTranscript",
            "W PC102 prechatEntities[0].saveToTranscript",
            "N PC105 prechatEntities[0].showOnCreate",
            "N PC106 prechatDetails",
        ]
    );
    assert_eq!(
        lines(&page, &["PC120", "CH205"]).len(),
        6,
        "three transcript fields, three standard parameters"
    );
    let lookup = page.findings.iter().find(|f| f.code.is_named("record-lookup-lost"));
    let todo = &lookup.expect("PC101").todo;
    assert!(todo.contains("_lastName") && todo.contains("EndUserContactId"), "{todo}");
}

#[test]
fn sample_b_keeps_the_full_text_for_the_opening_message() {
    let both = translate(include_str!("fixtures/prechat/contact-and-case.json"));
    assert_eq!(
        lines(&both, &["PC110", "PC121"]),
        ["E PC110 prechatDetails[6].value", "W PC121 prechatDetails[6].transcriptFields[0]"]
    );
    let opening = both.opening_message.expect("the 612 characters");
    assert!(opening.starts_with("Description: The invoice") && opening.ends_with("were ne"));
    assert_eq!(opening.len(), "Description: ".len() + 612);
    assert!(!opening.contains("New"), "displayToAgent false stays out");
}

#[test]
fn sample_d_is_dynamic_and_judges_no_lengths() {
    let export = translate(include_str!("fixtures/prechat/cognigyscript-export.json"));
    let dynamic: BTreeMap<&str, String> = export
        .fields
        .iter()
        .filter(|f| f.dynamic && !f.sources.is_empty())
        .map(|f| (f.key.as_deref().unwrap_or_default(), f.sources.join(" ")))
        .collect();
    let expected = [
        ("_lastName", "profile.lastname"),
        ("_email", "input.slots.EMAIL"),
        ("Topic", "context.topic"),
        ("Orders_c", "context.orders"),
        ("Copilot_URL", "input.userId input.sessionId input.URLToken"),
        ("Odd_root", "contex.city"),
    ];
    assert_eq!(dynamic, expected.map(|(k, v)| (k, v.to_owned())).into());
    assert_eq!(
        lines(&export, &["PC038", "PC110", "PC111", "PC113", "PC141", "PC142", "CP102"]),
        [
            "W PC113 prechatDetails[3].value",
            "E PC141 prechatDetails[5].value",
            "W PC142 prechatDetails[6].value",
            "E PC038 prechatDetails[7]",
            "N CP102 prechatDetails[4].transcriptFields[0]",
        ]
    );
}

#[test]
fn sample_e_reports_every_oddity() {
    let odd = translate(include_str!("fixtures/prechat/variants.json"));
    assert_eq!(
        lines(&odd, &["PC030", "PC111", "PC113", "PC017", "PC021", "PC122"]),
        [
            "N PC017 prechatDetails[2]",
            "N PC017 prechatDetails[3]",
            "N PC111 prechatDetails[1].value",
            "E PC030 prechatDetails[3]",
            "W PC113 prechatDetails[8].value",
            "W PC113 prechatDetails[9].value",
            "N PC111 prechatDetails[10].value",
            "N PC111 prechatDetails[11].value",
            "N PC111 prechatDetails[12].value",
            "W PC021 prechatEntities[0]",
            "W PC122 prechatDetails[0].transcriptFields[0]",
        ]
    );
    let name = odd.findings.iter().find(|f| f.code.entry().id == "PC122").expect("PC122");
    assert!(name.message.contains("`EmailAddress__c`"), "{}", name.message);
    assert_eq!(lines(&odd, &["PC011"]).len(), 4);
    assert_eq!(lines(&odd, &["PC010"]).len(), 4);
}

#[test]
fn lengths_are_utf16_and_cut_between_characters() {
    let row = |value: &str| details(&json!([{"label":"a","value":value}])).attributes["a"].clone();
    assert_eq!(row(&"x".repeat(255)).len(), 255);
    assert_eq!(row(&"x".repeat(256)).len(), 255);
    assert_eq!(row(&"😀".repeat(128)), "😀".repeat(127), "254 units, never half a pair");
    assert_eq!(row(&format!("{}e\u{301}", "x".repeat(254))), "x".repeat(254), "marks stay");
    let long = details(&json!([{"label":"a","value":"x".repeat(1_000_000)}]));
    assert_eq!(long.attributes["a"].len(), 255);
    let message = long.opening_message.expect("overflow");
    assert!(message.len() <= limits::MAX_OPENING_MESSAGE_BYTES);
    for (chars, shortened) in [(40, false), (41, true)] {
        let key = details(&json!([{"label":"k".repeat(chars),"value":"1"}]));
        assert_eq!(codes(&key).contains(&"PC036"), shortened);
        assert_eq!(key.attributes.keys().next().expect("a key").len(), 40);
    }
}

#[test]
fn hidden_values_never_reach_the_opening_message() {
    let long = "secret ".repeat(50);
    let hidden = details(&json!([{"label":"a","value":long,"displayToAgent":false}]));
    assert_eq!(hidden.opening_message, None);
    assert!(codes(&hidden).contains(&"PC117"));
    let text = details(&json!([{"label":"a","value":long,"displayToAgent":"False"}]));
    assert_eq!(text.opening_message, None);
}

#[test]
fn the_visitor_name_is_split_only_when_no_detail_names_the_visitor() {
    let name = |name: &str, details: serde_json::Value| {
        attributes(&translate(&json!({"visitorName":name,"prechatDetails":details}).to_string()))
    };
    assert_eq!(
        name("Ana de la Cruz", json!([])),
        r#"{"_firstName":"Ana de la","_lastName":"Cruz"}"#
    );
    assert_eq!(name("Cher", json!([])), r#"{"_firstName":"Cher"}"#);
    let last = json!([{"label":"l","value":"X","entityMaps":[
        {"entityName":"Lead","fieldName":"LastName"}]}]);
    assert_eq!(name("Ana Cruz", last), r#"{"_lastName":"X"}"#);
}

#[test]
fn documents_are_read_in_every_shape() {
    let detail = r#"{"label":"a","value":"1"}"#;
    let entity =
        r#"{"entityName":"Contact","entityFieldsMaps":[{"fieldName":"Email","label":"a"}]}"#;
    for (shape, expected) in [
        (String::new(), "{}"),
        ("null".to_owned(), "{}"),
        ("[]".to_owned(), "{}"),
        (format!("\u{feff}[{detail}]"), r#"{"a":"1"}"#),
        (detail.to_owned(), r#"{"a":"1"}"#),
        (format!("[[{entity}],[{detail}]]"), r#"{"_email":"1"}"#),
        (
            format!(r#"{{"prechatEntities":[{entity}],"prechatDetails":[{detail}]}}"#),
            r#"{"_email":"1"}"#,
        ),
        (format!(r#"{{"prechatDetails":{detail},"isPost":true}}"#), r#"{"a":"1"}"#),
        (r#"[{"label":"a","value":"1","transcriptFields":"T__c"}]"#.to_owned(), r#"{"T_c":"1"}"#),
        (r#"[{"label":"a","value":"x\ud83dy"}]"#.to_owned(), "{\"a\":\"x\u{fffd}y\"}"),
        (
            r#"[{"label":"n","value":1.50},{"label":"m","value":1e400}]"#.to_owned(),
            r#"{"m":"1e400","n":"1.50"}"#,
        ),
    ] {
        assert_eq!(attributes(&translate(&shape)), expected, "{shape}");
    }
    let many: Vec<_> = (0..500).map(|i| json!({"label":format!("f{i}"),"value":"v"})).collect();
    assert_eq!(details(&json!(many)).attributes.len(), 500);
}

#[test]
fn labels_join_exactly_and_near_misses_are_named() {
    let input = json!({
        "prechatEntities": [
            {"entityName":"Contact","entityFieldsMaps":[{"fieldName":"Email","label":"E-Mail"}]},
            {"entityName":"Contact","entityFieldsMaps":[]}],
        "prechatDetails": [{"label":"e mail","value":"1"}, {"label":"cafe\u{301}","value":"2"},
            {"label":"caf\u{e9}","value":"3"}]
    });
    let translation = translate(&input.to_string());
    assert_eq!(attributes(&translation), r#"{"cafe":"2","cafe_2":"3","e_mail":"1"}"#);
    assert_eq!(
        lines(&translation, &["PC013", "PC018", "PC019", "PC020"]),
        [
            "W PC019 prechatEntities[1]",
            "W PC020 prechatEntities[1].entityName",
            "W PC013 prechatDetails[0].label",
            "W PC018 prechatEntities[0].entityFieldsMaps[0]",
        ]
    );
}

#[test]
fn two_spellings_that_differ_are_an_error_and_their_union_is_read() {
    let map = |field: &str| json!([{"entityName":"Case","fieldName":field}]);
    let both = json!([{"label":"a","value":"1","entityMaps":map("A"),"entityFieldMaps":map("B")}]);
    assert!(codes(&details(&both)).contains(&"PC015"));
    let same = json!([{"label":"a","value":"1","entityMaps":map("A"),"entityFieldMaps":map("A")}]);
    assert!(!codes(&details(&same)).contains(&"PC015"));
}

#[test]
fn broken_json_is_located_and_its_error_quotes_nothing() {
    let error =
        mapping::read("{\n  \"prechatDetails\": [{label: \"Mia\"}]}").expect_err("unquoted");
    assert_eq!((error.line, error.column), (2, 23));
    assert!(error.caret.ends_with(&format!("{}^", " ".repeat(22))), "{}", error.caret);
    assert!(!error.to_string().contains("Mia"));
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(mapping::read(&deep).expect_err("deep").problem.contains("nested deeper"));
    let wide = format!("[{}1]", "1,".repeat(limits::MAX_JSON_VALUES));
    assert!(mapping::read(&wide).expect_err("wide").problem.contains("more than"));
    assert!(mapping::read(&" ".repeat(limits::MAX_DOCUMENT_BYTES + 1)).is_err());
}

#[test]
fn debug_prints_no_values() {
    let prechat = mapping::read(r#"[{"label":"a","value":"Mustermann"}]"#).expect("readable");
    let translation = mapping::apply(&Mapping::default(), &prechat, &Context::default());
    assert!(!format!("{prechat:?}{translation:?}").contains("Mustermann"));
}
