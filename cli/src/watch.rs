//! `hookpoint run --watch`

use std::collections::BTreeSet;
use std::sync::Arc;

use hookpoint::HookScope;
use hookpoint::lua::{Change, Reloaded, Script, ScriptError, Watch};

/// Reloads scripts whose files change until the process is to end; the scripts whose last run failed.
pub(crate) async fn until_stopped(
    scripts: Vec<Arc<Script>>,
    failed: BTreeSet<String>,
) -> Result<BTreeSet<String>, Box<dyn std::error::Error + Send + Sync>> {
    let mut failed = failed;
    let mut stop = Box::pin(stop()?);
    let mut watch = Watch::new(scripts)?;
    eprintln!("watching; end with Ctrl-C");
    loop {
        let changes = tokio::select! {
            changes = watch.changed() => changes?,
            () = &mut stop => return Ok(failed),
        };
        for change in changes {
            tokio::select! {
                () = handle(change, &mut failed) => {}
                () = &mut stop => return Ok(failed),
            }
        }
    }
}

async fn handle(change: Change, failed: &mut BTreeSet<String>) {
    match change {
        Change::Reload(script) => {
            let reloaded = reload(&script).await;
            match reloaded {
                Ok(()) => failed.remove(script.name()),
                Err(_) => failed.insert(script.name().to_owned()),
            };
        }
        Change::Loop(script) => eprintln!(
            "not reloaded: {}: it was changed each time soon after it was reloaded, as a script does that writes its own files; the next change counts again",
            script.name()
        ),
        other => eprintln!("warning: a change that is not known: {other:?}"),
    }
}

async fn reload(script: &Script) -> Result<(), ScriptError> {
    let name = script.name();
    let scope = HookScope::run(format!("script {name}"));
    let reloaded = scope.wrap(script.reload()).await;
    script.end_receiving();
    tell(name, &reloaded);
    reloaded.map(|_| ())
}

/// Says what became of a reload.
pub(crate) fn tell(name: &str, reloaded: &Result<Reloaded, ScriptError>) {
    match reloaded {
        Ok(new) => eprintln!("reloaded: {name}: hooks: {}", new.hooks.join(", ")),
        Err(error) => {
            eprintln!("not reloaded: {name}: {error}");
            if let Some(traceback) = error.traceback() {
                eprintln!("{traceback}");
            }
        }
    }
}

/// Ctrl-C, or what a supervisor sends.
#[cfg(unix)]
pub(crate) fn stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("warning: {error}");
        }
    })
}
