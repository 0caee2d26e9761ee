//! Prices whose patterns and pointers were read.

use hooks_runtime::pattern::Pattern;
use hooks_runtime::{ArgError, GuardContext, HookError};
use regex::Regex;
use serde_json::Value;

use super::{Price, Units};
use crate::cost::bad;
use crate::cost::money::Money;
use crate::error::BuiltinError;

/// A JSON pointer into an argument.
struct Place {
    argument: String,
    rest: String,
}

struct InArguments {
    place: Place,
    price: Money,
    per: u64,
}

struct InResult {
    pointer: String,
    price: Money,
    per: u64,
    max: Option<u64>,
    max_place: Option<Place>,
}

/// A price whose patterns and pointers were read.
pub(in crate::cost) struct Priced {
    point: Pattern,
    component: Option<Regex>,
    call: Money,
    arguments: Vec<InArguments>,
    results: Vec<InResult>,
    reserve: Option<Money>,
}

/// What is known of the cost of a call before its body.
pub(in crate::cost) struct Quote {
    /// What it costs whatever comes back.
    pub(in crate::cost) fixed: Money,
    /// What it may cost at most.
    pub(in crate::cost) reserve: Money,
}

impl Priced {
    pub(in crate::cost) fn read(price: &Price) -> Result<Priced, BuiltinError> {
        let wrong = |why: String| bad("prices", why);
        let point = match Pattern::parse(&price.point) {
            Ok((pattern, None)) => pattern,
            Ok(_) => {
                return Err(wrong(format!(
                    "`{}` names a phase: write the point",
                    price.point
                )));
            }
            Err(error) => return Err(wrong(error.to_string())),
        };
        let component = price.component.as_deref().map(wildcard).transpose();
        let component = component.map_err(|error| wrong(error.to_string()))?;
        if price.units.len() > 16 {
            return Err(wrong("has a price with more than 16 `units`".to_owned()));
        }
        let mut priced = Priced {
            point,
            component,
            call: price.call,
            arguments: Vec::new(),
            results: Vec::new(),
            reserve: price.reserve,
        };
        for units in &price.units {
            priced.add(units).map_err(wrong)?;
        }
        Ok(priced)
    }

    fn add(&mut self, units: &Units) -> Result<(), String> {
        if !(1..=1_000_000_000).contains(&units.per) {
            return Err(format!("has `per` = {}: write 1 to 1000000000", units.per));
        }
        let (price, per) = (units.price, units.per);
        let bounded = units.max.is_some() || units.max_argument.is_some();
        match (&units.argument, &units.result) {
            (Some(pointer), None) if bounded => Err(format!(
                "has a `max` for `{pointer}`, which is known before the body: leave it out"
            )),
            (Some(pointer), None) => {
                let place = Place::read(pointer)?;
                self.arguments.push(InArguments { place, price, per });
                Ok(())
            }
            (None, Some(pointer)) if !bounded && self.reserve.is_none() => Err(format!(
                "has no bound for `{pointer}`, so nothing can be reserved: write `max`, `max_argument`, or `reserve` for the price"
            )),
            (None, Some(pointer)) => {
                if !pointer.is_empty() && !pointer.starts_with('/') {
                    return Err(format!(
                        "has `{pointer}`, which is no JSON pointer: begin with `/`"
                    ));
                }
                let max_place = units.max_argument.as_deref().map(Place::read).transpose()?;
                self.results.push(InResult {
                    pointer: pointer.clone(),
                    price,
                    per,
                    max: units.max,
                    max_place,
                });
                Ok(())
            }
            _ => Err("has units with not exactly one of `argument` and `result`".to_owned()),
        }
    }

    pub(in crate::cost) fn fits(&self, point: &str, component: Option<&str>) -> bool {
        let named = |pattern: &Regex| component.is_some_and(|name| pattern.is_match(name));
        self.point.matches(point) && self.component.as_ref().is_none_or(named)
    }

