//! Messaging for In-App and Web: each translated chat is one task that drives the core.
//!
//! `client.rs` makes the REST calls, `stream.rs` reads the events, `task.rs` is the loop *input →
//! step → commit → effects*, `registry.rs` finds or starts the task of a chat, `records.rs` is what
//! the store keeps, `token.rs` reads the life of a token, `identity.rs` says who a visitor is,
//! `summary.rs` what operators see.

pub mod budget;
pub mod client;
pub mod files;
pub mod identity;
pub mod records;
pub mod registry;
pub mod stream;
pub mod summary;
pub mod task;
pub mod token;

use std::time::Duration;

use crate::chat::limits::Settings;
use crate::chat::text::Text;
use crate::config;

/// What a tenant's chats need to know about their side of MIAW.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Scheme, host and perhaps a port, without a slash at the end.
    pub base_url: String,
    /// The 15-character org id (miaw.md 2.1).
    pub org_id: String,
    /// `esDeveloperName`.
    pub developer_name: String,
    /// `capabilitiesVersion`.
    pub capabilities_version: String,
}

/// One tenant as its chats see it.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Its side of MIAW.
    pub endpoint: Endpoint,
    /// How its chats behave.
    pub settings: Settings,
    /// A stream silent for this long is opened anew.
    pub stream_silence: Duration,
    /// What signs for verified users.
    pub identity: Option<config::Identity>,
    /// A verified user's chat with a guest's token is refused.
    pub refuse_anonymous: bool,
}

impl From<&config::Tenant> for Tenant {
    fn from(tenant: &config::Tenant) -> Self {
        let miaw = &tenant.miaw;
        let behaviour = &tenant.behaviour;
        Self {
            id: tenant.id.clone(),
            endpoint: Endpoint {
                base_url: miaw.base_url.clone(),
                org_id: miaw.organization_id.clone(),
                developer_name: miaw.embedded_service_developer_name.clone(),
                capabilities_version: miaw.capabilities_version.clone(),
            },
            settings: Settings {
                poll_hold: behaviour.poll_hold,
                abandoned_after: behaviour.abandoned_after,
                success_after: behaviour.success_after,
                agent_leave_hold: behaviour.agent_leave_hold,
                token_grace: behaviour.token_grace,
                send_give_up: behaviour.send_give_up,
                messages_per_minute: behaviour.message_budget_per_minute as usize,
                text_limit: behaviour.text_limit_chars,
                delivery: behaviour.delivery,
                sequence: behaviour.sequence,
                overlap: behaviour.overlap,
                bot_establishes: behaviour.bot_establishes,
                system_messages: behaviour.system_messages,
                undeliverable_text: Text::from(behaviour.undeliverable_text.as_str()),
                time_up_text: Text::from(behaviour.token_end_text.as_str()),
                lost_text: Text::from(behaviour.lost_text.as_str()),
                life: behaviour.life.clone(),
                content: behaviour.content.clone(),
                ..Settings::default()
            },
            stream_silence: behaviour.stream_silence,
            identity: miaw.identity.clone(),
            refuse_anonymous: miaw.refuse_anonymous,
        }
    }
}
