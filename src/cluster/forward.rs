//! A request to the node that has its chat, and how that node knows that it may answer.
//!
//! Promised: every forwarded request carries a MAC over its target, id, method, path, host, key,
//! number, what else goes along and the hash of its body, under a secret that only nodes with the
//! same key ring derive; a node answers only what is meant for this very run of it; what was
//! forwarded is never forwarded again; an answer is here in full or not at all.
//! Not promised: secrecy on the way, which is plain HTTP: the listener belongs on a private
//! network.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::{BodyExt as _, Limited};
use uuid::Uuid;

use super::told::Told;
use super::{Cluster, Peer};
use crate::adapter::transport::{LongLived, TransportError};
use crate::chat::ids::ChatId;
use crate::mapping::keys::hex;
use crate::wire::liveagent::{SEQUENCE, SESSION_KEY};

/// Says for whom a request is, which it is, what its body is, and proves it.
const PASS: HeaderName = HeaderName::from_static("x-liveagent-bridge-pass");
/// The host by which the client named its tenant.
const HOST: HeaderName = HeaderName::from_static("x-liveagent-bridge-host");
/// In an answer: the chat is not at this node.
const NOT_HERE: HeaderName = HeaderName::from_static("x-liveagent-bridge-not-here");
/// Its value when even the node is another run of this program.
const NOT_ME: HeaderValue = HeaderValue::from_static("2");
/// What became of answers of the node that is asked.
const TOLD: HeaderName = HeaderName::from_static("x-liveagent-bridge-told");
/// The version of all this.
const VERSION: &str = "2";
/// The largest answer that is passed on, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The wait for the rest of an answer once its head is there.
const BODY_WITHIN: Duration = Duration::from_secs(5);
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

/// What goes along with a request to another node.
struct Along {
    /// Which request it is: the same when it is asked again.
    id: Uuid,
    /// What became of answers of the node that is asked.
    told: Vec<Told>,
}

/// What came of asking another node.
#[derive(Debug)]
pub enum Forwarded {
    /// It answered.
    Answer(Response<Body>),
    /// It has not got the chat.
    NotThere,
    /// No answer came; the request may have arrived.
    Broken,
}

