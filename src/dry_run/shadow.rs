//! Reads shadow counts, line by line.
//!
//! Promised: a line that cannot be read is reported by its number and left out.

use crate::report::codes::platform::{RP102, RP103};
use crate::report::evidence::Evidence;
use crate::report::shadow::Shadow;
use crate::report::sources::Sources;
use crate::time::Wall;

/// Reads a file's text into the counts of the tenants named.
pub fn read(name: &str, text: &str, ids: &[&str], sources: &mut Sources) -> Evidence {
    let mut found = Vec::new();
    let mut until: Option<Wall> = None;
    let mut strangers = 0_u64;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (i, line) in lines {
        match Shadow::read(line) {
            Err(error) => found.push(RP102.at(format!("{name}:{}", i + 1), error)),
            Ok(one) if !ids.contains(&one.tenant.as_str()) => strangers += one.inits,
            Ok(one) => {
                until = until.max(Wall::parse(&one.until).ok());
                sources.shadow.entry(one.tenant.clone()).or_default().push(one);
            }
        }
    }
    if strangers > 0 {
        found.push(RP103.at(name, format!("{strangers} shadowed chats of other tenants")));
    }
    if let Some(first) = ids.first() {
        let first = (*first).to_owned();
        sources.found.extend(found.into_iter().map(|finding| (first.clone(), finding)));
    }
    Evidence::of(name, "shadow", text.as_bytes()).dated(until)
}
