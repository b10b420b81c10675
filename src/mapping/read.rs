//! Reads a pre-chat document, however it is spelled (rules R1 to R5).
//!
//! Promised: valid JSON within the limits always gives a `Prechat`; what was odd about it becomes
//! findings with paths. Numbers keep their source digits. Not promised: that legacy would have
//! accepted the document.

use std::collections::BTreeSet;
use std::fmt;

use super::join;
use super::limits::{MAX_DETAILS, MAX_DOCUMENT_BYTES, MAX_ENTITIES, MAX_MEMBERS};
use super::node::{self, Member, Node, Value};
use super::notes::{Notes, did_you_mean, quoted};
use super::prechat::{Detail, Entity, EntityField, Prechat, Target};
use crate::report::codes::platform::RT302;
use crate::report::codes::prechat::{
    PC002, PC003, PC010, PC011, PC014, PC015, PC016, PC017, PC019, PC022,
};

/// Why a document could not be read. `Display` quotes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// The source line with a caret. May hold a visitor's value: for the terminal of whoever owns
    /// the file, never for logs.
    pub caret: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

impl std::error::Error for ReadError {}

/// Reads a whole `ChasitorInit` body, an object with `prechatEntities` and `prechatDetails`, or one
/// or both of these arrays alone. Null, `{}`, `[]`, absence and an empty document all mean "none".
///
/// # Errors
/// A document that is not JSON, too large or too deep.
pub fn read(text: &str) -> Result<Prechat, ReadError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        let problem = format!("{} bytes; at most {MAX_DOCUMENT_BYTES} are read", text.len());
        return Err(ReadError { line: 1, column: 1, problem, caret: String::new() });
    }
    let mut reader = Reader { notes: Notes::default(), unknown: BTreeSet::new() };
    let mut prechat = Prechat::default();
    if !text.trim_start_matches('\u{feff}').trim().is_empty() {
        let parsed = node::parse_json(text).map_err(|broken| {
            let (line, column) = node::position(text, broken.at);
            let caret = node::caret(text, broken.at);
            ReadError { line, column, problem: broken.problem, caret }
        })?;
        if parsed.replaced_surrogates > 0 {
            let count = parsed.replaced_surrogates;
            reader.notes.add(PC022.at("$", format!("{count} lone surrogate(s) replaced")));
        }
        reader.document(&parsed.root, &mut prechat);
    }
    if prechat.details.is_empty() {
        reader.notes.add(PC002.at("prechatDetails", "no details"));
    }
    join::join(&mut prechat, &mut reader.notes);
    prechat.findings = reader.notes.into_vec();
    Ok(prechat)
}

const TOP_MEMBERS: &[&str] = &[
    "prechatDetails",
    "prechatEntities",
    "organizationId",
    "deploymentId",
    "buttonId",
    "agentId",
    "doFallback",
    "sessionId",
    "userAgent",
    "language",
    "screenResolution",
    "visitorName",
    "buttonOverrides",
    "receiveQueueUpdates",
    "isPost",
];
const ENTITY_MEMBERS: &[&str] = &[
    "entityName",
    "saveToTranscript",
    "linkToEntityName",
    "linkToEntityField",
    "showOnCreate",
    "entityFieldsMaps",
    "entityFieldMaps",
];
const FIELD_MEMBERS: &[&str] = &[
    "entityName",
    "fieldName",
    "label",
    "doFind",
    "isExactMatch",
    "doCreate",
    "isAutoQueryable",
    "isExactMatchable",
    "isFastFillable",
];
const DETAIL_MEMBERS: &[&str] =
    &["label", "value", "entityMaps", "entityFieldMaps", "transcriptFields", "displayToAgent"];

struct Reader {
    notes: Notes,
    /// Member names already warned about: once per name is enough (R5).
    unknown: BTreeSet<String>,
}

impl Reader {
    fn document(&mut self, root: &Node, prechat: &mut Prechat) {
        match &root.value {
            Value::Map(members) if members.iter().any(|m| is_prechat_member(&m.key)) => {
                self.body(root, prechat);
            }
            // A single detail or entity pasted without its list.
            Value::Map(_) if root.get("label").is_some() || root.get("entityName").is_some() => {
                self.mixed(std::slice::from_ref(root), prechat, "");
            }
            // A whole handover node, exported: its settings hold the two lists.
            Value::Map(_) => match root.get("config").and_then(|m| of_node(&m.node)) {
                Some(config) => self.body(&config, prechat),
                None => self.body(root, prechat),
            },
            Value::List(items) => self.mixed(items, prechat, ""),
            Value::Null => {}
            _ => {
                let message = format!("{} instead of an object or a list; ignored", root.kind());
                self.notes.add(PC016.at("$", message));
            }
        }
    }

