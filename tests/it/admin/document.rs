//! The OpenAPI document against the routes and the answers.
//!
//! The checker knows the few keywords the document uses and fails on any other, so that nothing is
//! passed over in silence.

use liveagent_bridge::admin::OPENAPI;
use liveagent_bridge::admin::routes::{Access, ROUTES};
use liveagent_bridge::time::Wall;
use serde_json::Value;

use crate::stage::Got;

fn document() -> Value {
    serde_json::from_str(OPENAPI).expect("docs/openapi.json is JSON")
}

/// The operation of a request, by the template its path fits.
fn operation(document: &Value, method: &str, path: &str) -> Option<Value> {
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (wanted, given): (Vec<&str>, Vec<&str>) =
            (template.split('/').collect(), path.split('/').collect());
        let same = |(w, g): (&&str, &&str)| w == g || w.starts_with('{') && !g.is_empty();
        wanted.len() == given.len() && wanted.iter().zip(&given).all(same)
    };
    let method = method.to_lowercase();
    let paths = document["paths"].as_object().unwrap();
    let all: Vec<&String> = paths.keys().filter(|template| fits(template)).collect();
    let exact = all.iter().find(|template| !template.contains('{')).or(all.first());
    exact.and_then(|template| paths[*template].get(&method)).cloned()
}

/// Fails unless the document announces an answer of this status, type and form.
pub(super) fn hold(method: &str, path: &str, got: &Got) {
    let document = document();
    let status = got.status.as_u16().to_string();
    let kind = got.headers["content-type"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let Some(operation) = operation(&document, method, path) else {
        assert!(status == "404" || status == "405", "{method} {path} is not in the document");
        let problem = &document["components"]["schemas"]["Problem"];
        return check(&document, problem, &got.json(), "");
    };
    let content = &operation["responses"][&status]["content"][&kind];
    assert!(content.is_object(), "{method} {path}: {status} {kind} is not announced: {}", got.text);
    let body = match kind.ends_with("json") {
        true => got.json(),
        false => Value::String(got.text.clone()),
    };
    check(&document, &content["schema"], &body, "");
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Err(wrong) = fits(document, schema, value, at) {
        panic!("{wrong}: {value}");
    }
}

fn fits(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().ok_or(format!("{at}: no schema"))? {
        let ok = match keyword.as_str() {
            "description" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().rsplit('/').next().unwrap();
                let named = &document["components"]["schemas"][name];
                fits(document, named, value, at)?;
                true
            }
            "oneOf" => {
                let each = rule.as_array().unwrap().iter();
                each.filter(|one| fits(document, one, value, at).is_ok()).count() == 1
            }
            "type" => types(rule).iter().any(|kind| is(kind, value)),
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.is_null() || value.as_i64() >= rule.as_i64(),
            "maximum" => value.is_null() || value.as_i64() <= rule.as_i64(),
            "format" => value.as_str().is_none_or(|text| match rule.as_str().unwrap() {
                "date-time" => Wall::parse(text).is_ok(),
                "uuid" => uuid::Uuid::try_parse(text).is_ok(),
                other => panic!("the checker does not know the format {other}"),
            }),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.is_null() || value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        fits(document, schema, member, &format!("{at}/{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, false);
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|all| all.keys().all(|name| known.contains_key(name)))
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(document, rule, item, &format!("{at}/{index}"))?;
                }
                true
            }
            other => panic!("the checker does not know the keyword {other}"),
        };
        if !ok {
            return Err(format!("{at}: {keyword} {rule} does not hold"));
        }
    }
    Ok(())
}

fn types(rule: &Value) -> Vec<&str> {
    match rule {
        Value::Array(all) => all.iter().map(|kind| kind.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the checker does not know the type {other}"),
    }
}

#[test]
fn the_document_and_the_routes_are_the_same() {
    let document = document();
    let mut announced: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        announced.extend(methods.as_object().unwrap().keys().map(|m| format!("{m} {path}")));
    }
    announced.sort();
    let one = |m: &http::Method, path: &str| format!("{} {path}", m.as_str().to_lowercase());
    let mut routes: Vec<String> = ROUTES.iter().map(|r| one(&r.method, r.path)).collect();
    routes.sort();
    assert_eq!(announced, routes);
    for route in &ROUTES {
        let path = &document["paths"][route.path];
        let operation = &path[route.method.as_str().to_lowercase()];
        let open = operation["security"].as_array().unwrap().is_empty();
        assert_eq!(open, !matches!(route.access, Access::Role(_)), "{}", route.path);
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let named = |place: &str| -> Vec<String> {
            let of = parameters.iter().filter(|p| p["in"] == place);
            of.map(|p| p["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(named("query"), route.query, "{}", route.path);
        let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{'));
        let in_path: Vec<&str> = in_path.map(|part| part.trim_end_matches('}')).collect();
        assert_eq!(named("path"), in_path, "{}", route.path);
    }
}

#[test]
fn every_reference_and_every_schema_is_used() {
    let document = document();
    let text = document.to_string();
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let used = format!("\"#/components/schemas/{name}\"");
        // `Wish` is what a body must be; answers are held against all the others.
        assert!(text.contains(&used), "{name} is not used");
    }
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name = text[at..].split('"').next().unwrap().rsplit('/').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not there");
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let document = document();
    let schema = &document["components"]["schemas"]["Checks"];
    let good = serde_json::json!({ "store": "ok", "draining": false });
    assert_eq!(fits(&document, schema, &good, ""), Ok(()));
    for bad in [
        serde_json::json!({ "store": "ok" }),
        serde_json::json!({ "store": 1, "draining": false }),
        serde_json::json!({ "store": "ok", "draining": false, "more": 1 }),
        serde_json::json!([]),
    ] {
        assert!(fits(&document, schema, &bad, "").is_err(), "{bad}");
    }
}
