//! The third argument of `Hook.register`.

use std::time::Duration;

use hooks_runtime::{ArgLevel, HookMetadata, Mode, OnFailure, Phase, Priority, Role};
use mlua::Value;

use crate::bind::ApiResult;
use crate::options::Options;

const WHAT: &str = "Hook.register";
const KNOWN: &[&str] = &[
    "phase",
    "role",
    "priority",
    "name",
    "tags",
    "once",
    "before",
    "after",
    "timeout_ms",
    "on_failure",
    "mode",
    "desc",
    "may_retry",
    "args_after",
    "pure",
    "record_args",
    "lossy",
    "args",
    "group",
    "when",
    "async",
];
const PHASES: &[(&str, Phase)] = &[
    ("pre", Phase::Pre),
    ("post", Phase::Post),
    ("error", Phase::Error),
    ("done", Phase::Done),
];
const ROLES: &[(&str, Role)] = &[
    ("intercept", Role::Intercept),
    ("guard", Role::Guard),
    ("observe", Role::Observe),
    ("transform", Role::Intercept),
    ("control", Role::Guard),
];
const PRIORITIES: &[(&str, Priority)] = &[
    ("highest", Priority::HIGHEST),
    ("high", Priority::HIGH),
    ("normal", Priority::NORMAL),
    ("low", Priority::LOW),
    ("lowest", Priority::LOWEST),
];

/// What a script says of a hook, beside its point and its function.
pub(crate) struct HookOptions {
    pub(crate) role: Role,
    pub(crate) group: Option<String>,
    /// Nothing, a function or text.
    pub(crate) when: Value,
    pub(crate) name: Option<String>,
    pub(crate) timeout: Option<Duration>,
    /// Whether its function may wait.
    pub(crate) is_async: bool,
    /// The arguments that its function is called with.
    pub(crate) args: Option<Box<[String]>>,
    phases: Vec<Phase>,
    priority: Priority,
    tags: Vec<String>,
    before: Vec<String>,
    after: Vec<String>,
    on_failure: Option<OnFailure>,
    shadow: bool,
    description: Option<String>,
    once: bool,
    may_retry: bool,
    args_after: bool,
    pure: bool,
    record_args: Option<ArgLevel>,
    lossy: bool,
}

impl HookOptions {
    /// Reads nothing, a priority, or a table.
    pub(crate) fn read(lua: &mlua::Lua, given: Value) -> ApiResult<Self> {
        let table = match given {
            Value::Nil => lua.create_table()?,
            Value::Table(table) => table,
            priority @ (Value::String(_) | Value::Integer(_) | Value::Number(_)) => {
                let table = lua.create_table()?;
                table.raw_set("priority", priority)?;
                table
            }
            other => {
                return Err(format!(
                    "{WHAT}: the third argument is a priority or a table of options, not a {}",
                    other.type_name()
                )
                .into());
            }
        };
        let options = Options::new(WHAT, &table, KNOWN)?;
        let phases = match options.raw("phase")? {
            Value::Table(_) => phase_list(&options)?,
            _ => options.word("phase", PHASES)?.into_iter().collect(),
        };
        let timeout = match options.count("timeout_ms")? {
            Some(0) => {
                return Err(
                    format!("{WHAT}: `timeout_ms = 0` leaves no time; leave it out").into(),
                );
            }
            timeout => timeout.map(|ms| Duration::from_millis(ms.into())),
        };
        let role = options.word("role", ROLES)?.unwrap_or(Role::Intercept);
        let args = options.strings("args")?;
        if args.is_some() && role == Role::Observe {
            return Err(format!("{WHAT}: `args` is for guards and intercepts: an observer gets the record of the call, and finds its arguments in `ctx.args`").into());
        }
        let is_async = options.flag("async")?;
        if is_async && role == Role::Observe {
            return Err(format!("{WHAT}: `async` is for guards and intercepts: an observer is told of a call that is over, and nobody waits for it; publish an event there, whose handlers may wait, or ask a guard in phase \"post\"").into());
        }
        let on_failure = [("open", OnFailure::Open), ("closed", OnFailure::Closed)];
        let levels = [
            ("names", ArgLevel::Names),
            ("digest", ArgLevel::Digest),
            ("redacted", ArgLevel::Redacted),
            ("full", ArgLevel::Full),
        ];
        let mode = [("enforce", Mode::Enforce), ("shadow", Mode::Shadow)];
        Ok(HookOptions {
            group: options.string("group")?,
            when: when(&options)?,
            role,
            is_async,
            args: args.map(Vec::into_boxed_slice),
            name: options.string("name")?,
            timeout,
            phases,
            priority: priority(&options)?,
            tags: options.strings("tags")?.unwrap_or_default(),
            before: options.strings("before")?.unwrap_or_default(),
            after: options.strings("after")?.unwrap_or_default(),
            on_failure: options.word("on_failure", &on_failure)?,
            shadow: options.word("mode", &mode)? == Some(Mode::Shadow),
            description: options.string("desc")?,
            once: options.flag("once")?,
            may_retry: options.flag("may_retry")?,
            args_after: options.flag("args_after")?,
            pure: options.flag("pure")?,
            record_args: options.word("record_args", &levels)?,
            lossy: options.flag("lossy")?,
        })
    }

