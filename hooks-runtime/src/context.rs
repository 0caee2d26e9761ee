//! What a hook sees of a call.

use std::any::{Any, TypeId};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::answer::Replacement;
use crate::clock::Clock;
use crate::error::{ArgError, json};
use crate::executor::{CacheKey, KeptAnswer};
use crate::hook::Entry;
use crate::point::{HookPoint, Phase, suggest};
use crate::private::{Facts, Parts};
use crate::registry::HookRegistry;
use crate::scope::Link;
use crate::site::SiteInfo;
use crate::view::{RawView, ViewError};

/// What an intercept proposed instead of the body.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Plan {
    /// Nothing: the body runs.
    #[default]
    Run,
    /// A value, which guards can read as the result.
    Replace(Option<Replacement>),
    /// The cached answer under the key, or the body.
    Cache {
        /// The key.
        key: String,
        /// How long an answer is kept.
        ttl: Duration,
    },
    /// Another component.
    Redirect {
        /// Its name.
        to: String,
    },
}

impl Plan {
    /// The plan without the value of a replacement.
    pub(crate) fn shape(&self) -> Plan {
        match self {
            Plan::Run => Plan::Run,
            Plan::Replace(_) => Plan::Replace(None),
            Plan::Cache { key, ttl } => Plan::Cache {
                key: key.clone(),
                ttl: *ttl,
            },
            Plan::Redirect { to } => Plan::Redirect { to: to.clone() },
        }
    }

    /// The word for this plan in records: `run`, `replace`, `cache`, `redirect`.
    pub fn word(&self) -> &'static str {
        match self {
            Plan::Run => "run",
            Plan::Replace(_) => "replace",
            Plan::Cache { .. } => "cache",
            Plan::Redirect { .. } => "redirect",
        }
    }
}

/// What is the same for every hook of one call.
pub(crate) struct CallMeta<'s> {
    pub(crate) site: &'static SiteInfo,
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) root: u64,
    /// The scope and run that it belongs to.
    pub(crate) link: Option<&'s Link>,
    pub(crate) attempt: u32,
    /// How many items the caller of a stream got so far; the number of the item that hooks are asked about.
    pub(crate) items: u64,
    pub(crate) facts: Facts,
    pub(crate) started: Option<Instant>,
    pub(crate) clock: &'s Clock,
    /// Whether the hook that runs now has changed a value. Atomic because the context is `Send`.
    pub(crate) dirty: AtomicBool,
    /// What [`GuardContext::keep`] was given.
    pub(crate) kept: Kept,
}

impl CallMeta<'_> {
    /// The id that the scope gave, if it did.
    pub(crate) fn correlation(&self) -> Option<&std::sync::Arc<str>> {
        self.link?.correlation.as_ref()
    }

    /// The number of the item that a phase is about.
    pub(crate) fn item(&self, phase: Phase) -> Option<u64> {
        (self.site.flags.is_stream && phase != Phase::Pre).then_some(self.items)
    }
}

/// Values that hooks keep from `Pre` to `Done`, by hook and type.
pub(crate) type Locals = Vec<(u32, TypeId, Box<dyn Any + Send>)>;

/// Values that guards keep, who can't change anything of the call; there once one is. A lock because the context is
/// `Send`: hooks are asked one after the other.
pub(crate) type Kept = OnceLock<Box<Mutex<Locals>>>;

/// The call as a guard sees it: sealed, nothing can be changed.
pub struct GuardContext<'c> {
    pub(crate) meta: &'c CallMeta<'c>,
    pub(crate) entry: &'c Entry,
    pub(crate) phase: Phase,
    pub(crate) args: &'c mut [RawView],
    pub(crate) result: Option<&'c mut Parts>,
    pub(crate) plan: &'c mut Plan,
}

