//! What a message holds: words, or a question with its options (miaw.md 7).
//!
//! Promised: total. What has no words of its own becomes the name of its type in brackets.

use serde_json::Value;

use super::super::content::{Ask, Choice, Field, FieldKind, Form, Offer, Style};
use super::super::limits::{FIELDS_MAX, OPTIONS_MAX};
use super::super::text::Text;
use crate::time::Wall;
use crate::wire::miaw::message::{
    AbstractMessage, Choices, FormatType, MessageType, OptionItem, StaticContent,
};

/// What a message says to the visitor.
pub(super) enum Content {
    /// Words.
    Words(Text),
    /// Files, as words.
    Files(Text),
    /// Words and a question.
    Question(Text, Ask),
    /// Nothing that concerns the visitor.
    Nothing,
}

/// Reads a message of the business's side.
pub(super) fn read(message: &AbstractMessage) -> Content {
    let question = match message.message_type {
        MessageType::FormResponse => return outcome(message),
        MessageType::Form => form(message),
        _ => message.choices.as_ref().and_then(|choices| offer(&message.id, choices)),
    };
    if let Some((text, ask)) = question {
        return Content::Question(Text::from(text), ask);
    }
    let words = match (&message.static_content, &message.choices, &message.form) {
        (Some(content), ..) => static_words(content),
        (None, Some(choices), _) => asked(choices).join("\n"),
        (None, None, Some(form)) => form_title(form).join("\n"),
        _ => String::new(),
    };
    let files = message.static_content.as_ref().and_then(|content| content.attachments.as_ref());
    if files.is_some_and(|files| !files.is_empty()) && !words.is_empty() {
        return Content::Files(Text::from(words));
    }
    let placeholder = || format!("[{}]", message.message_type.as_str());
    Content::Words(Text::from(if words.is_empty() { placeholder() } else { words }))
}

