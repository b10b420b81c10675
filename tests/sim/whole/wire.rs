//! The ways of a process to Salesforce and to other nodes.
//!
//! A request that has left is worked on, whatever becomes of who sent it; only what is held (an
//! event stream, a relayed poll, a request passed on) ends with its connection, as on a server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::dice::Dice;
use super::gate::Gate;
use super::world::{LEGACY, World};
use crate::adapter::transport::{LongLived, Transport, TransportError};

/// Events that a connection holds for who does not read them.
const RECEIVED_MAX: usize = 4_096;
/// Nothing at the other end takes longer.
const FOREVER: Duration = Duration::from_secs(3_600);
/// Entries lists that fail one after the other: more, and what only they know may be missing.
const LISTS_FAIL_MAX: u32 = 2;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    /// It never leaves.
    NotSent,
    /// It never arrives.
    Lost,
    /// It is worked on; the answer is lost.
    AnswerLost,
    /// It is refused with this status.
    Refused(u16),
    /// It is worked on, and answered 500.
    DoneThenFailed,
    /// It arrives this much later.
    Late(u64),
}

/// The way to Salesforce.
pub struct Wire {
    world: Arc<World>,
    gate: Gate,
    node: usize,
    dice: Arc<Dice>,
    lists_failed: Mutex<BTreeMap<String, u32>>,
}

impl Wire {
    pub fn new(world: &Arc<World>, gate: &Gate, node: usize, boot: u64) -> Self {
        let dice = Arc::new(world.dice(&format!("wire {node} {boot}")));
        let (world, gate) = (world.clone(), gate.clone());
        Self { world, gate, node, dice, lists_failed: Mutex::default() }
    }

    fn trip(&self, subject: &str) -> u64 {
        let (low, high) = self.world.plan.latency;
        self.dice.draw(subject, |r| r.range(low, high))
    }

    fn fate(&self, host: &str, path: &str, subject: &str) -> Fate {
        if host == LEGACY {
            return Fate::Passes;
        }
        if self.world.salesforce_is_away() {
            let fates = [Fate::NotSent, Fate::Lost, Fate::AnswerLost];
            return self.dice.draw(subject, |r| r.pick(&fates));
        }
        let streams = path.ends_with("/sse");
        let faults = self.world.plan.faults;
        let permille = if streams { faults.stream } else { faults.calls };
        let mut failed = self.lists_failed.lock().unwrap();
        let failed = failed.entry(subject.to_owned()).or_default();
        let lists = path.ends_with("/entries");
        let hit = self.dice.draw(subject, |r| r.chance(permille)) && self.world.faulty();
        if !hit || (lists && *failed >= LISTS_FAIL_MAX) {
            *failed = 0;
            return Fate::Passes;
        }
        *failed += u32::from(lists);
        if streams {
            let fates = [Fate::NotSent, Fate::Lost, Fate::Refused(503)];
            return self.dice.draw(subject, |r| r.pick(&fates));
        }
        let late = self.dice.draw(subject, |r| r.range(500, 20_000));
        let fates = [
            Fate::NotSent,
            Fate::Lost,
            Fate::AnswerLost,
            Fate::Refused(500),
            Fate::Refused(503),
            Fate::Refused(429),
            Fate::DoneThenFailed,
            Fate::Late(late),
        ];
        self.dice.draw(subject, |r| r.pick(&fates))
    }

    /// An event stream as it comes: event by event, each after its time, until it breaks.
    fn streamed(&self, body: Body, subject: String) -> Body {
        let (world, gate, dice) = (self.world.clone(), self.gate.clone(), self.dice.clone());
        let permille = world.plan.faults.stream * 2;
        let (hit, breaks_in) = dice.draw(&subject, |r| (r.chance(permille), r.range(200, 20_000)));
        let breaks_in = if hit && world.faulty() { breaks_in } else { 3_600_000 };
        let breaks_at = world.at() + breaks_in;
        let frames = received(body);
        let state = (frames, world, gate, (dice, subject));
        Body::from_stream(stream::unfold(
            state,
            move |(mut frames, world, gate, dice)| async move {
                let next = async {
                    let frame = frames.0.recv().await?;
                    let (low, high) = world.plan.latency;
                    let trip = dice.0.draw(&dice.1, |r| r.range(low, high));
                    world.pass(trip).await;
                    Some(frame)
                };
                let broken = async {
                    loop {
                        world.until((world.at() + 500).min(breaks_at)).await;
                        if world.at() >= breaks_at || world.salesforce_is_away() {
                            return;
                        }
                    }
                };
                let frame = tokio::select! {
                    biased;
                    () = gate.died() => None,
                    () = broken => None,
                    frame = next => frame,
                };
                gate.pass().await;
                let frame = frame?;
                Some((Ok::<_, std::io::Error>(frame), (frames, world, gate, dice)))
            },
        ))
    }
}

/// What has been sent, as it lies at the process's end of the connection, and who puts it there.
type Frames = (mpsc::Receiver<Bytes>, AbortOnDropHandle<()>);

