//! Functions of every common shape: hooked, they compile without a warning and behave as before.

#![deny(warnings)]

use hookpoint::{HookRefusal, hooked};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Input {
    path: String,
}

#[hooked(point = "billing.charge")]
fn sync(input: Input, name: &str, seen: &mut Vec<u64>) -> Result<usize, String> {
    seen.push(1);
    Ok(input.path.len() + name.len())
}

#[hooked(point = "billing.charge")]
async fn asynchronous(input: Input, name: &str) -> Result<usize, String> {
    Ok(input.path.len() + name.len())
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(#[from] HookRefusal);

struct Till {
    total: u64,
}

impl Till {
    #[hooked(point = "billing.charge")]
    fn charge(&mut self, cents: u64) -> Result<&mut u64, Refused> {
        self.total += cents;
        Ok(&mut self.total)
    }
    #[hooked(point = "billing.charge")]
    async fn charge_later(&mut self, cents: u64) -> Result<&mut u64, Refused> {
        self.total += cents;
        Ok(&mut self.total)
    }
    #[hooked(point = "billing.total", component = self.name(), fields(total = self.total, how = %"x", dbg = ?self.total))]
    fn total(&self) -> std::io::Result<u64> {
        Ok(self.total)
    }
    fn name(&self) -> String {
        "till".into()
    }
}

#[tokio::test]
async fn plain_functions() {
    let mut seen = Vec::new();
    let input = Input { path: "abc".into() };
    assert_eq!(sync(input.clone(), "de", &mut seen), Ok(5));
    assert_eq!(seen, [1]);
    assert_eq!(asynchronous(input, "de").await, Ok(5));
    let mut till = Till { total: 0 };
    *till.charge(5).unwrap() += 1;
    *till.charge_later(5).await.unwrap() += 1;
    assert_eq!(till.total().unwrap(), 12);
}
