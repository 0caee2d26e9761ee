//! What calls cost.

mod read;

use serde::Deserialize;

use super::money::Money;
pub(super) use read::{Priced, Quote};

/// What calls of a point and component cost.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    point: String,
    component: Option<String>,
    call: Money,
    units: Vec<Units>,
    reserve: Option<Money>,
}

impl Default for Price {
    fn default() -> Self {
        Price {
            point: ">".to_owned(),
            component: None,
            call: Money::ZERO,
            units: Vec::new(),
            reserve: None,
        }
    }
}

impl Price {
    /// Every call costs nothing.
    pub fn new() -> Self {
        Price::default()
    }
    /// Only at that point or pattern. Default: all of the placement.
    pub fn point(mut self, pattern: impl Into<String>) -> Self {
        self.point = pattern.into();
        self
    }
    /// Only for that component; `*` in the name stands for any characters. Default: all.
    pub fn component(mut self, pattern: impl Into<String>) -> Self {
        self.component = Some(pattern.into());
        self
    }
    /// The price of a call, whatever it does. Default: nothing.
    pub fn call(mut self, price: Money) -> Self {
        self.call = price;
        self
    }
    /// What is counted beside it; several add up, 16 at most.
    pub fn units(mut self, units: Units) -> Self {
        self.units.push(units);
        self
    }
    /// What is reserved for a call before its body: the most that one may cost. Default: `call`, and all units, those
    /// of the result by their `max`.
    pub fn reserve(mut self, amount: Money) -> Self {
        self.reserve = Some(amount);
        self
    }
}

/// A price for each of something, whose number stands in the arguments or the result.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    argument: Option<String>,
    result: Option<String>,
    price: Money,
    #[serde(default = "one")]
    per: u64,
    max: Option<u64>,
    max_argument: Option<String>,
}

fn one() -> u64 {
    1
}

impl Units {
    fn new(argument: Option<String>, result: Option<String>, price: Money) -> Self {
        Units {
            argument,
            result,
            price,
            per: 1,
            max: None,
            max_argument: None,
        }
    }
    /// Their number is in the arguments: a JSON pointer (RFC 6901) whose first part is the argument's name, such as
    /// `/request/prompt_tokens`. A whole number from 0; a call without it is a failure.
    pub fn argument(pointer: impl Into<String>, price: Money) -> Self {
        Units::new(Some(pointer.into()), None, price)
    }
    /// Their number is in the result, at the site of a stream in its items: a JSON pointer, such as
    /// `/usage/output_tokens`.
    pub fn result(pointer: impl Into<String>, price: Money) -> Self {
        Units::new(None, Some(pointer.into()), price)
    }
    /// The price is for so many of them, 1 to 1,000,000,000; fewer cost their part, rounded up to a billionth.
    /// Default: 1.
    pub fn per(mut self, count: u64) -> Self {
        self.per = count;
        self
    }
    /// Of a result: how many there can be, which is what is reserved.
    pub fn max(mut self, count: u64) -> Self {
        self.max = Some(count);
        self
    }
    /// Of a result: where in the arguments it stands how many there can be, as [`Units::argument`]. If a call has
    /// none there, `max` counts; without that it is a failure.
    pub fn max_argument(mut self, pointer: impl Into<String>) -> Self {
        self.max_argument = Some(pointer.into());
        self
    }
}
