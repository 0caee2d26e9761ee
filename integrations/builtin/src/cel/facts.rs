//! The values of a call that expressions can name.

use ::cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use ::cel::common::value::{CowVal, Val};
use ::cel::context::VariableResolver;
use hooks_runtime::{ArgError, GuardContext, HookError};
use serde_json::Value;

use super::expression::Expression;
use super::meter::{METER, Meter};

/// How deep a value may be.
const MAX_LEVELS: usize = 64;

/// A value of the call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Point,
    Component,
    Principal,
    Phase,
    Result,
    Field(Box<str>),
    Argument(Box<str>),
}

impl Name {
    /// The name as it stands in an expression.
    pub(super) fn text(&self) -> String {
        match self {
            Name::Point => "point".to_owned(),
            Name::Component => "component".to_owned(),
            Name::Principal => "principal".to_owned(),
            Name::Phase => "phase".to_owned(),
            Name::Result => "result".to_owned(),
            Name::Field(name) => format!("fields.{name}"),
            Name::Argument(name) => format!("args.{name}"),
        }
    }
}

/// What stands for `has(args.x)`, before the name.
pub(super) const HAS: &str = "@has ";

/// What was read of a call: each value once, and only what was asked for.
#[derive(Default)]
pub(super) struct Facts(Vec<Fact>);

struct Fact {
    name: String,
    value: Option<Box<dyn Val>>,
    bytes: u64,
}

impl Facts {
    /// Reads what the expression names.
    pub(super) fn read(
        &mut self,
        cx: &GuardContext<'_>,
        expression: &Expression,
    ) -> Result<(), HookError> {
        let mut together = 0_u64;
        for (name, may_be_missing) in expression.names() {
            let text = name.text();
            if !self.0.iter().any(|fact| fact.name == text) {
                self.0.push(Fact::read(cx, name, text.clone())?);
            }
            let fact = self.0.iter().find(|fact| fact.name == text);
            let fact = fact.expect("it was read just now");
            if fact.value.is_none() && !may_be_missing {
                if let Name::Argument(name) = name {
                    // The runtime's own words: they list what there is.
                    cx.arg_json(name)?;
                }
                let why = format!("this call has no `{text}`; write `has({text})` if it may be so");
                return Err(HookError::other(why));
            }
            together = together.saturating_add(fact.bytes);
        }
        let most = expression.limits().max_value_bytes;
        if together > most {
            let why = format!("the values that it names are longer than {most} bytes");
            return Err(HookError::other(why));
        }
        Ok(())
    }
}

impl Fact {
    fn read(cx: &GuardContext<'_>, name: &Name, text: String) -> Result<Fact, HookError> {
        let word = |word: &str| Some(Value::String(word.to_owned()));
        let maybe = |word: Option<&str>| Some(word.map_or(Value::Null, Value::from));
        let json = match name {
            Name::Point => word(cx.point_name()),
            Name::Component => maybe(cx.component()),
            Name::Principal => maybe(cx.principal()),
            Name::Phase => word(cx.phase().as_str()),
            Name::Field(field) => cx.field(field).cloned(),
            Name::Result => seen(cx.result_json())?,
            Name::Argument(name) => match cx.arg_json(name) {
                Err(ArgError::Absent { .. }) => Some(Value::Null),
                value => seen(value)?,
            },
        };
        let mut bytes = 0;
        let value = json.map(|json| value(json, &mut bytes, MAX_LEVELS));
        let value = value.transpose().map_err(|Deep| {
            HookError::other(format!("`{text}` is deeper than {MAX_LEVELS} levels"))
        })?;
        Ok(Fact {
            name: text,
            value,
            bytes,
        })
    }
}

/// What the type says about a value that it cannot write may quote it.
fn seen(value: Result<Value, ArgError>) -> Result<Option<Value>, HookError> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(ArgError::Unknown { .. }) => Ok(None),
        Err(ArgError::Json { name, .. }) => Err(format!("{name} cannot be read as JSON").into()),
        Err(other) => Err(other.into()),
    }
}

/// A value that is too deep.
struct Deep;

/// The value that expressions see, and how long it is. Whole numbers are `int`, and `uint` beyond.
fn value(json: Value, bytes: &mut u64, levels: usize) -> Result<Box<dyn Val>, Deep> {
    let levels = levels.checked_sub(1).ok_or(Deep)?;
    *bytes += 1;
    Ok(match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Box::new(CelInt::from(whole)),
            (None, Some(whole)) => Box::new(CelUInt::from(whole)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => {
            *bytes += text.len() as u64;
            Box::new(CelString::from(text))
        }
        Value::Array(items) => {
            let items = items.into_iter().map(|item| value(item, bytes, levels));
            Box::new(CelList::from(items.collect::<Result<Vec<_>, _>>()?))
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, field)| {
                *bytes += key.len() as u64;
                Ok((CelMapKey::from(key), value(field, bytes, levels)?))
            });
            let fields: std::collections::HashMap<_, _> = fields.collect::<Result<_, _>>()?;
            Box::new(CelMap::from(fields))
        }
    })
}

/// The variables of one evaluation.
pub(super) struct Variables<'e> {
    pub(super) facts: &'e Facts,
    pub(super) expression: &'e Expression,
    pub(super) meter: &'e Meter,
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if variable == METER {
            return Some(CowVal::Borrowed(self.meter));
        }
        let of = |name: &str| self.facts.0.iter().find(|fact| fact.name == name);
        if let Some(name) = variable.strip_prefix(HAS) {
            let is_there = of(name).is_some_and(|fact| fact.value.is_some());
            return Some(CowVal::owned(CelBool::from(is_there)));
        }
        if let Some(pattern) = self.expression.pattern(variable) {
            return Some(CowVal::Borrowed(pattern));
        }
        let value = of(variable)?.value.as_deref()?;
        Some(CowVal::Borrowed(value))
    }
}
