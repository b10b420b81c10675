//! TLS to the store, against a real server with a certificate of an authority of our own.

use std::path::Path;

use liveagent_bridge::store::Store as _;
use liveagent_bridge::store::postgres::PostgresStore;
use liveagent_bridge::store::seal::KeyRing;

use crate::certificates::Authority;
use crate::machine::Machine;
use crate::program::Program;
use crate::server::RING;
use crate::site::Site;
use crate::{desk, visitor};

/// A server whose certificate is for these hosts, and a folder with `ca.pem`.
async fn server(hosts: &[&str]) -> (tempfile::TempDir, Machine) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    authority.issue_for(folder.path(), "server", hosts);
    let machine = Machine::with_tls(&folder.path().join("server")).await;
    (folder, machine)
}

fn url(machine: &Machine, host: &str, mode: &str) -> String {
    format!("postgres://bridge@{host}:{}/postgres?sslmode={mode}", machine.port())
}

async fn open(url: &str, ca: Option<&Path>) -> Result<PostgresStore, String> {
    let opened = PostgresStore::open(url, ca, KeyRing::from_secret(RING).unwrap()).await;
    opened.map_err(|error| error.to_string())
}

/// Whether every connection of the store is under TLS.
async fn encrypted(machine: &Machine) -> bool {
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'liveagent-bridge'";
    machine.client().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn the_authority_of_the_file_is_trusted_and_sslmode_says_how_much_tls() {
    let (folder, machine) = server(&["localhost", "127.0.0.1"]).await;
    let ca = folder.path().join("ca.pem");
    for (host, mode, tls) in [
        ("localhost", "require", true),
        ("127.0.0.1", "require", true),
        ("localhost", "verify-full", true),
        ("localhost", "prefer", true),
        ("localhost", "disable", false),
    ] {
        let store = open(&url(&machine, host, mode), Some(&ca)).await.unwrap();
        store.writable().await.unwrap();
        assert_eq!(encrypted(&machine).await, tls, "{host} {mode}");
        drop(store);
    }
    // `prefer` does not mean that a certificate is overlooked.
    for mode in ["require", "verify-full", "prefer"] {
        let error = open(&url(&machine, "localhost", mode), None).await.unwrap_err();
        assert!(error.contains("of no authority that is trusted here"), "{mode}: {error}");
        assert!(error.contains("`[egress] extra_ca_file`"), "{mode}: {error}");
    }
    open(&url(&machine, "localhost", "disable"), None).await.unwrap();
    let missing = folder.path().join("none.pem");
    let error = open(&url(&machine, "localhost", "require"), Some(&missing)).await.unwrap_err();
    assert!(error.contains("`egress.extra_ca_file`") && error.contains("none.pem"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (folder, machine) = server(&["db.example"]).await;
    let ca = folder.path().join("ca.pem");
    for mode in ["require", "prefer"] {
        let error = open(&url(&machine, "localhost", mode), Some(&ca)).await.unwrap_err();
        assert!(error.contains("the certificate of localhost is for another name"), "{error}");
        assert!(error.contains("db.example") && error.contains("`[store] url`"), "{error}");
    }
    // The name is what counts, not the address that leads there.
    let by_name = format!("{}&hostaddr=127.0.0.1", url(&machine, "db.example", "require"));
    open(&by_name, Some(&ca)).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let machine = Machine::start().await;
    let error = open(&url(&machine, "localhost", "require"), None).await.unwrap_err();
    assert!(error.contains("localhost does not speak TLS"), "{error}");
    let store = open(&url(&machine, "localhost", "prefer"), None).await.unwrap();
    store.writable().await.unwrap();
    assert!(!encrypted(&machine).await);
}

#[tokio::test]
async fn several_servers_are_each_told_about() {
    let (folder, machine) = server(&["db.example"]).await;
    let port = machine.port();
    let both = format!("postgres://bridge@127.0.0.1:1,localhost:{port}/postgres?sslmode=require");
    let error = open(&both, Some(&folder.path().join("ca.pem"))).await.unwrap_err();
    assert!(error.contains("127.0.0.1:1: "), "{error}");
    assert!(error.contains(&format!("localhost:{port}: the certificate of")), "{error}");
}

/// The whole program, with the file where the configuration names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_takes_the_authority_from_egress() {
    let (folder, machine) = server(&["localhost"]).await;
    let site = Site::new("none").await;
    let text = std::fs::read_to_string(site.config()).unwrap();
    let store =
        format!("url = \"{}\"\nkey_ring = \"{RING}\"", url(&machine, "localhost", "require"));
    let text = text.replace("path = \"bridge.sqlite\"", &store);
    std::fs::write(site.config(), &text).unwrap();
    let config = site.config();
    let args = ["serve", "--config", config.to_str().unwrap()];
    let refused = Program::start(&args, &[], &site.log()).ended().await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.log.contains("name the authority's PEM file"), "{}", refused.log);
    let ca = folder.path().join("ca.pem");
    let egress = format!("[egress]\nextra_ca_file = \"{}\"\n[[tenant]]", ca.display());
    std::fs::write(site.config(), text.replace("[[tenant]]", &egress)).unwrap();
    let bridge = site.serve().await;
    let desk = desk::Desk::new(&site.desk);
    let mut line = visitor::Line::new(&site).await;
    line.init(Some(1), "tls@example.test").await;
    desk.chat("the chat", |chat| desk::asked_with(chat, "tls@example.test")).await;
    assert!(encrypted(&machine).await);
    drop(bridge);
}
