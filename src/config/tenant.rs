//! `[[tenant]]`: one customer's org, its plan and its behavior.
//!
//! Promised: a loaded tenant can always start a chat on MIAW; `legacy` is there whenever the plan
//! can send a chat to legacy.

use super::availability::{self, AvailabilityConfig};
use super::base_url::{self, Api};
use super::behaviour::Behaviour;
use super::capture::{self, CaptureConfig};
use super::identity::{self, Identity};
use super::mapping::{self, MappingFile};
use super::plan;
use super::section::{Section, Text};
use super::shadow::ShadowConfig;
use super::source::{At, nearest};
use super::values;
use crate::router::plan::{ButtonPlan, Plan};

/// The longest tenant id, in characters: what a DNS label may have.
const LONGEST_ID: usize = 63;
const DEFAULT_API_VERSION: &str = "52";
const DEFAULT_CAPABILITIES_VERSION: &str = "1";
const EXPECTED_ID: &str = "1 to 63 of a-z, 0-9, `-` and `_`, e.g. \"acme\"";
const EXPECTED_HOST: &str = "a host name alone, e.g. \"chat.acme.example\"";
const EXPECTED_NAME: &str = "the DeveloperName of the code snippet, e.g. \"Web_Support\"";

/// One customer's org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Lower-case letters, digits, `-` and `_`: the name in `/t/{id}`, logs and metrics.
    pub id: String,
    /// The `Host` names that mean this tenant, lower case, without port.
    pub hosts: Vec<String>,
    /// The mapping files; without one the built-in rules hold.
    pub mapping: Option<MappingFile>,
    /// The legacy provider page; `None` once it is of no use.
    pub legacy: Option<Legacy>,
    /// The MIAW provider page.
    pub miaw: Miaw,
    /// The move from one to the other.
    pub plan: Plan,
    /// How its chats behave.
    pub behaviour: Behaviour,
    /// What is answered about availability once its chats go to MIAW.
    pub availability: AvailabilityConfig,
    /// Where redacted traffic is written; `None` unless the tenant opted in.
    pub capture: Option<CaptureConfig>,
    /// Where the counts of shadowed chats are written.
    pub shadow: ShadowConfig,
}

/// The fields of the legacy provider page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// Scheme, host and perhaps a port and a prefix: without `/chat/rest` and final slash.
    pub live_agent_base_url: String,
    /// The value of `X-LIVEAGENT-API-VERSION`.
    pub api_version: String,
    /// 15 or 18 characters, as written.
    pub organization_id: String,
    /// 15 or 18 characters, as written.
    pub deployment_id: String,
    /// 15 or 18 characters, as written; absent when every client names its own.
    pub button_id: Option<String>,
}

/// The fields of the MIAW provider page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miaw {
    /// Scheme, host and perhaps a port, without path and final slash.
    pub base_url: String,
    /// The 15-character form, which is what Salesforce compares.
    pub organization_id: String,
    /// The `DeveloperName` of the Embedded Service deployment.
    pub embedded_service_developer_name: String,
    /// Documented value: `1`.
    pub capabilities_version: String,
    /// What signs identity tokens, where the channel verifies its users.
    pub identity: Option<Identity>,
    /// Label of the pre-chat detail that holds an identity token of the customer's own.
    pub identity_detail: Option<String>,
    /// A verified user's chat for which Salesforce makes a guest's token is refused, else logged.
    pub refuse_anonymous: bool,
}

/// Where a tenant's values were written, for what is checked between tenants.
pub(super) struct Origin {
    pub(super) id: At,
    pub(super) hosts: Vec<At>,
    pub(super) plan: At,
}

/// Reads one tenant; `None` when it lacks what a tenant cannot be without.
pub(super) fn read(section: Section<'_>) -> Option<(Tenant, Origin)> {
    let found = section.cx.found;
    let (values, path) = (found.values(), section.path().to_owned());
    let id = section.required("id", EXPECTED_ID).and_then(|text| tenant_id(&section, text));
    let hosts = section.texts("hosts").unwrap_or_default();
    let hosts: Vec<Text> = hosts.into_iter().filter_map(|text| host(&section, text)).collect();
    let mapping = section.one_or_more("mapping").unwrap_or_default();
    let legacy_section = section.section("legacy");
    let has_legacy = legacy_section.is_some();
    let legacy = legacy_section.map(legacy);
    let miaw = section.section("miaw").map(miaw);
    let plan_at = section.at_key("plan");
    let plan = match section.section("plan") {
        Some(plan) => plan::read(plan, has_legacy),
        None => Plan { has_legacy, ..Plan::default() },
    };
    let behaviour = section.section("behaviour").map(Behaviour::read).unwrap_or_default();
    let availability = section.section("availability").map(availability::read).unwrap_or_default();
    let capture = section.section("capture").map(capture::read);
    let shadow = section.section("shadow").map(ShadowConfig::read).unwrap_or_default();
    if miaw.is_none() {
        let from = if has_legacy { plan.last_call().to_string() } else { "now".to_owned() };
        let problem = section
            .at_key("miaw")
            .says(format!("section `miaw` is missing, but from {from} on new chats go to MIAW"));
        found.problem(
            problem.expected("base_url, organization_id, embedded_service_developer_name"),
        );
    }
    let mapping = mapping::read(section.cx, &mapping);
    if let Some(file) = &mapping {
        let unmapped = |own: &&ButtonPlan| file.mapping.for_button(&own.button).is_none();
        for own in plan.buttons.iter().filter(|own| moves(own)).filter(unmapped) {
            let message = format!("button `{}` moves, but the mapping is not for it", own.button);
            let expected = "the button in `[match] buttons` of a mapping file";
            found.problem(plan_at.says(message).expected(expected));
        }
    }
    section.finish();
    let (id, id_at) = id?;
    found.wrote_tenant(&id, &path, values);
    let (hosts, host_places) = hosts.into_iter().map(|text| (text.value, text.at)).unzip();
    // A legacy section with problems is no reason to say more about this tenant.
    let legacy = legacy.flatten();
    let miaw = miaw??;
    let tenant =
        Tenant { id, hosts, mapping, legacy, miaw, plan, behaviour, availability, capture, shadow };
    Some((tenant, Origin { id: id_at, hosts: host_places, plan: plan_at }))
}

