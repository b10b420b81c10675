//! A balancer in front of the nodes, with the file that docs/deploy has for it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cluster::free_port;
use crate::cluster::shipped;
use crate::cluster::site::Node;
use crate::visitor::http;
use crate::within;

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    Nginx,
    Haproxy,
    Envoy,
}

/// How it chooses a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It knows nothing: one after the other.
    RoundRobin,
    /// By the affinity token, as shipped.
    Affinity,
}

/// A running balancer; ended by its own id.
pub struct Balancer {
    child: Child,
    port: u16,
}

impl Balancer {
    /// Starts it in front of nodes, with its configuration and log in `folder`.
    pub async fn new(folder: &Path, nodes: &[Node], product: Product, choice: Choice) -> Self {
        let port = free_port();
        let conf = folder.join(format!("{product:?}-{port}.conf"));
        let log = conf.with_extension("err");
        let text = match product {
            Product::Nginx => shipped::nginx(folder, nodes, choice, port),
            Product::Haproxy => shipped::haproxy(nodes, choice, port),
            Product::Envoy => shipped::envoy(nodes, choice, port),
        };
        std::fs::write(&conf, text).unwrap();
        let mut child = command(product, folder, &conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{product:?}: {error}; ./tests/run installs it"));
        let up = async {
            while http().get(format!("http://127.0.0.1:{port}/none")).send().await.is_err() {
                if let Some(status) = child.try_wait().unwrap() {
                    let log = std::fs::read_to_string(&log).unwrap_or_default();
                    panic!("{product:?} ended: {status}: {log}");
                }
            }
        };
        within("the balancer", up).await;
        Self { child, port }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}/chat/rest", self.port)
    }

    /// Waits until a node gets requests from it.
    pub async fn reaches(&self, node: &Node) {
        let url = format!("{}/System/Messages", self.base());
        let before = node.requests().await;
        let asking = async {
            while node.requests().await == before {
                let affinity = uuid::Uuid::new_v4().to_string();
                let asked = http().get(&url).header("X-LIVEAGENT-AFFINITY", affinity);
                asked.send().await.unwrap();
            }
        };
        within("the node gets requests", asking).await;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(product: Product, folder: &Path, conf: &Path) -> Command {
    let mut command = Command::new(program(product));
    match product {
        Product::Nginx => command.arg("-p").arg(folder).arg("-c").arg(conf),
        Product::Haproxy => command.arg("-db").arg("-f").arg(conf),
        Product::Envoy => command
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"])
            .args(["--config-yaml", &std::fs::read_to_string(conf).unwrap()]),
    };
    command
}

/// Debian puts its ones where only root looks; `tests/run` names the one of PyPI.
fn program(product: Product) -> PathBuf {
    let name = match product {
        Product::Nginx => "nginx",
        Product::Haproxy => "haproxy",
        Product::Envoy => return std::env::var_os("ENVOY").map_or("envoy".into(), PathBuf::from),
    };
    let debian = Path::new("/usr/sbin").join(name);
    if debian.exists() { debian } else { name.into() }
}
