//! Ids, addresses and names as they are pasted, brought to one form.

use url::Url;

use super::limits::MAX_QUOTED_CHARS;

/// A name from a file for a message: one line, not long, in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", plain(name))
}

/// A text of a file on one line, not long.
pub(super) fn plain(text: &str) -> String {
    let mut plain: String = text.chars().take(MAX_QUOTED_CHARS).collect();
    if plain.len() < text.len() {
        plain.push('…');
    }
    plain.replace(|c: char| c.is_control() || c == '`', " ")
}

/// The 15 characters Salesforce compares, or what is wrong with the id.
pub(super) fn salesforce(text: &str, prefix: &str) -> Result<String, String> {
    let name = quoted(text);
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(format!("{name} has characters other than letters and digits"));
    }
    if !text.starts_with(prefix) {
        return Err(format!("{name} does not begin with {prefix}"));
    }
    let (Some(body), 15 | 18) = (text.get(..15), text.len()) else {
        return Err(format!("{name} has {} characters, not 15 or 18", text.len()));
    };
    let tail = &text[15..];
    if !tail.is_empty() && !tail.eq_ignore_ascii_case(&checksum(body)) {
        return Err(format!("{name} is mistyped: its last three should be {}", checksum(body)));
    }
    Ok(body.to_owned())
}

/// The three characters that say which of the fifteen are capitals, five at a time.
fn checksum(body: &str) -> String {
    let letter = |five: &[u8]| {
        let capitals = five.iter().enumerate().filter(|(_, b)| b.is_ascii_uppercase());
        let index = capitals.fold(0_u8, |sum, (i, _)| sum | 1 << i);
        char::from(if index < 26 { b'A' + index } else { b'0' + index - 26 })
    };
    body.as_bytes().chunks(5).map(letter).collect()
}

/// An address without the API's own path and final slash.
pub(super) fn base_url(text: &str, legacy: bool) -> Result<String, String> {
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    // The text is not quoted before it is known to hold no password.
    let url = Url::parse(&full).map_err(|error| format!("not an address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address with a user name or password".to_owned());
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{} does not begin with https:", quoted(text)));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address with a query or fragment".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let other = if legacy { ".salesforce-scrt.com" } else { ".salesforceliveagent.com" };
    let pages = [".my.salesforce.com", ".lightning.force.com", ".my.site.com"];
    if host.ends_with(other) {
        return Err(format!("{host} is an address of the other API"));
    }
    if pages.iter().any(|page| host.ends_with(page)) {
        return Err(format!("{host} is a page of the org, not the API's address"));
    }
    let tails: &[&str] = if legacy {
        &["/chat/rest", "/chat", "/rest"]
    } else {
        &["/iamessage/api/v2", "/iamessage/v1", "/iamessage"]
    };
    let mut path = url.path().trim_end_matches('/');
    for tail in tails {
        path = path.strip_suffix(tail).unwrap_or(path).trim_end_matches('/');
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{}://{host}{port}{path}", url.scheme()))
}

/// Is it a developer name as the configuration accepts it?
pub(super) fn developer_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `https://acme--uat.sandbox.my.salesforce.com/x` → `acme--uat`
pub(super) fn my_domain(address: &str) -> Option<String> {
    let host = Url::parse(address).ok()?.host_str()?.to_owned();
    let ends = [".my.salesforce.com", ".my.salesforce-scrt.com", ".my.site.com"];
    let head = ends.iter().find_map(|end| host.strip_suffix(end))?;
    head.split('.').next().map(str::to_owned)
}

/// A tenant's id made of any text: at most 63 of `a-z`, `0-9`, `-`, `_`.
pub(super) fn tenant(text: &str) -> Option<String> {
    let mut id = String::new();
    for c in text.chars().take(63) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || c == '_' => id.push(c),
            _ if id.ends_with('-') || id.is_empty() => {}
            _ => id.push('-'),
        }
    }
    let id = id.trim_matches(['-', '_']).to_owned();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_addresses_and_names() {
        assert_eq!(salesforce("00D000000000062EAA", "00D").as_deref(), Ok("00D000000000062"));
        for wrong in ["00D000000000062EAB", "572000000000062", "00D", "00D-00000000062"] {
            assert!(salesforce(wrong, "00D").is_err(), "{wrong}");
        }
        let clean = "https://d.la1-c1-iad.salesforceliveagent.com";
        for tail in ["", "/", "/chat", "/chat/rest/"] {
            assert_eq!(base_url(&format!("{clean}{tail}"), true).as_deref(), Ok(clean));
        }
        assert!(base_url(clean, false).is_err());
        assert!(!base_url("https://u:secret@x.example", true).unwrap_err().contains("secret"));
        assert_eq!(my_domain("https://acme--uat.sandbox.my.salesforce.com").unwrap(), "acme--uat");
        assert_eq!(tenant("Acme--UAT x!").as_deref(), Some("acme-uat-x"));
        assert_eq!(tenant("日本"), None);
    }
}
