//! Scripted chats for the exhaustive crash test: nothing goes wrong in them but the one crash.

use crate::chat::content::{Ask, Choice, Field, FieldKind, Form, Offer, Style};
use crate::chat::limits::{Delivery, Settings};
use crate::chat::policy::Uploads;
use crate::machine::plan::{Acks, DeskAct, Faults, Plan, Posts, Service, Traits};

const KIND: Service = Service {
    accepts_twice: false,
    conflict: true,
    list_lag: 0,
    buffer: 1_000,
    wants_new_session: false,
    token_tells_start: true,
    event_delay: 20,
    token_life: 6 * 3_600_000,
};

/// When a chat is ended: long after what was said last, so that a node may be lost in between.
const ENDS: u64 = 45_000;

fn plan(seed: u64, says: &[(u64, &str)], desk: &[(u64, DeskAct)]) -> Plan {
    Plan {
        seed,
        settings: Settings::default(),
        traits: Traits {
            acks: Acks::Proper,
            posts: Posts::Numbered,
            overlaps: false,
            reconnects: false,
            garbles: false,
        },
        service: KIND,
        faults: Faults::default(),
        faults_until: 30_000,
        outages: Vec::new(),
        says_max: says.len(),
        says: says.iter().map(|(at, text)| (*at, (*text).to_owned())).collect(),
        desk: desk.to_vec(),
        visitor_ends_at: None,
        crash_at: None,
        latency: (5, 20),
        cluster: None,
    }
}

/// A short ordinary chat that the agent ends.
fn ordinary(seed: u64) -> Plan {
    plan(
        seed,
        &[(1_000, "[v1:hello]"), (6_000, "[v2:is anybody there]"), (9_000, "[v3:good]")],
        &[
            (500, DeskAct::Routed),
            (2_000, DeskAct::Join("anna")),
            (3_000, DeskAct::Type),
            (4_000, DeskAct::Say),
            (6_500, DeskAct::Type),
            (7_000, DeskAct::Say),
            (7_010, DeskAct::Say),
            (ENDS, DeskAct::End),
        ],
    )
}

fn offer() -> Ask {
    let choice = |id: &str, title: &str| Choice { id: id.into(), title: title.into() };
    let items = vec![choice("o1", "[v3:good]"), choice("o2", "[v2:is anybody there]")];
    Ask::Offer(Offer { message: "q".into(), style: Style::Menu, items })
}

fn form() -> Ask {
    let field =
        |id: &str| Field { id: id.into(), label: "".into(), required: true, kind: FieldKind::Text };
    Ask::Form(Form { message: "q".into(), fields: vec![field("f1"), field("f2")] })
}

/// Adds a script: the ordinary one, changed.
type Add<'a> = dyn FnMut(&'static str, &dyn Fn(&mut Plan)) + 'a;

/// All of them, by name.
pub fn all() -> Vec<(&'static str, Plan)> {
    let mut all = vec![("ordinary", ordinary(1))];
    let mut add = |name, change: &dyn Fn(&mut Plan)| {
        let mut plan = ordinary(all.len() as u64 + 1);
        change(&mut plan);
        all.push((name, plan));
    };
    clients_and_services(&mut add);
    contents(&mut add);
    turns(&mut add);
    all
}

/// Clients of all kinds, and services of all kinds.
fn clients_and_services(add: &mut Add<'_>) {
    add("batch", &|plan| plan.settings.delivery = Delivery::Batch);
    add("never acknowledges", &|plan| plan.traits.acks = Acks::Never);
    add("private counter", &|plan| plan.traits.acks = Acks::PrivateCounter);
    add("no ack at first", &|plan| plan.traits.acks = Acks::MissingFirst);
    add("blind retries", &|plan| plan.traits.posts = Posts::Blind);
    add("unnumbered", &|plan| plan.traits.posts = Posts::Unnumbered);
    add("repeated ids shown again", &|plan| plan.service.accepts_twice = true);
    add("short memory", &|plan| {
        plan.service.buffer = 1;
        plan.service.token_tells_start = false;
    });
    add("new session wanted", &|plan| plan.service.wants_new_session = true);
    add("the visitor ends it", &|plan| {
        plan.desk.pop();
        plan.visitor_ends_at = Some(ENDS);
    });
    add("the token ends it", &|plan| {
        plan.desk.pop();
        plan.service.token_life = 60_000;
    });
    add("transfer", &|plan| {
        plan.desk.insert(7, (8_000, DeskAct::TransferStarts));
        plan.desk.insert(8, (8_100, DeskAct::Leave("anna")));
        plan.desk.insert(9, (12_000, DeskAct::Join("bert")));
        plan.desk.insert(10, (13_000, DeskAct::Say));
    });
}

