//! The task of one chat: input → step → commit → effects, one at a time.
//!
//! Promised: no effect is performed before the facts it rests on are stored; what may be late rides
//! along with the next commit and is never late for long. A store that is down makes the chat wait,
//! not forget. When somebody else commits to the chat, this task drops what it knows.

mod calls;
mod inbox;
mod stop;
mod stored;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use self::inbox::until;
use super::client::Client;
use super::files::{Files, Held};
use super::registry::Shared;
use super::stream::{self, Attachment};
use super::summary::{Glance, Summary};
use super::{Tenant, records};
use crate::adapter::{Answer, Receipt};
use crate::chat::checkpoints::Checkpoints;
use crate::chat::fact::Fact;
use crate::chat::ids::ChatId;
use crate::chat::mutation::{self, Mutation};
use crate::chat::session::Session;
use crate::chat::visitor::{Post, VisitorCommand};
use crate::chat::{CallId, Effect, Input, Outcome, Reply, ReplyTo, Save};
use crate::time::Mono;
pub(super) use inbox::Found;

/// What may be late is stored after this long at the latest.
const LATE_MAX: Duration = Duration::from_secs(30);
/// Events of the stream that wait for the task.
const STREAM_QUEUE: usize = 64;
/// Polls that wait for a chat to begin.
const EARLY_POLLS_MAX: usize = 4;

/// What lists and metrics see of a chat.
pub(super) type Seen = Arc<Mutex<Option<Glance>>>;
/// In which epoch the task took its chat, once it has.
pub(super) type Taken = Arc<OnceLock<u64>>;

/// What reaches the task from outside.
pub(super) enum Envelope {
    Post { post: Post, file: Option<Held>, reply: ReplyTo, to: oneshot::Sender<Answer> },
    Poll { ack: Option<i64>, early: bool, reply: ReplyTo, to: oneshot::Sender<Answer> },
    Reconnect { offset: Option<i64>, reply: ReplyTo, to: oneshot::Sender<Answer> },
    Told { reply: ReplyTo, written: bool },
    Describe { to: oneshot::Sender<Summary> },
    End { to: oneshot::Sender<()> },
}

impl Envelope {
    /// Says to whoever waits for an answer that a limit was reached.
    pub(super) fn refuse(self) {
        let (Self::Post { to, .. } | Self::Poll { to, .. } | Self::Reconnect { to, .. }) = self
        else {
            return;
        };
        drop(to.send(Answer { reply: Reply::Overloaded, receipt: None }));
    }
}

/// Why a task stops.
pub(super) enum Stop {
    /// Nothing is left to do.
    Done,
    /// The process stops.
    Shutdown,
    /// What is stored is not what we know, or cannot be written ever again.
    Lost(String),
    /// The chat is another node's: not a word to anybody.
    Elsewhere,
}

/// The task's belongings.
pub(super) struct Task {
    pub(super) chat: ChatId,
    pub(super) tenant: Arc<Tenant>,
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: mpsc::Receiver<Envelope>,
    pub(super) me: mpsc::Sender<Envelope>,
    waiting: HashMap<ReplyTo, oneshot::Sender<Answer>>,
    calls: JoinSet<(CallId, Outcome)>,
    call_ids: HashMap<tokio::task::Id, CallId>,
    events: mpsc::Receiver<Input>,
    stream: Option<AbortOnDropHandle<()>>,
    files: Files,
    /// The file that came with the POST at hand, and which POST that is.
    arrived: Option<(u64, Held)>,
    over: Arc<AtomicBool>,
    found: Option<Found>,
    /// What was asked before the chat's turn.
    first: Option<Envelope>,
    checkpoints: Checkpoints,
    late: Vec<Fact>,
    late_until: Option<Mono>,
    next_number: u64,
    snapshot_at: u64,
    stored_as_ended: bool,
    glance: Seen,
    attached: bool,
    taken: Taken,
}

impl Task {
    pub(super) fn new(
        chat: ChatId,
        tenant: Arc<Tenant>,
        shared: Arc<Shared>,
        inbox: mpsc::Receiver<Envelope>,
        me: mpsc::Sender<Envelope>,
        glance: Seen,
    ) -> Self {
        Self {
            chat,
            tenant,
            shared,
            inbox,
            me,
            waiting: HashMap::new(),
            calls: JoinSet::new(),
            call_ids: HashMap::new(),
            events: mpsc::channel(1).1,
            stream: None,
            files: Files::default(),
            arrived: None,
            over: calls::not_over(),
            found: None,
            first: None,
            checkpoints: Checkpoints::new(chat),
            late: Vec::new(),
            late_until: None,
            next_number: 1,
            snapshot_at: 0,
            stored_as_ended: false,
            glance,
            attached: false,
            taken: Taken::default(),
        }
    }

