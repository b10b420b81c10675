//! Reads the sources and holds the house rules that neither the compiler nor clippy knows: layers
//! whose arrows never point back, short files and functions, no unfinished code, no sleeping tests.
//!
//! Not promised: a Rust parser. Comments and literals are blanked first, then words are looked for;
//! what a macro expands to is not seen.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_COLUMNS: usize = 100;

/// The top-level modules of the core: pure, so that the same machine runs live, in simulation, in
/// replay and in the dry run.
const CORE: [&str; 6] = ["chat", "router", "mapping", "report", "import", "metadata"];

/// What the pure layers may not mention, and what to do instead.
const IMPURE: [(&str, &str); 9] = [
    ("tokio", "return an effect and let a shell carry it out"),
    ("axum", "take wire types; HTTP belongs to src/facade"),
    ("hyper", "take wire types; HTTP belongs to src/facade"),
    ("reqwest", "return an effect; calls belong to src/adapter"),
    ("rusqlite", "return a delta; writing belongs to src/store"),
    ("Instant::now", "take the moment as an argument"),
    ("SystemTime", "take the moment as an argument"),
    ("rand::", "take the number or the seed as an argument"),
    ("thread::", "stay single-threaded; a shell decides where the core runs"),
];

/// One source file, and its lines without comments and literals.
struct Source {
    /// Relative to the repository, with forward slashes.
    path: String,
    raw: Vec<String>,
    lines: Vec<Line>,
}

/// One line as the rules see it.
#[derive(Default, Clone)]
struct Line {
    /// The line with comments and the insides of literals blanked.
    code: String,
    /// Whether a string literal, or a part of one, stands on it.
    literal: bool,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let raw = text.lines().map(str::to_owned).collect();
        Self { path: path.to_owned(), raw, lines: blank(text) }
    }

    /// The top-level module: `chat` for both `src/chat.rs` and `src/chat/outbox.rs`.
    fn layer(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let first = inside.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }

    fn at(&self, index: usize, text: &str) -> String {
        format!("{}:{}: {text}", self.path, index + 1)
    }

    /// One finding for each line of code on which `word` stands alone.
    fn mentions(&self, word: &str, advice: &str) -> Vec<String> {
        let hits = self.lines.iter().enumerate().filter(|(_, line)| has_word(&line.code, word));
        hits.map(|(index, _)| self.at(index, &format!("`{word}`: {advice}"))).collect()
    }
}

/// Whether `word` stands in `code` without a letter, digit or underscore joined to it.
fn has_word(code: &str, word: &str) -> bool {
    let joined = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let closes = word.ends_with(|c: char| c.is_alphanumeric());
    code.match_indices(word).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let after = code[start + word.len()..].chars().next();
        !(joined(before) || closes && joined(after))
    })
}

/// The lines of `text` with comments and literals blanked.
fn blank(text: &str) -> Vec<Line> {
    let chars: Vec<char> = text.chars().collect();
    let mut lines = vec![Line::default()];
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let (length, literal) = skipped(rest, at.checked_sub(1).map(|i| chars[i]));
        if length == 0 {
            push(&mut lines, rest[0], false);
            at += 1;
            continue;
        }
        for c in &rest[..length] {
            push(&mut lines, if *c == '\n' { '\n' } else { ' ' }, literal);
        }
        at += length;
    }
    lines
}

fn push(lines: &mut Vec<Line>, c: char, literal: bool) {
    if c == '\n' {
        lines.push(Line { code: String::new(), literal });
    } else if let Some(line) = lines.last_mut() {
        line.code.push(c);
        line.literal |= literal;
    }
}

