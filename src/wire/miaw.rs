//! Messaging for In-App and Web, API v2: paths, events, requests, answers and entries.
//!
//! Promised: enums keep values they do not know, optional members tolerate `null`, `entryPayload`
//! reads as JSON text and as an object. Not promised: forms, citations and media are kept as JSON.

pub mod entry;
pub mod event;
pub mod message;
pub mod rest;

/// The prefix of every REST operation.
pub const BASE: &str = "/iamessage/api/v2";
/// The event stream.
pub const SSE_PATH: &str = "/eventrouter/v1/sse";
/// The org's 15-character id; required on the stream.
pub const ORG_ID: &str = "x-org-id";
/// The resume position of the stream.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// 400: the conversation's or message's id is not a lower-case version 4 UUID.
pub const CONVERSATION_ID_FORMAT: &str = "Specify the conversationId in UUID format.";
/// 400: the deployment is not a Custom Client.
pub const DEPLOYMENT_TYPE: &str = "Set the esDeveloperName to a deploymentType that's set to api";
/// 400 on the stream: the header's org is not the token's.
pub const ORG_MISMATCH: &str = "OrgId in the header and token must match";
/// 401: the token's time is up.
pub const JWT_EXPIRED: &str = "Jwt is expired";
/// 401: there is no token.
pub const JWT_MISSING: &str = "Jwt is missing";
/// 401: the token is not ours.
pub const JWT_INVALID: &str = "Jwt verification fails";

/// An enum of texts that keeps what it does not know.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// Any other text, as received.
            Unknown(String),
        }

        impl $name {
            /// The text on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Unknown(String::new())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = crate::wire::lenient::text(from)?;
                Ok(Self::from(text.unwrap_or_default().as_str()))
            }
        }
    };
}
use open_enum;

/// Whether a text is a lower-case version 4 UUID, the only form Salesforce takes for ids.
#[must_use]
pub fn is_lower_v4(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::is_lower_v4;

    #[test]
    fn only_lower_case_version_4_uuids_pass() {
        for (text, passes) in [
            ("f14a6516-0e6e-43cf-bd5f-b1ddcb932d0e", true),
            ("F14A6516-0E6E-43CF-BD5F-B1DDCB932D0E", false),
            ("f14a6516-0e6e-13cf-bd5f-b1ddcb932d0e", false),
            ("f14a6516-0e6e-43cf-cd5f-b1ddcb932d0e", false),
            ("f14a65160e6e43cfbd5fb1ddcb932d0e", false),
            ("", false),
        ] {
            assert_eq!(is_lower_v4(text), passes, "{text}");
        }
    }
}
