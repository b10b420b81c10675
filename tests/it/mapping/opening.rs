//! The opening message: parts, turns, order, pace.

use liveagent_bridge::mapping::{limits, values};
use serde_json::json;

use super::{codes, details};

#[test]
fn a_long_text_is_split_between_lines_and_nothing_is_lost() {
    let lines: Vec<String> = (0..400).map(|i| format!("line {i} of the long story")).collect();
    let translation = details(&json!([{"label":"Story","value":lines.join("\n")}]));
    let parts = translation.opening_parts();
    assert!(parts.len() > 3, "{}", parts.len());
    for part in &parts {
        assert!(values::length(part) <= limits::MAX_OPENING_PART_LEN);
        assert!(part.ends_with("story"), "cut between lines");
    }
    let whole = translation.opening_message.expect("overflow");
    assert_eq!(parts.join("\n"), whole);
}

#[test]
fn text_without_lines_is_cut_between_words_and_characters() {
    let words = details(&json!([{"label":"a","value":"word ".repeat(1_000)}])).opening_parts();
    assert!(words.iter().all(|part| part.ends_with("word")));
    let faces = details(&json!([{"label":"a","value":"😀".repeat(4_000)}])).opening_parts();
    let joined: String = faces.concat();
    assert_eq!(joined.replace("a:", "").trim(), "😀".repeat(4_000));
    let marks = details(&json!([{"label":"a","value":"\u{301}".repeat(9_000)}])).opening_parts();
    assert_eq!(marks.concat().matches('\u{301}').count(), 9_000);
}

#[test]
fn a_transcript_becomes_turns() {
    let new = json!([
        {"role":"user","type":"input","source":"user","payload":{"text":"I was billed twice"}},
        {"role":"assistant","type":"output","source":"bot","payload":{"text":"Let me see."}},
        {"role":"tool","type":"toolCall","source":"bot","payload":{"data":{}}}]);
    let old = json!([{"source":"user","text":"I was billed twice"},
        {"source":"bot","text":"Let me see."}]);
    for (transcript, first) in [(new, "user"), (old, "user")] {
        let mut turns = transcript.as_array().expect("turns").clone();
        for _ in 0..3 {
            turns.extend(turns.clone());
        }
        let translation = details(&json!([{"label":"History","value":turns}]));
        let opening = translation.opening_message.expect("longer than 255");
        let begin = format!("History:\n{first}: I was billed twice\n");
        assert!(opening.starts_with(&begin), "{opening}");
        assert!(!opening.contains('{') && opening.ends_with("Let me see."), "{opening}");
        assert!(translation.attributes["History"].starts_with("[{"), "the attribute stays JSON");
        let hidden = json!([{"label":"History","value":turns,"displayToAgent":false}]);
        assert_eq!(details(&hidden).opening_message, None);
    }
}

#[test]
fn more_parts_than_a_minute_takes_are_reported() {
    let text = "x".repeat(60_000);
    let two = json!([{"label":"a","value":text},{"label":"b","value":format!("y{text}")}]);
    let translation = details(&two);
    assert!(translation.opening_parts().len() > limits::MESSAGES_PER_MINUTE);
    assert!(codes(&translation).contains(&"TR150"));
    let one = details(&json!([{"label":"a","value":text}]));
    assert!(!codes(&one).contains(&"TR150"));
}
