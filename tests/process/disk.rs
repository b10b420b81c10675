//! K4 and K5: the disk under the store is full, read-only, or somebody else's.
//!
//! A small disk is a file system in memory, mounted where only the bridge sees it. Where that is
//! not allowed the test says so on a line of its own; `src/store/sqlite.rs` then still holds the
//! store to a database that may not grow.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use liveagent_bridge::clock::Clock;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::{Program, run};
use crate::site::Site;
use crate::tally::Tally;
use crate::visitor::{Line, Poller};
use crate::{long_or, within};

/// Recovery that is promised, in milliseconds; held to in the long run, when nothing else runs.
const RECOVERY_MILLIS: i64 = 5_000;

const WHILE_FULL: &str = "can you hear me?";

/// How a program is started where a mount of its own was made; `None` where that is not allowed.
fn with_mount(mount: &str) -> Option<Vec<String>> {
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    let under = |flags: &str| ["unshare", flags, "sh", "-c", &script].map(str::to_owned).to_vec();
    ["-m", "-rm"].into_iter().map(under).find(|wrapper| works(wrapper, &["true"]))
}

/// Whether a command can be run so.
fn works(wrapper: &[String], command: &[&str]) -> bool {
    let words: Vec<&str> = wrapper.iter().map(String::as_str).chain(command.to_vec()).collect();
    let mut command = Command::new(words[0]);
    let command = command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn not_here(test: &str) {
    let why = "no file system may be mounted here (unshare -rm)";
    let _ = writeln!(std::io::stderr().lock(), "{test} NOT RUN: {why}");
}

/// The folder as the program sees it.
fn inside(program: &Program, folder: &Path) -> PathBuf {
    let root = format!("/proc/{}/root", program.id());
    Path::new(&root).join(folder.strip_prefix("/").unwrap())
}

/// Uses the disk up, to its last byte.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    for size in [65_536, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

fn email(n: usize) -> String {
    format!("disk{n}@example.test")
}

fn text(n: usize, number: usize) -> String {
    format!("visitor {n} says {number}")
}

/// What the visitors of a store that fails did.
#[derive(Clone, Copy, Default)]
struct Said {
    acknowledged: usize,
    /// Answers of 500.
    refused: usize,
    /// When the last message was acknowledged.
    at: i64,
}

struct Talk {
    said: watch::Sender<Said>,
    clock: Clock,
}

impl Talk {
    fn now(&self) -> i64 {
        self.clock.now().wall.millis()
    }

    /// Says its lines, each until it is acknowledged; gives their first attempts.
    async fn visit(self: Arc<Self>, n: usize, mut line: Line, count: usize) -> Vec<(String, i64)> {
        let mut sent = Vec::new();
        for number in 1..=count {
            let body = json!({ "text": text(n, number) });
            sent.push((text(n, number), self.now()));
            loop {
                let answer = line.post("ChatMessage", Some(number as u64 + 1), &body).await;
                let done = answer.status == 200;
                assert!(done || answer.status == 500, "{}: {}", answer.status, answer.text);
                let now = self.now();
                self.said.send_modify(|said| {
                    said.acknowledged += usize::from(done);
                    said.refused += usize::from(!done);
                    said.at = now;
                });
                if done {
                    break;
                }
            }
        }
        sent
    }
}

/// Polls until it has what the agent said while the disk was full; no poll is answered with an
/// error.
async fn hears(mut poller: Poller) {
    loop {
        let messages = poller.next().await.expect("the chat goes on");
        if messages.iter().any(|message| message["message"]["text"] == WHILE_FULL) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_and_needs_no_restart() {
    let (visitors, count) = (long_or(8, 4), long_or(400, 60));
    let site = Site::new("none").await;
    let disk = site.folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = format!("mount -t tmpfs -o size=16m,mode=0700 tmpfs '{}'", disk.display());
    let Some(wrapper) = with_mount(&mount) else { return not_here("K4") };
    let config = std::fs::read_to_string(site.config()).unwrap();
    let config = config.replace("\"bridge.sqlite\"", "\"disk/bridge.sqlite\"");
    std::fs::write(site.config(), config).unwrap();
    let mut bridge = site.serve_under(&wrapper).await;
    let ballast = inside(&bridge, &disk).join("ballast");

    let desk = Desk::new(&site.desk);
    let talk = Arc::new(Talk { said: watch::Sender::default(), clock: Clock::system() });
    let (mut talks, mut hearing, mut chats) = (JoinSet::new(), JoinSet::new(), Vec::new());
    for n in 0..visitors {
        let mut line = Line::new(&site).await;
        line.init(Some(1), &email(n)).await;
        let chat = desk.chat("a chat", |chat| asked_with(chat, &email(n))).await;
        desk.accept(&id(&chat)).await;
        let mut poller = Poller::new(&line, true);
        poller.until("ChatEstablished").await;
        chats.push(id(&chat));
        hearing.spawn(hears(poller));
        talks.spawn(talk.clone().visit(n, line, count));
    }
    let mut said = talk.said.subscribe();
    let some = said.wait_for(|said| said.acknowledged >= visitors * count / 4);
    within("the first lines", some).await.unwrap();
    fill(&ballast);
    let refused = said.wait_for(|said| said.refused >= visitors);
    let full = *within("every visitor is refused", refused).await.unwrap();
    for chat in &chats {
        desk.say(chat, WHILE_FULL).await;
    }
    assert!(bridge.running());
    std::fs::remove_file(&ballast).unwrap();
    let freed = talk.now();
    let again = said.wait_for(|said| said.acknowledged > full.acknowledged);
    let recovery = within("the store is back", again).await.unwrap().at - freed;
    let sent: Vec<_> = talks.join_all().await.into_iter().flatten().collect();
    within("what the agent said while the disk was full", hearing.join_all()).await;

    let mut tally = Tally::default();
    for n in 0..visitors {
        let all = |chat: &serde_json::Value| {
            asked_with(chat, &email(n)) && lines(chat, "visitor").len() >= count
        };
        let chat = desk.chat("every line", all).await;
        let mine = sent.iter().filter(|(line, _)| line.starts_with(&format!("visitor {n} ")));
        let heard = lines(&chat, "visitor");
        tally.add(&mine.cloned().collect::<Vec<_>>(), &heard);
        let texts: Vec<_> = heard.into_iter().map(|(text, _)| text).collect();
        let due: Vec<_> = (1..=count).map(|number| text(n, number)).collect();
        assert_eq!(texts, due);
    }
    let more = format!("{} answers of 500, back {recovery} ms after the space", full.refused);
    tally.tell("K4", &format!("full disk, {visitors} chats"), &more);
    assert!(long_or(recovery <= RECOVERY_MILLIS, true), "back after {recovery} ms");
    let log = std::fs::read_to_string(site.log()).unwrap();
    for line in ["the store does not take writes", "the store takes writes again"] {
        assert!(log.contains(line), "`{line}` is not in the log");
    }
}

/// The words that a start which cannot work ends with.
async fn refused(site: &Site, wrapper: &[String], told: &[&str]) {
    let config = site.config();
    let args = ["serve", "--config", config.to_str().unwrap()];
    let log = site.folder.path().join("refused.log");
    let _ = std::fs::remove_file(&log);
    let ended = Program::start_under(wrapper, &args, &[], &log).ended().await;
    assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{}", ended.log);
    for words in told {
        assert!(ended.log.contains(words), "`{words}` is missing:\n{}", ended.log);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_opened_is_said_and_left_as_it_is() {
    let site = Site::new("none").await;
    let database = site.database();
    let path = database.to_str().unwrap();
    // A folder stands where the file should be; another program's file; no database at all.
    std::fs::create_dir(&database).unwrap();
    refused(&site, &[], &["cannot open the store", path]).await;
    std::fs::remove_dir(&database).unwrap();
    let theirs = rusqlite::Connection::open(&database).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(theirs);
    let before = std::fs::read(&database).unwrap();
    refused(&site, &[], &[path, "another program", "give an empty or new file"]).await;
    let after = rusqlite::Connection::open(&database).unwrap();
    let tables: i64 =
        after.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1, "nothing was added to {} bytes of another program", before.len());
    drop(after);
    std::fs::write(&database, vec![7; 8_192]).unwrap();
    refused(&site, &[], &[path, "damaged or is not an SQLite database"]).await;
    assert_eq!(std::fs::read(&database).unwrap(), vec![7; 8_192]);
    std::fs::remove_file(&database).unwrap();
    let nowhere = std::fs::read_to_string(site.config()).unwrap();
    let nowhere = nowhere.replace("\"bridge.sqlite\"", "\"no/such/bridge.sqlite\"");
    std::fs::write(site.config(), nowhere).unwrap();
    refused(&site, &[], &["no/such/bridge.sqlite", "the folder must exist"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_another_user_is_refused() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let site = Site::new("none").await;
    let mut bridge = site.serve().await;
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // Nothing is forbidden to root, who can be somebody else.
    let root = std::fs::metadata(site.folder.path()).unwrap().uid() == 0;
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let nobody: Vec<_> = nobody.iter().filter(|_| root).map(|&word| word.to_owned()).collect();
    mode(site.folder.path(), 0o755);
    mode(&site.config(), 0o644);
    let program = env!("CARGO_BIN_EXE_liveagent-bridge");
    if !works(&nobody, &[program, "--version"]) {
        let why = "the program cannot be run by another user here";
        let _ = writeln!(std::io::stderr().lock(), "K5 another user's store NOT RUN: {why}");
        return;
    }
    if !root {
        mode(&site.database(), 0o000);
    }
    let path = site.database();
    refused(&site, &nobody, &[path.to_str().unwrap(), "must be writable for this user"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_may_only_be_read_is_said_and_a_chat_goes_on_later() {
    let site = Site::new("none").await;
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let mut line = Line::new(&site).await;
    line.init(Some(1), &email(0)).await;
    desk.chat("a chat", |chat| asked_with(chat, &email(0))).await;
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));

    let folder = site.folder.path().to_str().unwrap();
    let mount =
        format!("mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'");
    let clock = Clock::system();
    let said = clock.now().wall.millis();
    let wrapper = with_mount(&mount);
    match &wrapper {
        Some(wrapper) => refused(&site, wrapper, &["read-only", "bridge.sqlite"]).await,
        None => not_here("K5 read-only disk"),
    }
    let config = site.config();
    let check = ["store", "check", "--config", config.to_str().unwrap()];
    assert_eq!(run(&check, &[]).await.code, Some(0));
    let _bridge = site.serve().await;
    line.say(Some(2), "still here").await;
    let chat = desk.chat("the line", |chat| lines(chat, "visitor").len() == 1).await;
    if wrapper.is_some() {
        let mut tally = Tally::default();
        // Said by somebody who has waited since before the disk could only be read.
        tally.add(&[("still here".to_owned(), said)], &lines(&chat, "visitor"));
        tally.tell("K5", "read-only disk", "refused at the start, on when it could be written");
    }
}
