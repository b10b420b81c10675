//! The numbers of one chat: bounds the machine asserts, and what a tenant may set.

use std::time::Duration;

use super::policy::{Content, Life};
use super::text::Text;

/// Visitor messages not yet accepted upstream.
pub const PENDING_MAX: usize = 64;
/// Messages to the visitor not yet consumed; past it the chat is ended.
pub const OUTBOX_MAX: usize = 1_000;
/// Messages waiting above which typing notices are not queued any more.
pub const OUTBOX_TYPING_MAX: usize = 100;
/// Conversation entries remembered to recognise repeats.
pub const SEEN_ENTRIES_MAX: usize = 512;
/// POSTs remembered to recognise retries.
pub const REPLAY_MAX: usize = 64;
/// What the shell answers for a file whose bytes it does not have any more: they are kept in memory
/// only.
pub const FILE_LOST: u16 = 410;
/// Another token is asked for this long, from the first attempt: what waits for it goes out then.
pub const RENEW_FOR: Duration = Duration::from_secs(120);
/// So many tokens, each refused soon after it came, and there are no more.
pub const RENEWALS_MAX: u32 = 3;
/// Options of one question; more are told and cannot be answered by number.
pub const OPTIONS_MAX: usize = 50;
/// Fields of one form; a longer one is told as it is.
pub const FIELDS_MAX: usize = 20;
/// Bots, and further agents, remembered of one chat.
pub const PEOPLE_MAX: usize = 16;
/// Lines kept for `ChasitorSessionData`.
pub const TRANSCRIPT_MAX: usize = 20;
/// Superseded polls waiting for their 204; older ones are answered at once.
pub const SUPERSEDED_MAX: usize = 4;
/// Stream events held back while a gap is filled.
pub const HELD_BACK_MAX: usize = 1_000;
/// Unanswered identical POSTs count as retries for this long.
pub const RETRY_WINDOW: Duration = Duration::from_secs(30);
/// A superseded poll is answered after this wait, so that a client that polls again at once on an
/// empty answer does not spin (live-agent.md 5.5).
pub const SUPERSEDED_WAIT: Duration = Duration::from_secs(1);
/// How long an ambiguous send waits for its echo before the conversation is looked at.
pub const ECHO_WAIT: Duration = Duration::from_secs(2);
/// How long a chat whose messages are refused waits for what was said last: the entries list may
/// be behind by 5 s.
pub const PARTING_WAIT: Duration = Duration::from_secs(6);
/// After a gap of the stream a chat that nobody attends stays open at least this long: news of who
/// came may be as late as the entries list is behind.
pub const HOLD_AFTER_GAP: Duration = Duration::from_secs(10);
/// A stream that takes longer than this to open may start with less than everything since it was
/// asked for (docs/decisions/0008).
pub const STREAM_PROMPT: Duration = Duration::from_secs(2);
/// First and longest wait between attempts of a call.
pub const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// Closing a conversation is tried for this long: nobody waits for it, and an agent sits before
/// what stays open.
pub const CLOSE_GIVE_UP: Duration = Duration::from_secs(15 * 60);
/// The longest wait that a service may ask for (`Retry-After`): a visitor waits behind it.
pub const ASKED_WAIT_MAX: Duration = Duration::from_secs(120);
/// So many asked waits of one message are not counted against it.
pub const ASKED_WAITS_MAX: u32 = 4;
/// First and longest wait before the stream is opened again.
pub const REATTACH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The event router may answer 4xx this often in a row before the chat is given up.
pub const STREAM_REFUSALS_MAX: u32 = 2;
/// A gap is asked for this often before the held-back events go on without it.
pub const BACKFILL_ATTEMPTS_MAX: u32 = 5;
/// Visitor typing is passed on at most this often (miaw.md 9.5).
pub const TYPING_EVERY: Duration = Duration::from_secs(5);
/// A visitor whose client says no more is taken to type for this long.
pub const TYPING_BELIEVED: Duration = Duration::from_secs(30);
/// The window of the message budget.
pub const BUDGET_WINDOW: Duration = Duration::from_secs(60);
/// An ended chat stays in memory this long for its last poll.
pub const LINGER: Duration = Duration::from_secs(60);
/// A client ends an idle chat itself; the bridge does it this much later.
pub const IDLE_GRACE: Duration = Duration::from_secs(5);
/// Entries older than the newest known one by more than this are not looked for.
pub const BACKFILL_OVERLAP_MILLIS: i64 = 60_000;

