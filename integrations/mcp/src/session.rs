//! One client and one server: every message between them is decided, in order, and every request is answered once.

mod asked;
mod exchange;
mod flights;
mod letters;
mod outbox;
mod points;
mod related;
mod requests;
mod tools;
mod turn;
mod within;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hooks_runtime::{hooked, spawn};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::gateway::{Ended, GatewayOptions};
use crate::json::JsonText;
use crate::message::{Answer, Call, Extra, Id, Message, Rejected, extra_bytes};
use crate::methods::{CANCELLED, Party};
use crate::refused::CallError;
use crate::side::{Frame, Receive, Side};
use asked::{Asked, Came};
use flights::Flights;
use outbox::{Outbox, Room, Writer};
use points::Points;
use tools::Tools;
use turn::{Lane, Turn};

/// How long requests that hooks still decide about have, when the server is gone.
const LAST_DECISIONS: Duration = Duration::from_secs(1);

/// What belongs to one side.
pub(crate) struct Peer {
    outbox: Outbox,
    /// What was asked of it.
    asked: Asked,
    /// What it asks.
    flights: Flights,
    /// Its notifications that hooks make wait.
    lane: Lane,
    /// Room for what comes from it and is decided. Answers and notifications do not wait behind requests, which may
    /// wait for them.
    requests: Room,
    answers: Room,
    notifications: Room,
}

pub(crate) struct Session {
    options: Arc<GatewayOptions>,
    points: Points,
    client: Peer,
    server: Peer,
    tools: Tools,
    /// The client can show forms to its user.
    elicits: AtomicBool,
    next_id: AtomicU64,
    /// So that ids of ours are not those of others.
    mark: String,
}

tokio::task_local! {
    /// The session in which a hook is asked.
    static CURRENT: Arc<Session>;
}

impl Session {
    /// Runs until one side is gone.
    pub(crate) async fn run(
        options: Arc<GatewayOptions>,
        mark: String,
        client: Side,
        server: Side,
        stop: impl Future<Output = ()>,
    ) -> Ended {
        let (session, to_client, to_server) = Session::new(options, mark);
        let to_client = spawn(to_client.run(client.deliver));
        let mut to_server = spawn(to_server.run(server.deliver));
        let mut from_client = spawn(Arc::clone(&session).read(Party::Client, client.receive));
        let mut from_server = spawn(Arc::clone(&session).read(Party::Server, server.receive));
        let ended = tokio::select! {
            _ = &mut from_server => Ended::ServerGone,
            // Somebody else may hold its output open.
            _ = &mut to_server => Ended::ServerGone,
            _ = &mut from_client => Ended::ClientLeft,
            () = stop => Ended::Stopped,
        };
        if ended == Ended::ServerGone && !from_server.is_finished() {
            // What it wrote last is read still.
            if timeout(LAST_DECISIONS, &mut from_server).await.is_err() {
                tracing::debug!("somebody else holds the output of the server open");
            }
        }
        if ended != Ended::ServerGone {
            // What the client has asked for is answered still, while the server ends: it may read on.
            session.client.asked.close();
            session.server.outbox.stop();
            report(to_server.await, "the writer to the server");
            // Whatever holds the server's output open now is not the server.
            if timeout(LAST_DECISIONS, &mut from_server).await.is_err() {
                from_server.abort();
            }
        }
        from_server.abort();
        session.server.asked.close();
        session.server.outbox.stop();
        let client = &session.client;
        if timeout(LAST_DECISIONS, client.flights.all_landed())
            .await
            .is_err()
        {
            client.flights.end_all();
            if timeout(LAST_DECISIONS, client.flights.all_landed())
                .await
                .is_err()
            {
                tracing::warn!("the client does not read its answers");
            }
        }
        session.server.flights.end_all();
        client.asked.close();
        client.outbox.stop();
        report(to_client.await, "the writer to the client");
        from_client.abort();
        ended
    }

    fn new(options: Arc<GatewayOptions>, mark: String) -> (Arc<Session>, Writer, Writer) {
        let (client, to_client) = Peer::new(&options);
        let (server, to_server) = Peer::new(&options);
        let session = Arc::new(Session {
            points: Points::find(),
            tools: Tools::new(&options.limits),
            options,
            client,
            server,
            elicits: AtomicBool::new(false),
            next_id: AtomicU64::new(0),
            mark,
        });
        (session, to_client, to_server)
    }

    /// The session in which the current hook is asked, if it is asked in one.
    pub(crate) fn current() -> Option<Arc<Session>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    fn peer(&self, party: Party) -> &Peer {
        match party {
            Party::Client => &self.client,
            Party::Server => &self.server,
        }
    }

