//! Hosts that are not reached, each by a real cause on this machine.

use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::adapter::transport::reqwest::Reqwest;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{Egress, Limits};
use liveagent_bridge::preflight::{Checked, Live, check};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::one;
use crate::stage::tenant;

/// A check over real sockets.
async fn reached(base_url: String, answer_within: Duration) -> Checked {
    let mut tenant = tenant("acme");
    (tenant.miaw.base_url, tenant.legacy) = (base_url, None);
    let transport = Reqwest::new(&Egress::default(), &Limits::default()).expect("a client");
    let live = Live {
        transport: Arc::new(transport),
        clock: Clock::system(),
        wait: answer_within,
        answer_within,
        file: "bridge.toml".into(),
    };
    check(&live, &tenant).await
}

#[track_caller]
fn says(checked: &Checked, what: &str, help: &str) {
    let text = one(checked);
    assert!(text.contains("[CF001]") && text.contains("acme.miaw.base_url"), "{text}");
    assert!(text.contains(what) && text.contains(help), "{text}");
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_name_that_is_not_known() {
    // The name looks like other causes.
    let checked = reached("https://refused-certificate.invalid".to_owned(), LONG).await;
    says(&checked, "(DNS)", "code snippet");
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    // Bound, so that nobody else gets it, and not listened at.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let checked = reached(format!("http://127.0.0.1:{port}"), LONG).await;
    drop(socket);
    says(&checked, "the connection was refused", "firewall");
}

#[tokio::test]
async fn a_port_that_speaks_no_tls() {
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt as _;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let checked = reached(format!("https://127.0.0.1:{port}"), LONG).await;
    says(&checked, "does not speak TLS", "scheme and port");
}

#[tokio::test]
async fn a_certificate_that_nobody_knows() {
    let chain = CertificateDer::from_pem_slice(include_bytes!("../fixtures/tls/certificate.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../fixtures/tls/key.pem"));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![chain.unwrap()], key.unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // Fails on both sides: the client does not go on.
            let _ = acceptor.accept(socket).await;
        }
    });
    let checked = reached(format!("https://127.0.0.1:{port}"), LONG).await;
    says(&checked, "certificate is not trusted", "extra_ca_file");
}

#[tokio::test]
async fn a_host_that_takes_the_connection_and_says_nothing() {
    let (listener, port) = listener().await;
    // Connections wait in the listener's queue, accepted by nobody.
    let checked = reached(format!("http://127.0.0.1:{port}"), Duration::from_millis(100)).await;
    drop(listener);
    says(&checked, "no answer came in time", "egress");
}
