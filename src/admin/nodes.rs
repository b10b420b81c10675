//! The cluster as readiness and metrics show it; the list of nodes is `operations`'.

use serde_json::Value;

use super::Admin;
use crate::cluster::Cluster;
use crate::observe::metrics::Page;

/// What readiness says of the cluster, and whether this node may take chats; `None` without one.
pub(super) fn check(admin: &Admin) -> Option<(String, bool)> {
    let cluster = admin.parts.cluster.as_ref()?;
    if !cluster.may_serve() {
        let why = "the lease is not renewed: chats wait until the store takes it again";
        return Some((why.to_owned(), false));
    }
    let others = cluster.configured_otherwise();
    let names: Vec<&str> = others.iter().map(|node| node.told.name.as_str()).collect();
    Some(match names.is_empty() {
        true => ("ok".to_owned(), true),
        false => (format!("configured otherwise than {}", names.join(", ")), true),
    })
}

/// Adds the cluster to the readiness checks.
pub(super) fn add(checks: &mut Value, check: Option<&(String, bool)>) {
    if let Some((text, _)) = check {
        checks["cluster"] = text.as_str().into();
    }
}

/// What is counted of the cluster; nothing without one.
pub(super) fn measure(page: &mut Page, cluster: &Cluster) {
    let nodes = cluster.nodes();
    let live = nodes.iter().filter(|node| node.live).count() as u64;
    page.gauge("bridge_nodes", "Nodes whose lease is good.", [], [([], live)]);
    let help = "Whether this node may answer from memory: its lease is renewed.";
    page.gauge("bridge_lease_good", help, [], [([], u64::from(cluster.may_serve()))]);
    let help = "Live nodes that are configured otherwise than this one.";
    let otherwise = cluster.configured_otherwise().len() as u64;
    page.gauge("bridge_nodes_configured_otherwise", help, [], [([], otherwise)]);
    let counts = cluster.counts();
    let help = "Requests that were passed on to the node that has the chat.";
    page.count("bridge_requests_forwarded", help, counts.forwarded);
    let help = "Chats of other nodes that this one took over.";
    page.count("bridge_chats_taken_over", help, counts.taken_over);
    let help = "Chats that were let go because another node has them.";
    page.count("bridge_chats_let_go", help, counts.let_go);
}
