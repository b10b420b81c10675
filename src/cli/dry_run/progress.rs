//! A bar for captured chats, where somebody watches.
//!
//! Promised: it is drawn on a terminal only and leaves nothing behind.

use std::io::{IsTerminal, Write};

/// The bar's width in characters.
const BAR: usize = 30;

/// A bar on the terminal that reads the standard error; nothing anywhere else.
pub(super) struct Progress {
    size: u64,
    percent: Option<u64>,
    watched: bool,
}

impl Progress {
    pub(super) fn new(size: u64) -> Self {
        Self { size, percent: None, watched: std::io::stderr().is_terminal() }
    }

    pub(super) fn at(&mut self, bytes: usize) {
        let done = u64::try_from(bytes).unwrap_or(u64::MAX);
        let percent = done.saturating_mul(100).checked_div(self.size).unwrap_or(100).min(100);
        if !self.watched || self.percent == Some(percent) {
            return;
        }
        self.percent = Some(percent);
        let filled = usize::try_from(percent).unwrap_or(100) * BAR / 100;
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(BAR - filled));
        // A bar that cannot be drawn is no reason to stop.
        let _ = write!(std::io::stderr(), "\rreading captured chats [{bar}] {percent:3} %");
    }

    pub(super) fn done(&self) {
        if self.percent.is_some() {
            let _ = write!(std::io::stderr(), "\r{:width$}\r", "", width = BAR + 40);
        }
    }
}
