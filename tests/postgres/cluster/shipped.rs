//! The files of docs/deploy for balancers, with the addresses of a test. What is not an address
//! stays as operators copy it, but for the way of choosing.

use std::fmt::Write as _;
use std::path::Path;

use crate::cluster::balancer::Choice;
use crate::cluster::site::Node;

const NGINX: &str = include_str!("../../../docs/deploy/nginx.conf");
const HAPROXY: &str = include_str!("../../../docs/deploy/haproxy.cfg");
const ENVOY: &str = include_str!("../../../docs/deploy/envoy.yaml");

/// The contents of `http { … }`, and around them what a test needs.
pub fn nginx(folder: &Path, nodes: &[Node], choice: Choice, port: u16) -> String {
    let mut upstream = String::new();
    for line in NGINX.lines() {
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

/// The whole file.
pub fn haproxy(nodes: &[Node], choice: Choice, port: u16) -> String {
    let mut text = String::new();
    let mut servers = 0;
    for line in HAPROXY.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("bind"), _) => writeln!(text, "    bind 127.0.0.1:{port}").unwrap(),
            (Some("balance" | "hash-type"), _) if choice == Choice::RoundRobin => {}
            (Some("server"), Some(name)) => {
                // Once checked, and once for when none is ready.
                let Node { port, admin, .. } = &nodes[servers % nodes.len()];
                let check =
                    if servers < nodes.len() { format!(" port {admin}") } else { String::new() };
                writeln!(text, "    server {name} 127.0.0.1:{port}{check}").unwrap();
                servers += 1;
            }
            _ => writeln!(text, "{line}").unwrap(),
        }
    }
    assert_eq!(servers, 2 * nodes.len());
    text
}

/// The whole file.
pub fn envoy(nodes: &[Node], choice: Choice, port: u16) -> String {
    let listener = "{ address: 0.0.0.0, port_value: 8443 }";
    assert!(ENVOY.contains(listener));
    let mut text =
        ENVOY.replace(listener, &format!("{{ address: 127.0.0.1, port_value: {port} }}"));
    for (n, node) in nodes.iter().enumerate() {
        let shipped = format!("{{ address: bridge-{n}.bridge, port_value: 8080 }}");
        let ours = format!("{{ address: 127.0.0.1, port_value: {} }}", node.port);
        let (before, after) = text.split_once(&shipped).expect("the node's endpoint");
        let admin = format!("port_value: {} ", node.admin);
        let after = after.replacen("port_value: 8081 ", &admin, 1);
        text = format!("{before}{ours}{after}");
    }
    match choice {
        Choice::Affinity => text,
        Choice::RoundRobin => text.replace("lb_policy: RING_HASH", "lb_policy: ROUND_ROBIN"),
    }
}
