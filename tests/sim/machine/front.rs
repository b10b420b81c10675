//! What either of two nodes does with a client's request: it has the chat, or takes it up, or hands
//! the request on to the node that has it, and hides from the client that nodes come and go.
//!
//! A request handed on is an *ask*. What the owner learns of its answer is what the node in front
//! did with it; an ask that broke is lost to the owner before the same request is asked again.

use crate::chat::visitor::VisitorCommand;
use crate::chat::{Input, Reply, ReplyTo};
use crate::machine::net::Request;
use crate::machine::world::{Event, World};

/// A POST waits this long for a node that has the chat.
const POST_WAITS: u64 = 10_000;
/// A poll is answered after this long whatever becomes of the nodes.
const POLL_WAITS: u64 = 25_000;

/// A request that waits at a node.
pub struct Want {
    pub conn: u64,
    /// It was handed on from the other node, as this ask.
    peer: Option<u64>,
    since: u64,
    /// It was given to who has the chat.
    ask: Option<u64>,
    /// Asks of it that broke.
    broken: Vec<u64>,
}

/// A request on its way to who has the chat, and back.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    conn: u64,
    pub front: u64,
    pub owner: u64,
    replied: bool,
}

impl World {
    /// A request of the client reaches its node.
    pub fn arrive_at_node(&mut self, conn: u64) {
        let node = self.net.node(conn);
        let patience = match self.net.request(conn) {
            Some(Request::Poll { .. }) => POLL_WAITS,
            _ => POST_WAITS,
        };
        if !self.nodes[node].up || self.nodes[node].stopping {
            let trip = self.trip();
            return self.after(trip, Event::ClientGets { conn, reply: None });
        }
        let boot = self.nodes[node].boot;
        self.after(patience, Event::FrontDeadline { boot, conn });
        self.want(node, conn, None);
    }

    fn want(&mut self, node: usize, conn: u64, peer: Option<u64>) {
        let since = self.at;
        self.nodes[node].wants.push(Want { conn, peer, since, ask: None, broken: Vec::new() });
        self.route(node);
    }

    /// Finds somebody for the requests that wait for who has the chat.
    pub fn route(&mut self, node: usize) {
        self.answer_overdue(node);
        if self.nodes[node].wants.iter().all(|want| want.ask.is_some()) {
            return;
        }
        if self.lapsed(node) {
            return self.route_later(node);
        }
        if self.nodes[node].task.is_some() {
            return self.deliver_all(node);
        }
        // What was handed on is not handed on again unless the store says who has the chat.
        let handed = self.nodes[node].wants.iter().any(|want| want.peer.is_some());
        match self.nodes[node].hint.filter(|_| !handed) {
            Some(owner) => self.forward_all(node, owner),
            None => self.claim(node, false),
        }
    }

    pub fn route_later(&mut self, node: usize) {
        if !std::mem::replace(&mut self.nodes[node].routing, true) {
            let boot = self.nodes[node].boot;
            let wait = self.rng.range(100, 700);
            self.after(wait, Event::Route { boot });
        }
    }

    pub fn routes(&mut self, boot: u64) {
        if let Some(node) = self.node_of(boot) {
            self.nodes[node].routing = false;
            self.route(node);
        }
    }

    fn next_want(&self, node: usize) -> Option<usize> {
        self.nodes[node].wants.iter().position(|want| want.ask.is_none())
    }

    fn new_ask(&mut self, conn: u64, front: u64, owner: u64) -> u64 {
        self.net.next_ask += 1;
        let ask = self.net.next_ask;
        self.net.asks.insert(ask, Asked { conn, front, owner, replied: false });
        ask
    }

    /// The node has the chat: it gets what waits here.
    pub fn deliver_all(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        while self.nodes[node].task.is_some()
            && let Some(at) = self.next_want(node)
        {
            let want = &self.nodes[node].wants[at];
            let (conn, peer) = (want.conn, want.peer);
            let ask = match peer {
                Some(ask) => {
                    self.nodes[node].wants.remove(at);
                    ask
                }
                None => {
                    let ask = self.new_ask(conn, boot, boot);
                    self.nodes[node].wants[at].ask = Some(ask);
                    ask
                }
            };
            let reply = ReplyTo(ask);
            let input = match self.net.request(conn).cloned() {
                Some(Request::Post { post, .. }) => Input::Post { post, reply },
                Some(Request::Poll { ack }) => Input::Poll { ack, reply },
                Some(Request::Reconnect { offset }) => Input::Reconnect { offset, reply },
                None => continue,
            };
            self.feed(node, input);
        }
    }