impl GuardContext<'_> {
    /// The point of the call.
    pub fn point(&self) -> HookPoint {
        HookPoint::parse(self.meta.site.point)
    }
    /// The point's name.
    pub fn point_name(&self) -> &'static str {
        self.meta.site.point
    }
    /// The annotated function.
    pub fn site(&self) -> &'static SiteInfo {
        self.meta.site
    }
    /// The phase that the hook is asked in.
    pub fn phase(&self) -> Phase {
        self.phase
    }
    /// The component that is called, if the site names one.
    pub fn component(&self) -> Option<&str> {
        self.meta.facts.named()
    }
    /// An extra fact of the site (`fields(…)`).
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.meta
            .facts
            .fields()
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }
    /// Unique in the process.
    pub fn call_id(&self) -> u64 {
        self.meta.id
    }
    /// The call that this one was made in, if that one was hooked and active.
    pub fn parent_id(&self) -> Option<u64> {
        (self.meta.parent != 0).then_some(self.meta.parent)
    }
    /// The same for all calls of one run or, outside of runs, of one root call.
    pub fn correlation_id(&self) -> String {
        match self.meta.correlation() {
            Some(id) => id.to_string(),
            None => format!("call-{}", self.meta.root),
        }
    }
    /// Whom the call is made for, if its scope says so.
    pub fn principal(&self) -> Option<&str> {
        self.meta.link?.principal.as_deref()
    }
    /// The time that the registry goes by.
    pub fn clock(&self) -> &Clock {
        self.meta.clock
    }
    /// 1 for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.meta.attempt
    }
    /// The number of the stream's item that the hook is asked about, from 0; `None` before the first item and at
    /// sites that are no streams.
    pub fn item(&self) -> Option<u64> {
        self.meta.item(self.phase)
    }
    /// Id of the hook that is asked.
    pub fn hook_id(&self) -> &str {
        self.entry.id()
    }
    /// Time since the call began; zero where nothing measures it.
    pub fn elapsed(&self) -> Duration {
        self.meta.started.map_or(Duration::ZERO, |start| {
            self.meta.clock.now().saturating_duration_since(start)
        })
    }
    /// What is planned instead of the body. The value of a planned replacement is read as the result.
    pub fn plan(&self) -> &Plan {
        self.plan
    }

    /// Keeps a value for this hook until the call is done; it is dropped then, whatever the outcome. A value of the same
    /// type that was given here before is replaced. For guards and conditions, which get no [`HookContext::local`]; a
    /// hook and its conditions keep the same.
    pub fn keep<T: Any + Send + Clone>(&self, value: T) {
        let key = (self.entry.serial, TypeId::of::<T>());
        let kept = self.meta.kept.get_or_init(Box::default);
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let same = kept
            .iter_mut()
            .find(|(serial, ty, _)| (*serial, *ty) == key);
        let before = match same {
            Some(same) => Some(std::mem::replace(&mut same.2, Box::new(value))),
            None => {
                kept.push((key.0, key.1, Box::new(value)));
                None
            }
        };
        drop(kept);
        // Out of the lock: it may keep something when it is dropped.
        drop(before);
    }

    /// What [`GuardContext::keep`] was given by this hook in this call.
    pub fn kept<T: Any + Send + Clone>(&self) -> Option<T> {
        let key = (self.entry.serial, TypeId::of::<T>());
        let kept = self.meta.kept.get()?.lock();
        let kept = kept.unwrap_or_else(PoisonError::into_inner);
        let mut found = kept.iter();
        let (_, _, value) = found.find(|(serial, ty, _)| (*serial, *ty) == key)?;
        value.downcast_ref::<T>().cloned()
    }

    /// An argument.
    ///
    /// # Errors
    /// No such argument (the message lists what there is), another type, or not there in this phase.
    pub fn arg<T: ?Sized + 'static>(&self, name: &str) -> Result<&T, ArgError> {
        let at = self.position(name)?;
        self.args[at]
            .get::<T>()
            .map_err(|e| self.arg_error::<T>(at, e))
    }

    /// The argument at a position, from 0 in the order of the parameters that hooks see.
    ///
    /// # Errors
    /// As [`GuardContext::arg`].
    pub fn arg_at<T: ?Sized + 'static>(&self, index: usize) -> Result<&T, ArgError> {
        match self.args.get(index) {
            Some(view) => view.get::<T>().map_err(|e| self.arg_error::<T>(index, e)),
            None => Err(self.unknown_argument(&format!("#{index}"))),
        }
    }

    /// The first argument of that type, whatever its name.
    ///
    /// # Errors
    /// There is none of that type that can be read now; the message lists what there is.
    pub fn arg_of<T: ?Sized + 'static>(&self) -> Result<&T, ArgError> {
        let found = self.args.iter().find_map(|view| view.get::<T>().ok());
        found.ok_or_else(|| self.unknown_argument(std::any::type_name::<T>()))
    }

    /// An argument as JSON, made now.
    ///
    /// # Errors
    /// As [`GuardContext::arg`], and if the type does not implement `serde::Serialize`.
    pub fn arg_json(&self, name: &str) -> Result<Value, ArgError> {
        let at = self.position(name)?;
        self.args[at]
            .to_json()
            .map_err(|e| self.arg_error::<Value>(at, e))
    }

    /// An argument as its `Debug` shows it.
    ///
    /// # Errors
    /// As [`GuardContext::arg`], and if the type does not implement `Debug`.
    pub fn arg_debug(&self, name: &str) -> Result<String, ArgError> {
        let at = self.position(name)?;
        self.args[at]
            .debug()
            .map_err(|e| self.arg_error::<str>(at, e))
    }

    /// Names of the arguments, in order.
    pub fn arg_names(&self) -> impl Iterator<Item = &'static str> {
        self.meta.site.args.iter().map(|a| a.name)
    }

    /// The result (`T` of `Result<T, E>`), after the body or planned.
    ///
    /// # Errors
    /// There is no result in this phase, or it has another type.
    pub fn result<T: ?Sized + 'static>(&self) -> Result<&T, ArgError> {
        self.result_view()?
            .get::<T>()
            .map_err(|e| value_error::<T>("result", self.meta.site.returns, e))
    }

    /// The result as JSON, made now.
    ///
    /// # Errors
    /// As [`GuardContext::result`], and if the type does not implement `serde::Serialize`.
    pub fn result_json(&self) -> Result<Value, ArgError> {
        self.result_view()?
            .to_json()
            .map_err(|e| value_error::<Value>("result", self.meta.site.returns, e))
    }

    /// The error (`E` of `Result<T, E>`) of a failed body.
    ///
    /// # Errors
    /// There is none in this phase, or it has another type.
    pub fn error<E: ?Sized + 'static>(&self) -> Result<&E, ArgError> {
        self.error_view()?
            .get::<E>()
            .map_err(|e| value_error::<E>("error", self.meta.site.returns, e))
    }

    /// The error as its `Debug` shows it.
    ///
    /// # Errors
    /// There is none in this phase, or its type does not implement `Debug`.
    pub fn error_text(&self) -> Result<String, ArgError> {
        self.error_view()?
            .debug()
            .map_err(|e| value_error::<str>("error", self.meta.site.returns, e))
    }

    pub(crate) fn position(&self, name: &str) -> Result<usize, ArgError> {
        let args = self.meta.site.args;
        args.iter()
            .position(|a| a.name == name)
            .ok_or_else(|| self.unknown_argument(name))
    }

    #[cold]
    fn unknown_argument(&self, name: &str) -> ArgError {
        let args = self.meta.site.args;
        ArgError::Unknown {
            site: self.meta.site.path.into(),
            name: name.into(),
            suggestion: suggest(name, args.iter().map(|a| a.name)).map(Into::into),
            available: args
                .iter()
                .map(|a| format!("{}: {}", a.name, a.ty))
                .collect(),
        }
    }

    fn result_view(&self) -> Result<&RawView, ArgError> {
        match self.result.as_deref() {
            Some(Parts::Plain(view) | Parts::Ok(view)) => Ok(view),
            _ => Err(ArgError::Phase {
                name: "result".into(),
                phase: self.phase,
            }),
        }
    }

    fn error_view(&self) -> Result<&RawView, ArgError> {
        match self.result.as_deref() {
            Some(Parts::Err(view)) => Ok(view),
            _ => Err(ArgError::Phase {
                name: "error".into(),
                phase: self.phase,
            }),
        }
    }

    fn arg_error<T: ?Sized>(&self, at: usize, error: ViewError) -> ArgError {
        let info = &self.meta.site.args[at];
        value_error::<T>(info.name, info.ty, error)
    }
}

