//! The one list of built-in hook points.
//!
//! The runtime's `HookPoint` enum, its aliases and the compile-time check of literal point names are
//! all generated from here, so none of them can disagree.

/// `(name, variant)` of every built-in point, grouped and in the order in which they are listed.
pub(crate) const POINTS: &[(&str, &str)] = &[
    ("agent.init", "AgentInit"),
    ("agent.start", "AgentStart"),
    ("agent.execute", "AgentExecute"),
    ("agent.pause", "AgentPause"),
    ("agent.resume", "AgentResume"),
    ("agent.fail", "AgentFail"),
    ("agent.recover", "AgentRecover"),
    ("agent.stop", "AgentStop"),
    ("agent.transition", "AgentTransition"),
    ("agent.delegate", "AgentDelegate"),
    ("model.request", "ModelRequest"),
    ("model.stream", "ModelStream"),
    ("tool.discover", "ToolDiscover"),
    ("tool.validate", "ToolValidate"),
    ("tool.authorize", "ToolAuthorize"),
    ("tool.acquire", "ToolAcquire"),
    ("tool.execute", "ToolExecute"),
    ("tool.release", "ToolRelease"),
    ("tool.timeout", "ToolTimeout"),
    ("workflow.execute", "WorkflowExecute"),
    ("workflow.step", "WorkflowStep"),
    ("workflow.transition", "WorkflowTransition"),
    ("workflow.condition", "WorkflowCondition"),
    ("workflow.iteration", "WorkflowIteration"),
    ("workflow.branch", "WorkflowBranch"),
    ("workflow.join", "WorkflowJoin"),
    ("workflow.checkpoint", "WorkflowCheckpoint"),
    ("workflow.rollback", "WorkflowRollback"),
    ("workflow.state", "WorkflowState"),
    ("state.read", "StateRead"),
    ("state.write", "StateWrite"),
    ("state.delete", "StateDelete"),
    ("state.conflict", "StateConflict"),
    ("state.migrate", "StateMigrate"),
    ("session.start", "SessionStart"),
    ("session.save", "SessionSave"),
    ("session.checkpoint", "SessionCheckpoint"),
    ("session.restore", "SessionRestore"),
    ("session.end", "SessionEnd"),
    ("event.publish", "EventPublish"),
    ("event.deliver", "EventDeliver"),
    ("event.dead_letter", "EventDeadLetter"),
    ("system.startup", "SystemStartup"),
    ("system.shutdown", "SystemShutdown"),
    ("system.config", "SystemConfig"),
    ("system.limit", "SystemLimit"),
    ("system.violation", "SystemViolation"),
    ("performance.threshold", "PerformanceThreshold"),
    ("performance.memory", "PerformanceMemory"),
    ("performance.cpu", "PerformanceCpu"),
    ("script.load", "ScriptLoad"),
    ("script.execute", "ScriptExecute"),
    ("script.reload", "ScriptReload"),
];

