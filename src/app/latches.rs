//! "The removal is past", written down: read at the start, appended when it is first seen.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::facade::latch::Latches;
use crate::router::decide::PastRemoval;
use crate::store::{Store, StoreError};
use crate::time::Wall;

/// Sightings that wait to be stored; there is one per tenant.
const QUEUE: usize = 1_024;
/// Changes read at a time.
const PAGE: u32 = 1_000;
/// The wait before a store that failed is asked again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// A change as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
enum Record {
    /// A tenant's removal was seen to be past.
    #[serde(rename_all = "camelCase")]
    PastRemoval { tenant: String, seen: Wall },
}

/// The latches as they were stored, and whatever is latched from now on goes to the store.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn restore(
    store: Arc<dyn Store>,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<Latches, StoreError> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let latches = Latches::new(move |tenant: &str, seen: Wall| {
        tracing::info!(tenant, at = %seen, "the removal is past; new chats go to MIAW from now on");
        let record = Record::PastRemoval { tenant: tenant.to_owned(), seen };
        if sender.try_send(record).is_err() {
            tracing::error!(tenant, "the sighting of the removal could not be stored");
        }
    });
    let mut last = 0;
    loop {
        let page = store.changes_after(last, PAGE).await?;
        let Some(newest) = page.last() else { break };
        last = newest.number;
        for change in &page {
            if let Ok(Record::PastRemoval { tenant, seen }) = serde_json::from_slice(&change.body) {
                latches.restore(&tenant, PastRemoval::seen(seen));
            }
        }
    }
    tokio::spawn(keep(store, clock, shutdown, receiver, last));
    Ok(latches)
}

async fn keep(
    store: Arc<dyn Store>,
    clock: Clock,
    shutdown: CancellationToken,
    mut records: mpsc::Receiver<Record>,
    mut last: u64,
) {
    while let Some(record) = records.recv().await {
        let Ok(body) = serde_json::to_vec(&record) else { continue };
        loop {
            match store.append_change(clock.now().wall, body.clone(), last).await {
                Ok(number) => {
                    last = number;
                    break;
                }
                Err(StoreError::Conflict { last: newer }) => last = newer,
                Err(error) => {
                    tracing::error!(%error, "the sighting of the removal waits for the store");
                    let until = clock.now().mono.plus(RETRY);
                    tokio::select! {
                        () = clock.until(until) => {}
                        () = shutdown.cancelled() => return,
                    }
                }
            }
        }
    }
}
