//! The engine: what all scripts of a program have in common.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_events::{Event, EventBus};
use hooks_runtime::hooked;
use mlua::{Lua, Value};
use serde_json::json;

use crate::bind::Binder;
use crate::convert::{DEEPEST, JsonLimits, SHORT};
use crate::error::{LuaError, ScriptError};
use crate::hook_call::NamedSites;
use crate::host::{AgentHost, BuiltinHost, ConditionHost, ToolHost, WorkflowHost};
use crate::log_api::{LogLevel, LogLine, LogSink, Output};
use crate::lua_condition::Language;
use crate::rebuild::Rebuilds;
use crate::registrations::Registrations;
use crate::rights::{Rights, ScriptRights};
use crate::script::Script;
use crate::source::Sources;
use crate::states::States;
use crate::subscriptions::Subscriptions;
use crate::version::Version;
use crate::vm::{Slot, Vm};
use crate::{
    agent_api, answer, approval_api, builtin_api, convert, event_api, hook_api, json_api, log_api,
    require, sandbox, script_api, time_api, tool_api, unload, workflow_api,
};

/// Loads scripts. Cheap to clone; scripts don't need it once they are loaded.
#[derive(Clone)]
pub struct LuaEngine {
    settings: Arc<LuaEngineBuilder>,
}

/// The settings of a [`LuaEngine`], each with a default.
#[must_use]
#[derive(Clone)]
pub struct LuaEngineBuilder {
    memory_limit: usize,
    hook_time_limit: Duration,
    hooks_at_once: usize,
    source_limit: u64,
    env: BTreeMap<String, String>,
    states: States,
    sites: NamedSites,
    json: JsonLimits,
    rebuilds: Rebuilds,
    tools: Option<Arc<dyn ToolHost>>,
    agents: Option<Arc<dyn AgentHost>>,
    workflows: Option<Arc<dyn WorkflowHost>>,
    events: Option<EventBus>,
    conditions: Option<Arc<dyn ConditionHost>>,
    builtins: Option<Arc<dyn BuiltinHost>>,
    grant: Rights,
    output: Output,
    log: LogSink,
}

