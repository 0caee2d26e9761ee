//! Tools that compute.

mod arithmetic;
mod calculator;
mod digest;
mod hash_calculator;

pub use calculator::{Calculator, CalculatorOperation, CalculatorParams};
pub use digest::HashAlgorithm;
pub use hash_calculator::{HashCalculator, HashOperation, HashParams};
