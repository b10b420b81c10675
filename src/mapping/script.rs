//! Finds CognigyScript templates: `{{ expression }}` in texts and `{"$cs": {…}}` objects.
//!
//! Promised: nothing is evaluated; only braces and the first word of each expression are looked at.

use super::node::{Node, Value};

/// What a text says about templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// First words of the expressions (`profile`), in order, without repetition.
    pub roots: Vec<String>,
    /// Is a `{{` never closed?
    pub unbalanced: bool,
    /// How many characters stand outside the templates.
    pub fixed_chars: usize,
    /// The source expressions' paths (`profile.lastname`), as far as they are plain paths.
    pub sources: Vec<String>,
}

/// Roots that exist in CognigyScript.
pub const KNOWN_ROOTS: &[&str] = &["input", "context", "profile", "moment", "lodash", "_", "JSON"];

/// Looks for templates; `None` when there is none.
#[must_use]
pub fn find(text: &str) -> Option<Script> {
    let mut script = Script::default();
    let mut rest = text;
    let mut any = false;
    while let Some(open) = rest.find("{{") {
        any = true;
        script.fixed_chars += rest[..open].chars().count();
        let inner = &rest[open + 2..];
        let Some(close) = inner.find("}}") else {
            script.unbalanced = true;
            return Some(script);
        };
        note(&mut script, &inner[..close]);
        rest = &inner[close + 2..];
    }
    script.fixed_chars += rest.chars().count();
    any.then_some(script)
}

/// The expression of a typed template `{"$cs":{"script":"…","type":"…"}}`.
#[must_use]
pub fn typed(node: &Node) -> Option<Script> {
    let inner = &node.get("$cs")?.node;
    let mut script = Script::default();
    if let Some(Value::Text(expression)) = inner.get("script").map(|m| &m.node.value) {
        note(&mut script, expression);
    }
    Some(script)
}

fn note(script: &mut Script, expression: &str) {
    let path: String = expression
        .trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.'))
        .take(80)
        .collect();
    let root = path.split('.').next().unwrap_or_default().to_owned();
    // Literals and bracketed expressions have no root to judge.
    if root.starts_with(|c: char| c.is_alphabetic() || c == '_') && !script.roots.contains(&root) {
        script.roots.push(root);
    }
    if !path.is_empty() && !script.sources.contains(&path) {
        script.sources.push(path);
    }
}
