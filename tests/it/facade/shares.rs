//! L3, L4: what one tenant may have at once, and that it is not what the others have.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use liveagent_bridge::config::{Config, Limits};
use liveagent_bridge::serve::Peer;

use super::AFTER;
use crate::stage::{Got, Stage, request, staged_as, tenant};

const SESSION: &str = "/chat/rest/System/SessionId";
const POLL: &str = "/chat/rest/System/Messages";

/// Two tenants whose shares are small.
fn shared(limits: Limits) -> Stage {
    staged_as(AFTER, vec![tenant("acme"), tenant("other")], |facade| {
        let config = Config { limits, ..Config::clone(&facade.config) };
        facade.config = Arc::new(config);
    })
}

async fn session(stage: &Stage, tenant: &str, from: Option<u8>) -> Got {
    let mut asked = request("GET", SESSION, None, "");
    let host = format!("{tenant}.example.test").parse().unwrap();
    asked.headers_mut().insert("host", host);
    if let Some(last) = from {
        asked.extensions_mut().insert(Peer(([10, 0, 0, last], 4_711).into()));
    }
    stage.send(asked).await
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_sessions_is_refused_and_remembered_nowhere() {
    let stage = shared(Limits { sessions_per_tenant_second: 50, ..Limits::default() });
    let mut begun = 0;
    for _ in 0..20_000 {
        let got = session(&stage, "acme", None).await;
        match got.status.as_u16() {
            200 => begun += 1,
            429 => assert_eq!(
                (&*got.text, &got.headers["retry-after"]),
                ("Too many new sessions", &"1".parse().unwrap())
            ),
            other => panic!("{other}: {}", got.text),
        }
    }
    assert_eq!(begun, 50);
    // The other tenant does not notice, nor do those who are in.
    assert_eq!(session(&stage, "other", None).await.status, 200);
    assert_eq!(stage.store.writes(), 0, "a session costs no disk");
    assert_eq!(stage.decided.0.lock().unwrap().len(), 51, "nor is a decision told");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(session(&stage, "acme", None).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_address_has_a_share_when_that_is_asked_for() {
    let stage = shared(Limits { sessions_per_address_second: 2, ..Limits::default() });
    let mut seen = Vec::new();
    for from in [Some(1), Some(1), Some(1), Some(2), None, None, None] {
        seen.push(session(&stage, "acme", from).await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 429, 200, 200, 200, 200]);
    let stage = shared(Limits::default());
    for _ in 0..100 {
        assert_eq!(session(&stage, "acme", Some(1)).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_noisy_tenant_takes_nothing_from_a_quiet_one() {
    let stage = shared(Limits { requests_per_tenant: 30, ..Limits::default() });
    let noisy = stage.session().await;
    let quiet = session(&stage, "other", None).await.json()["key"].as_str().unwrap().to_owned();
    // Polls that are held, all at once; then those of the others.
    let noise = join_all((0..200).map(|_| stage.get(POLL, Some(&noisy))));
    let beside = async {
        tokio::task::yield_now().await;
        join_all((0..30).map(|_| async {
            let mut asked = request("GET", POLL, Some(&quiet), "");
            asked.headers_mut().insert("host", "other.example.test".parse().unwrap());
            stage.send(asked).await.status.as_u16()
        }))
        .await
    };
    let (noise, beside) = tokio::join!(noise, beside);
    let refused = noise.iter().filter(|got| got.status == 429).count();
    let held = noise.iter().filter(|got| got.status == 204).count();
    assert_eq!((held, refused), (30, 170));
    assert!(beside.iter().all(|status| *status == 204), "{beside:?}");
    // With room again it goes on.
    assert_eq!(stage.get(POLL, Some(&noisy)).await.status, 204);
}
