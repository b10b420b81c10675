//! A database of its own for each test, on the server that `TEST_POSTGRES` names.

use liveagent_bridge::store::postgres::{OpenError, PostgresStore};
use liveagent_bridge::store::seal::KeyRing;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

pub const RING: &str = "seal first q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";
pub const ROTATED: &str = "seal second Ej3vq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjQ=\n\
                           open first q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

/// One database.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub async fn new() -> Self {
        let server = std::env::var("TEST_POSTGRES")
            .expect("TEST_POSTGRES names no server; ./tests/run installs and starts one");
        let name = format!("test_{}", Uuid::new_v4().simple());
        let place = Self { server, name };
        let make = format!("CREATE DATABASE {}", place.name);
        client(&place.server).await.batch_execute(&make).await.expect("a database");
        place
    }

    /// Its address.
    pub fn url(&self) -> String {
        let mut url = url::Url::parse(&self.server).expect("TEST_POSTGRES is an address");
        url.set_path(&self.name);
        url.to_string()
    }

    pub async fn open(&self) -> PostgresStore {
        self.try_open(RING).await.expect("opened")
    }

    pub async fn try_open(&self, ring: &str) -> Result<PostgresStore, OpenError> {
        PostgresStore::open(&self.url(), None, KeyRing::from_secret(ring).expect("a ring")).await
    }

    /// A connection to a database that may have no schema yet.
    pub async fn bare_client(&self) -> Client {
        client(&self.url()).await
    }

    /// A connection past the store.
    pub async fn client(&self) -> Client {
        let client = client(&self.url()).await;
        client.batch_execute("SET search_path = liveagent_bridge").await.expect("the schema");
        client
    }

    /// Ends every connection to it, as a restart of the server would.
    pub async fn cut(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = $1 AND pid <> pg_backend_pid()";
        client(&self.server).await.query(sql, &[&self.name]).await.expect("cut");
    }

    pub async fn remove(self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        client(&self.server).await.batch_execute(&drop).await.expect("removed");
    }
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server");
    tokio::spawn(connection);
    client
}
