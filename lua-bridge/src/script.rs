//! A loaded script.

use std::fmt;
use std::sync::{Arc, Weak};

use hooks_runtime::hooked;
use serde_json::Value;

use crate::control::Control;
use crate::error::ScriptError;
use crate::registrations::Registrations;
use crate::run::drive;
use crate::subscriptions::Subscriptions;
use crate::vm::{Slot, Vm};

/// A script with its state and its hooks; dropping it unregisters them.
pub struct Script {
    // In this order: hooks and subscriptions are gone before the state is.
    registrations: Arc<Registrations>,
    subscriptions: Arc<Subscriptions>,
    main: Slot,
    vm: Arc<Vm>,
}

impl Script {
    pub(crate) fn new(
        registrations: Arc<Registrations>,
        subscriptions: Arc<Subscriptions>,
        main: Slot,
        vm: Arc<Vm>,
    ) -> Self {
        Script {
            registrations,
            subscriptions,
            main,
            vm,
        }
    }

    /// Its name: the path that it was loaded from.
    pub fn name(&self) -> &str {
        &self.vm.name
    }

    /// Runs it to its end, and gives the first value that it returns, as JSON. Dropping the future ends it at
    /// the next wait.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] with `script:line` and a traceback, [`ScriptError::Stopped`], [`ScriptError::Refused`].
    pub async fn execute(&self) -> Result<Value, ScriptError> {
        self.run(&self.vm.name, Vec::new()).await
    }

    /// The same with arguments, which the script gets as `...`.
    ///
    /// # Errors
    /// As [`Script::execute`].
    pub async fn execute_with(&self, args: Vec<Value>) -> Result<Value, ScriptError> {
        self.run(&self.vm.name, args).await
    }

    #[hooked(point = "script.execute", component = script)]
    async fn run(&self, script: &str, args: Vec<Value>) -> Result<Value, ScriptError> {
        let _ = script;
        let result = drive(&self.vm, &self.main, args, None).await;
        result.map_err(|error| self.vm.script_error(error))
    }

    /// The ids of the hooks that it has registered, sorted.
    pub fn hooks(&self) -> Vec<String> {
        self.registrations.ids()
    }

    /// Ends its subscriptions that have no function: once it has run to its end, nobody receives their events.
    pub fn end_receiving(&self) {
        self.subscriptions.end_queues();
    }

    /// Why it can't be used any more: it hit a limit or was stopped. Its hooks fail then.
    pub fn stopped(&self) -> Option<&str> {
        self.vm.control.ended()
    }

    /// Stops it from anywhere, also in the middle of a loop.
    pub fn stopper(&self) -> ScriptStopper {
        ScriptStopper {
            control: Arc::downgrade(&self.vm.control),
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("name", &self.name())
            .field("hooks", &self.hooks())
            .field("stopped", &self.stopped())
            .finish()
    }
}

/// See [`Script::stopper`].
#[derive(Clone)]
pub struct ScriptStopper {
    control: Weak<Control>,
}

impl ScriptStopper {
    /// Stops the script for good: the code under way fails at its next step, and its hooks fail from then on.
    pub fn stop(&self) {
        if let Some(control) = self.control.upgrade() {
            control.end("the host stopped it");
        }
    }
}
