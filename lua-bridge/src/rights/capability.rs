//! One thing that a script may do, as operators and scripts write it.

mod paths;

use std::fmt;
use std::str::FromStr;

use hooks_events::TopicPattern;
use hooks_runtime::Role;
use hooks_runtime::pattern::Pattern;
use hooks_runtime::point::suggest;

/// One thing that a script may do.
///
/// | text | what it allows |
/// |---|---|
/// | `hook:<point or pattern>:<role>` | hooks at these points; the role is `intercept`, `guard`, `observe` or `*` |
/// | `grant:<point or pattern>` | that these hooks answer Allow |
/// | `event:publish:<topic or pattern>` | events and requests under these topics |
/// | `event:subscribe:<topic or pattern>` | subscriptions that match nothing else, and what was kept of these topics |
/// | `call:<point or pattern>` | calls with `Hook.call` at these points; `call:>`: at those that no function of the program has |
/// | `fs:read:<path>`, `fs:write:<path>` | built-in hooks that read or write that file, or beneath that folder; `*`: any |
/// | `tool:<name>` | calls of that tool, also from agents and workflows of the script; `*`: of every tool |
/// | `agent`, `workflow` | agents and workflows of its own |
/// | `approval` | questions to whoever approves, with `Approval.request` |
///
/// A path is looked at when a hook is registered: grant folders that only the program itself can write to, where nobody
/// can make a link afterwards.
///
/// ```
/// use hooks_lua::Capability;
/// let guards: Capability = "hook:tool.*:guard".parse().unwrap();
/// assert!(guards.covers(&"hook:tool.execute:guard".parse().unwrap()));
/// assert!(!guards.covers(&"hook:tool.execute:intercept".parse().unwrap()));
/// assert!(!guards.covers(&"hook:tool.>:guard".parse().unwrap()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// `None`: every role.
    Hook(Box<str>, Option<Role>),
    Grant(Box<str>),
    Publish(Box<str>),
    Subscribe(Box<str>),
    /// The point; whether functions of the program are called there.
    Call(Box<str>, bool),
    File(Access, Box<str>),
    Tool(Box<str>),
    Agent,
    Workflow,
    Approval,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What is wrong with the text of a capability, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no capability: {why}")]
pub struct CapabilityError {
    text: String,
    why: String,
}

impl CapabilityError {
    pub(super) fn new(text: &str, why: impl Into<String>) -> Self {
        CapabilityError {
            text: text.to_owned(),
            why: why.into(),
        }
    }
}

const FORMS: &str = "hook:<point>:<role>, grant:<point>, event:publish:<topic>, event:subscribe:<topic>, call:<point>, fs:read:<path>, fs:write:<path>, tool:<name>, agent, workflow, approval";
const WORDS: &[&str] = &[
    "hook", "grant", "event", "call", "fs", "tool", "agent", "workflow", "approval",
];
const ROLES: &[(&str, Option<Role>)] = &[
    ("intercept", Some(Role::Intercept)),
    ("guard", Some(Role::Guard)),
    ("observe", Some(Role::Observe)),
    ("*", None),
];

impl Capability {
    pub(crate) fn hook(points: &Pattern, role: Role) -> Self {
        Capability(Kind::Hook(points.as_str().into(), Some(role)))
    }

    pub(crate) fn grant(point: &str) -> Self {
        Capability(Kind::Grant(point.into()))
    }

    pub(crate) fn publish(topic: &str) -> Self {
        Capability(Kind::Publish(topic.into()))
    }

    pub(crate) fn subscribe(pattern: &str) -> Self {
        Capability(Kind::Subscribe(pattern.into()))
    }

    /// `owned`: functions of the program are called there.
    pub(crate) fn call(point: &str, owned: bool) -> Self {
        Capability(Kind::Call(point.into(), owned))
    }

    pub(crate) fn file(access: Access, path: &str) -> Self {
        Capability(Kind::File(access, path.into()))
    }

    pub(crate) fn tool(name: &str) -> Self {
        Capability(Kind::Tool(name.into()))
    }

    /// Each at its widest, without Allow and files.
    pub(super) fn standard() -> [Self; 8] {
        [
            Capability(Kind::Hook(">".into(), None)),
            Capability::publish(">"),
            Capability::subscribe(">"),
            Capability::call(">", false),
            Capability::tool("*"),
            Capability::AGENT,
            Capability::WORKFLOW,
            Capability::APPROVAL,
        ]
    }

    pub(crate) const AGENT: Capability = Capability(Kind::Agent);
    pub(crate) const WORKFLOW: Capability = Capability(Kind::Workflow);
    pub(crate) const APPROVAL: Capability = Capability(Kind::Approval);

    /// Whether it allows all that the other one allows.
    pub fn covers(&self, other: &Capability) -> bool {
        match (&self.0, &other.0) {
            (Kind::Hook(wide, role), Kind::Hook(narrow, wanted)) => {
                (role.is_none() || role == wanted) && covers(wide, narrow)
            }
            (Kind::Grant(wide), Kind::Grant(narrow))
            | (Kind::Publish(wide), Kind::Publish(narrow))
            | (Kind::Subscribe(wide), Kind::Subscribe(narrow)) => covers(wide, narrow),
            // Whoever grants all points has not thought of those of the program.
            (Kind::Call(wide, _), Kind::Call(narrow, owned)) => {
                covers(wide, narrow) && !(*owned && **wide == *">")
            }
            (Kind::File(access, wide), Kind::File(wanted, narrow)) => {
                access == wanted && paths::covers(wide, narrow)
            }
            (Kind::Tool(wide), Kind::Tool(narrow)) => **wide == *"*" || wide == narrow,
            (Kind::Agent, Kind::Agent)
            | (Kind::Workflow, Kind::Workflow)
            | (Kind::Approval, Kind::Approval) => true,
            _ => false,
        }
    }
}

