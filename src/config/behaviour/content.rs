//! The keys of `[tenant.behaviour]` about what passes through chats besides text.

use super::super::section::Section;
use super::super::values::{self, DURATION};
use super::life::url;
use super::{HOUR, SECOND, optional_text, word};
use crate::chat::policy::{AgentFiles, Content, Rich, Uploads};
use crate::chat::text::Text;

/// What MIAW takes (miaw.md 2.5).
const LARGEST_FILE: usize = 5 << 20;
const AGENT_FILES: [(&str, AgentFiles); 2] =
    [("link", AgentFiles::Link), ("file_transfer", AgentFiles::FileTransfer)];
const UPLOADS: [(&str, u8); 3] = [("off", 0), ("offer", 1), ("on_request", 2)];

const RICH: [(&str, Rich); 3] =
    [("numbered_text", Rich::NumberedText), ("rich_message", Rich::Message), ("both", Rich::Both)];

/// Reads them; what is absent keeps its default.
pub(super) fn read(section: &Section<'_>) -> Content {
    Content {
        agent_files: word(section, "agent_files", &AGENT_FILES),
        uploads: uploads(section),
        file_bytes_max: section.read(
            "file_max_bytes",
            Content::default().file_bytes_max,
            "bytes, at most 5 MB",
            |text| values::number(text, 1, LARGEST_FILE).map(|bytes| bytes as u64),
        ),
        file_cancel_text: optional_text(section, "file_cancel_text")
            .map(|words| Text::from(words.trim())),
        file_types: file_types(section),
        upload_url: section.optional("upload_url", "an absolute address", url),
        rich: word(section, "rich", &RICH),
        form_wait: section.read("form_wait", Content::default().form_wait, DURATION, |text| {
            values::duration(text, SECOND, HOUR)
        }),
        answers_as_text: word(section, "choice_answers", &[("response", false), ("text", true)]),
    }
}

/// Extensions of what MIAW takes, and their types (miaw.md 5.5).
pub const FILE_TYPES: [(&str, &str); 23] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("rtf", "application/rtf"),
    ("xml", "application/xml"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
];

/// What the deployment takes.
fn file_types(section: &Section<'_>) -> Option<Vec<String>> {
    let written = section.texts("file_types")?;
    let mut read = Vec::new();
    for text in written {
        let extension = text.value.trim().trim_start_matches('.').to_ascii_lowercase();
        if FILE_TYPES.iter().any(|(known, _)| *known == extension) {
            read.push(extension);
            continue;
        }
        let known: Vec<&str> = FILE_TYPES.iter().map(|(known, _)| *known).collect();
        let problem = text.at.says(format!("`{extension}` is no extension that is known"));
        section.cx.found.problem(problem.expected(known.join(", ")));
    }
    Some(read)
}

/// When the visitor is asked for a file.
fn uploads(section: &Section<'_>) -> Uploads {
    let words = optional_text(section, "file_request_text");
    match (word(section, "file_upload", &UPLOADS), words) {
        (2, Some(words)) => Uploads::OnRequest(Text::from(words.trim())),
        (2, None) => {
            let problem = section.at_key("file_request_text").says("is missing");
            let expected = "the words by which an agent asks for a file, e.g. \"#file\"";
            section.cx.found.problem(problem.expected(expected));
            Uploads::Off
        }
        (1, _) => Uploads::Offer,
        _ => Uploads::Off,
    }
}
