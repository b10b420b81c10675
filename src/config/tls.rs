//! `[tls]`: the certificate of a listener.
//!
//! Promised: a pair that was read could serve; what is wrong with it is told at the key that names
//! the file.

use super::section::Section;
use crate::serve::TlsFiles;
use crate::serve::tls::{Pair, Which};

const CERTIFICATE: &str = "a PEM file with the certificate and those that lead to an authority";
const KEY: &str = "a PEM file with the private key of the certificate";

/// Reads the section, and both files to see whether they fit.
pub(super) fn read(section: Section<'_>) -> Option<TlsFiles> {
    let certificate = section.required("certificate_file", CERTIFICATE);
    let key = section.required("key_file", KEY);
    let found = section.cx.found;
    let folder = section.cx.source.folder().to_owned();
    let texts = [("certificate_file", &certificate), ("key_file", &key)];
    for (name, text) in texts {
        let contents = text.as_ref().and_then(|text| std::fs::read(folder.join(&text.value)).ok());
        contents.inspect(|contents| section.wrote_file(name, contents));
    }
    section.finish();
    let (certificate, key) = (certificate?, key?);
    let files =
        TlsFiles { certificate: folder.join(&certificate.value), key: folder.join(&key.value) };
    if let Err(error) = Pair::read(files.clone()) {
        let at = match error.which {
            Which::Certificate => certificate.at,
            Which::Key => key.at,
        };
        found.problem(at.says(error.message).expected(error.expected));
        return None;
    }
    Some(files)
}
