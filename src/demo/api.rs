//! The demo over HTTP; the module above lists the requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::{Body, Bytes};
use axum::extract;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tower::ServiceExt as _;

use super::events::Event;
use super::world::{BUTTON, DEPLOYMENT, ORGANIZATION, World, WorldError};
use super::{KEEP_ALIVE, scenes, tap};
use crate::clock::Clock;
use crate::time::Wall;

/// Everything comes from here; nothing is inline.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'";

const FILES: [(&str, &str, &str); 15] = [
    ("/", "text/html", include_str!("page/index.html")),
    ("/demo/page.css", "text/css", include_str!("page/page.css")),
    ("/demo/parts.css", "text/css", include_str!("page/parts.css")),
    ("/demo/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/demo/main.js", "text/javascript", include_str!("page/main.js")),
    ("/demo/timeline.js", "text/javascript", include_str!("page/timeline.js")),
    ("/demo/client.js", "text/javascript", include_str!("page/client.js")),
    ("/demo/visitor.js", "text/javascript", include_str!("page/visitor.js")),
    ("/demo/desk.js", "text/javascript", include_str!("page/desk.js")),
    ("/demo/dom.js", "text/javascript", include_str!("page/dom.js")),
    ("/demo/board.js", "text/javascript", include_str!("page/board.js")),
    ("/demo/sequence.js", "text/javascript", include_str!("page/sequence.js")),
    ("/demo/scenarios.js", "text/javascript", include_str!("page/scenarios.js")),
    ("/demo/tour.js", "text/javascript", include_str!("page/tour.js")),
    ("/demo/theme.js", "text/javascript", include_str!("../admin/console/theme.js")),
];

/// The current world; a restart exchanges it.
#[derive(Clone)]
pub(super) struct State {
    world: Arc<RwLock<Arc<World>>>,
    /// One restart at a time.
    restarting: Arc<tokio::sync::Mutex<()>>,
    /// Where all this is served.
    address: SocketAddr,
}

impl State {
    pub(super) async fn new(address: SocketAddr) -> Result<Self, WorldError> {
        let world = Arc::new(RwLock::new(Arc::new(World::new().await?)));
        Ok(Self { world, restarting: Arc::default(), address })
    }

    /// The address that clients have instead of Salesforce's.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether the agents act by themselves from now on.
    pub(super) fn agents_act(&self, auto: bool) {
        let world = self.world();
        world.auto.send_replace(auto);
        world.tell.events.send(Event::Agents(auto));
    }

    pub(super) fn world(&self) -> Arc<World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn stop(&self) {
        self.world().stop().await;
    }

    async fn restart(&self) -> Result<(), WorldError> {
        let _one = self.restarting.lock().await;
        let new = Arc::new(World::new().await?);
        let old = {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *world, new)
        };
        old.tell.events.send(Event::Restart);
        old.stop().await;
        Ok(())
    }
}

type Demo = extract::State<State>;