    /// The other node has the chat: it gets what waits here.
    pub fn forward_all(&mut self, node: usize, owner: u64) {
        let boot = self.nodes[node].boot;
        self.nodes[node].hint = Some(owner);
        while let Some(at) = self.next_want(node) {
            if let Some(ask) = self.nodes[node].wants[at].peer {
                self.nodes[node].wants.remove(at);
                self.breaks(ask);
                continue;
            }
            let conn = self.nodes[node].wants[at].conn;
            let ask = self.new_ask(conn, boot, owner);
            self.ledger.forwards += 1;
            self.nodes[node].wants[at].ask = Some(ask);
            let broken = self.nodes[node].wants[at].broken.clone();
            self.note(|| format!("node {node} hands #{conn} on to process {owner} as {ask}"));
            let trip = self.hop();
            match self.peers_fail() {
                true => self.after(trip + 500, Event::AskBroken { ask }),
                false => self.after(trip, Event::Forwarded { ask, broken }),
            }
        }
    }

    /// The node in front learns that an ask broke.
    fn breaks(&mut self, ask: u64) {
        let trip = self.hop();
        self.after(trip, Event::AskBroken { ask });
    }

    pub fn forwarded(&mut self, ask: u64, broken: Vec<u64>) {
        let Asked { conn, owner, .. } = self.net.asks[&ask];
        let node = self.node_of(owner).filter(|node| !self.nodes[*node].stopping);
        let Some(node) = node else { return self.breaks(ask) };
        for ask in broken {
            self.ask_lost(node, ask);
            self.feed(node, Input::Lost { reply: ReplyTo(ask) });
        }
        self.want(node, conn, Some(ask));
    }

    pub fn ask_broken(&mut self, ask: u64) {
        let Some((node, at)) = self.want_of(ask) else { return };
        let want = &mut self.nodes[node].wants[at];
        want.ask = None;
        want.broken.push(ask);
        self.nodes[node].hint = None;
        self.route_later(node);
    }

    /// Where the request of an ask waits.
    fn want_of(&self, ask: u64) -> Option<(usize, usize)> {
        let node = self.node_of(self.net.asks.get(&ask)?.front)?;
        let at = self.nodes[node].wants.iter().position(|want| want.ask == Some(ask))?;
        Some((node, at))
    }

    /// Nothing is stored of the chat: it begins here, or it does not exist.
    pub fn nobody_knows(&mut self, node: usize) {
        let begins = |want: &Want| match self.net.request(want.conn) {
            Some(Request::Post { post, .. }) => matches!(post.command, VisitorCommand::Begin(_)),
            _ => false,
        };
        if self.nodes[node].wants.iter().any(begins) && !self.lapsed(node) {
            self.begins(node);
            self.deliver_all(node);
        } else {
            self.route_later(node);
        }
    }

    /// The node has let the chat go: whoever waits for it here is routed anew.
    pub fn hand_on(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        self.nodes[node].wants.retain(|want| want.peer.is_none());
        let open = self.net.asks.iter().filter(|(_, asked)| asked.owner == boot && !asked.replied);
        let open: Vec<u64> = open.map(|(ask, _)| *ask).collect();
        for ask in open {
            if let Some(asked) = self.net.asks.get_mut(&ask) {
                asked.replied = true;
            }
            let Some((front, at)) = self.want_of(ask) else { continue };
            match front == node {
                true => self.nodes[node].wants[at].ask = None,
                false => self.breaks(ask),
            }
        }
        self.route_later(node);
    }

    /// The chat is here now: what was handed on to another is asked here.
    pub fn call_back(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        for want in &mut self.nodes[node].wants {
            let elsewhere = |ask: &u64| self.net.asks[ask].owner != boot;
            if let Some(ask) = want.ask.filter(elsewhere) {
                want.ask = None;
                want.broken.push(ask);
            }
        }
    }

    /// A process died: who asked it, and whom it asked, learn of it.
    pub fn asks_break(&mut self, boot: u64) {
        let theirs = |asked: &Asked| asked.front != asked.owner;
        let about = |asked: &Asked| theirs(asked) && (asked.owner == boot || asked.front == boot);
        let open = self.net.asks.iter().filter(|(_, asked)| about(asked));
        let open: Vec<(u64, Asked)> = open.map(|(ask, asked)| (*ask, *asked)).collect();
        for (ask, asked) in open {
            if asked.owner == boot {
                if self.want_of(ask).is_some() {
                    self.breaks(ask);
                }
            } else if !asked.replied {
                let trip = self.hop();
                let reply = ReplyTo(ask);
                self.after(trip, Event::LostNotice { boot: asked.owner, reply });
            }
        }
    }

