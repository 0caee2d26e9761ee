//! The global `Approval`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hooks_runtime::{HookMetadata, HookRefusal, PreparedHook, Vote, hooked, hooks};
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
    let asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&asked);
    let id = format!("{stem}.approval.{number}");
    let meta = HookMetadata::new(id.as_str()).point("approval.request");
    let guard = PreparedHook::guard(meta, move |cx| {
        if *cx.arg::<u64>("number")? != number {
            return Ok(Vote::Pass);
        }
        asks.store(true, Ordering::Relaxed);
        Ok(Vote::ask(cx.arg::<String>("question")?.as_str()))
    });
    let _guard = hooks()
        .replace(&[], vec![guard])
        .map_err(|error| error.to_string())?;
    let answered = request(script, number, question.clone(), details).await;
    // Whoever unregistered the guard meanwhile has not approved anything.
    if answered.is_ok() && !asked.load(Ordering::Relaxed) {
        return Err("nobody was asked: the hook that asks is gone".to_owned());
    }
    Ok(match answered {
        Ok(details) => json!({ "approved": true, "details": details }),
        // Without an approver the question itself is the refusal.
        Err(refusal) if refusal.hook() == id && refusal.reason() == question => {
            json!({ "approved": false, "reason": "the program has no approver" })
        }
        Err(refusal) => json!({ "approved": false, "reason": refusal.reason() }),
    })
}

/// What is to be approved; whoever approves may edit the details.
#[hooked(point = "approval.request", component = script)]
#[allow(unused_variables, reason = "they are for whoever is asked")]
async fn request(
    script: &str,
    number: u64,
    question: String,
    details: Json,
) -> Result<Json, HookRefusal> {
    Ok(details)
}
