//! nginx in front of the nodes, as docs/deploy/nginx.conf has it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::cluster::free_port;
use crate::cluster::site::Node;
use crate::visitor::http;
use crate::within;

/// The part that operators copy, with the lines that name nodes.
const SHIPPED: &str = include_str!("../../../docs/deploy/nginx.conf");

/// How it chooses a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It knows nothing: one after the other.
    RoundRobin,
    /// By the affinity token, as shipped.
    Affinity,
}

/// A running nginx; ended by its own id.
pub struct Balancer {
    child: Child,
    port: u16,
}

impl Balancer {
    /// Starts nginx in front of nodes.
    pub async fn new(folder: &Path, nodes: &[Node], choice: Choice) -> Self {
        let port = free_port();
        let conf = folder.join(format!("nginx-{port}.conf"));
        std::fs::write(&conf, configuration(folder, nodes, choice, port)).unwrap();
        let mut child = Command::new(program())
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("nginx.err")).unwrap())
            .spawn()
            .expect("nginx; ./tests/run installs it");
        let up = async {
            while http().get(format!("http://127.0.0.1:{port}/none")).send().await.is_err() {
                if let Some(status) = child.try_wait().unwrap() {
                    let log = std::fs::read_to_string(folder.join("nginx.err"));
                    panic!("nginx ended: {status}: {}", log.unwrap_or_default());
                }
            }
        };
        within("nginx", up).await;
        Self { child, port }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}/chat/rest", self.port)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(folder: &Path, nodes: &[Node], choice: Choice, port: u16) -> String {
    let mut upstream = String::new();
    for line in SHIPPED.lines() {
        let word = line.split_whitespace().next().unwrap_or_default();
        match word {
            "hash" if choice == Choice::RoundRobin => {}
            "server" if line.contains("bridge-0.") => {
                for node in nodes {
                    writeln!(upstream, "server 127.0.0.1:{} max_fails=0;", node.port).unwrap();
                }
            }
            "server" if line.contains("bridge-1.") => {}
            "listen" => writeln!(upstream, "listen 127.0.0.1:{port};").unwrap(),
            "ssl_certificate" | "ssl_certificate_key" | "server_name" => {}
            _ => writeln!(upstream, "{line}").unwrap(),
        }
    }
    let at = folder.display();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String =
        paths.iter().map(|kind| format!("{kind}_temp_path {at}/nginx-{kind}-{port};\n")).collect();
    format!(
        "daemon off;\nmaster_process off;\npid {at}/nginx-{port}.pid;\nerror_log stderr;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\naccess_log off;\n{paths}{upstream}\n}}\n"
    )
}

/// Debian puts it where only root looks.
fn program() -> &'static str {
    let debian = "/usr/sbin/nginx";
    if Path::new(debian).exists() { debian } else { "nginx" }
}
