//! A tenant's mapping: what its files say, and what becomes of a pre-chat document.
//!
//! Promised: the function that translates live chats is the one that runs; nothing of what a
//! request brings is kept, logged or counted, and it is answered to nobody else.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::problem::{Code, Problem};
use super::{Admin, Answer, Call, Reply, tenants};
use crate::config::Tenant;
use crate::mapping::translation::{Fate, Field, Ground};
use crate::mapping::{Mapping, Translation, load};

/// What is tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The document; as a string, its text.
    prechat: Box<RawValue>,
    /// The text of a mapping file, in the place of the tenant's, or of one of them.
    mapping: Option<String>,
    /// Which of the tenant's files it takes the place of; all of them unless given.
    file: Option<String>,
}

/// The files in force, as they were when they were read.
pub(super) async fn files(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let mapping = tenants::find(&config, &call)?.mapping.as_ref();
    let files: Vec<Value> = mapping
        .map(|own| {
            let name = |path: &std::path::Path| {
                path.file_name().map(|name| name.to_string_lossy().into_owned())
            };
            let each = own.paths.iter().zip(&own.texts);
            each.map(|(path, text)| json!({ "name": name(path), "text": text })).collect()
        })
        .unwrap_or_default();
    Reply::ok(&json!({ "files": files, "sha256": mapping.map(|own| &own.sha256) }))
}

pub(super) async fn tried(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = tenants::find(&config, &call)?;
    let Wish { prechat, mapping, file } = call.document()?;
    let given = mapping.as_deref().map(|text| given(tenant, file.as_deref(), text)).transpose()?;
    // A string is the text of a document, so that what is wrong with it has a line and a column.
    let quoted: Option<String> = serde_json::from_str(prechat.get()).ok();
    let text = quoted.as_deref().unwrap_or(prechat.get());
    let translated = (admin.parts.translated)(tenant, given.as_ref(), text);
    let (translation, user) = translated.map_err(|error| {
        let caret = format!("{error}\n{}", error.caret);
        Problem::new(Code::PrechatWrong, "`problems` shows the place").with("problems", caret)
    })?;
    let own = tenant.mapping.as_ref().map(|file| &file.mapping);
    let by = match (&given, own) {
        (Some(_), _) => "given",
        (None, Some(_)) => "tenant",
        (None, None) => "builtIn",
    };
    let mapping = given.as_ref().or(own);
    let mut body = shown(mapping, &translation);
    body["by"] = by.into();
    body["verifiedUser"] = user.is_some().into();
    Reply::ok(&body)
}

/// What is tried in the place of the tenant's mapping, or of one of its files.
fn given(tenant: &Tenant, file: Option<&str>, text: &str) -> Result<Mapping, Problem> {
    let Some(wanted) = file else { return read(text) };
    let own = tenant.mapping.iter().flat_map(|own| own.paths.iter().zip(&own.texts));
    let own: Vec<(Option<&str>, &str)> = own
        .map(|(path, text)| (path.file_name().and_then(|name| name.to_str()), text.as_str()))
        .collect();
    let Some(at) = own.iter().position(|(name, _)| *name == Some(wanted)) else {
        let names: Vec<&str> = own.iter().filter_map(|(name, _)| *name).collect();
        let detail = format!("`file` is none of the tenant's mapping files: {}", names.join(", "));
        return Err(Problem::new(Code::BadRequest, detail));
    };
    let each = own.iter().enumerate();
    let files = each.map(|(i, (_, own))| read(if i == at { text } else { own }));
    let files = files.collect::<Result<Vec<Mapping>, Problem>>()?;
    Mapping::together(files).map_err(|(one, other, why)| {
        let name = |at: usize| own.get(at).and_then(|(name, _)| *name).unwrap_or("?");
        let problems = format!("`{}` and `{}` claim the same chats: {why}", name(one), name(other));
        let detail = "the files do not go together; `problems` says why";
        Problem::new(Code::MappingWrong, detail).with("problems", problems)
    })
}

fn read(text: &str) -> Result<Mapping, Problem> {
    // An object is JSON; no TOML file begins with a brace.
    let name = if text.trim_start().starts_with('{') { "mapping.json" } else { "mapping.toml" };
    load::load(name, text).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let detail = "`problems` says where, and what was expected";
        Problem::new(Code::MappingWrong, detail).with("problems", all.join("\n"))
    })
}

fn shown(mapping: Option<&Mapping>, translation: &Translation) -> Value {
    let findings: Vec<Value> = translation
        .findings
        .iter()
        .map(|finding| {
            json!({
                "code": finding.code, "slug": finding.code.entry().slug,
                "severity": finding.severity, "path": finding.path, "message": finding.message,
            })
        })
        .collect();
    let fields = translation.fields.iter().map(|field| self::field(mapping, translation, field));
    json!({
        "routingAttributes": translation.attributes,
        "language": translation.language,
        "openingMessage": translation.opening_message,
        "openingParts": translation.opening_parts(),
        "fields": fields.collect::<Vec<_>>(),
        "findings": findings,
    })
}

fn field(mapping: Option<&Mapping>, translation: &Translation, field: &Field) -> Value {
    let sent = matches!(field.fate, Fate::Sent | Fate::Cut);
    let value = field.key.as_ref().filter(|_| sent);
    json!({
        "source": field.source,
        "path": field.path,
        "targets": field.targets,
        "key": field.key,
        "value": value.and_then(|key| translation.attributes.get(key)),
        "ground": field.ground,
        "because": because(mapping, field),
        "fate": field.fate,
        "length": field.length,
        // The language is held against no limit.
        "limit": Some(field.limit).filter(|limit| *limit > 0),
        "dynamic": field.dynamic,
        "displayToAgent": field.display_to_agent,
    })
}

fn because(mapping: Option<&Mapping>, field: &Field) -> String {
    let rule = field.rule.and_then(|i| Some((i, mapping?.rule(i)?)));
    match (field.ground, rule) {
        (_, Some((i, rule))) => format!("rule[{i}]: {}", rule.selector()),
        (Ground::Constant, _) => "a constant".to_owned(),
        (Ground::Standard, _) => "a standard parameter".to_owned(),
        (Ground::EntityField, _) => "from the entity's field".to_owned(),
        (Ground::TranscriptField, _) => "from the transcript field".to_owned(),
        (Ground::Label, _) => "from its label".to_owned(),
        (Ground::VisitorName, _) => "from visitorName".to_owned(),
        (Ground::Rule | Ground::None, _) => "no rule and no name".to_owned(),
    }
}
