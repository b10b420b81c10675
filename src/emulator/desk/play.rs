//! What the business's side can show in MIAW beyond words: questions, files, bots, further people.
//!
//! Promised: shapes as miaw.md 6 and 7 have them. Not promised: that a real org sends each of them
//! to a custom client.

use serde::Deserialize;
use serde_json::Value;

/// Who shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The agent, or a bot while there is none.
    #[default]
    Agent,
    /// A bot.
    Bot,
    /// The platform.
    System,
    /// A supervisor.
    Supervisor,
}

/// Something beyond words; MIAW chats only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "play")]
pub enum Play {
    /// Words of somebody else than the agent.
    Say {
        /// Who speaks.
        by: By,
        /// What.
        text: String,
        /// Whether it is an automated response.
        #[serde(default)]
        automated: bool,
    },
    /// A question with options `o1`, `o2` and so on.
    Choices {
        /// Who asks.
        #[serde(default)]
        by: By,
        /// `Buttons`, `QuickReplies`, `ListPicker` or `Carousel`.
        format: String,
        /// The question.
        text: String,
        /// The titles.
        options: Vec<String>,
    },
    /// A form of text fields `f1`, `f2` and so on; `Label=a|b` is one with options `a` and `b`.
    Form {
        /// Its title.
        title: String,
        /// The labels.
        fields: Vec<String>,
    },
    /// Any message: the members of `abstractMessage` without its id.
    Message {
        /// Who sends it.
        #[serde(default)]
        by: By,
        /// The members.
        message: Value,
    },
    /// A file of these words.
    File {
        /// Its name.
        name: String,
        /// Its contents.
        text: String,
    },
    /// A bot joins or leaves.
    Bot {
        /// Whether it joins.
        on: bool,
    },
    /// A bot joins with a menu of entries `m1`, `m2` and so on.
    BotWithMenu {
        /// The titles.
        menu: Vec<String>,
    },
    /// A further agent joins or leaves.
    Conference {
        /// Whether one joins.
        on: bool,
    },
    /// A supervisor joins or leaves.
    Supervisor {
        /// Whether one joins.
        on: bool,
    },
    /// The agent starts a transfer, leaves, and nobody is there yet.
    TransferStarts,
    /// The agent starts a transfer, and stays until somebody takes it.
    TransferAsked,
    /// The transfer comes to nothing.
    TransferFails,
    /// The agent leaves without a word.
    Leave,
    /// The next agent comes.
    Join,
    /// The session is inactive.
    Inactive,
    /// The wait is told, with the routing.
    Wait {
        /// Seconds.
        seconds: i64,
    },
}
