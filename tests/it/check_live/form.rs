//! The published form against the keys of the mapping file.

use liveagent_bridge::config::Tenant;
use liveagent_bridge::config::mapping::MappingFile;
use liveagent_bridge::emulator::Emulators;
use liveagent_bridge::mapping::load;
use liveagent_bridge::preflight::Checked;
use liveagent_bridge::wire::miaw::rest::FormField;
use serde_json::json;

use super::checked;

fn field(name: &str, kind: &str, most: i64) -> FormField {
    FormField {
        name: name.to_owned(),
        kind: Some(kind.to_owned()),
        max_length: Some(most),
        ..FormField::default()
    }
}

async fn compared(mapping: &str, fields: Vec<FormField>) -> Checked {
    let mapping = load::load("mapping.toml", mapping).expect("a mapping");
    let change = |tenant: &mut Tenant, all: &Emulators| {
        tenant.mapping = Some(MappingFile {
            texts: Vec::new(),
            paths: vec!["mapping.toml".into()],
            mapping,
            sha256: String::new(),
            each: Vec::new(),
        });
        all.set_miaw(|knobs| {
            knobs.form_fields = Some(fields);
            knobs.choice_lists = json!({ "choiceList": [{
                "choiceListId": "CL1",
                "choiceListValues": [
                    { "choiceListValueId": "V1", "choiceListValueName": "Billing" },
                    { "choiceListValueId": "V2", "choiceListValueName": "Sales" },
                ],
            }] });
        });
    };
    checked(change, Some).await
}

/// The notes, each with its code.
fn notes(checked: &Checked) -> Vec<(&'static str, String)> {
    let note = |note: &liveagent_bridge::config::Note| (note.code.unwrap_or(""), note.to_string());
    checked.notes.iter().map(note).collect()
}

#[tokio::test(start_paused = true)]
async fn a_form_that_fits_is_fine() {
    let mapping = r#"
        version = 1
        [[rule]]
        label = "Reason"
        to = "Reason"
        max_len = 40
        required = true
        table = { b = "Billing" }
        default = "Sales"
        [[constant]]
        to = "Source"
        value = "bot {button_id}"
    "#;
    let mut reason = field("Reason", "ChoiceList", 255);
    (reason.required, reason.choice_list_id) = (true, Some("CL1".to_owned()));
    let mut source = field("Source", "Text", 40);
    (source.required, source.is_hidden) = (true, true);
    let checked = compared(mapping, vec![reason, source]).await;
    assert!(checked.problems.is_empty() && checked.notes.is_empty(), "{checked}");
    assert!(checked.to_string().contains("form fields: 2"), "{checked}");
}

#[tokio::test(start_paused = true)]
async fn spelling_and_missing_fields_are_told() {
    let mapping = r#"
        version = 1
        [[rule]]
        label = "a"
        to = "reason"
        [[rule]]
        label = "b"
        to = "Custmer_Tier"
        [[rule]]
        label = "c"
        to = "Elsewhere"
    "#;
    let fields = vec![field("Reason", "Text", 255), field("Customer_Tier", "Text", 255)];
    let checked = compared(mapping, fields).await;
    let text = super::one(&checked);
    assert!(text.contains("[CH201]") && text.contains("write `Reason`"), "{text}");
    let notes = notes(&checked);
    assert!(notes.iter().all(|(code, _)| *code == "CH202") && notes.len() == 2, "{notes:?}");
    assert!(notes[0].1.contains("did you mean `Customer_Tier`"), "{notes:?}");
    assert!(notes[1].1.contains("fine if"), "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn length_type_and_choices_are_told() {
    let mapping = r#"
        version = 1
        [[rule]]
        label = "a"
        to = "Note"
        [[rule]]
        label = "b"
        to = "Orders"
        max_len = 5
        [[constant]]
        to = "Team"
        value = "canary-team"
    "#;
    let mut team = field("Team", "ChoiceList", 255);
    team.choice_list_id = Some("CL1".to_owned());
    let fields = vec![field("Note", "Text", 80), field("Orders", "Number", 9), team];
    let checked = compared(mapping, fields).await;
    assert!(checked.problems.is_empty(), "{checked}");
    let notes = notes(&checked);
    let codes: Vec<&str> = notes.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["PC110", "CH207", "CH207"], "{notes:?}");
    assert!(notes[0].1.contains("255 characters, the form takes 80"), "{notes:?}");
    assert!(notes[1].1.contains("type Number"), "{notes:?}");
    assert!(notes[2].1.contains("a value of no choice"), "{notes:?}");
    assert!(!checked.to_string().contains("canary"), "{checked}");
}

#[tokio::test(start_paused = true)]
async fn required_fields_that_may_stay_empty_are_told() {
    let mapping = r#"
        version = 1
        [[rule]]
        label = "a"
        to = "Reason"
        [[rule]]
        label = "b"
        to = "Tier"
        button = "573000000000001"
        required = true
        [defaults]
        unmapped = "drop"
    "#;
    let must = |name: &str, hidden: bool| {
        let mut field = field(name, "Text", 255);
        (field.required, field.is_hidden) = (true, hidden);
        field
    };
    let fields = vec![must("Reason", false), must("Tier", false), must("Ticket", true)];
    let notes = notes(&compared(mapping, fields).await);
    assert!(notes.iter().all(|(code, _)| *code == "CH220") && notes.len() == 3, "{notes:?}");
    assert!(notes[0].1.contains("requires `Reason`, and its rules may leave it"), "{notes:?}");
    assert!(notes[1].1.contains("`Tier`"), "{notes:?}");
    assert!(notes[2].1.contains("requires the hidden field `Ticket`, and nothing"), "{notes:?}");
}
