//! `import`: what is recognised, what is made of it, and what is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use liveagent_bridge::config;
use liveagent_bridge::import::fact::{Input, Kind};
use liveagent_bridge::import::{Import, Options, import};
use liveagent_bridge::report::finding::Severity;
use proptest::prelude::*;

mod org;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/import")
}

fn fixture(name: &str) -> Input {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    Input { name: name.to_owned(), text }
}

fn fixtures() -> Vec<Input> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    names.map(|name| fixture(&name)).collect()
}

fn of(inputs: &[Input]) -> Import {
    import(inputs, &Options::default())
}

fn one(name: &str, text: &str) -> Import {
    of(&[Input { name: name.to_owned(), text: text.to_owned() }])
}

fn write(import: &Import, folder: &Path) {
    for file in &import.files {
        let path = folder.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.text).unwrap();
    }
}

/// Every error, printed.
fn errors(import: &Import) -> String {
    let errors = import.problems.iter().filter(|p| p.severity == Severity::Error);
    errors.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn file<'i>(import: &'i Import, path: &str) -> &'i str {
    &import.files.iter().find(|file| file.path == path).unwrap().text
}

#[test]
fn each_kind_is_recognised_by_what_it_holds() {
    for (name, kind) in [
        ("01-embedded-service.html", Kind::EmbeddedServiceSnippet),
        ("02-deployment-code.txt", Kind::DeploymentSnippet),
        ("03-button-code.txt", Kind::DeploymentSnippet),
        ("04-miaw-snippet.html", Kind::MiawSnippet),
        ("05-code-snippet.json", Kind::MiawCodeSnippet),
        ("06-provider-legacy.json", Kind::LegacyProvider),
        ("07-provider-miaw.json", Kind::MiawProvider),
        ("08-flow.json", Kind::Prechat),
        ("Support_English.liveChatButton", Kind::LiveChatButton),
        ("Acme_Web.liveChatDeployment", Kind::LiveChatDeployment),
        ("Support_Team.EmbeddedServiceLiveAgent", Kind::EmbeddedServiceLiveAgent),
        ("Bot_Bridge.EmbeddedServiceConfig", Kind::EmbeddedServiceConfig),
        ("Bot_Channel.messagingChannel", Kind::MessagingChannel),
    ] {
        let made = one("paste.txt", &fixture(name).text);
        assert!(made.ok && made.unrecognized.is_empty(), "{name}: {}", made.summary());
        assert!(made.recognized.iter().any(|r| r.kind == kind), "{name}: {:?}", made.recognized);
    }
}

#[test]
fn what_one_export_does_not_say_is_asked_for() {
    let made = of(&[fixture("02-deployment-code.txt")]);
    let keys: Vec<&str> = made.missing.iter().map(|m| m.key.as_str()).collect();
    assert_eq!(keys, ["miaw.base_url", "miaw.embedded_service_developer_name"]);
    let tenant = file(&made, "tenants/00d000000000062.toml");
    assert!(tenant.contains("# base_url = \"…\" is missing. "), "{tenant}");
    assert!(made.todo[0].text.starts_with("Add miaw.base_url"), "{:?}", made.todo[0]);

    // The MIAW side alone is a whole tenant: every chat goes to MIAW.
    let made = of(&[fixture("05-code-snippet.json")]);
    assert!(made.missing.is_empty());
    let folder = tempfile::tempdir().unwrap();
    write(&made, folder.path());
    let loaded = config::load_with(&folder.path().join("bridge.toml"), &|_| None);
    assert_eq!(loaded.unwrap().config.tenants[0].legacy, None);
}

#[test]
fn one_button_goes_into_the_tenant_file() {
    let made = of(&[fixture("05-code-snippet.json"), fixture("06-provider-legacy.json")]);
    assert!(file(&made, "tenants/acme.toml").contains("button_id = \"573000000000001\""));
    assert!(!made.attributes.iter().any(|a| a.key == "sourceButton"));
}

