use super::*;

const LEGACY: &str = "https://d.la1-c1-iad.salesforceliveagent.com";
const MIAW: &str = "https://acme.my.salesforce-scrt.com";

#[track_caller]
fn address(text: &str, api: Api) -> String {
    normalize(text, api).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}")).address
}

#[test]
fn addresses_are_read_as_they_are_pasted() {
    for tail in ["", "/", "/chat", "/chat/", "/chat/rest", "/chat/rest/"] {
        assert_eq!(address(&format!("{LEGACY}{tail}"), Api::Legacy), LEGACY);
    }
    assert_eq!(address("D.la1-c1-iad.salesforceliveagent.com/chat/rest", Api::Legacy), LEGACY);
    for (text, read) in [
        ("https://acme.my.salesforce-scrt.com/", MIAW),
        ("acme.my.salesforce-scrt.com/iamessage/api/v2", MIAW),
        ("http://127.0.0.1:9100", "http://127.0.0.1:9100"),
        ("http://[::1]:9100/x/", "http://[::1]:9100/x"),
        ("http://emulator:9100", "http://emulator:9100"),
    ] {
        assert_eq!(address(text, Api::Miaw), read);
    }
}

/// What was pasted, what the note says is wrong with it, and what it is read as.
#[test]
fn a_correction_says_what_was_wrong() {
    use Api::{Legacy, Miaw};
    for (api, text, why, read) in [
        (Legacy, " https://d.la1-c1-iad.salesforceliveagent.com \n", "spaces around", LEGACY),
        (Legacy, "http://d.la1-c1-iad.salesforceliveagent.com", "begins with http:", LEGACY),
        (Legacy, "d.la1-c1-iad.salesforceliveagent.com", "has no https://", LEGACY),
        (Legacy, "https://d.la1-c1-iad.salesforceliveagent.com:8443", "the port 8443", LEGACY),
        (Legacy, "https://d.la1-c1-iad.salesforceliveagent.com:443", "usual form", LEGACY),
        (
            Legacy,
            "https://d.la1-c1-iad.salesforceliveagent.com/chat/rest/System/SessionId",
            "own path /chat/rest/System/SessionId",
            LEGACY,
        ),
        (
            Legacy,
            "https://d.la1-c1-iad.salesforceliveagent.com/content/g/js/52.0/deployment.js",
            "own path /content",
            LEGACY,
        ),
        (Legacy, "\"https://d.la1-c1-iad.salesforceliveagent.com\",", "quotes or commas", LEGACY),
        (Miaw, "https://https://acme.my.salesforce-scrt.com", "twice", MIAW),
        (Miaw, "//acme.my.salesforce-scrt.com", "has no https://", MIAW),
        (Miaw, "https://acme.my.salesforce-scrt.com/iamessage/v1", "own path /iamessage/v1", MIAW),
        (Miaw, "https://acme.my.salesforce-scrt.com/eventrouter/v1/sse", "own path", MIAW),
        (Miaw, "https://acme.my.salesforce-scrt.com//", "ends with a slash", MIAW),
        (Miaw, "https://ACME.my.salesforce-scrt.com.", "usual form", MIAW),
        (
            Miaw,
            "http://127.0.0.1:9/x/iamessage/api/v2",
            "own path /iamessage/api/v2",
            "http://127.0.0.1:9/x",
        ),
    ] {
        let found = normalize(text, api).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        assert_eq!(found.address, read, "{text}");
        let told = found.corrected.join(", ");
        assert!(told.contains(why), "{text}: {told}");
        assert_eq!(found.odd, None, "{text}");
    }
}