/// `(alias, variant, phase)`: the names of llmspell's hooks (its `HookPoint` variants) and what they are here.
pub(crate) const ALIASES: &[(&str, &str, &str)] = &[
    ("BeforeAgentInit", "AgentInit", "Pre"),
    ("AfterAgentInit", "AgentInit", "Post"),
    ("BeforeAgentExecution", "AgentExecute", "Pre"),
    ("AfterAgentExecution", "AgentExecute", "Post"),
    ("AgentError", "AgentExecute", "Error"),
    ("BeforeAgentShutdown", "AgentStop", "Pre"),
    ("AfterAgentShutdown", "AgentStop", "Post"),
    ("BeforeToolDiscovery", "ToolDiscover", "Pre"),
    ("AfterToolDiscovery", "ToolDiscover", "Post"),
    ("BeforeToolExecution", "ToolExecute", "Pre"),
    ("AfterToolExecution", "ToolExecute", "Post"),
    ("ToolValidation", "ToolValidate", "Pre"),
    ("ToolError", "ToolExecute", "Error"),
    ("BeforeWorkflowStart", "WorkflowExecute", "Pre"),
    ("WorkflowStageTransition", "WorkflowTransition", "Pre"),
    ("BeforeWorkflowStage", "WorkflowStep", "Pre"),
    ("AfterWorkflowStage", "WorkflowStep", "Post"),
    ("WorkflowCheckpoint", "WorkflowCheckpoint", "Pre"),
    ("WorkflowRollback", "WorkflowRollback", "Pre"),
    ("AfterWorkflowComplete", "WorkflowExecute", "Post"),
    ("WorkflowError", "WorkflowExecute", "Error"),
    ("BeforeStateRead", "StateRead", "Pre"),
    ("AfterStateRead", "StateRead", "Post"),
    ("BeforeStateWrite", "StateWrite", "Pre"),
    ("AfterStateWrite", "StateWrite", "Post"),
    ("StateConflict", "StateConflict", "Pre"),
    ("StateMigration", "StateMigrate", "Pre"),
    ("SystemStartup", "SystemStartup", "Pre"),
    ("SystemShutdown", "SystemShutdown", "Pre"),
    ("ConfigurationChange", "SystemConfig", "Pre"),
    ("ResourceLimitExceeded", "SystemLimit", "Pre"),
    ("SecurityViolation", "SystemViolation", "Pre"),
    ("SessionStart", "SessionStart", "Pre"),
    ("SessionEnd", "SessionEnd", "Pre"),
    ("SessionCheckpoint", "SessionCheckpoint", "Pre"),
    ("SessionRestore", "SessionRestore", "Pre"),
    ("SessionSave", "SessionSave", "Pre"),
    ("BeforeEventEmit", "EventPublish", "Pre"),
    ("AfterEventEmit", "EventPublish", "Post"),
    ("EventHandlerError", "EventDeliver", "Error"),
    (
        "PerformanceThresholdExceeded",
        "PerformanceThreshold",
        "Pre",
    ),
    ("MemoryUsageHigh", "PerformanceMemory", "Pre"),
    ("CpuUsageHigh", "PerformanceCpu", "Pre"),
];

/// First segments that belong to the built-in points.
pub(crate) const GROUPS: &[&str] = &[
    "agent",
    "model",
    "tool",
    "workflow",
    "state",
    "session",
    "event",
    "system",
    "performance",
    "script",
];

/// Why `name` cannot be the name of a point, or `None` if it can.
///
/// A name is lower-case, dotted, and either built in, `<group>.x.<name>` under a built-in group, or in a
/// first segment of the author's own.
pub(crate) fn reject(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some(
            "a hook point needs a name, for example `tool.execute` or `billing.charge`".into(),
        );
    }
    let well_formed = name.split('.').all(|s| {
        !s.is_empty()
            && s.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    });
    if !well_formed || !name.contains('.') {
        return Some(format!(
            "`{name}` is not a hook point name: write dotted lower-case segments, for example `billing.charge`"
        ));
    }
    let (group, rest) = name.split_once('.').unwrap_or((name, ""));
    if POINTS.iter().any(|(n, _)| *n == name) || rest.starts_with("x.") {
        return None;
    }
    if GROUPS.contains(&group) {
        let near = nearest(name, POINTS.iter().map(|(n, _)| *n));
        return Some(format!(
            "`{name}` is not a built-in hook point, and the names under `{group}.` are reserved; \
             did you mean `{near}`? (your own point: `{group}.x.{rest}`, or a first segment of your own)"
        ));
    }
    // One letter off a reserved group is a typo, not a new namespace.
    let near = nearest(name, POINTS.iter().map(|(n, _)| *n));
    if distance(name, near) == 1 {
        return Some(format!(
            "`{name}` is not a built-in hook point; did you mean `{near}`?"
        ));
    }
    None
}

/// Why `pattern` can match no point, or `None` if it can: a name, or one with `*` (a segment) or `>` (all that
/// follows); the predecessor's names are patterns too.
pub(crate) fn reject_pattern(pattern: &str) -> Option<String> {
    if ALIASES.iter().any(|(alias, _, _)| *alias == pattern) {
        return None;
    }
    if !pattern.contains(['*', '>']) {
        return reject(pattern);
    }
    let segments: Vec<&str> = pattern.split('.').collect();
    let plain = |s: &str| {
        !s.is_empty()
            && s.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let well_formed = segments
        .iter()
        .enumerate()
        .all(|(i, segment)| match *segment {
            "*" => segments.len() > 1,
            ">" => i + 1 == segments.len(),
            segment => plain(segment),
        });
    if well_formed {
        return None;
    }
    Some(format!(
        "`{pattern}` matches no point: write names such as `tool.execute`, with `*` for one segment (`tool.*`) or `>` at the end for all that follows"
    ))
}

/// The candidate with the smallest edit distance to `name`.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> &'a str {
    candidates.min_by_key(|c| distance(name, c)).unwrap_or("")
}

/// Levenshtein distance, one row at a time.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
