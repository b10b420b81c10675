//! Menus of bots, through the whole bridge (miaw.md 6.8, live-agent.md 4.4).

use liveagent_bridge::chat::policy::Rich;
use liveagent_bridge::emulator::{Agents, By, Command, Play};
use serde_json::{Value, json};

use crate::bridge_stage::{BridgeStage, Client};

const MENU: [&str; 2] = ["Billing", "Talk to a person"];

/// A bot with a menu is there.
async fn with_bot(rich: Rich) -> (BridgeStage, Client) {
    let stage = BridgeStage::with(Agents::None, |behaviour| behaviour.content.rich = rich).await;
    let mut client = Client::begin(&stage).await;
    client.until("ChatRequestSuccess").await;
    stage.desk_chat(|_| true).await;
    let menu = MENU.map(str::to_owned).to_vec();
    stage.act(Command::Play(Play::BotWithMenu { menu }));
    client.until("ChatEstablished").await;
    (stage, client)
}

fn established(client: &Client) -> Value {
    let found = client.seen.iter().find(|seen| seen["type"] == "ChatEstablished");
    found.expect("established")["message"]["items"].clone()
}

/// The option that the last message picked, by its id; none when it was plain text.
fn picked(stage: &BridgeStage) -> Option<String> {
    let message = stage.sent("message").pop().expect("a message").body["message"].clone();
    let option = &message["choicesResponse"]["selectedOptions"][0]["optionIdentifier"];
    option.as_str().map(str::to_owned)
}

fn footer(index: usize) -> Value {
    json!({ "actions": [{ "type": "ChatWindowFooterMenu", "index": index, "dialogId": "m1" }] })
}

#[tokio::test(start_paused = true)]
async fn a_bots_menu_comes_with_the_bot_as_the_tenants_clients_show_it() {
    let text = "1. Billing\n2. Talk to a person";
    let items = json!([
        { "type": "ChatWindowFooterMenu", "id": "m1", "text": "Billing", "value": "Billing",
          "dialogId": "m1" },
        { "type": "ChatWindowFooterMenu", "id": "m2", "text": "Talk to a person",
          "value": "Talk to a person", "dialogId": "m2" },
    ]);
    for (rich, shown, told) in [
        (Rich::NumberedText, json!([]), true),
        (Rich::Message, items.clone(), false),
        (Rich::Both, items, true),
    ] {
        let (_stage, mut client) = with_bot(rich).await;
        assert_eq!(established(&client), shown, "{rich:?}");
        client.drain().await;
        assert_eq!(client.texts(), if told { vec![text] } else { vec![] }, "{rich:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_picked_by_place_number_or_title() {
    for (said, id) in [("2", "m2"), ("billing", "m1"), ("Talk to a person", "m2")] {
        let (stage, mut client) = with_bot(Rich::NumberedText).await;
        client.drain().await;
        client.says(said).await;
        stage.desk_chat(|chat| chat.lines.iter().any(|line| MENU.contains(&&*line.text))).await;
        assert_eq!(picked(&stage).as_deref(), Some(id), "{said}");
    }
    let (stage, mut client) = with_bot(Rich::Message).await;
    assert_eq!(client.post("RichMessage", &footer(1)).await.0, 200);
    stage.hears(&[MENU[1]]).await;
    assert_eq!(picked(&stage).as_deref(), Some("m2"));
    // The menu stays: by its place also after another question, by its title at any time. A bare
    // number is then what it says.
    let (format, text) = ("Buttons".to_owned(), "Sure?".to_owned());
    let options = vec!["Yes".to_owned(), "No".to_owned()];
    stage.act(Command::Play(Play::Choices { by: By::Bot, format, text, options }));
    client.until("RichMessage").await;
    client.post("RichMessage", &footer(0)).await;
    client.says("talk to a PERSON").await;
    client.says("2").await;
    stage.hears(&[MENU[1], MENU[0], MENU[1], "2"]).await;
    assert_eq!(picked(&stage), None);
}

#[tokio::test(start_paused = true)]
async fn a_menu_goes_with_its_bot() {
    let (stage, mut client) = with_bot(Rich::Both).await;
    stage.act(Command::Play(Play::TransferStarts));
    stage.act(Command::Play(Play::Bot { on: false }));
    stage.act(Command::Accept);
    let person = client.until("ChatTransferred").await;
    assert_eq!((&person["name"], &person["items"]), (&json!("Ada Agent"), &json!([])));
    client.says("Billing").await;
    client.says("1").await;
    stage.hears(&["Billing", "1"]).await;
    assert_eq!(picked(&stage), None);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_no_answer_to_a_menu_gets_its_words() {
    let (stage, mut client) = with_bot(Rich::NumberedText).await;
    stage.knobs(|knobs| knobs.refuse_responses = true);
    client.drain().await;
    client.says("1").await;
    stage.hears(&["Billing"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_begins_with_a_list_establishes_the_chat_with_it() {
    let stage =
        BridgeStage::with(Agents::None, |behaviour| behaviour.content.rich = Rich::Message).await;
    let mut client = Client::begin(&stage).await;
    client.until("ChatRequestSuccess").await;
    stage.desk_chat(|_| true).await;
    let (format, text) = ("ListPicker".to_owned(), "What is it about?".to_owned());
    let options = MENU.map(str::to_owned).to_vec();
    stage.act(Command::Play(Play::Choices { by: By::Bot, format, text, options }));
    client.until("RichMessage").await;
    assert_eq!(established(&client)[1]["text"], MENU[1]);
    client.post("RichMessage", &footer(0)).await;
    stage.hears(&[MENU[0]]).await;
    assert_eq!(picked(&stage).as_deref(), Some("o1"));
}
