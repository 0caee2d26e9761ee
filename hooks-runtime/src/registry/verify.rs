//! What is refused at registration, and what `doctor` reports afterwards.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::hooks::HookRegistry;
use super::inner::{Inner, Kind};
use super::life::Life;
use super::set::HookSet;
use crate::catalogue::{self, sites_at};
use crate::condition::Condition;
use crate::error::HookError;
use crate::hook::{Callee, Entry, HookMetadata, Mode, OnFailure, Phases, Role};
use crate::pattern::Pattern;
use crate::point::{BUILTIN, HookPoint, Phase, suggest};
use crate::record::ArgLevel;
use crate::site::SiteInfo;

/// Makes an entry of a registration, or says why it can never do what it says.
pub(crate) fn check(
    registry: &Arc<Inner>,
    mut meta: HookMetadata,
    callee: Callee,
) -> Result<Entry, HookError> {
    let role = callee.role();
    let invalid = |why: String| HookError::Invalid {
        id: meta.id.clone(),
        why: why.into(),
    };
    if meta.id.is_empty() {
        return Err(invalid(
            "it needs an id: it stands in every record and refusal".into(),
        ));
    }
    if meta.id.starts_with("hookpoint.") {
        return Err(invalid(
            "ids that start with `hookpoint.` are the runtime's own rules".into(),
        ));
    }
    if meta.patterns.is_empty() {
        return Err(invalid(
            "it names no point: add `.point(\"tool.*\")`".into(),
        ));
    }
    if role == Role::Observe && !meta.conditions.is_empty() {
        return Err(invalid(
            "an observer has no conditions (`when`): it is told of calls that are done; let it look at the record instead".into(),
        ));
    }
    let slow = meta.breaker.as_ref().is_some_and(|b| b.slow.is_some());
    if slow && meta.on_failure != Some(OnFailure::Open) {
        return Err(invalid(
            "its breaker opens for slowness (`slow`), so its failure must be open: add `on_failure(OnFailure::Open)`, or take `slow` out; a hook that may refuse must not refuse because it is slow".into(),
        ));
    }
    if role == Role::Observe && meta.breaker.is_some() {
        return Err(invalid(
            "an observer has no breaker: its panics are counted and harm no call".into(),
        ));
    }
    if role != Role::Observe && meta.lossy {
        return Err(invalid(
            "it votes, so it cannot be `lossy`: only observers may be left out when time is short"
                .into(),
        ));
    }
    if role != Role::Observe && meta.record_args != ArgLevel::Names {
        return Err(invalid(
            "`record_args` is for observers: it sees the arguments themselves (`cx.arg`)".into(),
        ));
    }
    let mut phases = meta.phases.clone();
    let mut patterns = Vec::with_capacity(meta.patterns.len());
    let (mut implies, mut implies_none) = (None, None);
    for text in &meta.patterns {
        let (pattern, phase) = Pattern::parse(text)?;
        if role != Role::Observe && meta.phases.is_empty() {
            phases.extend(phase);
            *(if phase.is_some() {
                &mut implies
            } else {
                &mut implies_none
            }) = Some(text);
        }
        matches_something(registry, &pattern)?;
        patterns.push(pattern);
    }
    if let (Some(implies), Some(implies_none)) = (implies, implies_none) {
        return Err(invalid(format!(
            "`{implies}` stands for a phase and `{implies_none}` for none: name the phases (`.pre()`, `.post()`, `.error()`), or register two hooks"
        )));
    }
    let phases = match role {
        Role::Observe if !meta.phases.is_empty() && meta.phases != [Phase::Done] => {
            return Err(invalid(
                "an observer is told once, when the call is done: leave its phase out".into(),
            ));
        }
        Role::Observe => vec![Phase::Done],
        Role::Guard if phases.contains(&Phase::Error) => {
            return Err(invalid("a guard votes on arguments (pre) or on a result (post): a failed body has neither; use an intercept".into()));
        }
        _ if phases.contains(&Phase::Done) => {
            return Err(invalid(
                "in phase done there is nothing left to decide: register an observer".into(),
            ));
        }
        _ if phases.is_empty() => vec![Phase::Pre],
        _ => phases,
    };
    check_sites(&meta, role, &patterns)?;
    if registry.kind == Kind::Layer {
        meta.may_grant = false;
    }
    Ok(Entry::new(
        meta,
        patterns,
        Phases::of(&phases),
        callee,
        Arc::downgrade(registry),
    ))
}

