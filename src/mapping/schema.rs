//! The JSON Schema of the mapping file, for editors; made from one table of its members.
//!
//! Promised: the table names exactly the members that `file` reads (a test asks serde). Not
//! promised: what only `load` can see, such as two rules for one label.

use serde_json::{Map, Value, json};

/// What a member may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// A date such as `2026-03-31`.
    Date,
    /// A whole number from here to there.
    Whole(u64, u64),
    /// True or false.
    Bool,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// Texts by name.
    Pairs,
}

/// One member: its name, what it may hold, what it means.
pub type Member = (&'static str, Kind, &'static str);

/// One table of the file.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Does it repeat, `[[so]]`?
    pub repeats: bool,
    /// What it is for.
    pub says: &'static str,
    /// The members it must have.
    pub required: &'static [&'static str],
    /// All of them.
    pub members: &'static [Member],
}

use Kind::{Bool, Date, OneOf, Pairs, Text, Texts, Whole};

const LONGEST: u64 = 65_536;

/// Every table.
pub const TABLES: &[Table] = &[
    Table {
        name: "match",
        repeats: false,
        says: "Which chats the file is for; without it, all.",
        required: &[],
        members: &[("buttons", Texts, "Legacy button ids, 15 or 18 characters.")],
    },
    Table {
        name: "defaults",
        repeats: false,
        says: "What holds where no rule says otherwise.",
        required: &[],
        members: &[
            ("max_value_len", Whole(1, LONGEST), "The longest value in UTF-16 units; 255."),
            ("max_key_len", Whole(16, 200), "The longest generated key; 40."),
            (
                "overflow",
                OneOf(&["error", "truncate", "first_message"]),
                "Over-long values: not sent, cut, or cut with the full text in the opening message.",
            ),
            ("unmapped", OneOf(&["generate", "drop", "error"]), "Details without a rule."),
            ("channel_names", OneOf(&["strict", "lenient"]), "Undeclared keys: error or warning."),
            (
                "opening_message",
                OneOf(&["overflow", "details"]),
                "Full over-long values only, or a line for each detail agents may see.",
            ),
        ],
    },
    Table {
        name: "rule",
        repeats: true,
        says: "What becomes of one detail. Entity and field go before label, label before \
               transcript_field.",
        required: &[],
        members: &[
            ("button", Text, "Only for chats of this legacy button."),
            ("entity", Text, "With field: details that feed this entity field."),
            ("field", Text, "With entity."),
            ("label", Text, "The detail of exactly this label."),
            ("transcript_field", Text, "Details that fill this transcript field."),
            ("to", Text, "The attribute key; `language` sets the conversation's language."),
            ("drop", Bool, "Leaves the detail out; needs a reason."),
            ("reason", Text, "Why it is left out."),
            ("flow_variable", Text, "The flow variable in the org; for reports."),
            ("max_len", Whole(1, LONGEST), "The parameter's maximum in UTF-16 units."),
            ("required", Bool, "A missing value is an error."),
            ("default", Text, "Sent when there is no value, or none in the table."),
            ("table", Pairs, "Replaces values."),
            ("join", Text, "Joins a list by this text instead of writing JSON."),
            (
                "template",
                Text,
                "Makes the value: {{ value }}, {{ details['Label'] }}, {{ button_id }} and so on.",
            ),
            ("note", Text, "For people."),
        ],
    },
    Table {
        name: "constant",
        repeats: true,
        says: "A fixed attribute.",
        required: &["to", "value"],
        members: &[
            ("to", Text, "The attribute key."),
            ("value", Text, "Also {button_id} {deployment_id} {visitor_name} {language}."),
            ("button", Text, "Only for chats of this legacy button."),
            ("note", Text, "For people."),
        ],
    },
    Table {
        name: "accept",
        repeats: true,
        says: "A declared and dated loss.",
        required: &["code", "reason", "until"],
        members: &[
            ("code", Text, "PC101, or its slug."),
            ("path", Text, "Where, and everything below it; absent: everywhere."),
            ("reason", Text, "Why it is accepted."),
            ("until", Date, "The last day (UTC) it holds."),
        ],
    },
    Table {
        name: "test",
        repeats: true,
        says: "A pre-chat document and what must become of it; `mapping test` runs it.",
        required: &["prechat"],
        members: &[
            ("name", Text, "What it shows."),
            ("prechat", Text, "The document, seen from this file's folder."),
            ("expected", Pairs, "The attributes that must come out."),
            ("expected_file", Text, "Or the file that holds them."),
            ("button", Text, "The button, where the document names none."),
            ("language", Text, "The language that must come out."),
            ("opening_message", Text, "The opening message that must come out."),
        ],
    },
];

/// The schema as it stands in `mappings/schema.json`.
#[must_use]
pub fn text() -> String {
    let pretty = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    format!("{pretty}\n")
}

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let mut members = Map::new();
    members.insert("$schema".to_owned(), json!({ "type": "string" }));
    members.insert("comment".to_owned(), comment());
    members.insert("version".to_owned(), json!({ "const": 1 }));
    for table in TABLES {
        let object = object(table);
        let member = if table.repeats {
            json!({ "type": "array", "description": table.says, "items": object })
        } else {
            object
        };
        members.insert(table.name.to_owned(), member);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mapping file of liveagent-bridge",
        "type": "object",
        "required": ["version"],
        "additionalProperties": false,
        "properties": members,
    })
}

fn comment() -> Value {
    json!({ "description": "Ignored; JSON's place for a comment." })
}

fn object(table: &Table) -> Value {
    let mut members = Map::new();
    for (name, kind, says) in table.members {
        let mut member = match kind {
            Text => json!({ "type": "string" }),
            Date => json!({ "type": "string", "format": "date" }),
            Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Bool => json!({ "type": "boolean" }),
            OneOf(words) => json!({ "enum": words }),
            Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Pairs => json!({
                "type": "object", "additionalProperties": { "type": "string" }
            }),
        };
        member["description"] = json!(says);
        members.insert((*name).to_owned(), member);
    }
    members.insert("comment".to_owned(), comment());
    let mut object = json!({
        "type": "object", "description": table.says, "additionalProperties": false,
        "properties": members,
    });
    if !table.required.is_empty() {
        object["required"] = json!(table.required);
    }
    object
}