    /// A list of details, of entities, or of both lists (Cognigy's two separate editors).
    fn mixed(&mut self, items: &[Node], prechat: &mut Prechat, path: &str) {
        for (i, item) in items.iter().enumerate() {
            match &item.value {
                Value::List(inner) if path.is_empty() => {
                    self.mixed(inner, prechat, &format!("[{i}]"));
                }
                _ if item.get("entityName").is_some() && item.get("value").is_none() => {
                    let at = format!("prechatEntities{path}[{i}]");
                    self.entity(item, at, prechat);
                }
                _ => self.detail(item, format!("prechatDetails{path}[{i}]"), prechat),
            }
        }
    }

    fn body(&mut self, root: &Node, prechat: &mut Prechat) {
        for member in root.members().unwrap_or_default() {
            let (key, node) = (member.key.as_str(), &member.node);
            match key {
                "visitorName" => prechat.init.visitor_name = self.text(Some(member), key),
                "language" => prechat.init.language = self.text(Some(member), key),
                "buttonId" => prechat.init.button_id = self.text(Some(member), key),
                "deploymentId" => prechat.init.deployment_id = self.text(Some(member), key),
                "agentId" | "buttonOverrides" | "doFallback" if is_set(node) => {
                    self.notes.add(RT302.at(key, format!("{} is set", quoted(key))));
                }
                _ if is_named(key, "prechatDetails") => {
                    self.variant_case(key, "prechatDetails");
                    for (item, path) in self.list(Some(node), "prechatDetails") {
                        self.detail(item, path, prechat);
                    }
                }
                _ if is_named(key, "prechatEntities") => {
                    self.variant_case(key, "prechatEntities");
                    for (item, path) in self.list(Some(node), "prechatEntities") {
                        self.entity(item, path, prechat);
                    }
                }
                _ => self.known(key, TOP_MEMBERS, key),
            }
        }
    }

    fn variant_case(&mut self, seen: &str, canonical: &str) {
        if seen != canonical {
            self.notes.add(PC010.at(seen, format!("read as {}", quoted(canonical))));
        }
    }

    fn entity(&mut self, node: &Node, path: String, prechat: &mut Prechat) {
        if prechat.entities.len() >= MAX_ENTITIES {
            self.notes.add(PC003.at(path, format!("only {MAX_ENTITIES} entities are read")));
            return;
        }
        if !self.object(node, &path, ENTITY_MEMBERS) {
            return;
        }
        let at = |key: &str| format!("{path}.{key}");
        let Some(name) = self.text(node.get("entityName"), &at("entityName")) else {
            self.notes.add(PC016.at(at("entityName"), "missing; the entity is ignored"));
            return;
        };
        let mut fields = Vec::new();
        for (item, path) in self.either(node, &path, "entityFieldsMaps", "entityFieldMaps") {
            fields.extend(self.entity_field(item, path));
        }
        if fields.is_empty() {
            let message = format!("{} has no entityFieldsMaps", quoted(&name));
            self.notes.add(PC019.at(path.clone(), message));
        }
        let show = node.get("showOnCreate");
        let entity = Entity {
            name,
            save_to_transcript: self.text(node.get("saveToTranscript"), &at("saveToTranscript")),
            link_to_entity_name: self.text(node.get("linkToEntityName"), &at("linkToEntityName")),
            link_to_entity_field: self
                .text(node.get("linkToEntityField"), &at("linkToEntityField")),
            show_on_create: self.boolean(show, &at("showOnCreate")).unwrap_or(false),
            fields,
            path,
        };
        prechat.entities.push(entity);
    }

    fn entity_field(&mut self, node: &Node, path: String) -> Option<EntityField> {
        if !self.object(node, &path, FIELD_MEMBERS) {
            return None;
        }
        let field = self.text(node.get("fieldName"), &format!("{path}.fieldName"));
        let Some(field) = field else {
            self.notes.add(PC016.at(format!("{path}.fieldName"), "missing; the field is ignored"));
            return None;
        };
        Some(EntityField {
            field,
            label: self.text(node.get("label"), &format!("{path}.label")),
            do_find: self.flag(node, &path, "doFind", "isAutoQueryable"),
            is_exact_match: self.flag(node, &path, "isExactMatch", "isExactMatchable"),
            do_create: self
                .boolean(node.get("doCreate"), &format!("{path}.doCreate"))
                .unwrap_or(false),
            path,
        })
    }

