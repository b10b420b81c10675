//! Reads one metadata file: XML as it is deployed, or a JSON list of channel parameters.
//!
//! Promised: what a file is, its root element says, not its name; document types and their
//! entities are refused; nodes are limited; unknown elements are kept by name.
//!
//! The JSON list, for who has no metadata access, one object per channel parameter:
//!
//! ```json
//! [{"name":"Copilot URL","externalParameterName":"Copilot_URL","maxLength":255,
//!   "dataType":"String","actionParameterName":"copilotUrl"}]
//! ```

use std::fmt;

use roxmltree::{Document, Node, ParsingOptions};
use serde::Deserialize;

use super::channel::standard_key;
use super::{Channel, Component, Kind, Located, Parameter, Place};

/// The largest metadata file, in bytes.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The most elements, attributes and texts of one file.
const MAX_NODES: u32 = 1_000_000;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// A channel.
    Channel(Channel),
    /// Anything else.
    Component(Component),
}

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is larger than `MAX_BYTES`.
    TooLarge {
        /// The file.
        file: String,
    },
    /// It is neither metadata XML nor a list of parameters.
    Malformed {
        /// Where.
        place: Place,
        /// The column, from 1.
        column: usize,
        /// What the parser says, without its position.
        message: String,
        /// What to do.
        help: &'static str,
    },
    /// It is metadata of another kind.
    Unknown {
        /// The file.
        file: String,
        /// Its root element.
        root: String,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { file } => write!(f, "{file}: larger than {MAX_BYTES} bytes"),
            Self::Malformed { place, column, message, help } => {
                write!(f, "{place}:{column}: {message}; {help}")
            }
            Self::Unknown { file, root } => {
                let known = Kind::ALL.map(Kind::name).join(", ");
                write!(f, "{file}: the root element is `{root}`; expected one of {known}")
            }
        }
    }
}

/// Does the text begin like a metadata file?
#[must_use]
pub fn is_xml(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let root = |name| text.strip_prefix('<').is_some_and(|rest| rest.starts_with(name));
    text.starts_with("<?xml") || Kind::ALL.map(Kind::name).into_iter().any(root)
}

/// Reads one file.
///
/// # Errors
/// Says what was wrong and where.
pub fn read(name: &str, text: &str) -> Result<File, Broken> {
    if text.len() > MAX_BYTES {
        return Err(Broken::TooLarge { file: name.to_owned() });
    }
    let whole = text;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let skipped = whole[..whole.len() - text.len()].matches('\n').count();
    if text.starts_with(['[', '{']) {
        return list(name, text, skipped).map(File::Channel);
    }
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let (row, column) = (error.pos().row as usize, error.pos().col as usize);
        // The parser puts its position behind the last `at`; the place says it already.
        let message = error.to_string();
        let message = message.rsplit_once(" at ").map_or(message.as_str(), |(head, _)| head);
        Broken::Malformed {
            place: Place { file: name.to_owned(), line: row + skipped },
            column,
            message: format!("not well-formed XML: {}", plain(message)),
            help: "export the file again, or give a JSON list of channel parameters",
        }
    })?;
    let root = document.root_element();
    let found = root.tag_name().name();
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == found) else {
        return Err(Broken::Unknown { file: name.to_owned(), root: plain(found) });
    };
    let xml = Xml { file: name, document: &document, skipped };
    let component = xml.component(kind, root);
    Ok(match kind {
        Kind::MessagingChannel => File::Channel(xml.channel(root, component)),
        _ => File::Component(component),
    })
}

/// A name of a file for a message: one line, not long.
fn plain(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    text.chars().take(MAX_CHARS).map(|c| if c.is_control() || c == '`' { ' ' } else { c }).collect()
}

/// `channels/Acme_Web.messagingChannel-meta.xml` is `Acme_Web`.
#[must_use]
pub fn stem(file: &str) -> String {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    base.split('.').next().unwrap_or(base).to_owned()
}

struct Xml<'d, 'i> {
    file: &'d str,
    document: &'d Document<'i>,
    /// Lines before the document begins.
    skipped: usize,
}

impl Xml<'_, '_> {
    fn place(&self, node: Node<'_, '_>) -> Place {
        let row = self.document.text_pos_at(node.range().start).row as usize;
        Place { file: self.file.to_owned(), line: row + self.skipped }
    }

    fn located(&self, node: Node<'_, '_>) -> Located {
        let value = node.text().unwrap_or_default().trim().to_owned();
        Located { value, place: self.place(node) }
    }

