//! The way of a client to a node: a balancer that knows nothing, or that asks another node when one
//! breaks a connection.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

use super::plan::Balancing;
use super::world::{Process, World};
use crate::machine::rng::Rng;

/// Attempts of a balancer that asks another node.
const ATTEMPTS: usize = 40;
/// The pause between two rounds over all nodes.
const PAUSE: u64 = 250;

/// An answer, or none.
pub enum Got {
    Answer(StatusCode, String),
    /// The connection broke; nobody knows what became of the request. `read`: the bridge wrote an
    /// answer all the same.
    Broken {
        written: bool,
    },
    /// The client hung up.
    TimedOut,
}

/// One client's way.
pub struct Way {
    name: String,
    world: Arc<World>,
    rng: Rng,
    node: usize,
    /// Asks another node when one is lost; then nothing else breaks on the way either.
    again: bool,
}

enum Attempt {
    Got(Got),
    /// The node is not there, or died.
    NodeLost,
}

impl Way {
    pub fn new(world: &Arc<World>, name: &str, again: bool) -> Self {
        let mut rng = world.rng(&format!("way {name}"));
        let node = rng.range(0, world.plan.nodes as u64 - 1) as usize;
        Self { name: name.to_owned(), world: world.clone(), rng, node, again }
    }

    fn choose(&mut self) -> usize {
        let nodes = self.world.plan.nodes;
        if self.world.plan.balancing == Balancing::RoundRobin {
            self.node = (self.node + 1) % nodes;
        }
        // A probe of readiness takes a stopping node out.
        let ready = |node: usize| self.world.process(node).is_some_and(|process| process.ready);
        let usable = (0..nodes).map(|off| (self.node + off) % nodes).find(|node| ready(*node));
        self.node = usable.unwrap_or(self.node);
        self.node
    }

    /// Sends a request, and reads its answer to the end.
    pub async fn ask(&mut self, request: &Request<Bytes>, within: Duration) -> Got {
        match tokio::time::timeout(within, self.attempts(request)).await {
            Ok(got) => got,
            Err(_) => Got::TimedOut,
        }
    }

    async fn attempts(&mut self, request: &Request<Bytes>) -> Got {
        for attempt in 1..=ATTEMPTS {
            let node = self.choose();
            match self.attempt(node, request).await {
                Attempt::Got(got) => return got,
                Attempt::NodeLost if self.again => {
                    self.node = (self.node + 1) % self.world.plan.nodes;
                    if attempt % self.world.plan.nodes == 0 {
                        self.world.pass(PAUSE).await;
                    }
                }
                Attempt::NodeLost => {
                    self.node = (self.node + 1) % self.world.plan.nodes;
                    return Got::Broken { written: false };
                }
            }
        }
        Got::Broken { written: false }
    }

    async fn attempt(&mut self, node: usize, request: &Request<Bytes>) -> Attempt {
        let (low, high) = (1, self.world.plan.latency.1.min(150));
        let trip = self.rng.range(low, high);
        let hit = !self.again && self.world.faulty() && {
            let permille = self.world.plan.faults.net;
            self.rng.chance(permille)
        };
        let kind = if hit { self.rng.range(0, 3) } else { u64::MAX };
        let cut_in = if kind == 1 { self.rng.range(1, 15_000) } else { 3_600_000 };
        self.world.pass(trip).await;
        if kind == 0 {
            return Attempt::Got(Got::Broken { written: false });
        }
        let process = self.world.process(node).filter(|process| process.ready);
        let Some(Process { gate, public, accepted, .. }) = process else {
            self.world.note(|| format!("{} finds no node {node}", self.name));
            return Attempt::NodeLost;
        };
        let _accepted = accepted.token();
        let sent = copy(request);
        self.world.note(|| {
            let fault = ["cut", "cut later", "unwritten", "unread"].get(kind as usize);
            let uri = request.uri();
            format!("{} reaches node {node}: {uri} {}", self.name, fault.unwrap_or(&""))
        });
        let at = gate.clone();
        let asked = tokio::spawn(async move {
            at.pass().await;
            let answer = public.oneshot(sent).await.unwrap_or_else(|never| match never {});
            at.pass_point().await;
            answer
        });
        let asked = AbortOnDropHandle::new(asked);
        let answer = tokio::select! {
            biased;
            () = gate.died() => return Attempt::NodeLost,
            () = self.world.pass(cut_in) => return Attempt::Got(Got::Broken { written: false }),
            answer = asked => answer.expect("it does not panic"),
        };
        if kind == 2 {
            return Attempt::Got(Got::Broken { written: false });
        }
        let status = answer.status();
        let body = tokio::select! {
            biased;
            () = gate.died() => return Attempt::NodeLost,
            body = answer.into_body().collect() => body,
        };
        self.world.pass(trip).await;
        let Ok(body) = body else { return Attempt::Got(Got::Broken { written: false }) };
        if kind == 3 {
            return Attempt::Got(Got::Broken { written: true });
        }
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Attempt::Got(Got::Answer(status, text))
    }
}

fn copy(request: &Request<Bytes>) -> Request<Body> {
    let mut copy = Request::new(Body::from(request.body().clone()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    let length = request.body().len();
    copy.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    copy
}
