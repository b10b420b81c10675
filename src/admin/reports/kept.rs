//! The dry-run reports that this process keeps: in a folder if there is one, else in memory.
//!
//! Promised: a report is known by the SHA-256 of its JSON, and what is given out has that hash; at
//! most `REPORTS_MAX` of a tenant and `BYTES_MAX` in memory are kept, and a signed report gives way
//! after those that nobody signed; files of signed reports are never deleted. Not promised: that
//! reports in memory outlive the process, or that other nodes see them; signatures do both, for
//! they are changes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::mapping::keys::hex;

/// Reports of a tenant that are listed.
pub(in super::super) const REPORTS_MAX: usize = 20;
/// What all reports in memory may take together, in bytes.
pub(in super::super) const BYTES_MAX: usize = 64 * 1024 * 1024;

/// A report in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct About {
    /// SHA-256 of its JSON.
    pub report: String,
    pub tenant: String,
    pub made_at: String,
    pub made_by: String,
    pub as_of: String,
    pub verdict: String,
    pub errors: u64,
    pub warnings: u64,
    pub notes: u64,
    pub accepted: u64,
    pub documents: u64,
    pub evidence_hash: String,
    /// SHA-256 of each mapping file it was made with.
    pub mappings: Vec<String>,
    pub bytes: usize,
}

/// Both forms of a report.
#[derive(Clone)]
pub(in super::super) struct Texts {
    pub json: Arc<str>,
    pub html: Arc<str>,
}

impl Texts {
    fn bytes(&self) -> usize {
        self.json.len() + self.html.len()
    }

    /// What the report is known by.
    pub(in super::super) fn hash(&self) -> String {
        hash(&self.json)
    }
}

struct Kept {
    about: About,
    /// `None`: its files have them.
    texts: Option<Texts>,
}

/// The reports.
pub(in super::super) struct Reports {
    folder: Option<PathBuf>,
    /// Oldest first.
    list: Mutex<Vec<Kept>>,
    /// One dry run at a time: it takes a core.
    pub making: Semaphore,
}

/// Why a report is not given out.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Missing {
    #[error("no such report is kept here")]
    Unknown,
    #[error("the report's file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the report's file was changed since it was made: its SHA-256 is another one")]
    Changed,
}

impl Reports {
    /// Those of a folder, or none yet.
    pub(in super::super) fn open(folder: Option<&Path>) -> Self {
        let mut all = folder.map(listed).unwrap_or_default();
        all.sort_by(|a, b| (&a.made_at, &a.report).cmp(&(&b.made_at, &b.report)));
        let list = all.into_iter().map(|about| Kept { about, texts: None }).collect();
        let folder = folder.map(Path::to_owned);
        Self { folder, list: Mutex::new(list), making: Semaphore::new(1) }
    }

    /// Whether reports outlive the process.
    pub(in super::super) const fn lasting(&self) -> bool {
        self.folder.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reports of a tenant, newest first.
    pub(in super::super) fn of(&self, tenant: &str) -> Vec<About> {
        let list = self.lock();
        let own = list.iter().rev().filter(|kept| kept.about.tenant == tenant);
        own.map(|kept| kept.about.clone()).collect()
    }

    /// One report of a tenant.
    pub(in super::super) fn find(&self, tenant: &str, report: &str) -> Result<About, Missing> {
        let list = self.lock();
        let found = list.iter().find(|kept| kept.is(tenant, report));
        found.map(|kept| kept.about.clone()).ok_or(Missing::Unknown)
    }

    /// Its two forms; reads files.
    pub(in super::super) fn texts(&self, tenant: &str, report: &str) -> Result<Texts, Missing> {
        let kept = {
            let list = self.lock();
            let found = list.iter().find(|kept| kept.is(tenant, report));
            found.map(|kept| kept.texts.clone()).ok_or(Missing::Unknown)?
        };
        let texts = match (kept, &self.folder) {
            (Some(texts), _) => texts,
            (None, Some(folder)) => {
                let read = |end: &str| std::fs::read_to_string(file(folder, report, end));
                Texts { json: read("json")?.into(), html: read("html")?.into() }
            }
            (None, None) => return Err(Missing::Unknown),
        };
        if texts.hash() == report { Ok(texts) } else { Err(Missing::Changed) }
    }

    /// Keeps a report; the same one again is the one that is there. Writes files.
    pub(in super::super) fn keep(
        &self,
        about: About,
        texts: Texts,
        signed: &BTreeSet<String>,
    ) -> io::Result<About> {
        if let Ok(known) = self.find(&about.tenant, &about.report) {
            return Ok(known);
        }
        let texts = match &self.folder {
            Some(folder) => {
                write(folder, &about, &texts)?;
                None
            }
            None => Some(texts),
        };
        let mut list = self.lock();
        list.push(Kept { about: about.clone(), texts });
        while let Some(at) = surplus(&list, &about.tenant, signed) {
            let gone = list.remove(at).about.report;
            if let Some(folder) = self.folder.as_ref().filter(|_| !signed.contains(&gone)) {
                for end in ["json", "html", "about.json"] {
                    // What cannot be deleted is listed again after a restart: no harm.
                    let _ = std::fs::remove_file(file(folder, &gone, end));
                }
            }
        }
        Ok(about)
    }
}

impl Kept {
    fn is(&self, tenant: &str, report: &str) -> bool {
        self.about.tenant == tenant && self.about.report == report
    }
}

/// Which report has to give way, if one has to: never the newest.
fn surplus(list: &[Kept], tenant: &str, signed: &BTreeSet<String>) -> Option<usize> {
    let held = |kept: &Kept| kept.texts.as_ref().map_or(0, Texts::bytes);
    let too_many = list.iter().filter(|kept| kept.about.tenant == tenant).count() > REPORTS_MAX;
    let too_much = list.iter().map(held).sum::<usize>() > BYTES_MAX;
    let older = list.iter().enumerate().take(list.len().saturating_sub(1));
    let may_go = older.filter(|(_, kept)| match too_many {
        true => kept.about.tenant == tenant,
        false => too_much,
    });
    let first = may_go.min_by_key(|(at, kept)| (signed.contains(&kept.about.report), *at));
    first.map(|(at, _)| at)
}

fn hash(json: &str) -> String {
    hex(digest(&SHA256, json.as_bytes()).as_ref(), usize::MAX)
}

/// Reports are named by their hash, so that no name of anybody's is part of a path.
fn file(folder: &Path, report: &str, end: &str) -> PathBuf {
    folder.join(format!("{report}.{end}"))
}

fn write(folder: &Path, about: &About, texts: &Texts) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(file(folder, &about.report, "json"), texts.json.as_bytes())?;
    std::fs::write(file(folder, &about.report, "html"), texts.html.as_bytes())?;
    // The last one: a report without it is not listed.
    std::fs::write(file(folder, &about.report, "about.json"), serde_json::to_vec_pretty(about)?)
}

