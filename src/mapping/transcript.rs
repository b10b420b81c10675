//! Recognises a bot's transcript in a detail's value and writes it as turns, a line each.
//!
//! Promised: both forms that Cognigy hands out, `{role, type, payload{text}}` and
//! `{source, text}`; anything else is no transcript. Not promised: turns without text, such as
//! tool calls and galleries; they are left out.

use super::node::{Node, Value};

/// The turns, or `None` when the value is no transcript. A list of one is taken for data.
pub(super) fn turns(node: &Node) -> Option<String> {
    let Value::List(items) = &node.value else { return None };
    if items.len() < 2 || !items.iter().all(is_turn) {
        return None;
    }
    let lines: Vec<String> = items.iter().filter_map(turn).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    Some(&node.get(key)?.node)
}

fn is_turn(node: &Node) -> bool {
    let speaker = member(node, "role").or_else(|| member(node, "source"));
    let said = member(node, "payload").or_else(|| member(node, "text"));
    speaker.and_then(Node::text).is_some() && said.is_some()
}

fn turn(node: &Node) -> Option<String> {
    let speaker = member(node, "role").or_else(|| member(node, "source"))?.text()?;
    let payload = member(node, "payload").and_then(|payload| member(payload, "text"));
    let text = payload.or_else(|| member(node, "text"))?.text()?.trim();
    (!text.is_empty()).then(|| format!("{speaker}: {}", text.replace("\r\n", "\n")))
}
