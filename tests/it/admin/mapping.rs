//! Mappings over the admin API: the files, and what becomes of a document.

use liveagent_bridge::config::mapping::MappingFile;
use liveagent_bridge::config::{Config, Tenant};
use liveagent_bridge::mapping::Mapping;
use liveagent_bridge::mapping::load::load;
use serde_json::{Value, json};

use super::{Api, problem, quiet, quiet_bridge};

const NOW: &str = "2026-11-23T10:00:00Z";
const TRY: &str = "/admin/v1/tenants/acme/mapping/try";

fn document() -> Value {
    json!({
        "visitorName": "Ana",
        "prechatDetails": [{ "label": "E-Mail", "value": "ana@example.test" }],
    })
}

#[tokio::test(start_paused = true)]
async fn a_document_is_shown_field_by_field() {
    let api = quiet(NOW).await;
    let body = json!({ "prechat": document() }).to_string();
    let got = api.ask("POST", TRY, Some(&api.token("read")), &body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let got = got.json();
    assert_eq!(got["by"], "builtIn");
    let fields = got["fields"].as_array().expect("fields");
    let mail = fields.iter().find(|one| one["source"] == "E-Mail").expect("the detail");
    let key = mail["key"].as_str().expect("a key");
    assert_eq!((&mail["fate"], &mail["value"]), (&json!("sent"), &json!("ana@example.test")));
    assert_eq!(got["routingAttributes"][key], "ana@example.test");
}

#[tokio::test(start_paused = true)]
async fn a_given_mapping_takes_the_place_of_the_tenants() {
    let api = quiet(NOW).await;
    for mapping in [
        "version = 1\n[[rule]]\nlabel = \"E-Mail\"\nto = \"mail\"\n",
        r#"{"version": 1, "rule": [{"label": "E-Mail", "to": "mail"}]}"#,
    ] {
        let got = api.post(TRY, &json!({ "prechat": document(), "mapping": mapping })).await;
        assert_eq!(got.status, 200, "{}", got.text);
        assert_eq!(got.json()["by"], "given");
        assert_eq!(got.json()["routingAttributes"]["mail"], "ana@example.test");
        assert_eq!(got.json()["fields"][0]["because"], "rule[0]: label `E-Mail`");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_with_line_and_caret() {
    let api = quiet(NOW).await;
    let mapping = "version = 1\n[[rule]]\nlabel = \"E-Mail\"\nt0 = \"mail\"\n";
    let got = api.post(TRY, &json!({ "prechat": document(), "mapping": mapping })).await;
    problem(&got, 422, "mapping-wrong");
    let told = got.json()["problems"].as_str().expect("problems").to_owned();
    assert!(told.starts_with("mapping.toml:4:1: ") && told.contains('^'), "{told}");
    let text = "{\n  \"prechatDetails\": [,]\n}";
    let got = api.post(TRY, &json!({ "prechat": text })).await;
    problem(&got, 422, "prechat-wrong");
    let told = got.json()["problems"].as_str().expect("problems").to_owned();
    assert!(told.starts_with("line 2, column 22: ") && told.contains('^'), "{told}");
}

#[tokio::test(start_paused = true)]
async fn bodies_are_bounded_and_exact_and_tenants_guarded() {
    let api = quiet(NOW).await;
    let long = json!({ "prechat": "x".repeat(liveagent_bridge::admin::BODY_BYTES_MAX) });
    problem(&api.post(TRY, &long).await, 413, "body-too-large");
    problem(&api.post(TRY, &json!({ "prechat": {}, "more": 1 })).await, 400, "bad-request");
    problem(&api.post(TRY, &json!({ "mapping": "" })).await, 400, "bad-request");
    let body = json!({ "prechat": {} }).to_string();
    problem(&api.ask("POST", TRY, None, &body).await, 401, "token-missing");
    let others = api.scoped("operate", &["other"]);
    let got = api.ask("POST", TRY, Some(&others), &body).await;
    problem(&got, 403, "tenant-out-of-scope");
    let got = api.post("/admin/v1/tenants/nobody/mapping/try", &json!({ "prechat": {} })).await;
    problem(&got, 404, "no-such-tenant");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_files_has_none() {
    let got = quiet(NOW).await.get("/admin/v1/tenants/acme/mapping").await;
    assert_eq!(got, json!({ "files": [], "sha256": null }));
}

/// A tenant with a mapping file for each of two buttons.
async fn with_two_files() -> Api {
    let text = |button: &str, key: &str| {
        format!(
            "version = 1\n[match]\nbuttons = [\"{button}\"]\n[[rule]]\nlabel = \"E-Mail\"\nto = \"{key}\"\n"
        )
    };
    let texts = vec![text("573000000000001", "mail"), text("573000000000002", "post")];
    let files = texts.iter().map(|text| load("mapping.toml", text).expect("a mapping"));
    let mapping = Mapping::together(files.collect()).expect("they go together");
    let paths = vec!["maps/sales.toml".into(), "maps/service.toml".into()];
    let (sha256, each) = ("00".to_owned(), vec!["00".to_owned(), "01".to_owned()]);
    let file = MappingFile { paths, texts, mapping, sha256, each };
    let acme = Tenant { mapping: Some(file), ..crate::stage::tenant("acme") };
    let parts = quiet_bridge(Config { tenants: vec![acme], ..crate::console::config() }).await;
    Api::new(parts)
}

#[tokio::test(start_paused = true)]
async fn one_of_several_files_is_tried() {
    let api = with_two_files().await;
    let files = api.get("/admin/v1/tenants/acme/mapping").await;
    assert_eq!(files["files"][1]["name"], "service.toml");
    let text = files["files"][0]["text"].as_str().unwrap().replace("\"mail\"", "\"address\"");
    let mut document = document();
    document["buttonId"] = "573000000000001".into();
    let ask =
        |file: &str, text: &str| json!({ "prechat": document, "mapping": text, "file": file });
    let got = api.post(TRY, &ask("sales.toml", &text)).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.json()["routingAttributes"]["address"], "ana@example.test", "{}", got.text);
    problem(&api.post(TRY, &ask("other.toml", &text)).await, 400, "bad-request");
    // In the place of the other file it claims the button of the first one.
    let got = api.post(TRY, &ask("service.toml", &text)).await;
    problem(&got, 422, "mapping-wrong");
    let told = got.json()["problems"].as_str().unwrap().to_owned();
    assert!(told.contains("claim the same chats"), "{told}");
}