#[test]
fn contradictions_name_both_places() {
    let snippet = fixture("05-code-snippet.json");
    let changed = |from: &str, to: &str| Input {
        name: "other.json".to_owned(),
        text: snippet.text.replace(from, to),
    };
    for (other, needles) in [
        (
            changed("00D000000000062EAA", "00D000000000071"),
            ["other.json:2: error: organization id is 00D000000000071 here", "json:2"],
        ),
        (
            changed("acme.my", "globex.my"),
            ["other.json:4: error: MIAW base URL is https://globex.my", "05-code-snippet.json:4"],
        ),
        (
            changed("Bot_Bridge", "Bot_Other"),
            ["other.json:3: error: Embedded Service developer name", "05-code-snippet.json:3"],
        ),
    ] {
        let made = of(&[snippet.clone(), other]);
        let errors = errors(&made);
        assert!(!made.ok);
        assert!(needles.iter().all(|needle| errors.contains(needle)), "{errors}");
    }
    // The same address in another spelling is no contradiction.
    let made = of(&[snippet.clone(), changed("scrt.com", "scrt.com/iamessage/api/v2/")]);
    assert!(made.ok, "{}", errors(&made));

    let twice = fixture("06-provider-legacy.json").text;
    let twice = twice.replace("\"apiVersion\": 52,", "\"Deployment ID\": \"572000000000009\",");
    let errors = errors(&one("twice.json", &twice));
    let expected = "twice.json:8: error: `deploymentId` stands twice in one object";
    assert!(errors.contains(expected) && errors.contains("first in line 6"), "{errors}");
}

#[test]
fn one_component_in_two_versions_is_a_problem() {
    let button = fixture("Billing_Desk.liveChatButton");
    let text = button.text.replace("<pushTimeOut>20", "<pushTimeOut>25");
    let older = Input { name: "old/Billing_Desk.liveChatButton".to_owned(), text };
    let same = Input { name: "copy/Billing_Desk.liveChatButton".to_owned(), ..button.clone() };
    assert!(of(&[button.clone(), same]).ok);
    let errors = errors(&of(&[button, older]));
    assert!(
        errors.contains("old/Billing_Desk.liveChatButton:2: error: `Billing_Desk`"),
        "{errors}"
    );
}

