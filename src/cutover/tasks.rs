//! What runs beside: following the store and the panic file, storing sightings.
//!
//! Promised: each goes on whatever happens to the other, and a failure is told once, not each time.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Cutover, POLL_EVERY};
use crate::router::panic::Panics;
use crate::store::StoreError;

/// The wait before a store that failed is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the panic file is read.
const READ_EVERY: Duration = Duration::from_secs(1);
/// The longest panic file.
const PANIC_BYTES_MAX: u64 = 64 * 1024;

pub(super) async fn start(cutover: &Cutover, shutdown: CancellationToken) {
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(follow(cutover.clone())));
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(keep(cutover.clone())));
    if let Some(path) = cutover.inner.panic_file.clone() {
        let mut told = String::new();
        read_panic_file(cutover, &path, &mut told).await;
        let cutover = cutover.clone();
        tokio::spawn(shutdown.run_until_cancelled_owned(async move {
            loop {
                wait(&cutover, READ_EVERY).await;
                read_panic_file(&cutover, &path, &mut told).await;
            }
        }));
    }
}

async fn wait(cutover: &Cutover, time: Duration) {
    let clock = &cutover.inner.clock;
    clock.until(clock.now().mono.plus(time)).await;
}

/// Says once that chats which are on legacy now will be ended at its removal.
fn tell_margins(cutover: &Cutover) {
    let now = cutover.inner.clock.now().wall;
    for (tenant, removal) in cutover.lock().margins_begun(now) {
        tracing::warn!(
            tenant,
            %removal,
            "legacy starts no chats any more; those that run there are ended at the removal"
        );
    }
}

/// Changes of other nodes, and the calendar.
async fn follow(cutover: Cutover) {
    let mut failed = false;
    loop {
        tell_margins(&cutover);
        wait(&cutover, POLL_EVERY).await;
        match cutover.catch_up().await {
            Ok(()) if failed => {
                tracing::info!("the change list can be read again");
                failed = false;
            }
            Ok(()) => {}
            Err(error) => {
                if !failed {
                    tracing::error!(%error, "the change list cannot be read; the last plans hold");
                }
                failed = true;
            }
        }
    }
}

/// Sightings of a removal.
async fn keep(cutover: Cutover) {
    loop {
        let sighting = cutover.lock().sighting();
        let Some((change, after)) = sighting else {
            cutover.inner.seen.notified().await;
            continue;
        };
        let stored = match cutover.append(&change, after).await {
            Err(StoreError::Conflict { .. }) => cutover.catch_up().await,
            other => other.map(drop),
        };
        if let Err(error) = stored {
            let tenant = &change.tenant;
            tracing::error!(%error, tenant, "the sighting of the removal waits for the store");
            wait(&cutover, RETRY).await;
            // Perhaps it was stored: the list says.
            let _ = cutover.catch_up().await;
        }
    }
}

/// Takes what the panic file says; a broken one is told and the last good one holds.
async fn read_panic_file(cutover: &Cutover, path: &Path, told: &mut String) {
    let file = path.to_owned();
    let read = tokio::task::spawn_blocking(move || panic_file(&file)).await;
    let problem = match read {
        Ok(Ok(panics)) => {
            let unknown = take(cutover, path, panics);
            unknown.map(|name| format!("there is no tenant `{name}`")).unwrap_or_default()
        }
        Ok(Err(problem)) => problem,
        Err(error) => error.to_string(),
    };
    if problem != *told {
        if !problem.is_empty() {
            let file = path.display();
            tracing::error!(%file, problem, "the panic file is wrong; what is wrong is ignored");
        }
        *told = problem;
    }
}

/// Lets a panic file hold; answers a tenant it names that there is not.
fn take(cutover: &Cutover, path: &Path, panics: Panics) -> Option<String> {
    let mut state = cutover.lock();
    if *state.panics() != panics {
        let (file, says) = (path.display(), &panics);
        if panics.is_empty() {
            tracing::warn!(%file, "the panic file says nothing any more; plans and changes hold");
        } else {
            tracing::warn!(%file, %says, "the panic file beats plans and changes from now on");
        }
        state.set_panics(panics);
    }
    state.panics().tenants().find(|name| !state.has(name)).map(str::to_owned)
}

/// The panic file; one that is not there says nothing.
fn panic_file(path: &Path) -> Result<Panics, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Panics::default()),
        Err(error) => return Err(format!("it cannot be read: {error}")),
    };
    let mut text = String::new();
    let read = file.take(PANIC_BYTES_MAX + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes as u64 > PANIC_BYTES_MAX {
        return Err(format!("it is longer than {PANIC_BYTES_MAX} bytes"));
    }
    Panics::parse(&text)
}