/// The call as an intercept sees it: arguments before the body and the result after it can be changed.
pub struct HookContext<'c> {
    pub(crate) view: GuardContext<'c>,
    pub(crate) locals: &'c mut Locals,
}

impl<'c> Deref for HookContext<'c> {
    type Target = GuardContext<'c>;
    fn deref(&self) -> &Self::Target {
        &self.view
    }
}

impl HookContext<'_> {
    /// An argument, to change it. Before the body only.
    ///
    /// # Errors
    /// As [`GuardContext::arg`]; read only if it is passed as `&T`, if the site is an `observe` site, or
    /// after the body.
    pub fn arg_mut<T: ?Sized + 'static>(&mut self, name: &str) -> Result<&mut T, ArgError> {
        let at = self.writable(name)?;
        let info = &self.view.meta.site.args[at];
        let dirty = &self.view.meta.dirty;
        let value = self.view.args[at]
            .get_mut::<T>()
            .map_err(|e| value_error::<T>(info.name, info.ty, e))?;
        dirty.store(true, Ordering::Relaxed);
        Ok(value)
    }

    /// Sets an argument from JSON; on an error the old value stays. Before the body only.
    ///
    /// # Errors
    /// As [`HookContext::arg_mut`], and if the JSON does not fit the type.
    pub fn set_arg_json(&mut self, name: &str, value: Value) -> Result<(), ArgError> {
        let at = self.writable(name)?;
        let info = &self.view.meta.site.args[at];
        self.view.args[at]
            .set_json(value)
            .map_err(|e| value_error::<Value>(info.name, info.ty, e))?;
        self.view.meta.dirty.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The result, to change it. After the body only.
    ///
    /// # Errors
    /// As [`GuardContext::result`]; read only at `observe` sites.
    pub fn result_mut<T: ?Sized + 'static>(&mut self) -> Result<&mut T, ArgError> {
        let (returns, dirty) = (self.view.meta.site.returns, &self.view.meta.dirty);
        let value = self
            .writable_result()?
            .get_mut::<T>()
            .map_err(|e| value_error::<T>("result", returns, e))?;
        dirty.store(true, Ordering::Relaxed);
        Ok(value)
    }

    /// Sets the result from JSON; on an error the old value stays. After the body only.
    ///
    /// # Errors
    /// As [`HookContext::result_mut`], and if the JSON does not fit the type.
    pub fn set_result_json(&mut self, value: Value) -> Result<(), ArgError> {
        let returns = self.view.meta.site.returns;
        self.writable_result()?
            .set_json(value)
            .map_err(|e| value_error::<Value>("result", returns, e))?;
        self.view.meta.dirty.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps a value for this hook until the call is done; it is dropped then, whatever the outcome.
    /// A value of the same type that is there already is replaced.
    pub fn local<T: Any + Send>(&mut self, value: T) -> &mut T {
        let key = (self.view.entry.serial, TypeId::of::<T>());
        self.locals.retain(|(serial, ty, _)| (*serial, *ty) != key);
        self.locals.push((key.0, key.1, Box::new(value)));
        self.locals
            .last_mut()
            .and_then(|(_, _, value)| value.downcast_mut())
            .expect("pushed just now")
    }

    /// What [`HookContext::local`] kept.
    pub fn get_local<T: Any + Send>(&mut self) -> Option<&mut T> {
        let key = (self.view.entry.serial, TypeId::of::<T>());
        let found = self
            .locals
            .iter_mut()
            .find(|(serial, ty, _)| (*serial, *ty) == key)?;
        found.2.downcast_mut()
    }

    /// The place where the answer of this call is kept if this hook answers [`crate::HookResult::Cache`] with
    /// `key`: to see whether there is one, and to drop it before its time.
    pub fn kept_answer(&self, key: &str) -> KeptAnswer {
        let registry = match self.meta.link {
            Some(link) => Arc::downgrade(link.base()),
            None => HookRegistry::try_global()
                .map_or(Weak::new(), |global| Arc::downgrade(global.inner())),
        };
        KeptAnswer {
            registry,
            key: CacheKey::new(self.meta, self.entry.serial, key),
        }
    }

    fn writable(&self, name: &str) -> Result<usize, ArgError> {
        let at = self.view.position(name)?;
        if self.view.phase != Phase::Pre {
            return Err(ArgError::ReadOnly {
                name: name.into(),
                why: "the body has run; change arguments in phase pre".into(),
            });
        }
        Ok(at)
    }

    fn writable_result(&mut self) -> Result<&mut RawView, ArgError> {
        let phase = self.view.phase;
        match self.view.result.as_deref_mut() {
            Some(Parts::Plain(view) | Parts::Ok(view)) if phase == Phase::Post => Ok(view),
            _ => Err(ArgError::Phase {
                name: "result".into(),
                phase,
            }),
        }
    }
}