pub(super) fn router(state: State) -> Router {
    let mut router = Router::new();
    for (path, kind, text) in FILES {
        router = router.route(path, get(move || async move { file(kind, text) }));
    }
    router
        .route("/demo/state", get(everything))
        .route("/demo/clock", get(clock).post(set_clock))
        .route("/demo/events", get(events))
        .route("/demo/decisions", get(decisions))
        .route("/demo/agents", post(set_agents))
        .route("/demo/restart", post(restart))
        .route("/demo/raw", get(scenes::raw))
        .route("/demo/crowd", post(scenes::crowd))
        .route("/demo/bridge", post(scenes::bridge))
        .route("/demo/outage", post(scenes::outage))
        .route("/demo/ramp", post(scenes::ramp))
        .route("/demo/report", get(scenes::report))
        .route("/demo/console", get(scenes::console))
        .fallback(desk_or_bridge)
        .with_state(state)
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, format!("{kind};charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}

/// A route with a capture would leave its own in the request, and the desk counts them.
async fn desk_or_bridge(extract::State(state): Demo, request: Request<Body>) -> Response {
    let world = state.world();
    let path = request.uri().path();
    if path == "/desk" || path.starts_with("/desk/") {
        let answer = world.desk.clone().oneshot(request).await;
        return answer.unwrap_or_else(|never| match never {});
    }
    let bridge = world.bridge();
    let of_admin = ["/console", "/admin/", "/metrics", "/readyz", "/healthz"];
    if of_admin.iter().any(|prefix| path.starts_with(prefix)) {
        let Some(bridge) = bridge else {
            return (StatusCode::BAD_GATEWAY, "the bridge is not running").into_response();
        };
        let answer = bridge.admin.clone().oneshot(request).await;
        return answer.unwrap_or_else(|never| match never {});
    }
    tap::through(bridge, &world.tell, request).await
}

async fn everything(extract::State(state): Demo) -> Response {
    let world = state.world();
    let real = Clock::system().now().wall;
    let since = real.millis_since(world.timeline.removal);
    let mut all = json!({
        "clock": world.reading(),
        "timeline": world.timeline,
        "real": { "now": real, "daysSinceRemoval": since.div_euclid(24 * 60 * 60 * 1000) },
        "ids": {
            "organizationId": ORGANIZATION, "deploymentId": DEPLOYMENT, "buttonId": BUTTON,
        },
        "auto": *world.auto.borrow(),
        "decisions": world.tell.events.decisions(),
        "wire": world.tell.events.rows(),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut all, scenes::reading(&world)) {
        all.extend(more);
    }
    Json(all).into_response()
}

async fn clock(extract::State(state): Demo) -> Response {
    Json(state.world().reading()).into_response()
}

#[derive(Deserialize)]
struct SetClock {
    to: Value,
}

async fn set_clock(extract::State(state): Demo, Json(set): Json<SetClock>) -> Response {
    let to = match &set.to {
        Value::String(text) => Wall::parse(text),
        number => number.as_i64().map(Wall::from_millis).ok_or_else(String::new),
    };
    let world = state.world();
    let shown_times = world.timeline.begin..=world.timeline.today;
    match to {
        Ok(to) if shown_times.contains(&to) => Json(world.set_clock(to)).into_response(),
        _ => {
            let (first, last) = (world.timeline.begin, world.timeline.today);
            let expected = format!("`to` must be an instant from {first} to {last}");
            (StatusCode::BAD_REQUEST, expected).into_response()
        }
    }
}

#[derive(Deserialize)]
struct SetAgents {
    auto: bool,
}

async fn set_agents(extract::State(state): Demo, Json(set): Json<SetAgents>) -> Response {
    state.agents_act(set.auto);
    Json(json!({ "auto": set.auto })).into_response()
}

async fn restart(extract::State(state): Demo) -> Response {
    match state.restart().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn events(extract::State(state): Demo) -> Response {
    let receiver = state.world().tell.events.subscribe();
    // Comes first: whoever connects again learns that it has to ask for the state.
    let hello = vec![("hello", "{}".to_owned())];
    streamed(frames(hello, receiver, |_| true))
}

async fn decisions(extract::State(state): Demo) -> Response {
    let (past, receiver) = state.world().tell.events.decisions_and_on();
    let past = past.into_iter().map(|one| Event::Decision(one).frame()).collect();
    streamed(frames(past, receiver, |event| matches!(event, Event::Decision(_))))
}

fn streamed(frames: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}

type Frame = (&'static str, String);

/// `first`, then every event that is wanted, as frames of an event stream.
fn frames(
    first: Vec<Frame>,
    receiver: Receiver<Event>,
    wanted: fn(&Event) -> bool,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let first = first.into_iter();
    stream::unfold((first, receiver), move |(mut first, mut receiver)| async move {
        if let Some(frame) = first.next() {
            return Some((Ok(encoded(&frame)), (first, receiver)));
        }
        loop {
            let bytes = match tokio::time::timeout(KEEP_ALIVE, receiver.recv()).await {
                Ok(Ok(event)) if wanted(&event) => encoded(&event.frame()),
                Ok(Ok(_)) => continue,
                Ok(Err(RecvError::Lagged(_))) => encoded(&("hello", "{}".to_owned())),
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => Bytes::from_static(b": still here\n\n"),
            };
            return Some((Ok(bytes), (first, receiver)));
        }
    })
}

fn encoded((name, data): &Frame) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
