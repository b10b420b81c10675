//! Both Salesforce services and an agent desk, for tests, the demo and development.
//!
//! Promised: strict by default, one shared desk, time only from the injected clock, every router
//! usable without a socket. Not promised: the behaviour of a real org where sources disagree; each
//! such point is a knob.

use std::sync::Arc;

use axum::Router;

use crate::clock::Clock;

mod desk;
mod faults;
mod liveagent;
mod miaw;
mod serve;

pub use desk::play::{By, Play};
pub use desk::{Chat, ChatState, Command, Desk, DeskError, Line, ServiceName, Speaker};
pub use faults::{ConnectionReset, Fault, KnobsError};
pub use liveagent::knobs::{Act, Cue, Delivery, Knobs as LiveAgentKnobs, Overlap};
pub use miaw::knobs::{
    FormDisplay, Knobs as MiawKnobs, RepeatedIds, RoutingStart, UnauthorizedBody,
};
pub use miaw::verify::{IdentityKey, Verification};
pub use serve::serve;

/// Who sits at the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Agents {
    /// Accepts, greets and echoes by itself; ends the chat on the text `agent_end`.
    Echo,
    /// Nobody: a person or a test acts through the desk.
    None,
}

/// Both services and their desk, sharing one clock.
#[derive(Clone)]
pub struct Emulators {
    liveagent: Arc<liveagent::LiveAgent>,
    miaw: Arc<miaw::Miaw>,
    desk: Arc<Desk>,
}

impl Emulators {
    /// Fresh services without chats.
    #[must_use]
    pub fn new(clock: &Clock, agents: Agents) -> Self {
        let desk = Arc::new(Desk::new(clock.clone(), agents));
        let liveagent = Arc::new(liveagent::LiveAgent::new(clock.clone(), desk.clone()));
        let miaw = Arc::new(miaw::Miaw::new(clock.clone(), desk.clone()));
        desk.connect(&liveagent, &miaw);
        Self { liveagent, miaw, desk }
    }

    /// The legacy service, with `POST /emulator/liveagent/knobs`.
    pub fn liveagent_router(&self) -> Router {
        liveagent::router(self.liveagent.clone())
    }

    /// MIAW with its event stream, and `POST /emulator/miaw/knobs`.
    pub fn miaw_router(&self) -> Router {
        miaw::router(self.miaw.clone())
    }

    /// The agent desk: JSON below `/desk`, a page at `/desk/`.
    pub fn desk_router(&self) -> Router {
        desk::api::router(self.desk.clone())
    }

    /// The desk itself, for tests and the demo.
    #[must_use]
    pub const fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Changes knobs of the legacy service.
    pub fn set_liveagent(&self, change: impl FnOnce(&mut LiveAgentKnobs)) {
        self.liveagent.set(change);
    }

    /// Changes knobs of MIAW.
    pub fn set_miaw(&self, change: impl FnOnce(&mut MiawKnobs)) {
        self.miaw.set(change);
    }
}