    /// An id that nobody else uses.
    fn own_id(&self) -> Id {
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        Id::Text(format!("hookpoint-{}-{number}", self.mark))
    }

    /// Reads what comes from one side, until it is gone.
    async fn read(self: Arc<Self>, from: Party, mut receive: Box<dyn Receive>) {
        while let Some(received) = receive.receive().await {
            for message in received.messages {
                let related = self.related(from, received.related.as_ref(), &message);
                match message {
                    Ok(Message::Request { id, call }) => {
                        self.take_request(from, id, call, related).await;
                    }
                    Ok(Message::Notification(call)) => {
                        self.take_notification(from, call, related).await;
                    }
                    Ok(Message::Response { id, answer, extra }) => {
                        self.take_answer(from, id, Ok((answer, extra))).await;
                    }
                    Err(rejected) => self.take_rejected(from, rejected).await,
                }
            }
        }
    }

    /// Hands an answer to the request that waits for it, and waits until it is on its way, or a hook makes it wait.
    async fn take_answer(
        &self,
        from: Party,
        id: Option<Id>,
        answer: Result<(Answer, Extra), Rejected>,
    ) {
        let peer = self.peer(from);
        let Some(waiting) = id.as_ref().and_then(|id| peer.asked.take(id)) else {
            tracing::warn!(%from, ?id, "an answer to no request of this session is not passed on");
            return;
        };
        let bytes = match &answer {
            Ok((Answer::Result(body) | Answer::Error(body), extra)) => {
                body.weight() + extra_bytes(extra)
            }
            Err(_) => 0,
        };
        let Ok(room) = peer.answers.take(bytes).await else {
            return;
        };
        let (turn, ended) = Turn::new();
        let before = peer.lane.before();
        let came = Came {
            answer,
            turn,
            before,
            room,
        };
        if waiting.send(came).is_err() {
            tracing::debug!(%from, ?id, "nobody waits for this answer any more");
        }
        turn_over(ended).await;
    }

    /// Tells whoever waits for what is no message.
    async fn take_rejected(&self, from: Party, rejected: Rejected) {
        let (id, reason) = (rejected.id.clone(), rejected.reason.as_str());
        tracing::warn!(%from, ?id, reason, "a message is not passed on");
        let answered = id
            .as_ref()
            .is_some_and(|id| self.peer(from).asked.is_waiting(id));
        if rejected.is_response && answered {
            return self.take_answer(from, id, Err(rejected)).await;
        }
        // Servers write other things than messages too; to answer those would only be noise.
        if rejected.is_response && from == Party::Server {
            return;
        }
        // The answer to the one that is under way must stay the only one under its id.
        let id = id.filter(|id| !self.peer(from).flights.is_under_way(id));
        self.answer(from, id, Answer::from(rejected), Extra::new(), None)
            .await;
    }

    /// Answers a party.
    async fn answer(
        &self,
        to: Party,
        id: Option<Id>,
        answer: Answer,
        extra: Extra,
        related: Option<Id>,
    ) {
        let message = Message::Response { id, answer, extra };
        if self
            .peer(to)
            .outbox
            .put(Frame { message, related })
            .await
            .is_err()
        {
            tracing::debug!(%to, "it is gone, and gets no answer");
        }
    }

    /// Passes a notification on; what it cancels is cancelled then.
    #[hooked(point = "mcp.notification", component = method, skip(original, extra, related))]
    #[allow(unused_variables, reason = "hooks read who tells whom")]
    #[allow(clippy::too_many_arguments, reason = "four are for hooks")]
    async fn notify(
        &self,
        method: &str,
        from: &str,
        server: &str,
        params: Value,
        party: Party,
        original: Option<JsonText>,
        extra: Extra,
        related: Option<Id>,
    ) -> Result<(), CallError> {
        let params = match original {
            Some(original) => Some(original.changed_to(&params)),
            None if params.is_null() => None,
            None => Some(JsonText::of(&params)),
        };
        self.pass_notification(party, method, params, extra, related)
            .await
    }

