//! The global `Builtin`: built-in hooks, in the words of a configuration.

use std::path::PathBuf;
use std::sync::Arc;

use hooks_runtime::pattern::Pattern;
use hooks_runtime::{PreparedHook, Role, Source};
use mlua::{AnyUserData, Lua, Value};
use serde_json::{Map, Value as Json, json};

use crate::bind::{ApiResult, Binder, line};
use crate::convert;
use crate::hook_handle::{Handle, alive};
use crate::host::{BuiltinHost, BuiltinNeeds};
use crate::registrations::Registrations;
use crate::rights::{Access, Capability, ScriptRights};
use crate::vm::Vm;

/// Makes the global, with a function for each kind that the host has.
pub(crate) fn install(
    lua: &Lua,
    bind: &Binder,
    host: &Arc<dyn BuiltinHost>,
    registrations: &Arc<Registrations>,
    stem: &str,
) -> mlua::Result<()> {
    let builtin = lua.create_table()?;
    for kind in host.kinds() {
        let maker = Maker {
            host: Arc::clone(host),
            kind,
            what: format!("Builtin.{kind}"),
        };
        let (own, stem) = (Arc::downgrade(registrations), stem.to_owned());
        let register = bind.function(maker.what.clone(), move |lua, options: Value| {
            maker.register(lua, &*alive(&own)?, &stem, &options)
        })?;
        builtin.raw_set(kind, register)?;
    }
    lua.globals().raw_set("Builtin", builtin)
}

/// Makes hooks of one kind.
struct Maker {
    host: Arc<dyn BuiltinHost>,
    kind: &'static str,
    what: String,
}

impl Maker {
    fn register(
        &self,
        lua: &Lua,
        own: &Registrations,
        stem: &str,
        options: &Value,
    ) -> ApiResult<AnyUserData> {
        let mut options = self.options(lua, options)?;
        if !options.contains_key("id") {
            options.insert("id".into(), json!(own.next_id(stem)));
        }
        let id = options["id"].as_str().unwrap_or_default().to_owned();
        let rights = ScriptRights::of(lua)?;
        let needs = self.host.needs(self.kind, &options)?;
        self.check_files(&rights, &needs)?;
        let script = Vm::of(lua)?.name.to_string();
        let (script, at) = line(lua).unwrap_or((script, 0));
        let source = Source::script(script, at);
        let hooks = self.host.prepare(self.kind, options, source)?;
        for hook in &hooks {
            self.check_points(&rights, hook, needs.allows)?;
        }
        let points: Vec<_> = hooks.first().into_iter().flat_map(|h| h.points()).collect();
        let point = points.join(", ");
        let parts: Vec<_> = hooks.iter().map(|hook| hook.id().to_owned()).collect();
        own.add(hooks)?;
        own.set_parts(&id, &parts);
        Ok(lua.create_any_userdata(Handle { id, point, parts })?)
    }

    /// The options as a configuration has them; where that has a list of names, one name is as good.
    fn options(&self, lua: &Lua, given: &Value) -> ApiResult<Map<String, Json>> {
        let what = &self.what;
        let form = format!("write {what}{{ points = \"tool.*\", … }}");
        if !given.is_table() {
            let kind = given.type_name();
            return Err(
                format!("{what}: it takes one table of options, not a {kind}; {form}").into(),
            );
        }
        let Json::Object(mut options) = convert::to_json(lua, given)? else {
            return Err(format!("{what}: options are written as `name = value`; {form}").into());
        };
        for (word, why) in [
            ("kind", "the name of the function says it"),
            (
                "required",
                "its operator requires hooks, with `required` in the configuration; a script may go, and its hooks with it",
            ),
        ] {
            if options.contains_key(word) {
                return Err(
                    format!("{what}: there is no option `{word}` in scripts: {why}").into(),
                );
            }
        }
        for name in ["points", "components"] {
            let Some(value) = options.get_mut(name) else {
                continue;
            };
            match value {
                Json::String(one) => *value = json!([one]),
                // An empty table.
                Json::Object(none) if none.is_empty() => *value = json!([]),
                _ => {}
            }
        }
        Ok(options)
    }

    fn check_files(&self, rights: &ScriptRights, needs: &BuiltinNeeds) -> ApiResult<()> {
        let check = |access, paths: &[PathBuf]| {
            paths.iter().try_for_each(|path| {
                rights.check(
                    &self.what,
                    &Capability::file(access, &path.to_string_lossy()),
                )
            })
        };
        check(Access::Read, &needs.reads)?;
        check(Access::Write, &needs.writes)
    }

    fn check_points(
        &self,
        rights: &ScriptRights,
        hook: &PreparedHook,
        allows: bool,
    ) -> ApiResult<()> {
        for point in hook.points() {
            let (points, _) = Pattern::parse(point)?;
            rights.check(&self.what, &Capability::hook(&points, hook.role()))?;
            if allows && hook.role() != Role::Observe {
                rights.check(&self.what, &Capability::grant(points.as_str()))?;
            }
        }
        Ok(())
    }
}
