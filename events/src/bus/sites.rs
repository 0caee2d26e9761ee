//! Where the bus asks hooks: to be looked at before anything is done that only they need.

use std::sync::LazyLock;

use hooks_runtime::HookSite;

/// The sites of the quick ways. `None`: there is none, because hooks are turned off.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sites {
    /// Publishing without waiting.
    pub(crate) publish: Option<&'static HookSite>,
    /// The call of an inline handler.
    pub(crate) call: Option<&'static HookSite>,
    /// What a stream's reader takes out.
    pub(crate) read: Option<&'static HookSite>,
}

impl Sites {
    pub(crate) fn get() -> Sites {
        static SITES: LazyLock<Sites> = LazyLock::new(|| {
            let mut sites = Sites::default();
            for site in hooks_runtime::sites() {
                let info = site.info();
                match (info.package, info.point, info.path.rsplit("::").next()) {
                    ("hooks-events", "event.publish", Some("ask_and_try_send")) => {
                        sites.publish = Some(site)
                    }
                    ("hooks-events", "event.deliver", Some("ask_and_call")) => {
                        sites.call = Some(site)
                    }
                    ("hooks-events", "event.deliver", Some("ask")) => sites.read = Some(site),
                    _ => {}
                }
            }
            sites
        });
        *SITES
    }
}

/// Whether no hook is to be asked there.
#[inline]
pub(crate) fn is_idle(site: Option<&'static HookSite>) -> bool {
    site.is_none_or(HookSite::is_idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The functions are known by their names: whoever renames one finds it here.
    #[test]
    fn all_of_them_are_found() {
        let Sites {
            publish,
            call,
            read,
        } = Sites::get();
        assert!(publish.is_some() && call.is_some() && read.is_some());
    }
}
