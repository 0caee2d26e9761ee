//! The policy of a gateway: loaded once, and in force before anything is served.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hookpoint::HookSystem;
use hookpoint::lua::Script;
use hookpoint::report::Report;
use hookpoint::system::Config;
use tracing::Level;

use super::asked::{self, Who};
use super::{files, level};

#[derive(clap::Args)]
pub(super) struct Policy {
    /// A script whose hooks decide; may be repeated.
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// A configuration: built-in hooks, closed points, an approver, scripts.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the scripts of --policy may do, for example `hook:tool.*:guard`; may be repeated. Without it they may
    /// do everything: they are your policy.
    #[arg(long, value_name = "CAPABILITY")]
    allow: Vec<String>,
    /// Use policies that the server could write.
    #[arg(long)]
    allow_writable_policy: bool,
    /// Who is asked where the configuration has no [approver]: the user of the client, else a person at the terminal.
    /// Whoever is not listed is not asked.
    #[arg(long, value_enum, value_name = "WHO", value_delimiter = ',')]
    approve: Vec<Who>,
    /// Reload scripts when their files change, and built-in hooks when the configuration does. What cannot be
    /// loaded leaves the old one in force.
    #[arg(long)]
    watch: bool,
    /// Print on standard error, at the end, what the calls met.
    #[arg(long)]
    report: bool,
    /// What is told on standard error: error, warn, info or debug.
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = level)]
    log: Level,
}

/// A policy that is in force.
pub(super) struct InForce {
    system: HookSystem,
    report: Option<Arc<Report>>,
    has_closed_points: bool,
    /// Variables of the environment with secrets of the policy.
    secrets: Vec<String>,
    /// Whether what changes is reloaded.
    watches: bool,
    /// The configuration.
    config: Option<PathBuf>,
}

/// How long handlers of events may take when everything is over.
const DRAIN: Duration = Duration::from_secs(5);

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Policy {
    pub(super) fn log(&self) -> Result<(), Failure> {
        Ok(crate::log::to_stderr(self.log)?)
    }

    /// Loads the policy and puts it in force.
    ///
    /// # Errors
    /// Something that was asked for is not there, wrong, or could be written by the server.
    pub(super) async fn enforce(
        &self,
        is_gateway: bool,
        on_stdio: bool,
    ) -> Result<InForce, Failure> {
        let checks = is_gateway && !self.allow_writable_policy;
        if checks && let Some(path) = &self.config {
            // Before it is read: what is read then stays what it is.
            files::check(path)?;
        }
        let config = match &self.config {
            Some(path) => Some(Config::read(path)?),
            None => None,
        };
        if !self.approve.is_empty() && config.as_ref().is_some_and(|it| it.approver.is_some()) {
            return Err(
                "--approve: the configuration has an [approver]; leave one of them out".into(),
            );
        }
        let scripts = config.iter().flat_map(|config| &config.scripts);
        let scripts = scripts.map(|script| PathBuf::from(&script.path));
        let scripts: Vec<PathBuf> = self.policies.iter().cloned().chain(scripts).collect();
        if checks {
            scripts.iter().try_for_each(|file| files::check(file))?;
        }
        if is_gateway && self.policies.is_empty() && self.config.is_none() {
            tracing::warn!(
                "there is no policy: everything passes; write --policy FILE or --config FILE"
            );
        }
        let mut builder = HookSystem::builder().prints_to_stderr();
        if checks {
            builder = builder.check_files(files::check);
            files::check_loads(builder.registry(), &scripts)?;
        }
        if let Some(path) = &self.config {
            builder = builder.config(path)?;
        }
        for policy in &self.policies {
            builder = match self.allow.as_slice() {
                [] => builder.script(policy)?,
                allowed => builder.script_allowed(policy, allowed)?,
            };
        }
        let builder = asked::install(builder, &self.approve, on_stdio);
        let report = self.report.then(|| {
            let report = Arc::new(Report::default());
            builder.registry().add_sink(report.clone());
            report
        });
        let system = builder.build().await?;
        for script in system.scripts() {
            script.end_receiving();
        }
        if let Some(problem) = system.problems().first() {
            // What is left out of a gateway is a door that stands open.
            return Err(format!("{problem}").into());
        }
        Ok(InForce {
            system,
            report,
            watches: self.watch,
            config: self.config.clone(),
            secrets: (config.iter())
                .flat_map(|config| &config.approver)
                .filter_map(|approver| approver.secret_variable().map(str::to_owned))
                .collect(),
            has_closed_points: config.is_some_and(|config| !config.closed.is_empty()),
        })
    }
}

impl InForce {
    pub(super) fn has_closed_points(&self) -> bool {
        self.has_closed_points
    }

    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Reloads what changes, for ever.
    pub(super) async fn watch(&self) {
        if !self.watches {
            return std::future::pending().await;
        }
        let scripts = async {
            if !self.system.scripts().is_empty() {
                let tell = |script: &Script, reloaded| {
                    script.end_receiving();
                    crate::watch::tell(script.name(), &reloaded);
                };
                let failed = self.system.watch_scripts(tell).await;
                eprintln!("error: scripts are not watched any more: {failed}");
            }
            std::future::pending::<()>().await
        };
        let config = async {
            if let Some(config) = &self.config {
                reload_changed(&self.system, config).await;
            }
            std::future::pending::<()>().await
        };
        tokio::join!(scripts, config);
    }

    /// No call passes from here on: what is kept is written, handlers get what was published, and the report is
    /// printed.
    pub(super) async fn end(self) {
        let drained = self.system.shutdown(DRAIN).await;
        for left in &drained.undelivered {
            let (who, events) = (&left.subscription, left.events);
            tracing::warn!(subscription = %who, events, "events were not handled in time");
        }
        let registry = self.system.registry().clone();
        for hook in registry.list().into_iter().filter(|hook| !hook.required) {
            // What it has kept for later it writes when it goes.
            if let Err(error) = registry.unregister(&hook.id) {
                tracing::warn!(hook = %hook.id, %error, "a hook did not go");
            }
        }
        if let Some(report) = &self.report {
            eprintln!("── report ──\n{}", report.text());
        }
        // Required hooks stay to the end: their guards have nothing to do.
        std::mem::forget(self.system);
    }
}

/// Looks at the configuration once a second.
async fn reload_changed(system: &HookSystem, config: &Path) {
    let mut seen = changed(config);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        let now = changed(config);
        if now == seen {
            continue;
        }
        seen = now;
        match system.reload(config) {
            Ok(()) => eprintln!("reloaded: {}", config.display()),
            Err(error) => eprintln!("not reloaded: {}: {error}", config.display()),
        }
    }
}

fn changed(file: &Path) -> Option<(std::time::SystemTime, u64)> {
    let about = file.metadata().ok()?;
    Some((about.modified().ok()?, about.len()))
}