/// How many characters from here are a comment or a literal (0: none), and whether a literal.
fn skipped(rest: &[char], before: Option<char>) -> (usize, bool) {
    let until = |end: &[char], from: usize| {
        let found = rest[from..].windows(end.len()).position(|w| w == end);
        found.map_or(rest.len(), |i| from + i + end.len())
    };
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match rest {
        ['/', '/', ..] => (until(&['\n'], 0).saturating_sub(1), false),
        ['/', '*', ..] => (block_comment(rest), false),
        ['"', ..] => (quoted(rest, '"'), true),
        ['r', '"' | '#', ..] if !in_word => {
            let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
            if rest.get(1 + hashes) != Some(&'"') {
                return (0, false); // a raw identifier such as r#type
            }
            let end: Vec<char> = format!("\"{}", "#".repeat(hashes)).chars().collect();
            (until(&end, 2 + hashes), true)
        }
        // A character, not a lifetime: 'x' or an escape.
        ['\'', '\\', ..] => (quoted(rest, '\''), true),
        ['\'', _, '\'', ..] => (3, true),
        _ => (0, false),
    }
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (1, 2);
    while at < rest.len() && depth > 0 {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// Every top-level module that the file reaches by `crate::`, with the line that does.
fn reached(source: &Source) -> Vec<(usize, String)> {
    let code: Vec<&str> = source.lines.iter().map(|line| line.code.as_str()).collect();
    let text = code.join("\n");
    let mut found = Vec::new();
    for (start, found_at) in text.match_indices("crate::") {
        let rest = text[start + found_at.len()..].trim_start();
        let line = text[..start].matches('\n').count();
        let heads = rest.strip_prefix('{').map_or_else(|| vec![head(rest)], group_heads);
        found.extend(heads.into_iter().map(|name| (line, name)));
    }
    found
}

fn head(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first names of `{a::b, c::{d, e}}`, given what follows the first brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut start) = (1, vec![head(group)], 0);
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => start = index + 1,
            _ => continue,
        }
        if depth == 0 {
            break;
        }
        if c == ',' && depth == 1 {
            heads.push(head(&group[start..]));
        }
    }
    heads.retain(|name| !name.is_empty());
    heads
}

/// The functions of a file: their name, the line they start on, their number of lines of code.
fn functions(source: &Source) -> Vec<(usize, String, usize)> {
    let starts = source.lines.iter().enumerate().filter(|(_, line)| has_word(&line.code, "fn"));
    starts.filter_map(|(start, line)| function(source, start, &line.code)).collect()
}