/// What passes beside words.
fn contents(add: &mut Add<'_>) {
    add("a choice", &|plan| plan.desk.insert(4, (4_500, DeskAct::Ask(offer()))));
    add("a form", &|plan| {
        plan.settings.content.form_wait = std::time::Duration::from_secs(10);
        plan.desk.insert(2, (2_100, DeskAct::Ask(form())));
    });
    add("a form left half answered", &|plan| {
        plan.says.truncate(2);
        plan.says_max = 2;
        plan.desk.insert(5, (4_500, DeskAct::Ask(form())));
        plan.desk.pop();
        plan.visitor_ends_at = Some(ENDS);
    });
    add("a file", &|plan| {
        plan.settings.content.uploads = Uploads::Offer;
        plan.says[1].1 = "[file2:photo]".to_owned();
    });
    add("a file that is not answered at once", &|plan| {
        plan.settings.content.uploads = Uploads::Offer;
        plan.says[1].1 = "[file2:photo]".to_owned();
        plan.latency = (300, 900);
    });
}

/// What happens in a chat, and around it.
fn turns(add: &mut Add<'_>) {
    add("two agents at once", &|plan| {
        plan.desk.insert(4, (4_200, DeskAct::Join("bert")));
        plan.desk.insert(7, (7_500, DeskAct::Leave("bert")));
    });
    add("events of unknown types", &|plan| {
        plan.desk.insert(2, (2_500, DeskAct::Unknown));
        plan.desk.insert(5, (5_000, DeskAct::Unknown));
    });
    add("texts beyond the limit", &|plan| {
        plan.settings.text_limit = 120;
        plan.says[1].1 = format!("[v2:{}]", "is anybody there ".repeat(20));
    });
    add("the visitor ends it while in the queue", &|plan| {
        plan.desk.clear();
        plan.visitor_ends_at = Some(ENDS);
    });
    add("a transfer while the visitor talks", &|plan| {
        plan.desk.insert(5, (5_900, DeskAct::TransferStarts));
        plan.desk.insert(6, (6_000, DeskAct::Leave("anna")));
        plan.desk.insert(7, (6_400, DeskAct::Join("bert")));
    });
    add("polls that overlap", &|plan| plan.traits.overlaps = true);
    add("reconnects", &|plan| plan.traits.reconnects = true);
    add("reconnects to places that never were", &|plan| {
        plan.traits.reconnects = true;
        plan.traits.garbles = true;
    });
    add("the entries list is behind", &|plan| plan.service.list_lag = 1_500);
    add("repeated ids are answered as if new", &|plan| plan.service.conflict = false);
    add("everything takes its time", &|plan| {
        plan.latency = (300, 900);
        plan.service.event_delay = 300;
    });
    add("burst beyond the budget", &|plan| {
        plan.says.extend((4..34).map(|n| (9_100 + n, format!("[v{n}:burst]"))));
        plan.desk.pop();
        plan.visitor_ends_at = Some(125_000);
    });
}

/// What may happen to the messages of a script, as `docs/reliability.md` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corner {
    /// A file is in memory only; its loss is told.
    Lost,
    /// The last payload of a client that never acknowledges, or a message of a service that shows a
    /// repeated id again.
    Repeated,
}

/// The corner that the promise knows for this script.
pub fn corner(name: &str) -> Option<Corner> {
    match name {
        "a file" | "a file that is not answered at once" => Some(Corner::Lost),
        "never acknowledges" | "private counter" | "repeated ids shown again" => {
            Some(Corner::Repeated)
        }
        _ => None,
    }
}
