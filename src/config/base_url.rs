//! The two base addresses, as people paste them.
//!
//! Promised: a loaded address is scheme, host, perhaps a port and a prefix, without a final slash
//! and without the API's own path; every correction is a CF001 note. Addresses of the wrong kind
//! (a login page, the other API) are problems.

use url::Url;

use super::section::Cx;
use super::section::Text;

/// The finding code of a corrected or wrong base address.
const CF001: &str = "CF001";

/// Which API an address is of.
#[derive(Clone, Copy, PartialEq, Eq)]
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

    /// What people leave at the end of the address.
    fn tails(self) -> &'static [&'static str] {
        match self {
            Self::Legacy => &["/chat/rest", "/chat", "/rest"],
            Self::Miaw => &["/iamessage/api/v2", "/iamessage/v1", "/iamessage"],
        }
    }

    /// What is wrong with a host that is plainly another service's.
    fn foreign(self, host: &str) -> Option<String> {
        let is = |suffix: &str| host.ends_with(suffix);
        match self {
            Self::Legacy if is(".salesforce-scrt.com") => {
                Some("is the address of MIAW, not of Live Agent".to_owned())
            }
            Self::Miaw if is(".salesforceliveagent.com") => {
                Some("is the address of Live Agent, not of MIAW".to_owned())
            }
            _ if is(".my.salesforce.com")
                || is(".lightning.force.com")
                || is(".my.site.com")
                || is("login.salesforce.com") =>
            {
                Some("is a page of the org, not the API's address".to_owned())
            }
            _ => None,
        }
    }
}

/// The address in its one form.
pub(super) fn read(cx: Cx<'_>, text: &Text, api: Api) -> Option<String> {
    match normalize(&text.value, api) {
        Ok(address) => {
            if address != text.value {
                let note = text.at.says(format!("`{}` is read as `{address}`", text.value));
                cx.found.note(note.code(CF001).help("write it like that"));
            }
            Some(address)
        }
        Err(message) => {
            let problem = text.at.says(message).code(CF001).expected(api.expected());
            cx.found.problem(problem);
            None
        }
    }
}

/// Corrects what can be corrected.
fn normalize(text: &str, api: Api) -> Result<String, String> {
    let text = text.trim();
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let url = Url::parse(&full).map_err(|error| format!("`{text}` is not an address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{text}` begins with {}:, not with https:", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("carries a query or fragment".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    if let Some(wrong) = api.foreign(host) {
        return Err(format!("`{text}` {wrong}"));
    }
    let mut path = url.path().trim_end_matches('/');
    for tail in api.tails() {
        path = path.strip_suffix(tail).unwrap_or(path).trim_end_matches('/');
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{}://{host}{port}{path}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_pasted() {
        let clean = "https://d.la1-c1-iad.salesforceliveagent.com";
        for tail in ["", "/", "/chat", "/chat/", "/chat/rest", "/chat/rest/"] {
            assert_eq!(normalize(&format!("{clean}{tail}"), Api::Legacy).as_deref(), Ok(clean));
        }
        let bare = "D.la1-c1-iad.salesforceliveagent.com/chat/rest";
        assert_eq!(normalize(bare, Api::Legacy).as_deref(), Ok(clean));
        for (text, read) in [
            ("https://a.my.salesforce-scrt.com/", "https://a.my.salesforce-scrt.com"),
            ("a.my.salesforce-scrt.com/iamessage/api/v2", "https://a.my.salesforce-scrt.com"),
            ("http://127.0.0.1:9100", "http://127.0.0.1:9100"),
            ("http://[::1]:9100/x/", "http://[::1]:9100/x"),
        ] {
            assert_eq!(normalize(text, Api::Miaw).as_deref(), Ok(read));
        }
    }

    #[test]
    fn addresses_of_another_kind_are_refused() {
        for (text, needle) in [
            ("https://acme.my.salesforce.com", "a page of the org"),
            ("https://d.la1.salesforceliveagent.com", "of Live Agent"),
            ("ftp://a.my.salesforce-scrt.com", "begins with ftp"),
            ("https://u:p@a.my.salesforce-scrt.com", "user name"),
            ("https://a.my.salesforce-scrt.com/?x=1", "query"),
        ] {
            let message = normalize(text, Api::Miaw).unwrap_err();
            assert!(message.contains(needle), "{message}");
        }
    }
}
