//! The listener with TLS: handshakes, their bounds, and certificates that are exchanged.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{Problems, load_with};
use liveagent_bridge::serve::tls::{LOOK_EVERY, Looked};
use liveagent_bridge::serve::{Door, ServeLimits, Tls, TlsFiles, serve};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::service_fn;

use crate::certificates::Authority;

const DEADLINE: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(3_600);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const LIMITS: ServeLimits = ServeLimits {
    connections: 8,
    handshake: LONG,
    head_bytes: 4_096,
    headers: 20,
    head_time: LONG,
    idle: LONG,
    drain: LONG,
};

struct Server {
    at: SocketAddr,
    authority: Authority,
    folder: TempDir,
    tls: Tls,
    stop: CancellationToken,
    done: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("a.crt"), key: folder.join("a.key") }
}

async fn start(limits: ServeLimits) -> Server {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.issue(folder.path(), "a");
    let tls = Tls::new(files(folder.path())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let service = service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Body::from("OK")))
    });
    let stop = CancellationToken::new();
    let door = Door { listener, tls: Some(tls.clone()) };
    let done = tokio::spawn(serve(door, service, limits, stop.clone()));
    Server { at, authority, folder, tls, stop, done }
}

impl Server {
    fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(versions).unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let client = self.client(rustls::DEFAULT_VERSIONS, &["http/1.1"]);
        shake(&client, self.tcp().await).await.unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }
}

async fn shake(client: &TlsConnector, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    timeout(DEADLINE, client.connect(name, tcp)).await.expect("in time")
}

/// Asks once, and reads the answer.
async fn ask(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(GET).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\nOK") {
        let read = timeout(DEADLINE, stream.read_buf(&mut bytes)).await.expect("in time");
        assert!(read.unwrap() > 0, "closed: {}", String::from_utf8_lossy(&bytes));
    }
}

fn certificate(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Reads until the server closes.
async fn closed(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    // A reset counts as closed.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("closed in time");
}

#[tokio::test]
async fn both_versions_and_one_protocol_are_spoken() {
    let server = start(LIMITS).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = server.client(&[version], &["h2", "http/1.1"]);
        let mut stream = shake(&client, server.tcp().await).await.unwrap();
        let connection = stream.get_ref().1;
        assert_eq!(connection.protocol_version(), Some(version.version));
        assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
        ask(&mut stream).await;
    }
    let no_alpn = server.client(rustls::DEFAULT_VERSIONS, &[]);
    ask(&mut shake(&no_alpn, server.tcp().await).await.unwrap()).await;
    let other = server.client(rustls::DEFAULT_VERSIONS, &["h2"]);
    assert!(shake(&other, server.tcp().await).await.is_err(), "HTTP/2 is not spoken");
}

#[tokio::test]
async fn a_failed_handshake_is_nobody_elses_affair() {
    let server = start(LIMITS).await;
    // Whoever speaks plain HTTP,
    let mut plain = server.tcp().await;
    plain.write_all(GET).await.unwrap();
    closed(&mut plain).await;
    // does not trust the certificate,
    let stranger = Server { authority: Authority::new(), ..start(LIMITS).await };
    let wary = stranger.client(rustls::DEFAULT_VERSIONS, &["http/1.1"]);
    assert!(shake(&wary, server.tcp().await).await.is_err());
    // or goes away in the middle of it.
    let mut rude = server.tcp().await;
    rude.write_all(&[0x16, 0x03, 0x01, 0x02]).await.unwrap();
    drop(rude);
    ask(&mut server.connect().await).await;
}

