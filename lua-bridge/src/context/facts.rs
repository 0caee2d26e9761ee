//! What `ctx` says of a call beside its values.

use hooks_runtime::ArgError;
use mlua::{Lua, Value};
use serde_json::{Value as Json, json};

use super::{Seen, name};
use crate::bind::ApiResult;
use crate::options::check_key;
use crate::{call_state, convert};

/// All fields of `ctx`.
pub(super) const FIELDS: &[&str] = &[
    "point",
    "phase",
    "component",
    "call_id",
    "correlation_id",
    "attempt",
    "item",
    "elapsed_ms",
    "args",
    "result",
    "error",
    "metadata",
    "state",
    "deadline",
];

impl Seen<'_, '_> {
    pub(super) fn field(&self, lua: &Lua, key: &Value) -> ApiResult<Value> {
        let call = self.call;
        let key = name(key)?;
        let json = match key.as_str() {
            "result" => return self.read_result(lua),
            "state" => return call_state::of(lua, call),
            "point" => json!(call.point_name()),
            "phase" => json!(call.phase()),
            "component" => json!(call.component()),
            "call_id" => json!(call.call_id()),
            "correlation_id" => json!(call.correlation_id()),
            "attempt" => json!(call.attempt()),
            "item" => json!(call.item()),
            "elapsed_ms" => json!(call.elapsed().as_secs_f64() * 1000.0),
            "error" => match call.error_text() {
                Ok(text) => json!(text),
                Err(ArgError::Phase { .. }) => Json::Null,
                Err(error) => return Err(error.to_string().into()),
            },
            "metadata" => self.metadata(),
            other => {
                check_key("ctx", "field", other, FIELDS)?;
                Json::Null
            }
        };
        Ok(convert::to_lua(lua, &json)?)
    }

    fn metadata(&self) -> Json {
        let (call, site) = (self.call, self.call.site());
        let fields = site.fields.iter().map(|name| {
            (
                (*name).to_owned(),
                call.field(name).cloned().unwrap_or_default(),
            )
        });
        json!({
            "hook": call.hook_id(),
            "parent_id": call.parent_id(),
            "site": site.path,
            "file": site.file,
            "line": site.line,
            "package": site.package,
            "returns": site.returns,
            "plan": call.plan().word(),
            "fields": fields.collect::<serde_json::Map<_, _>>(),
        })
    }
}
