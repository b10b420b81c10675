//! Names of pre-chat, without what looks like somebody's data.
//!
//! Labels and field names are configuration, but a client's program can build them from values, and
//! whoever can reach the bridge can send any. Promised: a name holds no e-mail address, no link, no
//! long number, no value of the same chat and not the visitor's name; each is replaced by a mark of
//! its kind, so that the same label stays the same label. Not promised: a person's name that stands
//! in a label and nowhere else in the request.

/// The longest name that is written, in characters.
const LONGEST_NAME: usize = 120;
/// A run of this many digits is somebody's number: of an order, a phone, a card.
const DIGITS: usize = 5;
/// Values shorter than this are in every other word.
const SHORTEST_VALUE: usize = 4;
/// Values of one chat that names are searched for; far more than real forms have.
const VALUES_MAX: usize = 200;
/// What programs send for a visitor without a name; real labels begin with these words.
const NOBODY: [&str; 8] =
    ["visitor", "guest", "customer", "user", "unknown", "anonymous", "website", "chat"];

/// The values of one chat, to be found in no name.
pub(super) struct Cleaner {
    values: Vec<String>,
}

impl Cleaner {
    /// Of these values; blank and short ones are in every name anyway.
    pub(super) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let values = values.into_iter().map(|value| value.trim().to_lowercase());
        let telling = |value: &String| {
            value.chars().count() >= SHORTEST_VALUE && !NOBODY.contains(&value.as_str())
        };
        Self { values: values.filter(telling).take(VALUES_MAX).collect() }
    }

    /// The name as it may be written.
    pub(super) fn name(&self, text: &str) -> String {
        let text: String = text.trim().chars().take(LONGEST_NAME).collect();
        if is_field_id(&text) {
            return text;
        }
        let text = self.values.iter().fold(text, |text, value| without(&text, value));
        let words = text.split(' ').map(|word| match () {
            () if word.contains('@') => "<e-mail>".to_owned(),
            () if word.contains("://") || word.starts_with("www.") => "<link>".to_owned(),
            () => word.to_owned(),
        });
        let text = words.collect::<Vec<_>>().join(" ");
        let text = without_numbers(&text);
        text.chars().take(LONGEST_NAME).collect()
    }
}

/// The id of a custom field, which snippets of Salesforce's have as labels.
fn is_field_id(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric());
    matches!(text.len(), 15 | 18) && text.starts_with("00N") && plain
}

/// Without this lower-case value where it stands as a word of its own.
fn without(text: &str, value: &str) -> String {
    let lower = text.to_lowercase();
    // Lengths differ for a few letters only; then the whole name is given up if it holds the value.
    if lower.len() != text.len() {
        return if lower.contains(value) { "<value>".to_owned() } else { text.to_owned() };
    }
    let (mut out, mut from) = (String::new(), 0);
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let mut search = 0;
    while let Some(at) = lower.get(search..).and_then(|rest| rest.find(value)) {
        let (begin, end) = (search + at, search + at + value.len());
        let (before, after) = (lower.get(..begin), lower.get(end..));
        let alone = edge(before.and_then(|s| s.chars().next_back()))
            && edge(after.and_then(|s| s.chars().next()));
        if alone && let Some(kept) = text.get(from..begin) {
            out.push_str(kept);
            out.push_str("<value>");
            from = end;
        }
        search = end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Without long numbers, which may be written with spaces, dots, dashes, slashes and brackets.
fn without_numbers(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    while let Some(first) = chars.get(at) {
        if !first.is_numeric() {
            out.push(*first);
            at += 1;
            continue;
        }
        let joins = |c: &char| c.is_numeric() || " .-/()+".contains(*c);
        let run: Vec<char> = chars.iter().skip(at).take_while(|c| joins(c)).copied().collect();
        let last = run.iter().rposition(|c| c.is_numeric()).unwrap_or(0);
        let run = run.get(..=last).unwrap_or_default();
        if run.iter().filter(|c| c.is_numeric()).count() >= DIGITS {
            out.push_str("<number>");
        } else {
            out.extend(run);
        }
        at += run.len().max(1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        let values =
            ["Vera Miller", "vera@acme.example", "Late Delivery", "ab", "Visitor", "Straße"];
        Cleaner::new(values.map(str::to_owned)).name(text)
    }

    #[test]
    fn what_looks_like_data_is_replaced_and_the_rest_of_the_name_stays() {
        for (name, want) in [
            ("Chat of Vera Miller", "Chat of <value>"),
            ("VERA MILLER", "<value>"),
            ("Reason: late delivery!", "Reason: <value>!"),
            ("E-Mail someone@else.example", "E-Mail <e-mail>"),
            ("mailto:someone@else.example", "<e-mail>"),
            ("Order 4711081", "Order <number>"),
            ("Phone +49 (30) 123-456", "Phone +<number>"),
            ("Card 4111 1111 1111 1111", "Card <number>"),
            ("10.20.30.40", "<number>"),
            ("See https://acme.example/c?u=vera", "See <link>"),
            ("Straße", "<value>"),
            ("٠١٢٣٤٥", "<number>"),
        ] {
            assert_eq!(clean(name), want, "{name}");
        }
        assert_eq!(clean(&"x".repeat(500)).len(), LONGEST_NAME);
    }

    #[test]
    fn real_names_of_fields_stay_as_they_are() {
        for name in [
            "Last Name",
            "E-Mail",
            "Question 1",
            "Line_2_Id__c",
            "ns__Order_2024__c",
            "Account.Name",
            "00N5e00000AbCdE",
            "Visitor Type",
            "abc",
            "Priorität",
            "Délai (1-3)",
            "Verapamil",
        ] {
            assert_eq!(clean(name), name);
        }
        assert_eq!(Cleaner::new(["Late".to_owned()]).name("Latest Delivery"), "Latest Delivery");
    }

    #[test]
    fn letters_whose_case_has_another_length_hide_nothing() {
        // `İ` grows when it is written small.
        let cleaner = Cleaner::new(["İpek Vera".to_owned()]);
        assert_eq!(cleaner.name("Chat of İpek Vera"), "<value>");
        assert_eq!(cleaner.name("İzin"), "İzin");
    }
}