#[tokio::test]
async fn a_handshake_counts_as_a_connection_and_has_an_end() {
    let limits = ServeLimits { connections: 1, handshake: Duration::from_millis(100), ..LIMITS };
    let server = start(limits).await;
    // It is accepted first and says nothing; the next one is served once it was cut.
    let mut silent = server.tcp().await;
    let mut next = server.connect().await;
    ask(&mut next).await;
    closed(&mut silent).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes() {
    let server = start(LIMITS).await;
    let mut live = server.connect().await;
    ask(&mut live).await;
    let mut silent = server.tcp().await;
    server.stop.cancel();
    closed(&mut silent).await;
    assert_eq!(
        timeout(DEADLINE, live.read_u8()).await.unwrap().unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof,
        "closed as TLS wants it"
    );
    timeout(DEADLINE, server.done).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_taken_under_live_connections() {
    let server = start(LIMITS).await;
    let mut old = server.connect().await;
    ask(&mut old).await;
    assert!(matches!(server.tls.look(), Looked::Same));
    server.authority.issue(server.folder.path(), "a");
    assert!(matches!(server.tls.look(), Looked::Renewed));
    let mut new = server.connect().await;
    assert_ne!(certificate(&new), certificate(&old));
    // Both live on.
    for stream in [&mut old, &mut new] {
        ask(stream).await;
    }
}

#[tokio::test]
async fn a_broken_certificate_keeps_the_old_one_and_says_why_once() {
    let server = start(LIMITS).await;
    let before = certificate(&server.connect().await);
    server.authority.issue(server.folder.path(), "b");
    let other_key = fs::read_to_string(server.folder.path().join("b.key")).unwrap();
    for (name, text, needle) in [
        ("a.key", other_key.as_str(), "a.key` is not the key of the first certificate in"),
        ("a.crt", "", "a.crt` holds no certificate"),
        ("a.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n", "a.crt` is not whole"),
    ] {
        server.write(name, text);
        match server.tls.look() {
            Looked::Kept(error) => assert!(error.to_string().contains(needle), "{error}"),
            looked => panic!("{looked:?} after {needle}"),
        }
        assert!(matches!(server.tls.look(), Looked::Same), "said once");
        assert_eq!(certificate(&server.connect().await), before);
    }
    fs::remove_file(server.folder.path().join("a.crt")).unwrap();
    assert!(matches!(server.tls.look(), Looked::Kept(_)));
    assert!(matches!(server.tls.look(), Looked::Same), "said once");
    server.authority.issue(server.folder.path(), "a");
    assert!(matches!(server.tls.look(), Looked::Renewed));
    assert_ne!(certificate(&server.connect().await), before);
}

#[tokio::test(start_paused = true)]
async fn the_files_are_looked_at_by_themselves() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.issue(folder.path(), "a");
    let tls = Tls::new(files(folder.path())).unwrap();
    let (clock, stop) = (Clock::system(), CancellationToken::new());
    let watching = tokio::spawn(tls.clone().keep_fresh(clock.clone(), stop.clone()));
    authority.issue(folder.path(), "a");
    clock.until(clock.now().mono.plus(LOOK_EVERY * 3)).await;
    // It ends after whatever look it was in.
    stop.cancel();
    watching.await.unwrap();
    assert!(matches!(tls.look(), Looked::Same), "it was taken already");
}

fn check(folder: &Path, tls: &str) -> Result<(), Problems> {
    let text = format!(
        r#"[tls]
{tls}
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
    load_with(&path, &|_| None).map(|loaded| {
        assert_eq!(loaded.config.tls, Some(files(folder)), "relative to the file");
    })
}

#[test]
fn what_is_wrong_with_the_files_is_told_at_their_keys() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    authority.issue(folder, "a");
    authority.issue(folder, "b");
    check(folder, "certificate_file = \"a.crt\"\nkey_file = \"a.key\"").unwrap();
    let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    fs::write(folder.join("sealed"), sealed).unwrap();
    for (certificate, key, place, needle) in [
        ("a.crt", "b.key", ":3: tls.key_file: ", "is not the key of the first certificate"),
        ("a.crt", "no.key", ":3: tls.key_file: ", "cannot be read"),
        ("a.crt", "a.crt", ":3: tls.key_file: ", "holds no private key"),
        ("a.crt", "sealed", ":3: tls.key_file: ", "is sealed with a password"),
        ("no.crt", "a.key", ":2: tls.certificate_file: ", "cannot be read"),
        ("a.key", "a.key", ":2: tls.certificate_file: ", "holds no certificate"),
    ] {
        let tls = format!("certificate_file = \"{certificate}\"\nkey_file = \"{key}\"");
        let problems = check(folder, &tls).unwrap_err();
        let text = problems.to_string();
        assert_eq!(problems.0.len(), 1, "{text}");
        assert!(text.contains(place) && text.contains(needle), "{text}");
        assert!(text.contains("expected: a PEM file"), "{text}");
    }
    let text = check(folder, "certificate_file = \"a.crt\"").unwrap_err().to_string();
    assert!(text.contains("tls.key_file: is missing"), "{text}");
}
