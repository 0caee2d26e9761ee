//! An example of a plugin crate: linking it is all that a program has to do.
//!
//! ```toml
//! [dependencies]
//! hookpoint-example-plugin = "0.1"
//! ```
//! and once, anywhere in the program, so that the linker keeps the crate: `use hookpoint_example_plugin as _;`

use hookpoint::prelude::*;
use serde_json::Value;

inventory::submit! {
    HookRegistration::new("example-plugin.strong-hashes", "tool.execute")
        .guard(strong_hashes)
        .package(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .describe("refuses hash algorithms that are broken")
        .pure()
}

/// MD5 and SHA-1 have practical collisions (RFC 6151; Stevens et al., 2017): a tool that an agent relies on
/// for integrity should not use them.
fn strong_hashes(cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    let params: &Value = cx.arg("params")?;
    let weak = match params.get("algorithm").and_then(Value::as_str) {
        Some(name @ ("md5" | "sha1")) => name,
        _ => return Ok(Vote::Pass),
    };
    Ok(Vote::cancel(format!(
        "{weak} is broken; use sha256 or blake3"
    )))
}
