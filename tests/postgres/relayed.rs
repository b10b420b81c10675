//! A client that takes any answer, for chats that are relayed and for what is refused.

use serde_json::{Value, json};

use crate::visitor::http;
use crate::within;

/// A session. Of a tenant that is relayed verbatim it has no use for the store.
pub struct Relayed {
    base: String,
    key: String,
    affinity: String,
}

impl Relayed {
    pub async fn begin(base: &str) -> Self {
        let asked = http().get(format!("{base}/System/SessionId"));
        let asked = asked.header("X-LIVEAGENT-API-VERSION", "47");
        let answer = asked.header("X-LIVEAGENT-AFFINITY", "null").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let session: Value = answer.json().await.unwrap();
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        Self { base: base.to_owned(), key: text("key"), affinity: text("affinityToken") }
    }

    /// Begins the chat of this session.
    pub async fn init(&self) -> u16 {
        let body = json!({
            "organizationId": "00D000000000001", "deploymentId": "572000000000001",
            "buttonId": "573000000000001", "sessionId": self.key.split('!').next(),
            "userAgent": "t", "language": "en", "screenResolution": "1x1", "visitorName": "V",
            "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true,
            "isPost": true,
        });
        self.post("ChasitorInit", 1, &body).await
    }

    /// The first thing that is said in it.
    pub async fn say(&self, text: &str) -> u16 {
        self.post("ChatMessage", 2, &json!({ "text": text })).await
    }

    async fn post(&self, noun: &str, number: u64, body: &Value) -> u16 {
        let asked = http()
            .post(format!("{}/Chasitor/{noun}", self.base))
            .header("X-LIVEAGENT-API-VERSION", "47")
            .header("X-LIVEAGENT-AFFINITY", &self.affinity)
            .header("X-LIVEAGENT-SESSION-KEY", &self.key)
            .header("X-LIVEAGENT-SEQUENCE", number)
            .json(body);
        within("an answer to a POST", asked.send()).await.unwrap().status().as_u16()
    }
}
