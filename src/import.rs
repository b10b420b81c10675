//! Makes a tenant out of exports: pasted snippets, handover providers, nodes, metadata.
//!
//! Promised: pure, total and deterministic; a file is recognised by what it holds, not by its name;
//! contradictions and broken files are located; no value of pre-chat is kept. Not promised: that
//! the org is as the exports say.

pub mod buttons;
pub mod fact;
pub mod limits;
pub mod mapping_file;
pub mod problem;
pub mod settings;
pub mod tenant_file;
pub mod todo;

mod cognigy;
mod deployment_api;
mod id;
mod literal;
mod metadata;
mod object;
mod org;
mod plan;
mod render;
mod snippet;

use serde::Serialize;

use self::buttons::Button;
use self::fact::{Facts, Input, Recognized, Slot, Source};
use self::limits::{MAX_FILE_BYTES, MAX_FILES, MAX_PROBLEMS, MAX_RECOGNIZED};
use self::mapping_file::Attribute;
use self::org::Org;
use self::plan::Plan;
use self::problem::Problem;
use self::settings::Setting;
use self::tenant_file::Missing;
use self::todo::Step;
use crate::report::finding::Severity;

/// What stands for the bridge's address while it is not known.
const UNKNOWN_BRIDGE: &str = "https://YOUR-BRIDGE";

/// What the caller decides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The tenant's id; made of the org's domain when absent.
    pub tenant: Option<String>,
    /// The bridge's public address, for the client's Base URL.
    pub bridge: Option<String>,
}

/// A file that was not recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unrecognized {
    /// Its name.
    pub file: String,
    /// Why not.
    pub reason: String,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Its path under the folder of the caller's choice, with forward slashes.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Everything an import found and made.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    /// No error: the files may be written.
    pub ok: bool,
    /// The tenant's id.
    pub tenant: String,
    /// What to paste into the client's Live Agent Base URL field.
    pub base_url: String,
    /// What was recognised, by file and line.
    pub recognized: Vec<Recognized>,
    /// What was not.
    pub unrecognized: Vec<Unrecognized>,
    /// Errors first.
    pub problems: Vec<Problem>,
    /// What the tenant file still lacks.
    pub missing: Vec<Missing>,
    /// The button table.
    pub buttons: Vec<Button>,
    /// Settings of the deployment.
    pub deployment_settings: Vec<Setting>,
    /// The attribute keys and what feeds them.
    pub attributes: Vec<Attribute>,
    /// What people still have to do.
    pub todo: Vec<Step>,
    /// The files.
    pub files: Vec<Output>,
}

impl Import {
    /// What a terminal shows.
    #[must_use]
    pub fn summary(&self) -> String {
        render::summary(self)
    }
}

/// Reads the files and makes everything. Their order does not matter.
#[must_use]
pub fn import(inputs: &[Input], options: &Options) -> Import {
    let mut sorted: Vec<&Input> = inputs.iter().collect();
    sorted.sort_by_key(|input| (&input.name, &input.text));
    sorted.dedup();
    let mut facts = Facts::default();
    let mut unrecognized = Vec::new();
    for input in sorted.iter().take(MAX_FILES) {
        if let Err(reason) = recognize(input, &mut facts) {
            unrecognized.push(Unrecognized { file: input.name.clone(), reason });
        }
    }
    if sorted.len() > MAX_FILES {
        let message = format!("more than {MAX_FILES} files");
        facts.problems.push(Problem::about(Severity::Error, "", message));
    }
    if facts.recognized.is_empty() && facts.problems.is_empty() {
        let problem = Problem::about(Severity::Error, "", "no file was recognised");
        facts.problems.push(problem.help("docs/importing.md lists what can be imported"));
    }
    facts.recognized.sort();
    facts.recognized.dedup();
    facts.recognized.truncate(MAX_RECOGNIZED);
    let org = org::settle(&mut facts);
    make(facts, &org, unrecognized, options)
}

/// Reads one file; the error says why it is nothing that can be imported.
fn recognize(input: &Input, facts: &mut Facts) -> Result<(), String> {
    if input.text.len() > MAX_FILE_BYTES {
        return Err(format!("larger than {MAX_FILE_BYTES} bytes"));
    }
    let source = Source::new(input);
    let text = input.text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if crate::metadata::file::is_xml(text) {
        return metadata::read(&source, facts);
    }
    let calls = snippet::is(text);
    if text.starts_with(['{', '[']) {
        match literal::document(source.text) {
            Ok(root) if cognigy::read(&source, &root, facts) || calls => {}
            Ok(_) => {
                return Err("JSON, but neither a provider, a code snippet nor pre-chat is in it; \
                            looked for deploymentId, DeveloperName, prechatDetails"
                    .to_owned());
            }
            Err(_) if calls => {}
            Err(broken) => {
                let message = format!("not well-formed JSON: {}", broken.problem);
                let problem = Problem::at(Severity::Error, &source.place(broken.at), message);
                facts.problems.push(problem.help("export the file again"));
                return Ok(());
            }
        }
    }
    if !calls {
        let found = text.starts_with(['{', '[']);
        let reason = "neither JSON, metadata XML, nor a page with embedded_svc.init, \
                      liveagent.init or embeddedservice_bootstrap.init";
        return found.then_some(()).ok_or_else(|| reason.to_owned());
    }
    let before = (facts.recognized.len(), facts.problems.len());
    snippet::read(&source, facts);
    match before == (facts.recognized.len(), facts.problems.len()) {
        true if !text.starts_with(['{', '[']) => {
            Err("the calls of a snippet stand in comments only, or without arguments".to_owned())
        }
        _ => Ok(()),
    }
}

