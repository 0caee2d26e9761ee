//! Names that some readers take for others.

use serde_json::{Map, Value};

/// The first of the names that `key` is for readers which do not tell upper from lower case, and is not for others.
/// Go's `encoding/json` is such a reader: of `method` and `Method` the last counts.
pub(crate) fn like(key: &str, names: &[&'static str]) -> Option<&'static str> {
    let mut names = names.iter().copied();
    names.find(|name| *name != key && folded(name).eq(folded(key)))
}

/// Whether a member is like one of the names, or like another member.
pub(crate) fn is_ambiguous(members: &Map<String, Value>, names: &[&'static str]) -> bool {
    if members.keys().any(|key| like(key, names).is_some()) {
        return true;
    }
    let mut keys: Vec<String> = members.keys().map(|key| folded(key).collect()).collect();
    keys.sort_unstable();
    keys.windows(2).any(|two| two[0] == two[1])
}

/// As Unicode's simple folding has it: also the long s is an s, and the sign for kelvin a k.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let upper = text.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_other_letters_are_like_them() {
        let names = ["method", "params"];
        for (key, expected) in [
            ("Method", Some("method")),
            ("METHOD", Some("method")),
            ("param\u{17f}", Some("params")),
            ("method", None),
            ("methods", None),
            ("m\u{e9}thod", None),
        ] {
            assert_eq!(like(key, &names), expected, "{key}");
        }
    }
}
