//! The gateway: sessions under one policy.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hooks_runtime::HookScope;

use crate::limits::Limits;
use crate::pins::Pins;
use crate::session::Session;
use crate::side::Side;

/// What all sessions of a gateway have in common.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayOptions {
    /// What hooks see as `server`. Default: `server`.
    pub server: String,
    /// Methods that are none of the protocol are refused. Default: they pass.
    pub strict: bool,
    /// The limits of a session.
    pub limits: Limits,
    /// What is remembered of the definitions of tools. Default: nothing.
    pub pins: Option<Arc<Pins>>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        GatewayOptions {
            server: "server".to_owned(),
            strict: false,
            limits: Limits::default(),
            pins: None,
        }
    }
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The client left, and the server was ended.
    ClientLeft,
    /// It was told to end.
    Stopped,
    /// The server was gone first; the client's requests were answered with errors.
    ServerGone,
}

/// Puts hooks between clients and servers.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    options: Arc<GatewayOptions>,
}

impl Gateway {
    /// A gateway; the hooks are those of the registry in which sessions run.
    pub fn new(mut options: GatewayOptions) -> Self {
        options.limits = options.limits.within_ranges();
        Gateway {
            options: Arc::new(options),
        }
    }

    /// The options, with every limit within its range.
    pub fn options(&self) -> &GatewayOptions {
        &self.options
    }

    /// One session: passes messages between a client and a server until one of them is gone. Then everything that
    /// was asked is answered, and both sides are closed. Needs a tokio runtime with timers.
    pub async fn run(&self, client: Side, server: Side) -> Ended {
        self.run_until(client, server, std::future::pending()).await
    }

    /// The same, and ends as if the client had left when `stop` is ready.
    pub async fn run_until(
        &self,
        client: Side,
        server: Side,
        stop: impl Future<Output = ()>,
    ) -> Ended {
        // Not a secret: it only keeps our ids apart from those of others.
        let mark = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let session = Session::run(Arc::clone(&self.options), mark, client, server, stop);
        // What a hook halts is the session.
        let run = HookScope::run(format!("mcp session with {}", self.options.server));
        run.wrap(session).await
    }
}
