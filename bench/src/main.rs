//! `hookpoint-bench`: what hooks cost, a row per claim. For charts of single calls see `cargo bench`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use hookpoint_bench::report::{self, Claim, Row};
use hookpoint_bench::rows::{GROUPS, Plan, part};
use hookpoint_regress::allocations::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Measures what hooks cost, beside what others cost for the same, and holds it against targets.
///
/// Progress goes to standard error, the table to standard output. A missed target is no failure: machines
/// differ. What must not become dearer is held by scripts/regress.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Also writes the rows to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only rows whose names begin so; several are alternatives.
    #[arg(long, value_name = "PREFIX")]
    only: Vec<String>,
    /// Prints the names of the rows and measures nothing.
    #[arg(long)]
    list: bool,
    /// Prints the table as Markdown, as in docs/performance.md.
    #[arg(long)]
    markdown: bool,
    /// How often every variant is timed; groups with small differences take a multiple.
    #[arg(long, default_value_t = 61, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

impl Options {
    fn wants(&self, claim: &Claim) -> bool {
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|prefix| claim.name.starts_with(prefix.as_str()))
    }
}

fn main() -> ExitCode {
    // Some rows measure processes, and those are this program again.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match part(&arguments) {
        Some(done) => done.map_err(|error| -> Box<dyn std::error::Error> { error }),
        None => run(&Options::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hookpoint-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let wanted = || {
        GROUPS
            .iter()
            .filter(|g| g.claims.iter().any(|c| options.wants(c)))
    };
    if options.list {
        for claim in wanted().flat_map(|g| g.claims).filter(|c| options.wants(c)) {
            writeln!(out, "{}", claim.name)?;
        }
        return Ok(());
    }
    if wanted().next().is_none() {
        return Err(format!(
            "no row begins with {}; see --list",
            options.only.join(" or ")
        )
        .into());
    }
    if cfg!(debug_assertions) {
        eprintln!(
            "hookpoint-bench: built without optimisation, the figures mean nothing; use --release"
        );
    }
    let plan = Plan {
        rounds: options.rounds as usize,
        program: std::env::current_exe()?,
    };
    let mut rows: Vec<Row> = Vec::new();
    for group in wanted() {
        let start = Instant::now();
        let first = group.claims[0].name;
        eprint!("{first} …");
        rows.extend(
            group
                .rows(&plan)?
                .into_iter()
                .filter(|row| options.wants(&row.claim)),
        );
        eprintln!(" {:.1} s", start.elapsed().as_secs_f64());
    }
    let text = if options.markdown {
        report::markdown(&rows)
    } else {
        report::table(&rows)
    };
    out.write_all(text.as_bytes())?;
    if let Some(file) = &options.json {
        std::fs::write(file, report::json(&rows)? + "\n")
            .map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(())
}
