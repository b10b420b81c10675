//! One session under two names: ours towards the client, the real service's towards it.
//!
//! Promised: a name is swapped where it is a whole value (of a header, a path segment, a query
//! parameter, a JSON string, a form field) and every other byte stays as it is; what people wrote
//! is not looked into. Both ids are uuids, so no length changes with them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::liveagent::{AFFINITY, SESSION_KEY};

/// The JSON member that tells where a file goes.
const UPLOAD_MEMBER: &[u8] = b"\"uploadServletUrl\"";

/// The names of one session.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) affinity: String,
}

impl std::fmt::Debug for Names {
    /// Without the key, which is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Names of the session as the client knows it, and as the real service does.
#[derive(Clone, Debug)]
pub(super) struct Swap<'a> {
    pub(super) ours: &'a Names,
    pub(super) theirs: &'a Names,
}

impl Swap<'_> {
    /// Key and affinity of a request. An affinity that is not the first one came from the real
    /// service, or is the client's own mistake, and passes.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        if let Ok(mut key) = HeaderValue::from_str(&self.theirs.key)
            && headers.contains_key(SESSION_KEY)
        {
            key.set_sensitive(true);
            headers.insert(HeaderName::from_static(SESSION_KEY), key);
        }
        let told = headers.get(AFFINITY).and_then(|value| value.to_str().ok()).map(str::trim);
        if told.is_some_and(|told| !told.is_empty() && told == self.ours.affinity)
            && let Ok(affinity) = HeaderValue::from_str(&self.theirs.affinity)
        {
            headers.insert(HeaderName::from_static(AFFINITY), affinity);
        }
    }

    /// Path and query below the base: `DELETE System/SessionId/<key>`, `ResyncSession/<id>`,
    /// `chatKey=<id>`. `path_key`: the path ends with the key, in whatever encoding.
    pub(super) fn path(&self, path: &str, path_key: bool) -> String {
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let path = match path.split_once("/SessionId/").filter(|_| path_key) {
            Some((head, _)) => format!("{head}/SessionId/{}", self.theirs.key),
            None => {
                let parts = path.split('/').map(|part| self.id_for(part));
                parts.collect::<Vec<_>>().join("/")
            }
        };
        let Some(query) = query else { return path };
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) => format!("{name}={}", self.id_for(value)),
            None => pair.to_owned(),
        });
        format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
    }

    fn id_for<'t>(&'t self, text: &'t str) -> &'t str {
        if text == self.ours.id { &self.theirs.id } else { text }
    }

    /// The body of a POST: `sessionId` of ChasitorInit, also within a MultiNoun.
    pub(super) fn request(&self, body: &Bytes) -> Bytes {
        let swapped = replace(body, &quoted(&self.ours.id, "\""), &quoted(&self.theirs.id, "\""));
        let escaped = "\\\"";
        let (from, to) = (quoted(&self.ours.id, escaped), quoted(&self.theirs.id, escaped));
        Bytes::from(replace(&swapped, &from, &to))
    }

    /// The form of a file: the value of its part `chatKey`. The file's bytes are not looked at,
    /// unless they come before that part.
    pub(super) fn form(&self, body: &Bytes) -> Bytes {
        let name = b"name=\"chatKey\"";
        let (ours, theirs) = (self.ours.id.as_bytes(), self.theirs.id.as_bytes());
        let value = find(body, name).and_then(|at| {
            let head = at + name.len();
            Some(head + find(&body[head..], b"\r\n\r\n")? + 4)
        });
        match value {
            Some(at) if body[at..].starts_with(ours) => {
                let mut form = body.to_vec();
                form.splice(at..at + ours.len(), theirs.iter().copied());
                Bytes::from(form)
            }
            _ => body.clone(),
        }
    }

    /// An answer: `visitorId` and wherever else the id is a whole value.
    pub(super) fn answer(&self, body: &[u8]) -> Vec<u8> {
        replace(body, &quoted(&self.theirs.id, "\""), &quoted(&self.ours.id, "\""))
    }
}

/// A new key in an answer, in both spellings of JSON.
pub(super) fn replace_key(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let plain = replace(body, from.as_bytes(), to.as_bytes());
    replace(&plain, from.replace('/', "\\/").as_bytes(), to.as_bytes())
}

/// The address of a file upload in an answer: the text, and where its JSON string stands.
pub(super) fn upload_url(body: &[u8]) -> Option<(String, std::ops::Range<usize>)> {
    let mut start = find(body, UPLOAD_MEMBER)? + UPLOAD_MEMBER.len();
    start += body[start..].iter().position(|byte| *byte == b'"')?;
    let mut texts = serde_json::Deserializer::from_slice(&body[start..]).into_iter::<String>();
    let url = texts.next()?.ok()?;
    Some((url, start..start + texts.byte_offset()))
}