/// How many messages one answer may hold once a client acknowledges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// One, preceded at most by typing notices: breaks no known client.
    #[default]
    Single,
    /// All that wait, a change of state always first: like the real service after a slow poll.
    Batch,
}

/// How `X-LIVEAGENT-SEQUENCE` is taken (live-agent.md 1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sequence {
    /// It only recognises repeats: gaps and restarts pass.
    #[default]
    Lenient,
    /// A number that is not the next one is answered 409, like the real service does.
    Strict,
}

/// What a second poll of a session meets while the first is held (live-agent.md 5.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// The newest wins; the older one is answered 204.
    #[default]
    Supersede,
    /// The newer one is answered 409; the chat goes on.
    Conflict,
    /// The newer one is answered 409, and the chat ends, as the guide has it.
    Strict,
}

/// What a tenant may set about its chats.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an empty poll is held.
    pub poll_hold: Duration,
    /// A chat without a poll for this long is ended on both sides.
    pub abandoned_after: Duration,
    /// `ChatRequestSuccess` comes at the latest this long after `ChasitorInit`.
    pub success_after: Duration,
    /// How long a chat stays open after the last agent left without a word.
    pub agent_leave_hold: Duration,
    /// The same when a transfer is under way.
    pub transfer_hold: Duration,
    /// A chat ends this long before its token does.
    pub token_grace: Duration,
    /// A visitor message is given up this long after its first attempt.
    pub send_give_up: Duration,
    /// Visitor messages per minute and conversation (miaw.md 2.5).
    pub messages_per_minute: usize,
    /// Longest text of one upstream message, in characters.
    pub text_limit: usize,
    /// How answers are filled.
    pub delivery: Delivery,
    /// How the client's counter of its POSTs is taken.
    pub sequence: Sequence,
    /// What a second poll meets.
    pub overlap: Overlap,
    /// Whether a bot establishes the chat.
    pub bot_establishes: bool,
    /// Whether messages of the system reach the visitor.
    pub system_messages: bool,
    /// What the visitor reads when a message could not be delivered.
    pub undeliverable_text: Text,
    /// What the visitor reads when the chat's time is up.
    pub time_up_text: Text,
    /// What the visitor reads when the chat cannot go on.
    pub lost_text: Text,
    /// Queue position told while none is known.
    pub unknown_position: i64,
    /// How chats live and end.
    pub life: Life,
    /// What passes through them besides text.
    pub content: Content,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll_hold: Duration::from_secs(24),
            abandoned_after: Duration::from_secs(150),
            success_after: Duration::from_secs(10),
            agent_leave_hold: Duration::from_secs(10),
            transfer_hold: Duration::from_secs(300),
            token_grace: Duration::from_secs(300),
            send_give_up: Duration::from_secs(60),
            messages_per_minute: 22,
            text_limit: 4_000,
            delivery: Delivery::Single,
            sequence: Sequence::Lenient,
            overlap: Overlap::Supersede,
            bot_establishes: true,
            system_messages: true,
            undeliverable_text: Text::from("Your last message could not be delivered."),
            time_up_text: Text::from("This chat has reached its time limit and will now end."),
            lost_text: Text::from("The connection to the agent was lost."),
            unknown_position: 0,
            life: Life::default(),
            content: Content::default(),
        }
    }
}
