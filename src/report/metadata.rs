//! Metadata of the org as files: Salesforce metadata XML, or a JSON list of channel parameters.
//!
//! Promised: files are read as they are deployed, nothing is guessed; a root element that is not
//! known is refused by name; document types and their entities are refused. Not promised: that the
//! files describe the org of today.
//!
//! The JSON list, for who has no metadata access, one object per channel parameter:
//!
//! ```json
//! [{"name":"Copilot URL","externalParameterName":"Copilot_URL","maxLength":255,
//!   "dataType":"String","actionParameterName":"copilotUrl"}]
//! ```

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};
use serde::Deserialize;

/// The largest metadata file, in bytes.
pub const MAX_METADATA_BYTES: usize = 4 * 1024 * 1024;
/// The most XML nodes of one file.
const MAX_NODES: u32 = 200_000;
/// The root elements that are read.
const ROOTS: [&str; 4] =
    ["MessagingChannel", "LiveChatButton", "LiveChatDeployment", "EmbeddedServiceConfig"];

/// What metadata files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `MessagingChannel` files and JSON lists.
    pub channels: Vec<Channel>,
    /// `LiveChatButton` and `LiveChatDeployment` files.
    pub legacy: Vec<LegacyComponent>,
    /// Deployment developer name to channel developer name, from `EmbeddedServiceConfig`.
    pub deployments: BTreeMap<String, String>,
}

/// A messaging channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// Its developer name: the file's name without its extensions.
    pub name: String,
    /// The file.
    pub file: String,
    /// Standard and custom parameters.
    pub parameters: Vec<Parameter>,
    /// What is known beside parameters; absent for a JSON list.
    pub settings: Option<Settings>,
}

/// A channel parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The attribute key: `externalParameterName`, or `_firstName` and its like.
    pub key: String,
    /// `maxLength`
    pub max_len: Option<usize>,
    /// `parameterDataType`
    pub data_type: Option<String>,
    /// The flow variable it is mapped to.
    pub flow_variable: Option<String>,
    /// Where it stands in its file.
    pub path: String,
}

/// What a `MessagingChannel` file says beside its parameters, `embeddedConfig` included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

/// A legacy button or deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyComponent {
    /// `LiveChatButton` or `LiveChatDeployment`.
    pub kind: &'static str,
    /// Its developer name.
    pub name: String,
    /// The file.
    pub file: String,
    /// Its leaf elements; repeated ones are joined by `, `.
    pub settings: BTreeMap<String, String>,
}

impl Settings {
    /// The text of a setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Is the switch on? `None` when the file does not say.
    #[must_use]
    pub fn on(&self, name: &str) -> Option<bool> {
        self.get(name).map(|text| text.eq_ignore_ascii_case("true"))
    }

    /// A whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

impl Channel {
    /// The parameter of exactly this key.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.key == key)
    }

    /// The token's life in seconds, where the file names it.
    #[must_use]
    pub fn token_life_s(&self) -> Option<u64> {
        let settings = self.settings.as_ref()?;
        let verified = settings.get("authMode").is_some_and(|m| m.eq_ignore_ascii_case("Auth"));
        let name = match verified {
            true => "verifiedUserJwtExpirationTime",
            false => "anonymousUserJwtExpirationTime",
        };
        settings.number(name).map(|minutes| minutes.saturating_mul(60))
    }
}

impl Metadata {
    /// The channel behind a deployment: the one its `EmbeddedServiceConfig` names, the one of the
    /// same developer name, or the only one there is.
    #[must_use]
    pub fn channel_of(&self, deployment: &str) -> Option<&Channel> {
        let named = |name: &str| self.channels.iter().find(|c| c.name.eq_ignore_ascii_case(name));
        let by_config = self.deployments.iter().find(|(d, _)| d.eq_ignore_ascii_case(deployment));
        match (by_config.and_then(|(_, channel)| named(channel)), self.channels.as_slice()) {
            (Some(channel), _) => Some(channel),
            (None, [only]) => Some(only),
            (None, _) => named(deployment),
        }
    }