/// What was pasted, what the problem says is wrong with it, and what was probably meant.
#[test]
fn addresses_of_another_kind_are_refused_with_the_right_one() {
    use Api::{Legacy, Miaw};
    let miaw = Some(MIAW);
    for (api, text, why, probably) in [
        (Miaw, "https://acme.lightning.force.com", "a page of the org (Lightning)", miaw),
        (Miaw, "https://acme.my.salesforce.com", "a page of the org (login", miaw),
        (Miaw, "https://acme.my.site.com/ESWWeb1700000000", "(Experience Cloud)", miaw),
        (Miaw, "https://acme.my.salesforce-sites.com/x", "(Salesforce Sites)", miaw),
        (Miaw, "https://acme.my.salesforce-setup.com/lightning/setup", "(Setup)", miaw),
        (
            Miaw,
            "https://acme--uat.sandbox.lightning.force.com/lightning/page",
            "Lightning",
            Some("https://acme--uat.sandbox.my.salesforce-scrt.com"),
        ),
        (Miaw, "https://login.salesforce.com", "a page of the org (login)", None),
        (Miaw, "https://acme--c.vf.force.com", "Visualforce", None),
        (Miaw, "https://acme.force.com/support", "an old site", None),
        (Miaw, "https://d.la1-c1-iad.salesforceliveagent.com", "swapped", None),
        (Miaw, "https://acme.my.salesforcescrt.com", "has a hyphen", miaw),
        (Miaw, "https://acme.my.salesforce-sctr.com", "misspelt `salesforce-scrt.com`", miaw),
        (Miaw, "https://acme.my.saleforce-scrt.com", "misspelt", miaw),
        (Miaw, "https://acme.my.salesforce-scrt.co", "misspelt", miaw),
        (Miaw, "https://salesforce-scrt.com", "lacks the part in front", None),
        (Miaw, "ftp://acme.my.salesforce-scrt.com", "begins with ftp", miaw),
        (Miaw, "htps://acme.my.salesforce-scrt.com", "begins with htps", miaw),
        (Miaw, "https://u:p@acme.my.salesforce-scrt.com", "user name", None),
        (Miaw, "https://acme.my.salesforce-scrt.com/?x=1", "query", miaw),
        (Miaw, "https://acme my.salesforce-scrt.com", "not an address", None),
        (Legacy, "https://acme.my.salesforce-scrt.com", "swapped", None),
        (Legacy, "https://acme.lightning.force.com", "a page of the org (Lightning)", None),
        (Legacy, "https://acme.my.salesforce.com", "a page of the org", None),
        (Legacy, "https://d.la1-c1-iad.salesforceliveagents.com", "misspelt", Some(LEGACY)),
        (Legacy, "https://d.la1-c1-iad.saelsforceliveagent.com", "misspelt", Some(LEGACY)),
        (Legacy, "https://salesforceliveagent.com/chat/rest", "lacks the part in front", None),
    ] {
        let wrong = normalize(text, api).expect_err(text);
        assert!(wrong.message.contains(why), "{text}: {}", wrong.message);
        assert_eq!(wrong.probably.as_deref(), probably, "{text}");
    }
}

/// What looks wrong is used as it is, for lists of regions grow without us.
#[test]
fn unusual_hosts_are_used_and_noted() {
    use Api::{Legacy, Miaw};
    let legacy = Some(LEGACY);
    for (api, text, why, perhaps) in [
        (Legacy, "https://d.la1-c1-ida.salesforceliveagent.com", "`ida`, a region", legacy),
        (Legacy, "https://d.lal-cl-iad.salesforceliveagent.com", "look alike", legacy),
        (Legacy, "https://d.la1_c1-iad.salesforceliveagent.com", "look alike", legacy),
        (Legacy, "https://la1-c1-iad.salesforceliveagent.com", "lacks `d.`", legacy),
        (Legacy, "https://c.la1-c1-iad.salesforceliveagent.com", "begins with `c.`", legacy),
        (Legacy, "https://d.la1-c1-zzz.salesforceliveagent.com", "`zzz`, a region", None),
        (Miaw, "https://acme.salesforce-scrt.com", "lacks `.my`", Some(MIAW)),
        (
            Miaw,
            "https://acme--uat.my.salesforce-scrt.com",
            "names a sandbox",
            Some("https://acme--uat.sandbox.my.salesforce-scrt.com"),
        ),
        (
            Miaw,
            "https://acme--uat.sandobx.my.salesforce-scrt.com",
            "no kind of org",
            Some("https://acme--uat.sandbox.my.salesforce-scrt.com"),
        ),
        (
            Miaw,
            "http://chat-proxy.acme.example:81",
            "not encrypted",
            Some("https://chat-proxy.acme.example:81"),
        ),
    ] {
        let found = normalize(text, api).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        assert_eq!(found.address, text);
        let (message, probably) = found.odd.unwrap_or_else(|| panic!("{text}"));
        assert!(message.contains(why), "{text}: {message}");
        assert_eq!(probably.as_deref(), perhaps, "{text}");
    }
}

#[test]
fn hosts_that_exist_in_the_wild_are_fine() {
    for (api, host) in [
        (Api::Legacy, "d.la4-c2-ph2.salesforceliveagent.com"),
        (Api::Legacy, "d.la1-core1.sfdc-8tgtt5.salesforceliveagent.com"),
        (Api::Legacy, "acme.la1-c1-iad.salesforceliveagent.com"),
        (Api::Legacy, "acme.my.salesforcescrt.com"),
        (Api::Legacy, "acme-chat.lightning.force.com"),
        (Api::Legacy, "chat-proxy.acme.example"),
        (Api::Miaw, "acme--uat.sandbox.my.salesforce-scrt.com"),
        (Api::Miaw, "acme-dev-ed.develop.my.salesforce-scrt.com"),
        (Api::Miaw, "scrt.example.test"),
    ] {
        let text = format!("https://{host}");
        let fine = Read { address: text.clone(), ..Read::default() };
        assert_eq!(normalize(&text, api), Ok(fine), "{host}");
    }
}
