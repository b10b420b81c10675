//! `[tenant.behaviour]`: how chats of a tenant behave where clients or orgs differ.
//!
//! Promised: the `Default` is what a tenant without the section gets.

use std::time::Duration;

/// How polls are answered once a client has shown that it acknowledges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// State messages travel alone.
    #[default]
    Single,
    /// Everything that waits travels in one answer.
    Batch,
}

/// The settings of one tenant's chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// How long a poll is held before it is answered 204.
    pub poll_hold: Duration,
    /// A chat whose client has not polled for this long is ended at the backend too.
    pub abandoned_after: Duration,
    /// `clientPollTimeout` of the SessionId answer, in seconds.
    pub client_poll_timeout_s: u32,
    /// `connectionTimeout` of `ChatRequestSuccess`.
    pub connection_timeout: Duration,
    /// How polls are answered once a client acknowledges.
    pub delivery: Delivery,
    /// `ChatRequestSuccess` is sent this long after init at the latest.
    pub success_after: Duration,
    /// An agent who leaves ends the chat unless another comes within this time.
    pub agent_leave_hold: Duration,
    /// Whether a bot's joining counts as `ChatEstablished`.
    pub bot_establishes: bool,
    /// A chat is ended politely this long before its token expires.
    pub token_grace: Duration,
    /// Whether system messages reach the visitor.
    pub system_messages: bool,
    /// Whether automated responses reach the visitor.
    pub automated_messages: bool,
    /// The name that system messages, automated ones and the bridge's own carry.
    pub system_name: String,
    /// Said when a visitor's message could not be delivered.
    pub undeliverable_text: String,
    /// Said before the chat ends because its token does.
    pub token_end_text: String,
    /// Said before the chat ends because Salesforce no longer answers for it.
    pub lost_text: String,
    /// How many messages a conversation may send per minute; more are merged and paced.
    pub message_budget_per_minute: u32,
    /// The longest text of one message, in characters; longer ones are split.
    pub text_limit_chars: usize,
    /// A message that could not be sent for this long after its first attempt is given up.
    pub send_give_up: Duration,
    /// An event stream without a byte for this long is opened anew.
    pub stream_silence: Duration,
    /// The web origins that may call the facade from a browser; `*` allows all.
    pub cors_origins: Vec<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            poll_hold: Duration::from_secs(24),
            abandoned_after: Duration::from_secs(150),
            client_poll_timeout_s: 40,
            connection_timeout: Duration::from_secs(150),
            delivery: Delivery::Single,
            success_after: Duration::from_secs(10),
            agent_leave_hold: Duration::from_secs(10),
            bot_establishes: true,
            token_grace: Duration::from_secs(5 * 60),
            system_messages: true,
            automated_messages: true,
            system_name: "System".to_owned(),
            undeliverable_text: "Your last message could not be delivered. Please send it again."
                .to_owned(),
            token_end_text: "This chat has reached its longest possible duration and ends now."
                .to_owned(),
            lost_text: "The connection to the contact center was lost. This chat ends now."
                .to_owned(),
            message_budget_per_minute: 22,
            text_limit_chars: 4_000,
            send_give_up: Duration::from_secs(60),
            stream_silence: Duration::from_secs(90),
            cors_origins: Vec::new(),
        }
    }
}