impl LuaEngineBuilder {
    /// How much memory each script may use, in bytes. Default 64 MiB.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = bytes;
        self
    }
    /// How long one call of a hook may take, the wait for the script's state and the waits of a hook with
    /// `async = true` included; and how long an event handler may run between two waits. Default 5 s; `timeout_ms` of
    /// a hook can only shorten it. The script itself has no limit: stop it with [`Script::stopper`].
    pub fn hook_time_limit(mut self, limit: Duration) -> Self {
        self.hook_time_limit = limit;
        self
    }
    /// How many calls of hooks with `async = true` may be under way at once in one script; one more fails. Default
    /// 4,096. All of them share the script's memory.
    pub fn hooks_at_once(mut self, limit: usize) -> Self {
        self.hooks_at_once = limit;
        self
    }
    /// How long a script, or a file that it requires, may be, in bytes. Default 1 MiB.
    pub fn source_limit(mut self, bytes: u64) -> Self {
        self.source_limit = bytes;
        self
    }
    /// How many values one conversion between Lua and JSON may have, at least 1: of arguments, results, events, what
    /// `Json.encode` and `Json.decode` are given, and the like. More are an error. Default 100,000.
    pub fn json_elements(mut self, values: usize) -> Self {
        self.json.elements = values.max(1);
        self
    }
    /// How deeply tables may be nested in such a conversion, 1 to 256; other numbers count as the nearest of these.
    /// Default 64.
    pub fn json_depth(mut self, tables: usize) -> Self {
        self.json.depth = tables.clamp(1, DEEPEST);
        self
    }
    /// How long a string may be in such a conversion, in bytes, at least 1 KiB. Default 16 MiB.
    pub fn json_string_bytes(mut self, bytes: usize) -> Self {
        self.json.string_bytes = bytes.max(SHORT);
        self
    }
    /// How a script that was stopped at a limit is built anew: at most `times` in a row, the first time at once, then
    /// after `backoff`, and after twice as long each further time. A row ends when the script has gone on for `calm`.
    /// Default: 5 times, 1 s, 1 min; 0 times: only a reload builds it anew.
    ///
    /// It needs a tokio runtime where the script was executed.
    pub fn rebuild(mut self, times: u32, backoff: Duration, calm: Duration) -> Self {
        self.rebuilds = Rebuilds {
            times,
            backoff,
            calm,
        };
        self
    }
    /// How many points, each with a set of arguments, the scripts may name with `Hook.call`: the program keeps them as
    /// long as it runs, [`DynamicSite::MAX`](hooks_runtime::DynamicSite::MAX) of all authors together. Default 1,000.
    pub fn named_points_limit(mut self, points: usize) -> Self {
        self.sites = NamedSites::new(points);
        self
    }
    /// One value of the global `Env`, a table that scripts can read. Nothing of the process's own environment is in
    /// it. A second value of that name takes the place of the first.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
    /// The tools behind the global `Tool`.
    pub fn tools(mut self, host: impl ToolHost + 'static) -> Self {
        self.tools = Some(Arc::new(host));
        self
    }
    /// The agents behind the global `Agent`.
    pub fn agents(mut self, host: impl AgentHost + 'static) -> Self {
        self.agents = Some(Arc::new(host));
        self
    }
    /// The workflows behind the global `Workflow`.
    pub fn workflows(mut self, host: impl WorkflowHost + 'static) -> Self {
        self.workflows = Some(Arc::new(host));
        self
    }
    /// What makes conditions of text, for `when = "…"` in `Hook.register`; without it, only functions can be one.
    pub fn conditions(mut self, host: impl ConditionHost + 'static) -> Self {
        self.conditions = Some(Arc::new(host));
        self
    }
    /// The built-in hooks behind the global `Builtin`.
    pub fn builtins(mut self, host: impl BuiltinHost + 'static) -> Self {
        self.builtins = Some(Arc::new(host));
        self
    }
    /// The bus behind the global `Event`. Scripts that subscribe need a tokio runtime.
    pub fn events(mut self, bus: EventBus) -> Self {
        self.events = Some(bus);
        self
    }
    /// What the operator lets scripts do; the manifest of a script, the lines `-- @capability …` at its top, can only
    /// take from it. Default: [`Rights::standard`].
    pub fn grant(mut self, rights: Rights) -> Self {
        self.grant = rights;
        self
    }
    /// Where `print` writes. Default: standard output.
    pub fn output(mut self, writer: impl Write + Send + 'static) -> Self {
        self.output = Arc::new(Mutex::new(writer));
        self
    }
    /// Who gets what scripts log. Default: standard error.
    pub fn log(mut self, sink: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        self.log = Arc::new(sink);
        self
    }
    /// The engine.
    pub fn build(self) -> LuaEngine {
        LuaEngine {
            settings: Arc::new(self),
        }
    }
}

impl LuaEngine {
    /// Starts with the default settings.
    pub fn builder() -> LuaEngineBuilder {
        LuaEngineBuilder {
            memory_limit: 64 << 20,
            hook_time_limit: Duration::from_secs(5),
            hooks_at_once: 4096,
            source_limit: 1 << 20,
            env: BTreeMap::new(),
            states: States::default(),
            sites: NamedSites::new(1_000),
            json: JsonLimits::default(),
            rebuilds: Rebuilds::default(),
            tools: None,
            agents: None,
            workflows: None,
            events: None,
            conditions: None,
            builtins: None,
            grant: Rights::standard(),
            output: Arc::new(Mutex::new(std::io::stdout())),
            log: Arc::new(log_api::to_stderr),
        }
    }

    /// The same engine for scripts with other rights.
    pub fn granting(&self, rights: Rights) -> LuaEngine {
        (*self.settings).clone().grant(rights).build()
    }

    /// Reads and compiles a script; nothing of it runs yet.
    ///
    /// # Errors
    /// [`ScriptError::Read`], [`ScriptError::TooLong`], [`ScriptError::Syntax`] with file and line,
    /// [`ScriptError::Refused`].
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Script, ScriptError> {
        let path = path.as_ref();
        let sources = self.sources(Some(path));
        let source = sources.read(path)?;
        let name = path.display().to_string();
        let version = self.compile(&name, source.clone(), &sources, false)?;
        let path = Some(path.to_owned());
        Ok(Script::new(&name, self.clone(), path, source, version))
    }

