//! What people say and what opens doors is nowhere but on the wire: not in the store's files, not
//! in the log at its most talkative, not in `check`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::run;
use crate::site::Site;
use crate::visitor::{Line, Poller, http};

const EMAIL: &str = "canary.mail.5417@example.test";
const ASKS: &str = "canary of the visitor 7303";
const AGAIN: &str = "canary after the restart 8812";
const SAYS: &str = "canary of the agent 2291";
const BROKEN: &str = "canary in a broken body 6620";
const REFUSED: &str = "canary in an error of the service 1178";
/// The agent's name at the emulated desk.
const AGENT: &str = "Ada Agent";

type Bytes = Arc<Mutex<Vec<u8>>>;

/// A listener before the service that keeps all that the service answers.
async fn tap(service: &str) -> (String, Bytes) {
    let to = service.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let kept = Bytes::default();
    let answers = kept.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(service) = TcpStream::connect(&to).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_service, to_service) = service.into_split();
            tokio::spawn(pass(from_client, to_service, Bytes::default()));
            tokio::spawn(pass(from_service, to_client, answers.clone()));
        }
    });
    (address, kept)
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, kept: Bytes) {
    let mut chunk = vec![0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        kept.lock().unwrap().extend_from_slice(&chunk[..read]);
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

/// The access token that the service gave.
fn token(answers: &Bytes) -> String {
    let answers = String::from_utf8_lossy(&answers.lock().unwrap()).into_owned();
    let (_, after) = answers.split_once("\"accessToken\":\"").expect("a token was given");
    after.split('"').next().unwrap().to_owned()
}

/// Every file of the bridge but its keys and its configuration, by name.
fn files(site: &Site) -> Vec<(String, Vec<u8>)> {
    let entries = site.folder.path().read_dir().unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let ours = named.filter(|(name, _)| name.starts_with("bridge.sqlite") || name == "serve.log");
    let ours = ours.filter(|(name, _)| !name.ends_with(".keys"));
    ours.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Fails when a secret is in a file, or when the files are not those that are meant.
fn search(site: &Site, chat: &str, secrets: &[&str]) {
    let files = files(site);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["bridge.sqlite", "bridge.sqlite-wal", "serve.log"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let log = &files.iter().find(|(name, _)| name == "serve.log").unwrap().1;
    assert!(holds(log, chat) && holds(log, "DEBUG"), "the log tells nothing of this chat");
    for (name, bytes) in &files {
        for secret in secrets {
            assert!(!holds(bytes, secret), "`{secret}` is in {name}");
        }
    }
    let stored = files.iter().filter(|(name, _)| name.starts_with("bridge"));
    assert!(stored.map(|(_, bytes)| bytes.len()).sum::<usize>() > 10_000, "nothing is stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_said_and_no_key_is_left_behind() {
    let site = Site::new("none").await;
    let (address, answers) = tap(&site.miaw).await;
    let text = std::fs::read_to_string(site.config()).unwrap().replace(&site.miaw, &address);
    std::fs::write(site.config(), text).unwrap();
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);

    let mut line = Line::new(&site).await;
    line.init(Some(1), EMAIL).await;
    let chat = desk.chat("the chat", |chat| asked_with(chat, EMAIL)).await;
    let id = id(&chat);
    desk.accept(&id).await;
    let fault = json!({ "operation": "message", "status": 500, "body": REFUSED });
    let knobs = format!("{}/emulator/miaw/knobs", site.miaw);
    let set = http().post(&knobs).json(&json!({ "faults": [fault] })).send().await.unwrap();
    assert!(set.status().is_success());
    line.say(Some(2), ASKS).await;
    desk.chat("the line", |chat| lines(chat, "visitor").len() == 1).await;
    let left: Value = http().get(&knobs).send().await.unwrap().json().await.unwrap();
    assert_eq!(left["faults"], json!([]), "the error was answered");
    desk.say(&id, SAYS).await;
    let mut poller = Poller::new(&line, true);
    assert_eq!(poller.until("ChatMessage").await["text"], SAYS);
    let broken = line.broken(&format!("{{\"text\": \"{BROKEN}")).await;
    assert_eq!(broken.status, 400);
    assert!(!broken.text.contains("canary"), "{}", broken.text);

    let (key, token) = (line.key.clone(), token(&answers));
    let body = token.split('.').nth(1).expect("a JWT");
    // Also what only opens together with the rest.
    let tail = key.rsplit('!').next().unwrap();
    let secrets =
        [EMAIL, "canary.mail", ASKS, SAYS, BROKEN, REFUSED, AGAIN, AGENT, &key, tail, &token, body];
    search(&site, &line.id, &secrets);

    site.goes();
    bridge.kill();
    let mut bridge = site.serve().await;
    line.say(Some(3), AGAIN).await;
    desk.chat("the next line", |chat| lines(chat, "visitor").len() == 2).await;
    search(&site, &line.id, &secrets);
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));

    let config = site.config();
    for form in [&["check", "--config"][..], &["check", "--json", "--config"]] {
        let checked = run(&[form, &[config.to_str().unwrap()]].concat(), &[]).await;
        assert_eq!(checked.code, Some(0));
        let told = format!("{}{}", checked.out, checked.log);
        assert!(secrets.iter().all(|secret| !told.contains(secret)), "{told}");
    }
}
