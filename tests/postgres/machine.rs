//! A PostgreSQL server of one test's own, run by `tests/postgres/server`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc;
use tokio_postgres::{Client, NoTls};

use crate::within;

/// A server that can be restarted, killed and promoted.
pub struct Machine {
    process: Child,
    pub address: url::Url,
    said: mpsc::Receiver<String>,
}

impl Machine {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One that streams what another one writes.
    pub async fn replica_of(primary: &Self) -> Self {
        Self::with(&[("REPLICA_OF", &primary.port().to_string())]).await
    }

    /// One that speaks TLS with `{pair}.crt` and `{pair}.key`.
    pub async fn with_tls(pair: &Path) -> Self {
        Self::with(&[("TLS", pair.to_str().unwrap())]).await
    }

    async fn with(variables: &[(&str, &str)]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/server");
        let mut command = Command::new(script);
        command.env("MAX_CONNECTIONS", "24").envs(variables.iter().copied());
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the server's script");
        let out = process.stdout.take().unwrap();
        let (sender, said) = mpsc::channel(16);
        std::thread::spawn(move || {
            for line in std::io::BufRead::lines(std::io::BufReader::new(out)) {
                let Ok(line) = line else { return };
                let _ = sender.blocking_send(line);
            }
        });
        let nowhere = url::Url::parse("postgres://nowhere").unwrap();
        let mut machine = Self { process, address: nowhere, said };
        let listening = machine.says("listening").await;
        machine.address = listening.trim().parse().unwrap();
        machine
    }

    pub fn port(&self) -> u16 {
        self.address.port().unwrap()
    }

    /// What follows a word that the script prints.
    async fn says(&mut self, word: &str) -> String {
        loop {
            let line = within(word, self.said.recv()).await.expect("the server's script lives");
            if let Some(rest) = line.strip_prefix(word) {
                return rest.to_owned();
            }
        }
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// Stops it in good order if it runs, and starts it.
    pub async fn restart(&mut self) {
        self.signal("ALRM");
        self.says("listening").await;
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.signal("USR2");
        self.says("killed").await;
    }

    /// Makes a primary of a replica.
    pub async fn promote(&mut self) {
        self.signal("USR1");
        self.says("promoted").await;
    }

    pub async fn client(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(self.address.as_str(), NoTls).await.expect("the server");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let command = format!("kill -TERM {}", self.process.id());
        let _ = Command::new("sh").args(["-c", &command]).status();
        let _ = self.process.wait();
    }
}