/// Whether some chats of this button go to MIAW by its own steps.
fn moves(own: &ButtonPlan) -> bool {
    own.steps.iter().any(|step| step.stage.share() > 0)
}

fn tenant_id(section: &Section<'_>, text: Text) -> Option<(String, At)> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if text.value.is_empty() || text.value.len() > LONGEST_ID || !text.value.bytes().all(fits) {
        let problem = text.at.says(format!("`{}` is not a tenant id", text.value));
        section.cx.found.problem(problem.expected(EXPECTED_ID));
        return None;
    }
    Some((text.value, text.at))
}

fn host(section: &Section<'_>, mut text: Text) -> Option<Text> {
    let name = text.value.trim().trim_end_matches('.').to_ascii_lowercase();
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if name.is_empty() || !name.bytes().all(fits) {
        let mut problem = text.at.says(format!("`{}` is not a host name", text.value));
        let inner =
            url::Url::parse(&name).ok().or_else(|| url::Url::parse(&format!("x://{name}")).ok());
        if let Some(host) = inner.as_ref().and_then(url::Url::host_str) {
            problem = problem.help(format!("write \"{host}\""));
        }
        section.cx.found.problem(problem.expected(EXPECTED_HOST));
        return None;
    }
    text.value = name;
    Some(text)
}

fn legacy(section: Section<'_>) -> Option<Legacy> {
    let expected = "the Live Agent Base URL of the provider page";
    let base_url = section.required("live_agent_base_url", expected);
    let base_url = base_url.and_then(|text| base_url::read(section.cx, &text, Api::Legacy));
    let api_version = version(&section, "api_version", DEFAULT_API_VERSION);
    let organization_id = id(&section, "organization_id", "00D", true);
    let deployment_id = id(&section, "deployment_id", "572", true);
    let button_id = id(&section, "button_id", "573", false);
    section.finish();
    Some(Legacy {
        live_agent_base_url: base_url?,
        api_version: api_version?,
        organization_id: organization_id?,
        deployment_id: deployment_id?,
        button_id,
    })
}

fn miaw(section: Section<'_>) -> Option<Miaw> {
    let expected = "the Base URL of the provider page";
    let base_url = section.required("base_url", expected);
    let base_url = base_url.and_then(|text| base_url::read(section.cx, &text, Api::Miaw));
    let organization_id = id(&section, "organization_id", "00D", true);
    let name = section.required("embedded_service_developer_name", EXPECTED_NAME);
    let name = name.and_then(|text| developer_name(&section, text));
    let capabilities_version =
        version(&section, "capabilities_version", DEFAULT_CAPABILITIES_VERSION);
    let identity = section.section("identity").and_then(identity::read);
    let identity_detail = section.text("identity_detail").map(|text| text.value);
    let expected = "\"refuse\" or \"flag\"";
    let refuse_anonymous = section.read("anonymous", true, expected, |text| match text {
        "refuse" => Ok(true),
        "flag" => Ok(false),
        _ => Err(format!("`{text}` is not what may become of such a chat")),
    });
    section.finish();
    Some(Miaw {
        base_url: base_url?,
        organization_id: values::id15(&organization_id?).to_owned(),
        embedded_service_developer_name: name?,
        capabilities_version: capabilities_version?,
        identity,
        identity_detail,
        refuse_anonymous,
    })
}

fn version(section: &Section<'_>, key: &'static str, fallback: &str) -> Option<String> {
    let Some(text) = section.scalar(key) else { return Some(fallback.to_owned()) };
    let digits = text.value.strip_suffix(".0").unwrap_or(&text.value);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let problem = text.at.says(format!("`{}` is not a version", text.value));
        section.cx.found.problem(problem.expected(format!("a number, e.g. \"{fallback}\"")));
        return None;
    }
    Some(digits.to_owned())
}

fn id(section: &Section<'_>, key: &'static str, prefix: &str, must: bool) -> Option<String> {
    let expected = format!("15 or 18 characters that begin with {prefix}");
    let text = if must { section.required(key, &expected) } else { section.text(key) }?;
    match values::salesforce_id(&text.value, prefix) {
        Ok(()) => Some(text.value),
        Err(message) => {
            let mut problem = text.at.says(message).code("CF002").expected(expected);
            let kinds = [("00D", "organization"), ("572", "deployment"), ("573", "button")];
            let head = text.value.get(..3).unwrap_or_default();
            if let Some((_, kind)) = kinds.iter().find(|(p, _)| *p == head && head != prefix) {
                problem = problem.help(format!("{head} begins the id of a {kind}: swapped?"));
            }
            section.cx.found.problem(problem);
            None
        }
    }
}

fn developer_name(section: &Section<'_>, text: Text) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts = text.value.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts && text.value.bytes().all(fits) {
        return Some(text.value);
    }
    let mut problem = text.at.says(format!("`{}` is not a developer name", text.value));
    let guess = text.value.trim().replace([' ', '-'], "_");
    if nearest(&guess, [text.value.as_str()].into_iter()).is_some() {
        problem = problem.help(format!("did you copy the label? The name may be `{guess}`"));
    }
    section.cx.found.problem(problem.expected(EXPECTED_NAME));
    None
}
