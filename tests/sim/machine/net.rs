//! The connections between the legacy client and the bridge, and how they break.

use std::collections::BTreeMap;

use crate::chat::visitor::Post;
use crate::chat::{Input, Payload, Reply, ReplyTo};
use crate::machine::client::TIMEOUT;
use crate::machine::front::Asked;
use crate::machine::world::{Event, World};

/// What the client asks.
#[derive(Clone, Debug)]
pub enum Request {
    Post { post: Post, item: u64 },
    Poll { ack: Option<i64> },
    Reconnect { offset: Option<i64> },
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Holds,
    /// The request never arrives.
    Before,
    /// It breaks this long after the request arrived, unless answered.
    Waiting(u64),
    /// It breaks under the answer; `true` when the bridge believes that it was written.
    Under(bool),
}

/// A request on its way, or waiting.
#[derive(Debug)]
pub struct Conn {
    pub request: Request,
    fate: Fate,
    /// Whether the client still waits.
    pub waits: bool,
    arrived: bool,
    /// The process died under its answer, which was lost with it.
    severed: bool,
    /// Which node it leads to.
    node: usize,
    /// The node was paused when it came.
    pub frozen: bool,
}

/// All of them.
#[derive(Default)]
pub struct Net {
    conns: BTreeMap<u64, Conn>,
    next: u64,
    pub asks: BTreeMap<u64, Asked>,
    pub next_ask: u64,
}

impl Net {
    pub fn request(&self, conn: u64) -> Option<&Request> {
        self.conns.get(&conn).map(|conn| &conn.request)
    }

    /// Which node a connection leads to.
    pub fn node(&self, conn: u64) -> usize {
        self.conns.get(&conn).map_or(0, |conn| conn.node)
    }

    /// The node does not read it yet.
    pub fn freeze(&mut self, conn: u64) {
        if let Some(open) = self.conns.get_mut(&conn) {
            open.frozen = true;
        }
    }

    pub fn waits(&self, conn: u64) -> bool {
        self.conns.get(&conn).is_some_and(|conn| conn.waits)
    }
}

impl World {
    /// The client sends a request; the answer comes as [`Event::ClientGets`].
    pub fn send(&mut self, request: Request) -> u64 {
        self.net.next += 1;
        let conn = self.net.next;
        let wrong = self.goes_wrong(self.plan.faults.net);
        let fate = match self.rng.range(0, 3) {
            _ if !wrong => Fate::Holds,
            0 => Fate::Before,
            1 => Fate::Waiting(self.rng.range(0, 8_000)),
            2 => Fate::Under(true),
            _ => Fate::Under(false),
        };
        self.note(|| format!("client #{conn} {request:?} ({fate:?})"));
        let several = self.plan.cluster.is_some();
        let node = if several { self.client.node } else { 0 };
        self.client_moves(false);
        let posts = !matches!(request, Request::Poll { .. });
        let open = Conn {
            request,
            fate,
            waits: true,
            arrived: false,
            severed: false,
            node,
            frozen: false,
        };
        self.net.conns.insert(conn, open);
        if several && posts {
            self.after(TIMEOUT, Event::TimedOut { conn });
        }
        let trip = self.trip();
        match fate {
            Fate::Before => self.after(trip, Event::ClientGets { conn, reply: None }),
            _ => self.after(trip, Event::Arrive { conn }),
        }
        conn
    }

    pub fn arrive(&mut self, conn: u64) {
        let Some(open) = self.net.conns.get_mut(&conn) else { return };
        // What a client posted before it hung up, a paused node reads all the same.
        let read = open.frozen && matches!(open.request, Request::Post { .. });
        if !open.waits && !read {
            return;
        }
        open.arrived = true;
        let left = !open.waits;
        let (request, fate) = (open.request.clone(), open.fate);
        if self.forgotten {
            return self.answer(ReplyTo(conn), Reply::Gone, 0);
        }
        let several = self.plan.cluster.is_some();
        if !several && !self.up() {
            let trip = self.trip();
            return self.after(trip, Event::ClientGets { conn, reply: None });
        }
        if let Fate::Waiting(wait) = fate {
            self.after(wait, Event::Break { conn });
        }
        if several {
            self.arrive_at_node(conn);
            if left {
                self.gone(conn, 20);
            }
            return;
        }
        let reply = ReplyTo(conn);
        self.feed(
            0,
            match request {
                Request::Post { post, .. } => Input::Post { post, reply },
                Request::Poll { ack } => Input::Poll { ack, reply },
                Request::Reconnect { offset } => Input::Reconnect { offset, reply },
            },
        );
    }

    /// The bridge answers.
    pub fn answer(&mut self, to: ReplyTo, reply: Reply, late: u64) {
        if self.plan.cluster.is_some() {
            return self.answer_ask(to.0, reply, late);
        }
        let boot = self.nodes[0].boot;
        if let Reply::Messages(payload) = &reply {
            self.on_the_wire(boot, payload);
        }
        self.write(to.0, boot, to, reply, late, false);
    }

