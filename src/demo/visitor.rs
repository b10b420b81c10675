//! A visitor of the headless demo: a small client of the legacy REST API over real HTTP.
//!
//! Promised: it knows nothing of the bridge but its address. It polls until it is refused, and
//! keeps what it saw in the order it came. Where nobody is behind the address for a while, it tries
//! the same request again.

use std::time::Duration;

use http::StatusCode;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::world::{BUTTON, DEPLOYMENT, ORGANIZATION};
use crate::wire::liveagent::{
    AFFINITY, API_VERSION, MessagesPayload, NO_AFFINITY, OK, SEQUENCE, SESSION_KEY, SessionId,
};

/// What clients of the legacy API wait for a poll.
const POLL_TIMEOUT: Duration = Duration::from_secs(40);
/// The wait for any other answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two tries while nobody is there.
const TRY_AGAIN: Duration = Duration::from_millis(700);
/// How often a request is tried while nobody is there.
const TRIES_MAX: u32 = 40;

/// A chat as its visitor has it.
pub(super) struct Visitor {
    http: Client,
    base: String,
    session: SessionId,
    sequence: u32,
    seen: watch::Receiver<Vec<Value>>,
    polling: JoinHandle<()>,
}

impl Visitor {
    /// Starts a chat and begins to poll.
    pub(super) async fn start(
        http: &Client,
        base: &str,
        first_name: &str,
        last_name: &str,
    ) -> Result<Self, String> {
        let request = http
            .get(format!("{base}/chat/rest/System/SessionId"))
            .header(API_VERSION, "47")
            .header(AFFINITY, NO_AFFINITY)
            .timeout(CALL_TIMEOUT);
        let answer = request.send().await.map_err(|error| format!("SessionId: {error}"))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("SessionId was answered {}", answer.status()));
        }
        let session: SessionId =
            answer.json().await.map_err(|error| format!("SessionId: {error}"))?;
        let (sender, seen) = watch::channel(Vec::new());
        let poll = Poll { http: http.clone(), base: base.to_owned(), session: session.clone() };
        let mut visitor = Self {
            http: http.clone(),
            base: base.to_owned(),
            session,
            sequence: 0,
            seen,
            polling: tokio::spawn(async {}),
        };
        let init = chasitor_init(&visitor.session.id, first_name, last_name);
        visitor.post_ok("Chasitor/ChasitorInit", &init).await?;
        visitor.polling = tokio::spawn(poll.until_refused(sender));
        Ok(visitor)
    }

    /// Waits for the end of the chat.
    pub(super) async fn over(&mut self) {
        // A poll that was cut off is the end as well.
        let _ = (&mut self.polling).await;
    }

    pub(super) async fn say(&mut self, text: &str) -> Result<(), String> {
        self.post_ok("Chasitor/ChasitorTyping", &json!({})).await?;
        self.post_ok("Chasitor/ChatMessage", &json!({ "text": text })).await
    }

    pub(super) async fn end(&mut self) -> Result<(), String> {
        self.post_ok("Chasitor/ChatEnd", &json!({ "reason": "client" })).await
    }

    /// The status that a POST meets.
    pub(super) async fn try_to_say(&mut self, text: &str) -> Result<u16, String> {
        let answer = self.post("Chasitor/ChatMessage", &json!({ "text": text })).await?;
        Ok(answer.status().as_u16())
    }

    pub(super) fn seen(&self) -> Vec<Value> {
        self.seen.borrow().clone()
    }

    /// Waits until what was seen satisfies `enough`.
    pub(super) async fn until(
        &self,
        within: Duration,
        enough: impl FnMut(&Vec<Value>) -> bool,
    ) -> Result<(), String> {
        let mut seen = self.seen.clone();
        match tokio::time::timeout(within, seen.wait_for(enough)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err("the visitor stopped polling".to_owned()),
            Err(_) => Err(format!("not within {} s", within.as_secs())),
        }
    }

    async fn post_ok(&mut self, noun: &str, body: &Value) -> Result<(), String> {
        let answer = self.post(noun, body).await?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{noun}: {error}"))?;
        if status == StatusCode::OK && text == OK {
            return Ok(());
        }
        Err(format!("{noun} was answered {status} instead of 200 and the text {OK}"))
    }

    async fn post(&mut self, noun: &str, body: &Value) -> Result<Response, String> {
        self.sequence += 1;
        let url = format!("{}/chat/rest/{noun}", self.base);
        let mut tries = 0;
        loop {
            let request = session_headers(self.http.request(Method::POST, &url), &self.session)
                .header(SEQUENCE, self.sequence)
                .timeout(CALL_TIMEOUT)
                .json(body);
            let answer = request.send().await.map_err(|error| format!("{noun}: {error}"))?;
            tries += 1;
            if answer.status() != StatusCode::BAD_GATEWAY || tries == TRIES_MAX {
                return Ok(answer);
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

fn session_headers(request: RequestBuilder, session: &SessionId) -> RequestBuilder {
    request
        .header(API_VERSION, "47")
        .header(AFFINITY, &session.affinity_token)
        .header(SESSION_KEY, &session.key)
}

struct Poll {
    http: Client,
    base: String,
    session: SessionId,
}

impl Poll {
    /// Polls until an answer is neither 200 nor 204; that one is kept too.
    async fn until_refused(self, sender: watch::Sender<Vec<Value>>) {
        let mut ack = -1;
        let mut tries = 0;
        let nobody = json!({ "status": StatusCode::BAD_GATEWAY.as_u16() });
        loop {
            let polled = self.once(ack).await;
            if polled.as_ref().err() == Some(&nobody) && tries < TRIES_MAX {
                tries += 1;
                tokio::time::sleep(TRY_AGAIN).await;
                continue;
            }
            tries = 0;
            match polled {
                Ok(Some(payload)) => {
                    ack = payload.sequence.unwrap_or(ack);
                    sender.send_modify(|seen| seen.extend(payload.messages.iter().map(shown)));
                }
                Ok(None) => {}
                Err(last) => {
                    sender.send_modify(|seen| seen.push(last));
                    return;
                }
            }
        }
    }

    async fn once(&self, ack: i64) -> Result<Option<MessagesPayload>, Value> {
        let url = format!("{}/chat/rest/System/Messages?ack={ack}&pc=0", self.base);
        let request = session_headers(self.http.get(url), &self.session).timeout(POLL_TIMEOUT);
        let failed = |error: reqwest::Error| json!({ "failed": error.to_string() });
        let answer = request.send().await.map_err(failed)?;
        match answer.status() {
            StatusCode::OK => answer.json().await.map(Some).map_err(failed),
            StatusCode::NO_CONTENT => Ok(None),
            status => Err(json!({ "status": status.as_u16() })),
        }
    }
}

/// A message as the report shows it: its type, and what a person would read of it.
fn shown(message: &crate::wire::liveagent::Message) -> Value {
    let mut shown = json!({ "type": message.kind });
    for member in ["text", "name", "reason"] {
        if let Some(value) = message.body.get(member) {
            shown[member] = value.clone();
        }
    }
    shown
}

/// The pre-chat form as a Cognigy flow sends it.
pub(super) fn chasitor_init(session: &str, first_name: &str, last_name: &str) -> Value {
    let email = format!("{}@example.com", first_name.to_ascii_lowercase());
    let fields = [("LastName", last_name), ("FirstName", first_name), ("Email", email.as_str())];
    let details = fields.map(|(name, value)| {
        json!({
            "label": name,
            "value": value,
            "entityMaps": [{ "entityName": "contact", "fieldName": name }],
            "transcriptFields": [format!("{name}__c")],
            "displayToAgent": true,
        })
    });
    let maps = fields.map(|(name, _)| {
        json!({
            "fieldName": name, "label": name,
            "doFind": true, "isExactMatch": true, "doCreate": true,
        })
    });
    json!({
        "organizationId": ORGANIZATION,
        "deploymentId": DEPLOYMENT,
        "buttonId": BUTTON,
        "sessionId": session,
        "userAgent": "liveagent-bridge demo",
        "language": "en-US",
        "screenResolution": "1900x1080",
        "visitorName": format!("{first_name} {last_name}"),
        "prechatDetails": details,
        "prechatEntities": [{
            "entityName": "Contact",
            "saveToTranscript": "Contact",
            "linkToEntityName": "Case",
            "linkToEntityField": "ContactId",
            "showOnCreate": true,
            "entityFieldsMaps": maps,
        }],
        "receiveQueueUpdates": true,
        "isPost": true,
    })
}
