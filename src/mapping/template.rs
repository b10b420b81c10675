//! Templates of rules: one expression language over the chat's own details, on a short leash.
//!
//! Promised: no loader, no includes, no macros; missing things are errors, not empty texts; every
//! run has fuel and an output limit. Messages quote labels and names, never a value. Not promised:
//! the filters of other template languages; the few there are stand in `FILTERS`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Kwargs, Object, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::limits::{MAX_TEMPLATE_BYTES, MAX_VALUE_BYTES, TEMPLATE_FUEL};
use super::notes::{did_you_mean, quoted};
use super::prechat::Prechat;
use super::translation::Context;
use super::values;

/// What a template may read.
pub const VARIABLES: &[&str] =
    &["value", "label", "details", "button_id", "deployment_id", "visitor_name", "language"];
/// What a template may apply with `|`.
pub const FILTERS: &[&str] = &["default", "lower", "upper", "trim", "replace", "before", "after"];
/// Statements that repeat or collect, which a value of one attribute has no use for.
const REFUSED: &[&str] = &["for", "set", "with", "autoescape", "filter", "do"];

/// The labelled values of one chat.
pub(super) struct Details(BTreeMap<String, (String, bool)>);

impl Details {
    /// Of details with the same label, the first one counts.
    pub(super) fn of(prechat: &Prechat) -> Arc<Self> {
        let mut map = BTreeMap::new();
        for detail in &prechat.details {
            let (Some(label), Some(node)) = (&detail.label, &detail.value) else { continue };
            let Some(text) = values::text(node, None) else { continue };
            map.entry(label.clone()).or_insert((text.text, detail.display_to_agent));
        }
        Arc::new(Self(map))
    }
}

/// What one run read of the details.
#[derive(Default)]
struct Seen {
    hidden: bool,
    missing: Option<String>,
}

struct Reads {
    details: Arc<Details>,
    seen: Mutex<Seen>,
}

impl Reads {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("details")
    }
}

impl Object for Reads {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let label = key.as_str()?;
        let Some((text, shown)) = self.details.0.get(label) else {
            self.seen().missing = Some(label.to_owned());
            return None;
        };
        self.seen().hidden |= !shown;
        Some(Value::from(text.as_str()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("details")
    }
}

/// What a template made.
pub(super) struct Rendered {
    pub(super) text: String,
    /// A detail with `displayToAgent` false was read.
    pub(super) hidden: bool,
}

/// Runs a template.
///
/// # Errors
/// What went wrong, without a value.
pub(super) fn render(
    source: &str,
    value: &str,
    label: Option<&str>,
    details: &Arc<Details>,
    context: &Context,
) -> Result<Rendered, String> {
    let reads = Arc::new(Reads { details: details.clone(), seen: Mutex::default() });
    let text = |text: Option<&str>| text.map_or(Value::UNDEFINED, Value::from);
    let scope: Kwargs = [
        ("value", Value::from(value)),
        ("label", text(label)),
        ("details", Value::from_dyn_object(reads.clone())),
        ("button_id", Value::from(context.button_id.as_str())),
        ("deployment_id", Value::from(context.deployment_id.as_str())),
        ("visitor_name", text(context.visitor_name.as_deref())),
        ("language", text(context.language.as_deref())),
    ]
    .into_iter()
    .collect();
    let environment = environment();
    let mut out = Bounded(Vec::new());
    let outcome = environment
        .template_from_str(source)
        .and_then(|template| template.render_captured_to(Value::from(scope), &mut out).map(drop));
    outcome.map_err(|error| reason(&error, &reads))?;
    let text = String::from_utf8_lossy(&out.0).into_owned();
    let hidden = reads.seen().hidden;
    Ok(Rendered { text, hidden })
}

fn reason(error: &Error, reads: &Reads) -> String {
    let missing = reads.seen().missing.clone();
    match (error.kind(), missing) {
        (ErrorKind::UndefinedError, Some(label)) => format!("no detail {}", quoted(&label)),
        (ErrorKind::UndefinedError, None) => "it reads something that is not there".to_owned(),
        (ErrorKind::OutOfFuel, _) => format!("more than {TEMPLATE_FUEL} steps"),
        (ErrorKind::WriteFailure, _) => format!("more than {MAX_VALUE_BYTES} bytes"),
        (kind, _) => kind.to_string(),
    }
}

/// Takes so many bytes and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_VALUE_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment.add_filter("default", |value: &Value, other: &Value| {
        let blank = value.as_str().is_some_and(|text| text.trim().is_empty());
        if value.is_undefined() || blank { other.clone() } else { value.clone() }
    });
    environment.add_filter("lower", |text: &str| bounded(text.to_lowercase()));
    environment.add_filter("upper", |text: &str| bounded(text.to_uppercase()));
    environment.add_filter("trim", |text: &str| text.trim().to_owned());
    environment.add_filter("replace", |text: &str, from: &str, to: &str| {
        let grown = text.len() + text.len().saturating_add(1).saturating_mul(to.len());
        let found = text.matches(from).count();
        if grown > MAX_VALUE_BYTES && text.len() + found * to.len() > MAX_VALUE_BYTES {
            return Err(Error::from(ErrorKind::WriteFailure));
        }
        Ok(text.replace(from, to))
    });
    environment.add_filter("before", |text: &str, mark: &str| {
        text.split_once(mark).map_or(text, |(head, _)| head).to_owned()
    });
    environment.add_filter("after", |text: &str, mark: &str| {
        text.split_once(mark).map_or(text, |(_, tail)| tail).to_owned()
    });
    environment
}

