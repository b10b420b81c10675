//! Composes the tenant file and the small file that names it.
//!
//! Promised: with nothing missing, `check` accepts them as they are. What is missing stands in the
//! tenant file as a comment that says where to find it.

use std::fmt::Write as _;

use serde::Serialize;

use super::buttons::Button;
use super::fact::{Facts, Slot};
use super::mapping_file::quote;
use super::org::Org;
use super::settings;

/// A key that the tenant needs and no file gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// `miaw.base_url`
    pub key: String,
    /// Where it is found.
    pub source: String,
}

type Row = (&'static str, Slot, &'static str);

const LEGACY: [Row; 3] = [
    ("live_agent_base_url", Slot::LiveAgentBaseUrl, "Setup, Chat Settings: Chat API Endpoint"),
    ("organization_id", Slot::OrganizationId, "Setup, Company Information"),
    ("deployment_id", Slot::DeploymentId, "Setup, Chat Deployments: the deployment code"),
];
const MIAW: [Row; 3] = [
    ("base_url", Slot::BaseUrl, "Embedded Service deployment, Code Snippet: Url"),
    ("organization_id", Slot::OrganizationId, "the same snippet: OrganizationId"),
    (
        "embedded_service_developer_name",
        Slot::DeveloperName,
        "Embedded Service deployment, Code Snippet: DeveloperName",
    ),
];

/// What the tenant still needs.
pub(super) fn missing(org: &Org) -> Vec<Missing> {
    let legacy = LEGACY.iter().map(|row| ("legacy", row)).filter(|_| org.has_legacy());
    let all = legacy.chain(MIAW.iter().map(|row| ("miaw", row)));
    let absent = all.filter(|(_, (_, slot, _))| org.get(*slot).is_none());
    let each = absent.map(|(section, (key, _, source))| Missing {
        key: format!("{section}.{key}"),
        source: (*source).to_owned(),
    });
    each.collect()
}

/// The tenant's file.
pub(super) fn compose(
    tenant: &str,
    org: &Org,
    buttons: &[Button],
    facts: &Facts,
    mappings: &[String],
) -> String {
    let mut out = format!("# Tenant {tenant}, made from exports.\nid = {}\n", quote(tenant));
    // Writing to a String cannot fail, here and below.
    let paths: Vec<String> = mappings.iter().map(|path| quote(&format!("../{path}"))).collect();
    match paths.as_slice() {
        [] => {}
        [only] => {
            let _ = writeln!(out, "mapping = {only}");
        }
        several => {
            let _ = writeln!(out, "mapping = [\n  {},\n]", several.join(",\n  "));
        }
    }
    if org.has_legacy() {
        section(&mut out, "legacy", &LEGACY, org);
        optional(&mut out, "api_version", Slot::ApiVersion, org);
        let ids: Vec<&str> = buttons.iter().filter_map(|b| b.id.as_deref()).collect();
        match ids.as_slice() {
            [] => {}
            [only] => {
                let _ = writeln!(out, "button_id = {}", quote(only));
            }
            several => {
                let _ = writeln!(out, "# button_id: {} buttons, see buttons.md", several.len());
            }
        }
    }
    section(&mut out, "miaw", &MIAW, org);
    optional(&mut out, "capabilities_version", Slot::CapabilitiesVersion, org);
    if let Some(seconds) = connection_timeout(facts) {
        let _ = writeln!(out, "\n[behaviour]\nconnection_timeout = \"{seconds}s\"");
    }
    out
}

/// The time-out of the only deployment there is metadata of.
fn connection_timeout(facts: &Facts) -> Option<u32> {
    match facts.deployment_components.as_slice() {
        [only] => settings::connection_timeout(only),
        _ => None,
    }
}

fn section(out: &mut String, name: &str, rows: &[Row], org: &Org) {
    let _ = writeln!(out, "\n[{name}]");
    for (key, slot, source) in rows {
        let _ = match org.get(*slot) {
            Some(found) => {
                let place = found.place.to_string().replace(char::is_control, " ");
                writeln!(out, "{key} = {} # {place}", quote(&found.value))
            }
            None => writeln!(out, "# {key} = \"…\" is missing. {source}"),
        };
    }
}

fn optional(out: &mut String, key: &str, slot: Slot, org: &Org) {
    if let Some(text) = org.text(slot) {
        let _ = writeln!(out, "{key} = {}", quote(text));
    }
}

/// The main file beside it.
pub(super) fn main_file() -> &'static str {
    "# Start here:  liveagent-bridge check --config bridge.toml\n\
     listen = { env = \"PORT\", default = \"8080\" }\n\
     tenants = \"tenants/*.toml\"\n\n\
     [store]\n\
     path = \"bridge.sqlite\"\n"
}