/// What a pass is for.
struct Sealed<'a> {
    to: Uuid,
    id: Uuid,
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
        let told = header(TOLD.as_str());
        let fields: [&[u8]; 10] = [
            VERSION.as_bytes(),
            self.to.as_bytes(),
            self.id.as_bytes(),
            self.parts.method.as_str().as_bytes(),
            path.as_bytes(),
            self.host,
            &key,
            &sequence,
            &told,
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

/// A forwarded request, let in.
#[derive(Debug)]
pub struct Passed {
    /// Which request it is: the same when it is asked again.
    pub id: Uuid,
    /// What became of answers of this node.
    pub told: Vec<Told>,
    /// What its body must hash to.
    body: String,
}

impl Passed {
    /// Whether this is the body that was passed.
    #[must_use]
    pub fn is_of(&self, body: &[u8]) -> bool {
        self.body == hash(body)
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

impl Refused {
    /// What is answered instead.
    #[must_use]
    pub fn answer(self) -> Response<Body> {
        if self == Self::NotMe {
            let mut answer = not_here();
            answer.headers_mut().insert(NOT_HERE, NOT_ME);
            return answer;
        }
        tracing::warn!("a request on the cluster's listener came from nobody of the cluster");
        // Should it be a node after all, of another version, its client must not be told 403.
        let mut response = not_here();
        *response.body_mut() = Body::from("Not a node of this cluster");
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    }
}

impl Cluster {
    /// Asks the node that has the chat, `id` being the same as long as it is the same request. One
    /// that does not answer is in doubt from then on; one that has not got the chat is forgotten.
    pub async fn forward(
        &self,
        (peer, chat, id): (&Peer, ChatId, Uuid),
        parts: &Parts,
        body: &Bytes,
        within: Duration,
    ) -> Forwarded {
        let along = Along { id, told: self.to_tell(peer, chat) };
        let Some(mut answer) = self.ask(peer, parts, body, &along, within).await else {
            self.doubt(peer);
            return Forwarded::Broken;
        };
        if is_elsewhere(&answer) {
            match answer.headers().get(NOT_HERE).is_some_and(|why| *why == NOT_ME) {
                // Its lease has to lapse; until then the store says that it has the chat.
                true => self.doubt(peer),
                false => self.not_there(chat),
            }
            return Forwarded::NotThere;
        }
        self.inner.forwarded.fetch_add(1, Ordering::Relaxed);
        strip(answer.headers_mut());
        Forwarded::Answer(answer)
    }

    /// Asks another node for something of its own; `None` when no whole answer came
    /// in time.
    pub(crate) async fn ask_for(
        &self,
        peer: &Peer,
        path: &'static str,
        body: &Bytes,
        told: Vec<Told>,
        within: Duration,
    ) -> Option<Response<Body>> {
        let mut head = Request::new(());
        *head.method_mut() = Method::POST;
        *head.uri_mut() = Uri::from_static(path);
        let along = Along { id: crate::random::uuid(), told };
        let (head, ()) = head.into_parts();
        let asked = self.ask(peer, &head, body, &along, within);
        tokio::time::timeout(within, asked).await.ok().flatten()
    }

    /// Asks another node; `None` when no whole answer came.
    async fn ask(
        &self,
        peer: &Peer,
        parts: &Parts,
        body: &Bytes,
        along: &Along,
        within: Duration,
    ) -> Option<Response<Body>> {
        let request = self.passed_on(peer, parts, body, along)?;
        let asked = async {
            let (head, body) = self.inner.link.send(request, within).await?.into_parts();
            let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let whole = read.map_err(|error| {
                let cause = format!("the answer broke off: {error}");
                TransportError { sent: true, cause }
            });
            Ok(Response::from_parts(head, Body::from(whole?.to_bytes())))
        };
        // A head that came in time does not say that the rest does.
        match tokio::time::timeout(within.saturating_add(BODY_WITHIN), asked).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err::<_, TransportError>(error)) => {
                tracing::debug!(address = peer.address, %error, "a node does not answer");
                None
            }
            Err(_) => None,
        }
    }

    fn passed_on(
        &self,
        peer: &Peer,
        parts: &Parts,
        body: &Bytes,
        along: &Along,
    ) -> Option<Request<Bytes>> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(body.clone());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = format!("http://{}{path}", peer.address).parse().ok()?;
        let host = parts.headers.get(header::HOST).cloned();
        let host = host.or_else(|| HeaderValue::from_str(parts.uri.host()?).ok());
        let mut parts = parts.clone();
        strip(&mut parts.headers);
        if let Some(told) = Told::write(&along.told) {
            parts.headers.insert(TOLD, told);
        }
        let (body, id) = (hash(body), along.id);
        let named = host.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        let sealed = Sealed { to: peer.incarnation, id, parts: &parts, host: named, body: &body };
        let tag = hmac::sign(self.inner.seal.0.first()?, &sealed.text());
        let tag = hex(tag.as_ref(), usize::MAX);
        let pass = format!("{VERSION} {} {id} {body} {tag}", peer.incarnation);
        parts.headers.insert(PASS, HeaderValue::from_str(&pass).ok()?);
        if let Some(host) = host {
            parts.headers.insert(HOST, host);
        }
        *request.headers_mut() = parts.headers;
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
        let [VERSION, to, id, body, tag] = fields.as_slice() else {
            return Err(Refused::Stranger);
        };
        let read = |id: &str| Uuid::try_parse(id).map_err(|_| Refused::Stranger);
        let (to, id) = (read(to)?, read(id)?);
        let tag = unhex(tag).ok_or(Refused::Stranger)?;
        let named = host.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        let text = Sealed { to, id, parts, host: named, body }.text();
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
        let told = parts.headers.remove(TOLD).map(|told| Told::read(&told)).unwrap_or_default();
        Ok(Passed { id, told, body: (*body).to_owned() })
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

/// Whether an answer is that of [`not_here`].
pub(crate) fn is_elsewhere(answer: &Response<Body>) -> bool {
    answer.headers().contains_key(NOT_HERE)
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP {
        headers.remove(name);
    }
    for name in [PASS, HOST, NOT_HERE, TOLD] {
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