    /// A boolean under its canonical name or under the name the REST guide's own sample uses.
    fn flag(&mut self, node: &Node, path: &str, canonical: &str, variant: &str) -> bool {
        let read = self.boolean(node.get(canonical), &format!("{path}.{canonical}"));
        let at = format!("{path}.{variant}");
        let other = self.boolean(node.get(variant), &at);
        if other.is_some() {
            self.notes.add(PC010.at(at, format!("read as {}", quoted(canonical))));
        }
        read.or(other).unwrap_or(false)
    }

    fn detail(&mut self, node: &Node, path: String, prechat: &mut Prechat) {
        if prechat.details.len() >= MAX_DETAILS {
            if prechat.details.len() == MAX_DETAILS && !self.unknown.contains("\0details") {
                self.unknown.insert("\0details".to_owned());
                self.notes.add(PC003.at(path, format!("only {MAX_DETAILS} details are read")));
            }
            return;
        }
        if !self.object(node, &path, DETAIL_MEMBERS) {
            return;
        }
        let label = self.text(node.get("label"), &format!("{path}.label"));
        if label.is_none() {
            self.notes.add(PC017.at(path.clone(), "no label"));
        }
        let mut targets: Vec<Target> = Vec::new();
        for (item, path) in self.either(node, &path, "entityMaps", "entityFieldMaps") {
            if !self.object(item, &path, FIELD_MEMBERS) {
                continue;
            }
            let entity = self.text(item.get("entityName"), &format!("{path}.entityName"));
            let field = self.text(item.get("fieldName"), &format!("{path}.fieldName"));
            match (entity, field) {
                (Some(entity), Some(field)) => targets.push(Target { entity, field }),
                _ => self.notes.add(PC016.at(path, "entityName or fieldName missing; ignored")),
            }
        }
        let shown = node.get("displayToAgent");
        let transcript_fields = self.names(node.get("transcriptFields"), &path);
        prechat.details.push(Detail {
            label,
            value: node.get("value").map(|m| m.node.clone()),
            targets,
            transcript_fields,
            display_to_agent: self
                .boolean(shown, &format!("{path}.displayToAgent"))
                .unwrap_or(true),
            path,
        });
    }

    fn names(&mut self, member: Option<&Member>, path: &str) -> Vec<String> {
        let path = format!("{path}.transcriptFields");
        let Some(member) = member else { return Vec::new() };
        if let Value::Text(name) = &member.node.value {
            if name.trim().is_empty() {
                return Vec::new();
            }
            self.notes.add(PC016.at(path, "a text instead of a list; read as one name"));
            return vec![name.trim().to_owned()];
        }
        let mut names = Vec::new();
        for (item, path) in self.list(Some(&member.node), &path) {
            match item.text().map(str::trim) {
                Some("") => {}
                Some(name) => names.push(name.to_owned()),
                None => {
                    self.notes.add(PC016.at(path, format!("{}; a text expected", item.kind())));
                }
            }
        }
        names
    }

