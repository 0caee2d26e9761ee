//! Clients and servers that speak HTTP by hand.

mod by_hand;
mod client;
mod echo;

use std::net::SocketAddr;
use std::time::Duration;

use hooks_mcp::side::http::{HttpListener, HttpListenerOptions};
use hooks_mcp::{Gateway, GatewayOptions, Side};
use hooks_runtime::{HookRegistry, HookScope};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) use by_hand::ByHand;
pub(crate) use client::{Answer, Client};
pub(crate) use echo::Echo;

/// What never comes is a failure after this long.
pub(crate) const NEVER: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(NEVER, work).await.expect("it comes")
}

pub(crate) const BOTH: &str = "accept: application/json, text/event-stream\r\n";
pub(crate) const IS_JSON: &str = "content-type: application/json\r\n";

pub(crate) fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let id: Value = id.into();
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// A gateway that listens.
pub(crate) struct Listening {
    _registry: HookRegistry,
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Listening {
    pub(crate) async fn start(
        options: HttpListenerOptions,
        gateway: GatewayOptions,
        register: impl FnOnce(&HookRegistry),
        server: impl Fn() -> std::io::Result<Side> + Send + Sync + 'static,
    ) -> Listening {
        let registry = HookRegistry::new();
        let scope = HookScope::isolated(&registry);
        register(&registry);
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = HttpListener::bind(any, options).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let until = async { stopped.await.expect("it is stopped, not dropped") };
        let serve = listener.serve(Gateway::new(gateway), server, until);
        let served = tokio::spawn(scope.wrap(serve));
        Listening {
            _registry: registry,
            address,
            stop,
            served,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client {
            address: self.address,
            session: None,
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("it serves");
        soon(self.served).await.expect("it does not panic");
    }
}