/// An [`ArgError`] for what a view said.
fn value_error<T: ?Sized>(name: &str, actual: &str, error: ViewError) -> ArgError {
    let name = name.into();
    let opaque = |form, why: &str| ArgError::Opaque {
        name: "".into(),
        actual: actual.into(),
        form,
        why: why.into(),
    };
    let named = |error: ArgError, name: Box<str>| match error {
        ArgError::Opaque {
            actual, form, why, ..
        } => ArgError::Opaque {
            name,
            actual,
            form,
            why,
        },
        other => other,
    };
    match error {
        ViewError::WrongType => ArgError::Type {
            name,
            actual: actual.into(),
            wanted: std::any::type_name::<T>().into(),
        },
        ViewError::Opaque(why) => named(opaque("in this form", why), name),
        ViewError::WrongThread => named(
            opaque(
                "on this thread",
                "its type is bound to the thread that made the call",
            ),
            name,
        ),
        ViewError::ReadOnly => ArgError::ReadOnly {
            name,
            why: "it is passed as `&T`, or the site is an `observe` site".into(),
        },
        ViewError::Absent => ArgError::Absent { name },
        ViewError::Moved => ArgError::Moved { name },
        ViewError::Unrecorded => ArgError::Unrecorded { name },
        ViewError::Json(cause) => ArgError::Json {
            name,
            cause: json::cause(&cause),
        },
    }
}
