//! Why a host was not reached, in plain words; and whether the legacy service still answers.

use bytes::Bytes;
use http::{Request, StatusCode};

use super::{Findings, Live, Told};
use crate::adapter::transport::TransportError;
use crate::config::Tenant;
use crate::wire::liveagent::API_VERSION;

/// A button that no org has, for tenants that name none.
const NO_BUTTON: &str = "573000000000000";

/// What a failure to connect to this address means, and what to do about it.
pub(super) fn plainly(error: &TransportError, address: &str) -> (&'static str, &'static str) {
    // A host may be called dns.example.
    let host = address.split("://").last().unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
    let mut cause = error.cause.to_ascii_lowercase();
    if !host.is_empty() {
        cause = cause.replace(&host, "");
    }
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["dns", "lookup", "resolve"]) {
        ("the host name is not known (DNS)", "correct the host; the code snippet has it as `Url`")
    } else if says(&["certificate", "issuer"]) {
        (
            "the host's certificate is not trusted (TLS)",
            "if a proxy opens TLS here, name its authority in `[egress] extra_ca_file`",
        )
    } else if says(&["tls", "handshake", "corrupt message"]) {
        ("the port does not speak TLS as expected", "check scheme and port of the address")
    } else if says(&["refused"]) {
        (
            "the connection was refused",
            "check host and port, the firewall on the way out, and `[egress] proxy` if there is one",
        )
    } else if says(&["timed out", "did not answer", "timeout"]) {
        ("no answer came in time", "check the firewall on the way out, and `[egress] proxy`")
    } else {
        ("nothing answered there", "check the host and the network on the way out")
    }
}

/// One availability request, which starts nothing; only reported.
pub(super) async fn legacy(live: &Live, tenant: &Tenant, found: &mut Findings) {
    let Some(legacy) = &tenant.legacy else { return };
    let (base, org) = (&legacy.live_agent_base_url, &legacy.organization_id);
    let button = legacy.button_id.as_deref().unwrap_or(NO_BUTTON);
    let deployment = &legacy.deployment_id;
    let url = format!(
        "{base}/chat/rest/Visitor/Availability?org_id={org}&deployment_id={deployment}\
         &Availability.ids={button}"
    );
    let request = Request::get(url).header(API_VERSION, &legacy.api_version).body(Bytes::new());
    let Ok(request) = request else { return };
    let past = live.clock.now().wall >= tenant.plan.removal;
    let (word, text) = match live.transport.send(request, live.answer_within).await {
        Ok(answer) if answer.status() == StatusCode::OK => {
            ("alive", "it answers an availability request".to_owned())
        }
        Ok(answer) => ("refusing", format!("it answers {}", answer.status())),
        Err(error) => ("gone", format!("{}: {error}", plainly(&error, base).0)),
    };
    found.saw("legacy", format!("{word}: {text}"));
    if (word == "alive") == past {
        let when = if past { "past" } else { "not yet reached" };
        let removal = tenant.plan.removal;
        found.note(Told {
            key: "legacy.live_agent_base_url",
            code: None,
            message: format!("the legacy service is {word}, and its removal ({removal}) is {when}"),
            expected: "alive before the removal, refusing or gone after it",
            help: "nothing is decided by this: `[tenant.plan]` decides, `route` prints it"
                .to_owned(),
        });
    }
}