    /// A script of a file that can't be loaded as it is: nothing is in it before [`Script::reload`], which runs it. What
    /// is in the file now counts as seen by [`Watch`](crate::Watch).
    ///
    /// # Errors
    /// As [`LuaEngine::load_source`].
    pub fn load_later(&self, path: impl AsRef<Path>) -> Result<Script, ScriptError> {
        let path = path.as_ref();
        let sources = self.sources(Some(path));
        // That it is read is enough; one that can't be read counts as not being there.
        drop(sources.read(path));
        let name = path.display().to_string();
        let version = self.compile(&name, String::new(), &sources, false)?;
        let path = Some(path.to_owned());
        let script = Script::new(&name, self.clone(), path, String::new(), version);
        script.is_to_run();
        Ok(script)
    }

    /// Compiles a script that is not in a file; `name` stands in messages as a path would.
    ///
    /// # Errors
    /// As [`LuaEngine::load`].
    pub fn load_source(&self, name: &str, source: &str) -> Result<Script, ScriptError> {
        let version = self.compile(name, source.to_owned(), &self.sources(None), false)?;
        let source = source.to_owned();
        Ok(Script::new(name, self.clone(), None, source, version))
    }

    /// How many Lua states this engine, and those made of it by [`LuaEngine::granting`], have: one for each script, and those of versions that were replaced for as long as
    /// calls are in them.
    pub fn states(&self) -> usize {
        self.settings.states.count()
    }

    /// Nothing is read yet. A folder that can't be found shows when the file can't be read.
    pub(crate) fn sources(&self, path: Option<&Path>) -> Arc<Sources> {
        let real = path.and_then(|path| path.canonicalize().ok());
        let root = real.as_deref().and_then(Path::parent).map(PathBuf::from);
        Arc::new(Sources::new(root, self.settings.source_limit))
    }

    /// A version that waits to take the place of the one in force.
    pub(crate) fn staged(
        &self,
        script: &str,
        source: String,
        sources: &Arc<Sources>,
    ) -> Result<Version, ScriptError> {
        self.compile(script, source, sources, true)
    }

    pub(crate) fn hook_time_limit(&self) -> Duration {
        self.settings.hook_time_limit
    }

    pub(crate) fn rebuilds(&self) -> Rebuilds {
        self.settings.rebuilds
    }

    /// Has a version do what it does last, and logs what went wrong.
    pub(crate) fn unload(&self, version: &Version, functions: &[Slot]) {
        for wrong in version.finish(functions, self.hook_time_limit()) {
            self.warn(&version.vm.name, wrong);
        }
    }

    /// Logs what went wrong in a script that nobody waits for.
    pub(crate) fn warn(&self, script: &str, message: String) {
        (self.settings.log)(&LogLine {
            level: LogLevel::Warn,
            script: script.to_owned(),
            line: 0,
            message,
            fields: None,
        });
    }

    pub(crate) fn source_limit(&self) -> u64 {
        self.settings.source_limit
    }

    /// Publishes what the engine has to say, if there is a bus; nobody has to listen.
    pub(crate) fn tell(&self, topic: &str, data: serde_json::Value) {
        let Some(bus) = &self.settings.events else {
            return;
        };
        let told = Event::try_new(topic, data).and_then(|event| bus.try_publish(event));
        if let Err(error) = told {
            self.warn(topic, error.to_string());
        }
    }