/// Why a hook cannot be relied on, and so cannot be required.
pub(super) fn unfit(entry: &Entry) -> Option<&'static str> {
    let open = || entry.on_failure(Phase::Pre) == OnFailure::Open;
    match () {
        () if entry.meta.once => Some("runs only once"),
        () if entry.meta.lossy => Some("is lossy"),
        () if entry.meta.mode == Mode::Shadow => Some("is in Shadow mode"),
        () if entry.role() != Role::Observe && open() => Some("is Open on failure"),
        () if !entry.enabled.load(Ordering::Acquire) => Some("is disabled"),
        () => None,
    }
}

/// In what a hook does less than the required one that it would replace.
pub(super) fn weaker(new: &Entry, old: &Entry) -> Option<&'static str> {
    let covered = |old: &Pattern| new.patterns.iter().any(|new| new.covers(old));
    let (now, before) = (&new.meta.components, &old.meta.components);
    let all_components =
        now.is_empty() || !before.is_empty() && before.iter().all(|c| now.contains(c));
    let conditions = &old.meta.conditions;
    let same = |new: &Arc<dyn Condition>, old: &Arc<dyn Condition>| {
        Arc::ptr_eq(old, new) || new.text().is_some_and(|text| old.text() == Some(text))
    };
    let known = |new| conditions.iter().any(|old| same(new, old));
    match () {
        () if new.role() != old.role() => Some("has another role"),
        () if !old.patterns.iter().all(covered) => Some("does not cover all of its points"),
        () if new.phases != old.phases => Some("is asked in other phases"),
        () if !all_components => Some("is not for all of its components"),
        () if !new.meta.conditions.iter().all(known) => Some("has a condition of its own"),
        () => None,
    }
}

/// A pattern that covers no built-in point and no linked site would leave its hook without a call for ever.
fn matches_something(registry: &Inner, pattern: &Pattern) -> Result<(), HookError> {
    let sites = catalogue::site_points();
    let known = || {
        BUILTIN
            .iter()
            .map(HookPoint::name)
            .chain(sites.iter().copied())
    };
    if registry.allows_unmatched() || known().any(|name| pattern.matches(name)) {
        return Ok(());
    }
    let hint = match suggest(pattern.as_str(), known()) {
        Some(near) => format!("matches no hook point; did you mean `{near}`?"),
        None => {
            "matches no hook point: no linked site has it (is the crate that defines it linked?)"
                .to_owned()
        }
    };
    Err(HookError::BadPattern {
        pattern: pattern.as_str().into(),
        why: hint.into(),
    })
}

/// What the sites of literal points say against it.
fn check_sites(meta: &HookMetadata, role: Role, patterns: &[Pattern]) -> Result<(), HookError> {
    let invalid = |why: String| {
        Err(HookError::Invalid {
            id: meta.id.clone(),
            why: why.into(),
        })
    };
    for pattern in patterns.iter().filter(|p| p.is_literal()) {
        let sites = sites_at(pattern.as_str());
        if role == Role::Guard && !sites.is_empty() && sites.iter().all(|s| s.info().flags.observe)
        {
            return invalid(format!(
                "a guard cannot refuse at `{}`: its sites can only be watched (`observe`); register an observer",
                pattern.as_str()
            ));
        }
        for name in &meta.uses {
            let has = |info: &SiteInfo| info.args.iter().any(|a| a.name == &**name);
            if !sites.is_empty() && !sites.iter().any(|s| has(s.info())) {
                let names: Vec<_> = sites
                    .iter()
                    .flat_map(|s| s.info().args)
                    .map(|a| a.name)
                    .collect();
                let near = suggest(name, names.iter().copied());
                let near = near
                    .map(|n| format!("; did you mean `{n}`?"))
                    .unwrap_or_default();
                return invalid(format!(
                    "no site of `{}` has an argument `{name}`{near}",
                    pattern.as_str()
                ));
            }
        }
    }
    Ok(())
}