    /// The simple elements of a node; lists such as `<skills><skill>` are taken apart.
    fn component(&self, kind: Kind, node: Node<'_, '_>) -> Component {
        let mut settings = Vec::new();
        for child in node.children().filter(Node::is_element) {
            let name = child.tag_name().name();
            let inner: Vec<Node<'_, '_>> = child.children().filter(Node::is_element).collect();
            if inner.is_empty() {
                settings.push((name.to_owned(), self.located(child)));
            }
            let simple = |n: &Node<'_, '_>| !n.children().any(|c| c.is_element());
            for item in inner.into_iter().filter(simple) {
                let key = format!("{name}.{}", item.tag_name().name());
                settings.push((key, self.located(item)));
            }
        }
        let full = settings.iter().find(|(name, _)| name == "fullName");
        let developer_name = full.map_or_else(|| stem(self.file), |(_, name)| name.value.clone());
        Component { kind, developer_name, place: self.place(node), settings }
    }

    fn channel(&self, root: Node<'_, '_>, component: Component) -> Channel {
        let mut parameters = Vec::new();
        for (i, node) in children(root, "standardParameters").enumerate() {
            let kind = text(node, "parameterType").unwrap_or_default();
            let Some(key) = standard_key(&kind) else { continue };
            let key = Located { value: key.to_owned(), place: self.place(node) };
            let path = format!("standardParameters[{i}]");
            parameters.push(Parameter { standard: true, ..parameter(node, key, path) });
        }
        for (i, node) in children(root, "customParameters").enumerate() {
            let mut key =
                self.located(children(node, "externalParameterName").next().unwrap_or(node));
            if key.value.is_empty() {
                key.value = text(node, "name").unwrap_or_default();
            }
            let path = format!("customParameters[{i}]");
            if !key.value.is_empty() {
                parameters.push(parameter(node, key, path));
            }
        }
        let embedded = children(root, "embeddedConfig").next();
        let embedded = embedded.map(|node| self.component(Kind::MessagingChannel, node));
        let embedded = embedded.unwrap_or_default();
        Channel { component, embedded, parameters, listed: false }
    }
}

fn parameter(node: Node<'_, '_>, key: Located, path: String) -> Parameter {
    let mut mappings = children(node, "actionParameterMappings");
    Parameter {
        key,
        name: text(node, "name").unwrap_or_default(),
        standard: false,
        max_len: text(node, "maxLength").and_then(|n| n.parse().ok()).filter(|n| *n > 0),
        data_type: text(node, "parameterDataType").unwrap_or_default(),
        flow_variable: mappings.find_map(|n| text(n, "actionParameterName")),
        path,
    }
}

fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

fn text(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    let found = children(node, name).next()?.text()?.trim().to_owned();
    (!found.is_empty()).then_some(found)
}

/// One entry of the JSON list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Listed {
    name: Option<String>,
    external_parameter_name: Option<String>,
    max_length: Option<usize>,
    #[serde(alias = "parameterDataType")]
    data_type: Option<String>,
    action_parameter_name: Option<String>,
}

fn list(file: &str, text: &str, skipped: usize) -> Result<Channel, Broken> {
    const HELP: &str = "expected a list of {name, externalParameterName, maxLength, dataType, \
                        actionParameterName}";
    let place = |line: usize| Place { file: file.to_owned(), line };
    let broken = |line, column, message: String| Broken::Malformed {
        place: place(line + skipped),
        column,
        message,
        help: HELP,
    };
    let listed: Vec<Listed> = serde_json::from_str(text)
        .map_err(|error| broken(error.line(), error.column(), plain(&error.to_string())))?;
    let mut parameters = Vec::with_capacity(listed.len());
    for (i, entry) in listed.into_iter().enumerate() {
        let key = entry.external_parameter_name.or_else(|| entry.name.clone());
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return Err(broken(1, 1, format!("entry {i} has no externalParameterName")));
        };
        let standard = standard_key(&key);
        let value = standard.map_or(key, str::to_owned);
        parameters.push(Parameter {
            key: Located { value, place: place(1 + skipped) },
            name: entry.name.unwrap_or_default(),
            standard: standard.is_some(),
            max_len: entry.max_length,
            data_type: entry.data_type.unwrap_or_default(),
            flow_variable: entry.action_parameter_name,
            path: format!("[{i}]"),
        });
    }
    let developer_name = stem(file);
    let component = Component { developer_name, place: place(1), ..Component::default() };
    Ok(Channel { component, parameters, listed: true, ..Channel::default() })
}
