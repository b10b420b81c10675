//! U8: a name of Salesforce's that is not found, or leads to a private address: nothing is sent,
//! on neither of the two ways out, and what is told says what to do.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::Request;
use liveagent_bridge::adapter::transport::names::Lookup;
use liveagent_bridge::adapter::transport::reqwest::Reqwest;
use liveagent_bridge::adapter::transport::{LongLived, Transport as _, TransportError};
use liveagent_bridge::config::{Egress, Limits};
use liveagent_bridge::serve::{Door, ServeLimits, Tls, TlsFiles, serve};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::certificates::Authority;

const HOST: &str = "acme.my.salesforce-scrt.com";
const WAIT: Duration = Duration::from_secs(20);

/// What the name leads to now; nothing for a name that is not known.
type Leads = Arc<Mutex<Option<&'static str>>>;

struct Inside {
    at: SocketAddr,
    folder: TempDir,
    asked: Arc<Mutex<usize>>,
}

/// A server within the network, with a certificate for the name: nothing but the address is wrong.
async fn inside() -> Inside {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.issue_for(folder.path(), "a", &[HOST]);
    let path = |name: &str| folder.path().join(name);
    fs::write(path("ca.pem"), authority.pem()).unwrap();
    let tls = Tls::new(TlsFiles { certificate: path("a.crt"), key: path("a.key") }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let router = Router::new().fallback(async move || {
        *count.lock().unwrap() += 1;
        "inside"
    });
    let limits = ServeLimits::from(&Limits::default());
    let door = Door { listener, tls: Some(tls) };
    tokio::spawn(serve(door, router, limits, CancellationToken::new()));
    Inside { at, folder, asked }
}

fn transport(inside: &Inside, leads: &Leads, private_addresses: bool) -> Reqwest {
    let ca = inside.folder.path().join("ca.pem");
    let egress = Egress { extra_ca_file: Some(ca), private_addresses, ..Egress::default() };
    let leads = leads.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let found = leads.lock().unwrap().map(|text| SocketAddr::new(text.parse().unwrap(), 0));
        let unknown = || std::io::Error::other("no such name");
        Box::pin(std::future::ready(found.map(|at| vec![at]).ok_or_else(unknown)))
    });
    Reqwest::looking_up(&egress, &Limits::default(), lookup).unwrap()
}

/// A call, and a request that is held.
async fn both(transport: &Reqwest, inside: &Inside) -> [Result<u16, TransportError>; 2] {
    let request = || Request::get(format!("https://{HOST}:{}/", inside.at.port()));
    let call = request().body(Bytes::new()).unwrap();
    let mut held = request().body(Bytes::new()).unwrap();
    held.extensions_mut().insert(LongLived);
    let status = |answer: Result<http::Response<_>, _>| answer.map(|a| a.status().as_u16());
    [status(transport.send(call, WAIT).await), status(transport.send(held, WAIT).await)]
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_before_anything_is_sent() {
    let inside = inside().await;
    let leads = Leads::default();
    let strict = transport(&inside, &leads, false);
    for (now, told) in [
        (None, "no such name"),
        (Some("127.0.0.1"), "egress.private_addresses"),
        (Some("169.254.169.254"), "egress.private_addresses"),
        (Some("10.0.0.1"), "egress.private_addresses"),
        (Some("::ffff:127.0.0.1"), "egress.private_addresses"),
    ] {
        *leads.lock().unwrap() = now;
        for answer in both(&strict, &inside).await {
            let error = answer.expect_err("refused");
            assert!(!error.sent, "{error}");
            assert!(error.cause.contains(told) && error.cause.contains(HOST), "{error}");
        }
    }
    assert_eq!(*inside.asked.lock().unwrap(), 0);
    // Where Salesforce is reached by a private link, the operator says so.
    *leads.lock().unwrap() = Some("127.0.0.1");
    let allowed = transport(&inside, &leads, true);
    for answer in both(&allowed, &inside).await {
        assert_eq!(answer.expect("an answer"), 200);
    }
    assert_eq!(*inside.asked.lock().unwrap(), 2);
}
