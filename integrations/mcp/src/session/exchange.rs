//! One request on its way to the other side and back: the hook points.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hooks_runtime::{hooked, spawn};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Session;
use super::asked::{Asker, NotAsked, Waiting};
use super::letters::{check_params, check_result, check_tool};
use super::related::progress_token;
use super::turn::TurnPlace;
use super::within::{AS_A_TASK, bad, has_result_of_task, is_task};
use crate::json::JsonText;
use crate::message::{Answer, Call, Extra, Id, Message};
use crate::methods::{CALL_TOOL, CANCELLED, INITIALIZE, LIST_TOOLS, Party};
use crate::refused::CallError;
use crate::reply::Reply;
use crate::side::Frame;

/// A request that one party has made.
pub(super) struct Exchange {
    pub(super) session: Arc<Session>,
    pub(super) from: Party,
    pub(super) id: Id,
    /// The request as it came.
    pub(super) original: Option<JsonText>,
    pub(super) extra: Extra,
    pub(super) related: Option<Id>,
    pub(super) turn: TurnPlace,
    /// It was passed on once: another attempt needs another id.
    pub(super) tried: AtomicBool,
    /// What of the answer JSON-RPC does not know.
    pub(super) answer_extra: Mutex<Extra>,
    /// The result as it came.
    pub(super) came: Mutex<Option<JsonText>>,
    /// Room for the answer, until it is on its way.
    pub(super) held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Exchange {
    /// The request, decided by hooks where there are some.
    pub(super) async fn run(&self, method: &str) -> Result<JsonText, CallError> {
        let session = &self.session;
        if session.points.are_idle(method) {
            return self.pass(method, self.original.clone()).await;
        }
        let params = self.original.as_ref().map_or(Value::Null, JsonText::value);
        check_params(&params)?;
        let server = &*session.options.server;
        let reply = self
            .request(method, self.from.as_str(), server, params)
            .await;
        // What no hook has seen goes on with the answer that it came with, and with no other.
        let is_its_own = match &reply {
            Ok(reply) => reply.has_come(),
            Err(error) => matches!(error, CallError::Answered { .. }),
        };
        if !is_its_own {
            drop(take(&self.answer_extra));
        }
        let came = take(&self.came);
        reply.map(|reply| reply.into_text(came))
    }

    /// Any request of either party.
    #[hooked(point = "mcp.request", component = method, retry)]
    #[allow(unused_variables, reason = "hooks read who asks whom")]
    async fn request(
        &self,
        method: &str,
        from: &str,
        server: &str,
        params: Value,
    ) -> Result<Reply, CallError> {
        if self.from == Party::Server {
            return self.pass_value(method, params).await;
        }
        let replied = match method {
            CALL_TOOL => self.call_tool(params).await,
            LIST_TOOLS => match self.pass_value(method, params).await {
                Ok(reply) => self.discovered(reply).await,
                error => error,
            },
            _ => self.pass_value(method, params).await,
        };
        let mut reply = match replied {
            Err(CallError::Answered { party, error }) => {
                return Err(self.session.decide_error(party, error).await);
            }
            replied => replied?,
        };
        if has_result_of_task(method, &reply.value) && self.session.points.ask_about_results() {
            return Err(bad(AS_A_TASK));
        }
        self.session.decide_inputs(&mut reply.value).await?;
        Ok(reply)
    }

    /// A call of a tool, as the request has it after `mcp.request`.
    async fn call_tool(&self, params: Value) -> Result<Reply, CallError> {
        let Value::Object(mut rest) = params else {
            return Err(CallError::BadParams(
                "the parameters of `tools/call` must be an object",
            ));
        };
        let Some(Value::String(tool)) = rest.get("name").cloned() else {
            return Err(CallError::BadParams(
                "`params.name` of `tools/call` must be a string",
            ));
        };
        // Where it stood in the object it stands again.
        let arguments = match rest.get_mut("arguments") {
            None => json!({}),
            Some(arguments @ (Value::Object(_) | Value::Null)) => arguments.take(),
            Some(_) => {
                let why = "`params.arguments` of `tools/call` must be an object";
                return Err(CallError::BadParams(why));
            }
        };
        if rest.contains_key("task") && self.session.points.ask_about_results() {
            return Err(CallError::BadParams(AS_A_TASK));
        }
        let definition = self.session.tools.definition(&tool);
        let server = &*self.session.options.server;
        self.session
            .discover(&tool, server, definition.clone())
            .await?;
        let annotations = definition
            .get("annotations")
            .cloned()
            .unwrap_or(Value::Null);
        let call = self.call(&tool, server, arguments, &annotations, &rest);
        call.await
    }

    /// A call of a tool of the server. Its arguments are `params`, as those of tools of this program are.
    #[hooked(point = "tool.execute", component = tool, skip(rest), retry)]
    #[allow(unused_variables, reason = "hooks read what is known of the tool")]
    async fn call(
        &self,
        tool: &str,
        server: &str,
        params: Value,
        annotations: &Value,
        rest: &Map<String, Value>,
    ) -> Result<Reply, CallError> {
        let mut whole = rest.clone();
        let had_none = !whole.contains_key("arguments");
        if !(had_none && params.as_object().is_some_and(Map::is_empty)) {
            whole.insert("arguments".to_owned(), params);
        }
        let reply = self.pass_value(CALL_TOOL, Value::Object(whole)).await?;
        if is_task(&reply.value) && self.session.points.ask_about_results() {
            return Err(bad(AS_A_TASK));
        }
        Ok(reply)
    }

    /// Asks about each tool of a list: those that hooks refuse are not in it.
    async fn discovered(&self, mut reply: Reply) -> Result<Reply, CallError> {
        let tools = match reply.value.get_mut("tools") {
            None => return Ok(reply),
            Some(Value::Array(tools)) => tools,
            Some(_) => return Err(bad("`tools` must be a list")),
        };
        let server = &*self.session.options.server;
        let mut kept = Vec::with_capacity(tools.len());
        for tool in tools.drain(..) {
            let Some(name) = tool.get("name").and_then(Value::as_str).map(str::to_owned) else {
                tracing::warn!("a tool without a name was left out of the server's list");
                continue;
            };
            check_tool(&tool)?;
            self.session.tools.learn(&name, &tool);
            match self.session.discover(&name, server, tool).await {
                Ok(tool) => kept.push(tool),
                Err(CallError::Refused(refusal)) => {
                    tracing::debug!(tool = name, %refusal, "a tool is not shown");
                }
                Err(error) => return Err(error),
            }
        }
        *tools = kept;
        Ok(reply)
    }

    async fn pass_value(&self, method: &str, params: Value) -> Result<Reply, CallError> {
        let params = match &self.original {
            Some(original) => Some(original.changed_to(&params)),
            // There were none, and no hook made some.
            None if params.is_null() => None,
            None => Some(JsonText::of(&params)),
        };
        let reply = Reply::from(self.pass(method, params).await?);
        check_result(self.from.other(), &reply.value)?;
        Ok(reply)
    }

    /// Passes the request on and waits for its answer.
    async fn pass(&self, method: &str, params: Option<JsonText>) -> Result<JsonText, CallError> {
        // Of an attempt before, which must not hold what this one waits for.
        drop(take(&self.held));
        let party = self.from.other();
        let to = self.session.peer(party);
        if method == INITIALIZE && self.from == Party::Client {
            self.session.note_client(params.as_ref());
        }
        let (id, mut waiting) = self.ask(party, params.as_ref())?;
        let call = Call {
            method: method.to_owned(),
            params,
            extra: self.extra.clone(),
        };
        let frame = Frame {
            message: Message::Request {
                id: id.clone(),
                call,
            },
            related: self.related.clone(),
        };
        let answered = async {
            to.outbox.put(frame).await?;
            waiting.answered().await
        };
        let answered = match self.session.options.limits.timeout {
            None => answered.await,
            Some(limit) => match timeout(limit, answered).await {
                Ok(answered) => answered,
                Err(_) => {
                    self.give_up(party, &id);
                    return Err(CallError::TimedOut(party));
                }
            },
        };
        let came = answered.map_err(|_| CallError::Gone(party))?;
        self.turn.keep(came.turn);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(came.room);
        came.before.passed().await;
        match came.answer {
            Ok((answer, extra)) => {
                *self
                    .answer_extra
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = extra;
                match answer {
                    Answer::Result(result) => {
                        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
                        *came = Some(result.clone());
                        Ok(result)
                    }
                    Answer::Error(error) => Err(CallError::Answered { party, error }),
                }
            }
            Err(rejected) => Err(CallError::BadAnswer {
                party,
                reason: rejected.reason,
            }),
        }
    }

    /// Under the id that it came with, if that is possible: some messages name it.
    fn ask(&self, party: Party, params: Option<&JsonText>) -> Result<(Id, Waiting), CallError> {
        let asked = &self.session.peer(party).asked;
        let asker = Asker {
            id: self.id.clone(),
            token: params.and_then(progress_token),
        };
        let mut id = match self.tried.swap(true, Ordering::Relaxed) {
            false => self.id.clone(),
            true => self.session.own_id(),
        };
        loop {
            match asked.begin(&id, Some(asker.clone())) {
                Ok(waiting) => return Ok((id, waiting)),
                Err(NotAsked::Gone) => return Err(CallError::Gone(party)),
                Err(NotAsked::Taken) => id = self.session.own_id(),
            }
        }
    }

    /// Cancels it at the other side, when that has room for it: whoever asked is answered now.
    fn give_up(&self, party: Party, id: &Id) {
        let params = json!({ "requestId": id.to_value(), "reason": "it took longer than the gateway waits" });
        let message = Message::Notification(Call::new(CANCELLED, &params));
        let (session, related) = (Arc::clone(&self.session), self.related.clone());
        spawn(async move {
            let to = session.peer(party);
            if to.outbox.put(Frame { message, related }).await.is_err() {
                tracing::debug!(%party, "it is gone, and needs not be told that nobody waits");
            }
        });
    }
}

/// What was kept there.
fn take<T: Default>(place: &Mutex<T>) -> T {
    std::mem::take(&mut *place.lock().unwrap_or_else(PoisonError::into_inner))
}
