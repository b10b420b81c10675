//! `[egress]`: how Salesforce is reached.
//!
//! Promised: what was read can be used: every authority was decoded, every name without proxy is a
//! name, an address or a range.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::secrets::Secret;
use super::section::Section;
use super::values::{self, SWITCH};

const EXPECTED_PROXY: &str = "e.g. \"http://proxy.acme.example:3128\"";
const EXPECTED_CA: &str = "a PEM file with at least one certificate";
const EXPECTED_NAME: &str =
    "a host name, a domain (\".acme.example\"), an address or a range (\"10.0.0.0/8\")";

/// How Salesforce is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// An HTTP proxy for everything that goes out; may carry a password.
    pub proxy: Option<Secret>,
    /// Names, domains, addresses and ranges that are reached without the proxy.
    pub no_proxy: Vec<String>,
    /// A PEM file of certificate authorities that are trusted besides the built-in ones.
    pub extra_ca_file: Option<PathBuf>,
    /// Whether Salesforce's names may lead to private addresses.
    pub private_addresses: bool,
}

/// Reads the section, and the file of authorities to see whether it is one.
pub(super) fn read(section: Section<'_>) -> Egress {
    let found = section.cx.found;
    let proxy = section.secret("proxy").and_then(|(secret, at)| match proxy(secret.reveal()) {
        Ok(()) => Some(secret),
        Err(message) => {
            found.problem(at.says(message).expected(EXPECTED_PROXY));
            None
        }
    });
    let no_proxy = section.texts("no_proxy").unwrap_or_default();
    let no_proxy = no_proxy.into_iter().filter_map(|text| match name(&text.value) {
        Some(name) => Some(name),
        None => {
            let message = format!("`{}` is not a name or an address", text.value);
            found.problem(text.at.says(message).expected(EXPECTED_NAME));
            None
        }
    });
    let no_proxy: Vec<String> = no_proxy.collect();
    if !no_proxy.is_empty() && proxy.is_none() {
        found.note(section.at_key("no_proxy").says("has no effect without `proxy`"));
    }
    let extra_ca_file = section.text("extra_ca_file").and_then(|text| {
        let path = section.cx.source.folder().join(&text.value);
        match authorities(&path) {
            Ok(pem) => {
                section.wrote_file("extra_ca_file", &pem);
                Some(path)
            }
            Err(message) => {
                found.problem(text.at.says(message).expected(EXPECTED_CA));
                None
            }
        }
    });
    let private_addresses = section.read("private_addresses", false, SWITCH, values::switch);
    section.finish();
    Egress { proxy, no_proxy, extra_ca_file, private_addresses }
}

/// What is wrong with the address of a proxy; without the address, which may hold a password.
fn proxy(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| format!("is not an address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("does not begin with http:// or https://".to_owned());
    }
    if !url.has_host() {
        return Err("names no host".to_owned());
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(
            "has a path, a query or a fragment, which the address of a proxy has not".into()
        );
    }
    Ok(())
}

/// One entry of `no_proxy`.
fn name(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let range = text.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    });
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let host = !text.trim_matches('.').is_empty() && text.bytes().all(fits);
    (range || host || text.parse::<IpAddr>().is_ok()).then_some(text)
}

/// A file, when every certificate of it can be an authority.
fn authorities(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    let mut count = 0;
    for (at, one) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let number = at + 1;
        let one = one.map_err(|_| format!("certificate {number} in `{shown}` is not whole"))?;
        let added = RootCertStore::empty().add(one);
        added.map_err(|_| format!("certificate {number} in `{shown}` cannot be read"))?;
        count = number;
    }
    if count == 0 { Err(format!("`{shown}` holds no certificate")) } else { Ok(pem) }
}