    /// Runs until there is nothing left to do; gives back what came too late to be handled.
    pub(super) async fn run(mut self) -> Vec<Envelope> {
        self.wait_for_turn().await;
        let stop = match self.load().await {
            Ok(Some(mut session)) if self.shared.shutdown.is_cancelled() => {
                self.shut_down(&mut session).await
            }
            Ok(Some(session)) => {
                // A chat that this process finished lost nothing: to recover it would tell a
                // client that never acknowledges the end of its chat once more.
                let lost = !self.shared.finished_here(self.chat);
                self.drive(session, lost.then_some(Input::Recovered)).await
            }
            Ok(None) => self.wait_for_begin().await,
            Err(stop) => Err(stop),
        };
        if let Err(Stop::Lost(why)) = &stop {
            tracing::error!(chat = %self.chat, tenant = %self.tenant.id, why, "a chat was let go");
        }
        let late = self.shared.leave(self.chat, &mut self.inbox, &self.me);
        // The other node answers; to take them up again here would go round in circles.
        if matches!(stop, Err(Stop::Elsewhere)) { Vec::new() } else { late }
    }

    async fn load(&mut self) -> Result<Option<Session>, Stop> {
        let loaded = match self.found.take() {
            Some(found) => Some(found.loaded),
            None => self.patiently(|store, chat| async move { store.take(chat.0).await }).await?,
        };
        let Some(loaded) = loaded else { return Ok(None) };
        self.takes(loaded.epoch);
        if loaded.tenant != self.tenant.id {
            return Ok(None);
        }
        let read = records::read(loaded.snapshot.as_deref(), &loaded.deltas);
        let (snapshot, deltas) = read.map_err(|error| Stop::Lost(error.to_string()))?;
        let state = snapshot.as_ref().map(|(_, state)| state);
        self.checkpoints = Checkpoints::read(self.chat, state, &deltas);
        self.next_number = loaded.next_number;
        self.snapshot_at = loaded.next_number - 1 - loaded.deltas.len() as u64;
        self.stored_as_ended = loaded.ended_at.is_some();
        let settings = self.tenant.settings.clone();
        let now = self.shared.clock.now();
        Ok(Some(Session::load(snapshot, self.chat, &deltas, settings, now)))
    }

    /// Nothing is stored of this chat: it begins with its `ChasitorInit`, or it does not exist.
    async fn wait_for_begin(&mut self) -> Result<(), Stop> {
        let mut early = VecDeque::new();
        let until = self.shared.clock.now().mono.plus(self.tenant.settings.poll_hold);
        loop {
            let envelope = tokio::select! {
                biased;
                envelope = self.inbox.recv() => envelope,
                () = self.shared.clock.until(until), if !early.is_empty() => None,
                () = self.shared.shutdown.cancelled() => None,
            };
            match envelope {
                Some(Envelope::Post { post, reply, to, .. })
                    if matches!(post.command, VisitorCommand::Begin(_)) =>
                {
                    return self.begin(post, reply, to, early).await;
                }
                Some(Envelope::Poll { ack, early: true, reply, to })
                    if early.len() < EARLY_POLLS_MAX =>
                {
                    early.push_back((ack, reply, to));
                }
                Some(Envelope::Told { reply, .. }) => early.retain(|(_, to, _)| *to != reply),
                Some(
                    Envelope::Post { to, .. }
                    | Envelope::Poll { to, .. }
                    | Envelope::Reconnect { to, .. },
                ) => drop(to.send(Answer { reply: Reply::Gone, receipt: None })),
                // There is nothing to describe or to end: the asker is told by the drop.
                Some(Envelope::Describe { .. } | Envelope::End { .. }) => {}
                None => {
                    for (_, _, to) in early.drain(..) {
                        drop(to.send(Answer { reply: Reply::Nothing, receipt: None }));
                    }
                }
            }
            if early.is_empty() {
                return Err(Stop::Done);
            }
        }
    }

    async fn begin(
        &mut self,
        post: Post,
        reply: ReplyTo,
        to: oneshot::Sender<Answer>,
        early: VecDeque<(Option<i64>, ReplyTo, oneshot::Sender<Answer>)>,
    ) -> Result<(), Stop> {
        let now = self.shared.clock.now();
        let mut session = Session::new(self.chat, self.tenant.settings.clone(), now);
        self.waiting.insert(reply, to);
        let mut first = Input::Post { post, reply };
        for (ack, reply, to) in early {
            self.turn(&mut session, first).await?;
            self.waiting.insert(reply, to);
            first = Input::Poll { ack, reply };
        }
        self.drive(session, Some(first)).await
    }

