//! What the attribute cannot do, and what one might think it cannot: `docs/reference/attribute.md`, "Known
//! limits". A test that fails here because something works now is good news for that page.

#![deny(warnings)]

use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hookpoint::{HookError, HookResult, hooked, hooks};

#[hooked(point = "limits.location", observe)]
#[track_caller]
fn location() -> &'static Location<'static> {
    Location::caller()
}

#[track_caller]
#[hooked(point = "limits.location", observe)]
fn location_above() -> &'static Location<'static> {
    Location::caller()
}

#[test]
fn the_callers_location_is_lost() {
    // A closure does not inherit `#[track_caller]`.
    let (below, above, here) = (location(), location_above(), Location::caller());
    assert_eq!((below.file(), above.file()), (here.file(), here.file()));
    assert!(below.line() < here.line() && above.line() < here.line());
}

#[cfg(target_arch = "x86_64")]
#[hooked(point = "limits.features", on_refused = |_| 1)]
#[target_feature(enable = "sse4.2")]
fn with_feature(a: u32) -> u32 {
    // Safe only where the feature is on: the closure around the body has it, too.
    std::arch::x86_64::_mm_crc32_u32(0, a)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn target_features_reach_the_body() {
    if std::arch::is_x86_feature_detected!("sse4.2") {
        let _pre = hooks()
            .intercept("limits.features.pre", "limits.features", |cx| {
                *cx.arg_mut::<u32>("a")? = 0;
                Ok::<_, HookError>(())
            })
            .unwrap();
        // SAFETY: the feature was detected.
        assert_eq!(unsafe { with_feature(7) }, 0);
    }
}

/// What a macro makes of its input is hooked; what it makes inside a body is the body's own affair.
macro_rules! closure {
    ($value:expr) => {
        || {
            return $value;
        }
    };
}

#[hooked(point = "limits.closure")]
fn closures_of_macros(n: u8) -> Result<u8, String> {
    #[allow(clippy::needless_return)]
    let inner = closure!(n + 1);
    Ok(inner())
}

#[test]
fn a_return_in_a_macros_closure_is_not_the_functions() {
    let _post = hooks()
        .on("limits.closure.post")
        .point("limits.closure")
        .post()
        .intercept(|cx| {
            *cx.result_mut::<u8>()? *= 10;
            Ok::<_, HookError>(())
        })
        .unwrap();
    assert_eq!(closures_of_macros(1), Ok(20));
}

#[hooked(point = "limits.generic")]
fn generic<T: Clone>(value: T) -> Result<T, String> {
    Ok(value)
}

#[test]
fn a_generic_argument_has_no_typed_view_and_one_site_for_all_types() {
    let _pre = hooks()
        .intercept("limits.generic.pre", "limits.generic", |cx| {
            assert!(cx.arg::<u8>("value").is_err() && cx.arg::<String>("value").is_err());
        })
        .unwrap();
    assert_eq!(
        (generic(1_u8), generic(String::new())),
        (Ok(1), Ok(String::new()))
    );
    let sites = hookpoint::sites();
    let found = sites
        .iter()
        .filter(|site| site.info().point == "limits.generic");
    assert_eq!(found.count(), 1);
}

#[hooked(point = "limits.opaque", args(text: opaque, log))]
fn fails(text: String, log: &AtomicU32) -> Result<String, String> {
    log.fetch_add(1, Ordering::Relaxed);
    Err(text)
}

#[test]
fn an_opaque_argument_is_not_copied_so_the_body_runs_once() {
    let _again = hooks()
        .on("limits.opaque.again")
        .point("limits.opaque")
        .error()
        .may_retry()
        .intercept(|cx| {
            assert!(cx.arg::<String>("text").is_err());
            HookResult::retry(Duration::ZERO, 3)
        })
        .unwrap();
    let log = AtomicU32::new(0);
    assert!(fails("text".into(), &log).is_err());
    assert_eq!(log.into_inner(), 1);
}
