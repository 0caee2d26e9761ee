//! Real numbers that remember the first thing that went wrong, and the operators of the calculator over them.

use std::fmt;
use std::num::ParseFloatError;
use std::str::FromStr;

use exmex::{BinOp, MakeOperators, Operator};

/// Why an operation has no finite real result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The right operand of this operator is zero.
    DivisionByZero(&'static str),
    /// The operands are outside the domain, or the result is too large.
    NotFinite(&'static str),
    /// A literal or variable is itself not finite.
    Literal,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::DivisionByZero(operator) => write!(f, "division by zero in `{operator}`"),
            Fault::NotFinite(operator) => write!(
                f,
                "`{operator}` has no finite real result here: its operand is outside its domain, or the result too large"
            ),
            Fault::Literal => write!(f, "a number is too large for 64-bit floating point"),
        }
    }
}

/// A finite number, or the first fault of the computation that should have made one.
///
/// Without it `1 / (1 / 0)` would be a respectable zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) Result<f64, Fault>);

impl Default for Number {
    fn default() -> Self {
        Number(Ok(0.0))
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Number(if value.is_finite() {
            Ok(value)
        } else {
            Err(Fault::Literal)
        })
    }
}

impl FromStr for Number {
    type Err = ParseFloatError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|value: f64| Number::from(value))
    }
}

impl Number {
    fn one(self, operator: &'static str, f: fn(f64) -> f64) -> Number {
        Number(self.0.and_then(|a| finite(operator, f(a))))
    }
    fn two(self, other: Number, operator: &'static str, f: fn(f64, f64) -> f64) -> Number {
        Number(
            self.0
                .and_then(|a| other.0.and_then(|b| finite(operator, f(a, b)))),
        )
    }
    fn divide(self, other: Number, operator: &'static str, f: fn(f64, f64) -> f64) -> Number {
        match (self.0, other.0) {
            (Ok(_), Ok(0.0)) => Number(Err(Fault::DivisionByZero(operator))),
            _ => self.two(other, operator, f),
        }
    }
}

fn finite(operator: &'static str, value: f64) -> Result<f64, Fault> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Fault::NotFinite(operator))
    }
}

/// The operators, functions and constants of the calculator.
///
/// Functions of two arguments are left out: exmex reads `max(1, min(5, 3))` wrongly.
#[derive(Clone, Debug)]
pub(super) struct Operators;

/// A binary operator. exmex regroups neighbouring constants around commutative ones without regard to what stands
/// before them (`10 - 2 + 3` becomes `10 - 5`); calling none commutative keeps the order that was written.
fn binary(prio: i64, apply: fn(Number, Number) -> Number) -> BinOp<Number> {
    BinOp {
        apply,
        prio,
        is_commutative: false,
    }
}

macro_rules! unary {
    ($($name:literal: $f:expr),* $(,)?) => { [$(Operator::make_unary($name, |a: Number| a.one($name, $f))),*] };
}

impl MakeOperators<Number> for Operators {
    fn make<'a>() -> Vec<Operator<'a, Number>> {
        let mut operators = vec![
            Operator::make_bin("^", binary(3, |a, b| a.two(b, "^", f64::powf))),
            Operator::make_bin("*", binary(2, |a, b| a.two(b, "*", |a, b| a * b))),
            Operator::make_bin("/", binary(2, |a, b| a.divide(b, "/", |a, b| a / b))),
            Operator::make_bin("%", binary(2, |a, b| a.divide(b, "%", |a, b| a % b))),
            Operator::make_bin_unary("+", binary(0, |a, b| a.two(b, "+", |a, b| a + b)), |a| a),
            Operator::make_bin_unary("-", binary(0, |a, b| a.two(b, "-", |a, b| a - b)), |a| {
                a.one("-", |a| -a)
            }),
        ];
        operators.extend(unary! {
            "abs": f64::abs, "acos": f64::acos, "acosh": f64::acosh, "asin": f64::asin, "asinh": f64::asinh,
            "atan": f64::atan, "atanh": f64::atanh, "cbrt": f64::cbrt, "ceil": f64::ceil, "cos": f64::cos,
            "cosh": f64::cosh, "exp": f64::exp, "floor": f64::floor, "fract": f64::fract, "ln": f64::ln,
            "log10": f64::log10, "log2": f64::log2, "round": f64::round, "signum": f64::signum, "sin": f64::sin,
            "sinh": f64::sinh, "sqrt": f64::sqrt, "tan": f64::tan, "tanh": f64::tanh, "trunc": f64::trunc,
        });
        let constants = [
            ("PI", std::f64::consts::PI),
            ("E", std::f64::consts::E),
            ("TAU", std::f64::consts::TAU),
        ];
        operators.extend(
            constants.map(|(name, value)| Operator::make_constant(name, Number::from(value))),
        );
        operators
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_survives_later_operations() {
        let zero = Number::from(0.0);
        let one = Number::from(1.0);
        let fault = one.divide(zero, "/", |a, b| a / b);
        assert_eq!(
            one.divide(fault, "/", |a, b| a / b).0,
            Err(Fault::DivisionByZero("/"))
        );
        assert_eq!(
            fault.one("sqrt", f64::sqrt).0,
            Err(Fault::DivisionByZero("/"))
        );
    }

    #[test]
    fn no_two_operators_share_a_name() {
        let mut names: Vec<_> = Operators::make().iter().map(Operator::repr).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