    async fn drive(&mut self, mut session: Session, first: Option<Input>) -> Result<(), Stop> {
        let mut wake_at = None;
        let mut next = first;
        loop {
            let input = match next.take() {
                Some(input) => input,
                None => match self.next_input(wake_at).await {
                    Next::Input(input) => input,
                    Next::Flush => {
                        self.flush(&session).await?;
                        continue;
                    }
                    Next::Describe(to) => {
                        drop(to.send(self.describe(&session)));
                        continue;
                    }
                    Next::End(to) => {
                        wake_at = self.turn(&mut session, Input::End).await?;
                        let _ = to.send(());
                        continue;
                    }
                    Next::Shutdown => return self.shut_down(&mut session).await,
                },
            };
            wake_at = self.turn(&mut session, input).await?;
        }
    }

    /// One step with its commit and its effects.
    async fn turn(&mut self, session: &mut Session, input: Input) -> Result<Option<Mono>, Stop> {
        let now = self.shared.clock.now();
        self.checkpoints.input(now.wall, &input);
        let step = session.step(now, input);
        let given_up = self.checkpoints.step(now.wall, &step);
        self.shared.failures.note(&self.tenant.id, &step.facts, given_up);
        self.keep_files(session, &step);
        self.late.extend(step.facts);
        let first = !mutation::on(Mutation::CommitFirst);
        if step.save == Save::BeforeEffects && first {
            self.flush(session).await?;
        } else if !self.late.is_empty() && self.late_until.is_none() {
            self.late_until = Some(now.mono.plus(LATE_MAX));
        }
        for effect in step.effects {
            self.may_act().await?;
            self.perform(session, effect).await?;
        }
        if step.save == Save::BeforeEffects && !first {
            self.flush(session).await?;
        }
        self.show(session, now.wall);
        Ok(step.wake_at)
    }

    async fn next_input(&mut self, wake_at: Option<Mono>) -> Next {
        let clock = self.shared.clock.clone();
        if let Some(first) = self.first.take() {
            return self.asked(first);
        }
        loop {
            return tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => Next::Shutdown,
                Some(envelope) = self.inbox.recv() => self.asked(envelope),
                Some(ended) = self.calls.join_next_with_id() => match self.call_ended(ended) {
                    Some(input) => Next::Input(input),
                    None => continue,
                },
                Some(input) = self.events.recv() => Next::Input(input),
                () = until(&clock, wake_at) => Next::Input(Input::Deadline),
                () = until(&clock, self.late_until) => Next::Flush,
            };
        }
    }

    fn call_ended(
        &mut self,
        ended: Result<(tokio::task::Id, (CallId, Outcome)), tokio::task::JoinError>,
    ) -> Option<Input> {
        match ended {
            Ok((id, (call, outcome))) => {
                self.call_ids.remove(&id);
                Some(Input::Called { call, outcome })
            }
            Err(error) => {
                let call = self.call_ids.remove(&error.id())?;
                Some(Input::Called { call, outcome: Outcome::Unknown })
            }
        }
    }

    async fn perform(&mut self, session: &Session, effect: Effect) -> Result<(), Stop> {
        match effect {
            Effect::Reply(reply, what) => {
                if let Some(to) = self.waiting.remove(&reply) {
                    let me = self.me.clone();
                    let receipt = Receipt::new(reply, move |reply, written| {
                        // A full inbox loses the word: the answer then counts as not written.
                        let _ = me.try_send(Envelope::Told { reply, written });
                    });
                    drop(to.send(Answer { reply: what, receipt: Some(receipt) }));
                }
            }
            Effect::Call(id, call) => self.start_call(session, id, call),
            Effect::Attach { after } => self.attach(session, after),
            Effect::Detach => {
                self.stream = None;
                self.over.store(true, Ordering::Relaxed);
            }
            Effect::Forget => {
                self.finish(session).await?;
                if self.first.is_none()
                    && self.shared.may_leave(self.chat, &mut self.inbox, &self.me)
                {
                    return Err(Stop::Done);
                }
            }
        }
        Ok(())
    }

    fn client(&self) -> Client {
        Client::new(
            self.shared.transport.clone(),
            self.tenant.endpoint.clone(),
            self.shared.clock.clone(),
            Duration::from_secs(self.shared.limits().call_seconds as u64),
            self.shared.limits().response_body_bytes,
        )
    }

    fn attach(&mut self, session: &Session, after: Option<String>) {
        let Some(bearer) = session.state().bearer.clone() else { return };
        if std::mem::replace(&mut self.attached, true) {
            self.shared.stream_reopened();
        }
        let (sender, events) = mpsc::channel(STREAM_QUEUE);
        self.events = events;
        let attachment = Attachment {
            endpoint: self.tenant.endpoint.clone(),
            bearer,
            after,
            conversation: self.chat.conversation().to_string(),
            silence: self.tenant.stream_silence,
            unknown: self.shared.unknown_events.clone(),
        };
        self.stream = Some(stream::open(self.shared.transport.clone(), attachment, sender));
    }
}

enum Next {
    Input(Input),
    Flush,
    Describe(oneshot::Sender<Summary>),
    End(oneshot::Sender<()>),
    Shutdown,
}
