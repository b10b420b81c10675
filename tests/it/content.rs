//! What passes through a chat besides text, through the whole bridge.
//!
//! Only the desk, the client and the wire are looked at.

use liveagent_bridge::chat::policy::{AgentFiles, Rich, Uploads};
use liveagent_bridge::config::Behaviour;
use liveagent_bridge::emulator::{Agents, By, Command, Play, RepeatedIds};
use serde_json::{Value, json};

use crate::bridge_stage::{BridgeStage, Client};

async fn stage(change: impl FnOnce(&mut Behaviour)) -> BridgeStage {
    BridgeStage::with(Agents::None, change).await
}

fn choices(format: &str) -> Command {
    Command::Play(Play::Choices {
        by: By::Agent,
        format: format.to_owned(),
        text: "What is it about?".to_owned(),
        options: vec!["Rechnung ß".to_owned(), "Other".to_owned()],
    })
}

/// The last message that reached the service.
fn last_message(stage: &BridgeStage) -> Value {
    stage.sent("message").last().expect("a message").body["message"].clone()
}

#[tokio::test(start_paused = true)]
async fn choices_are_numbered_lines_and_any_way_of_naming_one_answers() {
    for format in ["Buttons", "QuickReplies", "ListPicker"] {
        for (said, option, title) in [
            ("1", "o1", "Rechnung ß"),
            ("2.", "o2", "Other"),
            ("rechnung ß", "o1", "Rechnung ß"),
            ("OTHER", "o2", "Other"),
        ] {
            let stage = stage(|_| {}).await;
            let mut client = Client::talking(&stage).await;
            stage.act(choices(format));
            client.until_told("What is it about?\n1. Rechnung ß\n2. Other").await;
            client.says(said).await;
            stage.hears(&[title]).await;
            let message = last_message(&stage);
            assert_eq!(message["messageType"], "ChoicesResponseMessage");
            let picked = &message["choicesResponse"]["selectedOptions"][0];
            assert_eq!(picked["optionIdentifier"], option, "{format} {said}");
            let chat = stage.desk().chats().pop().expect("a chat");
            let question = chat.lines.iter().find(|line| line.text == "[shown]").expect("shown");
            assert_eq!(message["inReplyToMessageId"], question.id.as_str());
            // What is said next is no answer any more.
            client.says("2").await;
            stage.hears(&[title, "2"]).await;
            assert_eq!(last_message(&stage)["messageType"], "StaticContentMessage");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn free_words_after_a_question_are_free_words() {
    let stage = stage(|_| {}).await;
    let mut client = Client::talking(&stage).await;
    stage.act(choices("Buttons"));
    client.until("ChatMessage").await;
    client.says("What do you mean?").await;
    stage.hears(&["What do you mean?"]).await;
    assert_eq!(last_message(&stage)["messageType"], "StaticContentMessage");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_can_gets_a_rich_message() {
    let rich = |rich| move |behaviour: &mut Behaviour| behaviour.content.rich = rich;
    let items = json!([{ "text": "Rechnung ß" }, { "text": "Other" }]);
    let staged = stage(rich(Rich::Message)).await;
    let mut client = Client::talking(&staged).await;
    staged.act(choices("Buttons"));
    client.until_told("What is it about?").await;
    let buttons = client.until("RichMessage").await;
    assert_eq!(buttons, json!({ "type": "ChatWindowButton", "items": items }));
    staged.act(choices("ListPicker"));
    let menu = client.until("RichMessage").await;
    let header = "What is it about?";
    assert_eq!(menu, json!({ "type": "ChatWindowMenu", "header": header, "items": items }));
    let staged = stage(rich(Rich::Both)).await;
    let mut client = Client::talking(&staged).await;
    staged.act(choices("Buttons"));
    client.until_told("What is it about?\n1. Rechnung ß\n2. Other").await;
    client.until("RichMessage").await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_response_goes_as_its_words() {
    let stage = stage(|_| {}).await;
    stage.knobs(|knobs| knobs.refuse_responses = true);
    let mut client = Client::talking(&stage).await;
    stage.act(choices("Buttons"));
    client.until("ChatMessage").await;
    client.says("2").await;
    stage.hears(&["Other"]).await;
    assert_eq!(stage.count("message"), 2);
    assert_eq!(last_message(&stage)["staticContent"]["text"], "Other");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_may_have_answers_as_words() {
    let stage = stage(|behaviour| behaviour.content.answers_as_text = true).await;
    let mut client = Client::talking(&stage).await;
    stage.act(choices("Buttons"));
    client.until("ChatMessage").await;
    client.says("2").await;
    stage.hears(&["Other"]).await;
    assert_eq!(last_message(&stage)["messageType"], "StaticContentMessage");
}

#[tokio::test(start_paused = true)]
async fn a_carousel_is_cards_and_one_list() {
    let stage = stage(|_| {}).await;
    let mut client = Client::talking(&stage).await;
    stage.act(choices("Carousel"));
    let told = "Rechnung ß\nOther\n1. Rechnung ß: Rechnung ß\n2. Other: Other";
    client.until_told(told).await;
    client.says("2").await;
    stage.hears(&["Other: Other"]).await;
    let picked = &last_message(&stage)["choicesResponse"]["selectedOptions"][0];
    assert_eq!(picked["optionIdentifier"], "o2");
}

fn form() -> Command {
    let fields = vec!["Name".to_owned(), "Color=Red|Blue".to_owned()];
    Command::Play(Play::Form { title: "About you".to_owned(), fields })
}

#[tokio::test(start_paused = true)]
async fn a_form_is_asked_field_by_field() {
    let mut stage = stage(|_| {}).await;
    let mut client = Client::talking(&stage).await;
    stage.act(form());
    client.until_told("About you\nName").await;
    client.says("Zoë 🙂").await;
    client.until_told("Color\n1. Red\n2. Blue").await;
    assert_eq!(stage.count("message"), 0, "the form is not complete");
    // What was answered outlives the process.
    stage.start_again().await;
    client.moves_to(&stage);
    client.says("blue").await;
    stage.hears(&["f1=Zoë 🙂, f2=o2"]).await;
    let message = last_message(&stage);
    assert_eq!(message["messageType"], "FormResponseMessage");
    assert_eq!(message["formResponse"]["formatType"], "Inputs");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_form_that_is_not_completed_is_lost() {
    // The visitor writes something else.
    let staged = stage(|_| {}).await;
    let mut client = Client::talking(&staged).await;
    staged.act(form());
    client.until("ChatMessage").await;
    client.says("Zoë").await;
    client.says("I want a human").await;
    staged.hears(&["Name: Zoë", "I want a human"]).await;
    // The visitor goes.
    let staged = stage(|_| {}).await;
    let mut client = Client::talking(&staged).await;
    staged.act(form());
    client.until("ChatMessage").await;
    client.says("Zoë").await;
    client.post("ChatEnd", &json!({ "reason": "client" })).await;
    staged.closed_at_desk().await;
    assert_eq!(staged.heard(), ["Name: Zoë"]);
    // Somebody else comes.
    let staged = stage(|_| {}).await;
    let mut client = Client::talking(&staged).await;
    staged.act(form());
    client.until("ChatMessage").await;
    client.says("Zoë").await;
    staged.act(Command::Transfer);
    client.until("ChatTransferred").await;
    staged.hears(&["Name: Zoë"]).await;
    // The agent ends it: the visitor is told.
    let staged = stage(|_| {}).await;
    let mut client = Client::talking(&staged).await;
    staged.act(form());
    client.until("ChatMessage").await;
    client.says("Zoë").await;
    staged.act(Command::End);
    client.until_told("Your last message could not be delivered. Please send it again.").await;
    client.ends("agent").await;
}

#[tokio::test(start_paused = true)]
async fn links_files_and_what_nobody_knows_are_told_in_words() {
    let stage = stage(|_| {}).await;
    let mut client = Client::talking(&stage).await;
    let message = |message: Value| Command::Play(Play::Message { by: By::Agent, message });
    stage.act(message(json!({ "messageType": "StaticContentMessage", "staticContent": {
        "formatType": "RichLink", "linkItem": { "itemType": "TitleLinkItem",
            "url": "https://example.test/ü", "titleItem": { "title": "Prices €" } } } })));
    client.until_told("Prices €: https://example.test/ü").await;
    let (name, text) = ("notes.txt".to_owned(), "…".to_owned());
    stage.act(Command::Play(Play::File { name, text }));
    let told = client.until("ChatMessage").await;
    let told = told["text"].as_str().expect("a text");
    assert!(told.starts_with("notes.txt: https://files.example.test/"), "{told}");
    stage.act(message(json!({ "messageType": "HologramMessage", "cube": [1, 2, 3] })));
    client.until_told("[HologramMessage]").await;
    stage.act(message(json!({ "messageType": "ChoicesMessage", "choices": { "formatType": 7 } })));
    client.until_told("[ChoicesMessage]").await;
    let unicode = "e\u{301} 🏳️‍🌈 \u{202e}abc\u{202c} 漢字\tند";
    stage.agent_says(unicode);
    client.until_told(unicode).await;
    client.says(unicode).await;
    stage.hears(&[unicode]).await;
}

#[tokio::test(start_paused = true)]
async fn an_agents_file_may_be_told_as_a_transfer_too() {
    let stage = stage(|behaviour| behaviour.content.agent_files = AgentFiles::FileTransfer).await;
    let mut client = Client::talking(&stage).await;
    let (name, text) = ("notes.txt".to_owned(), "…".to_owned());
    stage.act(Command::Play(Play::File { name, text }));
    let told = client.until("ChatMessage").await;
    assert!(told["text"].as_str().expect("a text").starts_with("notes.txt: https://"));
    assert_eq!(client.until("FileTransfer").await, json!({ "type": "Success" }));
}

#[tokio::test(start_paused = true)]
async fn a_visitors_file_reaches_the_agent_once() {
    let stage = stage(|behaviour| behaviour.content.uploads = Uploads::Offer).await;
    let mut client = Client::talking(&stage).await;
    let asked = client.until("FileTransfer").await;
    assert_eq!(asked["type"], "Requested");
    assert_eq!(asked["uploadServletUrl"], "https://acme.example.test/t/acme/chat/upload");
    assert_eq!(client.upload("phötö.png", "image/png", b"PNG").await, "Success");
    // A second copy of it is the same upload.
    assert_eq!(client.upload("phötö.png", "image/png", b"PNG").await, "Success");
    assert_eq!(client.until("FileTransfer").await, json!({ "type": "Success" }));
    stage.hears(&["[file phötö.png]"]).await;
    assert_eq!(stage.count("file"), 1);
    // Another one may follow, and words keep their place behind it.
    assert_eq!(client.until("FileTransfer").await["type"], "Requested");
    stage.fault("file", 1, |fault| fault.status = Some(503));
    assert_eq!(client.upload("b.pdf", "application/pdf", b"PDF").await, "Success");
    client.says("that was it").await;
    stage.hears(&["[file phötö.png]", "[file b.pdf]", "that was it"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_taken_is_told() {
    let stage = stage(|behaviour| {
        behaviour.content.uploads = Uploads::Offer;
        behaviour.content.file_bytes_max = 1_000;
    })
    .await;
    stage.knobs(|knobs| knobs.max_file_bytes = 10);
    let mut client = Client::talking(&stage).await;
    client.until("FileTransfer").await;
    // Too large for the tenant: refused at once, and one may still come.
    assert_eq!(client.upload("a.png", "image/png", &[7; 1_001]).await, "Failure");
    assert_eq!(client.upload("a.exe", "application/x-msdownload", b"MZ").await, "Failure");
    assert_eq!(stage.count("file"), 0);
    // Too large for Salesforce.
    assert_eq!(client.upload("a.png", "image/png", &[7; 11]).await, "Success");
    assert_eq!(client.until("FileTransfer").await["type"], "Failure");
    client.says("then not").await;
    stage.hears(&["then not"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_died_with_its_process_is_told() {
    let mut stage = stage(|behaviour| behaviour.content.uploads = Uploads::Offer).await;
    let mut client = Client::talking(&stage).await;
    client.until("FileTransfer").await;
    stage.reachable(false);
    assert_eq!(client.upload("a.png", "image/png", b"PNG").await, "Success");
    stage.start_again().await;
    client.moves_to(&stage);
    stage.reachable(true);
    client.until_told("Your last message could not be delivered. Please send it again.").await;
    assert_eq!(client.until("FileTransfer").await["type"], "Failure");
    assert_eq!(client.until("FileTransfer").await["type"], "Requested");
    assert_eq!(client.upload("a.png", "image/png", b"PNG again").await, "Success");
    stage.hears(&["[file a.png]"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_asks_for_a_file_with_agreed_words() {
    let words = || Uploads::OnRequest("#file".into());
    let stage = stage(|behaviour| behaviour.content.uploads = words()).await;
    let mut client = Client::talking(&stage).await;
    stage.agent_says("May I have a picture?");
    stage.agent_says("#file");
    assert_eq!(client.until("FileTransfer").await["type"], "Requested");
    assert_eq!(client.upload("a.png", "image/png", b"PNG").await, "Success");
    assert_eq!(client.until("FileTransfer").await["type"], "Success");
    client.drain().await;
    assert_eq!(client.count("FileTransfer"), 2, "one request, one file");
    assert_eq!(client.texts(), ["May I have a picture?"]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_the_service_splits_is_sent_once_whatever_the_ids_of_its_parts() {
    for split_ids in [false, true] {
        let stage = stage(|_| {}).await;
        stage.knobs(|knobs| {
            (knobs.split_urls, knobs.split_ids) = (true, split_ids);
            knobs.repeated_ids = RepeatedIds::AcceptTwice;
        });
        let mut client = Client::talking(&stage).await;
        // The answer is lost: only what comes back tells that it was sent.
        stage.fault("message", 1, |fault| fault.drop_response = true);
        client.says("look at https://example.test/a?b=c").await;
        client.says("do you see it?").await;
        let heard = ["look at", "https://example.test/a?b=c", "do you see it?"];
        stage.hears(&heard).await;
        stage.seconds(30).await;
        assert_eq!((stage.heard(), stage.count("message")), (heard.map(String::from).into(), 2));
        client.drain().await;
        assert_eq!(client.texts().len(), 0, "{:?}", client.texts());
    }
}

#[tokio::test(start_paused = true)]
async fn a_picked_button_answers_also_when_it_is_picked_again() {
    let stage = stage(|behaviour| behaviour.content.rich = Rich::Message).await;
    let mut client = Client::talking(&stage).await;
    stage.act(choices("Buttons"));
    client.until("RichMessage").await;
    let pick = |index: u64| json!({ "actions": [{ "type": "ChatWindowButton", "index": index }] });
    assert_eq!(client.post("RichMessage", &pick(1)).await, (200, "OK".to_owned()));
    stage.hears(&["Other"]).await;
    assert_eq!(client.post("RichMessage", &pick(0)).await, (200, "OK".to_owned()));
    stage.hears(&["Other", "Rechnung ß"]).await;
    let picked = &last_message(&stage)["choicesResponse"]["selectedOptions"][0];
    assert_eq!(picked["optionIdentifier"], "o1");
}
