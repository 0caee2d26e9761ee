//! One loaded version of a script: a state, and what was registered from it.

use std::sync::Arc;
use std::time::Duration;

use mlua::chunk::ChunkMode;
use serde_json::Value;

use crate::allowance::Allowance;
use crate::bind::Methods;
use crate::control::Runs;
use crate::error::{LuaError, ScriptError};
use crate::memory;
use crate::registrations::Registrations;
use crate::run::drive;
use crate::source::Sources;
use crate::subscriptions::Subscriptions;
use crate::unload;
use crate::vm::{Slot, Vm};

/// Hooks and subscriptions are gone before the state is: the fields are in this order.
pub(crate) struct Version {
    pub(crate) registrations: Arc<Registrations>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) sources: Arc<Sources>,
    main: Slot,
    pub(crate) vm: Arc<Vm>,
}

impl Version {
    pub(crate) fn new(
        registrations: Arc<Registrations>,
        subscriptions: Arc<Subscriptions>,
        sources: Arc<Sources>,
        main: Slot,
        vm: Arc<Vm>,
    ) -> Self {
        Version {
            registrations,
            subscriptions,
            sources,
            main,
            vm,
        }
    }

    /// The methods of the objects that there are, as `kind:method`.
    pub(crate) fn methods(&self) -> Vec<String> {
        let methods = self.vm.lua.app_data_ref::<Methods>();
        methods.map(|methods| methods.0.clone()).unwrap_or_default()
    }

    /// Runs the script's own code to its end.
    pub(crate) async fn run(&self, args: Vec<Value>) -> Result<Value, ScriptError> {
        self.run_slot(&self.main, args).await
    }

    /// Makes a function of other code.
    pub(crate) async fn compile(&self, name: &str, source: String) -> Result<Slot, ScriptError> {
        let compiled = self.vm.step(None, |lua| {
            let chunk = lua.load(source).set_name(format!("@{name}"));
            let function = chunk.set_mode(ChunkMode::Text).into_function();
            match function {
                Err(error) if memory::is_spent(&error) => Err(error),
                function => Ok(function.map(|code| self.vm.keep(mlua::Value::Function(code)))),
            }
        });
        let compiled = compiled
            .await
            .map_err(|error| self.vm.script_error(error))?;
        compiled.map_err(|error| ScriptError::Syntax(LuaError::of(name, &error)))
    }

    /// Runs a function to its end.
    pub(crate) async fn run_slot(
        &self,
        code: &Slot,
        args: Vec<Value>,
    ) -> Result<Value, ScriptError> {
        let result = drive(&self.vm, code, args, Allowance::Free).await;
        result.map_err(|error| self.vm.script_error(error))
    }

    /// Ends its hooks and subscriptions; what it still has to do.
    pub(crate) fn end(&self) -> Vec<Slot> {
        self.registrations.end();
        self.subscriptions.end();
        self.vm.unload.take()
    }

    /// Has it do what it does last; what went wrong. Blocks the thread for its state, for no longer than the limit.
    pub(crate) fn finish(&self, functions: &[Slot], limit: Duration) -> Vec<String> {
        if functions.is_empty() {
            return Vec::new();
        }
        let name = &*self.vm.name;
        let ran = self
            .vm
            .call(limit, Runs::Unload, |_| unload::run(name, functions));
        said(ran)
    }

    /// Takes the place of another version, which has no hooks and subscriptions after that.
    pub(crate) fn take_over(&self, old: &Version) -> Result<(), ScriptError> {
        let failed = |why: String| ScriptError::NotReloaded {
            script: self.vm.name.to_string(),
            why,
        };
        let live = self.subscriptions.go_live();
        live.map_err(|error| failed(error.to_string()))?;
        let hooks = self.registrations.take_over(&old.registrations);
        hooks.map_err(|error| failed(error.to_string()))?;
        old.subscriptions.end();
        Ok(())
    }
}

/// What went wrong in the functions of `Script.on_unload`.
fn said(ran: Result<Vec<LuaError>, LuaError>) -> Vec<String> {
    let errors = match ran {
        Ok(errors) => errors,
        Err(error) => vec![error],
    };
    let said = |error: LuaError| format!("Script.on_unload: {error}");
    errors.into_iter().map(said).collect()
}
