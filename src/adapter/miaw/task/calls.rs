//! The calls of a chat that need more than a token: minting, which waits for the org's budget, and
//! files, whose bytes are here.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::client::{Client, Identity};
use super::super::identity;
use super::Task;
use super::stored::leave_to_act;
use crate::chat::fact::Fact;
use crate::chat::pending::{Command, CommandKind, UpstreamCall};
use crate::chat::session::Session;
use crate::chat::text::Secret;
use crate::chat::visitor::VerifiedUser;
use crate::chat::{CallId, Outcome, Step};

impl Task {
    pub(super) fn start_call(&mut self, session: &Session, id: CallId, call: UpstreamCall) {
        let client = self.client();
        let bearer = session.state().bearer.clone();
        match call {
            UpstreamCall::MintToken => {
                let minted = self.mint(session, client, id == CallId::Renew);
                self.spawn_call(id, minted);
            }
            UpstreamCall::SendFile { number, .. } => {
                let bytes = self.files.get(number);
                self.spawn_call(id, async move { client.send_file(bearer, call, bytes).await });
            }
            call => self.spawn_call(id, async move { client.call(bearer, call).await }),
        }
    }

    fn spawn_call(&mut self, id: CallId, call: impl Future<Output = Outcome> + Send + 'static) {
        let handle = self.calls.spawn(async move { (id, call.await) });
        self.call_ids.insert(handle.id(), id);
    }

    /// Waits for the org's turn. A chat that is over by then asks for nothing.
    fn mint(
        &self,
        session: &Session,
        client: Client,
        renews: bool,
    ) -> impl Future<Output = Outcome> + Send + 'static {
        let shared = self.shared.clone();
        let org = self.tenant.endpoint.org_id.clone();
        let turn = shared.tokens.turn(&org, shared.clock.now().mono);
        let tenant = self.tenant.clone();
        let user = session.state().begin.user.clone();
        let over = self.over.clone();
        async move {
            shared.clock.until(turn).await;
            // The turn may have been a minute ahead, and the lease good when it was asked for.
            if !leave_to_act(&shared).await {
                return Outcome::NotSent;
            }
            if over.load(Ordering::Relaxed) {
                return Outcome::NotSent;
            }
            let user = user.map(|user| identity_of(user, &tenant, &shared.clock));
            let identity = match user {
                Some(None) => {
                    tracing::error!(tenant = tenant.id, "no identity token could be signed");
                    return Outcome::Refused { status: 401, wait: None };
                }
                Some(identity) => identity,
                None => None,
            };
            let outcome = client.mint(identity, tenant.refuse_anonymous || renews).await;
            if let Outcome::Refused { status: 429, wait } = &outcome {
                let asked: Option<Duration> = *wait;
                shared.tokens.refused(&org, shared.clock.now().mono, asked);
            }
            outcome
        }
    }

    /// Keeps the file that a POST brought, under the number of its command, and lets go of others.
    pub(super) fn keep_files(&mut self, session: &Session, step: &Step) {
        let pending = &session.state().pending;
        if let Some((fingerprint, held)) = self.arrived.take() {
            let queued = step.facts.iter().find_map(|fact| match fact {
                Fact::Queued(Command { number, kind: CommandKind::File { .. }, .. }) => {
                    Some(*number)
                }
                _ => None,
            });
            // The retry of an upload whose bytes died with the process before.
            let same = |command: &&Command| match &command.kind {
                CommandKind::File { fingerprint: known, .. } => *known == fingerprint,
                _ => false,
            };
            let again = || pending.iter().find(same).map(|command| command.number);
            if let Some(number) = queued.or_else(again) {
                self.files.keep(number, held);
            }
        }
        self.files.retain(|number| pending.iter().any(|command| command.number == number));
    }
}

/// The switch that tells waiting calls that their chat is over.
pub(super) fn not_over() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

/// What names this user to Salesforce; `None` when it cannot be made.
fn identity_of(
    user: VerifiedUser,
    tenant: &super::Tenant,
    clock: &crate::clock::Clock,
) -> Option<Identity> {
    match user {
        VerifiedUser::Id(id) => {
            let key = tenant.identity.as_ref()?;
            let token = identity::mint(key, id.as_str(), clock.now().wall)?;
            Some(Identity { token, user: Some(id.0) })
        }
        VerifiedUser::Token(Secret(token)) => {
            let user = identity::subject(&token);
            Some(Identity { token: Secret(token), user })
        }
    }
}