    /// Makes a state and compiles `source` into it. Hooks may read and change the source.
    #[hooked(point = "script.load", component = script)]
    fn compile(
        &self,
        script: &str,
        source: String,
        sources: &Arc<Sources>,
        is_staged: bool,
    ) -> Result<Version, ScriptError> {
        let stem = Path::new(script).file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy().into_owned();
        let rights = ScriptRights::read(script, &source, &self.settings.grant)?;
        let (registrations, subscriptions) = match is_staged {
            true => (Registrations::staged(), Subscriptions::staged()),
            false => Default::default(),
        };
        let (registrations, subscriptions) = (Arc::new(registrations), Arc::new(subscriptions));
        let made = self.state(script, &stem, &registrations, &subscriptions, sources);
        let (lua, bind) = made.map_err(|cause| ScriptError::Setup {
            script: script.to_owned(),
            cause: cause.to_string(),
        })?;
        rights.install(&lua);
        let chunk = lua.load(source).set_name(format!("@{script}"));
        let chunk = chunk.set_mode(mlua::chunk::ChunkMode::Text);
        let main = chunk
            .into_function()
            .map_err(|error| ScriptError::Syntax(LuaError::of(script, &error)))?;
        let at_once = self.settings.hooks_at_once;
        let vm =
            Vm::new(lua, bind, script.into(), at_once).map_err(|cause| ScriptError::Setup {
                script: script.to_owned(),
                cause: cause.to_string(),
            })?;
        let main = vm.keep(Value::Function(main));
        let sources = Arc::clone(sources);
        Ok(Version::new(
            registrations,
            subscriptions,
            sources,
            main,
            vm,
        ))
    }

    fn state(
        &self,
        script: &str,
        stem: &str,
        registrations: &Arc<Registrations>,
        subscriptions: &Arc<Subscriptions>,
        sources: &Arc<Sources>,
    ) -> mlua::Result<(Lua, Binder)> {
        let settings = &*self.settings;
        let lua = sandbox::open(settings.memory_limit)?;
        lua.set_app_data(settings.states.handle());
        convert::install(&lua, settings.json)?;
        let bind = Binder::new(&lua)?;
        lua.set_app_data(Language(settings.conditions.clone()));
        hook_api::install(
            &lua,
            &bind,
            registrations,
            stem,
            settings.hook_time_limit,
            &settings.sites,
        )?;
        if let Some(builtins) = &settings.builtins {
            builtin_api::install(&lua, &bind, builtins, registrations, stem)?;
        }
        answer::install(&lua, &bind)?;
        json_api::install(&lua, &bind)?;
        require::install(&lua, &bind, sources)?;
        let env = settings
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        lua.globals().raw_set("Env", lua.create_table_from(env)?)?;
        log_api::install(&lua, &bind, &settings.log, &settings.output)?;
        if let Some(bus) = &settings.events {
            event_api::install(&lua, &bind, bus, subscriptions, settings.hook_time_limit)?;
        }
        if let Some(tools) = &settings.tools {
            tool_api::install(&lua, &bind, tools)?;
        }
        if let Some(agents) = &settings.agents {
            agent_api::install(&lua, &bind, agents)?;
        }
        if let Some(workflows) = &settings.workflows {
            workflow_api::install(&lua, &bind, workflows, settings.hook_time_limit)?;
        }
        time_api::install(&lua, &bind)?;
        approval_api::install(&lua, &bind, script, stem)?;
        self.install_info(&lua, &bind, script, registrations)?;
        unload::install(&lua, &bind)?;
        script_api::install(&lua, &bind)?;
        sandbox::seal(&lua)?;
        Ok((lua, bind))
    }

    /// `Script.info()`.
    fn install_info(
        &self,
        lua: &Lua,
        bind: &Binder,
        script: &str,
        registrations: &Arc<Registrations>,
    ) -> mlua::Result<()> {
        let (name, own) = (script.to_owned(), Arc::downgrade(registrations));
        let (memory, time) = (self.settings.memory_limit, self.settings.hook_time_limit);
        let version: String = lua.globals().get("_VERSION")?;
        let table = lua.create_table()?;
        table.raw_set(
            "info",
            bind.function("Script.info", move |lua, ()| {
                let rights = ScriptRights::of(lua)?.shown();
                let info = json!({
                    "name": name,
                    "language": version,
                    "rights": rights,
                    "hooks": own.upgrade().map(|own| own.ids()).unwrap_or_default(),
                    "memory_used_bytes": lua.used_memory(),
                    "memory_limit_bytes": memory,
                    "hook_time_limit_ms": time.as_millis() as u64,
                });
                Ok(convert::to_lua(lua, &info)?)
            })?,
        )?;
        lua.globals().raw_set("Script", table)
    }
}