#[test]
fn broken_files_are_located() {
    let snippet = fixture("01-embedded-service.html").text;
    let cut = &snippet[..snippet.find("isOfflineSupport").unwrap()];
    let provider = fixture("06-provider-legacy.json").text;
    let xml = fixture("Billing_Desk.liveChatButton").text;
    for (text, needle) in [
        (cut.to_owned(), "x:40: error: `embedded_svc.init` cannot be read: it ends in the middle"),
        (
            provider.replace("\"apiVersion\": 52,", "\"apiVersion\" 52,"),
            "x:6: error: not well-formed",
        ),
        (xml.replace("</label>", ""), "x:12: error: not well-formed XML"),
        (
            xml.replacen('\n', "\n<!DOCTYPE a [<!ENTITY b \"c\">]>\n", 1),
            "error: not well-formed XML",
        ),
        (format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{xml}"), "x: neither JSON"),
        (provider.replace("572000000000001", "573000000000001x"), "x:8: error: deployment id"),
        (provider.replace("573000000000001", "57300000000"), "x:9: error: button id: "),
        (provider.replace("https://d.", "https://me:hunter2@d."), "user name or password"),
        (provider.replace("d.la1-c1-iad.salesforceliveagent.com", "a.my.salesforce.com"), "x:5: "),
        ("liveagent.init('https://d.example/chat')".to_owned(), "x:1: error: `liveagent.init`"),
        ("embedded_svc.init('a', 'b', c, '00D000000000062', 'D')".to_owned(), "deploymentId and"),
    ] {
        let made = one("x", &text);
        let told = format!("{}\n{:?}", made.summary(), made.unrecognized);
        assert!(!made.ok && told.contains(needle), "{needle}: {told}");
        assert!(!told.contains("hunter2"));
    }
}

#[test]
fn unknown_files_are_named_with_the_reason() {
    for (text, reason) in [
        ("", "empty"),
        ("Dear colleague, here is the chat.", "neither JSON"),
        ("{\"a\": [1, 2]}", "neither a provider"),
        (
            "<?xml version=\"1.0\"?><Flow/>",
            "root element `Flow`; read are MessagingChannel, LiveChatButton",
        ),
        ("// liveagent.init('https://d.example/chat', '572', '00D')", "in comments only"),
    ] {
        let unknown = Input { name: "what".to_owned(), text: text.to_owned() };
        let made = of(std::slice::from_ref(&unknown));
        assert!(!made.ok && errors(&made).contains("no file was recognised"), "{text}");
        let made = of(&[unknown, fixture("05-code-snippet.json")]);
        assert!(made.ok, "the rest is imported");
        assert_eq!(made.unrecognized[0].file, "what");
        assert!(made.unrecognized[0].reason.contains(reason), "{:?}", made.unrecognized);
    }
}

#[test]
fn a_web_snippet_alone_asks_for_a_custom_client() {
    let made = of(&[fixture("04-miaw-snippet.html")]);
    assert!(made.missing.is_empty(), "the tenant file is whole");
    let warning = made.problems.iter().find(|p| p.severity == Severity::Warning).unwrap();
    assert!(warning.help.as_deref().unwrap().contains("Custom Client"), "{warning}");
    let step = made.todo.iter().find(|s| s.text.contains("type Custom Client")).unwrap();
    assert!(!step.done);
}

#[test]
fn pre_chat_is_found_in_every_form() {
    let detail = r#"{"label":"Order Id","value":"A-1","transcriptFields":["Order_Id__c"]}"#;
    let entity =
        r#"{"entityName":"Contact","entityFieldsMaps":[{"fieldName":"Tier__c","label":"Tier"}]}"#;
    let packed = serde_json::Value::from(format!("[{detail}]")).to_string();
    let agent = fixture("Support_Team.EmbeddedServiceLiveAgent").text;
    let json = format!("<prechatJson>[{}]</prechatJson>", detail.replace('"', "&quot;"));
    for (text, key) in [
        (agent.replace("<liveChatButton>", &format!("{json}<liveChatButton>")), "Order_Id_c"),
        (format!("[{detail}]"), "Order_Id_c"),
        (format!("{{\"preChatDetails\":{packed}}}"), "Order_Id_c"),
        (format!("{{\"a\":[{{\"Pre-chat Details\":[{detail}]}}]}}"), "Order_Id_c"),
        (format!("[{entity}]"), "Contact_Tier_c"),
        (format!("{{\"prechatEntities\":[{entity}]}}"), "Contact_Tier_c"),
        (format!("{{\"config\":{{\"salesforcePrechatDetails\":{packed}}}}}"), "Order_Id_c"),
        (
            format!("{{\"escalateIntentsHandoverSalesforcePrechatDetails\":[{detail}]}}"),
            "Order_Id_c",
        ),
        (
            "window.liveagent.addCustomDetail('Order', x).saveToTranscript( 'Order_Id__c' )"
                .to_owned(),
            "Order_Id_c",
        ),
        (
            "liveagent.addCustomDetail('T', x[0]).map('Contact','Tier__c',true,true,false);"
                .to_owned(),
            "Contact_Tier_c",
        ),
        (
            "liveagent.findOrCreate(\"Contact\")\n  .map(\"Tier__c\", \"Tier\", true, true, true)"
                .to_owned(),
            "Contact_Tier_c",
        ),
        ("embedded_svc.settings.prepopulatedPrechatFields = {Tier: a ? 1 : 2};".to_owned(), "Tier"),
        (
            "embedded_svc.settings.prepopulatedPrechatFields = { FirstName: me.name };".to_owned(),
            "_firstName",
        ),
        (
            "embedded_svc.settings.extraPrechatInfo = [{entityName: 'Contact', \
             entityFieldMaps: [{fieldName: 'Tier__c', label: 'Tier'}]}]"
                .to_owned(),
            "Contact_Tier_c",
        ),
    ] {
        let made = one("p", &text);
        let keys: Vec<&str> = made.attributes.iter().map(|a| a.key.as_str()).collect();
        assert_eq!(keys, [key], "{text}: {}", made.summary());
    }
}

#[test]
fn no_value_of_pre_chat_gets_out() {
    let made = of(&fixtures());
    let all = serde_json::to_string(&made).unwrap() + &made.summary();
    for value in ["visitor-secret", "copilot.example.com", "context.topic", "profile.lastname"] {
        assert!(!all.contains(value), "{value}");
    }
    assert!(made.problems.iter().any(|p| p.message.contains("looks like a secret")));
}

#[test]
fn the_order_of_the_files_does_not_matter() {
    let (mut one, mut other) = (fixtures(), fixtures());
    one.sort_by(|a, b| a.name.cmp(&b.name));
    other.sort_by(|a, b| b.name.cmp(&a.name));
    other.push(one[0].clone());
    let json = |inputs: &[Input]| serde_json::to_string(&of(inputs)).unwrap();
    assert_eq!(json(&one), json(&other));
}

#[test]
fn deep_nesting_is_refused() {
    let deep = [
        "[".repeat(200_000),
        "{\"a\":".repeat(200_000),
        format!("liveagent.init{}", "(".repeat(200_000)),
        format!("<LiveChatButton>{}", "<a>".repeat(200_000)),
        format!(
            "<MessagingChannel>{}{}</MessagingChannel>",
            "<a>".repeat(9_000),
            "</a>".repeat(9_000)
        ),
    ];
    for text in deep {
        let made = one("deep", &text);
        assert!(!made.files.is_empty());
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"))
        .current_dir(folder())
        .arg("import")
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let args = ["05-code-snippet.json", "06-provider-legacy.json", "--out", out];
    let again = |more: &[&str]| run(&[&args[..], more].concat()).status.code();
    assert_eq!(again(&[]), Some(0));
    assert_eq!(again(&[]), Some(0), "the same bytes again are no change");
    let path = folder.path().join("tenants/acme.toml");
    let made = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "id = \"mine\"\n").unwrap();
    std::fs::remove_file(folder.path().join("todo.md")).unwrap();
    assert_eq!(again(&[]), Some(1));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "id = \"mine\"\n");
    assert!(!folder.path().join("todo.md").exists(), "nothing at all was written");
    assert_eq!(again(&["--force"]), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), made);
}