fn quoted(text: &str, quote: &str) -> Vec<u8> {
    format!("{quote}{text}{quote}").into_bytes()
}

fn find(body: &[u8], what: &[u8]) -> Option<usize> {
    if what.is_empty() {
        return None;
    }
    body.windows(what.len()).position(|window| window == what)
}

fn replace(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut rest = body;
    let mut replaced = Vec::with_capacity(body.len());
    while let Some(at) = find(rest, from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "11111111-1111-4111-8111-111111111111";
    const THEIRS: &str = "22222222-2222-4222-8222-222222222222";

    fn names(id: &str, seal: &str, affinity: &str) -> Names {
        Names { key: format!("{id}!1!{seal}"), id: id.to_owned(), affinity: affinity.to_owned() }
    }

    fn with(test: impl Fn(&Swap<'_>)) {
        let (ours, theirs) = (names(OURS, "AAA=", "aaaaaaaa"), names(THEIRS, "B/+=", "bbbbbbbb"));
        test(&Swap { ours: &ours, theirs: &theirs });
    }

    #[test]
    fn headers() {
        with(|swap| {
            let mut headers = HeaderMap::new();
            headers.insert(SESSION_KEY, HeaderValue::from_static("ours"));
            headers.insert(AFFINITY, HeaderValue::from_static("aaaaaaaa"));
            swap.headers(&mut headers);
            assert_eq!(headers[SESSION_KEY], format!("{THEIRS}!1!B/+="));
            assert_eq!(headers[AFFINITY], "bbbbbbbb");
            for kept in ["null", "", "98c41fa0"] {
                headers.insert(AFFINITY, HeaderValue::from_static(kept));
                swap.headers(&mut headers);
                assert_eq!(headers[AFFINITY], kept);
            }
            let mut none = HeaderMap::new();
            swap.headers(&mut none);
            assert!(none.is_empty(), "a client that sends no key sends none");
        });
    }

    #[test]
    fn paths_and_queries() {
        with(|swap| {
            for (path, key, to) in [
                ("/System/SessionId/x!1!A%3D", true, format!("/System/SessionId/{THEIRS}!1!B/+=")),
                (&*format!("/System/ResyncSession/{OURS}"), false, {
                    format!("/System/ResyncSession/{THEIRS}")
                }),
                (&*format!("/u?orgId=1&chatKey={OURS}&x={OURS}y&z"), false, {
                    format!("/u?orgId=1&chatKey={THEIRS}&x={OURS}y&z")
                }),
                ("/System/Messages?ack=-1&pc=0", false, "/System/Messages?ack=-1&pc=0".to_owned()),
            ] {
                assert_eq!(swap.path(path, key), to);
            }
        });
    }

    #[test]
    fn bodies_change_in_whole_values_alone() {
        with(|swap| {
            let body = format!(
                r#"{{"sessionId": "{OURS}","text":"it is {OURS}","data":"{{\"sessionId\":\"{OURS}\"}}"}}"#
            );
            let to = format!(
                r#"{{"sessionId": "{THEIRS}","text":"it is {OURS}","data":"{{\"sessionId\":\"{THEIRS}\"}}"}}"#
            );
            assert_eq!(swap.request(&Bytes::from(body)), to);
            let answer =
                format!(r#"{{"visitorId":"{THEIRS}","text":"\"{THEIRS}\" and {THEIRS}"}}"#);
            let to = answer.replacen(THEIRS, OURS, 1);
            assert_eq!(swap.answer(answer.as_bytes()), to.as_bytes());
        });
    }

    #[test]
    fn forms_of_files() {
        with(|swap| {
            let form = |id: &str| {
                format!(
                    "--b\r\nContent-Disposition: form-data; name=\"chatKey\"\r\n\r\n{id}\r\n--b\r\n\
                     Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\
                     {OURS}\r\n--b--\r\n"
                )
            };
            assert_eq!(swap.form(&Bytes::from(form(OURS))), form(THEIRS));
            let other = Bytes::from_static(b"--b\r\nname=\"file\"\r\n\r\n\xff\r\n--b--");
            assert_eq!(swap.form(&other), other);
        });
    }

    #[test]
    fn the_address_of_an_upload_is_found_where_it_stands() {
        let body = br#"{"a":1,"uploadServletUrl" : "https:\/\/f.test\/up?x=1","b":2}"#;
        let (url, range) = upload_url(body).expect("found");
        assert_eq!(url, "https://f.test/up?x=1");
        assert_eq!(&body[range], br#""https:\/\/f.test\/up?x=1""#);
        assert_eq!(upload_url(b"{}"), None);
        assert_eq!(replace_key(br#"{"key":"a\/b!"}"#, "a/b!", "c"), br#"{"key":"c"}"#);
    }
}