fn function(source: &Source, start: usize, code: &str) -> Option<(usize, String, usize)> {
    let name = head(code.split("fn ").nth(1)?);
    let mut depth = 0;
    let mut count = 0;
    for (index, line) in source.lines.iter().enumerate().skip(start) {
        let from = if index == start { code.find("fn ")? } else { 0 };
        count += usize::from(!line.code.trim().is_empty());
        for c in line.code[from..].chars() {
            match c {
                ';' if depth == 0 => return None, // declared, no body
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => continue,
            }
            if depth == 0 && c == '}' {
                return (!name.is_empty()).then_some((start, name, count));
            }
        }
    }
    None
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let relative = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        Source::new(&relative, &fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

/// Applies a rule to every source and fails with everything it found.
fn hold(rule: impl Fn(&Source) -> Vec<String>) {
    let found: Vec<String> = sources().iter().flat_map(rule).collect();
    let mut text = String::new();
    found.iter().for_each(|line| writeln!(text, "  {line}").unwrap());
    assert!(found.is_empty(), "{} against the house rules:\n{text}", found.len());
}

fn impure(source: &Source) -> Vec<String> {
    let pure = |layer: &str| CORE.contains(&layer) || ["wire", "time"].contains(&layer);
    if !source.layer().is_some_and(pure) {
        return Vec::new();
    }
    IMPURE.iter().flat_map(|(word, advice)| source.mentions(word, advice)).collect()
}

fn back_arrows(source: &Source) -> Vec<String> {
    let allowed: Vec<&str> = match source.layer() {
        Some("time") => vec!["time"],
        Some("wire") => vec!["time", "wire"],
        Some(layer) if CORE.contains(&layer) => [&CORE[..], &["time", "wire"]].concat(),
        _ => return Vec::new(),
    };
    let back = reached(source).into_iter().filter(|(_, name)| !allowed.contains(&name.as_str()));
    let advice =
        format!("may reach only {}: move the type there or pass it in", allowed.join(", "));
    back.map(|(line, name)| source.at(line, &format!("`crate::{name}`: this layer {advice}")))
        .collect()
}

fn long_files(source: &Source) -> Vec<String> {
    let count = source.raw.len();
    let text = format!("{count} lines, at most {MAX_FILE_LINES}: split it by subject");
    (count > MAX_FILE_LINES).then(|| source.at(count - 1, &text)).into_iter().collect()
}

fn long_functions(source: &Source) -> Vec<String> {
    let long = functions(source).into_iter().filter(|(_, _, count)| *count > MAX_FUNCTION_LINES);
    long.map(|(start, name, count)| {
        let limit = format!("at most {MAX_FUNCTION_LINES}: give its steps names");
        source.at(start, &format!("`{name}` has {count} lines of code, {limit}"))
    })
    .collect()
}

fn wide_lines(source: &Source) -> Vec<String> {
    let wide = source.raw.iter().zip(&source.lines).enumerate().filter(|(_, (raw, line))| {
        raw.chars().count() > MAX_COLUMNS && !raw.contains("://") && !line.literal
    });
    wide.map(|(index, (raw, _))| {
        let count = raw.chars().count();
        source.at(index, &format!("{count} columns, at most {MAX_COLUMNS}: break the line"))
    })
    .collect()
}

fn badly_named(source: &Source) -> Vec<String> {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    let text = match name {
        "mod.rs" => "name the file after its module, beside its folder: foo.rs and foo/bar.rs",
        "utils.rs" | "util.rs" | "helpers.rs" => "name the file after what it is about",
        _ => return Vec::new(),
    };
    vec![source.at(0, text)]
}

fn unfinished(source: &Source) -> Vec<String> {
    let words = [
        ("todo!(", "finish it, or open an issue and leave it out"),
        ("unimplemented!(", "finish it, or open an issue and leave it out"),
        ("dbg!(", "remove it"),
        ("#[ignore", "a test runs or is deleted"),
        ("thread::sleep", "wait on a condition with a deadline"),
    ];
    words.iter().flat_map(|(word, advice)| source.mentions(word, advice)).collect()
}

fn sleeping_tests(source: &Source) -> Vec<String> {
    if !source.path.starts_with("tests/") {
        return Vec::new();
    }
    let advice = "pause and advance tokio's time, or wait on a condition with a deadline";
    ["sleep(", "sleep_until("].iter().flat_map(|word| source.mentions(word, advice)).collect()
}

#[test]
fn the_pure_layers_do_no_io() {
    hold(impure);
}

#[test]
fn arrows_between_layers_never_point_back() {
    hold(back_arrows);
}

#[test]
fn files_are_short() {
    hold(long_files);
}

#[test]
fn functions_are_short() {
    hold(long_functions);
}

#[test]
fn lines_are_narrow() {
    hold(wide_lines);
}

#[test]
fn files_are_named_after_their_module() {
    hold(badly_named);
}

#[test]
fn nothing_is_left_unfinished() {
    hold(unfinished);
}

#[test]
fn tests_do_not_sleep() {
    hold(sleeping_tests);
}

#[test]
fn the_sources_are_found() {
    let found = sources();
    let has = |path: &str| found.iter().any(|source| source.path == path);
    assert!(has("src/lib.rs") && has("src/wire.rs") && has("tests/it/tidy.rs"));
}

#[test]
fn every_rule_finds_its_offence() {
    let long = format!("pub fn f() {{\n{}}}\n", "    g();\n".repeat(MAX_FUNCTION_LINES));
    let wide = format!("// {}\n", "x".repeat(MAX_COLUMNS));
    type Rule = fn(&Source) -> Vec<String>;
    let cases: [(Rule, &str, &str, usize); 17] = [
        (impure, "src/chat/a.rs", "use std::time::Instant;\nlet t = Instant::now();", 1),
        (impure, "src/wire.rs", "use tokio::sync;\nuse axum::Router;", 2),
        (impure, "src/wire.rs", "/// never tokio\nlet s = \"tokio\"; operand::x();", 0),
        (impure, "src/facade/key.rs", "use tokio::sync;", 0),
        (back_arrows, "src/wire/sse.rs", "use crate::chat::Session;", 1),
        (back_arrows, "src/chat.rs", "use crate::{\n    wire::x,\n    clock::{A, store},\n};", 1),
        (back_arrows, "src/chat.rs", "use crate::wire::miaw;\nuse crate::router::Route;", 0),
        (back_arrows, "src/report/a.rs", "let x = crate::config::load();", 1),
        (back_arrows, "src/store.rs", "use crate::config::Config;", 0),
        (long_files, "src/a.rs", &"\n".repeat(MAX_FILE_LINES + 1), 1),
        (long_functions, "src/a.rs", &long, 1),
        (wide_lines, "src/a.rs", &wide, 1),
        (badly_named, "src/chat/mod.rs", "", 1),
        (unfinished, "src/a.rs", "todo!(); // todo!()\n#[ignore = \"slow\"]", 2),
        (sleeping_tests, "tests/it/a.rs", "tokio::time::sleep(d).await;", 1),
        (unfinished, "src/a.rs", "std::thread::sleep(d); r#\"todo!()\"#; '\\''; todo!()", 2),
        (unfinished, "src/a.rs", "/* /* */ todo!() */ let b: &'static str = \"\\\"dbg!(\";", 0),
    ];
    for (rule, path, text, expected) in cases {
        let found = rule(&Source::new(path, text));
        assert_eq!(found.len(), expected, "{path}: {text:?} gave {found:?}");
    }
}

#[test]
fn findings_name_file_and_line() {
    let found = back_arrows(&Source::new("src/chat.rs", "//! x\n\nuse crate::store::Store;"));
    assert!(found[0].starts_with("src/chat.rs:3: `crate::store`"), "{found:?}");
}
