//! Types for editors, in the annotations of the Lua language server (LuaCATS).

use std::collections::BTreeMap;

use hooks_runtime::point::BUILTIN;
use hooks_runtime::sites;

use super::{Class, Function, classes, functions, owner};

const HEAD: &str = "---@meta hookpoint

---@alias HookPhase \"pre\"|\"post\"|\"error\"|\"done\"
---@alias HookRole \"intercept\"|\"guard\"|\"observe\"|\"transform\"|\"control\"
---@alias HookPriority \"highest\"|\"high\"|\"normal\"|\"low\"|\"lowest\"
";

/// A file of declarations for an editor: every function and class of the API, and a context class for each built-in
/// point, with the arguments of the functions that are linked into this program and fire it.
pub fn meta() -> String {
    let mut text = HEAD.to_owned();
    let points = points();
    for (point, args) in &points {
        context(&mut text, point, args);
    }
    for class in classes() {
        declare(&mut text, class);
    }
    let mut globals: Vec<&str> = Vec::new();
    for function in functions() {
        let owner = owner(function);
        let is_global = !owner.is_empty() && !function.name.contains(':');
        if is_global && !globals.contains(&owner) {
            globals.push(owner);
            text.push_str(&format!("\n{owner} = {{}}\n"));
        }
        declare_function(&mut text, function, points.keys().copied());
    }
    text.push_str("\n---Null inside of arrays.\nJson.null = nil\n");
    text
}

/// The built-in points with the arguments that their sites have.
fn points() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let builtin = BUILTIN.iter().map(|point| (point.name(), BTreeMap::new()));
    let mut points: BTreeMap<_, BTreeMap<_, _>> = builtin.collect();
    for site in sites() {
        let info = site.info();
        if let Some(args) = points.get_mut(info.point) {
            args.extend(info.args.iter().map(|arg| (arg.name, arg.ty)));
        }
    }
    points
}

fn class_of(point: &str) -> String {
    format!("HookContext.{point}")
}

fn context(text: &mut String, point: &str, args: &BTreeMap<&str, &str>) {
    let class = class_of(point);
    if args.is_empty() {
        text.push_str(&format!("\n---@class {class}: HookContext\n"));
        return;
    }
    text.push_str(&format!("\n---@class {class}.args\n"));
    for (name, ty) in args {
        text.push_str(&format!("---@field {name} any {ty}\n"));
    }
    text.push_str(&format!(
        "\n---@class {class}: HookContext\n---@field args {class}.args\n"
    ));
}

fn declare(text: &mut String, class: &Class) {
    text.push_str(&format!("\n---{}\n---@class {}\n", class.doc, class.name));
    for (name, ty, doc) in class.fields {
        text.push_str(&format!("---@field {name} {ty} {doc}\n"));
    }
    if !class.receiver.is_empty() {
        text.push_str(&format!("local {} = {{}}\n", class.receiver));
    }
}

fn declare_function<'a>(
    text: &mut String,
    function: &Function,
    points: impl Iterator<Item = &'a str>,
) {
    text.push_str(&format!("\n---{}\n", function.doc));
    for (name, ty) in function.params {
        text.push_str(&format!("---@param {name} {ty}\n"));
    }
    if !function.returns.is_empty() {
        text.push_str(&format!("---@return {}\n", function.returns));
    }
    if function.name == "Hook.register" {
        for point in points {
            let class = class_of(point);
            text.push_str(&format!("---@overload fun(point: \"{point}\", fn: (fun(ctx: {class}): HookAnswer?), options?: HookOptions|HookPriority|integer): HookHandle\n"));
        }
    }
    let names = function.params.iter();
    let names: Vec<_> = names.map(|(name, _)| name.trim_end_matches('?')).collect();
    text.push_str(&format!(
        "function {}({}) end\n",
        function.name,
        names.join(", ")
    ));
}