/// A site, and who is asked there.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SiteReport {
    /// The point.
    pub point: &'static str,
    /// The function.
    pub path: &'static str,
    /// Its file.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
    /// Whether hooks may only watch.
    pub observe: bool,
    /// Whether calls need a grant.
    pub closed: bool,
    /// Ids of the guards, before and after the body.
    pub guards: Vec<Box<str>>,
    /// Ids of the intercepts.
    pub intercepts: Vec<Box<str>>,
    /// Ids of the observers.
    pub observers: Vec<Box<str>>,
}

/// Something that a policy does not cover, or covers less than it seems.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// The hook or site.
    pub subject: String,
    /// What is the matter, and what to do.
    pub detail: String,
    /// Whether it concerns a required hook: then the system must not start.
    pub error: bool,
}

/// The state of a registry against all linked sites.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// Where the registry is in its life.
    pub life: Life,
    /// Every linked site.
    pub sites: Vec<SiteReport>,
    /// What to look at.
    pub gaps: Vec<Gap>,
}

impl Verification {
    /// Whether nothing concerns a required hook.
    pub fn is_ok(&self) -> bool {
        !self.gaps.iter().any(|gap| gap.error)
    }
}

impl HookRegistry {
    /// Every site, who is asked there, and every gap.
    pub fn verify(&self) -> Verification {
        let sites = catalogue::sites();
        let reports = sites
            .iter()
            .map(|site| report(site.info(), self.inner()))
            .collect();
        let mut gaps: Vec<Gap> = self
            .inner()
            .entries()
            .iter()
            .flat_map(|e| gaps(e, &sites))
            .collect();
        gaps.extend(self.problems().into_iter().map(|detail| Gap {
            subject: "a plugin".into(),
            detail,
            error: false,
        }));
        Verification {
            life: self.life(),
            sites: reports,
            gaps,
        }
    }
}

fn report(site: &SiteInfo, registry: &Arc<Inner>) -> SiteReport {
    let set = HookSet::build(site, registry, &[]);
    let ids = |role: Role| -> Vec<Box<str>> {
        let mut ids: Vec<Box<str>> = Vec::new();
        for (_, entry) in set.all().filter(|(_, e)| e.role() == role) {
            if !ids.contains(&entry.meta.id) {
                ids.push(entry.meta.id.clone());
            }
        }
        ids
    };
    SiteReport {
        point: site.point,
        path: site.path,
        file: site.file,
        line: site.line,
        observe: site.flags.observe,
        closed: set.closed,
        guards: ids(Role::Guard),
        intercepts: ids(Role::Intercept),
        observers: ids(Role::Observe),
    }
}

fn gaps(entry: &Entry, sites: &[&'static crate::site::HookSite]) -> Vec<Gap> {
    let required = entry.required.load(Ordering::Acquire);
    let gap = |detail: String, error: bool| Gap {
        subject: format!("hook `{}`", entry.id()),
        detail,
        error,
    };
    let matching: Vec<_> = sites
        .iter()
        .filter(|s| entry.matches(s.info().point))
        .collect();
    let mut gaps = Vec::new();
    if matching.is_empty() {
        gaps.push(gap(
            "no linked site has its point: it is never asked".into(),
            required,
        ));
    }
    if entry.role() == Role::Guard {
        for site in matching.iter().filter(|s| s.info().flags.observe) {
            let info = site.info();
            let detail = format!(
                "a refusal has no force at {} ({}:{}), which can only be watched",
                info.point, info.file, info.line
            );
            gaps.push(gap(detail, required));
        }
    }
    if entry.role() != Role::Observe && entry.on_failure(Phase::Pre) == OnFailure::Open {
        gaps.push(gap(
            "is Open: when it fails, calls go on without it".into(),
            required,
        ));
    }
    if entry.meta.mode == Mode::Shadow {
        gaps.push(gap(
            "is in Shadow mode: its answers are recorded and never count".into(),
            required,
        ));
    }
    if !entry.enabled.load(Ordering::Acquire) {
        gaps.push(gap("is disabled".into(), required));
    }
    gaps
}
