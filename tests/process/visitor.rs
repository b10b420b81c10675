//! A legacy REST client: one that insists, so that whatever got no answer is sent again.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::site::{Site, Turns};
use crate::within;

/// A client that uses no proxy and no connection of an earlier one.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// One client for each bridge, shared by all lines: no line has a connection to one that is gone.
#[derive(Clone, Default)]
pub struct Clients(Arc<Mutex<(usize, Option<reqwest::Client>)>>);

impl Clients {
    fn of(&self, bridge: usize) -> reqwest::Client {
        let mut newest = self.0.lock().unwrap();
        if newest.0 < bridge {
            *newest = (bridge, None);
        }
        match newest.0 == bridge {
            true => newest.1.get_or_insert_with(http).clone(),
            false => http(),
        }
    }
}

/// The requests of one session.
#[derive(Clone)]
pub struct Line {
    http: reqwest::Client,
    clients: Clients,
    /// The bridge that `http` has connections to.
    to: usize,
    turns: watch::Receiver<Turns>,
    pub base: String,
    pub key: String,
    pub id: String,
    /// Requests that got no answer.
    pub cut: usize,
}

/// A status and a body.
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Line {
    /// Gets a session.
    pub async fn new(site: &Site) -> Self {
        Self::at(site, site.base.clone()).await
    }

    /// The same at another base URL of the site's bridge.
    pub async fn at(site: &Site, base: String) -> Self {
        let (clients, turns) = (site.clients(), site.turns());
        let to = turns.borrow().started;
        let (http, key, id) = (clients.of(to), String::new(), String::new());
        let mut line = Self { http, clients, to, turns, base, key, id, cut: 0 };
        let answer = line.insist(|http, line| http.get(line.url("System/SessionId"))).await;
        let session = answer.json();
        line.key = session["key"].as_str().unwrap().to_owned();
        line.id = session["id"].as_str().unwrap().to_owned();
        line
    }

    fn url(&self, noun: &str) -> String {
        format!("{}/{noun}", self.base)
    }

    /// Sends until there is an answer; a bridge that is gone is waited for.
    async fn insist(
        &mut self,
        request: impl Fn(&reqwest::Client, &Self) -> reqwest::RequestBuilder,
    ) -> Answer {
        loop {
            let up = self.turns.wait_for(|turns| turns.up());
            let bridge = within("a bridge", up).await.expect("the site is there").started;
            if bridge != self.to {
                (self.http, self.to) = (self.clients.of(bridge), bridge);
            }
            let headers = [("X-LIVEAGENT-API-VERSION", "47"), ("X-LIVEAGENT-AFFINITY", "null")];
            let mut request = request(&self.http, self);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if !self.key.is_empty() {
                request = request.header("X-LIVEAGENT-SESSION-KEY", &self.key);
            }
            let answer = async {
                let answer = request.send().await?;
                let status = answer.status().as_u16();
                Ok::<_, reqwest::Error>(Answer { status, text: answer.text().await? })
            };
            let why = match within("an answer", answer).await {
                Ok(answer) => return answer,
                Err(error) => format!("another bridge after {error:?}"),
            };
            self.cut += 1;
            let next = self.turns.wait_for(|turns| turns.started > bridge);
            within(&why, next).await.expect("the site is there");
        }
    }

    /// A POST, with its number unless the client does not number.
    pub async fn post(&mut self, noun: &str, number: Option<u64>, body: &Value) -> Answer {
        let noun = format!("Chasitor/{noun}");
        self.insist(|http, line| {
            let request = http.post(line.url(&noun)).json(body);
            match number {
                Some(number) => request.header("X-LIVEAGENT-SEQUENCE", number),
                None => request,
            }
        })
        .await
    }

    /// `ChasitorInit` with one pre-chat detail.
    pub async fn init(&mut self, number: Option<u64>, email: &str) {
        let body = json!({
            "organizationId": "00D000000000001",
            "deploymentId": "572000000000001",
            "buttonId": "573000000000001",
            "sessionId": self.id,
            "userAgent": "process tests",
            "language": "en",
            "screenResolution": "1x1",
            "visitorName": email,
            "prechatDetails": [{
                "label": "Email", "value": email, "displayToAgent": true,
                "entityMaps": [], "transcriptFields": [],
            }],
            "prechatEntities": [],
            "receiveQueueUpdates": true,
            "isPost": true,
        });
        assert_eq!(self.post("ChasitorInit", number, &body).await.ok(), "OK");
    }

    pub async fn say(&mut self, number: Option<u64>, text: &str) {
        let answer = self.post("ChatMessage", number, &json!({ "text": text })).await;
        assert_eq!(answer.ok(), "OK");
    }

    /// A message whose body is no JSON.
    pub async fn broken(&mut self, body: &str) -> Answer {
        self.insist(|http, line| http.post(line.url("Chasitor/ChatMessage")).body(body.to_owned()))
            .await
    }

    /// One poll; `ack` as the client keeps it.
    pub async fn poll(&mut self, ack: Option<i64>) -> Answer {
        let query = ack.map(|ack| format!("?ack={ack}")).unwrap_or_default();
        self.insist(|http, line| http.get(line.url(&format!("System/Messages{query}")))).await
    }
}

impl Answer {
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.status, 200, "{}", self.text);
        &self.text
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.ok()).unwrap()
    }
}

/// The polls of one session, and what they brought.
pub struct Poller {
    pub line: Line,
    acks: bool,
    last: i64,
    /// Payloads that came a second time.
    pub repeated: usize,
}

impl Poller {
    pub fn new(line: &Line, acks: bool) -> Self {
        Self { line: line.clone(), acks, last: -1, repeated: 0 }
    }

    /// What the next poll acknowledges.
    pub fn acknowledged(&self) -> Option<i64> {
        self.acks.then_some(self.last)
    }

    /// The messages of the next payload with any; `None` once the session is over.
    pub async fn next(&mut self) -> Option<Vec<Value>> {
        loop {
            let answer = self.line.poll(self.acknowledged()).await;
            match answer.status {
                204 => continue,
                403 => return None,
                _ => {}
            }
            let payload = answer.json();
            let sequence = payload["sequence"].as_i64().unwrap();
            if sequence == self.last && !self.acks {
                // The last one only, and once for each bridge that went.
                self.repeated += 1;
                let gone = self.line.turns.borrow().gone;
                assert!(self.repeated <= gone, "{sequence} again: {payload}");
                continue;
            }
            assert!(sequence > self.last, "{sequence} after {}: {payload}", self.last);
            self.last = sequence;
            return Some(payload["messages"].as_array().unwrap().clone());
        }
    }

    /// Polls until a message of this type comes.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let messages = self.next().await.unwrap_or_else(|| panic!("over without {kind}"));
            if let Some(found) = messages.into_iter().find(|message| message["type"] == kind) {
                return found["message"].clone();
            }
        }
    }
}
