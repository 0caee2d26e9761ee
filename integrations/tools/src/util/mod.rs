//! Tools that compute.

mod arithmetic;
mod calculator;
mod hash_calculator;

pub use calculator::{Calculator, CalculatorOperation, CalculatorParams};
pub use hash_calculator::{HashAlgorithm, HashCalculator, HashOperation, HashParams};