/// Whether one dotted pattern covers all that another one covers; points and topics have the same wildcards.
fn covers(wide: &str, narrow: &str) -> bool {
    let mut narrow = narrow.split('.');
    for token in wide.split('.') {
        match (token, narrow.next()) {
            (">", Some(_)) => return true,
            ("*", Some(other)) if other != ">" => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    narrow.next().is_none()
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let wrong = |why: String| CapabilityError::new(text, why);
        let points = |pattern: &str| {
            let parsed = Pattern::parse(pattern).map_err(|error| wrong(error.to_string()));
            parsed.map(|(pattern, _)| Box::from(pattern.as_str()))
        };
        let topics = |pattern: &str| {
            let parsed = TopicPattern::new(pattern).map_err(|error| wrong(error.to_string()));
            parsed.map(|pattern| Box::from(pattern.as_str()))
        };
        let parts: Vec<&str> = text.split(':').collect();
        Ok(Capability(match parts.as_slice() {
            ["hook", pattern, role] => {
                let found = ROLES.iter().find(|(word, _)| word == role);
                let (_, role) = found.ok_or_else(|| {
                    wrong(format!(
                        "the role is one of intercept, guard, observe, *, not `{role}`"
                    ))
                })?;
                Kind::Hook(points(pattern)?, *role)
            }
            ["hook", pattern] => {
                return Err(wrong(format!(
                    "it names no role; write `hook:{pattern}:guard`, `:intercept`, `:observe` or `:*`"
                )));
            }
            ["grant", pattern] => Kind::Grant(points(pattern)?),
            ["event", "publish", pattern] => Kind::Publish(topics(pattern)?),
            ["event", "subscribe", pattern] => Kind::Subscribe(topics(pattern)?),
            ["call", pattern] => Kind::Call(points(pattern)?, false),
            ["fs", access @ ("read" | "write"), ..] => {
                let path = &text["fs:".len() + access.len()..].trim_start_matches(':');
                let access = match *access {
                    "read" => Access::Read,
                    _ => Access::Write,
                };
                paths::check(path).map_err(|why| wrong(why.to_owned()))?;
                Kind::File(access, (*path).into())
            }
            ["tool", name] if !name.is_empty() => Kind::Tool((*name).into()),
            ["agent"] => Kind::Agent,
            ["workflow"] => Kind::Workflow,
            ["approval"] => Kind::Approval,
            [word, ..] => {
                let near = suggest(word, WORDS.iter().copied()).filter(|near| near != word);
                let hint = near.map(|near| format!("; did you mean `{near}`?"));
                return Err(wrong(format!(
                    "there are: {FORMS}{}",
                    hint.unwrap_or_default()
                )));
            }
            [] => return Err(wrong(format!("there are: {FORMS}"))),
        }))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Hook(points, role) => {
                write!(f, "hook:{points}:{}", role.map_or("*", Role::as_str))
            }
            Kind::Grant(points) => write!(f, "grant:{points}"),
            Kind::Publish(topics) => write!(f, "event:publish:{topics}"),
            Kind::Subscribe(topics) => write!(f, "event:subscribe:{topics}"),
            Kind::Call(points, _) => write!(f, "call:{points}"),
            Kind::File(Access::Read, path) => write!(f, "fs:read:{path}"),
            Kind::File(Access::Write, path) => write!(f, "fs:write:{path}"),
            Kind::Tool(name) => write!(f, "tool:{name}"),
            Kind::Agent => f.write_str("agent"),
            Kind::Workflow => f.write_str("workflow"),
            Kind::Approval => f.write_str("approval"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "hook:tool.*:guard",
            "hook:>:*",
            "grant:tool.execute",
            "event:publish:app.>",
            "event:subscribe:order.*",
            "call:app.>",
            "fs:read:./rules",
            "fs:write:/var/log/a:b.log",
            "fs:write:*",
            "tool:calculator",
            "tool:*",
            "agent",
            "workflow",
            "approval",
        ] {
            let read: Capability = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            assert!(read.covers(&read), "{text}");
        }
        let alias: Capability = "hook:BeforeToolExecution:guard".parse().unwrap();
        assert_eq!(alias.to_string(), "hook:tool.execute:guard");
    }

    #[test]
    fn all_points_are_not_those_of_the_program() {
        let allow = |text: &str, owned| {
            let granted: Capability = text.parse().unwrap();
            granted.covers(&Capability::call("shop.buy", owned))
        };
        assert!(allow("call:>", false) && !allow("call:>", true));
        assert!(allow("call:shop.*", true) && allow("call:shop.buy", true));
        assert!(!allow("call:shop.sell", false) && !allow("hook:shop.buy:*", false));
    }

    #[test]
    fn a_mistake_says_what_to_write() {
        for (text, why) in [
            ("hook:tool.execute", "write `hook:tool.execute:guard`"),
            ("hook:tool.execute:gaurd", "one of intercept, guard"),
            ("hook:tool.exekute:guard", "did you mean `tool.execute`"),
            ("hok:tool.execute:guard", "did you mean `hook`"),
            ("event:publsh:app", "event:publish:<topic>"),
            ("event:publish:a..b", "a..b"),
            ("tool:", "tool:<name>"),
            ("fs:write:", "names no path"),
            ("fs:write:a/../b", "`..`"),
            ("fs:append:a", "fs:write:<path>"),
            ("call:a..b", "a..b"),
            ("", "there are:"),
        ] {
            let error = text.parse::<Capability>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
