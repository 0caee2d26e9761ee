//! Amounts of money, exact.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many parts a unit of the currency has.
const NANOS: u128 = 1_000_000_000;
/// The most that can be written, in units of the currency.
const MOST: u128 = 1_000_000_000_000;

/// An amount of money in billionths (1e-9) of a unit of whatever currency, exactly. As text it is a decimal number,
/// such as `0.00015`, with nine digits after the point at most; a configuration has it so, or as a whole number of
/// units, never as a float.
///
/// ```
/// use hooks_builtin::Money;
///
/// let price: Money = "0.00015".parse()?;
/// assert_eq!(price, Money::nanos(150_000));
/// assert_eq!(Money::units(2).to_string(), "2");
/// # Ok::<(), hooks_builtin::BadMoney>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u128);

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no amount: write a decimal number such as \"0.00015\", with nine digits after the point at most, up to 1000000000000"
)]
pub struct BadMoney(Box<str>);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// So many billionths of a unit.
    pub const fn nanos(nanos: u64) -> Money {
        Money(nanos as u128)
    }
    /// So many units.
    pub const fn units(units: u32) -> Money {
        Money(units as u128 * NANOS)
    }
    /// In billionths of a unit.
    pub const fn as_nanos(self) -> u128 {
        self.0
    }

    /// Together; more than can be counted is the most that can be.
    pub(super) fn plus(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
    /// What is left without `other`, nothing at least.
    pub(super) fn minus(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
    /// So many times.
    pub(super) fn times(self, count: u64) -> Money {
        Money(self.0.saturating_mul(u128::from(count)))
    }
    /// What `count` cost if `per` of them cost this: rounded up to a whole billionth, so never less.
    pub(super) fn of(self, count: u64, per: u64) -> Money {
        Money(self.times(count).0.div_ceil(u128::from(per.max(1))))
    }
    /// So many hundredths of it, rounded up.
    pub(super) fn percent(self, percent: u32) -> Money {
        Money(self.0.saturating_mul(u128::from(percent)).div_ceil(100))
    }
}

impl FromStr for Money {
    type Err = BadMoney;

    fn from_str(text: &str) -> Result<Money, BadMoney> {
        let bad = || BadMoney(text.chars().take(40).collect::<String>().into());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || whole.len() > 13 || part.len() > 9 {
            return Err(bad());
        }
        let nanos = format!("{whole}{part:0<9}");
        match nanos.parse() {
            Ok(nanos) if nanos <= MOST * NANOS => Ok(Money(nanos)),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, nanos) = (self.0 / NANOS, self.0 % NANOS);
        if nanos == 0 {
            return write!(f, "{units}");
        }
        let part = format!("{nanos:09}");
        write!(f, "{units}.{}", part.trim_end_matches('0'))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        struct Amount;
        impl Visitor<'_> for Amount {
            type Value = Money;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount as a text, such as \"0.00015\", or a whole number")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Money, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, units: u64) -> Result<Money, E> {
                units.to_string().parse().map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, units: i64) -> Result<Money, E> {
                units.to_string().parse().map_err(E::custom)
            }
            fn visit_f64<E: serde::de::Error>(self, amount: f64) -> Result<Money, E> {
                let why = format!("{amount} is a float, which is not exact: write \"{amount}\"");
                Err(E::custom(why))
            }
        }
        deserializer
            .deserialize_any(Amount)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_come_back_as_they_were() {
        for text in ["0", "1", "0.1", "0.000000001", "1000000000000", "12.345"] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), text);
        }
        assert_eq!("1.50".parse::<Money>().unwrap().to_string(), "1.5");
        let bad = [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0.0000000001",
            "1000000000000.1",
            "1,5",
            "٣",
        ];
        for text in bad {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
        let dime: Money = "0.1".parse().unwrap();
        let sum = (0..1_000_000).fold(Money::ZERO, |sum, _| sum.plus(dime));
        assert_eq!(sum, Money::units(100_000));
        assert_eq!(Money::nanos(10).of(1, 3), Money::nanos(4), "never less");
        assert_eq!(Money(u128::MAX).plus(dime), Money(u128::MAX));
    }

    #[test]
    fn floats_are_refused_with_what_to_write() {
        let error = serde_json::from_str::<Money>("0.15")
            .unwrap_err()
            .to_string();
        assert!(error.contains("write \"0.15\""), "{error}");
        assert_eq!(serde_json::from_str::<Money>("3").unwrap(), Money::units(3));
        assert!(serde_json::from_str::<Money>("-3").is_err());
    }
}
