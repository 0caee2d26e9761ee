//! `require`: files beneath the script's folder, each run once for a state.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use hooks_runtime::{HookRefusal, hooked};
use mlua::chunk::ChunkMode;
use mlua::{Function, Lua};

use crate::bind::{ApiError, ApiResult, Binder, CHUNK};
use crate::error::LuaError;
use crate::memory;
use crate::source::Sources;

const FORM: &str =
    "write require(\"lib/rules\") for the file lib/rules.lua beneath the folder of the script";

// In Lua, so that a file may wait as the script itself does. `pcall`: a file that failed may be required again.
const REQUIRE: &str = r#"
local resolve, compile, cycle, pcall, error = ...
local loaded, loading = {}, {}
return function(name)
    local path = resolve(name)
    local known = loaded[path]
    if known then return known.value end
    if loading[path] then cycle(path) end
    local run = compile(path)
    loading[path] = true
    local ok, value = pcall(run)
    loading[path] = nil
    if not ok then error(value, 0) end
    loaded[path] = {value = value}
    return value
end
"#;

/// Makes the global.
pub(crate) fn install(lua: &Lua, bind: &Binder, sources: &Arc<Sources>) -> mlua::Result<()> {
    let from = Arc::clone(sources);
    let resolve = bind.function("require", move |_, name: String| resolve(&from, &name))?;
    let from = Arc::clone(sources);
    let compile = bind.function("require", move |lua, path: String| {
        compile(lua, &from, Path::new(&path))
    })?;
    let from = Arc::clone(sources);
    let cycle = bind.function("require", move |_, path: String| -> ApiResult<()> {
        let file = shown(&from, Path::new(&path));
        Err(format!("require: `{file}` is still being loaded: it requires itself, maybe through other files; move what both need into a third file").into())
    })?;
    let globals = lua.globals();
    let pcall: Function = globals.get("pcall")?;
    let error: Function = globals.get("error")?;
    let chunk = lua.load(REQUIRE).set_name(format!("={CHUNK}"));
    let require: Function = chunk.call((resolve, compile, cycle, pcall, error))?;
    globals.raw_set("require", require)
}

/// The real path of the file that is meant.
fn resolve(sources: &Sources, name: &str) -> ApiResult<String> {
    let Some(root) = &sources.root else {
        return Err("require: this script is not a file, so there is no folder to look in".into());
    };
    let mut tried = Vec::new();
    for candidate in candidates(name)? {
        let path = root.join(&candidate);
        let Ok(real) = path.canonicalize() else {
            // It may be there later: then the script is to be reloaded.
            sources.note(&path, None);
            tried.push(candidate.display().to_string());
            continue;
        };
        if !real.starts_with(root) {
            return Err(format!("require: `{name}` leads out of the folder of the script").into());
        }
        if real.is_dir() {
            continue;
        }
        let real = real.into_os_string().into_string();
        return real
            .map_err(|_| ApiError::Said(format!("require: the path of `{name}` is not UTF-8")));
    }
    let tried = tried.join(", ");
    Err(format!("require: there is no file `{name}` (looked for {tried}); {FORM}").into())
}

/// Where a name may lead, relative to the folder.
fn candidates(name: &str) -> ApiResult<Vec<PathBuf>> {
    let plain = name.strip_prefix("./").unwrap_or(name);
    let normal = |part: Component<'_>| matches!(part, Component::Normal(_));
    if plain.is_empty()
        || plain.contains(['\\', '\0'])
        || !Path::new(plain).components().all(normal)
    {
        return Err(format!(
            "require: `{name}` is no path beneath the folder of the script; {FORM}"
        )
        .into());
    }
    if plain.ends_with(".lua") || plain.ends_with(".luau") {
        return Ok(vec![PathBuf::from(plain)]);
    }
    let path = plain.replace('.', "/");
    let ending = |ending: &str| PathBuf::from(format!("{path}{ending}"));
    Ok(vec![ending(".lua"), ending(".luau"), ending("/init.lua")])
}

/// The path as it stands in messages: from the folder of the script.
fn shown(sources: &Sources, path: &Path) -> String {
    let beneath = sources
        .root
        .as_deref()
        .and_then(|root| path.strip_prefix(root).ok());
    beneath.unwrap_or(path).display().to_string()
}

fn compile(lua: &Lua, sources: &Sources, path: &Path) -> ApiResult<Function> {
    let name = shown(sources, path);
    let source = sources
        .read(path)
        .map_err(|error| ApiError::Said(format!("require: {error}")))?;
    let source =
        admit(&name, source).map_err(|error| ApiError::Said(format!("require: {error}")))?;
    let chunk = lua.load(source).set_name(format!("@{name}"));
    let function = chunk.set_mode(ChunkMode::Text).into_function();
    function.map_err(|error| match memory::is_spent(&error) {
        true => ApiError::Lua(error),
        false => ApiError::Said(format!(
            "require: syntax error at {}",
            LuaError::of(&name, &error)
        )),
    })
}

/// Further code of a script: the hooks that read and change the script may do so here too.
#[hooked(point = "script.load", component = script)]
pub(crate) fn admit(script: &str, source: String) -> Result<String, HookRefusal> {
    Ok(source)
}
