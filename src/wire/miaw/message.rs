//! What a message holds: static content, choices, and the answers to them.
//!
//! Promised: unknown types and formats read with what they share. Not promised: the parts of forms,
//! carousels and time pickers, which stay JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::open_enum;
use crate::wire::lenient;

open_enum! {
    /// The kind of a message.
    MessageType {
        /// Text, attachments, links.
        StaticContent = "StaticContentMessage",
        /// Options to choose from.
        Choices = "ChoicesMessage",
        /// The visitor's choice.
        ChoicesResponse = "ChoicesResponseMessage",
        /// A form.
        Form = "FormMessage",
        /// The visitor's form, or its outcome.
        FormResponse = "FormResponseMessage",
    }
}

open_enum! {
    /// The format of a content.
    FormatType {
        /// Plain text.
        Text = "Text",
        /// Files.
        Attachments = "Attachments",
        /// One link with a preview.
        RichLink = "RichLink",
        /// Links.
        Links = "Links",
        /// A page.
        WebView = "WebView",
        /// Files that live elsewhere.
        ExternalAttachments = "ExternalAttachments",
        /// Options as buttons.
        Buttons = "Buttons",
        /// Options that vanish once one is chosen.
        QuickReplies = "QuickReplies",
        /// Options with pictures, side by side.
        Carousel = "Carousel",
        /// Options as a list.
        ListPicker = "ListPicker",
        /// Times to choose from.
        TimePicker = "TimePicker",
        /// The choice made.
        Selections = "Selections",
        /// Inputs of a form.
        Inputs = "Inputs",
    }
}

/// A message.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AbstractMessage {
    /// Which of the contents below is there.
    pub message_type: MessageType,
    /// The message's id; the visitor's own are lower-case version 4 UUIDs.
    #[serde(deserialize_with = "lenient::null_default")]
    pub id: String,
    /// The message this one answers.
    #[serde(deserialize_with = "lenient::text")]
    pub in_reply_to_message_id: Option<String>,
    /// Opaque.
    #[serde(deserialize_with = "lenient::null_default")]
    pub references: Vec<Value>,
    /// Text, attachments, links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_content: Option<StaticContent>,
    /// Options to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Choices>,
    /// The visitor's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices_response: Option<ChoicesResponse>,
    /// A form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
    /// The visitor's form, or its outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_response: Option<Value>,
}

impl AbstractMessage {
    /// A plain text.
    #[must_use]
    pub fn text(id: &str, text: &str) -> Self {
        Self {
            message_type: MessageType::StaticContent,
            id: id.to_owned(),
            static_content: Some(StaticContent {
                format_type: FormatType::Text,
                text: Some(text.to_owned()),
                ..StaticContent::default()
            }),
            ..Self::default()
        }
    }

    /// The choice of one option.
    #[must_use]
    pub fn selection(id: &str, question: &str, option: &str, title: &str) -> Self {
        let title = TitleItem {
            item_type: Some("TitleItem".to_owned()),
            title: Some(title.to_owned()),
            sub_title: None,
        };
        Self {
            message_type: MessageType::ChoicesResponse,
            id: id.to_owned(),
            in_reply_to_message_id: Some(question.to_owned()),
            choices_response: Some(ChoicesResponse {
                format_type: FormatType::Selections,
                selected_options: vec![SelectedOption {
                    option_identifier: Some(option.to_owned()),
                    option_title: serde_json::to_value(title).ok(),
                }],
            }),
            ..Self::default()
        }
    }

    /// The answers to a form.
    #[must_use]
    pub fn form_response(id: &str, form: &str, values: &[Value]) -> Self {
        let response = serde_json::json!({ "formatType": "Inputs", "inputValues": values });
        Self {
            message_type: MessageType::FormResponse,
            id: id.to_owned(),
            in_reply_to_message_id: Some(form.to_owned()),
            form_response: Some(response),
            ..Self::default()
        }
    }
}

/// Text, attachments or links.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StaticContent {
    /// Which members are there.
    pub format_type: FormatType,
    /// The text, or the text beside a file or link.
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    /// `Attachments`: the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
    /// `RichLink`: the link and its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_item: Option<LinkItem>,
    /// `RichLink`: the preview picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Value>,
    /// `Links`: the links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<Link>>,
    /// `WebView`: the page.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub url: Option<String>,
    /// `WebView`: the page's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<TitleItem>,
}

/// One file.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attachment {
    /// The file's id.
    #[serde(deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// The file's name.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// The file's type.
    #[serde(deserialize_with = "lenient::text")]
    pub mime_type: Option<String>,
    /// Where it can be fetched, without the token.
    #[serde(deserialize_with = "lenient::text")]
    pub url: Option<String>,
    /// Set while the upload is pending.
    #[serde(deserialize_with = "lenient::text")]
    pub reference_id: Option<String>,
}

/// A link with a title.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkItem {
    /// Where it leads.
    #[serde(deserialize_with = "lenient::text")]
    pub url: Option<String>,
    /// Its title.
    pub title_item: Option<TitleItem>,
}

/// A link without a title.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Where it leads.
    #[serde(deserialize_with = "lenient::text")]
    pub url: Option<String>,
}

/// A title.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TitleItem {
    /// `TitleItem`, `TitleImageItem`, `TitleVideoItem`.
    #[serde(deserialize_with = "lenient::text")]
    pub item_type: Option<String>,
    /// The title.
    #[serde(deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// A second line.
    #[serde(deserialize_with = "lenient::text")]
    pub sub_title: Option<String>,
}

/// Options to choose from.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Choices {
    /// How to show them.
    pub format_type: FormatType,
    /// The question.
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    /// The question of a list picker; a text or an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Value>,
    /// The options.
    #[serde(deserialize_with = "lenient::null_default")]
    pub option_items: Vec<OptionItem>,
    /// The cards of a carousel.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::null_default")]
    pub items: Vec<Value>,
    /// The times of a time picker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar_event: Option<Value>,
}

/// One option.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OptionItem {
    /// `TitleOptionItem` or `TitleLinkItem`.
    #[serde(deserialize_with = "lenient::text")]
    pub item_type: Option<String>,
    /// What an answer names.
    #[serde(deserialize_with = "lenient::text")]
    pub option_identifier: Option<String>,
    /// What to show.
    pub title_item: Option<TitleItem>,
    /// Where a `TitleLinkItem` leads.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub url: Option<String>,
}

/// The visitor's choice.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChoicesResponse {
    /// `Selections`.
    pub format_type: FormatType,
    /// The options chosen.
    #[serde(deserialize_with = "lenient::null_default")]
    pub selected_options: Vec<SelectedOption>,
}

/// One chosen option.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelectedOption {
    /// The option's identifier.
    #[serde(deserialize_with = "lenient::text")]
    pub option_identifier: Option<String>,
    /// The option's title; sources disagree whether a text or an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub option_title: Option<Value>,
}
