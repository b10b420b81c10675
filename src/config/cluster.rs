//! `[cluster]`: this bridge is one of several nodes over one database.

use std::net::SocketAddr;

use super::section::Section;
use super::values;

/// What a node tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The private listener, for other nodes alone.
    pub listen: SocketAddr,
    /// Where other nodes reach it, host and port.
    pub address: String,
    /// What people call this node.
    pub name: String,
}

const LISTEN: &str = "an address and port that other nodes reach, e.g. \"10.0.0.5:8090\"";
const ADDRESS: &str = "host and port, e.g. \"10.0.0.5:8090\" or { env = \"NODE_ADDRESS\" }";
const NAME: &str = "up to 64 letters, digits, dots, dashes, colons";
/// The longest name of a node.
const NAME_MAX: usize = 64;

pub(super) fn read(section: Section<'_>) -> Option<ClusterConfig> {
    let listen = section.optional("listen", LISTEN, values::listen);
    section.missing_unless_told("listen", LISTEN);
    let address = section.optional("address", ADDRESS, address);
    let name = section.optional("name", NAME, name);
    let anywhere = listen.filter(|listen| listen.ip().is_unspecified());
    if let (Some(listen), None) = (anywhere, &address) {
        let message = format!("`{listen}` is every address of this machine, so others need one");
        let problem = section.at_key("listen").says(message).expected(ADDRESS);
        section.cx.found.problem(problem.help("add `address = …` to this section"));
    }
    section.finish();
    let listen = listen?;
    let address = address.unwrap_or_else(|| listen.to_string());
    let name = name.unwrap_or_else(|| address.clone());
    Some(ClusterConfig { listen, address, name })
}

fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let authority = text.parse::<http::uri::Authority>().ok();
    let whole = authority.filter(|a| a.port_u16().is_some_and(|port| port > 0));
    match whole.filter(|authority| !authority.as_str().contains('@')) {
        Some(authority) => Ok(authority.to_string()),
        None => Err(format!("`{text}` is not a host with a port")),
    }
}

fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    match !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` cannot be the name of a node")),
    }
}
