//! Arguments that are one plain value: read as they are, without JSON, and strings through handles that are kept.

use hooks_runtime::GuardContext;
use mlua::{Lua, LuaString};

/// The longest string that is kept, in bytes.
const MAX_KEPT: usize = 64;
/// How many are kept.
const KEPT: usize = 64;

/// The Lua strings that hooks were given last. With a memory limit every new string costs a protected call; a
/// handle of one that is there costs none.
pub(crate) struct Interned {
    /// By hash; a string pushes out the one in its place.
    strings: Vec<Option<(Box<str>, LuaString)>>,
}

impl Default for Interned {
    fn default() -> Self {
        Interned {
            strings: vec![None; KEPT],
        }
    }
}

impl Interned {
    /// Hands the Lua string of a text over.
    pub(crate) fn with<R>(
        &mut self,
        lua: &Lua,
        text: &str,
        f: impl FnOnce(&LuaString) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        if text.len() > MAX_KEPT {
            return f(&lua.create_string(text)?);
        }
        let place = &mut self.strings[hash(text.as_bytes()) % KEPT];
        match place {
            Some((known, string)) if **known == *text => f(string),
            other => {
                let string = lua.create_string(text)?;
                f(&other.insert((text.into(), string)).1)
            }
        }
    }
}

/// Of the length, the first and the last bytes: a bad one costs a new string, nothing else.
fn hash(text: &[u8]) -> usize {
    let eight = |bytes: &[u8]| {
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(eight)
    };
    let part = text.len().min(8);
    let mixed = eight(&text[..part]) ^ eight(&text[text.len() - part..]).rotate_left(29);
    let mixed = (mixed ^ text.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as usize
}

/// A value that needs no JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plain<'v> {
    Flag(bool),
    Number(f64),
    Text(&'v str),
}

/// The types whose values are one plain value, as they are written at the site.
enum Type {
    Text,
    String,
    Flag,
    U64,
    I64,
    U32,
    I32,
    Usize,
    F64,
}

fn plain_type(ty: &str) -> Option<Type> {
    Some(match ty {
        "&str" => Type::Text,
        "String" | "&String" => Type::String,
        "bool" | "&bool" => Type::Flag,
        "u64" => Type::U64,
        "i64" => Type::I64,
        "u32" => Type::U32,
        "i32" => Type::I32,
        "usize" => Type::Usize,
        "f64" => Type::F64,
        _ => return None,
    })
}

/// Whether values of that type are one plain value.
pub(crate) fn is_plain(ty: &str) -> bool {
    plain_type(ty).is_some()
}

/// The argument at that position, if it is a plain value and can be read now; for everything else, and for what is
/// wrong with it, there is its JSON form.
pub(crate) fn read<'c>(call: &'c GuardContext<'_>, at: usize) -> Option<Plain<'c>> {
    macro_rules! number {
        ($type:ty) => {
            call.arg_at::<$type>(at).map(|value| *value as f64)
        };
    }
    let number = match plain_type(call.site().args[at].ty)? {
        Type::Text => return call.arg_at::<str>(at).map(Plain::Text).ok(),
        Type::String => {
            let text = call.arg_at::<String>(at);
            return text.map(|text| Plain::Text(text)).ok();
        }
        Type::Flag => {
            let flag = call.arg_at::<bool>(at);
            return flag.map(|flag| Plain::Flag(*flag)).ok();
        }
        Type::U64 => number!(u64),
        Type::I64 => number!(i64),
        Type::U32 => number!(u32),
        Type::I32 => number!(i32),
        Type::Usize => number!(usize),
        Type::F64 => number!(f64),
    };
    number.ok().filter(|n| n.is_finite()).map(Plain::Number)
}
