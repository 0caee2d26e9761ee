//! The global `Approval`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hooks_runtime::{
    GuardContext, HookError, HookMetadata, HookRefusal, PreparedHook, Vote, hooked, hooks,
};
use mlua::{Lua, Table};
use serde_json::{Value as Json, json};

use crate::bind::{ApiResult, Binder};
use crate::convert;
use crate::options::Options;
use crate::rights::{self, Capability};
use crate::run::json;

const WHAT: &str = "Approval.request";

/// Tells the questions of all scripts apart.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Makes the global; `stem` begins the names of the hooks that ask.
pub(crate) fn install(lua: &Lua, bind: &Binder, script: &str, stem: &str) -> mlua::Result<()> {
    let approval = lua.create_table()?;
    let (script, stem): (Arc<str>, Arc<str>) = (script.into(), stem.into());
    approval.raw_set(
        "request",
        bind.waiting(WHAT, move |lua, given: Table| {
            let (question, details) = read(lua, &given)?;
            let (script, stem) = (Arc::clone(&script), Arc::clone(&stem));
            Ok(Box::pin(async move {
                ask(&script, &stem, question, details).await.map(json)
            }))
        })?,
    )?;
    lua.globals().raw_set("Approval", approval)
}

fn read(lua: &Lua, given: &Table) -> ApiResult<(String, Json)> {
    let options = Options::new(WHAT, given, &["question", "details"])?;
    let question = options.name("question")?;
    let details = convert::to_json(lua, &given.raw_get("details")?)?;
    rights::check(lua, WHAT, &Capability::APPROVAL)?;
    Ok((question, details))
}

/// Asks whoever approves for the current registry: a guard of this one call wants to know.
async fn ask(script: &str, stem: &str, question: String, details: Json) -> Result<Json, String> {
    let number = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let id = format!("{stem}.approval.{number}");
    let asked = Arc::new(Asked {
        number,
        question: question.clone(),
        details: Mutex::default(),
    });
    let asks = Arc::clone(&asked);
    let meta = HookMetadata::new(id.as_str()).point("approval.request");
    let guard = PreparedHook::guard(meta, move |cx| asks.vote(cx));
    let _guard = hooks()
        .replace(&[], vec![guard])
        .map_err(|error| error.to_string())?;
    let answered = request(script, number, question.clone(), details).await;
    Ok(match answered {
        // Not what the call returned: hooks may have changed that after the answer.
        Ok(_) => match asked.shown() {
            Some(details) => json!({ "approved": true, "details": details }),
            // Whoever unregistered the guard meanwhile has not approved anything.
            None => return Err("nobody was asked: the hook that asks is gone".to_owned()),
        },
        // Without an approver the question itself is the refusal.
        Err(refusal) if refusal.hook() == id && refusal.reason() == question => {
            json!({ "approved": false, "reason": "the program has no approver" })
        }
        Err(refusal) => json!({ "approved": false, "reason": refusal.reason() }),
    })
}

/// The question of one call, and what whoever approves is shown of it.
struct Asked {
    number: u64,
    question: String,
    /// The details as they were sealed when it was asked last; nothing: it was not.
    details: Mutex<Option<Json>>,
}

impl Asked {
    /// Asks in the call of its number, which is a fact of the site: hooks can change arguments, and no facts.
    fn vote(&self, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
        if cx.field("number").and_then(Json::as_u64) != Some(self.number) {
            return Ok(Vote::Pass);
        }
        // Asked again after an edit, it stands for what was edited, or for nothing.
        let mut shown = self.details.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = None;
        if *cx.arg::<String>("question")? != self.question {
            return Ok(Vote::cancel(
                "the question was changed on its way to whoever approves: hooks at `approval.request` may change `details` only",
            ));
        }
        let details = cx.arg::<Json>("details")?.clone();
        *shown = Some(details);
        Ok(Vote::ask(self.question.as_str()))
    }

    fn shown(&self) -> Option<Json> {
        let mut details = self.details.lock().unwrap_or_else(PoisonError::into_inner);
        details.take()
    }
}

/// What is to be approved; whoever approves may edit the details.
#[hooked(point = "approval.request", component = script, skip(number), fields(number = number))]
#[allow(unused_variables, reason = "they are for whoever is asked")]
async fn request(
    script: &str,
    number: u64,
    question: String,
    details: Json,
) -> Result<Json, HookRefusal> {
    Ok(details)
}
