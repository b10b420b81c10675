//! One process of the program, and what it wrote.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc;

use crate::within;

/// Lines of standard output that wait to be read.
const LINES: usize = 1_024;

/// A running process; killed when dropped.
pub struct Program {
    child: Child,
    out: mpsc::Receiver<String>,
    log: PathBuf,
}

/// What a process left behind.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub log: String,
}

impl Program {
    /// Starts the program; standard error is appended to `log`.
    pub fn start(args: &[&str], env: &[(&str, &str)], log: &Path) -> Self {
        Self::start_under(&[], args, env, log)
    }

    /// Starts it through another program, which must become it.
    pub fn start_under(
        wrapper: &[String],
        args: &[&str],
        env: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        let errors = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let program = [env!("CARGO_BIN_EXE_liveagent-bridge").to_owned()];
        let words = [wrapper, &program].concat();
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(args)
            .env("LIVEAGENT_BRIDGE_LOG", "debug")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().unwrap();
        let (sender, out) = mpsc::channel(LINES);
        // Ends with the process, for then its standard output ends.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if !line.is_ok_and(|line| sender.blocking_send(line).is_ok()) {
                    return;
                }
            }
        });
        Self { child, out, log: log.to_owned() }
    }

    /// What follows `name` on the first line that begins so.
    pub async fn line(&mut self, name: &str) -> String {
        let found = async {
            while let Some(line) = self.out.recv().await {
                if let Some(rest) = line.strip_prefix(name) {
                    return Some(rest.trim().to_owned());
                }
            }
            None
        };
        match within(name, found).await {
            Some(rest) => rest,
            None => panic!("ended without `{name}`:\n{}", self.log()),
        }
    }

    /// SIGKILL: nothing in the process gets to run any more.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The process's id, for other signals.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let command = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> Ended {
        let mut out = String::new();
        let rest = async {
            while let Some(line) = self.out.recv().await {
                out.push_str(&line);
                out.push('\n');
            }
        };
        within("the process ends", rest).await;
        let code = self.child.wait().unwrap().code();
        Ended { code, out, log: self.log() }
    }

    pub fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end.
pub async fn run(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    File::create(&log).unwrap();
    Program::start(args, env, &log).ended().await
}
