//! `[egress]`: a proxy and an authority of one's own, for everything that goes out.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use liveagent_bridge::adapter::transport::reqwest::Reqwest;
use liveagent_bridge::adapter::transport::{LongLived, Transport as _};
use liveagent_bridge::config::{Egress, Limits, Secret, load_with};
use liveagent_bridge::serve::{Door, ServeLimits, Tls, TlsFiles, serve};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::certificates::Authority;
use crate::proxy::Proxy;

const WAIT: Duration = Duration::from_secs(20);

/// A server that answers by TLS of a private authority, and the same by plain HTTP.
struct Salesforce {
    authority: Authority,
    folder: TempDir,
    secure: SocketAddr,
    plain: SocketAddr,
}

impl Salesforce {
    async fn new() -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        authority.issue(folder.path(), "a");
        let at = |name: &str| folder.path().join(name);
        let tls = Tls::new(TlsFiles { certificate: at("a.crt"), key: at("a.key") }).unwrap();
        fs::write(at("ca.pem"), authority.pem()).unwrap();
        let (secure, plain) = (listen(Some(tls)).await, listen(None).await);
        Self { authority, folder, secure, plain }
    }

    fn egress(&self, proxy: Option<String>) -> Egress {
        let extra_ca_file = Some(self.folder.path().join("ca.pem"));
        Egress { proxy: proxy.map(Secret::new), extra_ca_file, ..Egress::default() }
    }
}

