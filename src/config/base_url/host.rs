//! What a host name tells about the address it is part of.
//!
//! Promised: pure and by name only; a host that is nobody's known one is taken for the operator's
//! own (a proxy, an emulator). What is certainly another service's is `Wrong`; what only looks
//! unusual is `Odd`, for lists of regions and forms grow without us.

use super::Api;
use crate::mapping::did_you_mean;

const LIVE_AGENT: &str = "salesforceliveagent.com";
/// The legacy API under My Domain; no hyphen.
const LEGACY_SCRT: &str = "salesforcescrt.com";
/// MIAW; with a hyphen.
const SCRT: &str = "salesforce-scrt.com";

/// Pages of an org, and what they are.
const PAGES: [(&str, &str); 10] = [
    (".lightning.force.com", "Lightning"),
    (".my.salesforce.com", "login and REST API"),
    (".my.salesforce-setup.com", "Setup"),
    (".my.site.com", "Experience Cloud"),
    (".my.salesforce-sites.com", "Salesforce Sites"),
    (".visualforce.com", "Visualforce"),
    (".vf.force.com", "Visualforce"),
    (".force.com", "an old site"),
    (".salesforce.com", "login"),
    (".documentforce.com", "files"),
];
/// Kinds of orgs that are part of a My Domain host, as in `acme--uat.sandbox.my.….com`.
const KINDS: [&str; 7] = ["sandbox", "develop", "scratch", "trailblaze", "demo", "patch", "free"];
/// Data centres seen at the end of `la1-c1-iad`.
const REGIONS: [&str; 20] = [
    "iad", "ia2", "ia4", "ia5", "ord", "dfw", "phx", "ph2", "chi", "was", "par", "fra", "frf",
    "cdg", "lo2", "lo3", "hnd", "ukb", "syd", "yul",
];

/// What the name tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// Usable, but hardly meant; the host that perhaps was.
    Odd {
        what: String,
        probably: Option<String>,
    },
    /// Of no use; the host that was probably meant.
    Wrong {
        what: String,
        probably: Option<String>,
    },
}

/// Whether Salesforce runs this host.
pub(crate) fn is_salesforce(host: &str) -> bool {
    [LIVE_AGENT, LEGACY_SCRT, SCRT].iter().any(|domain| under(host, domain).is_some())
        || PAGES.iter().any(|(suffix, _)| host.ends_with(suffix))
}

/// Looks at a lower-case host name.
pub(super) fn look(host: &str, api: Api) -> Verdict {
    match api {
        Api::Legacy => legacy(host),
        Api::Miaw => miaw(host),
    }
}

fn wrong(what: impl Into<String>, probably: Option<String>) -> Verdict {
    Verdict::Wrong { what: what.into(), probably }
}

fn odd(what: impl Into<String>, probably: Option<String>) -> Verdict {
    Verdict::Odd { what: what.into(), probably }
}

/// What stands before a domain, without the dot.
fn under<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    host.strip_suffix(domain)?.strip_suffix('.')
}

fn legacy(host: &str) -> Verdict {
    if under(host, SCRT).is_some() {
        let what = "is the address of MIAW, not of Live Agent: it belongs into `[tenant.miaw] \
                    base_url`; are the two swapped?";
        return wrong(what, None);
    }
    // Legacy has hosts of this form, too.
    if host.ends_with("-chat.lightning.force.com") || under(host, LEGACY_SCRT).is_some() {
        return Verdict::Fine;
    }
    if let Some((kind, _)) = page(host) {
        let what = format!("is a page of the org ({kind}), not the address of the Chat REST API");
        return wrong(what, None);
    }
    match under(host, LIVE_AGENT) {
        Some(pod) => match pod_meant(pod) {
            Some((what, meant)) => odd(what, meant.map(|pod| format!("{pod}.{LIVE_AGENT}"))),
            None => Verdict::Fine,
        },
        None if host == LIVE_AGENT => {
            let what = "lacks the part in front, which names where the org's chats live";
            wrong(what, None)
        }
        None => misspelt(host, &[LIVE_AGENT, LEGACY_SCRT, SCRT]),
    }
}