/// A connection takes what is sent, also while the process that is to read it stands still.
fn received(body: Body) -> Frames {
    let (sender, receiver) = mpsc::channel(RECEIVED_MAX);
    let mut frames = body.into_data_stream();
    let reader = tokio::spawn(async move {
        while let Some(Ok(frame)) = frames.next().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    (receiver, AbortOnDropHandle::new(reader))
}

#[async_trait]
impl Transport for Wire {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        self.gate.pass_point().await;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
        let held = request.extensions().get::<LongLived>().is_some();
        let subject = subject(&request);
        let fate = self.fate(&host, &path, &subject);
        let (there, back) = (self.trip(&subject), self.trip(&subject));
        let node = self.node;
        self.world.note(|| format!("node {node} calls {method} {path}: {fate:?}"));
        let error = |sent| Err(TransportError { sent, cause: "the wire broke".to_owned() });
        let late = match fate {
            Fate::NotSent => {
                self.world.pass(there).await;
                self.gate.pass().await;
                return error(false);
            }
            Fate::Lost => {
                self.world.pass(there + back).await;
                self.gate.pass().await;
                return error(true);
            }
            Fate::Refused(status) => {
                self.world.pass(there + back).await;
                self.gate.pass().await;
                return Ok(refusal(status));
            }
            Fate::Late(late) => late,
            _ => 0,
        };
        let (hosts, world) = (self.world.hosts.clone(), self.world.clone());
        let asked = async move {
            world.pass(there + late).await;
            hosts.send(request, FOREVER).await
        };
        let answered = if held {
            tokio::time::timeout(within, self.gate.while_alive(asked)).await
        } else {
            let asked = tokio::spawn(asked);
            tokio::time::timeout(within, async { asked.await.expect("it does not panic") }).await
        };
        self.world.pass(back).await;
        self.gate.pass_point().await;
        let Ok(answer) = answered else { return error(true) };
        let answer = answer?;
        match fate {
            Fate::AnswerLost => error(true),
            Fate::DoneThenFailed => Ok(refusal(500)),
            _ if path.ends_with("/sse") && answer.status().is_success() => {
                Ok(answer.map(|body| self.streamed(body, subject)))
            }
            _ => Ok(answer),
        }
    }
}

/// What a request is about: whose it is, and what it asks for.
fn subject(request: &Request<Bytes>) -> String {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let whose = header("x-liveagent-session-key") + &header("authorization");
    format!("{} {} {whose}", request.method(), request.uri().path())
}

fn refusal(status: u16) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    if status == 429 {
        answer.headers_mut().insert(header::RETRY_AFTER, 1.into());
    }
    answer
}

/// The way to the other nodes.
pub struct Link {
    world: Arc<World>,
    gate: Gate,
    node: usize,
    dice: Dice,
}

impl Link {
    pub fn new(world: &Arc<World>, gate: &Gate, node: usize, boot: u64) -> Self {
        let dice = world.dice(&format!("link {node} {boot}"));
        Self { world: world.clone(), gate: gate.clone(), node, dice }
    }
}

#[async_trait]
impl Transport for Link {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        self.gate.pass_point().await;
        let node = self.node;
        let path = request.uri().path().to_owned();
        let faulty = self.world.faulty();
        let permille = self.world.plan.faults.link;
        let (trip, fate) = self.dice.draw(&subject(&request), |r| {
            let fates = [Fate::NotSent, Fate::Lost, Fate::AnswerLost, Fate::AnswerLost];
            let fate = if r.chance(permille) { r.pick(&fates) } else { Fate::Passes };
            (r.range(0, 5), if faulty { fate } else { Fate::Passes })
        });
        let error = |sent| Err(TransportError { sent, cause: "the link broke".to_owned() });
        self.world.pass(trip).await;
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let Some(there) = self.world.at_address(&authority) else {
            self.gate.pass().await;
            return error(false);
        };
        if fate == Fate::NotSent {
            self.gate.pass().await;
            return error(false);
        }
        if fate == Fate::Lost || self.world.link_is_cut() {
            // Nobody says that it did not arrive.
            self.world.pass(within.as_millis() as u64).await;
            self.gate.pass().await;
            return error(true);
        }
        let (hosts, gate) = (self.world.hosts.clone(), there.gate.clone());
        let asked = async move {
            gate.pass().await;
            let answer = hosts.send(request, FOREVER).await?;
            let (parts, body) = answer.into_parts();
            gate.pass().await;
            // What the other node wrote is on its way.
            let body = body.collect().await.map(http_body_util::Collected::to_bytes);
            let lost = TransportError { sent: true, cause: "half an answer".to_owned() };
            Ok(Response::from_parts(parts, body.map_err(|_| lost)?))
        };
        let broken = || TransportError { sent: true, cause: "the link broke".to_owned() };
        let answered: Result<Response<Bytes>, TransportError> = tokio::select! {
            biased;
            () = self.gate.died() => std::future::pending().await,
            () = there.gate.died() => Err(broken()),
            answered = tokio::time::timeout(within, asked) => {
                answered.unwrap_or_else(|_| Err(broken()))
            }
        };
        self.world.pass(trip).await;
        self.gate.pass_point().await;
        self.world.note(|| {
            let status = answered.as_ref().map(|answer| answer.status().as_u16());
            format!("node {node} passed on {path}: {fate:?}, {:?}", status.ok())
        });
        let answer = answered?;
        if fate == Fate::AnswerLost {
            return error(true);
        }
        self.world.count(|counts| counts.forwards += 1);
        Ok(answer.map(Body::from))
    }
}
