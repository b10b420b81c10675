//! How many relayed chats go on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::visitor::Scene;

fn running(scene: &Scene) -> BTreeMap<String, u64> {
    scene.stage.facade.relay.running()
}

#[tokio::test(start_paused = true)]
async fn relayed_chats_are_counted_until_they_end_or_their_client_is_gone() {
    for scene in [Scene::verbatim(), Scene::by_button()] {
        assert!(running(&scene).is_empty());
        let mut ends = scene.talking().await;
        assert_eq!(running(&scene), BTreeMap::from([("acme".to_owned(), 1)]));
        let goes = scene.talking().await;
        assert_eq!(running(&scene)["acme"], 2);
        ends.post("Chasitor/ChatEnd", &json!({"reason": "client"})).await;
        while !ends.poll().await.contains(&"ChatEnded".to_owned()) {}
        assert_eq!(running(&scene)["acme"], 1);
        let clock = &scene.stage.clock;
        clock.until(clock.now().mono.plus(Duration::from_secs(150))).await;
        assert!(running(&scene).is_empty(), "nobody asks for it any more");
        drop(goes);
    }
}
