//! `mappings/schema.json` is what the program prints and what it reads.

use liveagent_bridge::mapping::load::{TOP, load};
use liveagent_bridge::mapping::schema::{self, Kind, TABLES};
use serde_json::{Value, json};

#[test]
fn the_published_schema_is_the_printed_one() {
    let published = include_str!("../../../mappings/schema.json");
    assert_eq!(
        published,
        schema::text(),
        "run: liveagent-bridge mapping schema > mappings/schema.json"
    );
}

/// What serde itself names as the members of a table or the words of a member.
fn named_by_serde(text: &str) -> Vec<String> {
    let problems = load("m.json", text).expect_err(text);
    let expected = problems.iter().find_map(|p| p.expected.strip_prefix("one of "));
    expected.expect(text).split(", ").map(str::to_owned).collect()
}

#[test]
fn the_table_names_exactly_what_is_read() {
    let names: Vec<&str> = TABLES.iter().map(|t| t.name).collect();
    let mut top: Vec<&str> = TOP.iter().copied().filter(|n| *n != "version").collect();
    top.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, top);
    for table in TABLES {
        let file = |member: Value| {
            let table_value = if table.repeats { json!([member]) } else { member };
            json!({"version": 1, table.name: table_value}).to_string()
        };
        let mut read = named_by_serde(&file(json!({"nonsense": 1})));
        let mut told: Vec<String> = table.members.iter().map(|m| m.0.to_owned()).collect();
        read.sort();
        told.sort();
        assert_eq!(read, told, "{}", table.name);
        for (name, kind, _) in table.members {
            if let Kind::OneOf(words) = kind {
                let read = named_by_serde(&file(json!({ *name: "nonsense" })));
                assert_eq!(read, *words, "{name}");
            }
        }
        for required in table.required {
            let problems = load("m.json", &file(json!({}))).expect_err("missing members");
            let missing = format!("`{required}` is missing");
            assert!(problems.iter().any(|p| p.message == missing), "{required}");
        }
    }
}

/// The few words of JSON Schema that ours uses.
fn valid(schema: &Value, value: &Value) -> Result<(), String> {
    let fail = |why: &str| Err(format!("{why}: {value}"));
    if schema.get("const").is_some_and(|only| only != value) {
        return fail("const");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        return fail("enum");
    }
    let sound = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.as_u64().is_some_and(|n| {
            n >= schema["minimum"].as_u64().unwrap_or(0)
                && n <= schema["maximum"].as_u64().unwrap_or(u64::MAX)
        }),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !sound {
        return fail("type");
    }
    for item in value.as_array().into_iter().flatten() {
        valid(&schema["items"], item)?;
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(required.as_str().unwrap_or_default()) {
            return fail("required");
        }
    }
    for (name, member) in members {
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(inner), _) => valid(inner, member)?,
            (None, Value::Bool(false)) => return fail(name),
            (None, inner) => valid(inner, member)?,
        }
    }
    Ok(())
}

#[test]
fn every_shipped_mapping_is_valid_and_nonsense_is_not() {
    let toml = |text: &str| {
        let table: toml::Table = text.parse().expect("TOML");
        serde_json::to_value(table).expect("JSON")
    };
    let schema = schema::schema();
    for file in [
        toml(include_str!("../../../mappings/cognigy.toml")),
        toml(include_str!("../../../mappings/generic.toml")),
        toml(include_str!("../../../mappings/example.toml")),
        serde_json::from_str(include_str!("../../../mappings/example.json")).expect("JSON"),
    ] {
        assert_eq!(valid(&schema, &file), Ok(()));
    }
    for wrong in [
        json!({}),
        json!({"version": 2}),
        json!({"version": 1, "rules": []}),
        json!({"version": 1, "rule": [{"lable": "a"}]}),
        json!({"version": 1, "defaults": {"overflow": "trunctae"}}),
        json!({"version": 1, "rule": [{"label": "a", "to": "b", "max_len": 0}]}),
    ] {
        assert!(valid(&schema, &wrong).is_err(), "{wrong}");
        assert!(load("m.json", &wrong.to_string()).is_err(), "{wrong}");
    }
}