/// What a folder has; a file that cannot be read is told in the log and left alone.
fn listed(folder: &Path) -> Vec<About> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let named = files.filter_map(Result::ok).map(|entry| entry.path());
    let about = named.filter(|path| path.to_string_lossy().ends_with(".about.json"));
    about
        .filter_map(|path| {
            let read = std::fs::read(&path).map_err(|error| error.to_string());
            let read = read.and_then(|bytes| {
                serde_json::from_slice::<About>(&bytes).map_err(|error| error.to_string())
            });
            let own = |about: &About| path == file(folder, &about.report, "about.json");
            match read {
                Ok(about) if own(&about) => Some(about),
                Ok(_) => None,
                Err(error) => {
                    let file = path.display();
                    tracing::warn!(%file, error, "a kept report cannot be read; it is not listed");
                    None
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(tenant: &str, number: usize) -> (About, Texts) {
        let texts = Texts { json: format!("{tenant} {number}").into(), html: "<p>".into() };
        let about = About {
            report: texts.hash(),
            tenant: tenant.to_owned(),
            made_at: format!("2026-01-10T09:00:{number:02}Z"),
            made_by: "lee".to_owned(),
            as_of: String::new(),
            verdict: "clean".to_owned(),
            errors: 0,
            warnings: 0,
            notes: 0,
            accepted: 0,
            documents: 1,
            evidence_hash: String::new(),
            mappings: Vec::new(),
            bytes: texts.json.len(),
        };
        (about, texts)
    }

    #[test]
    fn unsigned_reports_give_way_first_and_other_tenants_are_left_alone() {
        let reports = Reports::open(None);
        let (other, texts) = report("other", 0);
        reports.keep(other, texts, &BTreeSet::new()).unwrap();
        let (first, texts) = report("acme", 0);
        let signed = BTreeSet::from([first.report.clone()]);
        reports.keep(first.clone(), texts.clone(), &signed).unwrap();
        assert_eq!(reports.keep(first.clone(), texts, &signed).unwrap(), first);
        for number in 1..=REPORTS_MAX {
            let (about, texts) = report("acme", number);
            reports.keep(about, texts, &signed).unwrap();
        }
        let own = reports.of("acme");
        assert_eq!((own.len(), reports.of("other").len()), (REPORTS_MAX, 1));
        assert_eq!(own.last(), Some(&first));
        assert!(!own.contains(&report("acme", 1).0));
        assert!(matches!(reports.texts("other", &first.report), Err(Missing::Unknown)));
    }

    #[test]
    fn a_folder_outlives_the_process_and_a_changed_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (about, texts) = report("acme", 1);
        let reports = Reports::open(Some(folder.path()));
        reports.keep(about.clone(), texts.clone(), &BTreeSet::new()).unwrap();
        std::fs::write(folder.path().join("x.about.json"), "{").unwrap();
        let again = Reports::open(Some(folder.path()));
        assert_eq!(again.of("acme"), std::slice::from_ref(&about));
        assert_eq!(again.texts("acme", &about.report).unwrap().json, texts.json);
        std::fs::write(file(folder.path(), &about.report, "json"), "other").unwrap();
        assert!(matches!(again.texts("acme", &about.report), Err(Missing::Changed)));
        for number in 2..=REPORTS_MAX + 1 {
            let (about, texts) = report("acme", number);
            again.keep(about, texts, &BTreeSet::new()).unwrap();
        }
        assert!(!file(folder.path(), &about.report, "json").exists());
    }
}
