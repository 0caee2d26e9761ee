//! The methods of the protocol.

use std::fmt;

/// The method whose requests are calls of tools.
pub(crate) const CALL_TOOL: &str = "tools/call";
/// The method whose answer is the list of tools.
pub(crate) const LIST_TOOLS: &str = "tools/list";
/// The method that tells how a task stands.
pub(crate) const TASK: &str = "tasks/get";
/// The method whose answer is the result of a task.
pub(crate) const TASK_RESULT: &str = "tasks/result";
/// The first request of a session.
pub(crate) const INITIALIZE: &str = "initialize";
/// The notification that an answer is not wanted any more.
pub(crate) const CANCELLED: &str = "notifications/cancelled";
/// How far a request is.
pub(crate) const PROGRESS: &str = "notifications/progress";

/// One of the two parties of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// Whoever uses the server: the program with the model in it.
    Client,
    /// The MCP server.
    Server,
}

impl Party {
    /// The other one.
    pub fn other(self) -> Party {
        match self {
            Party::Client => Party::Server,
            Party::Server => Party::Client,
        }
    }

    /// `client` or `server`.
    pub fn as_str(self) -> &'static str {
        match self {
            Party::Client => "client",
            Party::Server => "server",
        }
    }

    /// The requests that this party makes, in all revisions of the protocol.
    pub fn requests(self) -> &'static [&'static str] {
        match self {
            Party::Client => CLIENT_REQUESTS,
            Party::Server => SERVER_REQUESTS,
        }
    }

    /// The notifications that this party sends, in all revisions of the protocol.
    pub fn notifications(self) -> &'static [&'static str] {
        match self {
            Party::Client => CLIENT_NOTIFICATIONS,
            Party::Server => SERVER_NOTIFICATIONS,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const CLIENT_REQUESTS: &[&str] = &[
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/directory/read",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "skills/get",
    "skills/list",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];

const SERVER_REQUESTS: &[&str] = &[
    "elicitation/create",
    "ping",
    "roots/list",
    "sampling/createMessage",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
];

const CLIENT_NOTIFICATIONS: &[&str] = &[
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
];

const SERVER_NOTIFICATIONS: &[&str] = &[
    "notifications/cancelled",
    "notifications/elicitation/complete",
    "notifications/elicitation/response",
    "notifications/message",
    "notifications/progress",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
    "notifications/tasks",
    "notifications/tasks/status",
    "notifications/tools/list_changed",
];