#[test]
fn the_command_prints_a_summary_or_one_json_object() {
    let output = run(&["05-code-snippet.json", "08-flow.json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("with --out DIR these files would be written:"), "{text}");
    assert!(text.contains("  mappings/acme.toml ("), "{text}");

    let output = run(&["05-code-snippet.json", "--tenant", "uat", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["ok"], &json["tenant"]), (&true.into(), &"uat".into()));
    assert_eq!(json["files"][1]["path"], "tenants/uat.toml");

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{").unwrap();
    let output = run(&[bad.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!out.exists());
    assert_eq!(run(&["no-such-file"]).status.code(), Some(1));
    assert_eq!(run(&["05-code-snippet.json", "--tenant", "No Id"]).status.code(), Some(2));
}

/// What a mapping or tenant file must survive: whatever labels and names an export holds.
fn label() -> impl Strategy<Value = String> {
    prop_oneof![".{0,20}", "[ \"'\\\\{}\\n\\t#=\\]\\[]{0,8}", "(Order|order|Reason__c|language)"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}", head in 0_usize..6) {
        let heads = ["", "{", "<?xml?>", "liveagent.init(", "embedded_svc.init(", "<MessagingChannel>"];
        let _ = one("any", &format!("{}{text}", heads[head]));
    }

    #[test]
    fn a_torn_export_is_survived(which in 0_usize..15, from in 0_usize..3000, to in 0_usize..3000) {
        let mut inputs = fixtures();
        inputs.sort_by(|a, b| a.name.cmp(&b.name));
        let chars: Vec<char> = inputs[which].text.chars().collect();
        let (from, to) = (from.min(chars.len()), to.min(chars.len()));
        let head: String = chars[..from].iter().collect();
        let tail: String = chars[to..].iter().collect();
        let _ = one("torn", &format!("{head}{tail}"));
    }

    #[test]
    fn whatever_is_made_loads(
        labels in proptest::collection::vec((label(), label(), label(), any::<u8>()), 0..6),
        name in ".{0,20}",
    ) {
        let details: Vec<serde_json::Value> = labels.iter().map(|(label, entity, field, kind)| {
            let mut detail = serde_json::json!({ "label": label, "value": "v", "transcriptFields": [] });
            if kind % 3 == 0 {
                detail["entityMaps"] = serde_json::json!([{ "entityName": entity, "fieldName": field }]);
            }
            if kind % 3 == 1 {
                detail["transcriptFields"] = serde_json::json!([field]);
            }
            detail
        }).collect();
        let prechat = serde_json::json!({ "prechatDetails": details }).to_string();
        let inputs = [
            fixture("05-code-snippet.json"),
            fixture("06-provider-legacy.json"),
            fixture("Bot_Channel.messagingChannel"),
            Input { name: format!("{name}.json"), text: prechat },
        ];
        let made = of(&inputs);
        prop_assert!(made.ok, "{}", errors(&made));
        let folder = tempfile::tempdir().unwrap();
        write(&made, folder.path());
        let loaded = config::load_with(&folder.path().join("bridge.toml"), &|_| None);
        prop_assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}