fn miaw(host: &str) -> Verdict {
    if under(host, LIVE_AGENT).is_some() {
        let what = "is the address of Live Agent, not of MIAW: it belongs into `[tenant.legacy] \
                    live_agent_base_url`; are the two swapped?";
        return wrong(what, None);
    }
    if let Some(org) = under(host, LEGACY_SCRT) {
        let what = "is the address of Live Agent under My Domain; MIAW's has a hyphen";
        return wrong(what, Some(format!("{org}.{SCRT}")));
    }
    if let Some((kind, org)) = page(host) {
        let what = format!("is a page of the org ({kind}), not the address of MIAW");
        return wrong(what, org.map(|org| format!("{org}.my.{SCRT}")));
    }
    let Some(org) = under(host, SCRT) else {
        if host == SCRT {
            return wrong("lacks the part in front, which is the org's My Domain", None);
        }
        return misspelt(host, &[SCRT, LIVE_AGENT]);
    };
    let Some(org) = org.strip_suffix(".my") else {
        let what = "lacks `.my` before the domain, which every org's host has";
        return odd(what, Some(format!("{org}.my.{SCRT}")));
    };
    match org.split_once('.') {
        None if org.contains("--") => {
            let what = "names a sandbox (`--`), whose host has `.sandbox` before `.my`";
            odd(what, Some(format!("{org}.sandbox.my.{SCRT}")))
        }
        Some((org, kind)) if !KINDS.contains(&kind) => {
            let meant = did_you_mean(kind, &KINDS);
            let what = format!("has `.{kind}` before `.my`, which is no kind of org known here");
            odd(what, meant.map(|kind| format!("{org}.{kind}.my.{SCRT}")))
        }
        _ => Verdict::Fine,
    }
}

/// What page of an org a host serves, and the org's My Domain where the name has it.
fn page(host: &str) -> Option<(&'static str, Option<&str>)> {
    let (suffix, kind) =
        PAGES.iter().find(|(suffix, _)| host.ends_with(suffix) || host == &suffix[1..])?;
    let org =
        host.strip_suffix(suffix).filter(|_| suffix.starts_with(".my.") || *kind == "Lightning");
    let plain = |org: &&str| match org.split_once('.') {
        None => !matches!(*org, "login" | "test" | "www"),
        Some((_, kind)) => KINDS.contains(&kind),
    };
    Some((kind, org.filter(plain)))
}

/// A domain that is nearly one of Salesforce's.
fn misspelt(host: &str, domains: &[&'static str]) -> Verdict {
    let mut labels = host.rsplit('.');
    let (Some(last), Some(name)) = (labels.next(), labels.next()) else { return Verdict::Fine };
    let own = format!("{name}.{last}");
    let Some(meant) = did_you_mean(&own, domains) else { return Verdict::Fine };
    let what = format!("ends with `{own}`, which is probably a misspelt `{meant}`");
    let rest: Vec<&str> = labels.rev().collect();
    let probably = (!rest.is_empty()).then(|| format!("{}.{meant}", rest.join(".")));
    // A host that is right but for its kind is told about next time.
    wrong(what, probably)
}

/// What is unusual about the part before `salesforceliveagent.com`, and what was perhaps meant.
fn pod_meant(pod: &str) -> Option<(String, Option<String>)> {
    let (service, place) = match pod.split_once('.') {
        Some((service, place)) => (service, place),
        None if pod.starts_with("la") => {
            let what = "lacks `d.` in front, which the Chat API endpoint has";
            return Some((what.to_owned(), Some(format!("d.{pod}"))));
        }
        None => return None,
    };
    if service == "c" {
        let what = "begins with `c.`, which serves the deployment's script; the API's begins with \
                    `d.`";
        return Some((what.to_owned(), Some(format!("d.{place}"))));
    }
    let (head, region) = place.rsplit_once('-')?;
    let digits = head.replace(['l', 'i'], "1").replace('o', "0").replace('_', "-");
    // `la1` begins with a letter that looks like its own digit.
    let head_meant = digits.strip_prefix("1a").map(|rest| format!("la{rest}"))?;
    let is_form = |text: &str| {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let parts = text.strip_prefix("la").and_then(|rest| rest.split_once("-c"));
        parts.is_some_and(|(a, b)| number(a) && number(b))
    };
    if !is_form(&head_meant) {
        return None;
    }
    let region_meant = match REGIONS.contains(&region) {
        true => Some(region),
        false => did_you_mean(region, &REGIONS),
    };
    if head != head_meant {
        let what = format!("has `{head}` where a letter and a digit look alike");
        let region = region_meant.unwrap_or(region);
        return Some((what, Some(format!("{service}.{head_meant}-{region}"))));
    }
    if REGIONS.contains(&region) {
        return None;
    }
    let what = format!("ends in `{region}`, a region that this check does not know");
    Some((what, region_meant.map(|region| format!("{service}.{head}-{region}"))))
}