    /// Reads one more file.
    ///
    /// # Errors
    /// Says what was wrong, where and what was expected.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), String> {
        if text.len() > MAX_METADATA_BYTES {
            return Err(format!("{file}: larger than {MAX_METADATA_BYTES} bytes"));
        }
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with(['[', '{']) {
            self.channels.push(list(file, text)?);
            return Ok(());
        }
        let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|error| {
            format!(
                "{file}:{}:{}: neither metadata XML nor a JSON list of parameters; export it again",
                error.pos().row,
                error.pos().col
            )
        })?;
        let root = document.root_element();
        let kind = root.tag_name().name();
        let Some(kind) = ROOTS.into_iter().find(|known| *known == kind) else {
            let known = ROOTS.join(", ");
            return Err(format!("{file}: the root element is `{kind}`; expected one of {known}"));
        };
        let name = developer_name(file);
        match kind {
            "MessagingChannel" => self.channels.push(channel(root, name, file)),
            "EmbeddedServiceConfig" => {
                let named = |n: &Node<'_, '_>| n.tag_name().name() == "messagingChannel";
                let channel = root.descendants().find(named).and_then(|n| n.text());
                let channel = channel.map(|text| text.trim().to_owned());
                self.deployments.extend(channel.map(|channel| (name, channel)));
            }
            kind => {
                let (file, settings) = (file.to_owned(), leaves(root));
                self.legacy.push(LegacyComponent { kind, name, file, settings });
            }
        }
        Ok(())
    }
}

/// `channels/Acme_Web.messagingChannel-meta.xml` is `Acme_Web`.
fn developer_name(file: &str) -> String {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    base.split('.').next().unwrap_or(base).to_owned()
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

fn list(file: &str, text: &str) -> Result<Channel, String> {
    let listed: Vec<Listed> = serde_json::from_str(text).map_err(|error| {
        format!(
            "{file}:{}:{}: {error}; expected a list of {{name, externalParameterName, maxLength, \
             dataType, actionParameterName}}",
            error.line(),
            error.column()
        )
    })?;
    let mut parameters = Vec::with_capacity(listed.len());
    for (i, entry) in listed.into_iter().enumerate() {
        let key = entry.external_parameter_name.or(entry.name);
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return Err(format!("{file}: entry {i} has no externalParameterName"));
        };
        parameters.push(Parameter {
            key: standard_key(&key).map_or(key, str::to_owned),
            max_len: entry.max_length,
            data_type: entry.data_type,
            flow_variable: entry.action_parameter_name,
            path: format!("[{i}]"),
        });
    }
    let name = developer_name(file);
    Ok(Channel { name, file: file.to_owned(), parameters, settings: None })
}

fn standard_key(kind: &str) -> Option<&'static str> {
    match kind {
        "FirstName" => Some("_firstName"),
        "LastName" => Some("_lastName"),
        "Email" => Some("_email"),
        "Subject" => Some("_subject"),
        _ => None,
    }
}

fn channel(root: Node<'_, '_>, name: String, file: &str) -> Channel {
    let mut parameters = Vec::new();
    for (i, node) in children(root, "standardParameters").enumerate() {
        let kind = text(node, "parameterType").unwrap_or_default();
        let Some(key) = standard_key(&kind) else { continue };
        let path = format!("standardParameters[{i}]");
        parameters.push(parameter(node, key.to_owned(), path));
    }
    for (i, node) in children(root, "customParameters").enumerate() {
        let key = text(node, "externalParameterName").or_else(|| text(node, "name"));
        let path = format!("customParameters[{i}]");
        parameters.extend(key.map(|key| parameter(node, key, path)));
    }
    Channel { name, file: file.to_owned(), parameters, settings: Some(Settings(leaves(root))) }
}

fn parameter(node: Node<'_, '_>, key: String, path: String) -> Parameter {
    let mappings = children(node, "actionParameterMappings");
    Parameter {
        key,
        max_len: text(node, "maxLength").and_then(|n| n.parse().ok()).filter(|n| *n > 0),
        data_type: text(node, "parameterDataType"),
        flow_variable: mappings.into_iter().find_map(|n| text(n, "actionParameterName")),
        path,
    }
}

/// The leaf elements below a root, parameters left out; repeated ones are joined.
fn leaves(root: Node<'_, '_>) -> BTreeMap<String, String> {
    let mut leaves: BTreeMap<String, String> = BTreeMap::new();
    for node in root.descendants().filter(|n| n.is_element() && *n != root) {
        let in_parameter = node
            .ancestors()
            .any(|a| matches!(a.tag_name().name(), "customParameters" | "standardParameters"));
        if in_parameter || node.children().any(|child| child.is_element()) {
            continue;
        }
        let value = node.text().unwrap_or_default().trim();
        let known = leaves.entry(node.tag_name().name().to_owned()).or_default();
        if !known.is_empty() && !value.is_empty() {
            known.push_str(", ");
        }
        known.push_str(value);
    }
    leaves
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
