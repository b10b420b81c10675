//! A messaging channel: its parameters, and what else its file says.
//!
//! Promised: keys are compared exactly unless a function says otherwise.

use super::{Component, Kind, Located, fold};

/// A messaging channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// Its file's simple settings.
    pub component: Component,
    /// Those of `embeddedConfig`.
    pub embedded: Component,
    /// Standard and custom parameters.
    pub parameters: Vec<Parameter>,
    /// A JSON list: nothing but the parameters is known.
    pub listed: bool,
}

/// A channel parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The attribute key: `externalParameterName`, or `_firstName` and its like.
    pub key: Located,
    /// Its developer name.
    pub name: String,
    /// One of the standard parameters.
    pub standard: bool,
    /// `maxLength`
    pub max_len: Option<usize>,
    /// `parameterDataType`; empty when the file does not say.
    pub data_type: String,
    /// The flow variable it is mapped to.
    pub flow_variable: Option<String>,
    /// Where it stands in its file: `customParameters[2]`.
    pub path: String,
}

impl Parameter {
    /// Is it known to be of another type than text?
    #[must_use]
    pub fn is_not_text(&self) -> bool {
        let text = ["string", "text"].iter().any(|t| self.data_type.eq_ignore_ascii_case(t));
        !self.data_type.is_empty() && !text
    }
}

/// How a parameter answers to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit<'c> {
    /// The key is declared.
    Exact(&'c Parameter),
    /// Exactly one parameter has the same letters and digits in another spelling.
    Alike(&'c Parameter),
}

impl<'c> Fit<'c> {
    /// The parameter.
    #[must_use]
    pub const fn parameter(self) -> &'c Parameter {
        match self {
            Self::Exact(parameter) | Self::Alike(parameter) => parameter,
        }
    }
}

/// The attribute key of a standard parameter.
#[must_use]
pub fn standard_key(kind: &str) -> Option<&'static str> {
    match kind {
        "FirstName" => Some("_firstName"),
        "LastName" => Some("_lastName"),
        "Email" => Some("_email"),
        "Subject" => Some("_subject"),
        _ => None,
    }
}

impl Channel {
    /// Its developer name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.component.developer_name
    }

    /// Its file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.component.place.file
    }

    /// The parameter of exactly this key.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.key.value == key)
    }

    /// The parameter for this key, or else the only one whose key or name is spelled alike one of
    /// `names`; standard parameters are found by their key alone.
    pub fn fit<'n>(
        &self,
        key: &'n str,
        names: impl Iterator<Item = &'n str>,
        usable: &dyn Fn(&Parameter) -> bool,
    ) -> Option<Fit<'_>> {
        if let Some(exact) = self.parameter(key).filter(|p| p.standard || usable(p)) {
            return Some(Fit::Exact(exact));
        }
        let custom = || self.parameters.iter().filter(|p| !p.standard && usable(p));
        let alike = std::iter::once(key).chain(names).map(fold).find_map(|name| {
            let mut fits = custom().filter(|p| {
                !name.is_empty() && (fold(&p.key.value) == name || fold(&p.name) == name)
            });
            let first = fits.next()?;
            fits.next().is_none().then_some(first)
        });
        alike.map(Fit::Alike)
    }

    /// The text of a setting, of the channel or of its `embeddedConfig`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.component.get(name).or_else(|| self.embedded.get(name))?;
        Some(found.value.as_str())
    }

    /// Is the switch on? `None` when the file does not say.
    #[must_use]
    pub fn on(&self, name: &str) -> Option<bool> {
        self.get(name).map(|text| text.eq_ignore_ascii_case("true"))
    }

    /// A whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// The token's life in seconds, where the file names it.
    #[must_use]
    pub fn token_life_s(&self) -> Option<u64> {
        let verified = self.get("authMode").is_some_and(|m| m.eq_ignore_ascii_case("Auth"));
        let name = match verified {
            true => "verifiedUserJwtExpirationTime",
            false => "anonymousUserJwtExpirationTime",
        };
        self.number(name).map(|minutes| minutes.saturating_mul(60))
    }
}

/// The channel behind a deployment: the one its `EmbeddedServiceConfig` names, the only one there
/// is, or the one of the same developer name.
#[must_use]
pub fn of_deployment<'c>(
    channels: &'c [Channel],
    components: &[Component],
    deployment: &str,
) -> Option<&'c Channel> {
    let named = |name: &str| channels.iter().find(|c| fold(c.name()) == fold(name));
    let config = components.iter().find(|c| {
        c.kind == Kind::EmbeddedServiceConfig && c.developer_name.eq_ignore_ascii_case(deployment)
    });
    let by_config = config.and_then(|config| named(&config.joined("messagingChannel")?));
    match (by_config, channels) {
        (Some(channel), _) => Some(channel),
        (None, [only]) => Some(only),
        (None, _) => named(deployment),
    }
}