fn static_words(content: &StaticContent) -> String {
    let mut lines = Vec::new();
    lines.extend(content.text.clone());
    for file in content.attachments.iter().flatten() {
        lines.push(join(file.name.as_deref(), file.url.as_deref()));
    }
    if let Some(link) = &content.link_item {
        let title = link.title_item.as_ref().and_then(|title| title.title.as_deref());
        lines.push(join(title, link.url.as_deref()));
    }
    lines.extend(content.links.iter().flatten().filter_map(|link| link.url.clone()));
    if content.url.is_some() {
        let title = content.title.as_ref().and_then(|title| title.title.as_deref());
        lines.push(join(title, content.url.as_deref()));
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// A text, or the title of an object.
fn title(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let inner = members.get("titleItem").unwrap_or(value);
            let named = |name: &str| inner.get(name).and_then(Value::as_str).map(str::to_owned);
            let (title, sub) = (named("title").or_else(|| named("text"))?, named("subTitle"));
            match sub.filter(|sub| !sub.is_empty()) {
                Some(sub) => format!("{title} – {sub}"),
                None => title,
            }
        }
        _ => return None,
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

/// The question itself.
fn asked(choices: &Choices) -> Vec<String> {
    let text = choices.text.clone().filter(|text| !text.is_empty());
    let event = choices.calendar_event.as_ref().and_then(title);
    let heading = choices.title.as_ref().and_then(title);
    heading.into_iter().chain(event).chain(text).collect()
}

fn offer(message: &str, choices: &Choices) -> Option<(String, Ask)> {
    let mut lines = asked(choices);
    let mut items: Vec<Choice> = Vec::new();
    for option in &choices.option_items {
        take(option, None, &mut lines, &mut items);
    }
    let cards = choices.items.len();
    for card in &choices.items {
        let named = title(card);
        lines.extend(named.clone());
        let interactions = card.get("interactionItems").and_then(Value::as_array);
        for option in interactions.into_iter().flatten() {
            let Ok(option) = serde_json::from_value::<OptionItem>(option.clone()) else { continue };
            let card = named.as_deref().filter(|_| cards > 1);
            take(&option, card, &mut lines, &mut items);
        }
    }
    let slots = choices.calendar_event.as_ref().and_then(|event| event.get("timeSlotOptionItems"));
    items.extend(slots.and_then(Value::as_array).into_iter().flatten().filter_map(slot));
    items.truncate(OPTIONS_MAX);
    let buttons = matches!(choices.format_type, FormatType::Buttons | FormatType::QuickReplies);
    let style = if buttons { Style::Buttons } else { Style::Menu };
    let offer = Offer { message: message.to_owned(), style, items };
    (!offer.items.is_empty()).then(|| (lines.join("\n"), Ask::Offer(offer)))
}

/// A link is told, an option can be chosen.
fn take(option: &OptionItem, card: Option<&str>, lines: &mut Vec<String>, items: &mut Vec<Choice>) {
    let named = option.title_item.as_ref().and_then(|item| item.title.as_deref());
    if option.url.is_some() {
        lines.push(join(named, option.url.as_deref()));
        return;
    }
    let id = option.option_identifier.clone().unwrap_or_default();
    let Some(named) = named.map(str::to_owned).or_else(|| Some(id.clone())) else { return };
    if named.trim().is_empty() {
        return;
    }
    let title = card.map_or_else(|| named.clone(), |card| format!("{card}: {named}"));
    items.push(Choice { id, title: Text::from(title) });
}

/// A time that can be chosen; its start is a text, or a number of seconds or milliseconds.
fn slot(slot: &Value) -> Option<Choice> {
    let id = slot.get("optionIdentifier").and_then(Value::as_str)?.to_owned();
    let title = match slot.get("startTime")? {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let number = number.as_i64()?;
            let millis = if number.abs() < 100_000_000_000 { number * 1_000 } else { number };
            Wall::from_millis(millis).to_string()
        }
        _ => return None,
    };
    Some(Choice { id, title: Text::from(title) })
}

/// The entries of a bot's menu (miaw.md 6.8).
pub(super) fn menu(metadata: &Value) -> Vec<Choice> {
    let options = metadata.get("menuOptions").and_then(Value::as_array);
    let entry = |option: &Value| {
        let id = option.get("optionIdentifier").and_then(Value::as_str)?.to_owned();
        let title = option.get("title").and_then(title).or_else(|| title(option))?;
        Some(Choice { id, title: Text::from(title) })
    };
    options.into_iter().flatten().filter_map(entry).take(OPTIONS_MAX).collect()
}

fn form_title(form: &Value) -> Vec<String> {
    let parts = ["formTitle", "message"].into_iter().filter_map(|name| form.get(name));
    parts.filter_map(title).collect()
}

/// A form that can be asked field by field; `None` when a field is of an unknown kind.
fn form(message: &AbstractMessage) -> Option<(String, Ask)> {
    let form = message.form.as_ref()?;
    let sections = form.get("sections").and_then(Value::as_array)?;
    let inputs = sections.iter().filter_map(|section| section.get("input"));
    let fields = inputs.map(field).collect::<Option<Vec<Field>>>()?;
    if fields.is_empty() || fields.len() > FIELDS_MAX {
        return None;
    }
    let ask = Ask::Form(Form { message: message.id.clone(), fields });
    Some((form_title(form).join("\n"), ask))
}

fn field(input: &Value) -> Option<Field> {
    let id = input.get("id").and_then(Value::as_str)?.to_owned();
    let label = input.get("label").and_then(title);
    let hint = input.get("hintText").and_then(title);
    let label = match (label, hint) {
        (Some(label), Some(hint)) => format!("{label} ({hint})"),
        (label, hint) => label.or(hint).unwrap_or_else(|| id.clone()),
    };
    let named = |name: &str| input.get(name).and_then(Value::as_array);
    let options = || {
        let options = named("optionItems").or_else(|| named("options"))?;
        let read = |option: &Value| serde_json::from_value::<OptionItem>(option.clone()).ok();
        let mut choices = Vec::new();
        for option in options.iter().filter_map(read).take(OPTIONS_MAX) {
            take(&option, None, &mut Vec::new(), &mut choices);
        }
        (!choices.is_empty()).then_some(choices)
    };
    let flag = |name: &str| input.get(name).and_then(Value::as_bool) == Some(true);
    let several = flag("multipleSelection") || flag("isMultipleSelection");
    let kind = match input.get("inputType").and_then(Value::as_str)? {
        "TextInput" => FieldKind::Text,
        "DatePickerInput" => FieldKind::Date,
        "DateTimePickerInput" => FieldKind::DateTime,
        "SelectInput" | "SelectNavigationInput" | "OptionPickerInput" => {
            FieldKind::Options { choices: options()?, several }
        }
        _ => return None,
    };
    Some(Field { id, label: Text::from(label), required: flag("required"), kind })
}

/// What became of a form: errors are told, success is not.
fn outcome(message: &AbstractMessage) -> Content {
    let errors = message.form_response.as_ref().and_then(|response| {
        let result = response.get("result").unwrap_or(response);
        result.get("errors").and_then(Value::as_array).cloned()
    });
    let said = |error: &Value| error.get("errorMessage").and_then(Value::as_str).map(str::to_owned);
    let lines: Vec<String> = errors.unwrap_or_default().iter().filter_map(said).collect();
    match lines.is_empty() {
        true => Content::Nothing,
        false => Content::Words(Text::from(lines.join("\n"))),
    }
}

fn join(name: Option<&str>, url: Option<&str>) -> String {
    match (name.filter(|name| !name.is_empty()), url) {
        (Some(name), Some(url)) => format!("{name}: {url}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(content: Value) -> AbstractMessage {
        serde_json::from_value(content).expect("a message")
    }

    fn words(content: Value) -> String {
        match read(&message(content)) {
            Content::Words(text) | Content::Files(text) => text.0,
            Content::Question(..) => panic!("a question"),
            Content::Nothing => String::new(),
        }
    }

    fn question(content: Value) -> (String, Ask) {
        match read(&message(content)) {
            Content::Question(text, ask) => (text.0, ask),
            _ => panic!("no question"),
        }
    }

    fn titles(ask: &Ask) -> Vec<(&str, &str)> {
        let Ask::Offer(offer) = ask else { panic!("no options") };
        offer.items.iter().map(|item| (item.id.as_str(), item.title.as_str())).collect()
    }

    #[test]
    fn options_are_read_from_every_format() {
        let option = |id: &str, title: &str| {
            json!({ "itemType": "TitleOptionItem", "optionIdentifier": id,
                "titleItem": { "itemType": "TitleItem", "title": title } })
        };
        let link = json!({ "itemType": "TitleLinkItem", "url": "https://x.test/a",
            "titleItem": { "title": "More" } });
        let choices = |choices: Value| {
            question(json!({ "messageType": "ChoicesMessage", "id": "m", "choices": choices }))
        };
        let (text, ask) = choices(json!({ "formatType": "Buttons", "text": "Pick one",
            "optionItems": [option("a", "Billing"), option("b", "Other"), link] }));
        assert_eq!(text, "Pick one\nMore: https://x.test/a");
        assert_eq!(titles(&ask), [("a", "Billing"), ("b", "Other")]);
        let (text, ask) = choices(json!({ "formatType": "ListPicker",
            "title": { "title": "Topics" }, "optionItems": [option("a", "One")] }));
        assert_eq!((text.as_str(), titles(&ask)), ("Topics", vec![("a", "One")]));
        let (text, ask) = choices(json!({ "formatType": "Carousel", "items": [
            { "titleItem": { "title": "Red", "subTitle": "warm" },
              "interactionItems": [option("r", "Buy"), link] },
            { "titleItem": { "title": "Blue" }, "interactionItems": [option("b", "Buy")] } ] }));
        assert_eq!(text, "Red – warm\nMore: https://x.test/a\nBlue");
        assert_eq!(titles(&ask), [("r", "Red – warm: Buy"), ("b", "Blue: Buy")]);
        let (text, ask) = choices(json!({ "formatType": "TimePicker", "calendarEvent": {
            "title": "A visit", "timeSlotOptionItems": [
                { "optionIdentifier": "t1", "startTime": 1_772_355_600, "duration": 60 },
                { "optionIdentifier": "t2", "startTime": "2026-03-01T10:00:00Z" } ] } }));
        assert_eq!(text, "A visit");
        let slots = [("t1", "2026-03-01T09:00:00Z"), ("t2", "2026-03-01T10:00:00Z")];
        assert_eq!(titles(&ask), slots);
    }

    #[test]
    fn forms_are_read_field_by_field_or_told_as_they_are() {
        let form = |sections: Value| {
            message(json!({ "messageType": "FormMessage", "id": "m",
                "form": { "formatType": "Inputs", "formTitle": "You", "sections": sections } }))
        };
        let section = |input: Value| json!({ "sectionType": "SingleInputSection", "input": input });
        let name =
            json!({ "inputType": "TextInput", "id": "n", "label": "Name", "required": true });
        let color = json!({ "inputType": "SelectInput", "id": "c", "label": "Color",
            "optionItems": [{ "optionIdentifier": "r", "titleItem": { "title": "Red" } }] });
        let read_form = read(&form(json!([section(name.clone()), section(color)])));
        let Content::Question(text, Ask::Form(form_read)) = read_form else { panic!("no form") };
        assert_eq!(text.as_str(), "You");
        assert_eq!(form_read.fields.len(), 2);
        assert!(form_read.fields[0].required && !form_read.fields[1].required);
        assert_eq!(form_read.fields[1].question(), "Color\n1. Red\n(optional: - skips it)");
        let odd = json!({ "inputType": "HologramInput", "id": "h" });
        for sections in [json!([section(name), section(odd)]), json!([]), json!(7)] {
            let Content::Words(text) = read(&form(sections)) else { panic!("a question") };
            assert_eq!(text.as_str(), "You");
        }
        let result = json!({ "messageType": "FormResponseMessage", "id": "m", "formResponse": {
            "formatType": "Result", "result": { "errors": [{ "errorMessage": "No such order" }] } } });
        assert_eq!(words(result), "No such order");
        let fine = json!({ "messageType": "FormResponseMessage", "id": "m" });
        assert_eq!(words(fine), "");
    }

    #[test]
    fn whatever_else_comes_has_words() {
        let content = |content: Value| {
            words(json!({ "messageType": "StaticContentMessage", "id": "m",
                "staticContent": content }))
        };
        let file = json!({ "formatType": "Attachments", "text": null,
            "attachments": [ { "name": "a.png", "url": "https://files.test/a" } ] });
        assert_eq!(content(file), "a.png: https://files.test/a");
        let link = json!({ "formatType": "RichLink", "linkItem": { "url": "https://x.test",
            "titleItem": { "title": "Example" } } });
        assert_eq!(content(link), "Example: https://x.test");
        let page = json!({ "formatType": "WebView", "url": "https://x.test", "title": null });
        assert_eq!(content(page), "https://x.test");
        let links = json!({ "formatType": "Links", "links": [{ "url": "https://x.test" }] });
        assert_eq!(content(links), "https://x.test");
        let odd = json!({ "formatType": "Hologram", "cube": [1, 2] });
        assert_eq!(content(odd), "[StaticContentMessage]");
        assert_eq!(
            words(json!({ "messageType": "HologramMessage", "id": "m" })),
            "[HologramMessage]"
        );
        assert_eq!(words(json!({ "messageType": "FormMessage", "id": "m" })), "[FormMessage]");
    }
}
