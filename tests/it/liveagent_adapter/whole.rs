//! The whole bridge, built as `serve` builds it: a re-keyed chat over a restart.

use std::sync::Arc;

use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::app::{self, Bridge, Opened, Options};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{Config, DEFAULT_LISTEN, Egress, Limits, StoreConfig};
use liveagent_bridge::emulator::{Agents, Emulators};
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use tokio_util::sync::CancellationToken;

use super::visitor::{BUTTON, OTHER, Visitor};
use crate::stage::{LEGACY, SECRET, Seen, read, request, tenant_by_button};

async fn build(
    clock: &Clock,
    salesforce: &Arc<InProcess>,
    store: &MemoryStore,
) -> (Bridge, CancellationToken) {
    let shutdown = CancellationToken::new();
    let config = Config {
        listen: DEFAULT_LISTEN,
        admin: None,
        store: StoreConfig::Memory,
        tenants: vec![tenant_by_button("acme", OTHER)],
        limits: Limits::default(),
        egress: Egress::default(),
        panic_file: None,
        tls: None,
    };
    let options = Options {
        clock: clock.clone(),
        transport: salesforce.clone(),
        opened: Opened { store: Arc::new(store.clone()), keys: KeyRing::single(SECRET) },
        decisions: Arc::new(Seen::default()),
        shutdown: shutdown.clone(),
    };
    (app::build(config, options).await.expect("a bridge"), shutdown)
}

async fn begun(bridge: &Bridge, button: &str) -> Visitor {
    let start = request("GET", "/chat/rest/System/SessionId", None, "");
    let got = tower::ServiceExt::oneshot(bridge.router.clone(), start).await.unwrap();
    let session = read(got).await.json();
    let mut visitor = Visitor::of(&session, bridge.router.clone());
    assert_eq!(visitor.begin(button).await, (200, "OK".to_owned()));
    assert_eq!(visitor.poll().await[0], "ChatRequestSuccess");
    visitor
}

#[tokio::test(start_paused = true)]
async fn both_kinds_of_chats_go_on_after_a_restart() {
    let clock = Clock::starting_at(Wall::parse(super::BEFORE).unwrap());
    let emulators = Emulators::new(&clock, Agents::Echo);
    let salesforce = Arc::new(InProcess::new());
    salesforce.put(LEGACY, emulators.liveagent_router());
    salesforce.put("scrt.example.test", emulators.miaw_router());
    let store = MemoryStore::new();
    let (bridge, shutdown) = build(&clock, &salesforce, &store).await;
    let mut visitors = [begun(&bridge, BUTTON).await, begun(&bridge, OTHER).await];
    shutdown.cancel();
    bridge.chats.drained().await;
    let (bridge, _shutdown) = build(&clock, &salesforce, &store).await;
    assert_eq!(bridge.recovered, 1, "the translated one");
    for (visitor, text) in visitors.iter_mut().zip(["to legacy", "to miaw"]) {
        visitor.service = bridge.router.clone();
        assert_eq!(visitor.say(text).await, (200, "OK".to_owned()));
        let wanted = format!("echo: {text}");
        while !visitor.read().await.to_string().contains(&wanted) {}
    }
    let heard: Vec<_> =
        emulators.desk().chats().iter().flat_map(crate::bridge_stage::visitor_lines).collect();
    assert_eq!(heard, ["to legacy", "to miaw"]);
    assert_eq!(bridge.relay.health().len(), 1);
}
