//! The two base addresses, as people paste them.
//!
//! Promised: a loaded address is scheme, host, perhaps a port and a prefix, without a final slash
//! and without the API's own path; every correction is a CF001 note that says what was wrong.
//! Addresses of the wrong kind (a page of the org, the other API, a misspelt domain) are problems
//! that name the address that was probably meant. Nothing is looked up: `check --live` does that.

mod host;

use url::{Host, Url};

use super::section::Cx;
use super::section::Text;
use host::Verdict;

pub(crate) use host::is_salesforce;

/// The finding code of a corrected or wrong base address.
const CF001: &str = "CF001";
/// More corrections of one kind than anybody needs.
const SCHEMES_MAX: usize = 3;

/// Which API an address is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Legacy,
    Miaw,
}

impl Api {
    fn expected(self) -> &'static str {
        match self {
            Self::Legacy => {
                "the Chat API endpoint, e.g. \"https://d.la1-c1-iad.salesforceliveagent.com\""
            }
            Self::Miaw => {
                "the Url of the code snippet, e.g. \"https://acme.my.salesforce-scrt.com\""
            }
        }
    }

    /// Where the right value stands.
    const fn found_at(self) -> &'static str {
        match self {
            Self::Legacy => "Setup, Chat Settings, has it as Chat API Endpoint",
            Self::Miaw => {
                "the code snippet of the Embedded Service deployment has it as `Url` (`scrt2URL` \
                 in a Web deployment's snippet)"
            }
        }
    }

    /// How the paths begin that belong to the API and not to its address.
    const fn own_paths(self) -> &'static [&'static str] {
        match self {
            Self::Legacy => &["/chat", "/rest", "/content"],
            Self::Miaw => &["/iamessage", "/eventrouter", "/embeddedservice"],
        }
    }
}

/// An address that can be used.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    address: String,
    /// What was corrected.
    corrected: Vec<String>,
    /// What looks wrong and was left as it is, and the address that was perhaps meant.
    odd: Option<(String, Option<String>)>,
}

/// An address that cannot be used.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    message: String,
    probably: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), probably: None }
    }
}

/// The address in its one form.
pub(super) fn read(cx: Cx<'_>, text: &Text, api: Api) -> Option<String> {
    match normalize(&text.value, api) {
        Ok(read) => {
            if !read.corrected.is_empty() {
                let why = read.corrected.join(", ");
                let message = format!("`{}` {why}; it is read as `{}`", text.value, read.address);
                cx.found.note(text.at.says(message).code(CF001).help("write it like that"));
            }
            if let Some((message, probably)) = read.odd {
                let note = text.at.says(message).code(CF001).expected(api.expected());
                cx.found.note(note.help(help(probably.as_deref(), api)));
            }
            Some(read.address)
        }
        Err(wrong) => {
            let problem = text.at.says(wrong.message).code(CF001).expected(api.expected());
            cx.found.problem(problem.help(help(wrong.probably.as_deref(), api)));
            None
        }
    }
}

fn help(probably: Option<&str>, api: Api) -> String {
    match probably {
        Some(address) => format!("probably \"{address}\"; {}", api.found_at()),
        None => api.found_at().to_owned(),
    }
}

/// Corrects what can be corrected.
fn normalize(pasted: &str, api: Api) -> Result<Read, Wrong> {
    let mut read = Read::default();
    let text = bare(pasted, &mut read.corrected);
    let url = Url::parse(&text)
        .map_err(|error| Wrong::new(format!("`{}` is not an address: {error}", pasted.trim())))?;
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("`{text}` begins with {}:, not with https:", url.scheme());
        let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
        let probably = normalize(&format!("https://{rest}"), api).ok().map(|read| read.address);
        return Err(Wrong { message, probably });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("carries a user name or password"));
    }
    let name = url.host_str().unwrap_or_default().trim_end_matches('.').to_owned();
    let path = prefix(&url, api, &mut read.corrected);
    if url.query().is_some() || url.fragment().is_some() {
        let message = "carries a query or fragment, as a copied link does";
        let probably = normalize(&format!("{}://{name}{path}", url.scheme()), api);
        let probably = probably.ok().map(|read| read.address);
        return Err(Wrong { message: message.to_owned(), probably });
    }
    match host::look(&name, api) {
        Verdict::Wrong { what, probably } => {
            let message = format!("`{}` {what}", pasted.trim());
            let probably = probably.map(|host| format!("https://{host}"));
            return Err(Wrong { message, probably });
        }
        Verdict::Odd { what, probably } => {
            let probably = probably.map(|host| format!("https://{host}"));
            read.odd = Some((format!("`{name}` {what}"), probably));
        }
        Verdict::Fine => {}
    }
    let (scheme, port) = way(&url, &name, &mut read);
    read.address = format!("{scheme}://{name}{port}{path}");
    if read.corrected.is_empty() && read.address != pasted {
        let why = match pasted.ends_with('/') {
            true => "ends with a slash",
            false => "is not in its usual form",
        };
        read.corrected.push(why.to_owned());
    }
    Ok(read)
}

/// Without what comes along when an address is copied.
fn bare(pasted: &str, corrected: &mut Vec<String>) -> String {
    let text = pasted.trim();
    if text != pasted {
        corrected.push("has spaces around it".to_owned());
    }
    let around = |c: char| matches!(c, '"' | '\'' | '<' | '>' | ',' | ';' | '`');
    let mut text = text.trim_matches(around);
    if text != pasted.trim() {
        corrected.push("has quotes or commas around it".to_owned());
    }
    for _ in 0..SCHEMES_MAX {
        let inner = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some(inner) = inner.filter(|inner| inner.starts_with("http")) else { break };
        if !inner.contains("://") {
            break;
        }
        text = inner;
        corrected.push("begins with https:// twice".to_owned());
    }
    if text.contains("://") {
        return text.to_owned();
    }
    corrected.push("has no https:// in front".to_owned());
    format!("https://{}", text.trim_start_matches('/'))
}

/// What is left of the path once the API's own is cut off.
fn prefix(url: &Url, api: Api, corrected: &mut Vec<String>) -> String {
    let path = url.path().trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let own = |part: &&str| api.own_paths().iter().any(|own| own.trim_start_matches('/') == *part);
    let Some(at) = parts.iter().position(own) else { return path.to_owned() };
    let (kept, cut) = parts.split_at(at);
    let tail = format!("/{}", cut.join("/"));
    corrected.push(format!("ends with the API's own path {tail}, which the bridge adds itself"));
    kept.iter().map(|part| format!("/{part}")).collect()
}

/// Scheme and port. Salesforce's hosts answer on 443 with TLS and nowhere else.
fn way(url: &Url, name: &str, read: &mut Read) -> (&'static str, String) {
    let salesforce = host::is_salesforce(name);
    let plain = url.scheme() == "http";
    if salesforce && plain {
        read.corrected.push("begins with http:, but Salesforce answers on https: only".to_owned());
    }
    let port = match url.port() {
        Some(port) if salesforce => {
            let why = format!("names the port {port}, but Salesforce answers on 443 only");
            read.corrected.push(why);
            String::new()
        }
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    let near = match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || name.ends_with(".localhost") || !name.contains('.')
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        None => false,
    };
    if plain && !salesforce && !near && read.odd.is_none() {
        let message = "is not encrypted (http:): texts and tokens can be read on their way";
        let probably = format!("https://{name}{port}");
        read.odd = Some((format!("`{name}` {message}"), Some(probably)));
    }
    (if plain && !salesforce { "http" } else { "https" }, port)
}

#[cfg(test)]
mod tests;
