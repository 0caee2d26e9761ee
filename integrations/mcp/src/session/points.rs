//! Whether somebody listens: what nobody looks at is passed on without being read as a value.

use hooks_runtime::{HookSite, Phase, sites};

use crate::methods::{CALL_TOOL, LIST_TOOLS, TASK, TASK_RESULT};

/// The sites of this crate.
pub(super) struct Points {
    request: Vec<&'static HookSite>,
    notification: Vec<&'static HookSite>,
    call: Vec<&'static HookSite>,
    discover: Vec<&'static HookSite>,
}

impl Points {
    pub(super) fn find() -> Self {
        let all = sites();
        let at = |point: &str| {
            let ours = |site: &&&'static HookSite| {
                let info = site.info();
                info.point == point && info.path.starts_with(env!("CARGO_CRATE_NAME"))
            };
            all.iter().filter(ours).copied().collect()
        };
        Points {
            request: at("mcp.request"),
            notification: at("mcp.notification"),
            call: at("tool.execute"),
            discover: at("tool.discover"),
        }
    }

    /// Whether nobody is asked about requests of that method.
    pub(super) fn are_idle(&self, method: &str) -> bool {
        idle(&self.request)
            && match method {
                TASK_RESULT | TASK => idle(&self.call),
                CALL_TOOL => idle(&self.call) && idle(&self.discover),
                LIST_TOOLS => idle(&self.discover),
                _ => true,
            }
    }

    /// Whether hooks would be asked about what a tool returns. A site that is not found counts as one where they
    /// would.
    pub(super) fn ask_about_results(&self) -> bool {
        self.call.is_empty() || self.call.iter().any(|site| site.asks(Phase::Post))
    }

    pub(super) fn notifications_are_idle(&self) -> bool {
        idle(&self.notification)
    }
}

/// A site that is not found counts as one where somebody listens.
fn idle(sites: &[&'static HookSite]) -> bool {
    !sites.is_empty() && sites.iter().all(|site| site.is_idle())
}
