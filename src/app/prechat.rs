//! The mapping files of the tenants, and the translation of a ChasitorInit by them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::chat::text::Text;
use crate::chat::visitor::Begin;
use crate::config::problem::Place;
use crate::config::{Config, Problem, Tenant};
use crate::facade::Translate;
use crate::mapping::{self, Context, Mapping, apply, load, read};
use crate::wire::liveagent::BadRequest;
use crate::wire::liveagent::request::ChasitorInit;

/// The mapping of each tenant that names one, by tenant id.
pub type Mappings = HashMap<String, Mapping>;

/// Reads every mapping file that the configuration names.
///
/// # Errors
/// Every problem of every file.
pub fn read_mappings(config: &Config) -> Result<Mappings, Vec<Problem>> {
    let mut mappings = Mappings::new();
    let mut problems = Vec::new();
    for tenant in &config.tenants {
        let Some(path) = &tenant.mapping_path else { continue };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => match load::load(&name, &text) {
                Ok(mapping) => drop(mappings.insert(tenant.id.clone(), mapping)),
                Err(found) => problems.extend(found.into_iter().map(|one| located(one, &text))),
            },
            Err(error) => problems.push(Problem {
                code: None,
                place: None,
                file: path.clone(),
                key: String::new(),
                message: format!("the mapping of tenant `{}` cannot be read: {error}", tenant.id),
                expected: Some("a readable TOML or JSON file".to_owned()),
                help: Some("correct `mapping` or the file's permissions".to_owned()),
            }),
        }
    }
    if problems.is_empty() { Ok(mappings) } else { Err(problems) }
}

/// A mapping's problem in the form of the configuration's.
fn located(problem: mapping::problem::Problem, text: &str) -> Problem {
    let file = PathBuf::from(&problem.file);
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let line = text.lines().nth(problem.line.saturating_sub(1)).unwrap_or_default();
    Problem {
        code: None,
        place: Some(Place {
            file: file.clone(),
            line: problem.line,
            column: problem.column,
            width: 1,
            text: line.to_owned(),
        }),
        file,
        key: problem.key,
        message: problem.message,
        expected: some(problem.expected),
        help: some(problem.hint),
    }
}

/// Turns ChasitorInits into what the machine begins with: the function that the dry run uses too.
pub(super) fn translator(mappings: Mappings) -> Translate {
    let built_in = Mapping::default();
    Arc::new(move |tenant: &Tenant, init: &ChasitorInit, text: &str| {
        let prechat = read(text).map_err(|error| BadRequest {
            message: format!("The pre-chat details cannot be read: {error}"),
            details: Vec::new(),
        })?;
        let mapping = mappings.get(&tenant.id).unwrap_or(&built_in);
        let translation = apply(mapping, &prechat, &Context::of(&prechat.init));
        tracing::debug!(
            tenant = tenant.id,
            attributes = translation.attributes.len(),
            findings = translation.findings.len(),
            "pre-chat was translated"
        );
        Ok(Begin {
            button_id: init.button_id.clone().unwrap_or_default(),
            attributes: translation.attributes,
            language: translation.language,
            opening: translation.opening_message.into_iter().map(Text).collect(),
            queue_updates: init.receive_queue_updates.unwrap_or(false),
        })
    })
}
