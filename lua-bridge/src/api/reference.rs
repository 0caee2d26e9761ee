//! The reference page.

use std::fmt::Write;

use super::{Function, classes, functions, owner, signature};

const HEAD: &str = "# The API of scripts

Every function that a script has beside those of Luau, and the tables that they take and give. `name?` may be left out. A function that waits can be called in the script itself, in event handlers, in workflow steps, and in hooks with `async = true`. What a program has no host for (`Tool`, `Agent`, `Workflow`, `Builtin`, `Event`) is `nil` there; `Script.requires` says so. How it all works together is in [the guide](../guide/lua.md).

This page is written by the tests from the table in `lua-bridge/src/api`: `UPDATE_REFERENCE=1 cargo test -p hooks-lua reference_page`.
";

/// The page `docs/reference/lua-api.md`.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let mut owners: Vec<&str> = Vec::new();
    for function in functions() {
        if !owners.contains(&owner(function)) {
            owners.push(owner(function));
        }
    }
    for owner_name in owners {
        let of_owner = functions().iter().filter(|f| owner(f) == owner_name);
        table(&mut page, owner_name, of_owner);
    }
    page.push_str("\n# Tables and objects\n");
    for class in classes() {
        let (name, doc) = (class.name, class.doc);
        page.push_str(&format!("\n## {name}\n\n{doc}"));
        if !class.receiver.is_empty() {
            page.push_str(&format!(" Its methods are those of `{}`.", class.receiver));
        }
        page.push('\n');
        if class.fields.is_empty() {
            continue;
        }
        page.push_str("\n| field | type | |\n|---|---|---|\n");
        for (name, ty, doc) in class.fields {
            row(&mut page, &[&format!("`{name}`"), &format!("`{ty}`"), doc]);
        }
    }
    page
}

fn table<'a>(page: &mut String, owner: &str, functions: impl Iterator<Item = &'a Function>) {
    let title = if owner.is_empty() { "Globals" } else { owner };
    page.push_str(&format!(
        "\n## {title}\n\n| function | gives | |\n|---|---|---|\n"
    ));
    for function in functions {
        let returns = match function.returns {
            "" => String::new(),
            ty => format!("`{ty}`"),
        };
        row(
            page,
            &[
                &format!("`{}`", signature(function)),
                &returns,
                function.doc,
            ],
        );
    }
}

fn row(page: &mut String, cells: &[&str]) {
    // A `|` would end the cell, also in code.
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    // Writing to a string can't fail.
    writeln!(page, "| {} |", cells.join(" | ")).unwrap_or_default();
}
