//! U6: a REST host that allows 100 streams on an HTTP/2 connection. Open event streams take none
//! of them: they have connections of their own.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use liveagent_bridge::adapter::transport::Transport as _;
use liveagent_bridge::adapter::transport::reqwest::Reqwest;
use liveagent_bridge::config::{Egress, Limits};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::certificates::Authority;

/// What the host allows at once on one connection.
const STREAMS_MAX: u32 = 100;
/// Chats with an open event stream; three times what one connection would carry.
const CHATS: usize = 300;
const WAIT: Duration = Duration::from_secs(60);

/// What the host was asked for, and by which version of HTTP.
type Asked = Arc<Mutex<Vec<(String, Version)>>>;

struct Host {
    at: SocketAddr,
    folder: TempDir,
    asked: Asked,
    _accepting: AbortOnDropHandle<()>,
}

async fn host() -> Host {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.issue(folder.path(), "a");
    fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let certificate = CertificateDer::from_pem_file(folder.path().join("a.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.path().join("a.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let asked = Asked::default();
    let keep = asked.clone();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(acceptor.clone(), stream, keep.clone()));
        }
    });
    Host { at, folder, asked, _accepting: AbortOnDropHandle::new(accepting) }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, asked: Asked) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        asked.lock().unwrap().push((path.clone(), request.version()));
        async move { Ok::<_, Infallible>(answer(&path)) }
    });
    let io = TokioIo::new(stream);
    // How a connection ends is its client's affair.
    if second {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(STREAMS_MAX);
        drop(builder.serve_connection(io, service).await);
    } else {
        drop(http1::Builder::new().serve_connection(io, service).await);
    }
}

/// An event, and then silence without an end; or a short answer.
fn answer(path: &str) -> Response<Body> {
    if path != "/sse" {
        return Response::new(Body::from("rest"));
    }
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"data: 1\n\n"))]);
    let body = Body::from_stream(first.chain(stream::pending()));
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

#[tokio::test]
async fn open_event_streams_take_nothing_from_rest() {
    let host = host().await;
    let ca = host.folder.path().join("ca.pem");
    let egress = Egress { extra_ca_file: Some(ca), ..Egress::default() };
    let transport = Reqwest::new(&egress, &Limits::default()).unwrap();
    let base = format!("https://localhost:{}", host.at.port());
    let mut streams = Vec::new();
    for _ in 0..CHATS {
        let request = Request::get(format!("{base}/sse")).header("accept", "text/event-stream");
        let request = request.body(Bytes::new()).unwrap();
        let answer = transport.send(request, WAIT).await.expect("a stream");
        let mut body = answer.into_body().into_data_stream();
        assert_eq!(body.next().await.expect("an event").expect("a chunk"), "data: 1\n\n");
        streams.push(body);
    }
    // While all of them are open, more calls at once than the host allows: all are answered.
    let calls = (0..2 * STREAMS_MAX).map(|_| async {
        let request = Request::get(format!("{base}/rest")).body(Bytes::new()).unwrap();
        let answer = transport.send(request, WAIT).await.expect("an answer");
        answer.into_body().collect().await.expect("a body").to_bytes()
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|text| text == "rest"));
    let asked = host.asked.lock().unwrap();
    let versions = |path: &str| {
        let mut of = asked.iter().filter(|(asked, _)| asked == path).map(|(_, version)| *version);
        let first = of.next().expect("asked for");
        assert!(of.all(|version| version == first), "{path}");
        first
    };
    assert_eq!((versions("/sse"), versions("/rest")), (Version::HTTP_11, Version::HTTP_2));
    drop(streams);
}
