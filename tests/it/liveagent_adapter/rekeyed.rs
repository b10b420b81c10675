//! Sessions of the real service behind keys of ours.

use std::time::Duration;

use http::Method;
use liveagent_bridge::emulator::{Act, Command, Cue, Fault};
use liveagent_bridge::router::decide::Route;
use liveagent_bridge::router::plan::Brownout;
use liveagent_bridge::store::Store as _;
use liveagent_bridge::time::Wall;
use serde_json::json;

use super::visitor::{BUTTON, OTHER, Scene};
use super::{DEAD, REMOVAL};
use crate::stage::tenant_by_button;

fn ok() -> (u16, String) {
    (200, "OK".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_whole_chat_under_two_keys() {
    let scene = Scene::by_button();
    let mut visitor = scene.session().await;
    assert_eq!(scene.wire.all().len(), 0, "not decided yet");
    assert_eq!(visitor.begin(BUTTON).await, ok());
    let success = visitor.read().await["messages"][0].clone();
    assert_eq!(success["message"]["visitorId"], visitor.id);
    scene.act(Command::Accept);
    visitor.read().await;
    assert_eq!(visitor.say(&format!("I am {}", visitor.id)).await, ok());
    scene.says("Hello");
    let hello = visitor.read().await;
    assert_eq!(hello["messages"][0]["message"]["text"], "Hello");
    assert_eq!(hello["sequence"], 3, "passes through");
    assert!(hello["offset"].as_i64().unwrap() > 1_000_000, "passes through: {hello}");
    let batch = json!({"nouns": [
        {"prefix": "Chasitor", "noun": "ChatMessage", "object": {"text": "b"}},
        {"prefix": "Chasitor", "noun": "ChatEnd", "object": {"reason": "client"}},
    ]});
    assert_eq!(visitor.post("System/MultiNoun", &batch).await, ok());
    assert_eq!(visitor.poll().await, ["ChatEnded"]);
    let after = visitor.peek().await;
    assert_eq!((after.status.as_u16(), &*after.text), (403, DEAD));
    assert_eq!(scene.heard(), [format!("I am {}", visitor.id), "b".to_owned()]);
    let (theirs, ours) = (scene.their_key(), &visitor.key);
    let theirs_id = theirs.split('!').next().unwrap();
    for passed in scene.wire.all() {
        assert!(!format!("{:?}", passed.headers).contains(ours.as_str()));
        assert!(!passed.line.contains(&visitor.id), "{}", passed.line);
        if passed.line.contains("ChasitorInit") {
            assert!(passed.body.contains(theirs_id) && !passed.body.contains(&visitor.id));
            assert_eq!(passed.headers["x-liveagent-sequence"], "1");
        }
    }
    let starts = scene.wire.of("SessionId");
    assert_eq!(starts.len(), 1);
    assert_eq!(starts[0].headers["x-liveagent-affinity"], "null");
    assert_eq!(starts[0].headers["x-liveagent-api-version"], "52");
    assert!(!starts[0].headers.contains_key("x-liveagent-sequence"));
    assert!(scene.stage.chats.posts.lock().unwrap().is_empty());
    let decided = scene.stage.decided.0.lock().unwrap();
    assert_eq!(decided.iter().map(|d| d.route).collect::<Vec<_>>(), [Route::Legacy]);
}

#[tokio::test(start_paused = true)]
async fn a_retried_init_opens_one_session() {
    let scene = Scene::by_button();
    let visitor = scene.session().await;
    let init = visitor.init(BUTTON);
    let once = visitor.post_as(1, "Chasitor/ChasitorInit", &init);
    let again = visitor.post_as(1, "Chasitor/ChasitorInit", &init);
    assert_eq!(tokio::join!(once, again), (ok(), ok()));
    assert_eq!(visitor.post_as(1, "Chasitor/ChasitorInit", &init).await, ok());
    assert_eq!(scene.wire.count("System/SessionId"), 1);
    assert_eq!(scene.emulators.desk().chats().len(), 1);
    assert_eq!(scene.stage.decided.0.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_init_whose_answer_was_lost_is_retried_on_the_same_session() {
    let scene = Scene::by_button();
    let visitor = scene.session().await;
    let (operation, times) = ("ChasitorInit".to_owned(), 1);
    let fault = Fault { operation, times, status: Some(500), ..Fault::default() };
    scene.knobs(|knobs| knobs.faults.push(fault));
    let init = visitor.init(BUTTON);
    assert_eq!(visitor.post_as(1, "Chasitor/ChasitorInit", &init).await.0, 500);
    assert_eq!(visitor.post_as(1, "Chasitor/ChasitorInit", &init).await, ok());
    assert_eq!(scene.wire.count("System/SessionId"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_pair_survives_a_restart() {
    let mut scene = Scene::by_button();
    let mut visitor = scene.talking().await;
    scene.stage.start_again().await;
    visitor.service = scene.stage.service.clone();
    assert_eq!(visitor.say("still here").await, ok());
    scene.says("me too");
    assert_eq!(visitor.poll().await, ["ChatMessage"]);
    assert_eq!(scene.heard(), ["still here"]);
    assert_eq!(scene.wire.count("System/SessionId"), 1);
    // The chat's record is not one of a translated chat.
    let id = scene.stage.store.unfinished(None, 9).await.unwrap()[0];
    let loaded = scene.stage.store.load(id).await.unwrap().unwrap();
    assert!(liveagent_bridge::adapter::liveagent::is_pair(&loaded));
    assert_eq!(id.to_string(), visitor.id);
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_that_is_not_stored() {
    let scene = Scene::by_button();
    let visitor = scene.session().await;
    scene.stage.store.stop_writes();
    let init = visitor.init(BUTTON);
    assert_eq!(visitor.post_as(1, "Chasitor/ChasitorInit", &init).await.0, 500);
    assert_eq!(scene.wire.count("ChasitorInit"), 0);
    scene.stage.store.resume_writes();
    assert_eq!(visitor.post_as(1, "Chasitor/ChasitorInit", &init).await, ok());
    assert_eq!(scene.wire.count("ChasitorInit"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_running_chat_needs_no_store() {
    let scene = Scene::by_button();
    let mut visitor = scene.talking().await;
    scene.stage.store.stop_writes();
    assert_eq!(visitor.say("on").await, ok());
    assert_eq!(visitor.post("Chasitor/ChatEnd", &json!({"reason": "client"})).await, ok());
    assert_eq!(visitor.poll().await, ["ChatEnded"]);
}

#[tokio::test(start_paused = true)]
async fn other_buttons_go_to_miaw_and_stay_there() {
    let scene = Scene::by_button();
    let mut visitor = scene.session().await;
    assert_eq!(visitor.begin(OTHER).await, ok());
    assert_eq!(visitor.say("hello").await, ok());
    assert_eq!(scene.stage.chats.posts.lock().unwrap().len(), 2);
    // The same session with another button begins no second chat, and on no other side.
    visitor.begin(BUTTON).await;
    assert_eq!(scene.stage.chats.posts.lock().unwrap().len(), 3);
    assert!(scene.wire.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_brown_out_refuses_the_buttons_that_go_to_legacy() {
    let mut acme = tenant_by_button("acme", OTHER);
    let instant = |text| Wall::parse(text).unwrap();
    let (from, until) = (instant("2026-01-10T09:00:00Z"), instant("2026-01-10T11:00:00Z"));
    acme.plan.brownouts = vec![Brownout { from, until }];
    let scene = Scene::with(acme);
    let mut visitor = scene.session().await;
    let (status, text) = visitor.begin(BUTTON).await;
    assert_eq!(status, 503, "{text}");
    assert!(scene.wire.all().is_empty());
    let mut other = scene.session().await;
    assert_eq!(other.begin(OTHER).await, ok());
    // What was refused is not decided for good.
    scene.stage.clock.set_wall(until);
    let mut later = scene.session().await;
    assert_eq!(later.begin(BUTTON).await, ok());
    assert_eq!(scene.wire.count("ChasitorInit"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_chat_begins_within_its_time() {
    let scene = Scene::by_button();
    let mut visitor = scene.session().await;
    scene.stage.clock.until(scene.stage.clock.now().mono.plus(Duration::from_secs(121))).await;
    assert_eq!(visitor.begin(BUTTON).await, (403, DEAD.to_owned()));
    assert!(scene.wire.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_comes_before_the_chat_waits_for_it() {
    let scene = Scene::by_button();
    let mut visitor = scene.session().await;
    let early = visitor.clone();
    let (got, begun) = tokio::join!(early.peek(), visitor.begin(BUTTON));
    assert_eq!(begun, ok());
    assert!(got.text.contains("ChatRequestSuccess"), "{}", got.text);
}

#[tokio::test(start_paused = true)]
async fn a_handover_is_the_clients_to_follow() {
    let scene = Scene::by_button();
    let mut visitor = scene.talking().await;
    visitor.say("before").await;
    scene.says("noted");
    let offset = visitor.read().await["offset"].as_i64().unwrap();
    scene.knobs(|knobs| knobs.handover = true);
    assert_eq!(visitor.say("lost").await, (503, String::new()));
    visitor.affinity = "null".to_owned();
    let path = format!("System/ReconnectSession?ReconnectSession.offset={offset}");
    let got = visitor.get(&path).await.json();
    let token = got["messages"][0]["message"]["affinityToken"].as_str().unwrap();
    visitor.affinity = token.to_owned();
    assert_eq!(visitor.poll().await, ["ChasitorSessionData"]);
    let resync = json!({"organizationId": "00D000000000001"});
    let request =
        visitor.request(&Method::POST, "Chasitor/ChasitorResyncState", &resync.to_string());
    assert_eq!(visitor.send(request).await.text, "OK");
    visitor.number = 1;
    assert_eq!(visitor.say("after").await, ok());
    assert_eq!(scene.heard(), ["before", "after"]);
}

#[tokio::test(start_paused = true)]
async fn a_resync_gives_a_new_key_of_ours() {
    let mut scene = Scene::by_button();
    let mut visitor = scene.talking().await;
    let got = visitor.get(&format!("System/ResyncSession/{}", visitor.id)).await;
    let theirs = scene.wire.of("ResyncSession").pop().unwrap();
    let sent: serde_json::Value = serde_json::from_str(&theirs.answer).unwrap();
    assert!(!theirs.line.contains(&visitor.id), "{}", theirs.line);
    let answer = got.json();
    assert_ne!(answer["key"], sent["key"]);
    assert!(answer["key"].as_str().unwrap().starts_with(&visitor.id));
    assert_eq!(answer["isValid"], true);
    assert_eq!(answer["affinityToken"], sent["affinityToken"]);
    visitor.key = answer["key"].as_str().unwrap().to_owned();
    visitor.affinity = answer["affinityToken"].as_str().unwrap().to_owned();
    assert_eq!(visitor.say("with the new key").await, ok());
    scene.stage.start_again().await;
    visitor.service = scene.stage.service.clone();
    assert_eq!(visitor.say("after a restart").await, ok());
    assert_eq!(scene.heard(), ["with the new key", "after a restart"]);
}

#[tokio::test(start_paused = true)]
async fn a_delete_names_the_real_key() {
    for encoded in [false, true] {
        let scene = Scene::by_button();
        let visitor = scene.talking().await;
        let key = match encoded {
            true => visitor.key.replace('!', "%21").replace('=', "%3D"),
            false => visitor.key.clone(),
        };
        let delete = visitor.request(&Method::DELETE, &format!("System/SessionId/{key}"), "");
        assert_eq!(visitor.send(delete).await.text, "OK");
        assert_eq!(visitor.peek().await.status, 403);
        let id = scene.stage.store.unfinished(None, 9).await.unwrap();
        assert!(id.is_empty(), "the record goes after the retention");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_goes_where_the_agent_asked_for_it() {
    let mut scene = Scene::by_button();
    let say = |act| Cue { after_millis: 0, act };
    let accept = Act::Accept { name: Some("Kim".into()), user_id: Some("005000000000007".into()) };
    scene.knobs(|knobs| knobs.script = vec![say(accept), say(Act::RequestFile)]);
    let mut visitor = scene.session().await;
    visitor.begin(BUTTON).await;
    let mut asked = serde_json::Value::Null;
    while asked["type"] != "FileTransfer" {
        let answer = visitor.read().await;
        asked = answer["messages"].as_array().unwrap().last().unwrap().clone();
    }
    let url = asked["message"]["uploadServletUrl"].as_str().unwrap();
    let upload = "https://acme.example.test/t/acme/chat/rest/upload";
    assert_eq!(url, upload);
    scene.stage.start_again().await;
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"chatKey\"\r\n\r\n{}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n12345\r\n--b--\r\n",
        visitor.id
    );
    let token = asked["message"]["fileToken"].as_str().unwrap();
    let path = url.strip_prefix("https://acme.example.test").unwrap();
    let path = format!("{path}?orgId=1&chatKey={}&fileToken={token}&encoding=UTF-8", visitor.id);
    let mut request = crate::stage::request("POST", &path, None, &form);
    let kind = "multipart/form-data; boundary=b".parse().unwrap();
    request.headers_mut().insert("content-type", kind);
    let got = scene.stage.send(request).await;
    assert_eq!((got.status.as_u16(), &*got.text), (200, "Success"));
    assert_eq!(scene.heard(), ["[file of 5 bytes]"]);
    // Nobody else's session, and nothing that was not asked for.
    let path = path.replace(&visitor.id, "11111111-2222-4333-8444-555555555555");
    assert_eq!(scene.stage.send(crate::stage::request("POST", &path, None, "")).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn at_the_removal_it_ends_once_also_after_a_restart() {
    for restarted in [false, true] {
        let mut scene = Scene::by_button();
        let mut visitor = scene.talking().await;
        if restarted {
            scene.stage.start_again().await;
            visitor.service = scene.stage.service.clone();
        }
        scene.stage.clock.set_wall(Wall::parse(REMOVAL).unwrap());
        let asked = scene.wire.all().len();
        let ended = visitor.read().await;
        assert_eq!(ended["messages"][0]["type"], "ChatEnded");
        assert_eq!(ended["messages"][0]["message"]["reason"], "agent");
        assert_eq!(ended["sequence"], 3);
        for _ in 0..2 {
            let got = visitor.peek().await;
            assert_eq!((got.status.as_u16(), &*got.text), (403, DEAD));
            assert_eq!(visitor.say("late").await.0, 403);
            scene.stage.start_again().await;
            visitor.service = scene.stage.service.clone();
        }
        assert_eq!(scene.wire.all().len(), asked, "nothing is passed on any more");
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_chats_that_nobody_uses_end() {
    let scene = Scene::by_button();
    let visitor = scene.talking().await;
    assert_eq!(scene.stage.facade.relay.expire().await, 0);
    let hour = Duration::from_secs(3_600);
    scene.stage.clock.until(scene.stage.clock.now().mono.plus(hour)).await;
    assert_eq!(scene.stage.facade.relay.expire().await, 1);
    assert!(scene.stage.store.unfinished(None, 9).await.unwrap().is_empty());
    assert_eq!(visitor.peek().await.status, 403, "the service's own word");
}
