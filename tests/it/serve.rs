//! The accept loop over real sockets, with limits so small that no test has to wait.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use liveagent_bridge::serve::{ServeLimits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::service_fn;

/// No test waits longer for anything.
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
    /// Lets one request to `/wait` finish.
    go: Arc<Notify>,
    /// One request to `/wait` has come.
    came: Arc<Notify>,
    stop: CancellationToken,
    done: JoinHandle<std::io::Result<()>>,
}

async fn start(limits: ServeLimits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (go, came, stop) =
        (Arc::new(Notify::new()), Arc::new(Notify::new()), CancellationToken::new());
    let gates = (go.clone(), came.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (go, came) = gates.clone();
        async move {
            if request.uri().path() == "/wait" {
                came.notify_one();
                go.notified().await;
            }
            Ok::<_, Infallible>(Response::new(Body::from("OK")))
        }
    });
    let done = tokio::spawn(serve(listener, service, limits, stop.clone()));
    Server { at, go, came, stop, done }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("closed in time");
    // A reset counts as closed.
    let _ = read;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with the body `OK`.
async fn one(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\nOK") {
        let read = timeout(DEADLINE, stream.read_buf(&mut bytes)).await.expect("in time");
        assert!(read.unwrap() > 0, "closed: {}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn headers_that_do_not_come_close_the_connection() {
    let server = start(ServeLimits { head_time: Duration::from_millis(50), ..LIMITS }).await;
    for sent in [&b""[..], b"GET / HTTP/1.1\r\nhost:"] {
        let mut stream = server.connect().await;
        stream.write_all(sent).await.unwrap();
        assert_eq!(rest(&mut stream).await, "");
    }
    // Also those of a second request, long before the connection counts as idle.
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    one(&mut stream).await;
    stream.write_all(b"GET /").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_running_request_and_an_idle_connection_are_not_slow() {
    let limits = ServeLimits { head_time: Duration::from_millis(50), ..LIMITS };
    let server = start(limits).await;
    let (mut waiting, mut slow) = (server.connect().await, server.connect().await);
    waiting.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.came.notified()).await.unwrap();
    // When another connection was cut for its slowness, the time is over for this one too.
    assert_eq!(rest(&mut slow).await, "");
    server.go.notify_one();
    one(&mut waiting).await;
    let mut slow = server.connect().await;
    assert_eq!(rest(&mut slow).await, "");
    waiting.write_all(GET).await.unwrap();
    one(&mut waiting).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(ServeLimits { idle: Duration::from_millis(50), ..LIMITS }).await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    assert!(rest(&mut stream).await.ends_with("OK"));
}

#[tokio::test]
async fn too_large_or_too_many_headers_are_refused() {
    let server = start(LIMITS).await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(5_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(30));
    for request in [large, many] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(text.contains(&format!("longer than {} bytes", LIMITS.head_bytes)), "{text}");
        assert!(text.contains(&format!("more than {} headers", LIMITS.headers)), "{text}");
        assert!(head.contains(&format!("content-length: {}\r\n", text.len())), "{head}");
        assert!(head.contains("connection: close"), "{head}");
    }
}

#[tokio::test]
async fn what_comes_after_good_requests_is_refused_in_words_too() {
    let server = start(LIMITS).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(GET).await.unwrap();
        assert!(one(&mut stream).await.ends_with("OK"));
    }
    stream.write_all(b"no HTTP at all\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("this cannot be read as a request of HTTP/1.1"), "{answer}");
}

#[tokio::test]
async fn connections_past_the_cap_wait_for_room() {
    let server = start(ServeLimits { connections: 1, ..LIMITS }).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.came.notified()).await.unwrap();
    let mut second = server.connect().await;
    second.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let early = timeout(Duration::from_millis(50), server.came.notified()).await;
    assert!(early.is_err(), "the second connection is not accepted yet");
    server.go.notify_one();
    one(&mut first).await;
    drop(first);
    timeout(DEADLINE, server.came.notified()).await.unwrap();
    server.go.notify_one();
    one(&mut second).await;
}

#[tokio::test]
async fn a_drain_lets_running_requests_finish() {
    let server = start(LIMITS).await;
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    idle.write_all(GET).await.unwrap();
    one(&mut idle).await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.came.notified()).await.unwrap();
    server.stop.cancel();
    assert_eq!(rest(&mut idle).await, "", "idle connections are closed at once");
    server.go.notify_one();
    let answer = rest(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("OK"), "{answer}");
    timeout(DEADLINE, server.done).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.at).await.is_err(), "nothing is accepted any more");
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let server = start(ServeLimits { drain: Duration::from_millis(50), ..LIMITS }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    timeout(DEADLINE, server.came.notified()).await.unwrap();
    server.stop.cancel();
    timeout(DEADLINE, server.done).await.unwrap().unwrap().unwrap();
    assert_eq!(rest(&mut stuck).await, "");
}
