//! A request to the node that has its chat, and how that node knows that it may answer.
//!
//! Promised: every forwarded request carries a MAC over its target, method, path, host, key, number
//! and the hash of its body, under a secret that only nodes with the same key ring derive; a node
//! answers only what is meant for this very run of it; what was forwarded is never forwarded again.
//! Not promised: secrecy on the way, which is plain HTTP: the listener belongs on a private
//! network.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use uuid::Uuid;

use super::{Cluster, Peer};
use crate::adapter::transport::LongLived;
use crate::mapping::keys::hex;
use crate::wire::liveagent::{SEQUENCE, SESSION_KEY};

/// Says for whom a request is, what its body is, and proves it.
const PASS: HeaderName = HeaderName::from_static("x-liveagent-bridge-pass");
/// The host by which the client named its tenant.
const HOST: HeaderName = HeaderName::from_static("x-liveagent-bridge-host");
/// In an answer: the chat is not at this node.
const NOT_HERE: HeaderName = HeaderName::from_static("x-liveagent-bridge-not-here");
/// The version of all this.
const VERSION: &str = "1";
/// Headers of one hop (RFC 9110, 7.6.1), and those that are written anew.
const HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
];

/// Seals what is passed between nodes.
pub(super) struct Seal(Vec<hmac::Key>);

impl Seal {
    pub(super) fn new(secrets: &[[u8; 32]]) -> Self {
        Self(secrets.iter().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret)).collect())
    }
}

/// What a pass is for.
struct Sealed<'a> {
    to: Uuid,
    parts: &'a Parts,
    host: &'a [u8],
    body: &'a str,
}

impl Sealed<'_> {
    /// Everything in one text; lengths keep the fields apart.
    fn text(&self) -> Vec<u8> {
        let path = self.parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let header = |name: &str| {
            let value = self.parts.headers.get(name);
            value.map(|value| value.as_bytes().to_vec()).unwrap_or_default()
        };
        let (key, sequence) = (header(SESSION_KEY), header(SEQUENCE));
        let fields: [&[u8]; 8] = [
            VERSION.as_bytes(),
            self.to.as_bytes(),
            self.parts.method.as_str().as_bytes(),
            path.as_bytes(),
            self.host,
            &key,
            &sequence,
            self.body.as_bytes(),
        ];
        let mut text = Vec::new();
        for field in fields {
            text.extend((field.len() as u64).to_be_bytes());
            text.extend(field);
        }
        text
    }
}

/// A forwarded request, let in: what its body must hash to.
#[derive(Debug)]
pub struct Passed(String);

impl Passed {
    /// Whether this is the body that was passed.
    #[must_use]
    pub fn is_of(&self, body: &[u8]) -> bool {
        self.0 == hash(body)
    }
}

/// Why a request on the private listener is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It comes from nobody of this cluster.
    Stranger,
    /// It is meant for another run of this program.
    NotMe,
}

impl Cluster {
    /// Asks the node that has the chat. `None` when it has not, or does not answer: look again.
    pub async fn forward(
        &self,
        peer: &Peer,
        parts: &Parts,
        body: &Bytes,
        within: Duration,
    ) -> Option<Response<Body>> {
        let request = self.passed_on(peer, parts, body)?;
        match self.inner.link.send(request, within).await {
            Ok(response) if response.headers().contains_key(NOT_HERE) => None,
            Ok(mut response) => {
                self.inner.forwarded.fetch_add(1, Ordering::Relaxed);
                strip(response.headers_mut());
                Some(response)
            }
            Err(error) => {
                tracing::debug!(address = peer.address, %error, "a node does not answer");
                None
            }
        }
    }

    fn passed_on(&self, peer: &Peer, parts: &Parts, body: &Bytes) -> Option<Request<Bytes>> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(body.clone());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = format!("http://{}{path}", peer.address).parse().ok()?;
        let mut headers = parts.headers.clone();
        let host = headers.get(header::HOST).cloned();
        let host = host.or_else(|| HeaderValue::from_str(parts.uri.host()?).ok());
        strip(&mut headers);
        let body = hash(body);
        let named = host.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        let sealed = Sealed { to: peer.incarnation, parts, host: named, body: &body };
        let tag = hmac::sign(self.inner.seal.0.first()?, &sealed.text());
        let pass =
            format!("{VERSION} {} {body} {}", peer.incarnation, hex(tag.as_ref(), usize::MAX));
        headers.insert(PASS, HeaderValue::from_str(&pass).ok()?);
        if let Some(host) = host {
            headers.insert(HOST, host);
        }
        *request.headers_mut() = headers;
        request.extensions_mut().insert(LongLived);
        Some(request)
    }

    /// Lets a forwarded request in, and makes its head what the client sent.
    ///
    /// # Errors
    /// Why it is not let in.
    pub fn let_in(&self, parts: &mut Parts) -> Result<Passed, Refused> {
        let pass = parts.headers.remove(PASS).ok_or(Refused::Stranger)?;
        let host = parts.headers.remove(HOST);
        let pass = pass.to_str().map_err(|_| Refused::Stranger)?;
        let fields: Vec<&str> = pass.split(' ').collect();
        let [VERSION, to, body, tag] = fields.as_slice() else { return Err(Refused::Stranger) };
        let to = Uuid::try_parse(to).map_err(|_| Refused::Stranger)?;
        let tag = unhex(tag).ok_or(Refused::Stranger)?;
        let named = host.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        let text = Sealed { to, parts, host: named, body }.text();
        let mut keys = self.inner.seal.0.iter();
        if !keys.any(|key| hmac::verify(key, &text, &tag).is_ok()) {
            return Err(Refused::Stranger);
        }
        if to != self.incarnation() {
            return Err(Refused::NotMe);
        }
        parts.headers.remove(header::HOST);
        if let Some(host) = host {
            parts.headers.insert(header::HOST, host);
        }
        Ok(Passed((*body).to_owned()))
    }
}

/// The answer to a forwarded request whose chat is not here.
#[must_use]
pub fn not_here() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    response.headers_mut().insert(NOT_HERE, HeaderValue::from_static("1"));
    response
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP {
        headers.remove(name);
    }
    for name in [PASS, HOST, NOT_HERE] {
        headers.remove(name);
    }
}

fn hash(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref(), usize::MAX)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect()
}