    async fn pass_notification(
        &self,
        from: Party,
        method: &str,
        params: Option<JsonText>,
        extra: Extra,
        related: Option<Id>,
    ) -> Result<(), CallError> {
        let cancelled = match (method, &params) {
            (CANCELLED, Some(params)) => params.value().get("requestId").and_then(Id::read),
            _ => None,
        };
        let to = self.peer(from.other());
        let known_as = cancelled.as_ref().map(|id| to.asked.known_as(id));
        // What hooks still decide about was never passed on, and needs not be cancelled there.
        if known_as != Some(None) {
            let params = match known_as.flatten() {
                Some(id) if Some(&id) != cancelled.as_ref() => renamed(params, &id),
                _ => params,
            };
            let method = method.to_owned();
            let message = Message::Notification(Call {
                method,
                params,
                extra,
            });
            let put = to.outbox.put(Frame { message, related }).await;
            put.map_err(|_| CallError::Gone(from.other()))?;
        }
        if let Some(id) = cancelled {
            self.peer(from).flights.cancel(&id);
        }
        Ok(())
    }

    /// A tool is to be shown or called. Hooks may refuse it, or show it in another way.
    #[hooked(point = "tool.discover", component = name)]
    #[allow(unused_variables, reason = "hooks read them")]
    async fn discover(
        &self,
        name: &str,
        server: &str,
        definition: Value,
    ) -> Result<Value, CallError> {
        if let Some(pins) = &self.options.pins {
            pins.accept(server, name, &definition);
        }
        Ok(definition)
    }

    fn note_client(&self, params: Option<&JsonText>) {
        let value = params.map(JsonText::value);
        // Forms are what every client shows that does not say that it only opens addresses.
        let can = |value: &Value| match value.pointer("/capabilities/elicitation") {
            Some(Value::Object(kinds)) => kinds.contains_key("form") || !kinds.contains_key("url"),
            _ => false,
        };
        self.elicits
            .store(value.as_ref().is_some_and(can), Ordering::Relaxed);
    }

    /// Whether the client can ask its user.
    pub(crate) fn elicits(&self) -> bool {
        self.elicits.load(Ordering::Relaxed)
    }

    /// Asks the client, as a server would.
    pub(crate) async fn ask_client(
        &self,
        method: &str,
        params: &Value,
    ) -> Result<Value, CallError> {
        let gone = || CallError::Gone(Party::Client);
        let id = self.own_id();
        let begun = self.client.asked.begin(&id, None);
        let mut waiting = begun.map_err(|_| gone())?;
        let call = Call::new(method, params);
        let (message, related) = (
            Message::Request {
                id: id.clone(),
                call,
            },
            None,
        );
        let mut cancel = CancelOnDrop {
            session: Session::current(),
            id: Some(id),
        };
        let put = self.client.outbox.put(Frame { message, related }).await;
        put.map_err(|_| gone())?;
        let came = waiting.answered().await.map_err(|_| gone())?;
        cancel.id = None;
        match came.answer {
            Ok((Answer::Result(result), _)) => Ok(result.value()),
            Ok((Answer::Error(error), _)) => Err(CallError::Answered {
                party: Party::Client,
                error,
            }),
            Err(rejected) => Err(CallError::BadAnswer {
                party: Party::Client,
                reason: rejected.reason,
            }),
        }
    }
}

/// A question that nobody waits for any more is taken back.
struct CancelOnDrop {
    session: Option<Arc<Session>>,
    id: Option<Id>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let (Some(id), Some(session)) = (self.id.take(), self.session.take()) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let params =
            json!({ "requestId": id.to_value(), "reason": "the call is not waited for any more" });
        let message = Message::Notification(Call::new(CANCELLED, &params));
        runtime.spawn(async move {
            let frame = Frame {
                message,
                related: None,
            };
            if session.client.outbox.put(frame).await.is_err() {
                tracing::debug!("the client is gone, and needs not be told that nobody waits");
            }
        });
    }
}

impl Peer {
    fn new(options: &GatewayOptions) -> (Peer, Writer) {
        let limits = &options.limits;
        let (outbox, writer) = Outbox::new(limits);
        let peer = Peer {
            outbox,
            asked: Asked::default(),
            flights: Flights::new(limits.max_in_flight),
            lane: Lane::default(),
            requests: Room::new(limits.max_queued_bytes),
            answers: Room::new(limits.max_queued_bytes),
            notifications: Room::new(limits.max_queued_bytes),
        };
        (peer, writer)
    }
}

/// The parameters of a cancellation, with the id under which the request was passed on.
fn renamed(params: Option<JsonText>, id: &Id) -> Option<JsonText> {
    let params = params?;
    let mut value = params.value();
    value["requestId"] = id.to_value();
    Some(params.changed_to(&value))
}

/// Waits until whoever has the turn gives it up: that is when the other end is dropped.
async fn turn_over(ended: oneshot::Receiver<()>) {
    if ended.await.is_ok() {
        unreachable!("nothing is ever sent");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>, who: &str) {
    if let Err(error) = ended {
        tracing::error!(%error, "{who} failed");
    }
}