    /// An answer is handed to the client, so much later; who has the chat, at another node perhaps,
    /// learns of it.
    pub fn write(
        &mut self,
        conn: u64,
        boot: u64,
        to: ReplyTo,
        reply: Reply,
        late: u64,
        remote: bool,
    ) {
        let trip = self.trip() + late;
        let Some(open) = self.net.conns.get_mut(&conn) else {
            // Broken already; the bridge has not heard of it yet.
            if let Reply::Messages(payload) = &reply {
                self.payload_died(payload);
            }
            return;
        };
        if let Fate::Waiting(_) = open.fate {
            open.fate = Fate::Holds;
        }
        let lost = match open.fate {
            _ if !open.waits => Some(false),
            Fate::Under(written) => Some(written),
            _ => None,
        };
        let unheard = remote && self.peers_fail();
        let hop = if remote { self.hop() } else { 0 };
        match lost {
            Some(written) => {
                self.died(conn, &reply, written && !unheard);
                let told = match written {
                    true => Event::WrittenNotice { boot, reply: to },
                    false => Event::LostNotice { boot, reply: to },
                };
                let wait = if written { 1 } else { self.rng.range(1, 2_000) };
                if !unheard {
                    self.after(wait + hop, told);
                }
                self.after(trip, Event::ClientGets { conn, reply: None });
            }
            None => {
                if !unheard {
                    self.after(1 + hop, Event::WrittenNotice { boot, reply: to });
                }
                self.after(trip, Event::ClientGets { conn, reply: Some(reply) });
            }
        }
    }

    fn died(&mut self, conn: u64, reply: &Reply, written: bool) {
        if let Reply::Messages(payload) = reply {
            self.payload_died(payload);
        }
        if let (Some(Request::Post { item, .. }), true) = (self.net.request(conn), written) {
            let item = *item;
            self.ledger.answer_vanished.insert(item);
        }
    }

    pub fn break_waiting(&mut self, conn: u64) {
        if self.net.waits(conn) && self.net.conns[&conn].fate != Fate::Holds {
            let wait = self.rng.range(0, 2_000);
            self.client_left(conn, wait);
            self.client_gets(conn, None);
        }
    }

    /// The client stops waiting for this answer.
    pub fn hang_up(&mut self, conn: u64) {
        if let Some(open) = self.net.conns.get_mut(&conn) {
            open.waits = false;
        }
        self.client_left(conn, 1);
    }

    fn client_left(&mut self, conn: u64, wait: u64) {
        if self.plan.cluster.is_some() {
            return self.gone(conn, wait);
        }
        let boot = self.nodes[0].boot;
        self.after(wait, Event::LostNotice { boot, reply: ReplyTo(conn) });
    }

    /// A client waits for no answer longer than this.
    pub fn timed_out(&mut self, conn: u64) {
        if !self.net.waits(conn) {
            return;
        }
        self.note(|| format!("client #{conn} hangs up"));
        self.hang_up(conn);
        match self.net.request(conn).cloned() {
            Some(Request::Post { item, .. }) => self.post_answered(item, conn, None),
            Some(Request::Reconnect { .. }) => self.reconnect_answered(None),
            _ => {}
        }
    }

    /// The process died under all its connections.
    pub fn break_all(&mut self, node: usize) {
        let under = |conn: &Conn| conn.waits && conn.arrived && conn.node == node;
        let waiting = self.net.conns.iter().filter(|(_, conn)| under(conn));
        let waiting: Vec<u64> = waiting.map(|(conn, _)| *conn).collect();
        for conn in waiting {
            let severed = self.rng.chance(400);
            if let Some(open) = self.net.conns.get_mut(&conn) {
                open.severed = severed;
            }
            let trip = self.trip() + 1_000;
            self.after(trip, Event::ClientGets { conn, reply: None });
        }
    }

    pub fn written(&mut self, boot: u64, reply: ReplyTo, in_full: bool) {
        let input = match in_full {
            true => Input::Written { reply },
            false => Input::Lost { reply },
        };
        if self.plan.cluster.is_some() {
            let Some(node) = self.node_of(boot) else { return };
            if !in_full {
                self.ask_lost(node, reply.0);
            }
            self.feed(node, input);
        } else if boot == self.nodes[0].boot && self.up() {
            self.feed(0, input);
        }
    }

    pub fn client_gets(&mut self, conn: u64, mut reply: Option<Reply>) {
        if self.net.conns.get(&conn).is_some_and(|open| open.severed)
            && let Some(reply) = reply.take()
        {
            self.died(conn, &reply, true);
        }
        let Some(open) = self.net.conns.get_mut(&conn) else { return };
        if !open.waits {
            if let Some(Reply::Messages(payload)) = &reply {
                let payload: Payload = payload.clone();
                self.payload_died(&payload);
            }
            return;
        }
        open.waits = false;
        if matches!(reply, None | Some(Reply::Overloaded)) {
            self.client_moves(true);
        }
        self.note(|| format!("client #{conn} gets {}", shown(reply.as_ref())));
        let request = self.net.conns.remove(&conn).map(|open| open.request);
        match request {
            Some(Request::Post { item, .. }) => self.post_answered(item, conn, reply),
            Some(Request::Poll { .. }) => self.poll_answered(conn, reply),
            Some(Request::Reconnect { .. }) => self.reconnect_answered(reply),
            None => {}
        }
    }
}

fn shown(reply: Option<&Reply>) -> String {
    reply.map_or_else(|| "nothing: broken".to_owned(), |reply| format!("{reply:?}"))
}
