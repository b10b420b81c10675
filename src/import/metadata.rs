//! Reads Salesforce metadata files: buttons, deployments, Embedded Service and channels.
//!
//! Promised: entities of a document type are refused, numbers of nodes are limited, unknown
//! elements are kept by name. Which kind a file is, its root element says, not its name.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};

use super::fact::{Channel, Component, Facts, Kind, Located, Parameter, Slot, Source};
use super::limits::MAX_XML_NODES;
use super::problem::Problem;
use crate::report::finding::Severity;

const KINDS: [(&str, Kind); 5] = [
    ("LiveChatButton", Kind::LiveChatButton),
    ("LiveChatDeployment", Kind::LiveChatDeployment),
    ("EmbeddedServiceConfig", Kind::EmbeddedServiceConfig),
    ("EmbeddedServiceLiveAgent", Kind::EmbeddedServiceLiveAgent),
    ("MessagingChannel", Kind::MessagingChannel),
];

/// Does the text begin like a metadata file?
pub(super) fn is(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let root = KINDS.iter().any(|(name, _)| {
        text.strip_prefix('<').and_then(|rest| rest.strip_prefix(*name)).is_some()
    });
    text.starts_with("<?xml") || root
}

/// Reads a file; the error says why it is none of the known ones.
pub(super) fn read(source: &Source<'_>, facts: &mut Facts) -> Result<(), String> {
    let text = source.text.trim_start_matches('\u{feff}');
    let skipped = source.text.len() - text.len();
    let lead = text.len() - text.trim_start().len();
    let (text, skipped) = (text.trim_start(), skipped + lead);
    let options = ParsingOptions { nodes_limit: MAX_XML_NODES, ..ParsingOptions::default() };
    let document = match Document::parse_with_options(text, options) {
        Ok(document) => document,
        Err(error) => {
            let place = source.place(skipped + offset(text, error.pos()));
            let message = format!("not well-formed XML: {}", error_text(&error));
            let problem = Problem::at(Severity::Error, &place, message);
            facts.problems.push(problem.help("export the file again"));
            return Ok(());
        }
    };
    let root = document.root_element();
    let name = root.tag_name().name();
    let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
        let name = super::id::quoted(name);
        return Err(format!("XML with the root element {name}; read are {}", known.join(", ")));
    };
    let file = File { source, skipped };
    facts.recognize(*kind, file.place(root));
    let component = file.component(root);
    match kind {
        Kind::LiveChatButton => facts.button_components.push(component),
        Kind::LiveChatDeployment => facts.deployment_components.push(component),
        Kind::EmbeddedServiceConfig => facts.configs.push(component),
        Kind::MessagingChannel => facts.channels.push(file.channel(root, component)),
        _ => file.live_agent(root, component, facts),
    }
    Ok(())
}

/// The parser's message without the position, which is told apart.
fn error_text(error: &roxmltree::Error) -> String {
    let text = error.to_string();
    super::id::plain(text.split(" at ").next().unwrap_or_default())
}

fn offset(text: &str, at: roxmltree::TextPos) -> usize {
    let line = (at.row as usize).saturating_sub(1);
    match line {
        0 => 0,
        line => text.match_indices('\n').nth(line - 1).map_or(text.len(), |(i, _)| i + 1),
    }
}

struct File<'s> {
    source: &'s Source<'s>,
    skipped: usize,
}

impl File<'_> {
    fn place(&self, node: Node<'_, '_>) -> super::fact::Place {
        self.source.place(self.skipped + node.range().start)
    }

    fn located(&self, node: Node<'_, '_>) -> Located {
        self.source.located(node.text().unwrap_or_default(), self.skipped + node.range().start)
    }

    /// The simple elements of a node; lists such as `<skills><skill>` are taken apart.
    fn component(&self, node: Node<'_, '_>) -> Component {
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
        let developer_name =
            full.map_or_else(|| self.source.stem(), |(_, name)| name.value.clone());
        Component { developer_name, place: self.place(node), settings }
    }

    fn live_agent(&self, root: Node<'_, '_>, component: Component, facts: &mut Facts) {
        if let Some(address) = component.get("liveAgentChatUrl") {
            facts.value(Slot::LiveAgentBaseUrl, address.clone());
        }
        let json = children(root, "prechatJson").next();
        let text = json.and_then(|node| node.text()).filter(|text| !text.trim().is_empty());
        if let (Some(json), Some(text)) = (json, text) {
            let at = self.skipped + json.range().start;
            self.prechat(at, text, facts);
        }
        facts.live_agents.push(component);
    }

    fn prechat(&self, at: usize, text: &str, facts: &mut Facts) {
        let place = self.source.place(at);
        match super::literal::document(text) {
            Ok(node) => {
                let mut inner = Facts::default();
                super::cognigy::read(self.source, &node, &mut inner);
                // Places inside of the text are those of the element.
                for mut document in inner.documents {
                    document.place = place.clone();
                    document.details.fill(place.clone());
                    facts.recognize(Kind::Prechat, place.clone());
                    facts.documents.push(document);
                }
            }
            Err(broken) => {
                let message = format!("prechatJson cannot be read: {}", broken.problem);
                facts.problems.push(Problem::at(Severity::Warning, &place, message));
            }
        }
    }

    fn channel(&self, root: Node<'_, '_>, component: Component) -> Channel {
        let parameters = children(root, "customParameters").filter_map(|n| self.parameter(n));
        let standard: BTreeMap<String, Option<String>> = children(root, "standardParameters")
            .filter_map(|node| Some((text(node, "parameterType")?, flow_variable(node))))
            .collect();
        let embedded = children(root, "embeddedConfig").next().unwrap_or(root);
        Channel {
            parameters: parameters.collect(),
            standard,
            embedded: self.component(embedded),
            component,
        }
    }

    fn parameter(&self, node: Node<'_, '_>) -> Option<Parameter> {
        let name = text(node, "name").unwrap_or_default();
        let key = children(node, "externalParameterName").next().unwrap_or(node);
        let mut key = self.located(key);
        if key.value.is_empty() {
            key.value.clone_from(&name);
        }
        (!key.value.is_empty()).then(|| Parameter {
            key,
            name,
            max_len: text(node, "maxLength").and_then(|n| n.parse().ok()).filter(|n| *n > 0),
            data_type: text(node, "parameterDataType").unwrap_or_default(),
            flow_variable: flow_variable(node),
        })
    }
}

fn children<'a, 'i: 'a>(node: Node<'a, 'i>, name: &'a str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

fn text(node: Node<'_, '_>, name: &str) -> Option<String> {
    let found = children(node, name).next()?.text()?.trim().to_owned();
    (!found.is_empty()).then_some(found)
}

fn flow_variable(node: Node<'_, '_>) -> Option<String> {
    children(node, "actionParameterMappings").find_map(|n| text(n, "actionParameterName"))
}
