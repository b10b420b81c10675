//! Leases and owners in PostgreSQL.
//!
//! Promised: the contract of [`super::super::shared`], by the server's clock.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::super::sealed::{signed, unsigned};
use super::super::shared::{Beat, Claim, Fence, Node, Owner, Shared};
use super::super::{Commit, NewChat, StoreError};
use super::PostgresStore;
use crate::time::Wall;

/// How often a claim is looked at again that found nobody to have the chat, and was refused.
const CLAIMS: usize = 3;

#[async_trait]
impl Shared for PostgresStore {
    async fn beat(&self, beat: &Beat, lease: Duration) -> Result<Vec<Node>, StoreError> {
        let Beat { incarnation, name, address, fingerprint, chats } = beat;
        let (chats, lease) = (signed(*chats), signed(lease.as_millis() as u64));
        let values: [&(dyn ToSql + Sync); 6] =
            [incarnation, name, address, fingerprint, &chats, &lease];
        let session = self.leases.session().await?;
        let (client, sql) = (session.client(), &session.sql);
        // One behind the other, in one round trip: the nodes are those after the beat.
        let both = async {
            tokio::try_join!(client.execute(&sql.beat, &values), client.query(&sql.nodes, &[]))
        };
        let (_, rows) = self.leases.ask(&session, both).await?;
        rows.iter().map(node).collect()
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let session = self.leases.session().await?;
        let asked = session.client().query(&session.sql.nodes, &[]);
        self.leases.ask(&session, asked).await?.iter().map(node).collect()
    }

    async fn leave(&self, incarnation: Uuid) -> Result<(), StoreError> {
        let session = self.leases.session().await?;
        let values: [&(dyn ToSql + Sync); 1] = [&incarnation];
        let asked = session.client().execute(&session.sql.leave, &values);
        self.leases.ask(&session, asked).await.map(drop)
    }

    async fn open_as(&self, chat: NewChat, first: Vec<u8>, owner: Uuid) -> Result<(), StoreError> {
        self.begin(chat, first, Some(owner)).await
    }

    async fn commit_as(&self, commit: Commit, fence: Fence) -> Result<(), StoreError> {
        self.commit_under(commit, Some(fence)).await
    }

    async fn claim(&self, chat: Uuid, claimant: Uuid) -> Result<Claim, StoreError> {
        for _ in 0..CLAIMS {
            let rows = self.rows(|s| &s.sql.claim, &[&chat, &claimant]).await?;
            if let Some(row) = rows.first() {
                return Ok(Claim::Taken { epoch: unsigned(row.get(0))?, from: row.get(1) });
            }
            let Some(owner) = self.owner(chat).await? else { return Ok(Claim::Unknown) };
            match owner.incarnation.filter(|_| owner.address.is_some()) {
                Some(owner) if owner != claimant => return Ok(Claim::Held { owner }),
                // Free a moment after it was held.
                _ => {}
            }
        }
        Err(StoreError::Fenced { chat })
    }

    async fn claim_orphans(
        &self,
        claimant: Uuid,
        limit: u32,
    ) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let values: [&(dyn ToSql + Sync); 2] = [&claimant, &i64::from(limit)];
        let rows = self.rows(|s| &s.sql.claim_orphans, &values).await?;
        rows.iter().map(|row| Ok((row.get(0), unsigned(row.get(1))?))).collect()
    }

    async fn owner(&self, chat: Uuid) -> Result<Option<Owner>, StoreError> {
        let rows = self.rows(|s| &s.sql.owner, &[&chat]).await?;
        let read = rows.first().map(|row| {
            let epoch = unsigned(row.get(1))?;
            Ok(Owner { incarnation: row.get(0), epoch, address: row.get(2) })
        });
        read.transpose()
    }

    async fn owned(&self, owner: Uuid) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let rows = self.rows(|s| &s.sql.owned, &[&owner]).await?;
        rows.iter().map(|row| Ok((row.get(0), unsigned(row.get(1))?))).collect()
    }
}

fn node(row: &Row) -> Result<Node, StoreError> {
    let told = Beat {
        incarnation: row.get(0),
        name: row.get(1),
        address: row.get(2),
        fingerprint: row.get(3),
        chats: unsigned(row.get(4))?,
    };
    Ok(Node { told, since: Wall::from_millis(row.get(5)), live: row.get(6) })
}