/// The tenant's id: as told, else of the org's domain, deployment or id.
fn tenant(options: &Options, facts: &mut Facts, org: &Org) -> String {
    if let Some(wished) = &options.tenant {
        let made = id::tenant(wished);
        if made.as_deref() != Some(wished.as_str()) {
            let message = format!("{} is no tenant id", id::quoted(wished));
            let problem = Problem::about(Severity::Error, "", message);
            facts.problems.push(problem.help("1 to 63 of a-z, 0-9, - and _"));
        }
        return made.unwrap_or_else(|| "tenant".to_owned());
    }
    let domains = facts.domains.iter().filter_map(|address| id::my_domain(address));
    let named = [Slot::DeveloperName, Slot::OrganizationId];
    let names = named.iter().filter_map(|slot| org.text(*slot)).map(str::to_owned);
    let found = domains.chain(names).find_map(|name| id::tenant(&name));
    found.unwrap_or_else(|| "tenant".to_owned())
}

fn make(mut facts: Facts, org: &Org, unrecognized: Vec<Unrecognized>, options: &Options) -> Import {
    let tenant = tenant(options, &mut facts, org);
    let base_url = base_url(options, &tenant, &mut facts);
    let channel = org::channel(&facts, org).cloned();
    let channel = channel.as_ref();
    let mut buttons = buttons::table(&mut facts, org, channel);
    let plans = plan::make(&tenant, &mut facts, channel, &mut buttons);
    let attributes = plan::union(&plans);
    let deployments = facts.deployment_components.iter();
    let deployment_settings: Vec<Setting> =
        deployments.flat_map(|c| settings::deployment(c, channel)).collect();
    let missing = tenant_file::missing(org);
    let mapping = plan::loaded(&plans, &mut facts);
    let todo = todo::list(&todo::Known {
        facts: &facts,
        org,
        channel,
        attributes: &attributes,
        buttons: &buttons,
        deployments: &deployment_settings,
        missing: &missing,
        mapping: &mapping,
        base_url: &base_url,
    });
    let paths: Vec<String> = plans.iter().map(|plan| plan.path.clone()).collect();
    let tenant_text = tenant_file::compose(&tenant, org, &buttons, &facts, &paths);
    let mut problems = facts.problems;
    problems.sort_by(|a, b| (a.severity, &a.file, a.line).cmp(&(b.severity, &b.file, b.line)));
    problems.dedup();
    problems.truncate(MAX_PROBLEMS);
    let mut import = Import {
        ok: problems.iter().all(|problem| problem.severity != Severity::Error),
        tenant,
        base_url,
        recognized: facts.recognized,
        unrecognized,
        problems,
        missing,
        buttons,
        deployment_settings,
        attributes,
        todo,
        files: Vec::new(),
    };
    import.files = files(&import, tenant_text, &plans);
    import
}

fn base_url(options: &Options, tenant: &str, facts: &mut Facts) -> String {
    let bridge = options.bridge.as_deref().map(|address| id::base_url(address, true));
    let bridge = match bridge {
        Some(Ok(address)) => address,
        Some(Err(message)) => {
            facts.problems.push(Problem::about(
                Severity::Error,
                "",
                format!("--bridge: {message}"),
            ));
            UNKNOWN_BRIDGE.to_owned()
        }
        None => UNKNOWN_BRIDGE.to_owned(),
    };
    format!("{bridge}/t/{tenant}")
}

fn files(import: &Import, tenant: String, plans: &[Plan]) -> Vec<Output> {
    let output = |path: &str, text: String| Output { path: path.to_owned(), text };
    let mut files = vec![
        output("bridge.toml", tenant_file::main_file().to_owned()),
        output(&format!("tenants/{}.toml", import.tenant), tenant),
    ];
    files.extend(plans.iter().map(|plan| output(&plan.path, plan.text())));
    if !import.buttons.is_empty() || !import.deployment_settings.is_empty() {
        files.push(output("buttons.md", render::buttons(import)));
    }
    files.push(output("todo.md", render::todo(import)));
    files
}
