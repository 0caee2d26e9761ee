//! Makes calls for `scripts/regress` to count. Not for people: see `scripts/regress --help`.

use std::process::ExitCode;

use hookpoint::HookError;
use hookpoint_regress::allocations::{self, CountingAllocator};
use hookpoint_regress::scenarios::{ALL, Scenario, future_bytes};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Calls before anything is counted: hook sets are built, threads get their names, lists their room.
const WARM_UP: u64 = 100;
/// Calls over which allocations are counted.
const COUNTED: u64 = 1_000;

const USAGE: &str = "usage: hookpoint-regress list               names of the scenarios, one a line
       hookpoint-regress calls SCENARIO N   N calls, and nothing else
       hookpoint-regress allocations SCENARIO
       hookpoint-regress sizes              bytes of futures";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("hookpoint-regress: {error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// `None`: the words say nothing that it knows.
fn run(words: &[&str]) -> Option<Result<(), HookError>> {
    match words {
        ["list"] => ALL.iter().for_each(|s| println!("{}", s.name)),
        ["sizes"] => future_bytes()
            .iter()
            .for_each(|(name, bytes)| println!("{name} {bytes}")),
        ["calls", scenario, n] => {
            let n: u64 = n.parse().ok()?;
            return Some(find(scenario)?.with(|calls| calls(WARM_UP + n)));
        }
        ["allocations", scenario] => {
            let counted = find(scenario)?.with(|calls| {
                calls(WARM_UP);
                allocations::of(|| calls(COUNTED))
            });
            return Some(counted.map(|count| println!("{}", count as f64 / COUNTED as f64)));
        }
        _ => return None,
    }
    Some(Ok(()))
}

fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|s| s.name == name)
}
