//! Arguments that are one plain value: read as they are, without JSON, and strings through handles that are kept.

use hooks_runtime::GuardContext;
use mlua::{Lua, Value};

use crate::bind::ApiResult;
use crate::vm::Vm;

/// The longest string that is kept, in bytes.
const MAX_KEPT: usize = 64;
/// How many are kept.
const KEPT: usize = 64;

/// The Lua strings that hooks were given last. With a memory limit every new string costs a protected call; a
/// handle of one that is there costs none.
pub(crate) struct Interned {
    /// By hash; a string pushes out the one in its place.
    strings: Vec<Option<(Box<str>, mlua::LuaString)>>,
}

impl Default for Interned {
    fn default() -> Self {
        Interned {
            strings: vec![None; KEPT],
        }
    }
}

impl Interned {
    pub(crate) fn string(&mut self, lua: &Lua, text: &str) -> mlua::Result<mlua::LuaString> {
        if text.len() > MAX_KEPT {
            return lua.create_string(text);
        }
        let place = &mut self.strings[hash(text.as_bytes()) % KEPT];
        if let Some((known, string)) = place
            && **known == *text
        {
            return Ok(string.clone());
        }
        let string = lua.create_string(text)?;
        *place = Some((text.into(), string.clone()));
        Ok(string)
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

/// The argument at that position, if it is a plain value of one of the usual types and can be read now; for
/// everything else, and for what is wrong with it, there is its JSON form.
pub(crate) fn read(vm: &Vm, call: &GuardContext<'_>, at: usize) -> ApiResult<Option<Value>> {
    macro_rules! number {
        ($type:ty) => {
            call.arg_at::<$type>(at).map(|value| *value as f64)
        };
    }
    let number = match call.site().args[at].ty {
        "&str" => return text(vm, call.arg_at::<str>(at)),
        "String" | "&String" => return text(vm, call.arg_at::<String>(at).map(String::as_str)),
        "bool" | "&bool" => {
            let flag = call.arg_at::<bool>(at);
            return Ok(flag.map(|flag| Value::Boolean(*flag)).ok());
        }
        "u64" => number!(u64),
        "i64" => number!(i64),
        "u32" => number!(u32),
        "i32" => number!(i32),
        "usize" => number!(usize),
        "f64" => number!(f64),
        _ => return Ok(None),
    };
    Ok(number.ok().filter(|n| n.is_finite()).map(Value::Number))
}

fn text<E>(vm: &Vm, text: Result<&str, E>) -> ApiResult<Option<Value>> {
    match text {
        Ok(text) => Ok(Some(Value::String(vm.intern(text)?))),
        Err(_) => Ok(None),
    }
}
