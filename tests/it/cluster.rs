//! Several nodes: what a client sees must be what it sees of one.

mod answers;
mod bounded;
mod nouns;
mod operators;
mod rekeyed;
mod repeats;
mod sealed;
mod shared;
mod silent;
mod stopping;
mod taken_up;

use crate::bridge_stage::{Acks, Client};
use crate::cluster_stage::Node;

/// A chat that waits for an agent.
async fn begun(node: &Node) -> Client {
    let mut client = Client::session_at(node.service(), Acks::Real).await;
    assert_eq!(client.init().await.0, 200);
    client.until("ChatRequestSuccess").await;
    client
}
