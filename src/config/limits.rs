//! `[limits]`: every bound of the process in one place, each with its unit in its name.
//!
//! Promised: the `Default` is what a file without the section gets; the keys of the file are the
//! names of the fields.

use super::section::Section;
use super::values;

/// Declares the limits once: field, default, smallest and largest allowed value.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:literal, $min:literal ..= $max:literal;)*) => {
        /// Every bound of the process.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])* pub $name: usize,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// Name, default, smallest and largest value of every limit.
            pub const ALL: &'static [(&'static str, usize, usize, usize)] =
                &[$((stringify!($name), $default, $min, $max),)*];

            /// Name and value of every limit.
            #[must_use]
            pub fn values(&self) -> Vec<(&'static str, usize)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// Reads the section; what is absent keeps its default.
            pub(super) fn read(section: Section<'_>) -> Self {
                let limits = Self {
                    $($name: section.read(
                        stringify!($name),
                        $default,
                        concat!("a whole number from ", $min, " to ", $max),
                        |text| values::number(text, $min, $max),
                    ),)*
                };
                section.finish();
                limits
            }
        }
    };
}

limits! {
    /// The largest request body that is read, in bytes.
    request_body_bytes = 65_536, 1_024 ..= 16_777_216;
    /// All request headers together, in bytes.
    request_head_bytes = 16_384, 4_096 ..= 1_048_576;
    /// How many headers a request may have.
    request_headers = 100, 16 ..= 1_000;
    /// How long the headers of a request may take to arrive, in seconds.
    request_head_seconds = 10, 1 ..= 300;
    /// The largest file that a visitor may upload, in bytes; MIAW takes 5 MB.
    upload_bytes = 5_000_000, 1_024 ..= 104_857_600;
    /// How long the body of a request may take to arrive, in seconds.
    request_body_seconds = 30, 1 ..= 300;
    /// Connections from clients that are open at once.
    connections = 20_000, 16 ..= 1_000_000;
    /// How long the TLS handshake of a client may take, in seconds.
    tls_handshake_seconds = 10, 1 ..= 300;
    /// Live chats of one tenant.
    chats_per_tenant = 10_000, 1 ..= 1_000_000;
    /// Requests of one tenant that are under way at once, held polls included.
    requests_per_tenant = 15_000, 1 ..= 1_000_000;
    /// Sessions of one tenant that may begin in a second.
    sessions_per_tenant_second = 500, 1 ..= 1_000_000;
    /// Sessions that one address may begin in a second; 0 for any number.
    sessions_per_address_second = 0, 0 ..= 1_000_000;
    /// How long a session may wait for its chat, in seconds.
    waiting_session_seconds = 120, 10 ..= 3_600;
    /// Inputs of one chat that wait for its task.
    inbox_per_chat = 64, 4 ..= 10_000;
    /// The largest answer of Salesforce that is read, in bytes.
    response_body_bytes = 1_048_576, 16_384 ..= 67_108_864;
    /// How long a call to Salesforce may take, in seconds.
    call_seconds = 15, 1 ..= 300;
    /// How long connecting to Salesforce may take, in seconds.
    connect_seconds = 5, 1 ..= 60;
    /// How long an ended chat is kept, in hours.
    retention_hours = 24, 1 ..= 8_760;
    /// How long running requests may take to finish when the process is told to stop, in seconds.
    shutdown_seconds = 30, 1 ..= 600;
}
