//! What an evaluation costs, counted while it runs.
//!
//! The interpreter knows no limit of its own. So reading a value, and each turn of a macro, is wrapped into a call
//! of [`KEEP`] when an expression is prepared; it lets the value through, and counts. What is built from values
//! can be no larger than what was read for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use ::cel::common::types::{
    CelBool, CelBytes, CelList, CelMap, CelMapKey, CelString, DYN_TYPE, Type,
};
use ::cel::common::value::{CowVal, StaticVal, Val};
use ::cel::{Env, ExecutionError};
use regex::Regex;

/// The function that counts; no expression can be written that has such a name.
pub(super) const KEEP: &str = "@keep";
/// The function that holds a text against a pattern that was compiled when the expression was.
pub(super) const MATCHES: &str = "@matches";
/// The variable that stands for what is left.
pub(super) const METER: &str = "@meter";

/// What expressions can call: the standard functions, and those above.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let two = || vec![DYN_TYPE, DYN_TYPE];
    env.add_overload(KEEP, "hookpoint_keep", two(), keep)
        .and_then(|()| env.add_overload(MATCHES, "hookpoint_matches", two(), matches))
        .expect("no standard function has such a name");
    Arc::new(env)
});

static METER_TYPE: Type = Type::new_unspecified_type("hookpoint.meter");
static PATTERN_TYPE: Type = Type::new_unspecified_type("hookpoint.pattern");

/// What an evaluation may still cost.
#[derive(Clone, Debug)]
pub(super) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(super) fn new(cost: u64) -> Self {
        // Nothing is left at zero.
        Meter(Arc::new(AtomicU64::new(cost + 1)))
    }

    /// Whether it took more than it may. Operators such as `||` can swallow the failure that this is.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn charge(&self, value: &dyn Val) -> bool {
        let mut left = self.0.load(Ordering::Relaxed);
        weigh(value, &mut left);
        self.0.store(left, Ordering::Relaxed);
        left > 0
    }
}

/// Takes the length of a value from what is left, and stops when nothing is.
fn weigh(value: &dyn Val, left: &mut u64) {
    *left = left.saturating_sub(1);
    if *left == 0 {
    } else if let Some(text) = value.downcast_ref::<CelString>() {
        *left = left.saturating_sub(text.inner().len() as u64);
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        *left = left.saturating_sub(bytes.inner().len() as u64);
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        for item in list.inner() {
            weigh(item.as_ref(), left);
            if *left == 0 {
                break;
            }
        }
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        for (key, item) in map.inner() {
            if let CelMapKey::String(key) = key {
                *left = left.saturating_sub(key.inner().len() as u64);
            }
            weigh(item.as_ref(), left);
            if *left == 0 {
                break;
            }
        }
    }
}

fn keep<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.pop();
    let meter = args.first().and_then(|meter| meter.downcast_ref::<Meter>());
    match (meter, value) {
        (Some(meter), Some(value)) if meter.charge(value.as_ref()) => Ok(value),
        _ => Err(ExecutionError::function_error(KEEP, "it costs too much")),
    }
}

/// A regular expression, as a value that only [`MATCHES`] takes.
#[derive(Clone)]
pub(super) struct Pattern(pub(super) Regex);

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern")
    }
}

fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = args
        .first()
        .and_then(|text| text.downcast_ref::<CelString>());
    let pattern = args
        .get(1)
        .and_then(|pattern| pattern.downcast_ref::<Pattern>());
    match (text, pattern) {
        (Some(text), Some(Pattern(pattern))) => {
            Ok(CowVal::owned(CelBool::from(pattern.is_match(text.inner()))))
        }
        _ => {
            let types = args.iter().take(1).map(|arg| arg.get_type());
            let types = types.map(|ty| ty.name().to_owned()).collect();
            Err(ExecutionError::no_such_member_overload("matches", types))
        }
    }
}

macro_rules! opaque {
    ($name:ident, $ty:ident) => {
        impl Val for $name {
            fn get_type(&self) -> &Type {
                &$ty
            }
            fn cel_type() -> &'static Type {
                &$ty
            }
            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
            where
                Self: 'v,
            {
                Box::new(self.clone())
            }
            fn as_any(&self) -> Option<&dyn std::any::Any> {
                Some(self)
            }
        }
        impl StaticVal for $name {}
    };
}

opaque!(Meter, METER_TYPE);
opaque!(Pattern, PATTERN_TYPE);
