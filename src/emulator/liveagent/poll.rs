//! The long poll: held until there is something to say, one at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::knobs::Overlap;
use super::session::Phase;
use super::{LiveAgent, elsewhere, forbidden, json};
use crate::emulator::desk::Speaker;
use crate::time::Mono;
use crate::wire::liveagent::message::SwitchServer;

/// Notes that a poll is over, also when its client went away.
struct OpenPoll {
    service: Arc<LiveAgent>,
    id: String,
    number: u64,
}

impl Drop for OpenPoll {
    fn drop(&mut self) {
        let now = self.service.clock.now();
        if let Some(session) = self.service.lock().sessions.get_mut(&self.id) {
            session.seen(now);
            if session.open_poll == Some(self.number) {
                session.open_poll = None;
            }
        }
    }
}

impl LiveAgent {
    pub(super) async fn poll(
        self: &Arc<Self>,
        headers: &HeaderMap,
        query: &[(String, String)],
    ) -> Response {
        // Anything that is not a number counts as "nothing seen".
        let ack = query.iter().find(|(name, _)| name == "ack");
        let ack = ack.map(|(_, value)| value.parse().unwrap_or(-1));
        let (poll, deadline) = match self.open_poll(headers) {
            Ok(opened) => opened,
            Err(refusal) => return refusal,
        };
        loop {
            let mut wake = {
                let mut inner = self.lock();
                let delivery = inner.knobs.delivery;
                let Some(session) = inner.sessions.get_mut(&poll.id) else { return forbidden() };
                if session.open_poll != Some(poll.number) {
                    return StatusCode::NO_CONTENT.into_response();
                }
                if session.moved {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                if let Some(payload) = session.take(ack, delivery) {
                    return json(&payload);
                }
                if session.phase == Phase::Ended {
                    return forbidden();
                }
                session.wake.subscribe()
            };
            tokio::select! {
                biased;
                // An error means that the session is gone, which the next turn sees.
                _ = wake.changed() => {}
                () = self.clock.until(deadline) => return StatusCode::NO_CONTENT.into_response(),
            }
        }
    }

    fn open_poll(self: &Arc<Self>, headers: &HeaderMap) -> Result<(OpenPoll, Mono), Response> {
        let now = self.clock.now();
        let mut inner = self.lock();
        let (session, knobs) = self.session(&mut inner, headers, false)?;
        let deadline = now.mono.plus(Duration::from_millis(knobs.hold_millis));
        let id = session.id.clone();
        if session.open_poll.is_some() {
            match knobs.overlap {
                Overlap::Conflict => return Err(StatusCode::CONFLICT.into_response()),
                Overlap::Strict => {
                    session.wake();
                    inner.sessions.remove(&id);
                    drop(inner);
                    self.desk.ended(&id, Speaker::System);
                    return Err(StatusCode::CONFLICT.into_response());
                }
                Overlap::Supersede => session.wake(),
            }
        }
        if !session.switched
            && let Some(new_url) = elsewhere(knobs, headers)
        {
            session.switched = true;
            session.push(&SwitchServer { new_url });
        }
        session.seen(now);
        session.polls += 1;
        session.open_poll = Some(session.polls);
        let number = session.polls;
        drop(inner);
        Ok((OpenPoll { service: self.clone(), id, number }, deadline))
    }
}
