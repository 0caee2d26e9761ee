//! What a script has, in one table: the reference page and the types for editors are written from it, and the tests
//! compare it with the globals of a state.

mod classes;
mod functions;
mod meta;
mod reference;

pub use meta::meta;
pub use reference::reference;

/// A function of a script.
pub struct Function {
    /// `Global.name`, `receiver:name` for a method, or the bare name of a global function.
    pub name: &'static str,
    /// Name and LuaCATS type of each parameter; a name that ends in `?` may be left out.
    pub params: &'static [(&'static str, &'static str)],
    /// LuaCATS type of what it returns; empty: nothing.
    pub returns: &'static str,
    /// What it does.
    pub doc: &'static str,
}

/// A table or an object with known fields.
pub struct Class {
    /// Its LuaCATS name.
    pub name: &'static str,
    /// The receiver of its methods in [`Function::name`]; empty: it has none.
    pub receiver: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Name, LuaCATS type and meaning; a name that ends in `?` may be absent.
    pub fields: &'static [(&'static str, &'static str, &'static str)],
}

/// Every function that scripts have beside those of Luau, with every host plugged in.
pub fn functions() -> &'static [Function] {
    functions::FUNCTIONS
}

/// Every table and object that these functions take and give.
pub fn classes() -> &'static [Class] {
    classes::CLASSES
}

/// `(a, b?)`.
fn signature(function: &Function) -> String {
    let names: Vec<_> = function.params.iter().map(|(name, _)| *name).collect();
    format!("{}({})", function.name, names.join(", "))
}

/// What is in front of the `.` or `:`; empty for a bare name.
fn owner(function: &Function) -> &'static str {
    let end = function.name.find(['.', ':']).unwrap_or(0);
    &function.name[..end]
}
