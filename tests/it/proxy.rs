//! An HTTP proxy: tunnels by CONNECT, whole addresses otherwise. Two suites share it; neither uses
//! all of it.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// The largest head of a request that is read.
const HEAD_BYTES: usize = 64 * 1024;

/// A proxy that remembers what it was asked for, as `CONNECT host:port` or `GET http://host/path`.
pub(crate) struct Proxy {
    at: SocketAddr,
    password: Option<String>,
    seen: Arc<Mutex<Vec<String>>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Listens; with a password, as `user:password`, nobody else is served.
    pub(crate) async fn start(password: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = seen.clone();
        let wanted = password.map(|password| format!("Basic {}", STANDARD.encode(password)));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (keep, wanted) = (keep.clone(), wanted.clone());
                // How a client's connection ends is its own affair.
                tokio::spawn(async move { drop(serve(stream, &keep, wanted).await) });
            }
        });
        let accepting = AbortOnDropHandle::new(accepting);
        Self { at, password: password.map(ToOwned::to_owned), seen, _accepting: accepting }
    }

    /// What `egress.proxy` says.
    pub(crate) fn address(&self) -> String {
        match &self.password {
            Some(password) => format!("http://{}@{}", password.replace(' ', "%20"), self.at),
            None => format!("http://{}", self.at),
        }
    }

    /// What it was asked for so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// One connection; a plain request closes it, so that each is seen.
async fn serve(
    mut client: TcpStream,
    seen: &Mutex<Vec<String>>,
    wanted: Option<String>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        if bytes.len() > HEAD_BYTES || client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    let given = header(&head, "proxy-authorization");
    if wanted.is_some() && given != wanted {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return client.write_all(answer.as_bytes()).await;
    }
    let line = head.lines().next().unwrap();
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    seen.lock().unwrap().push(format!("{method} {target}"));
    if method == "CONNECT" {
        let mut server = TcpStream::connect(target).await?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    let (host, path) = target.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut server = TcpStream::connect(host).await?;
    let passed = head.lines().skip(1).filter(|line| {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        !line.is_empty() && name != "proxy-authorization" && name != "connection"
    });
    let passed: String = passed.map(|line| format!("{line}\r\n")).collect();
    let whole = format!("{method} /{path} HTTP/1.1\r\n{passed}connection: close\r\n\r\n");
    server.write_all(whole.as_bytes()).await?;
    server.write_all(&body).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

fn header(head: &str, wanted: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
    })
}