    /// The chat answers an ask.
    pub fn answer_ask(&mut self, ask: u64, reply: Reply, late: u64) {
        let owner = self.net.asks.get(&ask).map_or(u64::MAX, |asked| asked.owner);
        if let Reply::Messages(payload) = &reply {
            self.on_the_wire(owner, payload);
        }
        let Some(asked) = self.net.asks.get_mut(&ask) else { return };
        if std::mem::replace(&mut asked.replied, true) {
            // Called off; the chat learns of it next.
            return self.dies_on_the_way(&reply);
        }
        let asked = *asked;
        if asked.front == asked.owner {
            return self.front_writes(ask, reply, late);
        }
        let trip = self.hop() + late;
        if self.peers_fail() {
            self.dies_on_the_way(&reply);
            return self.after(trip + 500, Event::AskBroken { ask });
        }
        self.after(trip, Event::Replied { ask, reply });
    }

    fn dies_on_the_way(&mut self, reply: &Reply) {
        if let Reply::Messages(payload) = reply {
            self.payload_died(payload);
        }
    }

    /// The node in front hands an answer to its client.
    pub fn front_writes(&mut self, ask: u64, reply: Reply, late: u64) {
        let Asked { conn, front, owner, .. } = self.net.asks[&ask];
        let Some((node, at)) = self.want_of(ask) else {
            self.dies_on_the_way(&reply);
            let trip = self.hop();
            return self.after(trip, Event::LostNotice { boot: owner, reply: ReplyTo(ask) });
        };
        self.nodes[node].wants.remove(at);
        self.write(conn, owner, ReplyTo(ask), reply, late, front != owner);
    }

    /// The client of a request went away.
    pub fn gone(&mut self, conn: u64, wait: u64) {
        let node = self.net.node(conn);
        let wants = &mut self.nodes[node].wants;
        let at = wants.iter().position(|want| want.conn == conn && want.peer.is_none());
        let Some(ask) = at.and_then(|at| wants.remove(at).ask) else { return };
        let Asked { front, owner, .. } = self.net.asks[&ask];
        if front != owner && self.peers_fail() {
            return;
        }
        self.after(wait, Event::LostNotice { boot: owner, reply: ReplyTo(ask) });
    }

    /// The owner learns that nobody waits for an ask any more.
    pub fn ask_lost(&mut self, node: usize, ask: u64) {
        self.nodes[node].wants.retain(|want| want.peer != Some(ask));
    }

    /// Whoever waited too long for who has the chat is answered by this node itself.
    fn answer_overdue(&mut self, node: usize) {
        let at = self.at;
        let overdue = |want: &Want, net: &crate::machine::net::Net| {
            let poll = matches!(net.request(want.conn), Some(Request::Poll { .. }));
            poll && want.peer.is_none() && want.ask.is_none() && want.since + POLL_WAITS <= at
        };
        let wants = &mut self.nodes[node].wants;
        let late: Vec<u64> =
            wants.iter().filter(|want| overdue(want, &self.net)).map(|want| want.conn).collect();
        for conn in late {
            self.answer_here(node, conn, Reply::Nothing);
        }
    }

    fn answer_here(&mut self, node: usize, conn: u64, reply: Reply) {
        self.nodes[node].wants.retain(|want| want.conn != conn || want.peer.is_some());
        self.write(conn, u64::MAX, ReplyTo(0), reply, 0, false);
    }

    /// A request has waited long enough.
    pub fn front_deadline(&mut self, boot: u64, conn: u64) {
        let Some(node) = self.node_of(boot) else { return };
        let ours = |want: &&Want| want.conn == conn && want.peer.is_none();
        let Some(want) = self.nodes[node].wants.iter().find(ours) else { return };
        let ask = want.ask;
        if !matches!(self.net.request(conn), Some(Request::Poll { .. })) {
            self.note(|| format!("node {node} gives #{conn} up"));
            self.ledger.gave_up += 1;
            self.gone(conn, 50);
            return self.answer_here(node, conn, Reply::Overloaded);
        }
        let Some(ask) = ask else { return self.route(node) };
        let remote = self.net.asks[&ask].owner != boot;
        if remote && self.peers_fail() {
            return self.after(1_000, Event::FrontDeadline { boot, conn });
        }
        let trip = if remote { self.hop() } else { 0 };
        self.after(trip, Event::CallOff { ask });
    }

    /// The owner is to forget a poll that it has not answered.
    pub fn called_off(&mut self, ask: u64) {
        let Some(asked) = self.net.asks.get_mut(&ask) else { return };
        if std::mem::replace(&mut asked.replied, true) {
            return;
        }
        let Asked { owner, front, .. } = *asked;
        let Some(node) = self.node_of(owner) else { return };
        self.ask_lost(node, ask);
        self.feed(node, Input::Lost { reply: ReplyTo(ask) });
        let trip = self.hop();
        match owner != front && self.peers_fail() {
            true => self.after(trip + 500, Event::AskBroken { ask }),
            false => self.after(trip, Event::Replied { ask, reply: Reply::Nothing }),
        }
    }
}