    /// The price of a call alone.
    pub(in crate::cost) fn call(&self) -> Money {
        self.call
    }

    /// How many kinds of units the result has.
    pub(in crate::cost) fn kinds(&self) -> usize {
        self.results.len()
    }

    /// The arguments that its pointers name.
    pub(in crate::cost) fn names(&self) -> impl Iterator<Item = &str> {
        let counted = self.arguments.iter().map(|units| &units.place);
        let bounds = self
            .results
            .iter()
            .filter_map(|units| units.max_place.as_ref());
        counted.chain(bounds).map(|place| &*place.argument)
    }

    pub(in crate::cost) fn quote(&self, cx: &GuardContext<'_>) -> Result<Quote, HookError> {
        let mut fixed = self.call;
        for units in &self.arguments {
            let Some(count) = units.place.count(cx)? else {
                // The runtime's own words, where there is no such argument.
                cx.arg_json(&units.place.argument)?;
                return Err(format!("{} is not there", units.place).into());
            };
            fixed = fixed.plus(units.price.of(count, units.per));
        }
        if let Some(reserve) = self.reserve {
            return Ok(Quote { fixed, reserve });
        }
        let mut reserve = fixed;
        for units in &self.results {
            let said = units.max_place.as_ref().map(|place| place.count(cx));
            let missing = || {
                let what = "how many units there can be is not said, and there is no `max`";
                HookError::other(what)
            };
            let most = said
                .transpose()?
                .flatten()
                .or(units.max)
                .ok_or_else(missing)?;
            reserve = reserve.plus(units.price.of(most, units.per));
        }
        Ok(Quote { fixed, reserve })
    }

    /// How many units of each kind the result, or an item, says that there were.
    pub(in crate::cost) fn usage(&self, result: &Value) -> Vec<Option<u64>> {
        let count = |units: &InResult| result.pointer(&units.pointer)?.as_u64();
        self.results.iter().map(count).collect()
    }

    /// What those units cost; `None` if one of them is not known.
    pub(in crate::cost) fn cost(&self, usage: &[Option<u64>]) -> Option<Money> {
        let units = self.results.iter().zip(usage);
        let mut costs = units.map(|(units, count)| Some(units.price.of((*count)?, units.per)));
        costs.try_fold(Money::ZERO, |sum, cost| Some(sum.plus(cost?)))
    }
}

impl Place {
    fn read(pointer: &str) -> Result<Place, String> {
        let path = pointer.strip_prefix('/').filter(|path| !path.is_empty());
        let wrong = || {
            format!(
                "has `{pointer}`: begin with `/` and the name of an argument, as `/request/tokens`"
            )
        };
        let path = path.ok_or_else(wrong)?;
        let (name, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        Ok(Place {
            argument: name.to_owned(),
            rest: rest.to_owned(),
        })
    }

    /// The number that stands there, if something does.
    fn count(&self, cx: &GuardContext<'_>) -> Result<Option<u64>, HookError> {
        let json = match cx.arg_json(&self.argument) {
            Err(ArgError::Absent { .. } | ArgError::Unknown { .. }) => return Ok(None),
            // What the type says may quote the value.
            Err(ArgError::Json { name, .. }) => {
                return Err(format!("{name} cannot be read as JSON").into());
            }
            json => json?,
        };
        match json.pointer(&self.rest) {
            None | Some(Value::Null) => Ok(None),
            Some(number) => match number.as_u64() {
                Some(count) => Ok(Some(count)),
                None => Err(format!("{self} is no whole number from 0").into()),
            },
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`/{}{}`", self.argument, self.rest)
    }
}

/// A name in which `*` stands for any characters.
fn wildcard(name: &str) -> Result<Regex, regex::Error> {
    let parts: Vec<_> = name.split('*').map(regex::escape).collect();
    Regex::new(&format!("(?s)^{}$", parts.join(".*")))
}