    /// Says the same to the registry.
    pub(crate) fn apply(self, mut builder: HookMetadata) -> HookMetadata {
        builder = builder.priority(self.priority);
        for phase in self.phases {
            builder = builder.phase(phase);
        }
        for tag in self.tags {
            builder = builder.tag(tag);
        }
        for id in self.before {
            builder = builder.before(id);
        }
        for id in self.after {
            builder = builder.after(id);
        }
        if let Some(on_failure) = self.on_failure {
            builder = builder.on_failure(on_failure);
        }
        if let Some(text) = self.description {
            builder = builder.describe(text);
        }
        if self.shadow {
            builder = builder.shadow();
        }
        if self.once {
            builder = builder.once();
        }
        if self.may_retry {
            builder = builder.may_retry();
        }
        if self.args_after {
            builder = builder.args_after();
        }
        if let Some(level) = self.record_args {
            builder = builder.record_args(level);
        }
        if self.lossy {
            builder = builder.lossy();
        }
        if self.pure {
            builder = builder.pure();
        }
        builder
    }
}

fn when(options: &Options<'_>) -> ApiResult<Value> {
    match options.raw("when")? {
        when @ (Value::Nil | Value::Function(_) | Value::String(_)) => Ok(when),
        other => options.wrong("when", "a function or a condition as text", &other),
    }
}

fn phase_list(options: &Options<'_>) -> ApiResult<Vec<Phase>> {
    let words = options.strings("phase")?.unwrap_or_default();
    let phase = |word: &String| {
        let found = PHASES.iter().find(|(name, _)| name == word);
        found.map(|(_, phase)| *phase).ok_or_else(|| {
            format!("{WHAT}: `phase` is one of pre, post, error, done, not `{word}`").into()
        })
    };
    words.iter().map(phase).collect()
}

fn priority(options: &Options<'_>) -> ApiResult<Priority> {
    let number = match options.raw("priority")? {
        Value::Nil => return Ok(Priority::NORMAL),
        Value::String(_) => {
            let word = options.word("priority", PRIORITIES)?;
            return Ok(word.unwrap_or(Priority::NORMAL));
        }
        Value::Integer(number) => i32::try_from(number).ok(),
        Value::Number(number) if number.fract() == 0.0 => i32::try_from(number as i64).ok(),
        _ => None,
    };
    number.map(Priority).ok_or_else(|| {
        format!("{WHAT}: `priority` is a whole number (smaller runs earlier) or one of highest, high, normal, low, lowest").into()
    })
}