    /// The elements under either spelling; both present: their union (R2).
    fn either<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        canonical: &str,
        variant: &str,
    ) -> Vec<(&'n Node, String)> {
        let first = node.get(canonical).map(|m| &m.node);
        let second = node.get(variant).map(|m| &m.node);
        let mut items = self.list(first, &format!("{path}.{canonical}"));
        let at = format!("{path}.{variant}");
        let others = self.list(second, &at);
        if second.is_some() {
            self.notes.add(PC010.at(at.clone(), format!("read as {}", quoted(canonical))));
        }
        let alike = |a: &[(&Node, String)], b: &[(&Node, String)]| {
            a.iter().map(|(n, _)| n.to_json()).eq(b.iter().map(|(n, _)| n.to_json()))
        };
        if items.is_empty() {
            return others;
        }
        if !others.is_empty() && !alike(&items, &others) {
            let message = format!("differs from {} beside it", quoted(canonical));
            self.notes.add(PC015.at(at, message));
            items.extend(others);
        }
        items
    }

    /// The elements of a list with their paths. Null, `{}` and absence are empty; a single object
    /// counts as a list of one.
    fn list<'n>(&mut self, node: Option<&'n Node>, path: &str) -> Vec<(&'n Node, String)> {
        let Some(node) = node.filter(|n| !n.is_nothing()) else { return Vec::new() };
        let top = path.starts_with("prechat") && !path.contains('.');
        match &node.value {
            Value::List(items) => {
                let limit = if top { usize::MAX } else { MAX_MEMBERS };
                if items.len() > limit {
                    self.notes.add(PC003.at(path, format!("only {limit} elements are read")));
                }
                let numbered = items.iter().take(limit).enumerate();
                numbered.map(|(i, item)| (item, format!("{path}[{i}]"))).collect()
            }
            Value::Map(_) => {
                self.notes.add(PC016.at(path, "an object instead of a list; read as one element"));
                vec![(node, path.to_owned())]
            }
            Value::Text(text) if text.trim().is_empty() => Vec::new(),
            _ => {
                let message = format!("{} instead of a list; ignored", node.kind());
                self.notes.add(PC016.at(path, message));
                Vec::new()
            }
        }
    }

    /// Is it an object? Its unknown members are reported on the way.
    fn object(&mut self, node: &Node, path: &str, known: &[&str]) -> bool {
        let Some(members) = node.members() else {
            if !matches!(node.value, Value::Null) {
                let message = format!("{} instead of an object; ignored", node.kind());
                self.notes.add(PC016.at(path, message));
            }
            return false;
        };
        for member in members {
            self.known(&member.key, known, &format!("{path}.{}", brief(&member.key)));
        }
        true
    }

    fn known(&mut self, key: &str, known: &[&str], path: &str) {
        if known.contains(&key) || !self.unknown.insert(key.to_owned()) {
            return;
        }
        let message = match did_you_mean(key, known) {
            Some(near) => format!("{} is unknown; did you mean {}?", quoted(key), quoted(near)),
            None => format!("{} is unknown", quoted(key)),
        };
        self.notes.add(PC014.at(path, message));
    }

    /// A text member; blank counts as missing, numbers and booleans are taken as they are written.
    fn text(&mut self, member: Option<&Member>, path: &str) -> Option<String> {
        let node = &member?.node;
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => None,
            Value::Text(text) => Some(text.clone()),
            Value::Null => None,
            Value::Number(_) | Value::Bool(_) => {
                self.notes.add(PC016.at(path, format!("{} instead of a text", node.kind())));
                Some(node.to_json())
            }
            Value::List(_) | Value::Map(_) => {
                let message = format!("{} instead of a text; ignored", node.kind());
                self.notes.add(PC016.at(path, message));
                None
            }
        }
    }

    fn boolean(&mut self, member: Option<&Member>, path: &str) -> Option<bool> {
        let node = &member?.node;
        let read = match &node.value {
            Value::Bool(read) => return Some(*read),
            Value::Null => return None,
            Value::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Value::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        self.notes.add(match read {
            Some(read) => PC011.at(path, format!("text read as {read}")),
            None => PC016.at(path, format!("{} instead of a boolean; ignored", node.kind())),
        });
        read
    }
}

fn is_prechat_member(key: &str) -> bool {
    is_named(key, "prechatDetails") || is_named(key, "prechatEntities")
}

/// A handover node puts its provider before the name: `salesforcePrechatDetails`.
fn is_named(key: &str, name: &str) -> bool {
    const PROVIDER: &str = "salesforce";
    let bare = match key.get(..PROVIDER.len()) {
        Some(head) if head.eq_ignore_ascii_case(PROVIDER) => &key[PROVIDER.len()..],
        _ => key,
    };
    bare.eq_ignore_ascii_case(name)
}

/// What matters of an exported node's settings, if pre-chat is among them.
fn of_node(config: &Node) -> Option<Node> {
    let members = config.members()?;
    let matters = |m: &&Member| is_prechat_member(&m.key) || m.key == "buttonId";
    let kept: Vec<Member> = members.iter().filter(matters).cloned().collect();
    let found = kept.iter().any(|m| is_prechat_member(&m.key));
    found.then(|| Node { span: config.span.clone(), value: Value::Map(kept) })
}

/// Does the member ask for anything? `false`, `"false"`, `""` and nothing do not.
fn is_set(node: &Node) -> bool {
    match &node.value {
        Value::Bool(set) => *set,
        Value::Text(text) => !text.trim().is_empty() && !text.eq_ignore_ascii_case("false"),
        _ => !node.is_nothing(),
    }
}

fn brief(key: &str) -> String {
    let short: String = key.chars().take(40).collect();
    short.replace(|c: char| c.is_control(), " ")
}