async fn listen(tls: Option<Tls>) -> SocketAddr {
    let events = || Body::from_stream(stream::iter([Ok::<_, std::io::Error>("data: 1\n\n")]));
    let router = Router::new()
        .route("/rest", get(async || "rest"))
        .route("/sse", get(async move || ([("content-type", "text/event-stream")], events())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let limits = ServeLimits::from(&Limits::default());
    tokio::spawn(serve(Door { listener, tls }, router, limits, CancellationToken::new()));
    at
}

/// A request that is answered at once, an event stream, and one of the relay.
async fn all_ways(transport: &Reqwest, base: &str) -> Vec<String> {
    let prompt = Request::get(format!("{base}/rest")).body(Bytes::new()).unwrap();
    let mut relayed = Request::get(format!("{base}/rest")).body(Bytes::new()).unwrap();
    relayed.extensions_mut().insert(LongLived);
    let events = Request::get(format!("{base}/sse")).header("accept", "text/event-stream");
    let events = events.body(Bytes::new()).unwrap();
    let mut texts = Vec::new();
    for request in [prompt, events, relayed] {
        let answer = transport.send(request, WAIT).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        texts.push(String::from_utf8(body.to_vec()).unwrap());
    }
    texts
}

const TEXTS: [&str; 3] = ["rest", "data: 1\n\n", "rest"];

fn transport(egress: &Egress) -> Reqwest {
    Reqwest::new(egress, &Limits::default()).unwrap()
}

#[tokio::test]
async fn every_kind_of_request_takes_the_proxy() {
    let salesforce = Salesforce::new().await;
    let (secure, plain) = (salesforce.secure, salesforce.plain);
    for password in [None, Some("user:pass word")] {
        let proxy = Proxy::start(password).await;
        let transport = transport(&salesforce.egress(Some(proxy.address())));
        assert_eq!(
            all_ways(&transport, &format!("https://localhost:{}", secure.port())).await,
            TEXTS
        );
        let tunnels = proxy.seen();
        assert!(!tunnels.is_empty());
        let line = format!("CONNECT localhost:{}", secure.port());
        assert!(tunnels.iter().all(|seen| *seen == line), "{tunnels:?}");
        assert_eq!(all_ways(&transport, &format!("http://{plain}")).await, TEXTS);
        let whole = format!("GET http://{plain}");
        let seen = proxy.seen().split_off(tunnels.len());
        let wanted = [format!("{whole}/rest"), format!("{whole}/sse"), format!("{whole}/rest")];
        assert_eq!(seen, wanted);
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_an_error_without_the_password() {
    let salesforce = Salesforce::new().await;
    let proxy = Proxy::start(Some("user:right")).await;
    let wrong = proxy.address().replace("right", "canary");
    let transport = transport(&salesforce.egress(Some(wrong)));
    let base = format!("https://localhost:{}", salesforce.secure.port());
    let request = Request::get(format!("{base}/rest")).body(Bytes::new()).unwrap();
    let error = transport.send(request, WAIT).await.unwrap_err();
    assert!(!error.sent, "{error}");
    assert!(!error.cause.contains("canary"), "{error}");
    assert!(error.cause.contains("proxy"), "{error}");
}

#[tokio::test]
async fn names_may_be_reached_without_the_proxy() {
    let salesforce = Salesforce::new().await;
    let proxy = Proxy::start(None).await;
    for spared in ["127.0.0.0/8", "127.0.0.1"] {
        let mut egress = salesforce.egress(Some(proxy.address()));
        egress.no_proxy = vec![".example.test".to_owned(), spared.to_owned()];
        let base = format!("http://{}", salesforce.plain);
        assert_eq!(all_ways(&transport(&egress), &base).await, TEXTS);
        assert!(proxy.seen().is_empty(), "{spared}");
        let other = format!("https://localhost:{}", salesforce.secure.port());
        egress.no_proxy.push("localhost".to_owned());
        assert_eq!(all_ways(&transport(&egress), &other).await, TEXTS);
        assert!(proxy.seen().is_empty(), "{spared}");
    }
}

#[tokio::test]
async fn an_authority_is_trusted_only_when_it_is_named() {
    let salesforce = Salesforce::new().await;
    let base = format!("https://localhost:{}", salesforce.secure.port());
    let trusting = transport(&salesforce.egress(None));
    assert_eq!(all_ways(&trusting, &base).await, TEXTS);
    fs::write(salesforce.folder.path().join("ca.pem"), Authority::new().pem()).unwrap();
    for egress in [salesforce.egress(None), Egress::default()] {
        let request = Request::get(format!("{base}/rest")).body(Bytes::new()).unwrap();
        let error = transport(&egress).send(request, WAIT).await.unwrap_err();
        assert!(!error.sent && error.cause.contains("certificate"), "{error}");
    }
    drop(salesforce.authority);
}

#[tokio::test]
async fn nothing_is_added_to_a_request_but_what_http_needs() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = seen.clone();
    let router = Router::new().fallback(async move |request: axum::extract::Request| {
        let names = request.headers().keys().map(ToString::to_string);
        keep.lock().unwrap().extend(names);
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let limits = ServeLimits::from(&Limits::default());
    tokio::spawn(serve(listener, router, limits, CancellationToken::new()));
    let transport = transport(&Egress::default());
    for accept in [None, Some("text/html")] {
        let mut request = Request::get(format!("http://{at}/")).body(Bytes::new()).unwrap();
        if let Some(accept) = accept {
            request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
        }
        request.extensions_mut().insert(LongLived);
        transport.send(request, WAIT).await.unwrap();
        let mut names = std::mem::take(&mut *seen.lock().unwrap());
        names.sort();
        let wanted: &[&str] = if accept.is_some() { &["accept", "host"] } else { &["host"] };
        assert_eq!(names, wanted);
    }
}

/// The problems and notes of an `[egress]` section.
fn told(folder: &Path, egress: &str) -> String {
    let text = format!(
        r#"[egress]
{egress}
[[tenant]]
id = "acme"
[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000062"
embedded_service_developer_name = "Web_Support"
"#
    );
    let path = folder.join("bridge.toml");
    fs::write(&path, text).unwrap();
    match load_with(&path, &|_| None) {
        Ok(loaded) => loaded.notes.iter().map(|note| format!("note {note}\n")).collect(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn settings_of_no_use_are_told_at_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ca = Authority::new().pem();
    let one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(folder.join("ca.pem"), &ca).unwrap();
    fs::write(folder.join("empty.pem"), "").unwrap();
    fs::write(folder.join("bad.pem"), format!("{ca}{one}")).unwrap();
    for (setting, needle) in [
        ("extra_ca_file = \"no.pem\"", ":2: egress.extra_ca_file: "),
        ("extra_ca_file = \"empty.pem\"", "empty.pem` holds no certificate"),
        ("extra_ca_file = \"bad.pem\"", "certificate 2 in "),
        ("proxy = \"socks5://canary:1@proxy.test\"", ":2: egress.proxy: does not begin with http"),
        ("proxy = \"http://u:canary@:bad\"", ":2: egress.proxy: is not an address"),
        ("proxy = \"http://u:canary@proxy.test/path\"", "has a path"),
        ("proxy = \"http://proxy.test\"\nno_proxy = [\"a b\"]", ":3: egress.no_proxy[0]: `a b`"),
        ("proxy = \"http://proxy.test\"\nno_proxy = [\"10.0.0.0/33\"]", "`10.0.0.0/33`"),
        ("no_proxy = [\"localhost\"]", "note"),
    ] {
        let told = told(folder, setting);
        assert!(told.contains(needle), "{setting}: {told}");
        assert!(!told.contains("canary"), "{told}");
    }
    let good = "proxy = \"http://u:p@proxy.test:3128\"\n\
                no_proxy = [\"localhost\", \".acme.test\", \"10.0.0.0/8\", \"::1\"]\n\
                extra_ca_file = \"ca.pem\"";
    assert_eq!(told(folder, good), "");
}
