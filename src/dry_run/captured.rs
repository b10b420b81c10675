//! Reads captured chats, line by line.
//!
//! Promised: a line that cannot be read is reported by its number and left out.

use std::io::{BufRead, Read};

use anyhow::Context as _;
use aws_lc_rs::digest::{Context as Hasher, SHA256};

use crate::report::captured::{CapturedLine, LONGEST_LINE};
use crate::report::codes::platform::{RP102, RP103};
use crate::report::evidence::Evidence;
use crate::report::sources::Sources;
use crate::time::Wall;

/// How many unreadable lines are reported one by one.
const MAX_LINES_REPORTED: usize = 20;

/// Reads chats into the traffic of the tenants named; `progress` hears how many bytes were read.
///
/// # Errors
/// When nothing more can be read, or it is no capture.
pub fn read(
    name: &str,
    reader: &mut impl BufRead,
    ids: &[&str],
    sources: &mut Sources,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<Evidence> {
    let mut hasher = Hasher::new(&SHA256);
    let (mut line, mut number, mut bytes) = (Vec::new(), 0_usize, 0_usize);
    let mut seen = Seen::default();
    loop {
        line.clear();
        let longest = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX).saturating_add(2);
        let got = reader.take(longest).read_until(b'\n', &mut line);
        let got = got.with_context(|| format!("cannot read {name}"))?;
        if got == 0 {
            break;
        }
        (number, bytes) = (number + 1, bytes + got);
        hasher.update(&line);
        if line.len() > LONGEST_LINE && line.last() != Some(&b'\n') {
            anyhow::bail!("{name}:{number}: longer than {LONGEST_LINE} bytes; is it a capture?");
        }
        seen.line(number, &line, ids, sources);
        progress(bytes);
    }
    let last = seen.last;
    seen.report(name, ids, sources);
    Ok(Evidence::hashed(name, "captured", bytes, hasher.finish().as_ref()).dated(last))
}

/// What went wrong while reading.
#[derive(Default)]
struct Seen {
    /// The last start of all readable lines.
    last: Option<Wall>,
    unreadable: Vec<(usize, String)>,
    more_unreadable: usize,
    strangers: usize,
    left_out: usize,
}

impl Seen {
    fn line(&mut self, number: usize, line: &[u8], ids: &[&str], sources: &mut Sources) {
        let text = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned());
        let line = match text.map(str::trim) {
            Ok("") => return,
            Ok(text) => CapturedLine::read(text),
            Err(error) => Err(error),
        };
        if let Ok(CapturedLine::Init(init)) = &line {
            self.last = self.last.max(Some(init.instant()));
        }
        match line {
            Ok(line) if !ids.contains(&line.tenant()) => {
                self.strangers += usize::from(matches!(line, CapturedLine::Init(_)));
            }
            Ok(line) => {
                let traffic = match sources.traffic.get_mut(line.tenant()) {
                    Some(traffic) => traffic,
                    None => sources.traffic.entry(line.tenant().to_owned()).or_default(),
                };
                match &line {
                    CapturedLine::Init(init) => self.left_out += usize::from(!traffic.add(init)),
                    CapturedLine::End(end) => traffic.end(end),
                }
            }
            Err(error) if self.unreadable.len() < MAX_LINES_REPORTED => {
                self.unreadable.push((number, error));
            }
            Err(_) => self.more_unreadable += 1,
        }
    }

    fn report(self, name: &str, ids: &[&str], sources: &mut Sources) {
        let Some(first) = ids.first() else { return };
        let mut add = |finding| sources.found.push(((*first).to_owned(), finding));
        for (number, error) in self.unreadable {
            add(RP102.at(format!("{name}:{number}"), error));
        }
        if self.more_unreadable > 0 {
            add(RP102.at(name, format!("{} more lines", self.more_unreadable)));
        }
        if self.left_out > 0 {
            add(RP102.at(name, format!("{} chats beyond the limit of a report", self.left_out)));
        }
        if self.strangers > 0 {
            add(RP103.at(name, format!("{} chats of other tenants", self.strangers)));
        }
    }
}
