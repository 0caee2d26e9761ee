//! Hook points: the names at which hooks meet functions.

use std::borrow::Cow;
use std::fmt;

/// When, within one call, a hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before the body: arguments may change, the call may be refused or answered.
    Pre,
    /// After the body returned (for `Result`: `Ok`).
    Post,
    /// After the body returned `Err`.
    Error,
    /// Exactly once for every call whose `Pre` began, with its outcome.
    Done,
}

impl Phase {
    /// The lower-case name, as it stands in records and scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pre => "pre",
            Phase::Post => "post",
            Phase::Error => "error",
            Phase::Done => "done",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

hooks_macros::builtin_points!();

impl HookPoint {
    /// The point of that name; an alias gives the point that it stands for.
    ///
    /// ```
    /// use hooks_runtime::HookPoint;
    /// assert_eq!(HookPoint::parse("tool.execute"), HookPoint::ToolExecute);
    /// assert_eq!(HookPoint::parse("BeforeToolExecution"), HookPoint::ToolExecute);
    /// assert_eq!(HookPoint::parse("billing.charge").name(), "billing.charge");
    /// ```
    pub fn parse(name: &str) -> HookPoint {
        if let Some(i) = NAMES.iter().position(|n| *n == name) {
            return BUILTIN[i].clone();
        }
        match alias(name) {
            Some((point, _)) => point,
            None => HookPoint::Custom(Cow::Owned(name.to_owned())),
        }
    }

    /// Whether the name is one of the built-in ones.
    pub fn is_builtin(&self) -> bool {
        !matches!(self, HookPoint::Custom(_))
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<&str> for HookPoint {
    fn from(name: &str) -> Self {
        HookPoint::parse(name)
    }
}

impl serde::Serialize for HookPoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a name of the predecessor stands for.
///
/// ```
/// use hooks_runtime::{HookPoint, Phase, point};
/// assert_eq!(point::alias("ToolError"), Some((HookPoint::ToolExecute, Phase::Error)));
/// ```
pub fn alias(name: &str) -> Option<(HookPoint, Phase)> {
    ALIASES
        .iter()
        .find(|(a, _, _)| *a == name)
        .map(|(_, point, phase)| (point.clone(), *phase))
}

/// The name among `candidates` that is closest to `name`, if any is close enough to be what was meant.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, best) = candidates
        .into_iter()
        .map(|c| (edit_distance(name, c), c))
        .min()?;
    (distance <= 1 + name.len() / 4).then_some(best)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_53_points_and_43_aliases_and_all_parse_back() {
        assert_eq!(BUILTIN.len(), 53);
        assert_eq!(ALIASES.len(), 43);
        for point in BUILTIN {
            assert_eq!(&HookPoint::parse(point.name()), point);
            let group = point.name().split('.').next().unwrap_or_default();
            assert!(RESERVED_GROUPS.contains(&group), "{point}");
        }
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let names = || BUILTIN.iter().map(HookPoint::name);
        assert_eq!(suggest("tool.exekute", names()), Some("tool.execute"));
        assert_eq!(suggest("completely.different", names()), None);
    }
}