fn bounded(text: String) -> Result<String, Error> {
    let fits = text.len() <= MAX_VALUE_BYTES;
    if fits { Ok(text) } else { Err(Error::from(ErrorKind::WriteFailure)) }
}

/// What is wrong with a template before any chat: message, what was expected, hint.
#[must_use]
pub fn objection(source: &str) -> Option<(String, String, String)> {
    let one_of = |names: &[&str]| format!("one of {}", names.join(", "));
    if source.len() > MAX_TEMPLATE_BYTES {
        let message = format!("{} bytes", source.len());
        return Some((message, format!("at most {MAX_TEMPLATE_BYTES}"), String::new()));
    }
    if let Some(word) = statements(source).find(|word| REFUSED.contains(word)) {
        let message = format!("`{{% {word} %}}` is not allowed");
        return Some((message, "{{ … }} and {% if … %}".to_owned(), String::new()));
    }
    let environment = environment();
    let template = match environment.template_from_str(source) {
        Ok(template) => template,
        Err(error) => {
            let detail = error.detail().unwrap_or("it cannot be read").to_owned();
            let line = error.line().filter(|_| source.contains('\n'));
            let at =
                line.map_or_else(String::new, |line| format!(" (line {line} of the template)"));
            return Some((format!("{detail}{at}"), String::new(), String::new()));
        }
    };
    let mut used: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    used.sort();
    if let Some(unknown) = used.iter().find(|name| !VARIABLES.contains(&name.as_str())) {
        let hint = did_you_mean(unknown, VARIABLES).map(|n| format!("did you mean `{n}`?"));
        let message = format!("unknown variable `{unknown}`");
        return Some((message, one_of(VARIABLES), hint.unwrap_or_default()));
    }
    let unknown = filters(source).find(|name| !FILTERS.contains(name))?;
    let hint = did_you_mean(unknown, FILTERS).map(|n| format!("did you mean `{n}`?"));
    let message = format!("unknown filter `{unknown}`");
    Some((message, one_of(FILTERS), hint.unwrap_or_default()))
}

/// The first word of each `{% … %}`.
fn statements(source: &str) -> impl Iterator<Item = &str> {
    source.match_indices("{%").map(|(at, _)| word(source[at + 2..].trim_start_matches(['-', '+'])))
}

/// The words after each `|` inside braces, literals left out.
fn filters(source: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    let mut quote = None;
    let mut before = ' ';
    source.char_indices().filter_map(move |(at, c)| {
        let last = std::mem::replace(&mut before, c);
        match (quote, c) {
            (Some(open), c) if c == open && last != '\\' => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if inside => quote = Some(c),
            (None, '{' | '%') if last == '{' => inside = true,
            (None, '}') => inside = false,
            (None, '|') if inside => return Some(word(&source[at + 1..])),
            (None, _) => {}
        }
        None
    })
}

fn word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}
