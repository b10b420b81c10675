//! The keys about chat life, content and identity: what is read, and what is told.

use std::path::Path;
use std::time::Duration;

use liveagent_bridge::chat::policy::{AgentFiles, AgentLeave, Idle, Revoke, Rich, Uploads};
use liveagent_bridge::config::{Loaded, Problems, load_str};

fn read(miaw: &str, behaviour: &str) -> Result<Loaded, Problems> {
    let text = format!(
        r#"
        [[tenant]]
        id = "acme"
        [tenant.miaw]
        base_url = "https://acme.my.salesforce-scrt.com"
        organization_id = "00D000000000062"
        embedded_service_developer_name = "Web_Support"
        {miaw}
        [tenant.behaviour]
        {behaviour}
        "#
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/tls");
    load_str(&text, &folder, &|_| None)
}

#[test]
fn every_key_is_read() {
    let behaviour = r##"
        agent_leave = "end"
        accept_timeout = "3m"
        idle_timeout = "10m"
        idle_warning_text = "Hello?"
        inactive_text = "Paused."
        transfer_events = false
        revoke_token = "always"
        post_chat_url = "https://www.example.com/after?a=b"
        rich = "both"
        choice_answers = "text"
        form_wait = "1m"
        agent_files = "file_transfer"
        file_upload = "on_request"
        file_request_text = "#file"
        file_cancel_text = " #nofile "
        file_types = ["PDF", ".png"]
        file_max_bytes = 1000
        upload_url = "https://chat.example.com/up"
    "##;
    let miaw = r#"
        identity_detail = "Session token"
        anonymous = "flag"
        [tenant.miaw.identity]
        signing_key = { file = "key.pem" }
        key_id = "key-1"
        issuer = "me"
        subject_detail = "Customer Id"
    "#;
    let loaded = read(miaw, behaviour).map_err(|problems| problems.to_string()).unwrap();
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
    let tenant = &loaded.config.tenants[0];
    let (life, content) = (&tenant.behaviour.life, &tenant.behaviour.content);
    assert_eq!((life.agent_leave, life.revoke), (AgentLeave::End, Revoke::Always));
    assert_eq!(life.accept_timeout, Some(Duration::from_secs(180)));
    let idle = Idle {
        timeout: Duration::from_secs(600),
        warning: Duration::from_secs(450),
        warning_text: Some("Hello?".into()),
    };
    assert_eq!(life.idle, Some(idle));
    assert_eq!(life.inactive_text, Some("Paused.".into()));
    assert!(!life.transfer_events);
    assert_eq!(life.post_chat_url.as_deref(), Some("https://www.example.com/after?a=b"));
    assert_eq!((content.rich, content.agent_files), (Rich::Both, AgentFiles::FileTransfer));
    assert!(content.answers_as_text);
    assert_eq!(content.form_wait, Duration::from_secs(60));
    assert_eq!(content.uploads, Uploads::OnRequest("#file".into()));
    assert_eq!(content.file_bytes_max, 1_000);
    assert_eq!(content.file_cancel_text, Some("#nofile".into()));
    assert_eq!(content.file_types, Some(vec!["pdf".to_owned(), "png".to_owned()]));
    assert_eq!(content.upload_url.as_deref(), Some("https://chat.example.com/up"));
    assert_eq!(tenant.miaw.identity_detail.as_deref(), Some("Session token"));
    assert!(!tenant.miaw.refuse_anonymous);
    let identity = tenant.miaw.identity.as_ref().unwrap();
    assert_eq!(identity.subject_detail.as_deref(), Some("Customer Id"));
}

#[test]
fn what_is_wrong_is_told_at_its_key() {
    for (behaviour, said) in [
        ("agent_leave = \"stay\"", "agent_leave"),
        ("idle_warning = \"1m\"", "is missing, but a warning is set"),
        ("idle_timeout = \"1m\"\nidle_warning = \"2m\"", "is not shorter than `idle_timeout`"),
        ("post_chat_url = \"/after\"", "is not an absolute web address"),
        ("file_upload = \"on_request\"", "the words by which an agent asks for a file"),
        ("file_max_bytes = 6000000", "file_max_bytes"),
        ("file_types = [\"pdf\", \"exe\"]", "`exe` is no extension that is known"),
        ("rich = \"html\"", "\"numbered_text\" or \"rich_message\" or \"both\""),
    ] {
        let problems = read("", behaviour).expect_err(behaviour);
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert!(problems.to_string().contains(said), "{behaviour}: {problems}");
    }
    let problems = read("anonymous = \"maybe\"", "").expect_err("a problem").to_string();
    assert!(problems.contains("\"refuse\" or \"flag\""), "{problems}");
}
