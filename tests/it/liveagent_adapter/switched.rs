//! `SwitchServer`: the client stays, the relay moves.

use liveagent_bridge::emulator::Command;

use super::visitor::{Scene, Visitor};
use crate::stage::LEGACY;

const SECOND: &str = "la2.example.test";
const AVAILABILITY: &str = "/chat/rest/Visitor/Availability?Availability.ids=[573000000000001]";

fn moves(scene: &Scene, host: &str) {
    scene.serve_at(SECOND);
    let url = format!("https://{host}/chat");
    scene.knobs(|knobs| knobs.switch_server = Some(url));
}

fn last_host(scene: &Scene) -> String {
    scene.wire.all().pop().unwrap().host
}

#[tokio::test(start_paused = true)]
async fn nouns_without_a_session_are_asked_at_the_new_host() {
    let scene = Scene::verbatim();
    moves(&scene, SECOND);
    for hosts in [&[LEGACY, SECOND][..], &[SECOND]] {
        let before = scene.wire.all().len();
        let got = scene.stage.get(AVAILABILITY, None).await;
        assert!(got.text.contains("573000000000001") && !got.text.contains("SwitchServer"));
        let asked: Vec<_> = scene.wire.all()[before..].iter().map(|p| p.host.clone()).collect();
        assert_eq!(asked, hosts);
    }
    // A chat that begins now begins there, and stays there.
    let mut visitor = scene.talking().await;
    assert_eq!(scene.wire.of("SessionId")[0].host, SECOND);
    scene.knobs(|knobs| knobs.switch_server = None);
    assert_eq!(visitor.say("a").await.0, 200);
    assert_eq!(last_host(&scene), SECOND);
    // The new host goes away: the configured one is asked again.
    scene.stage.salesforce.remove(SECOND);
    assert_eq!(scene.stage.get(AVAILABILITY, None).await.status, 500);
    assert_eq!(scene.stage.get(AVAILABILITY, None).await.status, 200);
}

async fn a_chat_moves(scene: &Scene) -> Visitor {
    let mut visitor = scene.talking().await;
    moves(scene, SECOND);
    scene.says("one");
    // Told together with something else: that passes on, the rest does not.
    assert_eq!(visitor.poll().await, ["ChatMessage"]);
    assert_eq!(visitor.ack, 4, "numbers stay the service's");
    assert_eq!(visitor.say("two").await.0, 200);
    assert_eq!(last_host(scene), SECOND);
    visitor
}

#[tokio::test(start_paused = true)]
async fn a_verbatim_chat_moves_and_its_client_does_not() {
    let scene = Scene::verbatim();
    let mut visitor = a_chat_moves(&scene).await;
    scene.act(Command::End);
    assert_eq!(visitor.poll().await, ["ChatEnded"]);
}

#[tokio::test(start_paused = true)]
async fn a_rekeyed_chat_moves_for_good() {
    let mut scene = Scene::by_button();
    let mut visitor = a_chat_moves(&scene).await;
    scene.stage.start_again().await;
    visitor.service = scene.stage.service.clone();
    scene.says("three");
    assert_eq!(visitor.poll().await, ["ChatMessage"]);
    assert_eq!(last_host(&scene), SECOND, "also after a restart");
}

#[tokio::test(start_paused = true)]
async fn told_alone_the_poll_goes_on_at_the_new_host() {
    for scene in [Scene::verbatim(), Scene::by_button()] {
        let mut visitor = scene.talking().await;
        moves(&scene, SECOND);
        let said = async {
            while scene.wire.of("Messages?ack=3").is_empty()
                && scene.wire.count("System/Messages") < 3
            {
                tokio::task::yield_now().await;
            }
            scene.says("one");
        };
        let (kinds, ()) = tokio::join!(visitor.poll(), said);
        assert_eq!(kinds, ["ChatMessage"]);
        let polls: Vec<_> =
            scene.wire.of("Messages").into_iter().map(|p| (p.host, p.line)).collect();
        let line = |ack| format!("GET /chat/rest/System/Messages?ack={ack}");
        assert_eq!(
            polls[polls.len() - 2..],
            [(LEGACY.to_owned(), line(2)), (SECOND.to_owned(), line(3)),]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_of_others_are_not_followed() {
    let scene = Scene::verbatim();
    let mut visitor = scene.talking().await;
    moves(&scene, "la.evil.test");
    assert_eq!(scene.stage.get(AVAILABILITY, None).await.status, 500);
    scene.says("one");
    assert_eq!(visitor.poll().await, ["ChatMessage"], "the chat goes on where it is");
    assert_eq!(visitor.say("two").await.0, 200);
    assert!(scene.wire.all().iter().all(|passed| passed.host == LEGACY));
}
