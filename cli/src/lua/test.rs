//! `hookpoint lua test`

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use hookpoint::events::{EventBus, HookEventSystem};
use hookpoint::lua::{Rights, Script, ScriptError};
use hookpoint::{HookRegistry, HookScope};
use serde::{Deserialize, Serialize};

use crate::output::{self, Done};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files, and folders with files that end in `_test.lua`.
    #[arg(required = true, value_name = "DIR")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    allowed: crate::run::Allowed,
    /// Print JSON; what the tests print goes to standard error.
    #[arg(long)]
    json: bool,
    /// How long one file may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// What came of one test.
#[derive(Serialize, Deserialize)]
struct Tested {
    name: String,
    ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What came of one file.
#[derive(Serialize)]
struct TestedFile {
    file: String,
    tests: Vec<Tested>,
    /// Why it did not run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Summary {
    files: Vec<TestedFile>,
    passed: usize,
    failed: usize,
}

pub(crate) async fn run(args: Args) -> Done {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        return Err("there is no file that ends in `_test.lua`".into());
    }
    let limit = Duration::from_secs(args.timeout);
    let rights = args.allowed.rights()?;
    let mut tested = Vec::new();
    for file in files {
        let one = test_file(&file, limit, args.json, &rights).await?;
        if !args.json {
            show(&one)?;
        }
        tested.push(one);
    }
    let count = |ok| {
        let tests = tested.iter().flat_map(|file| &file.tests);
        tests.filter(|test| test.ok == ok).count()
    };
    let broken = tested.iter().filter(|file| file.error.is_some()).count();
    let (passed, failed) = (count(true), count(false) + broken);
    if args.json {
        let files = tested;
        output::json(&Summary {
            files,
            passed,
            failed,
        })?;
    } else {
        output::text(&format!("{passed} passed, {failed} failed"))?;
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The test files of a folder, in order. Links to folders are not followed.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let wrong =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if !path.is_dir() {
        path.metadata().map_err(wrong)?;
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(wrong)?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let is_test = entry.file_name().to_string_lossy().ends_with("_test.lua");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if is_test {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// In a registry and with a bus of its own, so that files do not see each other.
async fn test_file(
    path: &Path,
    limit: Duration,
    json: bool,
    rights: &Rights,
) -> Result<TestedFile, Box<dyn std::error::Error + Send + Sync>> {
    let registry = HookRegistry::new();
    crate::run::own_hooks(&registry)?;
    let bus = EventBus::new();
    let system = HookEventSystem::builder()
        .registry(registry.clone())
        .bus(bus.clone());
    let system = system.build()?;
    let engine = hookpoint::script::engine(".")?.events(bus);
    // A file that was stopped has failed.
    let engine = engine
        .rebuild(0, Duration::ZERO, Duration::ZERO)
        .grant(rights.clone());
    let engine = if json {
        engine.output(io::stderr())
    } else {
        engine
    }
    .build();
    let scope = HookScope::isolated(&registry);
    let tested = scope.wrap(async {
        let script = engine.load(path)?;
        let outcome = run_tests(&script, limit).await;
        drop(script);
        outcome
    });
    let tested = tested.await;
    system.shutdown(limit).await;
    let (tests, error) = match tested {
        Ok((tests, None)) if tests.is_empty() => (tests, Some("it has no tests".to_owned())),
        Ok((tests, error)) => (tests, error.map(|error| error.to_string())),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let file = path.display().to_string();
    Ok(TestedFile { file, tests, error })
}

/// Runs a file; also if it fails, what its tests came to until then.
async fn run_tests(
    script: &Script,
    limit: Duration,
) -> Result<(Vec<Tested>, Option<ScriptError>), ScriptError> {
    script
        .evaluate("hookpoint lua test", include_str!("test.lua"))
        .await?;
    let stopper = script.stopper();
    let in_time = tokio::spawn(async move {
        tokio::time::sleep(limit).await;
        stopper.stop();
    });
    let ran = script.execute().await;
    in_time.abort();
    if script.stopped().is_some() {
        return Ok((Vec::new(), ran.err()));
    }
    let results = script
        .evaluate("hookpoint lua test", "return __results()")
        .await?;
    let tests = serde_json::from_value(results).map_err(|error| ScriptError::Setup {
        script: script.name().to_owned(),
        cause: format!("what its tests came to can't be read: {error}"),
    })?;
    Ok((tests, ran.err()))
}

fn show(file: &TestedFile) -> Done {
    output::text(&file.file)?;
    for test in &file.tests {
        output::text(&format!(
            "  {} {}",
            if test.ok { "ok    " } else { "FAILED" },
            test.name
        ))?;
        if let Some(error) = &test.error {
            output::text(&format!("         {error}"))?;
        }
    }
    match &file.error {
        Some(error) => output::text(&format!("  FAILED {error}")),
        None => Ok(ExitCode::SUCCESS),
    }
}
