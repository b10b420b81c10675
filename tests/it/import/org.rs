//! Exports of one org become one tenant, its button table, its mapping files and a to-do list.

use liveagent_bridge::config;
use liveagent_bridge::import::settings::Fate;
use liveagent_bridge::import::{Options, import};
use liveagent_bridge::mapping::{self, Context};

use super::{file, fixtures, of, write};

#[test]
fn exports_of_one_org_become_one_tenant_that_check_accepts() {
    let inputs = fixtures();
    assert!(inputs.len() >= 12, "{} exports", inputs.len());
    let options = Options { tenant: None, bridge: Some("https://chat.acme.example/".to_owned()) };
    let made = import(&inputs, &options);
    assert!(made.ok && made.unrecognized.is_empty(), "{}", made.summary());
    assert_eq!(made.base_url, "https://chat.acme.example/t/acme");

    let folder = tempfile::tempdir().unwrap();
    write(&made, folder.path());
    let main = folder.path().join("bridge.toml");
    let loaded = config::load_with(&main, &|_| None).map_err(|p| p.to_string()).unwrap();
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
    let tenant = loaded.config.tenant("acme").unwrap();
    let legacy = tenant.legacy.as_ref().unwrap();
    assert_eq!(legacy.live_agent_base_url, "https://d.la1-c1-iad.salesforceliveagent.com");
    assert_eq!(legacy.deployment_id, "572000000000001");
    assert_eq!(legacy.button_id, None, "three buttons");
    assert_eq!(tenant.miaw.base_url, "https://acme.my.salesforce-scrt.com");
    assert_eq!(tenant.miaw.embedded_service_developer_name, "Bot_Bridge");
    assert_eq!(tenant.behaviour.connection_timeout.as_secs(), 120);

    // The loaded mapping gives the keys that the channel declares, exactly as it spells them.
    let mapping = &tenant.mapping.as_ref().unwrap().mapping;
    let sent = r#"{"prechatDetails":[
        {"label":"Case Origin","value":"Web","entityMaps":[{"entityName":"Case","fieldName":"Origin"}]},
        {"label":"Topic of Chat","value":"refund"},
        {"label":"LastName","value":"Doe","entityMaps":[{"entityName":"Contact","fieldName":"LastName"}]},
        {"label":"Copilot URL","value":"https://c.example","transcriptFields":["Copilot__c"]}]}"#;
    let of = |button: &str| -> Vec<(String, String)> {
        let context = Context { button_id: button.to_owned(), ..Context::default() };
        let translation = mapping::apply(mapping, &mapping::read(sent).unwrap(), &context);
        translation.attributes.into_iter().collect()
    };
    let pairs = of("573000000000099");
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let expected = [
        ("Copilot_URL", "https://c.example"),
        ("_lastName", "Doe"),
        ("caseOrigin", "Web"),
        ("sourceButton", "573000000000099"),
        ("topicOfChat", "refund"),
    ];
    assert_eq!(pairs, expected);
    // Each button's pre-chat has a file of its own; the rest goes by the built-in keys.
    let paths: Vec<&str> = made.files.iter().map(|file| file.path.as_str()).collect();
    let expected = [
        "bridge.toml",
        "tenants/acme.toml",
        "mappings/acme.toml",
        "mappings/acme-support-english.toml",
        "mappings/acme-573000000000002.toml",
        "mappings/acme-billing-desk.toml",
        "buttons.md",
        "todo.md",
    ];
    assert_eq!(paths, expected);
    let keys = |button| -> Vec<String> { of(button).into_iter().map(|(key, _)| key).collect() };
    let shop = ["Copilot_URL", "Topic_of_Chat", "_lastName", "caseOrigin", "sourceButton"];
    assert_eq!(keys("573000000000002"), shop);
    let desk = ["Case_Origin", "Copilot_URL", "_lastName", "sourceButton", "topicOfChat"];
    assert_eq!(keys("573000000000003"), desk);
    assert!(mapping.files().all(|file| file.rules.iter().all(|rule| rule.note.is_some())));
    let origin = mapping.rules.iter().find(|r| r.to.as_deref() == Some("caseOrigin")).unwrap();
    assert_eq!((origin.max_len, origin.flow_variable.as_deref()), (Some(40), Some("originOfCase")));
}

#[test]
fn buttons_and_their_settings_are_told_one_by_one() {
    let made = of(&fixtures());
    let ids: Vec<&str> = made.buttons.iter().filter_map(|b| b.id.as_deref()).collect();
    assert_eq!(ids, ["573000000000001", "573000000000002", "573000000000003"]);
    let first = &made.buttons[0];
    assert_eq!(first.developer_name.as_deref(), Some("Support_English"));
    assert!(first.joined_by.as_deref().unwrap().contains("Support_Team"), "by the snippet");
    assert_eq!(first.skills, ["Support", "English"]);
    assert_eq!(first.queue.as_deref(), Some("at most 40, 5 per agent"));
    assert!(first.target.contains("Bot_Bridge") && first.target.contains("Route_Support_Chat"));
    assert_eq!(made.buttons[1].developer_name, None, "nothing says which one it is");
    assert_eq!(made.buttons[2].joined_by.as_deref(), Some("equal names"));
    for (name, fate) in [
        ("chasitorIdleTimeout", Fate::Carried),
        ("autoGreeting", Fate::Carried),
        ("pushTimeOut", Fate::Changed),
        ("postChatUrl", Fate::Lost),
        ("numberOfReroutingAttempts", Fate::NoEquivalent),
        ("isOfflineCaseEnabled", Fate::Lost),
    ] {
        let setting = first.settings.iter().find(|s| s.name == name).unwrap();
        assert_eq!(setting.fate, fate, "{name}");
    }
    let off = made.buttons[2].settings.iter().find(|s| s.name == "enableQueue").unwrap();
    assert_eq!((off.fate, off.place.line), (Fate::Lost, 3));
    let timeout = &made.deployment_settings[0];
    assert_eq!((timeout.name.as_str(), timeout.fate), ("connectionTimeoutDuration", Fate::Carried));
    let table = file(&made, "buttons.md");
    assert!(
        table.contains(
            "| 573000000000003 | Billing Desk | off | Billing | agent answers within 20 s | \
         mappings/acme-billing-desk.toml |"
        ),
        "{table}"
    );
}

#[test]
fn the_to_do_list_has_minutes_and_ticks_what_an_export_shows() {
    let made = of(&fixtures());
    let done = |text: &str| made.todo.iter().find(|s| s.text.contains(text)).unwrap().done;
    assert!(
        done("type Custom Client") && done("routes by Omni-Flow") && done("exactly caseOrigin")
    );
    assert!(!done("Digital Engagement") && !done("is published"));
    assert!(!done("exactly topicOfChat"), "declared, but mapped to no flow variable");
    assert!(!done("loyaltyPoints"), "declared, and nothing feeds it");
    assert!(!done("Set capacity weight"), "chats would count nothing");
    assert!(made.todo.iter().all(|step| step.minutes > 0));
    let open: u32 = made.todo.iter().filter(|s| !s.done).map(|s| s.minutes).sum();
    let todo = file(&made, "todo.md");
    assert!(todo.contains(&format!("about {open} minutes")), "{todo}");
    assert!(todo.contains("PC101: In the Omni-Channel flow: Get Records Contact"), "{todo}");
    assert!(todo.contains("flow variable of caseOrigin"), "the keys of the composed mapping");
    let lines = todo.lines().filter(|line| line.starts_with("- [")).count();
    assert_eq!(lines, made.todo.len());
}
