//! The JSON Schema of the report's JSON form, made from one table of its members.
//!
//! Promised: a report has exactly these members; tests hold real reports and the published
//! `docs/report.schema.json` against it. Members are added within one `report_version`, never
//! renamed or removed.

use serde_json::{Map, Value, json};

/// What a member holds.
enum Kind {
    Text,
    Count,
    Whole,
    Bool,
    OneOf(&'static [&'static str]),
    /// One of the definitions.
    Of(&'static str),
    List(&'static Kind),
    /// By name.
    ByName(&'static Kind),
    /// Or null.
    OrNull(&'static Kind),
}
use Kind::{Bool, ByName, Count, List, Of, OneOf, OrNull, Text, Whole};

/// A member: its name, whether it may be absent (`?` before the name), what it holds.
type Members = &'static [(&'static str, Kind)];

const ROUTES: Kind = OneOf(&["legacy", "miaw", "refused"]);
const SOURCES: &[&str] = &["prechat", "configuration", "mapping", "metadata", "captured", "shadow"];
const SEVERITY: Kind = OneOf(&["error", "warning", "note"]);

const DEFINITIONS: &[(&str, Members)] = &[
    (
        "report",
        &[
            ("report_version", Count),
            ("as_of", Text),
            ("verdict", OneOf(&["clean", "warnings", "errors"])),
            ("summary", Of("summary")),
            ("next_steps", List(&Of("step"))),
            ("findings", List(&Of("finding"))),
            ("tenants", List(&Of("tenant"))),
            ("rates", List(&Of("rate"))),
            ("legacy_settings", List(&Of("setting"))),
            ("evidence", List(&Of("evidence"))),
            ("evidence_hash", Text),
            ("covers", List(&Text)),
            ("does_not_cover", List(&Text)),
        ],
    ),
    (
        "summary",
        &[
            ("errors", Count),
            ("warnings", Count),
            ("notes", Count),
            ("accepted", Count),
            ("tenants", Count),
            ("documents", Count),
        ],
    ),
    (
        "step",
        &[
            ("severity", SEVERITY),
            ("code", Text),
            ("slug", Text),
            ("todo", Text),
            ("places", Count),
        ],
    ),
    (
        "finding",
        &[
            ("tenant", Text),
            ("?document", Text),
            ("code", Text),
            ("slug", Text),
            ("severity", SEVERITY),
            ("path", Text),
            ("message", Text),
            ("todo", Text),
            ("?accepted", Of("accepted")),
        ],
    ),
    ("accepted", &[("reason", Text), ("until", Text)]),
    (
        "tenant",
        &[
            ("id", Text),
            ("mapping", OrNull(&Text)),
            ("routing", List(&Of("routing"))),
            ("samples", List(&Of("sample"))),
            ("channel", OrNull(&Text)),
            ("calendar", List(&Of("day"))),
            ("button_calendars", List(&Of("button_calendar"))),
            ("straddle", OrNull(&Of("straddle"))),
            ("captured", OrNull(&Of("captured"))),
            ("shadow", OrNull(&Of("shadow"))),
            ("agent_view", List(&Of("seen"))),
            ("lossiness", Of("lossiness")),
        ],
    ),
    (
        "routing",
        &[("label", Text), ("utc", Text), ("local", Text), ("route", ROUTES), ("because", Text)],
    ),
    (
        "sample",
        &[
            ("document", Text),
            ("routing_attributes", ByName(&Of("shown"))),
            ("?opening_message", Of("shown")),
            ("?language", Text),
            ("fields", List(&Of("field"))),
        ],
    ),
    ("shown", &[("length", Count), ("hash", Text), ("?value", Text)]),
    (
        "field",
        &[
            ("source", Text),
            ("path", Text),
            ("targets", List(&Text)),
            ("transcript_fields", List(&Text)),
            ("?key", Text),
            ("ground", Text),
            ("?rule", Count),
            ("?flow_variable", Text),
            ("fate", OneOf(&["sent", "cut", "collapsed", "empty", "dropped", "unplaced"])),
            ("length", Count),
            ("limit", Count),
            ("dynamic", Bool),
            ("?sources", List(&Text)),
            ("display_to_agent", Bool),
        ],
    ),
    (
        "day",
        &[
            ("day", Text),
            ("utc", Text),
            ("local", Text),
            ("change", Bool),
            ("miaw_percent", Count),
            ("refused_percent", Count),
            ("because", Text),
        ],
    ),
    (
        "straddle",
        &[
            ("removal", Text),
            ("last_legacy_start", Text),
            ("last_safe_legacy_start", Text),
            ("last_safe_for_longest", Text),
            ("last_safe_by_token_life", Text),
            ("longer_than_margin", Count),
            ("cut_on_the_worst_day", Count),
            ("safe", Bool),
        ],
    ),
    (
        "captured",
        &[
            ("chats", Count),
            ("from", Text),
            ("to", Text),
            ("age_days", Whole),
            ("shapes", Count),
            ("not_translated", Count),
            ("durations", Of("figures")),
            ("buttons", ByName(&Count)),
            ("fields", List(&Of("captured_field"))),
        ],
    ),
    (
        "captured_field",
        &[
            ("source", Text),
            ("key", OrNull(&Text)),
            ("lengths", Of("figures")),
            ("limit", OrNull(&Count)),
            ("over", Count),
        ],
    ),
    (
        "figures",
        &[("count", Count), ("p50", Count), ("p95", Count), ("p99", Count), ("max", Count)],
    ),
    (
        "seen",
        &[("source", Text), ("legacy", Text), ("miaw", Text), ("by_flow", Text), ("lost", Bool)],
    ),
    (
        "lossiness",
        &[
            ("score", Count),
            ("formula", Text),
            ("values", Count),
            ("values_lost", Count),
            ("values_cut", Count),
            ("record_fields", Count),
            ("transcript_fields", Count),
            ("seen", Count),
            ("seen_lost", Count),
        ],
    ),
    ("button_calendar", &[("button", Text), ("calendar", List(&Of("day")))]),
    (
        "shadow",
        &[
            ("inits", Count),
            ("unreadable", Count),
            ("since", Text),
            ("until", Text),
            ("age_days", Whole),
            ("other_mapping", Count),
            ("codes", List(&Of("counted"))),
        ],
    ),
    (
        "counted",
        &[
            ("code", Text),
            ("slug", Text),
            ("severity", SEVERITY),
            ("inits", Count),
            ("findings", Count),
            ("per_mille", Count),
        ],
    ),
    (
        "rate",
        &[
            ("organization_id", Text),
            ("tenants", List(&Text)),
            ("what", Text),
            ("peak_hundredths", Count),
            ("?at", Text),
            ("limit", Count),
            ("percent", Count),
        ],
    ),
    (
        "setting",
        &[
            ("component", Text),
            ("setting", Text),
            ("legacy", Text),
            ("fate", OneOf(&["carried", "changed", "elsewhere", "lost"])),
            ("miaw", Text),
        ],
    ),
    (
        "evidence",
        &[
            ("name", Text),
            ("kind", OneOf(SOURCES)),
            ("bytes", Count),
            ("sha256", Text),
            ("dated", OrNull(&Text)),
            ("dated_by", OrNull(&OneOf(&["document", "given"]))),
            ("age_days", OrNull(&Whole)),
        ],
    ),
];

/// The schema, with a newline at its end.
#[must_use]
pub fn schema() -> String {
    let mut definitions = Map::new();
    for (name, members) in DEFINITIONS {
        definitions.insert((*name).to_owned(), object(members));
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Migration dry run, report_version 1",
        "$ref": "#/$defs/report",
        "$defs": definitions,
    });
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

fn object(members: Members) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, kind) in members {
        let bare = name.trim_start_matches('?');
        if bare == *name {
            required.push(bare);
        }
        properties.insert(bare.to_owned(), of(kind));
    }
    json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn of(kind: &Kind) -> Value {
    match kind {
        Text => json!({"type": "string"}),
        Count => json!({"type": "integer", "minimum": 0}),
        Whole => json!({"type": "integer"}),
        Bool => json!({"type": "boolean"}),
        OneOf(words) => json!({"enum": words}),
        Of(name) => json!({"$ref": format!("#/$defs/{name}")}),
        List(kind) => json!({"type": "array", "items": of(kind)}),
        ByName(kind) => json!({"type": "object", "additionalProperties": of(kind)}),
        OrNull(kind) => json!({"anyOf": [of(kind), {"type": "null"}]}),
    }
}
